# SPDX-License-Identifier: Apache-2.0
"""Data without Python: pictures against Pillow, arrays, raw elements, lists."""

import json

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops
from program import BAD_ARGUMENTS, CANNOT_READ, DONE, check_refused, run

image = pytest.importorskip("PIL.Image")

HEIGHT, WIDTH = 40, 56


def save_model(folder, *shapes, type=np.float32):
    """Gives back its first input, so that `mse` compares what was read with the labels."""
    inputs = []
    for i, shape in enumerate(shapes):
        inputs.append(ops.parameter(list(shape), type, name=f"x{i}"))
        inputs[-1].output(0).set_names({f"x{i}"})
    total = ops.convert(inputs[0], "f32")
    for other in inputs[1:]:
        total = ops.add(total, ops.convert(other, "f32"))
    total = ops.clamp(total, -1e9, 1e9)
    ov.save_model(ov.Model([ops.result(total)], inputs, "echo"), folder / "model.xml", compress_to_fp16=False)
    return folder / "model.xml"


def save_picture(path, seed=1, size=(WIDTH, HEIGHT), mode="RGB"):
    """Smooth, with edges, as photographs are."""
    rng = np.random.default_rng(seed)
    small = image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, image.BICUBIC)
    small.convert(mode).save(path, quality=92)
    return path


def what_is_read(tmp_path, data, wanted, *options, shape=(1, 3, -1, -1), type=np.float32):
    """The largest difference of the first item from `wanted`."""
    model = save_model(tmp_path, shape, type=type)
    np.save(tmp_path / "labels.npy", wanted)
    listed = tmp_path / "list.txt"
    numbers = " ".join(repr(float(value)) for value in np.asarray(wanted, np.float32).ravel())
    listed.write_text(f"{data} {numbers}\n")
    result = run("validate", model, "--validation", listed, "--metric", "mse", "--json", *options)
    assert result.returncode == DONE, result.stderr
    return json.loads(result.stdout)["metrics"]["mse"] ** 0.5


@pytest.mark.parametrize(("name", "mode", "tolerance"), [
    ("a.png", "RGB", 0), ("a.png", "RGBA", 0), ("a.png", "L", 0), ("a.png", "P", 0), ("a.bmp", "RGB", 0),
    ("a.jpg", "RGB", 0.6), ("a.JPEG", "L", 0.6),
])  # fmt: skip
def test_pictures_are_decoded_as_by_pillow(tmp_path, name, mode, tolerance):
    path = save_picture(tmp_path / name, mode=mode)
    wanted = np.asarray(image.open(path).convert("RGB"), np.float32).transpose(2, 0, 1)
    assert what_is_read(tmp_path, name, wanted, "--size", f"{HEIGHT},{WIDTH}") <= tolerance


@pytest.mark.parametrize("size", [(20, 28), (17, 60), (90, 100), (40, 13)])
def test_pictures_are_resized_as_by_pillow(tmp_path, size):
    path = save_picture(tmp_path / "a.png")
    wanted = image.open(path).resize((size[1], size[0]), image.BILINEAR)
    wanted = np.asarray(wanted, np.float32).transpose(2, 0, 1)
    assert (
        what_is_read(tmp_path, "a.png", wanted, shape=(1, 3, *size)) < 0.05
    )  # 0 but for few values, which differ by 1


def test_the_center_is_cut_out_as_for_imagenet(tmp_path):
    path = save_picture(tmp_path / "a.png")
    shorter = 32  # 28 / 0.875
    resized = image.open(path).resize((int(shorter * WIDTH / HEIGHT), shorter), image.BILINEAR)
    left = round((resized.width - 28) / 2)
    wanted = np.asarray(resized.crop((left, 2, left + 28, 30)), np.float32).transpose(2, 0, 1)
    assert what_is_read(tmp_path, "a.png", wanted, "--crop", "0.875", shape=(1, 3, 28, 28)) < 0.05


def test_mean_scale_color_and_layout_are_those_asked_for(tmp_path):
    path = save_picture(tmp_path / "a.png")
    rgb = np.asarray(image.open(path), np.float32)
    normalized = (rgb[..., ::-1] - [1, 2, 3]) / [4, 5, 6]
    options = ["--color", "bgr", "--mean", "1,2,3", "--scale", "4,5,6"]
    for shape, wanted in [((1, 3, HEIGHT, WIDTH), normalized.transpose(2, 0, 1)), ((1, HEIGHT, WIDTH, 3), normalized)]:
        assert what_is_read(tmp_path, "a.png", wanted, *options, shape=shape) < 1e-5
    whole = (rgb.transpose(2, 0, 1) - 128) / 2
    options = ["--mean", "128", "--scale", "2", "--layout", "nchw", "--size", f"{HEIGHT},{WIDTH}"]
    assert what_is_read(tmp_path, "a.png", whole, *options, shape=(-1, -1, -1, -1)) < 1e-5
    gray = np.asarray(image.open(path).convert("L"), np.float32)
    assert what_is_read(tmp_path, "a.png", gray, shape=(1, 1, HEIGHT, WIDTH)) == 0
    assert what_is_read(tmp_path, "a.png", rgb.transpose(2, 0, 1), shape=(1, 3, HEIGHT, WIDTH), type=np.uint8) == 0


def save_classifier(folder):
    """The mean of each channel as its score."""
    data = ops.parameter([-1, 3, HEIGHT, WIDTH], np.float32, name="image")
    scores = ops.reduce_mean(data, ops.constant(np.array([2, 3])), False)
    ov.save_model(ov.Model([ops.result(scores)], [data], "colors"), folder / "model.xml", compress_to_fp16=False)
    return folder / "model.xml"


@pytest.mark.parametrize("batch", [[], ["--batch", "2"], ["--batch", "4"]])
def test_folders_of_pictures_are_classes_in_the_order_of_their_names(tmp_path, batch):
    data = tmp_path / "data"
    for label, name in enumerate(["b_red", "c_green", "d_blue"]):
        (data / name).mkdir(parents=True)
        for i in range(3 - label):
            pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            pixels[..., label] = 200
            image.fromarray(pixels).save(data / name / f"{i}.png")
    (data / ".hidden").mkdir()
    (data / "b_red" / "notes.md").write_text("not a picture")
    arguments = ["validate", save_classifier(tmp_path), "--validation", data, "--metric", "top1", "--json", *batch]
    result = run(*arguments)
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["metrics"] == {"top1": 1}
    (data / "b_red").rename(data / "e_red")  # now the last one
    assert json.loads(run(*arguments).stdout)["metrics"] == {"top1": 0}


def test_a_list_names_files_and_labels(tmp_path):
    (tmp_path / "my pictures").mkdir()
    for label in range(3):
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[..., label] = 200
        image.fromarray(pixels).save(tmp_path / "my pictures" / f"{label}.png")
    lines = ["# file and label", "my pictures/0.png\t0", "", "my pictures/1.png\t1  ", "my pictures/2.png\t0"]
    (tmp_path / "list.txt").write_text("\n".join(lines).replace("1  ", "1"))
    result = run("validate", save_classifier(tmp_path), "--validation", tmp_path / "list.txt", "--metric", "top1")
    assert result.returncode == DONE, result.stderr
    assert result.stdout == "top1: 0.666667\n"


def test_arrays_come_from_a_file_a_folder_or_a_folder_per_input(tmp_path):
    rng = np.random.default_rng(1)
    items = rng.random((5, 4), dtype=np.float32)
    model = save_model(tmp_path, (-1, 4))
    (tmp_path / "one").mkdir()
    for i, item in enumerate(items):
        np.save(tmp_path / "one" / f"{i}.npy", item if i % 2 else item[None])
    np.save(tmp_path / "one" / "targets.npy", items + 1)
    np.save(tmp_path / "all.npy", np.asfortranarray(items))
    np.save(tmp_path / "targets.npy", items + 1)
    for data in ["one", "all.npy"]:
        arguments = ["--validation", tmp_path / data, "--labels", "targets", "--metric", "mse", "--batch", "2"]
        result = run("validate", model, *arguments)
        assert (result.returncode, result.stdout) == (DONE, "mse: 1\n"), result.stderr

    model = save_model(tmp_path, (-1, 4), (-1, 4))
    for name, values in [("x0", items), ("x1", -items)]:
        (tmp_path / "both" / name).mkdir(parents=True)
        for i, item in enumerate(values):
            np.save(tmp_path / "both" / name / f"{i}.npy", item)
    np.save(tmp_path / "both" / "targets.npy", np.zeros((5, 4)))
    result = run("validate", model, "--validation", tmp_path / "both", "--labels", "targets", "--metric", "mse")
    assert (result.returncode, result.stdout) == (DONE, "mse: 0\n"), result.stderr


def test_raw_elements_have_the_type_and_shape_of_the_input(tmp_path):
    values = np.arange(6, dtype=np.int16)
    (tmp_path / "a.raw").write_bytes(values.tobytes())
    assert what_is_read(tmp_path, "a.raw", values, shape=(-1, 2, 3), type=np.int16) == 0


@pytest.mark.parametrize(
    ("name", "content", "shape", "code", "words"),
    [
        ("a.png", b"no picture", (1, 3, 4, 4), CANNOT_READ, ["a.png"]),
        ("a.jpg", b"\xff\xd8\xff\xe0", (1, 3, 4, 4), CANNOT_READ, ["a.jpg"]),
        ("a.raw", b"12345", (1, 4), BAD_ARGUMENTS, ["a.raw", "5 bytes", "16"]),
        ("a.npy", b"\x93NUMPY", (1, 4), CANNOT_READ, ["a.npy", "ends within its header"]),
        ("a.txt", b"missing.png 3", (1, 3, 4, 4), CANNOT_READ, ["missing.png"]),
        ("a.txt", b"x.png three", (1, 3, 4, 4), BAD_ARGUMENTS, ["line 1", "'three'"]),
        ("a.txt", b"# nothing", (1, 3, 4, 4), BAD_ARGUMENTS, ["names no files"]),
        ("a.png", b"", (1, 7, 4, 4), BAD_ARGUMENTS, ["[1,7,4,4]", "'layout'"]),
        ("a.png", b"", (1, 3, -1, 4), BAD_ARGUMENTS, ["[1,3,?,4]", "'size'"]),
        ("a.md", b"", (1, 3, 4, 4), BAD_ARGUMENTS, ["holds no data"]),
    ],
)
def test_data_that_cannot_be_used_is_named_by_its_file(tmp_path, name, content, shape, code, words):
    data = tmp_path / "data"
    data.mkdir()
    (data / name).write_bytes(content)
    target = data / name if name.endswith(".txt") else data
    result = run("validate", save_model(tmp_path, shape), "--validation", target, "--metric", "mse", "--labels", "")
    check_refused(result, code, *words)


def test_damaged_pictures_never_crash(tmp_path):
    model = save_model(tmp_path, (1, 3, 16, 16))
    rng = np.random.default_rng(9)
    for name in ["a.png", "a.jpg", "a.bmp"]:
        whole = bytearray(save_picture(tmp_path / name).read_bytes())
        data = tmp_path / f"damaged-{name}"
        data.mkdir()
        for i in range(20):
            damaged = bytearray(whole)
            for at in rng.integers(0, len(whole), 8):
                damaged[at] = rng.integers(0, 256)
            (data / f"{i}{name[1:]}").write_bytes(damaged[: rng.integers(1, len(whole) + 1)])
            (tmp_path / "list.txt").write_text(f"damaged-{name}/{i}{name[1:]} " + "0 " * 768 + "\n")
            result = run("validate", model, "--validation", tmp_path / "list.txt", "--metric", "mse")
            assert result.returncode in (DONE, CANNOT_READ), result.stderr
