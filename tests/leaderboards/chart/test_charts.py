"""What the charts draw stays inside of them, whatever the scores and the names."""

import itertools
import math
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
from leaderboards.chart.frame import LETTER, Label
from leaderboards.chart.labels import Box, Named, place_labels
from leaderboards.chart.staircase import NARROW, WIDE, Canvas, _cost_ticks, _CostAxis, staircase_chart
from leaderboards.gathered import Site, gather, read_folder
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


INSIDE = Box(46, 6, 718, 333)


def boxes_of(labels: list[Label]) -> list[Box]:
    """The room that texts take, as wide as their letters."""
    boxes = []
    for label in labels:
        width = LETTER * letters_wide(label.text)
        start = label.x - width * {"start": 0.0, "middle": 0.5, "end": 1.0}[label.anchor]
        boxes.append(Box(start, label.y - 10, start + width, label.y + 3))
    return boxes


def ends_of(label: Label) -> tuple[float, float, float, float]:
    """Where the line of a label begins, at its mark, and where it ends, at the text."""
    x, y, end_x, end_y = map(float, re.findall(r"[\d.]+", label.leader))
    return x, y, end_x, end_y


def test_labels_of_wide_letters_stay_inside_the_chart_and_off_each_other() -> None:
    wanted = [
        Named(x, 100.0, chart_label(letter * 40, "LoRA r16", 34))
        for x, letter in zip((441.0, 470.0), "W模", strict=True)
    ]
    labels = place_labels(wanted, [mark.box for mark in wanted], within=INSIDE)
    assert len(labels) == 2
    first, second = boxes_of(labels)
    assert first.is_within(INSIDE) and second.is_within(INSIDE) and not first.meets(second)


def test_every_label_of_a_crowd_has_a_line_that_begins_at_its_own_mark_and_crosses_no_other() -> None:
    draw = random.Random(3)
    for _ in range(40):
        marks = [Named(draw.uniform(250, 520), draw.uniform(80, 260), f"model-{place}") for place in range(8)]
        taken = [mark.box for mark in marks]
        labels = place_labels(marks, taken, within=INSIDE)
        boxes = boxes_of(labels)
        by_text = {mark.text: mark for mark in marks}
        for place, label in enumerate(labels):
            mark, (x, y, end_x, end_y) = by_text[label.text], ends_of(label)
            assert math.hypot(x - mark.x, y - mark.y) < 9
            assert math.hypot(end_x - x, end_y - y) < 90
            assert not any(boxes[place].meets(box) for box in (*taken, *boxes[:place], *boxes[place + 1 :]))
            # In the middle of its way, the line is over nothing.
            middle = Box((x + end_x) / 2, (y + end_y) / 2, (x + end_x) / 2 + 0.1, (y + end_y) / 2 + 0.1)
            apart = [mark.box for mark in marks if not mark.box.meets(by_text[label.text].box)]
            assert not any(middle.meets(box) for box in (*apart, *boxes[:place], *boxes[place + 1 :]))


def test_a_name_without_room_is_left_out_and_not_put_over_another() -> None:
    wanted = [Named(20.0, 20.0, "a long name that fits nowhere"), Named(20.0, 20.0, "b")]
    assert [label.text for label in place_labels(wanted, [], within=Box(0, 0, 60, 40))] == ["b"]


@pytest.mark.parametrize("canvas", [WIDE, NARROW])
def test_no_cost_is_written_over_the_words_below_the_lanes_of_untrained_arms(canvas: Canvas) -> None:
    divide = canvas.left + canvas.lanes_end
    words_end = (canvas.left + divide) / 2 + letters_wide("no training") / 2 * LETTER
    for cost in (10 ** (power / 50) for power in range(-150, 100)):
        axis = _CostAxis(canvas, math.log10(cost) - 0.18, math.log10(cost) + 0.18, cost, divide)
        ticks = _cost_ticks(axis, in_dollars=True)
        assert len(ticks) >= 2
        assert all(tick.at - letters_wide(tick.label) / 2 * LETTER > words_end for tick in ticks)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Fine-tunes of several models, of which some are tied with the leader and some are far below."""
    folder = tmp_path_factory.mktemp("crowded")
    rates: dict[tuple[str, Method], float] = {("small", "few_shot"): 0.4, ("small", "lora"): 0.8}
    rates |= {("large", "few_shot"): 0.5, ("large", "lora"): 0.82, ("other", "lora"): 0.3}
    write_sweep(folder / "results", rates, n=200)
    return gather(read_folder(folder / "results"))


@pytest.mark.parametrize("canvas", [WIDE, NARROW])
def test_the_marks_that_matter_have_a_name_and_their_interval_and_all_lead_somewhere(
    crowded: Site, canvas: Canvas
) -> None:
    chart = staircase_chart(crowded.table, crowded.ledger, href_of=lambda row: row.name, canvas=canvas)
    assert chart
    assert [mark.href for mark in chart.marks] == [row.name for row in crowded.table.ranked]
    matter = {entry.row.label for entry in crowded.ledger.entries if entry.frontier or entry.row.tier == 1}
    assert 2 < len(matter) < len(chart.marks)
    drawn = {mark.label.partition(":")[0] for mark in chart.marks if mark.whisker}
    assert drawn == matter
    names = {label.text for label in chart.labels}
    assert names and names <= {chart_label(*name.split(" · "), canvas.longest_label) for name in matter}
    for mark in chart.marks:
        if mark.whisker:
            assert chart.frame.top <= mark.whisker.top <= mark.y <= mark.whisker.bottom <= chart.frame.bottom
    assert all(box.is_within(Box(0, 0, canvas.width, canvas.height)) for box in boxes_of([*chart.labels]))
    ticks = [tick.at for tick in chart.frame.x_ticks]
    assert all(after - before > 30 for before, after in itertools.pairwise(ticks))
