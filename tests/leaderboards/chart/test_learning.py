"""Learning curves as charts, and what of a score is form: on pages, and against numbers worked out by
hand."""

import itertools
from pathlib import Path

import pytest
from site_reading import Text, lines
from synthetic import draw_scores, make_run, task_card, write_result

from harness.statistics import Estimate
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.chart.learning import BOTTOM, LABELS_APART, TOP, learning_curve

CARD = task_card(output="generate")


def estimate(value: float) -> Estimate:
    return Estimate(value, 0.02, value - 0.04, value + 0.04, 100, 3)


def test_budgets_stand_on_a_logarithmic_axis_with_their_intervals() -> None:
    chart = learning_curve(
        [("lora", "LoRA", {10: estimate(0.5), 1000: estimate(0.9), 100: estimate(0.7)})], []
    )
    assert chart
    (line,) = chart.lines
    first, second, third = line.budgets
    assert second.x - first.x == pytest.approx(third.x - second.x, abs=0.2)
    assert TOP <= third.high < third.y < third.low < second.y < first.low <= BOTTOM
    assert [tick.label for tick in chart.frame.x_ticks] == ["10", "100", "1,000"]
    assert first.label == "LoRA, 10 samples: 50.0 (46.0–54.0)"


def test_untrained_arms_are_level_lines_and_names_never_cover_each_other() -> None:
    by = {10: estimate(0.6), 100: estimate(0.7)}
    levels: list[tuple[Method, str, Estimate]] = [
        ("zero_shot", "Zero-shot", estimate(0.69)),
        ("few_shot", "Few-shot", estimate(0.7)),
    ]
    chart = learning_curve([("lora", "LoRA", by)], levels)
    assert chart
    assert [level.method for level in chart.levels] == ["zero_shot", "few_shot"]
    heights = [name.y for name in chart.names]
    assert all(below - above >= LABELS_APART for above, below in itertools.pairwise(heights))
    assert [name.method for name in chart.names] == ["lora", "few_shot", "zero_shot"], (
        "each is told by its line's shape"
    )


@pytest.mark.parametrize("value", [0.05, 0.95])
@pytest.mark.parametrize("lines", [6, 30])
def test_names_of_lines_that_end_together_stay_inside_the_plot(value: float, lines: int) -> None:
    by = {10: estimate(0.5), 100: estimate(value)}
    chart = learning_curve([("lora", f"LoRA {line}", by) for line in range(lines)], [])
    assert chart
    heights = [name.y for name in chart.names]
    assert all(TOP <= y <= BOTTOM for y in heights)
    apart = min(LABELS_APART, (BOTTOM - TOP) / lines)
    assert all(below - above >= apart - 0.11 for above, below in itertools.pairwise(heights))


def test_the_largest_budget_has_its_tick_and_the_one_that_it_would_touch_has_none() -> None:
    by = {budget: estimate(0.5) for budget in (1, 1_000_000, 2_000_000)}
    chart = learning_curve([("lora", "LoRA", by)], [])
    assert chart
    assert [tick.label for tick in chart.frame.x_ticks] == ["1", "2,000,000"]


def test_one_budget_makes_no_curve() -> None:
    assert (
        learning_curve([("lora", "LoRA", {10: estimate(0.5)})], [("zero_shot", "Zero-shot", estimate(0.3))])
        is None
    )


def write_arm(
    results: Path, method: Method, right: float, *, formed: float = 1.0, n_train: int | None = None
) -> None:
    """So many right answers, and so many of the right form, of 60."""
    for seed in (0, 1, 2):
        scores = draw_scores(right, 60, seed)
        parsed = [score == 1 or place < formed * 60 for place, score in enumerate(scores)]
        changes = {} if n_train is None else {"n_train": n_train}
        write_result(results, make_run("small", method, CARD, seed, **changes), CARD, scores, parsed=parsed)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write_arm(tmp_path / "results", "zero_shot", 0.3, formed=0.2)
    write_arm(tmp_path / "results", "zero_shot_constrained", 0.45)
    write_arm(tmp_path / "results", "few_shot", 0.5)
    for n_train, right in ((16, 0.55), (64, 0.7), (500, 0.8)):
        write_arm(tmp_path / "results", "lora", right, n_train=n_train)
    write_arm(tmp_path / "results", "full", 0.6)
    return publish(tmp_path / "results", tmp_path / "site").index.parent


def test_a_model_s_page_draws_its_learning_curve(site: Path) -> None:
    page = (site / "models" / "small.html").read_text(encoding="utf-8")
    assert page.count('class="learning lora"') == 1 and page.count('class="level ') == 2
    assert "Score against training samples. LoRA: 16: " in page


def test_a_task_s_page_tells_form_from_content(site: Path) -> None:
    zero, held, few, lora = lines(site / "tasks" / "capitals.html", "form-table")
    assert [line.split(" 1B ")[0].rsplit(" ·", 1)[0] for line in (few, lora)] == [
        "small few-shot",
        "small LoRA r16",
    ]
    shares = [float(line.split(" 1B ")[1].split()[0]) for line in (zero, held, few, lora)]
    assert shares[0] < 60 and shares[1:] == [100.0] * 3
    given, score = (float(word) for word in zero.split(" 1B ")[1].split()[1:3])
    assert given > score, "what has the form scores more than all"
    assert lora.endswith("%") and not held.endswith("%"), "headroom is closed by training"


def test_answers_that_are_chosen_have_no_form_to_learn(tmp_path: Path) -> None:
    card = task_card()
    write_result(tmp_path / "results", make_run("small", "lora", card, 0), card, [1.0, 0.0])
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    assert "Format and content" not in Text(site / "tasks" / "capitals.html").text
