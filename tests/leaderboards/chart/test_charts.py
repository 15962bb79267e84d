"""What the charts draw stays inside of them, whatever the scores and the names."""

import random
import re
from pathlib import Path

import pytest
from site_reading import Text
from synthetic import make_run, task_card, write_result, write_sweep

from harness.records.scores import MetricCard
from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.chart.forest import forest
from leaderboards.chart.frame import LETTER
from leaderboards.chart.staircase import ChartMark, _place_labels
from leaderboards.text import chart_label, letters_wide

MCC = task_card(
    primary_metric="mcc",
    binary=False,
    chance=0.0,
    metrics={
        "mcc": MetricCard(
            description="Matthews correlation", low=-1.0, high=1.0, higher_is_better=True, corpus=False
        )
    },
)


@pytest.fixture
def below_zero(tmp_path: Path) -> Path:
    """A board of a metric from -1 to 1, on which one model does worse than chance."""
    draw = random.Random(0)
    for seed in (0, 1, 2):
        arms: dict[Method, float] = {"zero_shot": -0.6, "few_shot": -0.5, "lora": -0.3}
        for method, mean in arms.items():
            scores = [max(-1.0, min(1.0, mean + draw.gauss(0, 0.4))) for _ in range(80)]
            write_result(tmp_path / "results", make_run("small", method, MCC, seed), MCC, scores)
    return publish(tmp_path / "results", tmp_path / "site").index.parent


def estimate(low: float, value: float, high: float) -> Estimate:
    return Estimate(value, 0.02, low, high, 100, 3)


@pytest.mark.parametrize(
    ("low", "high", "first"),
    [(0.2, 0.4, "0"), (-0.05, 0.2, "−25"), (-0.6, -0.4, "−75"), (-1.0, -0.9, "−100")],
)
def test_a_forest_reaches_from_0_to_100_and_to_whatever_lies_below(
    low: float, high: float, first: str
) -> None:
    chart = forest([("lora", "LoRA", estimate(low, (low + high) / 2, high))], chance=0.0)
    assert (chart.ticks[0].label, chart.ticks[-1].label) == (first, "100")
    (line,) = chart.lines
    assert chart.ticks[0].at <= line.low < line.x < line.high <= chart.ticks[-1].at < chart.width
    assert [tick.at for tick in chart.ticks if tick.label == "50"] == [
        pytest.approx(
            (chart.ticks[-1].at + next(tick.at for tick in chart.ticks if tick.label == "0")) / 2, abs=0.1
        )
    ]


def test_a_metric_that_goes_below_zero_is_drawn_and_told_on_its_own_range(below_zero: Path) -> None:
    page = (below_zero / "models" / "small.html").read_text(encoding="utf-8")
    ends = re.findall(r'class="interval \w+" d="M([\d.-]+) [\d.]+H([\d.-]+)"', page)
    assert len(ends) == 3 and all(96 <= float(low) < float(high) for low, high in ends), (
        "none is drawn over the names"
    )
    told = {
        "index.html": "mcc on capitals, −100 to 100",
        "models/small.html": "The task's own metric, −100 to 100, with",
        "tasks/capitals.html": "The task's own metric, −100 to 100, with",
        "compare.html": "The task’s own metric, −100 to 100.",
    }
    for name, words in told.items():
        text = (below_zero / name).read_text(encoding="utf-8").replace("&#39;", "'")
        assert words in text and "own metric, 0 to 100" not in text, name


def test_a_single_candidate_has_no_gap_to_resolve(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("solo", "lora"): 0.7})
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    assert "first two" not in Text(site / "tasks" / "capitals.html").text


def test_letters_are_as_wide_as_their_kind() -> None:
    assert (
        letters_wide("WW")
        == letters_wide("模型")
        > letters_wide("AA")
        > letters_wide("aa")
        > letters_wide("ii")
    )
    assert letters_wide("e\u0301\u0302") == letters_wide("e")
    assert letters_wide("\u202e") == letters_wide("⟨U+202E⟩"), "what cannot be seen is spelt out"


@pytest.mark.parametrize("name", ["W" * 120, "模型" * 60, "organisation-model-" * 9, "i" * 120])
def test_a_label_is_cut_by_its_width(name: str) -> None:
    label = chart_label(name, "LoRA r16", 34)
    assert label.endswith("… · LoRA r16")
    assert 30 < letters_wide(label) <= 34


def test_labels_of_wide_letters_stay_inside_the_staircase_and_off_each_other() -> None:
    marks = [ChartMark(x, 100.0, "lora", "") for x in (441.0, 470.0)]
    wanted = [
        (mark, chart_label(letter * 40, "LoRA r16", 34)) for mark, letter in zip(marks, "W模", strict=True)
    ]
    labels = _place_labels(
        wanted, marks, [ChartMark(60.0, 300.0, "lora", "")], left=46, right=704, top=18, bottom=330
    )
    assert len(labels) == 2
    boxes = []
    for label in labels:
        width = LETTER * letters_wide(label.text)
        start = label.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]
        assert start >= 0 and start + width <= 720
        boxes.append((start, start + width, label.y))
    (start, end, y), (other, other_end, other_y) = boxes
    assert end <= other or other_end <= start or abs(y - other_y) >= 13
