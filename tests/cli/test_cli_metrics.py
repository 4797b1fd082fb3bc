# SPDX-License-Identifier: Apache-2.0
"""Metrics of the command line against libraries that people know, whatever the batch, ragged last ones included."""

import json
import sys

import numpy as np
import pytest
from identity import measure, save_identity
from program import BAD_ARGUMENTS, CANNOT_READ, DONE, check_refused, run

scipy_stats = pytest.importorskip("scipy.stats")
sklearn_metrics = pytest.importorskip("sklearn.metrics")
skimage_metrics = pytest.importorskip("skimage.metrics")

BATCHES = [1, 7, 64]  # of 20 items: one by one, with a smaller last batch, all at once


def scores_and_labels(classes=6, items=20):
    rng = np.random.default_rng(4)
    return rng.random((items, classes), dtype=np.float32), rng.integers(0, classes, items)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("k", [1, 2, 5])
def test_top_k_is_that_of_scikit_learn(tmp_path, k, batch):
    scores, labels = scores_and_labels()
    expected = sklearn_metrics.top_k_accuracy_score(labels, scores, k=k, labels=range(6))
    assert measure(tmp_path, f"top{k}", labels, scores=scores, batch=batch) == {f"top{k}": pytest.approx(expected)}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("average", ["macro", "micro"])
def test_f1_over_classes_is_that_of_scikit_learn(tmp_path, average, batch):
    scores, labels = scores_and_labels()
    labels[labels == 5] = 0  # a class that is predicted but never right
    expected = sklearn_metrics.f1_score(labels, scores.argmax(1), average=average, zero_division=0)
    name = f"f1_{average}"
    assert measure(tmp_path, name, labels, scores=scores, batch=batch) == {name: pytest.approx(expected)}


@pytest.mark.parametrize("batch", BATCHES)
def test_f1_of_two_classes_takes_scores_of_both_or_one_and_a_threshold(tmp_path, batch):
    scores, labels = scores_and_labels(classes=2)
    expected = sklearn_metrics.f1_score(labels, scores.argmax(1))
    assert measure(tmp_path, "f1", labels, scores=scores, batch=batch) == {"f1": pytest.approx(expected)}
    one = scores[:, 1:]
    expected = sklearn_metrics.f1_score(labels, one[:, 0] > 0.3)
    assert measure(tmp_path, "f1:threshold=0.3", labels, scores=one, batch=batch) == {"f1": pytest.approx(expected)}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("name", "function"), [("pearson", "pearsonr"), ("spearman", "spearmanr")])
def test_correlations_are_those_of_scipy(tmp_path, name, function, batch):
    scores, _ = scores_and_labels()
    labels = np.round(scores[:, 0] * 4 + scores[:, 1])  # with ties
    expected = getattr(scipy_stats, function)(scores[:, 0].astype(float), labels).statistic
    assert measure(tmp_path, name, labels, scores=scores[:, :1], batch=batch) == {
        name: pytest.approx(expected, rel=1e-9)
    }


@pytest.mark.parametrize("batch", [1, 2, 3])
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_likeness_of_images_is_that_of_scikit_image(tmp_path, layout, batch):
    rng = np.random.default_rng(7)
    wanted = rng.random((3, 3, 24, 31), dtype=np.float32)
    got = (wanted + rng.normal(0, 0.1, wanted.shape)).clip(0, 1).astype(np.float32)
    if layout == "nhwc":
        wanted, got = wanted.transpose(0, 2, 3, 1).copy(), got.transpose(0, 2, 3, 1).copy()
    axis = 0 if layout == "nchw" else 2
    settings = {"data_range": 1, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    pairs = list(zip(wanted.astype(float), got.astype(float), strict=True))
    ssim = [skimage_metrics.structural_similarity(a, b, channel_axis=axis, **settings) for a, b in pairs]
    psnr = [skimage_metrics.peak_signal_noise_ratio(a, b, data_range=1) for a, b in pairs]
    found = measure(tmp_path, "ssim", wanted, "--metric", "psnr", image=got, batch=batch)
    assert found == {"ssim": pytest.approx(np.mean(ssim), rel=1e-9), "psnr": pytest.approx(np.mean(psnr), rel=1e-6)}


@pytest.mark.parametrize("batch", [1, 3, 5])
@pytest.mark.parametrize("layout", ["nchw", "nhwc", "classes"])
def test_mean_intersection_over_union_is_the_macro_jaccard_score_of_scikit_learn(tmp_path, layout, batch):
    rng = np.random.default_rng(8)
    scores = rng.random((5, 4, 9, 8), dtype=np.float32)
    labels = rng.integers(0, 4, (5, 9, 8))
    labels[:, 0] = 255
    labels[:, 1] = -1
    counts = (labels >= 0) & (labels != 255)
    expected = sklearn_metrics.jaccard_score(labels[counts], scores.argmax(1)[counts], average="macro")
    outputs = {"nchw": scores, "nhwc": scores.transpose(0, 2, 3, 1).copy(), "classes": scores.argmax(1)}
    found = measure(tmp_path, "miou", labels, output=outputs[layout], batch=batch)
    assert found == {"miou": pytest.approx(expected)}


# pycocotools 2.0.11: COCOeval(labels, detections, "bbox") gives these as stats[0]
COCO, COCO_WITH_CROWDS = 0.2363758364306723, 0.23815636167907892


def detections():
    rng = np.random.default_rng(5)
    images, count, found, classes = 8, 6, 30, 3
    corner, size = rng.uniform(0, 60, (images, count, 2)), rng.uniform(8, 40, (images, count, 2))
    kinds = rng.integers(0, classes, (images, count, 1))
    objects = np.concatenate([corner, corner + size, kinds], 2).astype(np.float32)
    objects[:, -1, 4] = -1  # no object
    near = np.repeat(objects, 5, axis=1)
    boxes = near[..., :4] + rng.normal(0, 2.5, (images, found, 4))
    hits = rng.random((images, found)) < 0.8
    labels = np.where(hits, np.maximum(near[..., 4], 0), rng.integers(0, classes, (images, found)))
    scores = rng.random((images, found))
    return objects, np.concatenate([boxes, scores[..., None], labels[..., None]], 2).astype(np.float32)


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_mean_average_precision_is_that_of_coco_in_every_layout(tmp_path, batch):
    objects, rows = detections()
    expected = {"map": pytest.approx(COCO, rel=1e-9)}
    assert measure(tmp_path, "map", objects, rows=rows, batch=batch) == expected
    boxes, scores, classes = rows[..., :4].copy(), rows[..., 4].copy(), rows[..., 5].astype(np.int64)
    assert measure(tmp_path, "map", objects, boxes=boxes, scores=scores, classes=classes, batch=batch) == expected
    assert measure(tmp_path, "map", objects, boxes=boxes, classes=classes, scores=scores, batch=batch) == expected
    floats = {"boxes": boxes, "classes": rows[..., 5].copy(), "scores": scores}
    assert measure(tmp_path, "map:scores=2", objects, **floats, batch=batch) == expected
    assert measure(tmp_path, "map", objects, boxes=rows[..., :5].copy(), classes=classes, batch=batch) == expected
    with_crowds = np.concatenate([objects, np.zeros((8, 6, 1), np.float32)], 2)
    with_crowds[2:4, 0, 5] = 1
    expected = {"map": pytest.approx(COCO_WITH_CROWDS, rel=1e-9)}
    assert measure(tmp_path, "map", with_crowds, rows=rows, batch=batch) == expected


def test_rows_of_detection_output_name_the_image_of_the_batch(tmp_path):
    objects, rows = detections()
    numbered = np.concatenate([np.zeros((8, 30, 1)), rows[..., 5:], rows[..., 4:5], rows[..., :4]], 2).astype(
        np.float32
    )
    numbered = np.concatenate([numbered, np.full((8, 1, 7), -1, np.float32)], 1)[:, None]
    assert measure(tmp_path, "map", objects, rows=numbered) == {"map": pytest.approx(COCO, rel=1e-9)}


def sequences():
    rng = np.random.default_rng(6)
    count, length, symbols = 7, 24, 9
    wanted = rng.integers(1, symbols, (count, length))
    got = np.where(rng.random((count, length)) < 0.85, wanted, rng.integers(1, symbols, (count, length)))
    for i in range(count):
        wanted[i, length - i :] = -1
    got[:, -2:] = -1
    return wanted, got


# jiwer 4.0.0 on these as texts, with symbol 1 as the blank between words: jiwer.cer(...), jiwer.wer(...)
CER, WER = 0.24489795918367346, 0.7142857142857143


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_error_rates_are_those_of_jiwer(tmp_path, batch):
    wanted, got = sequences()
    assert measure(tmp_path, "cer", wanted, ids=got, batch=batch) == {"cer": pytest.approx(CER)}
    assert measure(tmp_path, "wer:separator=1", wanted, ids=got, batch=batch) == {"wer": pytest.approx(WER)}


@pytest.mark.parametrize(("blank", "metric"), [(0, "cer"), (9, "cer:blank=-1"), (9, "cer:blank=9")])
@pytest.mark.parametrize("batch", [1, 3, 7])
def test_scores_are_read_as_ctc_without_repetitions_and_blanks(tmp_path, batch, blank, metric):
    wanted, got = sequences()
    steps = np.full((7, 48), blank)
    steps[:, ::2] = np.where(got >= 0, got, blank)  # a blank behind each symbol
    repeated = np.repeat(steps, 2, axis=1)
    scores = np.eye(10, dtype=np.float32)[repeated]
    assert measure(tmp_path, metric, wanted, scores=scores, batch=batch) == {"cer": pytest.approx(CER)}


def test_cosine_and_sqnr_compare_with_the_original(tmp_path):
    values = np.random.default_rng(3).random((6, 5), dtype=np.float32)
    (tmp_path / "same").mkdir()
    original = save_identity(tmp_path / "same", x=values)
    found = measure(tmp_path, "cosine", None, "--metric", "sqnr", "--original", original, x=values, batch=4)
    assert found == {"cosine": pytest.approx(1), "sqnr": 120}


def test_a_program_in_any_language_measures_the_model(tmp_path):
    model = save_identity(tmp_path, x=np.zeros((1, 2), np.float32))
    program = tmp_path / "it's.py"
    program.write_text("import json, sys\nprint('hello')\nprint(json.dumps({'size': len(open(sys.argv[1]).read())}))")
    result = run("validate", model, "--metric", f'cmd:{sys.executable} "{program}" {{model}}', "--json")
    assert result.returncode == DONE, result.stderr
    assert json.loads(result.stdout)["metrics"]["size"] > 100


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("exit 3", ["failed with exit code 3"]),
        ("no-such-program-here {model}", ["was not found"]),
        ("echo nothing", ["printed 'nothing'", "a finite number"]),
        ("echo nan", ["printed 'nan'", "a finite number"]),
        ("kill -9 $$", ["ended by signal 9"]),
    ],
)
def test_a_program_that_fails_is_named_in_one_sentence(tmp_path, program, words):
    model = save_identity(tmp_path, x=np.zeros((1, 2), np.float32))
    check_refused(run("validate", model, "--metric", f"cmd:{program}"), CANNOT_READ, program, *words)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("top0", ["there is no metric 'top0'", "top1"]),
        ("wer:blnk=3", ["'wer' has no parameter 'blnk'", "blank, pad, separator"]),
        ("f1:threshold=x", ["'threshold'", "'x'", "a number is needed"]),
        ("cmd: ", ["names no program"]),
        ("cosine", ["--original"]),
    ],
)
def test_metrics_that_are_mistyped_or_lack_something_are_named(tmp_path, metric, words):
    model = save_identity(tmp_path, x=np.zeros((1, 2), np.float32))
    np.savez(tmp_path / "data.npz", x=np.zeros((1, 2), np.float32))
    result = run("validate", model, "--validation", tmp_path / "data.npz", "--metric", metric)
    check_refused(result, BAD_ARGUMENTS, *words)


@pytest.mark.parametrize(
    ("metric", "labels", "output", "words"),
    [
        ("f1_macro", [1, -1], [[0.1, 0.9]] * 2, ["item 1", "label is -1"]),
        ("ssim", [[[0.5]]], [[[0.5]]], ["11 pixels"]),
        ("pearson", [1.0, 1.0], [1.0, 2.0], ["all labels are equal"]),
        ("miou", [[0, 1]], [[1.0, 2, 3]], ["[1,2]", "[1,3]"]),
        ("map", [[1.0, 2]], [[1.0, 2]], ["[N, objects, 5]"]),
        ("cer", [[-1, -1]], [[1, 2]], ["hold no symbols"]),
    ],
)
def test_labels_and_outputs_that_do_not_fit_are_refused(tmp_path, metric, labels, output, words):
    output, labels = np.array(output), np.array(labels)
    output = output.astype(np.float32) if output.dtype == np.float64 else output
    model = save_identity(tmp_path, x=output)
    np.savez(tmp_path / "data.npz", x=output, label=labels)
    result = run("validate", model, "--validation", tmp_path / "data.npz", "--labels", "label", "--metric", metric)
    check_refused(result, BAD_ARGUMENTS, *words)
