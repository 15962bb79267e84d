"""Losses predicted from small budgets: law and line are found again, and the verb holds them to what was
measured."""

import json
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import make_run, task_card, write_result

from harness import cli
from harness.errors import UserError
from harness.plan.extrapolation import Curve, curve_rows, extrapolate
from harness.plan.selection import with_settings
from harness.records.result import RESULT
from harness.records.store import write_record
from harness.statistics.scaling import REACH, Point, accept_then_stop, fit_law
from harness.sweep.methods import Method

CARD = task_card()
LAW = {"B": 200.0, "D_l": 60.0, "beta": 0.6, "E": 0.8}
HALVINGS = [100 * 2**power for power in range(9)]


def loss(n_train: float, *, B: float, D_l: float, beta: float, E: float) -> float:
    return B / (D_l + n_train**beta) + E


def curve(budgets: list[int], parameters: Mapping[str, float]) -> list[Point]:
    return [Point(n_train, loss(n_train, **parameters)) for n_train in budgets]


def noisy(points: list[Point], noise: float, seed: int) -> list[Point]:
    factors = np.exp(noise * np.random.default_rng(seed).standard_normal(len(points)))
    return [
        Point(point.n_train, point.loss * float(factor))
        for point, factor in zip(points, factors, strict=True)
    ]


# The law


@pytest.mark.parametrize(
    "parameters",
    [
        LAW,
        {"B": 900.0, "D_l": 300.0, "beta": 0.8, "E": 0.05},
        {"B": 30.0, "D_l": 8.0, "beta": 0.35, "E": 1.5},
    ],
)
def test_the_law_of_a_curve_without_noise_is_found_again(parameters: dict[str, float]) -> None:
    law = fit_law(curve(HALVINGS, parameters))
    assert law is not None
    assert law.parameters == pytest.approx(parameters, rel=1e-3)
    predicted = law.at(800 * HALVINGS[-1])
    assert predicted is not None
    assert predicted.loss == pytest.approx(loss(800 * HALVINGS[-1], **parameters), rel=1e-4)


def test_the_order_of_the_points_does_not_matter() -> None:
    points = noisy(curve(HALVINGS, LAW), 0.01, 0)
    assert fit_law(points) == fit_law(reversed(points))
    assert accept_then_stop(points) == accept_then_stop(reversed(points))


def test_one_seed_that_went_wrong_does_not_bend_the_law() -> None:
    points = noisy(curve(HALVINGS, LAW), 0.002, 0)
    points[6] = Point(points[6].n_train, 1.3 * points[6].loss)
    law, target = fit_law(points), 4 * HALVINGS[-1]
    assert law is not None
    predicted = law.at(target)
    assert predicted is not None
    assert predicted.loss == pytest.approx(loss(target, **LAW), rel=0.03)


fit_once = cache(fit_law)
"""Of points in a tuple. Both targets below are predicted from the same."""


@pytest.mark.parametrize("target", [1500, 25_600], ids=["between the budgets", "beyond them"])
@pytest.mark.slow
def test_the_interval_of_the_law_holds_what_is_measured_about_as_often_as_it_says(target: int) -> None:
    held = 0
    for seed in range(60):
        *points, measured = noisy(curve([*HALVINGS[:8], target], LAW), 0.01, seed)
        law = fit_once(tuple(points))
        assert law is not None
        predicted = law.at(target)
        assert predicted is not None and predicted.low is not None and predicted.high is not None
        assert predicted.low < predicted.loss < predicted.high
        held += predicted.low <= measured.loss <= predicted.high
    assert 0.87 * 60 <= held < 60


def test_there_is_no_interval_where_nothing_tells_it() -> None:
    points = noisy(curve(HALVINGS, LAW), 0.01, 0)
    law, exact = fit_law(points), fit_law(points[:4])
    assert law is not None and exact is not None
    near, far, unknown = (
        of.at(n_train) for of, n_train in ((law, 25_600 * 8), (law, 25_600 * 8 + 1), (exact, 1600))
    )
    assert REACH == 8
    assert near is not None and near.low is not None
    assert far is not None and far.low is None and far.high is None
    assert unknown is not None and unknown.low is None


def test_a_loss_that_rises_with_data_is_predicted_no_lower_than_it_is() -> None:
    law = fit_law([Point(n_train, 0.5 + 0.1 * index) for index, n_train in enumerate((100, 200, 400, 800))])
    assert law is not None
    predicted = law.at(1600)
    assert predicted is not None
    assert predicted.loss >= 0.5


# Accept-then-stop


def test_a_line_takes_every_point_of_a_power_law() -> None:
    points = [Point(n_train, 7 * n_train**-0.3) for n_train in HALVINGS]
    line = accept_then_stop(points)
    assert line is not None
    assert (line.stopped_at, line.accepted) == (None, tuple(reversed(points)))
    assert line.slope == pytest.approx(-0.3)
    assert line.at(10**6) == pytest.approx(7 * 10**-1.8)


def test_a_line_stops_at_the_pre_power_phase_and_comes_closer_than_one_through_all_points() -> None:
    parameters = {"B": 4000.0, "D_l": 1000.0, "beta": 0.9, "E": 0.0}
    points = noisy(curve(HALVINGS, parameters), 0.003, 1)
    line, target = accept_then_stop(points), 4 * HALVINGS[-1]
    assert line is not None
    assert line.stopped_at is not None
    assert 3 <= len(line.accepted) <= 5
    truth, naive = loss(target, **parameters), _through_all(points, target)
    predicted = line.at(target)
    assert predicted is not None
    assert abs(math.log(predicted / truth)) < 0.5 * abs(math.log(naive / truth))


def _through_all(points: list[Point], n_train: int) -> float:
    slope, intercept = np.polyfit(np.log([p.n_train for p in points]), np.log([p.loss for p in points]), 1)
    return float(np.exp(intercept + slope * np.log(n_train)))


def test_the_threshold_is_in_standard_deviations_of_the_accepted_points() -> None:
    scatter = [0.01, -0.02, 0.01]  # of three budgets, equally far apart: no slope, and 0.01·√2 of deviation
    off = 0.01 * 2**0.5

    def stopped(deviations: float) -> bool:
        losses = [*scatter, deviations * off]
        points = [Point(800 // 2**index, math.exp(value)) for index, value in enumerate(losses)]
        line = accept_then_stop(points, threshold=5)
        assert line is not None
        return line.stopped_at == 100

    assert (stopped(4.99), stopped(5.01), stopped(-4.99), stopped(-5.01)) == (False, True, False, True)


def test_points_that_differ_by_rounding_alone_are_on_the_line() -> None:
    losses = [0.5, 0.5 * (1 + 1e-9), 0.5, 0.5 * (1 + 2e-8)]
    line = accept_then_stop([Point(800 // 2**index, value) for index, value in enumerate(losses)])
    assert line is not None
    assert line.stopped_at is None


def test_more_points_may_be_asked_for_before_the_line_may_stop() -> None:
    points = curve(HALVINGS, LAW)
    line = accept_then_stop(points, minimum=5)
    assert line is not None
    assert len(line.accepted) >= 5
    assert accept_then_stop(points[:4], minimum=5) is None


# Both


def test_noisy_curves_are_predicted_within_a_few_percent() -> None:
    off = []
    for seed in range(10):
        points = noisy(curve(HALVINGS[2:], LAW), 0.01, seed)
        line, law = accept_then_stop(points), fit_law(points)
        assert line is not None and law is not None
        by_line, by_law = line.at(2 * HALVINGS[-1]), law.at(2 * HALVINGS[-1])
        assert by_line is not None and by_law is not None
        truth = loss(2 * HALVINGS[-1], **LAW)
        off.append((abs(by_line / truth - 1), abs(by_law.loss / truth - 1)))
    assert np.median(off, axis=0) == pytest.approx(0, abs=0.04)


@pytest.mark.parametrize(
    ("points", "line", "law"), [(0, False, False), (2, False, False), (3, True, False), (4, True, True)]
)
def test_too_few_points_predict_nothing(points: int, line: bool, law: bool) -> None:
    few = curve(HALVINGS[:points], LAW)
    assert (accept_then_stop(few) is not None, fit_law(few) is not None) == (line, law)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 10**7), st.floats(1e-300, 1e300) | st.floats(0.01, 20), min_size=1, max_size=7
    ),
    st.integers(1, 10**9),
)
@pytest.mark.slow
def test_whatever_the_losses_predictions_are_finite_or_none(losses: dict[int, float], target: int) -> None:
    points = [Point(n_train, value) for n_train, value in losses.items()]
    line, law = accept_then_stop(points), fit_law(points)
    assert (line is None, law is None) == (len(points) < 3, len(points) < 4)
    numbers: list[float | None] = []
    if line:
        numbers += [line.slope, line.intercept, line.at(target)]
    if law:
        numbers += law.parameters.values()
        if predicted := law.at(target):
            numbers += [predicted.loss, predicted.low, predicted.high]
            assert (predicted.low is None) == (predicted.high is None)
            if predicted.low is not None and predicted.high is not None:
                assert predicted.low <= predicted.loss <= predicted.high
    assert all(math.isfinite(number) for number in numbers if number is not None)


# From results


def write_losses(
    results: Path,
    candidate: str,
    losses: Mapping[int, float],
    *,
    method: Method = "lora",
    seed: int = 0,
    rate: float = 1e-4,
) -> None:
    """Finished runs of one candidate whose dev losses are given, by training samples."""
    for n_train, value in losses.items():
        run = make_run(candidate, method, CARD, seed, n_train=n_train)
        run = with_settings(run, {"learning_rate": rate})
        result = write_result(results, run, CARD, [1.0, 0.0])
        assert result.training is not None
        measured = result.training.model_copy(update={"best_dev_loss": value})
        write_record(results / run.folder / RESULT, result.model_copy(update={"trainings": (measured,)}))


def write_three_models(results: Path, budgets: list[int]) -> None:
    """`late` is worst at small budgets and best at large ones: its pre-power phase is long and its power
    large."""
    for name, parameters in {
        "early": {"B": 6.0, "D_l": 4.0, "beta": 0.3, "E": 0.4},
        "middle": {"B": 20.0, "D_l": 10.0, "beta": 0.4, "E": 0.2},
        "late": {"B": 200.0, "D_l": 60.0, "beta": 0.75, "E": 0.02},
    }.items():
        write_losses(results, name, {n_train: loss(n_train, **parameters) for n_train in budgets})


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def only(curves: tuple[Curve, ...]) -> Curve:
    (found,) = curves
    return found


def test_the_largest_budget_is_held_out_and_predicted_from_the_smaller_ones(tmp_path: Path) -> None:
    write_losses(tmp_path, "small", {n_train: loss(n_train, **LAW) for n_train in HALVINGS})
    found = only(extrapolate(tmp_path).curves)
    assert [point.n_train for point in found.points] == HALVINGS[:-1]
    assert found.measured == Point(25_600, pytest.approx(loss(25_600, **LAW)))
    assert found.by_law is not None
    assert found.by_law.loss == pytest.approx(found.measured.loss, rel=1e-4)
    unseen = found.line
    write_losses(tmp_path, "small", {25_600: 0.001})
    assert only(extrapolate(tmp_path).curves).line == unseen


def test_a_budget_that_was_never_run_is_predicted_from_all(tmp_path: Path) -> None:
    write_losses(tmp_path, "small", {n_train: loss(n_train, **LAW) for n_train in HALVINGS})
    found = only(extrapolate(tmp_path, to=100_000).curves)
    assert (len(found.points), found.measured) == (9, None)
    assert found.by_law is not None
    assert found.by_law.loss == pytest.approx(loss(100_000, **LAW), rel=1e-4)


def test_seeds_of_a_budget_are_averaged(tmp_path: Path) -> None:
    for seed, shift in enumerate((-0.1, 0.0, 0.4)):
        write_losses(tmp_path, "small", dict.fromkeys((10, 20, 40, 80), 1.0 + shift), seed=seed)
    found = only(extrapolate(tmp_path).curves)
    assert {point.seeds for point in found.points} == {3}
    assert [point.loss for point in found.points] == pytest.approx([1.1, 1.1, 1.1])


def test_methods_are_curves_of_their_own_and_untrained_arms_are_none(tmp_path: Path) -> None:
    falling = {n_train: loss(n_train, **LAW) for n_train in HALVINGS[:4]}
    write_losses(tmp_path, "small", falling)
    write_losses(tmp_path, "small", falling, method="full")
    write_result(tmp_path, make_run("small", "zero_shot", CARD, 0), CARD, [1.0])
    assert [found.method for found in extrapolate(tmp_path).curves] == ["full", "lora"]


def test_a_curve_mixes_no_recipes_and_says_what_it_left_out(tmp_path: Path) -> None:
    write_losses(tmp_path, "small", {n_train: loss(n_train, **LAW) for n_train in HALVINGS[:4]})
    write_losses(tmp_path, "small", {1600: 9.9}, rate=5e-3)
    found = extrapolate(tmp_path)
    assert only(found.curves).n_train == 800
    assert found.notes[0].startswith("small · lora on 'capitals': 1 of 5 runs is left out")


def test_a_loss_without_a_logarithm_is_left_out_and_named(tmp_path: Path) -> None:
    write_losses(tmp_path, "small", {100: 0.0} | {n_train: loss(n_train, **LAW) for n_train in HALVINGS[1:6]})
    found = extrapolate(tmp_path)
    assert [point.n_train for point in only(found.curves).points] == HALVINGS[1:5]
    assert found.notes == (
        "small · lora · capitals · 100 samples · seed 0 is left out: its dev loss of 0.0 has no logarithm.",
    )


def test_a_model_with_too_few_budgets_is_named_and_predicted_no_further(tmp_path: Path) -> None:
    write_three_models(tmp_path, HALVINGS)
    write_losses(tmp_path, "new", {100: 1.0, 200: 0.9, 25_600: 0.01})
    found = extrapolate(tmp_path)
    (new,) = [each for each in found.curves if each.candidate == "new"]
    assert (new.by_line, new.by_law, new.measured) == (None, None, Point(25_600, 0.01))
    assert [row["rank measured"] for row in curve_rows(found)] == [3, 1, 2, None]
    assert [(choice.by, choice.best) for choice in found.choices] == [
        (by, "new") for by in ("AtS", "law", "12800 samples")
    ]
    assert {"new" in choice.losses for choice in found.choices} == {False}
    assert (
        "new · lora on 'capitals' has 2 budgets below 25600: accept-then-stop needs 3, the law 4."
        in found.notes
    )


def test_predictions_choose_a_model_that_overtakes_later(tmp_path: Path) -> None:
    write_three_models(tmp_path, [*HALVINGS[:7], 100_000])
    by = {choice.by: choice for choice in extrapolate(tmp_path).choices}
    assert list(by) == ["AtS", "law", "6400 samples"]
    assert {choice.best for choice in by.values()} == {"late"}
    assert (by["law"].chosen, by["law"].given_up, by["law"].spearman) == ("late", 0.0, pytest.approx(1))
    assert by["AtS"].chosen == "late"


def test_small_budgets_alone_choose_the_wrong_one(tmp_path: Path) -> None:
    write_three_models(tmp_path, [*HALVINGS[:3], 100_000])
    (chosen,) = [choice for choice in extrapolate(tmp_path).choices if choice.by == "400 samples"]
    assert (chosen.chosen, chosen.best) == ("early", "late")
    assert chosen.given_up == pytest.approx(chosen.measured["early"] - chosen.measured["late"])
    assert chosen.spearman == pytest.approx(-1)


def test_two_models_have_a_choice_but_no_rank_correlation(tmp_path: Path) -> None:
    for name, lowest in (("one", 0.5), ("two", 0.7)):
        write_losses(tmp_path, name, {n_train: loss(n_train, **LAW) - 0.8 + lowest for n_train in HALVINGS})
    choices = extrapolate(tmp_path).choices
    assert [(choice.chosen, choice.spearman) for choice in choices] == [("one", None)] * 3


# The verb


def test_the_verb_shows_predictions_beside_measurements(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_three_models(tmp_path, HALVINGS)
    assert call("extrapolate", "--results", str(tmp_path)) == 0
    curves, choices = capsys.readouterr().out.strip().split("\n\n")
    titles, *rows = curves.splitlines()
    assert " ".join(titles.split()) == (
        "task method candidate budgets AtS uses at AtS law 95 % measured rank by AtS rank measured"
    )
    assert [row.split()[2] for row in rows] == ["early", "late", "middle"]
    late = loss(25_600, B=200.0, D_l=60.0, beta=0.75, E=0.02)
    assert rows[1].split()[-3:] == [f"{late:.4f}", "1", "1"]
    assert [row.split()[2] for row in choices.splitlines()[1:]] == ["AtS", "law", "12800"]
    assert choices.splitlines()[2].split() == [
        "capitals",
        "lora",
        "law",
        "3",
        "late",
        "late",
        "0.0000",
        "1.00",
    ]


def test_the_verb_says_the_same_to_scripts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_three_models(tmp_path, HALVINGS)
    assert call("extrapolate", "--results", str(tmp_path), "--to", "100000", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    early, late, middle = said["curves"]
    assert (early["candidate"], middle["candidate"], late["n_train"]) == ("early", "middle", 100_000)
    assert late["points"][0] == {
        "n_train": 100,
        "loss": pytest.approx(loss(100, B=200, D_l=60, beta=0.75, E=0.02)),
        "seeds": 1,
    }
    assert (late["measured"], late["rank_measured"], late["rank_by_ats"]) == (None, None, 1)
    assert late["ats"]["accepted"][0] == 25_600
    assert late["law"]["D_l"] == pytest.approx(60, rel=0.01)
    assert late["law"]["low"] <= late["law"]["loss"] <= late["law"]["high"]
    assert [(choice["chosen"], choice["best"], choice["spearman"]) for choice in said["choices"][:2]] == [
        ("late", None, None)
    ] * 2


def test_a_results_folder_that_is_not_there_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("extrapolate", "--results", str(tmp_path / "nowhere")) == 2
    assert "nowhere does not exist; `gainboard run SWEEP` makes one" in capsys.readouterr().err


@pytest.mark.parametrize("to", [None, 300])
def test_results_without_a_curve_say_what_the_sweep_needs(tmp_path: Path, to: int | None) -> None:
    write_losses(tmp_path, "small", {100: 0.9, 200: 0.8} | ({400: 0.7, 800: 0.6} if to else {}))
    with pytest.raises(
        UserError, match=r"the sweep needs `n_train = \[..\]` with at least three budgets smaller than"
    ):
        extrapolate(tmp_path, to=to)


def test_an_empty_results_folder_has_no_curve(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no learning curve"):
        extrapolate(tmp_path)


def test_a_budget_to_predict_is_a_positive_whole_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("extrapolate", "--to", "0") == 2
    assert "0 is not a positive whole number" in capsys.readouterr().err
