"""Propose the training settings to try next: by grid, by random draws, or by one of Optuna's samplers; none
is proposed twice."""

import importlib
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from harness.errors import UserError, suggest
from harness.sweep.space import (
    Identity,
    Range,
    Settings,
    Space,
    Value,
    check_space,
    draw,
    grid,
    identity,
    size,
    within,
)

OPTUNA_SAMPLERS = ("TPESampler", "GPSampler", "CmaEsSampler", "QMCSampler", "NSGAIISampler")
SAMPLERS = ("grid", "random", *OPTUNA_SAMPLERS)

_NEEDS = {"GPSampler": ("scipy", "torch"), "CmaEsSampler": ("cmaes",), "QMCSampler": ("scipy",)}
"""Libraries that Optuna imports only when a sampler is used."""

_OPTIONS: dict[str, dict[str, Any]] = {
    # Running trials count as bad until they are told, so that trials of one batch keep apart.
    "TPESampler": {"constant_liar": True},
    # Unscrambled, every seed gives the same sequence, which begins at the lowest corner.
    "QMCSampler": {"scramble": True},
}

_REPEATS = 5
"""Proposals in a row that may repeat tried settings before untried ones are drawn at random: some samplers
keep proposing the same."""


class Sampler(Protocol):
    """Proposes settings, and may learn from how they did.

    The same seed, asks and tells give the same proposals, in any process; between two asks the order of the
    tells does not matter. So a stopped search is resumed by repeating its asks and telling what was recorded.
    Settings that are told without having been asked for count as tried too.
    """

    def ask(self, count: int) -> list[Settings]:
        """The next `count` settings to try; fewer, or none, when the space is used up."""

    def tell(self, settings: Settings, value: float | None, *, rung: int | None = None) -> None:
        """Report once how settings did: their value, or None for a failed trial.

        `rung` is the number of the rung at which the trial was dropped with this value; None for a full
        training.
        """


def make_sampler(space: Space, sampler: str, *, seed: int, maximize: bool) -> Sampler:
    """A sampler by its name in `SAMPLERS`. Raises `UserError` for an unknown one, or when its library is
    missing."""
    if sampler not in SAMPLERS:
        raise UserError(
            f"sampler '{sampler}' is unknown.{suggest(sampler, SAMPLERS)} Allowed: {', '.join(SAMPLERS)}"
        )
    check_space(space)
    if sampler == "grid":
        return _Grid(space)
    if sampler == "random":
        return _Random(space, seed)
    for library in ("optuna", *_NEEDS.get(sampler, ())):
        _require(library, sampler)
    return _Optuna(space, sampler, seed=seed, maximize=maximize)


def _require(library: str, sampler: str) -> None:
    try:
        importlib.import_module(library)
    except ImportError as error:
        package = "'gainboard[search]'" if library == "optuna" else library
        raise UserError(
            f"sampler '{sampler}' needs {library}, which cannot be imported here ({error}): pip install "
            f"{package}, or set sampler = 'grid' or 'random', which need nothing"
        ) from error


class _Tried:
    """Remembers which settings of a space were proposed or told."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.identities: set[Identity] = set()
        self._told: set[Identity] = set()

    def tell(self, settings: Settings, value: float | None) -> None:
        assert within(self.space, settings), f"{settings} are told to a search that has no such settings"
        assert identity(settings) not in self._told, f"{settings} were told already"
        assert value is None or math.isfinite(value), "a trial without a finite value is told as None"
        self.identities.add(identity(settings))
        self._told.add(identity(settings))


class _Grid:
    def __init__(self, space: Space) -> None:
        self._tried = _Tried(space)
        self._all = grid(space)

    def ask(self, count: int) -> list[Settings]:
        left = [settings for settings in self._all if identity(settings) not in self._tried.identities]
        self._tried.identities.update(map(identity, left[:count]))
        return left[:count]

    def tell(self, settings: Settings, value: float | None, *, rung: int | None = None) -> None:
        self._tried.tell(settings, value)


class _Random:
    def __init__(self, space: Space, seed: int) -> None:
        self._tried = _Tried(space)
        self._generator = random.Random(seed)

    def ask(self, count: int) -> list[Settings]:
        drawn: list[Settings] = []
        while len(drawn) < count:
            settings = draw(self._tried.space, self._generator, tried=self._tried.identities)
            if settings is None:
                break
            self._tried.identities.add(identity(settings))
            drawn.append(settings)
        return drawn

    def tell(self, settings: Settings, value: float | None, *, rung: int | None = None) -> None:
        self._tried.tell(settings, value)


class _Axis:
    """One axis as Optuna sees it: its parameter is a value, or the position of a listed one."""

    def __init__(self, values: tuple[Value, ...] | Range) -> None:
        from optuna import distributions

        self._values: Sequence[Value] | None = None
        self.numeric = isinstance(values, Range) or all(_is_number(value) for value in values)
        if isinstance(values, Range) and (values.log or values.values is None):
            kind = distributions.IntDistribution if values.whole else distributions.FloatDistribution
            self.distribution = kind(values.low, values.high, log=values.log)
            return
        listed = values.values if isinstance(values, Range) else values
        assert listed is not None, "a range without end was handled above"
        # Positions, because Optuna takes no tuples, and so that neighbours in the list are equally far apart.
        self._values = sorted(listed, key=_number) if self.numeric else listed
        positions = range(len(listed))
        self.distribution = (
            distributions.IntDistribution(0, positions[-1])
            if self.numeric
            else distributions.CategoricalDistribution(tuple(positions))
        )

    def value(self, parameter: int | float) -> Value:
        return parameter if self._values is None else self._values[int(parameter)]

    def parameter(self, value: Value) -> Value:
        return value if self._values is None else self._values.index(value)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: Value) -> float:
    assert isinstance(value, int | float), "only numbers are ordered"
    return value


class _Optuna:
    """An Optuna study in memory. Its trials are numbered as they are asked for, so tells may come in any
    order."""

    def __init__(self, space: Space, name: str, *, seed: int, maximize: bool) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._tried = _Tried(space)
        self._size = size(space)
        # An axis of one value is no choice; Optuna's samplers disagree on what to do with it.
        self._fixed = {
            axis: values[0]
            for axis, values in space.items()
            if not isinstance(values, Range) and len(values) == 1
        }
        self._axes = {axis: _Axis(values) for axis, values in space.items() if axis not in self._fixed}
        if name == "CmaEsSampler" and not any(axis.numeric for axis in self._axes.values()):
            raise UserError(
                "sampler 'CmaEsSampler' moves along numbers, and no axis of this search has several; set "
                "another sampler"
            )
        with _quiet():
            sampler = getattr(optuna.samplers, name)(seed=seed, **_OPTIONS.get(name, {}))
            self._study = optuna.create_study(
                direction="maximize" if maximize else "minimize", sampler=sampler
            )
        self._state = optuna.trial.TrialState
        self._worst = min if maximize else max
        self._ranks_pruned = name == "TPESampler"
        self._generator = random.Random(seed)
        self._running: dict[Identity, Any] = {}
        self._failed: list[Any] = []

    def ask(self, count: int) -> list[Settings]:
        proposals: list[Settings] = []
        with _quiet():
            self._tell_failed()
            while len(proposals) < count:
                settings = self._propose()
                if settings is None:
                    break
                proposals.append(settings)
        return proposals

    def _propose(self) -> Settings | None:
        if self._size is not None and len(self._tried.identities) >= self._size:
            return None
        for _ in range(_REPEATS):
            trial = self._next_trial()
            settings = self._settings(trial.params)
            if identity(settings) not in self._tried.identities:
                self._start(settings, trial)
                return settings
            self._give_up(trial)
        drawn = draw(self._tried.space, self._generator, tried=self._tried.identities)
        if drawn is not None:
            self._insert(drawn)
        return drawn

    def _next_trial(self) -> Any:
        return self._study.ask({name: axis.distribution for name, axis in self._axes.items()})

    def _settings(self, parameters: dict[str, Any]) -> Settings:
        """The values that Optuna's parameters stand for, in the order of the space."""
        return {
            axis: self._fixed[axis] if axis in self._fixed else self._axes[axis].value(parameters[axis])
            for axis in self._tried.space
        }

    def _start(self, settings: Settings, trial: Any) -> None:
        self._tried.identities.add(identity(settings))
        self._running[identity(settings)] = trial

    def _insert(self, settings: Settings) -> None:
        """Enter settings that the study did not propose as its next trial."""
        self._study.enqueue_trial({name: axis.parameter(settings[name]) for name, axis in self._axes.items()})
        self._start(settings, self._next_trial())

    def _give_up(self, trial: Any) -> None:
        # Every sampler ignores failures, whereas telling a value again would count it twice.
        self._study.tell(trial, state=self._state.FAIL)

    def tell(self, settings: Settings, value: float | None, *, rung: int | None = None) -> None:
        self._tried.tell(settings, value)
        with _quiet():
            if identity(settings) not in self._running:
                self._insert(settings)
            trial = self._running.pop(identity(settings))
            if self._ranks_pruned and (value is None or rung is not None):
                # TPESampler ranks pruned trials behind finished ones: those that came further first, those
                # without a value last.
                if value is not None:
                    trial.report(value, step=rung)
                self._study.tell(trial, state=self._state.PRUNED)
            elif value is not None:
                # The other samplers know no rungs and take the value as it is; a dropped trial's is mostly
                # the worse.
                self._study.tell(trial, value)
            else:
                self._failed.append(trial)

    def _tell_failed(self) -> None:
        """Tell failed trials as bad as the worst finished one, so that samplers that only see values keep
        away from them.

        Told as failures they would be ignored, and proposed again wherever the values around them are the
        best.
        """
        finished = self._study.get_trials(deepcopy=False, states=(self._state.COMPLETE,))
        if not finished:
            return
        worst = self._worst(trial.value for trial in finished)
        for trial in self._failed:
            self._study.tell(trial, worst)
        self._failed.clear()


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what Optuna, scipy and torch warn about the inner workings of samplers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
