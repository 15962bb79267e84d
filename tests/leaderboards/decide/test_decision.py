"""What a scenario makes of the candidates: each formula against numbers worked out by hand."""

import math
import random
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from places import ROOT
from site_reading import Text, figures, row
from synthetic import draw_scores, make_run, task_card, training_record, write_result, write_sweep

from leaderboards import publish
from leaderboards.board import ScenarioTable
from leaderboards.chart.axes import LogAxis, nice_range
from leaderboards.chart.cost import HEAD, TOP, ScoreScale, stairs_plot, tick_usd, total_plot, worth_plot
from leaderboards.decide.cases import Case, Choices, Examples, Rival
from leaderboards.decide.decision import Decision, costs_of, envelope, that_matter, weigh
from leaderboards.decide.scenario import Level, Scenario, scenario_at
from leaderboards.decide.swings import swings
from leaderboards.gathered import gather, read_folder
from leaderboards.money.frontier import frontier_shares, usd_per_point
from leaderboards.money.payback import Line, Payback
from leaderboards.money.peaks import mfu, peak_flops
from leaderboards.money.prices import load_prices
from leaderboards.pages.cost_page.sentences import verdict_text
from leaderboards.rank.draws import STEP, Draws, joint_draws
from leaderboards.text import percent, round_usd, signed_usd

HOUR = 3600.0
LEVELS: tuple[Level, ...] = ("low", "high")

PLAIN = Scenario(
    hour_prices=(3.0,),
    label=0.1,
    api_input=1.0,
    api_output=4.0,
    api_cached=None,
    volume=1000,
    right_answer_usd=1.0,
    budget_usd=70,
    utilisation=50,
    hours=0,
    retrains=1,
    relabel=0,
    owned=False,
)
"""$3 an hour, 10 cents a label, half busy, trained twice; a point is ten right answers of a thousand, $10."""


def case(
    name: str,
    score: float,
    *,
    train: float = 0.0,
    labels: float = 0,
    serve: float | None = 1.2,
    accuracy: float | None = None,
    uncached: float | None = None,
    few: Rival | None = None,
    forgets: bool = False,
    devices: float = 1.0,
    **evidence: bool,
) -> Case:
    """A candidate on one device: seconds of training, labels, seconds of a request of 100 tokens answered by
    10."""
    tuned = train > 0
    row = SimpleNamespace(
        key=(name, "lora"),
        name=name,
        label=name,
        method="lora",
        method_name="LoRA",
        score=SimpleNamespace(value=score),
        forgets=forgets,
    )
    spend = SimpleNamespace(tuned=tuned, prompt_tokens=100.0, completion_tokens=10.0)
    entry: Any = SimpleNamespace(row=row, spend=spend, accuracy=accuracy)
    seconds = None if serve is None else ((0, serve),)
    off = None if uncached is None else ((0, uncached),)
    training = ((0, train),) if tuned else ()
    return Case(entry, None, training, labels, ((0, devices),), seconds, off, few, None, **evidence)


def rival(serve: float, why: Any = None, *, labels: float = 0, spread: float | None = None) -> Rival:
    """A few-shot arm by the seconds of its requests."""
    return Rival(((0, serve),), ((0, 1.0),), labels, why, spread)


def choices(*cases: Case, steps: list[list[int]] | None = None) -> Choices:
    """Cases with their draws, in whole steps; without any, a single draw of the scores themselves."""
    drawn = [[round(one.score / STEP) for one in cases]] if steps is None else steps
    return Choices(("gpu",), cases, np.array(drawn, dtype=np.int16))


def volume_of(payback: Payback | None) -> float | str:
    """A break-even volume, or why there is none."""
    assert payback
    return payback.figure


def test_the_total_cost_is_labels_trainings_and_requests_on_a_device_that_idles() -> None:
    costs = costs_of(case("a", 0.8, train=2 * HOUR, labels=500), PLAIN)
    assert costs
    # 500 labels at 10 cents; two trainings of two hours at $3; 1.2 s at $3 an hour are $0.001, twice that at
    # half use.
    assert (costs.labels, costs.fixed) == (50.0, 50.0 + 2 * 6.0)
    assert costs.request == pytest.approx(0.002)
    assert costs.total == pytest.approx(62.0 + 1000 * 0.002)


def test_a_cost_is_unknown_without_a_price_or_a_rate() -> None:
    assert costs_of(case("a", 0.8), replace(PLAIN, hour_prices=(None,))) is None
    assert costs_of(case("a", 0.8, serve=None), PLAIN) is None


def test_few_shot_without_its_cache_costs_what_was_measured_without_it() -> None:
    one = case("a", 0.8, serve=1.2, uncached=3.6)
    on, off = costs_of(one, PLAIN), costs_of(one, replace(PLAIN, cache=False))
    other = costs_of(case("b", 0.8), replace(PLAIN, cache=False))
    assert on and off and other
    assert off.request == pytest.approx(3 * on.request)
    assert other.request == on.request


def test_the_net_benefit_is_the_value_of_the_points_less_what_they_cost_more() -> None:
    tuned, base = case("tuned", 0.8, train=2 * HOUR, labels=500), case("base", 0.5)
    # In three of four draws thirty points or more are gained, worth $300 or more for $62; in one, a single
    # point.
    steps = [[8000, 5000], [8200, 5000], [8400, 5000], [5100, 5000]]
    decision = weigh(choices(tuned, base, steps=steps), PLAIN)
    net = decision.figures[0].net
    assert net
    assert net.value == pytest.approx(10 * 30 - 62)
    assert (net.low, net.high) == (pytest.approx(10 * 1 - 62), pytest.approx(10 * 34 - 62))
    assert decision.figures[0].worth == 0.75
    assert (decision.chosen, decision.reference, decision.best_tuned) == (0, 1, 0)


def test_the_reference_is_the_untuned_case_worth_most_not_the_one_that_scores_most() -> None:
    found = choices(case("tuned", 0.8, train=HOUR), case("dear", 0.52, serve=120.0), case("cheap", 0.5))
    rich = replace(PLAIN, budget_usd=1e6)
    # Two points more, $20, for $198 more of serving.
    assert weigh(found, rich).reference == 2
    assert weigh(found, replace(rich, right_answer_usd=100)).reference == 1
    # What the budget excludes is no alternative.
    assert weigh(found, replace(PLAIN, right_answer_usd=100)).reference == 2


def test_without_an_untuned_case_there_is_no_net_benefit() -> None:
    figures = weigh(choices(case("tuned", 0.8, train=HOUR)), PLAIN).figures[0]
    assert (figures.net, figures.worth) == (None, None)


def test_break_even_against_few_shot_counts_labels_and_retrainings_with_the_cache_on_and_off() -> None:
    tuned = case("tuned", 0.8, train=2 * HOUR, labels=500, few=rival(3.6))
    tuned = replace(tuned, few_shot_uncached=rival(7.2))
    decision = weigh(choices(tuned), PLAIN)
    # $62 at once; a request costs $0.002, to few-shot $0.006, without its cache $0.012.
    assert volume_of(decision.figures[0].few_shot) == pytest.approx(62 / 0.004)
    assert volume_of(decision.figures[0].few_shot_uncached) == pytest.approx(62 / 0.010)


@pytest.mark.parametrize("why", ["unresolved", "dominated"])
def test_a_reason_stands_in_place_of_a_volume(why: Any) -> None:
    tuned = case("tuned", 0.8, train=HOUR, few=rival(3.6, why))
    assert volume_of(weigh(choices(tuned), PLAIN).figures[0].few_shot) == why


def test_serving_that_is_no_cheaper_never_pays() -> None:
    tuned = case("tuned", 0.8, train=HOUR, few=rival(1.2))
    assert volume_of(weigh(choices(tuned), PLAIN).figures[0].few_shot) == "never"
    nearly = case("tuned", 0.8, train=HOUR, few=rival(1.2 + 1e-12))
    assert volume_of(weigh(choices(nearly), PLAIN).figures[0].few_shot) == "never"


def test_a_hosted_model_is_paid_by_the_token() -> None:
    tuned = case("tuned", 0.8, train=2 * HOUR, labels=500, serve=0.03)
    # 100 tokens read at $1 a million and 10 written at $4 are $0.00014; the tuned request costs $0.00005.
    assert volume_of(weigh(choices(tuned), PLAIN).figures[0].api) == pytest.approx(62 / 0.00009)
    assert volume_of(weigh(choices(case("a", 0.8)), PLAIN).figures[0].api) == "never"
    few = replace(tuned, few_shot=rival(3.6, labels=20), examples=Examples(400, shared=True))
    # 400 tokens of examples more, at $0.25 a million where they are cached, are $0.0001; 20 labels are $2.
    cached = replace(PLAIN, api_cached=0.25)
    assert volume_of(weigh(choices(few), cached).figures[0].api_few_shot) == pytest.approx(60 / 0.00019)
    assert volume_of(weigh(choices(few), PLAIN).figures[0].api_few_shot) == pytest.approx(60 / 0.00049)
    own = replace(few, examples=Examples(400, shared=False))
    assert volume_of(weigh(choices(own), cached).figures[0].api_few_shot) == pytest.approx(60 / 0.00049)
    no_api = replace(PLAIN, api_input=None, api_output=None)
    assert weigh(choices(case("a", 0.8)), no_api).figures[0].api is None


def test_a_right_answer_costs_a_request_by_the_share_of_right_ones() -> None:
    assert weigh(choices(case("a", 0.8, accuracy=0.8)), PLAIN).figures[0].correct == pytest.approx(0.0025)
    assert weigh(choices(case("a", 0.8, accuracy=None)), PLAIN).figures[0].correct is None
    assert weigh(choices(case("a", 0.0, accuracy=0.0)), PLAIN).figures[0].correct is None


def test_the_best_for_a_budget_is_worth_most_within_it_and_how_often_it_is() -> None:
    best, second, third = (
        case("best", 0.8, train=2 * HOUR, labels=500),
        case("second", 0.6),
        case("third", 0.5),
    )
    # After costs of $64 against $2, the first is worth most where it leads by more than 620 steps.
    steps = [[8000, 6000, 5000], [8000, 5000, 6000], [6000, 6000, 7000], [6600, 6000, 6000]]
    bests = {one.budget: one for one in weigh(choices(best, second, third, steps=steps), PLAIN).bests}
    assert [*bests] == [1.0, 10.0, 70.0, 100.0, 1000.0]
    assert (bests[1.0].place, bests[1.0].wins) == (None, 0.0)
    assert (bests[10.0].place, bests[10.0].wins) == (1, 0.5)
    assert (bests[70.0].place, bests[70.0].wins) == (0, 0.5)


def test_a_budget_that_is_named_anyway_is_named_once() -> None:
    decision = weigh(choices(case("a", 0.8)), replace(PLAIN, budget_usd=100))
    assert [best.budget for best in decision.bests] == [1.0, 10.0, 100.0, 1000.0]


def test_what_is_chosen_is_within_the_budget_and_what_the_budget_excludes_is_named() -> None:
    found = choices(
        case("tuned", 0.9, train=2 * HOUR, labels=500), case("small", 0.6, train=60), case("base", 0.5)
    )
    free, tight = weigh(found, PLAIN), weigh(found, replace(PLAIN, budget_usd=50))
    assert (free.chosen, free.best_tuned, free.excluded) == (0, 0, None)
    assert (tight.chosen, tight.best_tuned, tight.excluded) == (1, 1, 0)
    # $64 in total, of which $14 are missing; 30 points more are worth $300, and cost $61.90 more.
    assert verdict_text(found, tight).endswith(
        "The budget of $50 excludes tuned: $14 more would buy +30.0 points, worth $240 after costs."
    )
    assert figures_within(tight) == {1, 2}


def test_nothing_is_chosen_where_nothing_fits_the_budget() -> None:
    found = choices(case("tuned", 0.9, train=2 * HOUR, labels=500), case("base", 0.5))
    decision = weigh(found, replace(PLAIN, budget_usd=1))
    assert (decision.chosen, decision.best_tuned, decision.cheapest, decision.excluded) == (None, None, 1, 0)
    assert decision.knowing is None and figures_within(decision) == set()
    assert verdict_text(found, decision) == (
        "Nothing fits the budget of $1. base costs least: $2.00 in total. "
        "tuned would be worth most: it takes $63 more."
    )


def test_a_fine_tune_that_the_budget_excludes_does_not_stand_beside_what_is_advised() -> None:
    found = choices(case("tuned", 0.9, train=2 * HOUR, labels=500), case("base", 0.5))
    text = verdict_text(found, weigh(found, replace(PLAIN, budget_usd=50)))
    assert text.startswith("Use base: no fine-tune is within the budget. The budget of $50 excludes tuned")


def figures_within(decision: Decision) -> set[int]:
    """The places that have a P(best)."""
    return {place for place, figures in enumerate(decision.figures) if figures.best is not None}


def test_what_the_answer_hangs_on_is_told_by_halving_and_doubling_each_input() -> None:
    found = choices(case("tuned", 0.8, train=2 * HOUR, labels=500, serve=1.2), case("base", 0.5, serve=0.6))
    scenario = replace(PLAIN, utilisation=60)
    # $300 for thirty points; $50 of labels, $12 of training, $1.67 of requests against half of that.
    wanted = {
        "right_answer_usd": (150 - 62 - 5 / 6, 600 - 62 - 5 / 6),
        "volume": (150 - 62 - 5 / 12, 600 - 62 - 5 / 3),
        "label": (300 - 37 - 5 / 6, 300 - 112 - 5 / 6),
        "hour": (300 - 56 - 5 / 12, 300 - 74 - 5 / 3),
        "utilisation": (300 - 62 - 5 / 3, 300 - 62 - 0.5),  # at most 100 %
    }
    swung = swings(found, weigh(found, scenario))
    assert [swing.name for swing in swung] == [*wanted]
    for swing in swung:
        assert (swing.half, swing.double) == pytest.approx(wanted[swing.name])
    assert swings(found, weigh(found, replace(scenario, budget_usd=5))) == []


def test_more_requests_make_a_better_model_worth_more() -> None:
    found = choices(case("tuned", 0.8, train=2 * HOUR, labels=500, serve=1.2), case("base", 0.5, serve=0.012))
    # 0.2 cents for a request, and 30 % more right answers at 1 cent each are worth 0.3 cents.
    cent = replace(PLAIN, right_answer_usd=0.01, budget_usd=1e9)
    chosen = [weigh(found, replace(cent, volume=volume)).chosen for volume in (1e3, 1e6, 1e8, 1e11)]
    assert chosen == [1, 0, 0, 0]
    net = weigh(found, replace(cent, volume=1e8)).figures[0].net
    assert net and net.value == pytest.approx(1e8 * (0.3 * 0.01 - 0.00198) - 62)


def test_points_of_several_tasks_are_turned_back_into_right_answers() -> None:
    found = replace(choices(case("tuned", 0.8, train=HOUR), case("base", 0.4)), right_per_score=0.75)
    net = weigh(found, PLAIN).figures[0].net
    assert net and net.value == pytest.approx(1000 * 0.75 * 0.4 - 6)


def test_the_expected_loss_is_what_the_best_of_each_draw_is_worth_more() -> None:
    steps = [[8000, 5000], [8200, 5000], [8400, 5000], [5100, 5000]]
    decision = weigh(
        choices(case("tuned", 0.8, train=2 * HOUR, labels=500), case("base", 0.5), steps=steps), PLAIN
    )
    # $62 more for $300, $320, $340 and $10 more.
    assert [figures.best for figures in decision.figures] == [0.75, 0.25]
    assert decision.figures[0].loss == pytest.approx(52 / 4)
    assert decision.figures[1].loss == pytest.approx((238 + 258 + 278) / 4)
    assert decision.knowing == pytest.approx(13)


def test_a_model_that_must_be_reachable_costs_its_device_for_all_hours() -> None:
    month = replace(PLAIN, hours=730, volume=100_000)
    costs = costs_of(case("a", 0.8, devices=2.0), month)
    # Two devices at $3 for 730 hours; 100,000 requests of 1.2 s, half busy, are only $200.
    assert costs and (costs.request, costs.held) == (pytest.approx(0.002), pytest.approx(4380))
    assert (costs.total, costs.served) == (pytest.approx(4380), pytest.approx(0.0438))
    busy = costs_of(case("a", 0.8), replace(month, volume=10_000_000))
    assert busy and busy.total == pytest.approx(20_000)
    assert costs_of(case("a", 0.8), replace(month, hour_prices=(None,))) is None


def test_labels_that_are_owned_cost_nothing_and_retraining_may_need_new_ones() -> None:
    tuned = case("a", 0.8, train=2 * HOUR, labels=500)
    bought = costs_of(tuned, replace(PLAIN, retrains=3, relabel=0.2))
    owned = costs_of(tuned, replace(PLAIN, retrains=3, relabel=0.2, owned=True))
    prompted = costs_of(case("b", 0.8, labels=8), replace(PLAIN, retrains=3, relabel=0.2))
    assert bought and owned and prompted
    assert (bought.labels, owned.labels) == (pytest.approx(50 * 1.6), 0.0)
    assert prompted.labels == pytest.approx(0.8)  # nothing is trained again


def test_break_even_counts_what_few_shot_prompts_show_and_gives_an_interval() -> None:
    tuned = case("tuned", 0.8, train=2 * HOUR, labels=500, few=rival(3.6, labels=20, spread=math.log(1.5)))
    payback = weigh(choices(tuned), PLAIN).figures[0].few_shot
    # $62 at once against $2 of labels; a request costs $0.002 against $0.006, which may be $0.009 or $0.004.
    assert payback and payback.ends
    assert payback.requests == pytest.approx(60 / 0.004)
    assert payback.ends == (pytest.approx(60 / 0.007), pytest.approx(60 / 0.002))


def test_break_even_is_unresolved_where_serving_may_as_well_cost_more() -> None:
    tuned = case("tuned", 0.8, train=2 * HOUR, few=rival(1.5, spread=0.3))
    payback = weigh(choices(tuned), PLAIN).figures[0].few_shot
    assert payback and payback.ends
    assert (payback.figure, payback.ends[1]) == ("unresolved", math.inf)
    assert payback.ends[0] == pytest.approx(12 / (0.002 * (1.25 * math.exp(0.3) - 1)))


def test_break_even_of_a_model_that_must_be_reachable_waits_until_the_other_is_busy() -> None:
    month = replace(PLAIN, hours=100)
    tuned = case("tuned", 0.8, train=2 * HOUR, few=rival(3.6))
    # Both take $300 for the hours; few-shot passes $300 + $12 at 52,000 requests of $0.006.
    assert volume_of(weigh(choices(tuned), month).figures[0].few_shot) == pytest.approx(312 / 0.006)


def test_the_lower_envelope_names_the_cheapest_from_each_volume_on() -> None:
    # $0 + 4 V, $10 + 2 V, $100 + 1 V; the fourth is never the lowest, the fifth has no price.
    lines = [Line(0.0, 4.0), Line(10.0, 2.0), Line(100.0, 1.0), Line(60.0, 1.9), None]
    assert envelope(lines) == [(0.0, 0), (5.0, 1), (90.0, 2)]
    assert envelope([None]) == []


def test_the_envelope_begins_with_the_flatter_of_two_lines_from_one_point() -> None:
    assert envelope([Line(0.0, 4.0), Line(0.0, 2.0)]) == [(0.0, 1)]


def test_the_envelope_holds_for_lines_with_a_flat_start_as_it_does_point_by_point() -> None:
    chance = random.Random(3)
    for _ in range(300):
        lines = [
            Line(
                chance.choice([0.0, 5.0, 20.0]),
                chance.choice([0.0, 0.5, 1.0, 3.0]),
                chance.choice([0.0, 10.0, 40.0]),
            )
            for _ in range(chance.randrange(1, 7))
        ]
        segments = envelope(lines)
        assert [start for start, _ in segments] == sorted(start for start, _ in segments)
        for volume in (0.0, *(chance.uniform(0, 60) for _ in range(40)), 1e6):
            place = [place for start, place in segments if start <= volume][-1]
            lowest = min(line.total(volume) for line in lines)
            assert lines[place].total(volume) == pytest.approx(lowest, rel=1e-9), (lines, volume)


def test_a_case_is_on_the_frontier_in_the_draws_in_which_nothing_as_cheap_scores_as_much() -> None:
    steps = np.array([[10, 20, 15], [10, 20, 30], [10, 5, 12], [10, 10, 10]], dtype=np.int16)
    assert frontier_shares([0.0, 1.0, 2.0], steps) == [1.0, 0.5, 0.5]
    # Of two that cost the same the better one, or both where they score the same.
    assert frontier_shares([1.0, 1.0, 2.0], steps) == [0.5, 0.75, 0.5]


def test_a_point_costs_what_the_step_before_it_on_the_staircase_does_not() -> None:
    clear = np.tile(np.array([5000, 4000, 6000], dtype=np.int16), (40, 1))
    assert usd_per_point([1.0, 2.0, 6.0], [0.5, 0.4, 0.6], clear) == [None, "dominated", pytest.approx(0.5)]
    open_ = clear.copy()
    open_[:2, 2] = 5000  # 5 % of the draws gain nothing
    assert usd_per_point([1.0, 2.0, 6.0], [0.5, 0.4, 0.6], open_) == [None, "dominated", "unresolved"]


def test_equal_candidates_have_no_price_of_a_point() -> None:
    assert usd_per_point([1.0, 1.0], [0.5, 0.5], np.full((10, 2), 5000, dtype=np.int16)) == [
        None,
        "unresolved",
    ]


def test_what_nothing_beats_is_carried_first_and_the_order_is_kept() -> None:
    some = [
        case("a", 0.9, train=HOUR),
        case("b", 0.8, train=HOUR),
        case("c", 0.7, train=HOUR),
        case("d", 0.2),
    ]
    found = choices(*some)
    decision = weigh(found, PLAIN)
    assert that_matter(found, decision, max_cases=2) == [0, 3]
    assert that_matter(found, decision, max_cases=3) == [0, 1, 3]
    assert that_matter(found, decision, max_cases=9) == [0, 1, 2, 3]


def test_what_the_answers_are_about_is_carried_however_many_are_level_with_the_best() -> None:
    found = choices(
        *(case(f"level-{number}", 0.9, train=HOUR) for number in range(40)), case("plain", 0.5, serve=9.0)
    )
    decision = weigh(found, PLAIN)
    assert decision.reference == 40
    assert that_matter(found, decision, max_cases=5) == [0, 1, 2, 3, 40]


# Model FLOPs utilisation


def trained(**changes: Any) -> Any:
    recipe = make_run("small", "lora", task_card(), 0).recipe
    assert recipe
    # 8 B frozen parameters: 5.8e17 operations; the adapter is a hundredth as large.
    declared = {"parameters": 8_000_000_000, "tokens": 18_000_000, "train_seconds": 1456.0}
    return training_record(recipe, **{**declared, **changes})


def test_the_worked_example_runs_at_forty_percent_of_the_peak() -> None:
    operations = (4 * 8e9 + 6 * 8e7) * 18e6
    assert mfu([trained()]) == pytest.approx(operations / (1456 * 989e12)) == pytest.approx(0.40, abs=0.01)
    assert mfu([trained(), trained(train_seconds=4 * 1456.0)]) == pytest.approx(
        2 * operations / (5 * 1456 * 989e12)
    )


def test_the_utilisation_is_unknown_where_the_peak_is() -> None:
    assert mfu([]) is None
    assert mfu([trained(), trained(device="Abacus 9")]) is None
    assert mfu([trained(dtype="float32")]) is None


def test_a_peak_is_that_of_the_most_specific_name() -> None:
    names = ("NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA A100-SXM4-80GB", "NVIDIA L4", "NVIDIA L40")
    assert [peak_flops(name, "bfloat16") for name in names] == [989e12, 756e12, 312e12, 121e12, None]


# Draws


def estimated(*ends: tuple[float, float, float], errors: Any) -> Any:
    """A table's rows by their estimates, and draws of their errors."""
    rows = [
        SimpleNamespace(score=SimpleNamespace(value=value, low=low, high=high)) for value, low, high in ends
    ]
    comparison = SimpleNamespace(tailed_errors=errors)
    return SimpleNamespace(ranked=rows, overall=SimpleNamespace(comparison=comparison), tasks={})


def test_draws_go_together_as_the_errors_do_and_a_row_without_errors_has_those_of_its_interval() -> None:
    shared, own = np.random.default_rng(1).standard_normal((2, 20_000))
    errors = np.stack([0.03 * shared, 0.05 * (shared + own), own * 0], axis=1)
    table = estimated((0.8, 0.7, 0.85), (0.5, 0.4, 0.6), (0.3, 0.2, 0.4), errors=errors)
    first, second = joint_draws(table, count=20_000), joint_draws(table, count=20_000)
    assert (first.scores == second.scores).all()
    of_last = [0.2, 0.3, 0.4]
    for place, ends in enumerate(([0.741, 0.8, 0.859], [0.361, 0.5, 0.639], of_last)):
        assert np.quantile(first.scores[:, place], [0.025, 0.5, 0.975]) == pytest.approx(ends, abs=0.005)
    together = np.corrcoef(first.scores, rowvar=False)
    assert together[0, 1] == pytest.approx(0.5**0.5, abs=0.03)
    assert together[0, 2] == pytest.approx(0.0, abs=0.03)


def test_draws_are_rounded_to_a_hundredth_of_a_point_before_anything_is_counted() -> None:
    assert Draws(np.array([[0.71234, -0.5, 9.0]])).steps.tolist() == [[7123, -5000, 32767]]


# On the site


def test_break_even_is_given_with_the_cache_off_where_that_was_measured(tmp_path: Path) -> None:
    rates: dict[Any, float] = {("small", "few_shot"): 0.4, ("small", "lora"): 0.8}
    write_sweep(tmp_path / "results", rates, n=200, requests_per_second=20.0)
    tuned = row(publish(tmp_path / "results", tmp_path / "site"), "small", "lora")
    assert (tuned["break_even_few_shot_why"], tuned["break_even_few_shot_uncached_why"]) == ("never", None)
    assert "cache off not measured" in Text(tmp_path / "site" / "cost.html").text
    card = task_card()
    for seed in (0, 1, 2):
        run = make_run("small", "few_shot", card, seed)
        write_result(tmp_path / "results", run, card, [0.0] * 200, uncached_requests_per_second=10.0)
    tuned = row(publish(tmp_path / "results", tmp_path / "site"), "small", "lora")
    # Training is $1.025, 550 labels are $55, and the prompts show four of them; without the cache a request
    # costs twice as much: $3 / 3600 / 20 more, at 30 % use.
    once, request = 1.025 + 55 - 0.4, 3 / 3600 / 20 / 0.3
    assert tuned["break_even_few_shot_uncached"] == pytest.approx(once / request)
    assert tuned["break_even_few_shot_why"] == "never"


def test_the_figures_of_a_row_are_there_for_reuse_with_their_scenario(tmp_path: Path) -> None:
    rates: dict[Any, float] = {
        ("small", "zero_shot"): 0.3,
        ("small", "few_shot"): 0.5,
        ("small", "lora"): 0.9,
    }
    write_sweep(tmp_path / "results", rates, n=100)
    published = publish(tmp_path / "results", tmp_path / "site")
    tuned = row(published, "small", "lora")
    scenario = figures(published)["scenario"]
    assert (scenario["volume"], scenario["reference"][0]) == (100_000, "small")
    assert scenario["usd_per_hour"] == {"NVIDIA H100 80GB HBM3": 3.0}
    request = 3 / 3600 / 20 / 0.3
    assert tuned["total_usd"] == pytest.approx(550 * 0.1 + 1230 / 3600 * 3 + 100_000 * request)
    assert tuned["usd_per_right_answer"] == pytest.approx(request * 0.3 / tuned["score"])
    assert tuned["mfu"] == pytest.approx((4e9 + 6e7) * 90_000 / (1200 * 989e12))
    assert tuned["p_worth_it"] == tuned["p_frontier"] == tuned["p_best"] == 1.0
    assert tuned["expected_loss_usd"] == scenario["perfect_information_usd"] == 0
    assert (scenario["chosen"], scenario["excluded"]) == (["small", "lora"], None)
    assert tuned["net_benefit_usd_low"] < tuned["net_benefit_usd"] < tuned["net_benefit_usd_high"]
    assert row(published, "small", "few_shot")["p_worth_it"] is None


def test_a_board_of_many_candidates_keeps_the_cost_page_small_and_says_what_is_left_out(
    tmp_path: Path,
) -> None:
    rates: dict[Any, float] = {("large", "few_shot"): 0.5}
    rates |= {(f"model-{number:03}", "lora"): 0.4 + number / 250 for number in range(100)}
    write_sweep(tmp_path / "results", rates, n=40, seeds=(0,))
    published = publish(tmp_path / "results", tmp_path / "site")
    page = published.index.parent / "cost.html"
    assert page.stat().st_size < 300 * 1024
    assert "This page carries 32 of 101 complete candidates" in Text(page).text
    assert all("p_worth_it" in one for one in figures(published)["rows"])


def test_a_board_without_a_complete_row_or_a_price_has_a_cost_page(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "lora"): 0.8}, n=20, device="Abacus 9")
    published = publish(tmp_path / "results", tmp_path / "site")
    assert (
        "No total cost is known: enter the device’s price per hour."
        in Text(published.index.parent / "cost.html").text
    )
    cards = (task_card("one"), task_card("two"))
    write_result(tmp_path / "half", make_run("small", "lora", cards[0], 0), cards[0], [1.0, 0.0])
    write_result(tmp_path / "half", make_run("large", "lora", cards[1], 0), cards[1], [1.0, 0.0])
    published = publish(tmp_path / "half", tmp_path / "site")
    page = Text(published.index.parent / "cost.html").text
    assert "Nothing can be advised: no candidate is complete." in page and page.count("no cost is known") == 4


def test_prices_without_hosted_models_leave_out_their_fields(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "lora"): 0.8, ("small", "few_shot"): 0.5}, n=20)
    shipped = (ROOT / "leaderboards" / "prices.toml").read_text(encoding="utf-8")
    own = tmp_path / "prices.toml"
    own.write_text(shipped.partition("[[apis]]")[0], encoding="utf-8")
    published = publish(tmp_path / "results", tmp_path / "site", prices=own)
    names = {attributes.get("name") for _, attributes in Text(published.index.parent / "cost.html").tags}
    assert {"label", "hour0"} <= names and not {"api_input", "api_cached", "api_output"} & names
    assert row(published, "small", "lora")["break_even_hosted"] is None


def test_the_shipped_prices_of_hosted_models_say_that_they_are_assumptions_with_a_date() -> None:
    apis = load_prices().apis
    assert len(apis) == 2
    assert all(one.source.startswith("Assumption") and one.date.year >= 2026 for one in apis)
    assert apis[0].request(1e6, 1e6).mid == pytest.approx(0.75)


def test_the_scenario_at_low_prices_takes_the_low_ones() -> None:
    devices = ["NVIDIA H100", "Abacus 9"]
    low, high = (scenario_at(ScenarioTable(), load_prices(), devices, level) for level in LEVELS)
    assert (low.hour_prices, high.hour_prices) == ((2.0, None), (5.0, None))
    assert low.label < high.label


def test_the_page_and_the_index_give_the_same_odds(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "lora"): 0.55, ("small", "few_shot"): 0.5}, n=60)
    site = gather(read_folder(tmp_path / "results"))
    worth = site.figures_by_row["small", "lora"].worth
    assert worth is not None
    publish(tmp_path / "results", tmp_path / "site")
    assert f"{percent(worth)} of the draws" in Text(tmp_path / "site" / "cost.html").text


def write_curve(results: Path, *, aim: float, small_aim: float) -> None:
    """A fine-tune on 500 labels and on 100, and its few-shot arm."""
    write_sweep(results, {("small", "few_shot"): 0.5, ("small", "lora"): aim}, n=300)
    card = task_card()
    for seed in (0, 1, 2):
        run = make_run("small", "lora", card, seed, n_train=100)
        write_result(results, run, card, draw_scores(small_aim, 300, seed, name="curve"))


def test_how_many_labels_to_buy_is_a_choice_of_its_own(tmp_path: Path) -> None:
    write_curve(tmp_path / "results", aim=0.80, small_aim=0.78)
    site = gather(read_folder(tmp_path / "results"))
    full, small = (
        next(place for place, case in enumerate(site.choices.cases) if case.tuned and case.budget == budget)
        for budget in (None, 100)
    )
    # 100 labels and 50 of dev against 500 and 50: $40 less, and two points are worth $20.
    costs = [figures.costs for figures in site.decision.figures]
    assert (cost := costs[full]) and (small_cost := costs[small])
    assert cost.total - small_cost.total == pytest.approx(40)
    assert site.decision.chosen == small
    assert site.choices.cases[small].label == "small · LoRA r16 · 100 labels"
    assert site.figures_by_row["small", "lora"] is site.decision.figures[full]
    published = publish(tmp_path / "results", tmp_path / "site")
    assert "Tune small · LoRA r16 · 100 labels: worth" in Text(tmp_path / "site" / "cost.html").text
    scenario = figures(published)["scenario"]
    assert (scenario["chosen"], scenario["chosen_labels"]) == (["small", "lora"], 100)


def test_the_draws_of_a_smaller_budget_are_those_of_its_own_estimate(tmp_path: Path) -> None:
    write_curve(tmp_path / "results", aim=0.9, small_aim=0.7)
    site = gather(read_folder(tmp_path / "results"))
    place = next(place for place, case in enumerate(site.choices.cases) if case.budget)
    score = site.choices.cases[place].entry.row.score
    assert score and score.stderr
    drawn = site.choices.steps[:, place] * STEP
    assert np.median(drawn) == pytest.approx(score.value, abs=0.005)
    assert np.quantile(drawn, 0.975) - np.quantile(drawn, 0.025) == pytest.approx(
        score.high - score.low, rel=0.15
    )
    assert abs(np.corrcoef(drawn, site.choices.steps[:, 0])[0, 1]) < 0.1


def test_the_first_page_and_the_cost_page_give_the_same_break_even_volumes(tmp_path: Path) -> None:
    write_curve(tmp_path / "results", aim=0.9, small_aim=0.8)
    for seed, rate in enumerate((13.0, 14.0, 12.5)):
        run = make_run("small", "few_shot", task_card(), seed)
        scores = draw_scores(0.5, 300, seed, name="capitals")
        write_result(tmp_path / "results", run, task_card(), scores, requests_per_second=rate)
    board = tmp_path / "board.toml"
    board.write_text(
        "[scenario]\nhours = 20\nretrains = 2\nrelabel = 0.5\nutilisation = 60\n", encoding="utf-8"
    )
    site = gather(read_folder(tmp_path / "results"), board)
    entries = [*site.ledger.entries, *site.ledger.smaller]
    tuned = [case for case in site.choices.cases if case.tuned]
    assert len(tuned) == 2
    for case in tuned:
        entry = next(entry for entry in entries if entry.row is case.entry.row)
        figures_of_case = site.decision.figures[site.choices.cases.index(case)]
        for ours, theirs in (
            (entry.over_few, figures_of_case.few_shot),
            (entry.over_api, figures_of_case.api),
        ):
            assert ours and theirs
            assert ours.requests == pytest.approx(theirs.requests) and ours.why == theirs.why
            assert ours.ends == pytest.approx(theirs.ends)
    assert tuned[0].few_shot and tuned[0].few_shot.spread


def test_a_budget_that_lacks_a_seed_or_a_task_is_no_choice(tmp_path: Path) -> None:
    write_curve(tmp_path / "results", aim=0.9, small_aim=0.7)
    run = make_run("small", "lora", task_card(), 2, n_train=100)
    shutil.rmtree(tmp_path / "results" / run.folder)
    site = gather(read_folder(tmp_path / "results"))
    assert all(case.budget is None for case in site.choices.cases)


def test_shares_and_differences_are_said_as_people_read_them() -> None:
    assert [percent(share) for share in (0.0, 0.004, 0.01, 0.125, 0.99, 0.995, 1.0)] == [
        "< 1 %", "< 1 %", "1 %", "12 %", "99 %", "> 99 %", "> 99 %",
    ]  # fmt: skip
    assert [signed_usd(amount) for amount in (12.3, -4.0, 0.0)] == ["+$12", "−$4.00", "$0"]
    assert [round_usd(amount) for amount in (10.0, 1.5, 1000.0)] == ["$10", "$1.50", "$1,000"]


def test_what_failed_the_guard_against_forgetting_has_its_figures_and_is_never_chosen() -> None:
    free = replace(PLAIN, right_answer_usd=100.0, budget_usd=1000.0)
    decision = weigh(
        choices(case("a", 0.9, train=HOUR, forgets=True), case("b", 0.8, train=HOUR), case("c", 0.5)), free
    )
    assert (decision.chosen, decision.best_tuned, decision.reference, decision.passed_over) == (1, 1, 2, 0)
    assert {best.place for best in decision.bests if best.place is not None} <= {1, 2}
    assert decision.figures[0].worth == 1.0


def test_nothing_is_passed_over_where_another_would_be_chosen_anyway() -> None:
    dear = replace(PLAIN, right_answer_usd=0.0)
    assert weigh(choices(case("a", 0.9, train=HOUR, forgets=True), case("c", 0.5)), dear).passed_over is None


def test_a_fine_tune_that_is_not_shown_to_gain_is_passed_over_for_one_that_is() -> None:
    """The page advised the noisiest of several while the first page advised the proven one."""
    arms = (case("a", 0.9, train=HOUR, gain_unproven=True), case("b", 0.8, train=HOUR), case("c", 0.5))
    decision = weigh(choices(*arms), PLAIN)
    assert (decision.chosen, decision.best_tuned, decision.passed_over) == (1, 1, 0)
    assert {best.place for best in decision.bests if best.place is not None} <= {1, 2}
    assert "a would come first but is passed over: its gain is not shown." in verdict_text(
        choices(*arms), decision
    )
    alone = weigh(choices(arms[0], arms[2]), PLAIN)
    assert (alone.chosen, alone.passed_over) == (0, None)
    assert verdict_text(choices(arms[0], arms[2]), alone).startswith("Not shown yet: as measured, a is worth")
    dear = replace(PLAIN, budget_usd=9.0)
    cheap = (case("a", 0.9, train=HOUR, gain_unproven=True), case("b", 0.8, train=9 * HOUR), case("c", 0.5))
    assert weigh(choices(*cheap), dear).chosen == 0, "nothing that is shown is within the budget"


def test_without_knowing_how_far_another_seed_would_differ_no_share_of_draws_is_told() -> None:
    arms = choices(case("a", 0.9, train=HOUR, seeds_known=False, gain_unproven=True), case("b", 0.5))
    decision = weigh(arms, PLAIN)
    assert decision.figures[0].worth is None and decision.figures[0].net is not None
    assert worth_plot(arms, decision).traces == ()
    assert verdict_text(arms, decision).endswith("; how far another seed would differ is unknown.")


def test_what_can_never_be_chosen_drives_nothing_off_the_page() -> None:
    found = choices(case("a", 0.9, train=HOUR, forgets=True), case("b", 0.8, train=2 * HOUR), case("c", 0.5))
    assert that_matter(found, weigh(found, PLAIN), max_cases=2) == [1, 2]


def test_ticks_of_dollars_are_short_and_no_two_read_the_same() -> None:
    shown = ["$0", "$1e-9", "$0.001", "$0.50", "$1", "$500", "$1k", "$100k", "$20M", "$1B", "$1T", "$1e15"]
    assert [tick_usd(v) for v in (0.0, 1e-9, 1e-3, 0.5, 1.0, 500.0, 1e3, 1e5, 2e7, 1e9, 1e12, 1e15)] == shown
    for low in range(-20, 20):
        for high in (low + 1, low + 2, low + 5):
            labels = [tick_usd(value) for value in LogAxis(low, high, 0, 1, zero=True).ticks()]
            assert len(set(labels)) == len(labels) and max(map(len, labels)) <= 7, labels


@pytest.mark.parametrize("worth", [0.0, 1e-9, 1e9])
def test_no_axis_of_the_cost_page_says_a_tick_twice(worth: float) -> None:
    found = choices(case("tuned", 0.8, train=HOUR, serve=1e-9), case("base", 0.5, serve=1e-9))
    for volume in (1, 1e11):
        scenario = replace(PLAIN, hour_prices=(1e-9,), label=1e-9, volume=volume, right_answer_usd=worth)
        decision = weigh(found, scenario)
        for plot in (total_plot(found, decision), worth_plot(found, decision), stairs_plot(found, decision)):
            for ticks in (plot.frame.x_ticks, plot.frame.y_ticks):
                assert len({tick.label for tick in ticks}) == len(ticks)


def test_what_costs_nothing_has_a_place_of_its_own_before_the_first_power() -> None:
    found = choices(case("tuned", 0.8, train=HOUR, labels=500), case("base", 0.5))
    free = weigh(found, replace(PLAIN, hour_prices=(0.0,)))
    stairs, total = stairs_plot(found, free), total_plot(found, free)
    assert [tick.label for tick in stairs.frame.x_ticks][:2] == ["$0", "$10"]
    assert stairs.spots[1].x == stairs.frame.x_ticks[0].at < stairs.frame.x_ticks[1].at - 50
    assert [tick.label for tick in total.frame.y_ticks][:2] == ["$0", "$10"]
    assert total.frame.y_ticks[1].at < total.frame.y_ticks[0].at - 20
    paid = weigh(found, PLAIN)
    for plot in (stairs_plot(found, paid), total_plot(found, paid)):
        assert "$0" not in {tick.label for tick in (*plot.frame.x_ticks, *plot.frame.y_ticks)}


def test_all_may_cost_nothing() -> None:
    found = choices(case("tuned", 0.8, train=HOUR), case("base", 0.5))
    decision = weigh(found, replace(PLAIN, hour_prices=(0.0,)))
    assert {spot.x for spot in stairs_plot(found, decision).spots} == {
        stairs_plot(found, decision).frame.x_ticks[0].at
    }
    assert total_plot(found, decision).frame.y_ticks[0].label == "$0"


def test_an_axis_of_scores_goes_below_zero_and_above_a_hundred_for_nothing_but_what_is_there() -> None:
    for low, high in (
        (0.0, 0.0),
        (0.0, 0.0009),
        (0.0005, 0.0009),
        (0.3, 0.3),
        (0.5, 0.5008),
        (0.0, 1.0),
        (1.0, 1.0),
    ):
        bottom, top, step = nice_range(low, high)
        assert 0 <= bottom < top <= 1 and step <= top - bottom
        assert bottom - step < low and high < top + step
    assert nice_range(-0.2, 0.1)[0] < 0
    assert nice_range(-0.0004, 0.0)[0] < 0


@pytest.mark.parametrize(
    "scores", [(0.0, 0.0), (1.0, 1.0), (0.5, 0.5009), (0.4991, 0.5), (0.605, 0.2), (-0.3, 0.4)]
)
def test_a_name_in_the_frontier_is_below_the_title_of_its_axis(scores: tuple[float, float]) -> None:
    found = choices(case("tuned", max(scores), train=HOUR), case("base", min(scores)))
    plot = stairs_plot(found, weigh(found, PLAIN))
    assert plot.labels and min(label.y for label in plot.labels) >= TOP + HEAD - 9
    scale = ScoreScale.of(scores)
    assert all(TOP + HEAD <= scale.at(score) <= plot.frame.bottom for score in scores)
    assert all(TOP <= tick.at <= plot.frame.bottom for tick in scale.ticks)
