"""The five verdicts, and the statistics that lead to each: what a reader is told follows from the data."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from site_reading import Text
from synthetic import make_run, task_card, write_result

from harness.records.generation import BosRecord
from harness.records.result import RESULT
from harness.records.scores import MetricCard
from harness.records.store import write_record
from harness.sweep.methods import Method
from leaderboards.board import Board
from leaderboards.gathered import Site, gather, read_folder
from leaderboards.site import publish

CARD = task_card(chance=0.0)
DIFFICULTY = np.random.default_rng(1).normal(size=300)


def answers(rates: Sequence[float], *, seed: int, n: int = 300) -> list[NDArray[np.float64]]:
    """Right-or-wrong scores of each seed with exactly these shares of right ones, mostly on the easier
    samples."""
    generator = np.random.default_rng(seed)
    tables = []
    for rate in rates:
        scores = np.zeros(n)
        scores[np.argsort(DIFFICULTY[:n] + 0.7 * generator.normal(size=n))[: round(rate * n)]] = 1.0
        tables.append(scores)
    return tables


def write_arm(
    results: Path,
    method: Method,
    rates: Sequence[float],
    *,
    name: str = "small",
    n: int = 300,
    collapsed: Sequence[int] = (),
    card: object = CARD,
    train_seconds: float = 1200.0,
) -> None:
    for seed, scores in enumerate(answers(rates, seed=sum(map(ord, method + name)), n=n)):
        run = make_run(name, method, card, seed)  # type: ignore[arg-type]
        why = "nearly all answers are the same" if seed in collapsed else ""
        write_result(results, run, card, scores.tolist(), collapsed=why, train_seconds=train_seconds)  # type: ignore[arg-type]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def site_of(results: Path) -> Site:
    return gather(read_folder(results))


def test_a_proven_gain_is_advised_although_a_noisier_fine_tune_scores_more(results: Path) -> None:
    """The best point score was all that was tested, and the verdict "Don't tune" beside a proven +17."""
    write_arm(results, "few_shot", [0.70, 0.70])
    write_arm(results, "lora", [0.97, 0.77])
    write_arm(results, "full", [0.845, 0.84])
    site = site_of(results)
    contest = site.advice.contest
    assert site.table.ranked[0].method == "lora"
    assert site.advice.kind == "tune" and site.advice.advised is contest.tuned
    assert contest.tuned.method == "full" and contest.p < 0.05
    assert contest.difference.value == pytest.approx(0.1425, abs=0.002)
    verdict = site.verdict.text
    assert verdict.startswith("Fine-tune all weights of small.")
    assert "+14.3 (" in verdict and "over few-shot prompts of small, the best without tuning." in verdict
    assert "small · LoRA r16 scores more, unproven: the gain is within noise." in verdict


def test_nothing_is_advised_where_always_answering_the_most_frequent_label_scores_more(results: Path) -> None:
    """A board of 30 samples with 10 points, where one label alone scores 40, once read "prompting is
    enough"."""
    metric = MetricCard(
        description="the chosen label is right",
        low=0.0,
        high=1.0,
        higher_is_better=True,
        corpus=False,
        chance=0.25,
        majority=0.4,
    )
    card = task_card(chance=0.25, metrics={"accuracy": metric})
    write_arm(results, "zero_shot", [0.1], n=30, card=card)
    write_arm(results, "lora", [0.0], n=30, card=card, collapsed=[0])
    site = site_of(results)
    assert site.advice.kind == "nothing_works"
    assert site.verdict.headline == (
        "Nothing works yet: no candidate beats always giving the most frequent answer (40.0)."
    )
    assert "Check the task and its prompts, or try larger models." in site.verdict.text


def test_a_majority_that_few_samples_cannot_tell_from_the_best_is_not_called_unbeaten(results: Path) -> None:
    card = task_card(chance=0.5)
    write_arm(results, "zero_shot", [0.5], n=30, card=card)
    write_arm(results, "lora", [0.6, 0.6, 0.6], n=30, card=card)
    headline = site_of(results).verdict.headline
    assert headline == "Nothing is shown to work yet: no candidate clearly beats guessing (50.0)."


def test_tuning_is_advised_against_only_where_every_gain_is_shown_to_be_small(results: Path) -> None:
    """Many samples that two arms answer alike: the upper end of the gain lies below 2 points."""
    scores = np.tile(answers([0.7], seed=5)[0], 4)
    for seed in range(3):
        write_result(results, make_run("small", "few_shot", CARD, seed), CARD, scores.tolist())
        changed = scores.copy()
        changed[seed] = 1 - changed[seed]
        write_result(results, make_run("small", "lora", CARD, seed), CARD, changed.tolist())
    site = site_of(results)
    assert site.advice.contest.difference.high < 0.02
    assert site.advice.kind == "equivalent"
    assert site.verdict.headline == "Don’t tune: no fine-tune adds 2 points to few-shot prompts of small."


def test_a_gain_that_may_be_large_or_none_is_undecided_with_the_cheapest_way_to_decide(results: Path) -> None:
    write_arm(results, "few_shot", [0.70, 0.68, 0.71], n=100)
    write_arm(results, "lora", [0.80, 0.70, 0.74], n=100)
    site = site_of(results)
    assert site.advice.kind == "undecided"
    decisive = site.advice.outlook.decisive
    assert decisive and all(purchase.cost and purchase.cost > 0 for purchase in decisive)
    assert "Cheapest way to decide: " in site.verdict.text and "80 % of the time." in site.verdict.text
    assert "Until then, use few-shot prompts of small." in site.verdict.text


def test_a_gain_over_answers_that_were_cut_is_told_with_what_to_do(results: Path) -> None:
    for seed in range(3):
        run = make_run("small", "few_shot", CARD, seed)
        write_result(results, run, CARD, answers([0.4], seed=seed)[0].tolist(), cut=150, cut_in_thought=150)
    write_arm(results, "lora", [0.80, 0.81, 0.82])
    site = site_of(results)
    assert site.advice.kind == "tune"  # a flag of answers is none of trainings
    (caveat,) = [caveat for caveat in site.verdict.caveats if "cut" in caveat]
    assert caveat.startswith(
        "small · few-shot, 3 of 3 with cut answers: 150 of 300 answers were cut before the model"
    )
    assert "150 of them within a thought: raise the candidate's max_thought_tokens" in caveat


def test_a_gain_over_prompts_that_were_begun_wrongly_is_told_with_the_reason(results: Path) -> None:
    """The base was scored too low, and no page that ranks it said so."""
    for seed in range(3):
        run = make_run("small", "few_shot", CARD, seed)
        result = write_result(results, run, CARD, answers([0.4], seed=seed)[0].tolist())
        bos = BosRecord(token="<s>", began=False, loss_with=0.2, loss_without=2.9)
        generation = result.generation.model_copy(update={"bos": bos})
        write_record(results / run.folder / RESULT, result.model_copy(update={"generation": generation}))
    write_arm(results, "lora", [0.80, 0.81, 0.82])
    site = site_of(results)
    assert site.advice.kind == "tune"
    (caveat,) = [caveat for caveat in site.verdict.caveats if "begun" in caveat]
    assert caveat.startswith(
        "small · few-shot, 3 of 3 begun wrongly: prompts begin without the BOS token '<s>'"
    )


def test_fine_tunes_that_broke_down_say_nothing_of_tuning(results: Path) -> None:
    write_arm(results, "few_shot", [0.70, 0.70, 0.70])
    write_arm(results, "lora", [0.80, 0.81, 0.10], collapsed=[2])
    site = site_of(results)
    assert site.advice.kind == "broke_down"
    assert "1 of 3 collapsed" in site.verdict.text
    assert "Train again with a lower learning rate before deciding." in site.verdict.text


def test_one_seed_promises_and_shows_nothing(results: Path) -> None:
    write_arm(results, "zero_shot", [0.5])
    write_arm(results, "lora", [0.8])
    site = site_of(results)
    assert site.advice.contest.difference.low > 0 and site.advice.contest.p < 0.001
    assert site.advice.kind == "undecided"
    assert site.verdict.headline.startswith("Promising, not shown: train small · LoRA r16 with more seeds.")


def test_a_greedy_arm_of_one_seed_stands_for_all_of_them(results: Path) -> None:
    """Held against the one seed that both have, the gain read +15.0."""
    write_arm(results, "zero_shot", [0.40])
    write_arm(results, "lora", [0.55, 0.40, 0.39])
    site = site_of(results)
    zero_shot, lora = site.table.row("small", "zero_shot"), site.table.row("small", "lora")
    assert zero_shot.missing == () and zero_shot.ranks is not None
    assert lora.over_zero.value == pytest.approx((0.55 + 0.40 + 0.39) / 3 - 0.40, abs=1e-6)
    assert not lora.over_zero.clear and site.advice.kind == "undecided"


def test_a_drawn_baseline_that_lacks_a_seed_is_no_baseline(results: Path) -> None:
    write_arm(results, "few_shot", [0.40])
    write_arm(results, "lora", [0.85, 0.80, 0.79])
    assert site_of(results).verdict.headline == "No verdict yet: no arm without tuning is complete."


def test_the_best_of_several_is_told_with_an_end_that_allows_for_the_choice(results: Path) -> None:
    write_arm(results, "few_shot", [0.5, 0.5, 0.5])
    for number in range(6):
        write_arm(results, "lora", [0.70, 0.69, 0.70], name=f"model-{number}")
    site = site_of(results)
    low = site.advice.contest.difference.low
    assert site.advice.kind == "tune"
    assert 0 < site.advice.adjusted_low < low
    said = f"allowing for that, at least +{100 * site.advice.adjusted_low:.1f}."
    assert said in site.verdict.text


def test_what_is_bought_next_is_ranked_by_the_standard_error_it_removes_per_dollar(results: Path) -> None:
    """Two fine-tunes that disagree: nearly all of the variance is seeds, and seeds are what to buy."""
    write_arm(results, "few_shot", [0.60, 0.60, 0.60])
    write_arm(results, "lora", [0.62, 0.75, 0.90])
    outlook = site_of(results).advice.outlook
    assert outlook.seed_share > 0.7
    first, second = outlook.purchases
    assert (first.thing, first.count, second.thing, second.count) == ("seeds", 1, "samples", 300)
    assert first.removed_per_dollar > second.removed_per_dollar
    assert first.after.stderr < outlook.now.stderr
    # A training of $1.02 and two scorings of 300 requests at $0.042 per thousand; 300 labels at $0.10.
    assert first.cost == pytest.approx(1.04, abs=0.02)
    assert second.cost == pytest.approx(30.08, abs=0.01)


def test_what_is_bought_next_starts_from_the_degrees_of_freedom_of_the_gain_that_decides(
    results: Path,
) -> None:
    write_arm(results, "zero_shot", [0.60] * 3)
    write_arm(results, "lora", [0.62, 0.75, 0.90])
    write_arm(results, "full", [0.66, 0.70, 0.72])
    advice = site_of(results).advice
    assert advice.outlook.now.degrees == pytest.approx(advice.contest.difference.degrees, rel=1e-6)


def test_the_first_page_shows_what_to_buy_next_as_long_as_nothing_is_decided(
    results: Path, tmp_path: Path
) -> None:
    write_arm(results, "few_shot", [0.70, 0.68, 0.71], n=100)
    write_arm(results, "lora", [0.80, 0.70, 0.74], n=100)
    published = publish(results, tmp_path / "site")
    first, cost = Text(published.index).text, Text(published.index.parent / "cost.html").text
    for page in (first, cost):
        assert "What to buy next" in page and "100 more test samples" in page
        assert "gainboard run SWEEP --more-seeds 1" in page
    advice = published.advice
    assert (advice["kind"], advice["contest"]["untuned"]["method"]) == ("undecided", "few_shot")
    assert advice["contest"]["gain"]["value"] == pytest.approx(0.05)
    assert [purchase["thing"] for purchase in advice["next"]["purchases"]] == ["seeds", "samples"]
    write_arm(results, "lora", [0.97, 0.96, 0.97], n=100)
    decided = publish(results, tmp_path / "site")
    assert decided.advice["kind"] == "tune" and "What to buy next" not in Text(decided.index).text
    assert "What to buy next" in Text(decided.index.parent / "cost.html").text


def test_more_of_anything_never_widens_an_interval(results: Path) -> None:
    write_arm(results, "few_shot", [0.70, 0.68, 0.71], n=100)
    write_arm(results, "lora", [0.80, 0.70, 0.74], n=100)
    outlook = site_of(results).advice.outlook
    assert all(purchase.after.half_width < outlook.now.half_width for purchase in outlook.purchases)


def test_looking_again_with_other_results_is_said(results: Path, tmp_path: Path) -> None:
    write_arm(results, "few_shot", [0.5, 0.5])
    write_arm(results, "lora", [0.8, 0.81])
    assert "published" not in publish(results, tmp_path / "site").verdict
    write_arm(results, "few_shot", [0.5, 0.5, 0.51])
    write_arm(results, "lora", [0.8, 0.81, 0.79])
    assert (
        "This comparison was published 2 times with different results."
        in publish(results, tmp_path / "site").verdict
    )
    assert "published 2 times" in publish(results, tmp_path / "site").verdict


def test_a_board_sets_the_gain_that_is_worth_it(tmp_path: Path) -> None:
    assert Board().smallest_gain == 2.0


def test_a_gain_that_does_not_pay_in_the_scenario_of_the_board_is_not_headed_as_advice(
    results: Path, tmp_path: Path
) -> None:
    """The first page and the cost page give one answer."""
    write_arm(results, "few_shot", [0.5, 0.5, 0.5])
    write_arm(results, "lora", [0.8, 0.81, 0.8])
    board = tmp_path / "board.toml"

    def headline(scenario: str) -> str:
        board.write_text(f"[scenario]\n{scenario}\n", encoding="utf-8")
        published = publish(results, tmp_path / "site", board=board)
        cost = Text(published.index.parent / "cost.html").text
        tunes = published.verdict.startswith("Fine-tune")
        assert tunes == ("Tune small · LoRA r16" in cost), cost[:600]
        return published.verdict

    worth = headline("volume = 100_000")
    assert worth.startswith("Fine-tune small with LoRA r16.")
    assert "For 100,000 requests at $0.010 per right answer it is worth $2" in worth
    rare = headline("volume = 100")
    assert rare.startswith("Tuning gains, but does not pay: use few-shot prompts of small.")
    assert "The best fine-tune is small · LoRA r16." in rare and "more than it is worth" in rare
    poor = headline("budget_usd = 20")
    assert poor.startswith("Tuning gains, but costs more than the budget of $20")


def cost_verdict(published: Path) -> str:
    return Text(published.parent / "cost.html").text.rpartition("Is it worth it?")[2].lstrip()


def test_both_pages_advise_the_fine_tune_that_is_shown_to_gain(results: Path, tmp_path: Path) -> None:
    """The cost page advised a noisy leader that the first page calls unproven."""
    write_arm(results, "few_shot", [0.70, 0.70])
    write_arm(results, "lora", [0.97, 0.77])
    write_arm(results, "full", [0.845, 0.84])
    published = publish(results, tmp_path / "site")
    assert published.verdict.startswith("Fine-tune all weights of small.")
    cost = cost_verdict(published.index)
    assert cost.startswith("Tune small · full fine-tune: worth $"), cost[:300]
    assert "small · LoRA r16 would come first but is passed over: its gain is not shown." in cost


def test_neither_page_advises_a_fine_tune_of_one_seed(results: Path, tmp_path: Path) -> None:
    """The cost page said "Tune …; worth it in > 99 % of the draws", which knew nothing of other seeds."""
    write_arm(results, "few_shot", [0.6])
    write_arm(results, "lora", [0.8])
    published = publish(results, tmp_path / "site")
    assert published.verdict.startswith("Promising, not shown: train small · LoRA r16 with more seeds.")
    cost = cost_verdict(published.index)
    assert cost.startswith("Not shown yet: as measured, small · LoRA r16 is worth $"), cost[:300]
    assert "how far another seed would differ is unknown. By scores no tuning is advised." in cost
    site = site_of(results)
    assert [figures.worth for figures in site.decision.figures] == [None, None]
    assert [row.ranks for row in site.table.ranked] == [(1, 2), (1, 2)], "one seed orders nothing"
    assert not any(gain.discovery for gain in site.gains.values())
    outlook = site.advice.outlook
    assert outlook.seed_share is None and outlook.purchases[0].thing == "seeds"
    first = Text(published.index).text
    assert " points on these seeds; how far others would differ is unknown." in first
    assert "of its variance" not in first


def test_a_budget_that_excludes_the_best_fine_tune_heads_with_the_one_it_allows(
    results: Path, tmp_path: Path
) -> None:
    write_arm(results, "few_shot", [0.5, 0.5, 0.5])
    write_arm(results, "lora", [0.8, 0.81, 0.8])
    write_arm(results, "full", [0.9, 0.91, 0.9], train_seconds=36_000.0)
    board = tmp_path / "board.toml"

    def published(budget: float) -> tuple[str, str]:
        board.write_text(f"[scenario]\nbudget_usd = {budget}\n", encoding="utf-8")
        site = publish(results, tmp_path / "site", board=board)
        return site.verdict, cost_verdict(site.index)

    verdict, cost = published(80)
    assert verdict.startswith("Within the budget of $80, fine-tune small with LoRA r16.")
    assert "The best fine-tune is small · full fine-tune. Score 90.3" in verdict
    assert cost.startswith("Tune small · LoRA r16: worth $") and "excludes small · full fine-tune" in cost
    verdict, cost = published(1000)
    assert verdict.startswith("Fine-tune all weights of small.") and "After its costs" not in verdict
    assert cost.startswith("Tune small · full fine-tune: worth $")


def test_an_unproven_fine_tune_is_not_advised_because_the_proven_one_costs_too_much(
    results: Path, tmp_path: Path
) -> None:
    write_arm(results, "few_shot", [0.70, 0.70, 0.70])
    write_arm(results, "lora", [0.97, 0.60, 0.70])
    write_arm(results, "full", [0.9, 0.91, 0.9], train_seconds=36_000.0)
    board = tmp_path / "board.toml"
    board.write_text("[scenario]\nbudget_usd = 80\n", encoding="utf-8")
    published = publish(results, tmp_path / "site", board=board)
    assert published.verdict.startswith(
        "Tuning gains, but costs more than the budget of $80: use few-shot prompts of small."
    )
    assert cost_verdict(published.index).startswith("Not shown yet: as measured, small · LoRA r16 is worth $")


def test_a_cheaper_fine_tune_that_is_worth_more_than_the_best_one_is_named(
    results: Path, tmp_path: Path
) -> None:
    write_arm(results, "few_shot", [0.5, 0.5, 0.5])
    write_arm(results, "lora", [0.8, 0.81, 0.8])
    write_arm(results, "full", [0.83, 0.82, 0.83], train_seconds=36_000.0)
    published = publish(results, tmp_path / "site")
    assert published.verdict.startswith("Fine-tune all weights of small.")
    assert "After its costs, small · LoRA r16 is worth $" in published.verdict
    assert cost_verdict(published.index).startswith("Tune small · LoRA r16: worth $")
