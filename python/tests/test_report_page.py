# SPDX-License-Identifier: Apache-2.0
"""The report as a page: what it holds, and what it does in a real browser."""

import copy
import json
import pickle
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import browser
import numpy as np
import onnx
import openvino as ov
import openvino.opset13 as ops
import pytest
import small_models
import small_onnx_models

import tightrope
from tightrope import Dataset

needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="chromium is not installed")

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


def data_of(path: Path) -> dict[str, Any]:
    """What the page shows, as data."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])  # type: ignore[no-any-return]


def large_model(blocks: int) -> ov.Model:
    """A network of four operations a block, in residual blocks."""
    rng = np.random.default_rng(0)
    image = ops.parameter([1, 4, 8, 8], np.float32, name="image")
    data = image
    for i in range(blocks):
        weights = ops.constant(rng.standard_normal((4, 4, 3, 3), dtype=np.float32))
        inner = ops.convolution(data, weights, [1, 1], [1, 1], [1, 1], [1, 1], name=f"block{i}/convolution")
        inner = ops.add(inner, ops.constant(np.ones((1, 4, 1, 1), np.float32)), name=f"block{i}/bias")
        data = ops.add(data, ops.relu(inner, name=f"block{i}/relu"), name=f"block{i}/sum")
    return ov.Model([ops.result(data)], [image], "large")


def report_of_search(quantized: list[str], reverted: list[str], validations: int = 12) -> dict[str, Any]:
    """A report of accuracy control with one group an operation."""
    evaluations = [
        {
            **{"name": name, "reverted": back, "metric": 0.9 - drop, "drop": drop, "items": 500, "seconds": 1.5},
            **{"binding": "", "metrics": [], "early": False},
        }
        for name, back, drop in [
            ("original model", [], 0.0),
            ("quantized model", [], 0.2),
            *[(f"candidate {i + 1}", reverted, 0.005) for i in range(validations - 2)],
        ]
    ]
    operations = sorted(quantized + reverted)
    groups = [
        {
            **{"operations": [name], "score": 1 / (i + 2), "reverted": name in reverted, "contribution": 0.01},
            **{"why": "It was reverted: with it in 8 bits the drop would be 0.02 (candidate 1)."},
        }
        for i, name in enumerate(operations)
    ]
    return {
        "format": "tightrope report",
        "version": 4,
        "framework": "openvino",
        "status": "met",
        "stopped": "The search has ended.",
        "drop_type": "absolute",
        "higher_is_better": True,
        "max_drop": 0.01,
        "limits": [],
        "original_metric": 0.9,
        "quantized_metric": 0.7,
        "final_metric": 0.895,
        "final_metrics": [],
        "drop": 0.005,
        "drop_reverted": None,
        "interval": {"low": -0.001, "high": 0.0125, "confidence": 0.95, "items_needed": 300},
        "deployed": {"precision": "bf16", "metric": 0.894, "drop": 0.006, "drop_by_execution": 0.001},
        "latency": None,
        "minimal": True,
        "quantized": sorted(quantized),
        "reverted": sorted(reverted),
        "calibration_items": 300,
        "evaluations": evaluations,
        "groups": groups,
        "repairs": [
            {"operations": ["conv1"], "what": "weights rounded", "error_before": 0.2, "error": 0.1},
        ],
        "stages": [{"name": "calibration", "seconds": 3.5}, {"name": "search", "seconds": 140}],
        "environment": [{"name": "processor", "value": "a fast one, 2 threads"}],
    }


@pytest.fixture(scope="module")
def controlled(fragile: ov.Model, vectors: Dataset, labeled: Dataset) -> ov.Model:
    return tightrope.quantize_with_accuracy_control(
        fragile, vectors, labeled, small_models.accuracy, max_drop=0.05, repair=False
    )


def test_the_page_shows_the_operations_of_the_model_and_what_became_of_them(
    controlled: ov.Model, tmp_path: Path
) -> None:
    report = tightrope.report(controlled)
    report.to_html(tmp_path / "page.html")
    data = data_of(tmp_path / "page.html")
    fates = {each["name"]: each["fate"] for each in data["operations"]}
    assert {name for name in fates if fates[name] == "int8"} == set(report.quantized)
    assert {name for name in fates if fates[name] == "reverted"} == set(report.reverted) == {"fragile"}
    assert all("at" in each for each in data["operations"])
    assert data["report"] == report.data
    assert not any(each.get("type") in ("FakeQuantize", "Constant") for each in data["operations"])


def test_the_page_of_quantize_says_that_nothing_was_validated(
    fragile: ov.Model, vectors: Dataset, tmp_path: Path
) -> None:
    tightrope.report(tightrope.quantize(fragile, vectors)).to_html(tmp_path / "page.html")
    assert "3 operations run in 8 bits: quantized, not validated" in (tmp_path / "page.html").read_text()


def test_the_page_of_a_model_that_was_saved_and_read_is_drawn(controlled: ov.Model, tmp_path: Path) -> None:
    ov.save_model(controlled, tmp_path / "model.xml")
    tightrope.report(ov.Core().read_model(tmp_path / "model.xml")).to_html(str(tmp_path / "page.html"))
    assert data_of(tmp_path / "page.html")["drawing"]["edges"]


def test_the_page_of_an_onnx_model_is_drawn(tmp_path: Path) -> None:
    model = small_onnx_models.fragile()
    assert isinstance(model, onnx.ModelProto)
    report = tightrope.report(tightrope.quantize(model, Dataset(small_models.vectors(8))))
    report.to_html(tmp_path / "page.html")
    data = data_of(tmp_path / "page.html")
    assert {each["name"] for each in data["operations"] if "at" in each} > set(report.quantized)
    assert not any("QuantizeLinear" in each.get("type", "") for each in data["operations"])


@pytest.mark.parametrize("same", [copy.copy, lambda report: pickle.loads(pickle.dumps(report))])
def test_a_copied_report_has_no_network_but_a_page(same: Any, controlled: ov.Model, tmp_path: Path) -> None:
    same(tightrope.report(controlled)).to_html(tmp_path / "page.html")
    assert "drawing" not in data_of(tmp_path / "page.html")


def test_the_report_of_an_unmet_limit_has_a_page_with_its_network(
    fragile: ov.Model, vectors: Dataset, labeled: Dataset, tmp_path: Path
) -> None:
    metrics = iter([1.0, 0.5, 0.4, 0.3, 0.2, 0.1])
    with pytest.raises(tightrope.AccuracyNotReachedError) as raised:
        tightrope.quantize_with_accuracy_control(fragile, vectors, labeled, lambda model, items: next(metrics))
    raised.value.report.to_html(tmp_path / "page.html")
    assert "The limit was not met: in the best model found" in (tmp_path / "page.html").read_text()
    assert "drawing" in data_of(tmp_path / "page.html")


def test_a_path_that_cannot_be_a_page_is_refused(controlled: ov.Model, tmp_path: Path) -> None:
    report = tightrope.report(controlled)
    with pytest.raises(tightrope.InvalidArgumentError, match="needs one that ends in .html"):
        report.to_html(tmp_path / "page.pdf")
    with pytest.raises(tightrope.IoError, match="cannot write"):
        report.to_html(tmp_path / "none" / "page.html")


# In a browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[browser.Browser]:
    with browser.Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = [f"block{i}/convolution" for i in range(100)]
    report = report_of_search(names[7:], [*names[:6], names[6]])
    path = tmp_path_factory.mktemp("page") / "large.html"
    tightrope.Report(json.dumps(report), large_model(100)).to_html(path)
    return path


@needs_browser
def test_a_page_of_400_operations_is_small_quick_silent_and_loads_nothing(
    chromium: browser.Browser, large_page: Path
) -> None:
    assert large_page.stat().st_size < 3_000_000
    chromium.open(large_page)
    assert int(chromium.run("document.documentElement.dataset.ready")) < 1000  # milliseconds
    assert chromium.complaints() == []
    assert chromium.requests() == [large_page.as_uri()]
    assert chromium.run("document.querySelectorAll('.box').length") == 402  # with input and output
    assert chromium.run("document.querySelectorAll('.rows tbody tr').length") == 400
    assert chromium.run("[...document.querySelectorAll('main > section')].filter((each) => each.hidden).length") == 0


VISIBLE = "[...document.querySelectorAll('.rows tbody tr')].filter((row) => row.offsetHeight > 0).length"


@needs_browser
def test_search_and_filter_show_what_they_are_asked_for(chromium: browser.Browser, large_page: Path) -> None:
    chromium.open(large_page)
    chromium.run("document.getElementById('search').focus()")
    chromium.type("block4 CONV")
    assert chromium.run(VISIBLE) == 11  # block4, block40 ... block49
    assert chromium.run("document.getElementById('matches').textContent") == "11 of 400 operations"
    chromium.run("document.getElementById('fate-int8').click()")
    assert chromium.run(VISIBLE) == 1  # block4 was reverted
    chromium.run("document.getElementById('search').select()")
    chromium.type("no such operation")
    assert chromium.run(VISIBLE) == 0


@needs_browser
def test_the_network_can_be_moved_and_searched_by_keyboard(chromium: browser.Browser, large_page: Path) -> None:
    chromium.resize(1000, 800)
    chromium.open(large_page)
    where = "document.querySelector('.canvas g').getAttribute('transform')"
    chromium.run("document.querySelector('.canvas').focus()")
    before = chromium.run(where)
    chromium.press("ArrowDown")
    moved = chromium.run(where)
    chromium.press("0")
    assert len({before, moved, chromium.run(where)}) == 3
    chromium.run("document.querySelectorAll('.rows button')[40].focus()")
    chromium.press("Enter", "\r")
    chosen = chromium.run("document.querySelector('.box.selected title').textContent")
    assert chosen.startswith(chromium.run("document.querySelectorAll('.rows button')[40].textContent"))
    assert chromium.run("document.querySelectorAll('.rows tr[aria-current]').length") == 1


@needs_browser
def test_charts_have_texts_and_every_control_has_a_name(chromium: browser.Browser, large_page: Path) -> None:
    chromium.open(large_page)
    chromium.run("document.querySelector('details').open = true")
    assert chromium.run("document.querySelectorAll('svg[role=img]:not([aria-label])').length") == 0
    assert chromium.run("document.querySelectorAll('#tried tbody tr').length") == 12
    tree = chromium.send("Accessibility.getFullAXTree")["nodes"]
    for node in tree:
        if node.get("role", {}).get("value") in ("button", "checkbox", "searchbox", "link", "table", "image"):
            assert node["name"].get("value"), node
    roles = [node["role"]["value"] for node in tree if "role" in node]
    assert roles.count("heading") >= 7


@needs_browser
def test_tiles_tell_the_interval_of_the_drop_and_what_execution_costs(
    chromium: browser.Browser, large_page: Path
) -> None:
    chromium.open(large_page)
    tiles = chromium.run("document.querySelector('.tiles').textContent")
    assert "0.001 to 0.0125with 95 % confidence" in tiles  # with a minus sign
    assert "As deployed, bf160.894drop 0.006, by execution 0.001" in tiles


@needs_browser
def test_the_page_tells_reasons_early_judgements_and_what_it_ran_on(chromium: browser.Browser, tmp_path: Path) -> None:
    document = report_of_search(["conv1"], ["conv2"])
    document["evaluations"][2].update(early=True, items=40)
    path = tmp_path / "small.html"
    tightrope.Report(json.dumps(document)).to_html(path)
    chromium.open(path)

    def text_of(section: str) -> str:
        return str(chromium.run(f"document.getElementById('{section}').textContent"))

    assert "with it in 8 bits the drop would be 0.02 (candidate 1)." in text_of("operations")
    assert "Repaired: weights rounded; the error of its outputs went from" in text_of("operations")
    assert "40 (a part)" in text_of("tried")
    assert "a fast one, 2 threads" in text_of("environment")


@needs_browser
@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_wider_than_the_window(width: int, chromium: browser.Browser, large_page: Path) -> None:
    chromium.resize(width, 800, phone=width < 600)
    chromium.open(large_page)
    assert chromium.run("document.documentElement.scrollWidth") == width


@needs_browser
def test_colors_follow_the_system_and_paper_is_white(chromium: browser.Browser, large_page: Path) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    chromium.open(large_page)
    chromium.dark(True)
    dark = chromium.run(background)
    chromium.dark(False)
    assert (dark, chromium.run(background)) == ("rgb(18, 22, 27)", "rgb(246, 247, 249)")
    chromium.send("Emulation.setEmulatedMedia", media="print")
    assert chromium.run(background) == "rgb(255, 255, 255)"
    chromium.send("Emulation.setEmulatedMedia", media="")
    assert chromium.pdf().startswith(b"%PDF")
    assert chromium.complaints() == []


@needs_browser
def test_the_ignored_scope_is_copied(chromium: browser.Browser, large_page: Path) -> None:
    chromium.open(large_page)
    shown = chromium.run("document.querySelector('.snippet pre').textContent")
    scope = eval(shown.removeprefix("ignored_scope="), {"tightrope": tightrope})
    assert scope.names == [f"block{i}/convolution" for i in range(7)]
    click = "new Promise((done) => { document.querySelector('.snippet button').click(); setTimeout(done, 300); })"
    chromium.send("Runtime.evaluate", expression=click, userGesture=True, awaitPromise=True)
    assert chromium.run("document.getElementById('copied').textContent") == "Copied (Python)."


@needs_browser
def test_hostile_names_are_shown_and_do_nothing(chromium: browser.Browser, tmp_path: Path) -> None:
    model = large_model(1)
    for node in model.get_ordered_ops():
        if node.get_friendly_name() == "block0/convolution":
            node.set_friendly_name(HOSTILE)
    report = {**report_of_search([], [HOSTILE]), "stopped": HOSTILE}
    tightrope.Report(json.dumps(report), model).to_html(tmp_path / "page.html")
    chromium.open(tmp_path / "page.html")
    assert chromium.run("window.hacked === undefined && document.images.length === 0")
    assert chromium.complaints() == []
    names = chromium.run("[...document.querySelectorAll('.rows .name')].map((each) => each.textContent)")
    assert HOSTILE in names
    assert chromium.run("document.getElementById('stopped').textContent") == HOSTILE


@needs_browser
def test_what_a_report_lacks_is_left_out(chromium: browser.Browser, tmp_path: Path) -> None:
    report = report_of_search(["a", "b"], [])
    report.update(status="quantized", stopped="", evaluations=[], groups=[], stages=[{"name": "search", "seconds": 0}])
    report.update(original_metric=None, quantized_metric=None, final_metric=None, drop=None, environment=[])
    tightrope.Report(json.dumps(report)).to_html(tmp_path / "page.html")
    chromium.open(tmp_path / "page.html")
    assert chromium.complaints() == []
    shown = chromium.run("[...document.querySelectorAll('main > section:not([hidden])')].map((each) => each.id)")
    assert shown == ["metrics", "network", "operations"]
    assert chromium.run("document.querySelector('.tiles').textContent").count("FP32") == 0
    assert "make the page of the model" in chromium.run("document.querySelector('#network .lead').textContent")
