"""The pictures of a task's page say what its tables and its sample pages say."""

import re
from pathlib import Path

import pytest
from showcase import CURVE
from site_reading import Text
from synthetic import RATES, draw_scores, make_run, task_card, write_result, write_sweep

from harness.plan.extrapolation import extrapolate
from leaderboards import publish
from leaderboards.chart.changes import BARS, change_histogram


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def page_of(results: Path) -> str:
    site = publish(results, results.parent / "site").index.parent
    return (site / "tasks" / "capitals.html").read_text(encoding="utf-8")


def charts(page: str) -> list[str]:
    """What each picture says in words."""
    return re.findall(r'<svg class="chart[^>]*aria-label="([^"]*)"', page)


def test_all_arms_are_drawn_model_by_model_from_untuned_to_tuned(results: Path) -> None:
    write_sweep(results, RATES, n=40)
    page = page_of(results)
    drawn = charts(page)[0]
    names = [part.rpartition(" ")[0].rpartition(" ")[0] for part in drawn.split("; ")]
    assert len(names) == len(RATES)
    models = [name.partition(" · ")[0] for name in names]
    assert len(list(dict.fromkeys(models))) == sum(
        a != b for a, b in zip(models, [*models[1:], ""], strict=True)
    )
    assert next(name.partition(" · ")[2] for name in names if name.startswith("small")) == "zero-shot"


def test_every_sample_is_marked_by_what_tuning_made_of_it_and_leads_to_it(results: Path) -> None:
    for method, scores in (("zero_shot", [0.0, 1.0, 0.0, 1.0]), ("lora", [1.0, 1.0, 1.0, 0.0])):
        write_result(results, make_run("small", method, task_card(), 0), task_card(), scores)  # type: ignore[arg-type]
    page = page_of(results)
    assert "From small · zero-shot to small · LoRA r16" in Text(page).text
    strip = page.partition('id="tally"')[2].partition("</ul>")[0]
    for kind, places in (("fixed", [1, 3]), ("broken", [4]), ("both-right", [2])):
        row = strip.partition(f'data-kind="{kind}"')[2].partition("</li>")[0]
        assert re.findall(r"capitals-1\.html#sample-(\d+)", row) == [str(place) for place in places]
        assert f"capitals-1.html#{kind}" in row


def test_what_more_training_samples_bring_is_predicted_as_extrapolate_does(results: Path) -> None:
    card = task_card()
    for budget, (aim, loss) in (CURVE | {500: (0.7, 0.41)}).items():
        for seed in (0, 1):
            run = make_run("small", "lora", card, seed, n_train=budget)
            trained = {"best_dev_loss": loss}
            write_result(results, run, card, draw_scores(aim, 40, seed), trained=trained)
    write_sweep(results, {("small", "zero_shot"): 0.3}, n=40)
    page = page_of(results)
    (loss,) = (said for said in charts(page) if said.startswith("Dev loss"))
    curve = extrapolate(results, to=1000).curves[0]
    assert curve.by_law is not None and curve.by_law.low is not None and curve.by_law.high is not None
    law = curve.by_law
    assert f"1,000 samples: {law.loss:.3g} ({law.low:.3g}–{law.high:.3g}) predicted" in loss
    (scores,) = (said for said in charts(page) if said.startswith("Score against training samples"))
    assert "LoRA r16: 25:" in scores and "zero-shot" in scores
    assert page.count('class="learning forecast') == 1


def test_without_budgets_enough_nothing_is_predicted(results: Path) -> None:
    card = task_card()
    for budget in (50, 500):
        run = make_run("small", "lora", card, 0, n_train=budget)
        write_result(results, run, card, draw_scores(0.6, 40, 0))
    assert not [said for said in charts(page_of(results)) if said.startswith("Dev loss")]


def test_changes_of_graded_samples_are_counted_on_both_sides_of_zero() -> None:
    chart = change_histogram([0.0, 0.05, 0.1, -0.31, 1.0, 0.0, -1.0])
    assert chart is not None
    assert chart.summary.startswith("Samples by change of score: 3 better, 2 worse, 2 the same.")
    assert "2 samples by 0 to +10" in chart.summary and "1 sample by −40 to −30" in chart.summary
    assert sum(bar.tone == "good" for bar in chart.bars) == 2
    assert len(chart.bars) <= 2 * BARS and change_histogram([0.0, 0.0]) is None


def test_the_axis_of_changes_is_as_wide_as_they_are() -> None:
    chart = change_histogram([0.001, -0.04])
    assert chart is not None and chart.frame.x_ticks[-1].label == "+10"


def test_a_graded_task_draws_its_changes_and_another_does_not(results: Path) -> None:
    card = task_card(binary=False)
    for method, scores in (("zero_shot", [0.2, 0.5, 0.5]), ("lora", [0.6, 0.1, 0.5])):
        write_result(results, make_run("small", method, card, 0), card, scores)  # type: ignore[arg-type]
    assert "Samples by change of score: 1 better, 1 worse, 1 the same." in " ".join(charts(page_of(results)))
