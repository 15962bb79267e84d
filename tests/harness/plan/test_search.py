"""Samplers: what they propose, that they learn, and that a stopped search goes on as if it had not been
stopped."""

import json
import math
import os
import random
import statistics
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st
from places import ROOT

from harness.errors import UserError
from harness.plan.samplers import OPTUNA_SAMPLERS, SAMPLERS, Sampler, make_sampler
from harness.sweep.space import Range, Settings, Space, grid, identity, within

MIXED: Space = {
    "learning_rate": Range(low=1e-5, high=1e-2, log=True),
    "lora_dropout": Range(low=0.0, high=0.3, step=0.1),
    "r": (8, 64, 16, 32),
    "num_train_epochs": Range(low=1, high=8, log=True),
    "target_modules": ("all-linear", ("q_proj", "v_proj")),
    "gradient_checkpointing": (False,),
}
"""An axis of every kind."""

LISTED: Space = {
    "r": (8, 16, 32),
    "target_modules": ("all-linear", ("q_proj", "v_proj"), None),
    "packing": (True, False),
}


def value(settings: Settings) -> float:
    """How good settings of `MIXED` are: best at a learning rate of 3e-4, r = 32, and no dropout."""
    rate, r, dropout = settings["learning_rate"], settings["r"], settings["lora_dropout"]
    assert isinstance(rate, float) and isinstance(r, int) and isinstance(dropout, float)
    return -((math.log10(rate / 3e-4)) ** 2) - 0.1 * (math.log2(r) - 5) ** 2 - dropout


def search(
    sampler: Sampler, rounds: list[int], judge: Callable[[Settings], float | None] = value
) -> list[Settings]:
    """Ask for so many settings a round, and tell how each did before the next."""
    proposed: list[Settings] = []
    for count in rounds:
        asked = sampler.ask(count)
        for settings in asked:
            sampler.tell(settings, judge(settings))
        proposed += asked
    return proposed


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
def test_every_sampler_proposes_from_every_kind_of_axis_and_never_the_same_twice(name: str) -> None:
    proposed = search(make_sampler(MIXED, name, seed=0, maximize=True), [1] * 14 + [3, 3])
    assert len({identity(settings) for settings in proposed}) == 20
    assert all(within(MIXED, settings) and list(settings) == list(MIXED) for settings in proposed)
    assert {type(settings["r"]) for settings in proposed} == {int}
    assert {type(settings["learning_rate"]) for settings in proposed} == {float}
    assert len({settings["learning_rate"] for settings in proposed}) == 20
    assert {settings["target_modules"] for settings in proposed} == {"all-linear", ("q_proj", "v_proj")}


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_uses_a_listed_space_up_and_then_proposes_nothing(name: str) -> None:
    sampler = make_sampler(LISTED, name, seed=0, maximize=True)
    proposed = search(sampler, [1, 4, 4, 4, 4, 4], judge=lambda settings: float(str(settings["r"])))
    assert sorted(map(repr, proposed)) == sorted(map(repr, grid(LISTED)))
    assert sampler.ask(2) == []


def test_a_grid_is_proposed_in_its_order() -> None:
    assert search(
        make_sampler(LISTED, "grid", seed=0, maximize=True), [5, 5, 5, 5], judge=lambda _: None
    ) == grid(LISTED)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_space_without_a_choice_is_proposed_once(name: str) -> None:
    space: Space = {"learning_rate": (1e-4,)}
    if name == "CmaEsSampler":
        with pytest.raises(UserError, match="no axis of this search has several"):
            make_sampler(space, name, seed=0, maximize=False)
    else:
        assert make_sampler(space, name, seed=0, maximize=False).ask(3) == [{"learning_rate": 1e-4}]


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "grid"])
def test_another_seed_proposes_something_else(name: str) -> None:
    first, second = (search(make_sampler(MIXED, name, seed=seed, maximize=True), [1] * 4) for seed in (0, 1))
    assert not {settings["learning_rate"] for settings in first} & {
        settings["learning_rate"] for settings in second
    }


REPLAY = """
import json, sys
from harness.plan.samplers import make_sampler
from test_search import MIXED
proposed = {}
for name, rounds in json.load(sys.stdin).items():
    sampler = make_sampler(MIXED, name, seed=3, maximize=True)
    for count, told in rounds:
        proposed[name] = sampler.ask(count)
        for position, value, rung in told:
            sampler.tell(proposed[name][position], value, rung=rung)
json.dump(proposed, sys.stdout)
"""
"""Asks and tells of several samplers in a process of its own, whose strings hash in another order."""

Told = list[tuple[int, float | None, int | None]]
"""What was told of settings: position, score, and the rung that it was dropped at."""


def rounds_of(sampler: Sampler) -> list[tuple[int, Told]]:
    """Search, and say how many settings were asked for and what was told of them, in another order. Of the last
    round nothing is told yet."""
    rounds: list[tuple[int, Told]] = []
    for count in (4, 4, 4, 2, 2):
        asked = sampler.ask(count)
        told: Told = [(position, value(settings), None) for position, settings in enumerate(asked)]
        told[0] = (0, None, None)
        told[1] = (1, told[1][1], 0)
        for position, score, rung in told:
            sampler.tell(asked[position], score, rung=rung)
        # Trials that run beside each other end in any order.
        rounds.append((count, told[::-1]))
    return [*rounds, (2, [])]


@pytest.mark.slow
def test_a_search_that_is_replayed_in_another_process_goes_on_with_the_same_proposals() -> None:
    names = [name for name in SAMPLERS if name != "grid"]
    samplers = {name: make_sampler(MIXED, name, seed=3, maximize=True) for name in names}
    rounds = {name: rounds_of(sampler) for name, sampler in samplers.items()}
    finished = subprocess.run(
        [sys.executable, "-c", REPLAY],
        input=json.dumps(rounds),
        env=os.environ
        | {
            "PYTHONHASHSEED": "17",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests"), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    proposed = {name: sampler.ask(2) for name, sampler in samplers.items()}
    assert json.loads(finished.stdout) == json.loads(json.dumps(proposed))


@pytest.mark.parametrize("name", SAMPLERS)
def test_settings_that_are_told_without_being_asked_for_are_not_proposed(name: str) -> None:
    left = [settings for settings in grid(LISTED) if settings["r"] == 16 and settings["packing"]]
    sampler = make_sampler(LISTED, name, seed=0, maximize=True)
    for settings in grid(LISTED):
        if settings not in left:
            sampler.tell(settings, 1.0)
    assert sorted(map(repr, sampler.ask(100))) == sorted(map(repr, left))


def test_tpe_learns_from_settings_that_it_did_not_propose() -> None:
    sampler = make_sampler({"rate": Range(low=0.0, high=1.0)}, "TPESampler", seed=0, maximize=False)
    for step in range(41):
        sampler.tell({"rate": step / 40}, (step / 40 - 0.7) ** 2)
    rates = [float(str(settings["rate"])) for settings in sampler.ask(8)]
    assert statistics.median(rates) == pytest.approx(0.7, abs=0.1)


@pytest.mark.parametrize("name", ["TPESampler", "CmaEsSampler", "NSGAIISampler"])
@given(seed=st.integers(0, 2**32 - 1), rounds=st.lists(st.integers(0, 5), max_size=8), generator=st.randoms())
@limits(max_examples=20, deadline=None)
def test_the_order_of_the_tells_between_two_asks_does_not_matter(
    name: str, seed: int, rounds: list[int], generator: random.Random
) -> None:
    def outcome(settings: Settings) -> float | None:
        return None if settings["r"] == 8 else value(settings)

    first, second = (make_sampler(MIXED, name, seed=seed, maximize=True) for _ in range(2))
    for count in [*rounds, 2]:
        asked = first.ask(count)
        assert second.ask(count) == asked
        for settings in asked:
            first.tell(settings, outcome(settings))
        for settings in generator.sample(asked, len(asked)):
            second.tell(settings, outcome(settings))


@pytest.mark.parametrize("maximize", [True, False])
def test_tpe_finds_better_settings_than_random_draws_in_as_many_trials(maximize: bool) -> None:
    sign = 1 if maximize else -1

    def best(name: str, seed: int) -> float:
        sampler = make_sampler(MIXED, name, seed=seed, maximize=maximize)
        return max(map(value, search(sampler, [1] * 40, judge=lambda settings: sign * value(settings))))

    means = {
        name: statistics.mean(best(name, seed) for seed in range(8)) for name in ("TPESampler", "random")
    }
    assert means["TPESampler"] > means["random"] + 0.02


def test_listed_numbers_are_near_each_other_or_far_whatever_their_order() -> None:
    numbers = random.Random(0).sample(range(200), 200)
    space: Space = {"first": tuple(numbers), "second": tuple(reversed(numbers))}

    def distance(settings: Settings) -> float:
        return math.dist([float(str(settings["first"])), float(str(settings["second"]))], [140, 40])

    def nearest(name: str, seed: int) -> float:
        sampler = make_sampler(space, name, seed=seed, maximize=False)
        return min(map(distance, search(sampler, [1] * 80, judge=distance)))

    means = {
        name: statistics.mean(nearest(name, seed) for seed in range(8)) for name in ("CmaEsSampler", "random")
    }
    assert means["CmaEsSampler"] < means["random"] / 2


def proposed_above_half(
    name: str, seed: int, judge: Callable[[float], tuple[float | None, int | None]]
) -> int:
    """How many of 20 proposals lie in the upper half of the one axis that matters, after 20 others."""
    space = {"rate": Range(low=0.0, high=1.0), "other": Range(low=0.0, high=1.0)}
    sampler = make_sampler(space, name, seed=seed, maximize=True)
    rates: list[float] = []
    for _ in range(40):
        [settings] = sampler.ask(1)
        rates.append(float(str(settings["rate"])))
        score, rung = judge(rates[-1])
        sampler.tell(settings, score, rung=rung)
    return sum(rate > 0.5 for rate in rates[20:])


@pytest.mark.parametrize("above", [(None, None), (1.0, 0)], ids=["failed", "dropped"])
def test_tpe_keeps_away_from_what_failed_or_was_dropped(above: tuple[float | None, int | None]) -> None:
    """Were such trials left out, 19 of 20 proposals would be of their kind, and without learning 10."""
    counts = [
        proposed_above_half("TPESampler", seed, lambda rate: above if rate > 0.5 else (1.0, None))
        for seed in range(8)
    ]
    assert statistics.mean(counts) < 8


def test_gaussian_processes_keep_away_from_what_failed() -> None:
    """Were failures left out, every proposal would be one, because values rise up to where trials fail."""
    assert proposed_above_half("GPSampler", 0, lambda rate: (None if rate > 0.5 else rate, None)) < 12


def test_of_dropped_trials_tpe_follows_the_better_ones() -> None:
    distances: list[float] = []
    for seed in range(8):
        sampler = make_sampler({"rate": Range(low=0.0, high=1.0)}, "TPESampler", seed=seed, maximize=True)
        for number in range(40):
            [settings] = sampler.ask(1)
            distance = abs(float(str(settings["rate"])) - 0.2)
            sampler.tell(settings, -distance, rung=0)
            distances += [distance] if number >= 20 else []
    # Even draws are 0.34 away.
    assert statistics.mean(distances) < 0.25


def test_a_trial_is_told_once_with_a_finite_value_and_settings_of_the_space() -> None:
    sampler = make_sampler(LISTED, "random", seed=0, maximize=True)
    [settings] = sampler.ask(1)
    with pytest.raises(AssertionError, match="a finite value"):
        sampler.tell(settings, math.nan)
    sampler.tell(settings, 1.0)
    with pytest.raises(AssertionError, match="told already"):
        sampler.tell(settings, 1.0)
    with pytest.raises(AssertionError, match="no such settings"):
        sampler.tell(settings | {"r": 12}, 1.0)


def test_an_unknown_sampler_is_the_users_mistake() -> None:
    with pytest.raises(
        UserError,
        match=r"sampler 'TPSampler' is unknown. Did you mean 'TPESampler'\? Allowed: grid, random, TPE",
    ):
        make_sampler(LISTED, "TPSampler", seed=0, maximize=True)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_space_that_makes_no_sense_is_refused_by_every_sampler(name: str) -> None:
    with pytest.raises(UserError, match="axis 'r' lists no value"):
        make_sampler({"r": ()}, name, seed=0, maximize=True)


def test_cma_es_wants_an_axis_of_numbers() -> None:
    with pytest.raises(UserError, match="'CmaEsSampler' moves along numbers"):
        make_sampler({"target_modules": ("all-linear", ("q_proj",))}, "CmaEsSampler", seed=0, maximize=True)


def without(libraries: tuple[str, ...], name: str) -> subprocess.CompletedProcess[str]:
    """Make a sampler in a process that cannot import some libraries, and print two proposals or the user's
    mistake."""
    code = f"""
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {libraries!r}:
            raise ModuleNotFoundError(f"No module named '{{name}}'", name=name)
sys.meta_path.insert(0, Blocked())
from harness.errors import UserError
from harness.plan.samplers import make_sampler
try:
    print(len(make_sampler({{"r": (8, 16)}}, {name!r}, seed=0, maximize=True).ask(2)))
except UserError as error:
    print(error)
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("name", OPTUNA_SAMPLERS)
def test_without_optuna_its_samplers_say_what_to_install(name: str) -> None:
    said = without(("optuna",), name).stdout
    assert said.startswith(
        f"sampler '{name}' needs optuna, which cannot be imported here (No module named 'optuna')"
    )
    assert "pip install 'gainboard[search]', or set sampler = 'grid' or 'random'" in said


@pytest.mark.parametrize("name", ["grid", "random"])
def test_without_optuna_grids_and_random_draws_work(name: str) -> None:
    assert without(("optuna", "scipy", "torch", "cmaes"), name).stdout == "2\n"


@pytest.mark.parametrize(
    ("name", "library"),
    [("GPSampler", "torch"), ("GPSampler", "scipy"), ("CmaEsSampler", "cmaes"), ("QMCSampler", "scipy")],
)
def test_a_library_that_one_sampler_needs_is_named(name: str, library: str) -> None:
    said = without((library,), name).stdout
    assert f"sampler '{name}' needs {library}, which cannot be imported here" in said
    assert f"pip install {library}" in said


@pytest.mark.parametrize("name", ["TPESampler", "NSGAIISampler"])
def test_the_other_samplers_need_no_more_than_optuna(name: str) -> None:
    assert without(("scipy", "torch", "cmaes"), name).stdout == "2\n"


@pytest.mark.parametrize("name", OPTUNA_SAMPLERS)
@pytest.mark.slow
def test_optuna_prints_nothing(name: str) -> None:
    finished = without((), name)
    assert (finished.stdout, finished.stderr) == ("2\n", "")
