"""Choose a run's settings on dev, within what its model may spend: waves of trials, and how they did.

A search only says what to train and answer next. Its driver does that for all searches of a base model
together, and tells each search its scores.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import attrgetter
from types import MappingProxyType

from harness.errors import UserError
from harness.plan.budget import Account, affordable
from harness.plan.halving import FINALISTS, full_trainings, rungs, survivors, trials_at
from harness.plan.samplers import make_sampler
from harness.records.scores import MetricValue
from harness.records.training import ResourceUse, Selection, TrialRecord
from harness.sweep.recipe import Training
from harness.sweep.run import Run
from harness.sweep.settings import Search, SearchSettings, TuningBudget
from harness.sweep.space import Settings, size


@dataclass
class SearchTrial:
    """Settings that are being tried."""

    settings: Settings
    run: Run
    """Its `until` is the rung that the trial is trained to now."""

    shares: list[float] = field(default_factory=list)
    scores: list[float | None] = field(default_factory=list)
    losses: list[float | None] = field(default_factory=list)
    spent: ResourceUse = field(default_factory=ResourceUse)
    answered_seconds: float = 0.0
    """The part of the spent seconds that went into answering, at all rungs so far."""

    reason: str = ""

    def record(self) -> TrialRecord:
        """The trial as results keep it."""
        recipe = self.run.recipe
        assert recipe is not None, "a trial trains"
        return TrialRecord(
            settings=self.settings,
            key=recipe.key,
            shares=tuple(self.shares),
            scores=tuple(self.scores),
            losses=tuple(self.losses),
            spent=self.spent,
            reason=self.reason,
        )


class SettingsSearch:
    """The search for the settings of one cell of a sweep: one candidate on one task and training budget, all
    seeds."""

    def __init__(
        self,
        run: Run,
        *,
        metric: str,
        higher_is_better: bool,
        tokens_per_trial: float,
        seconds_per_trial: float,
        judged: int | None = None,
    ) -> None:
        """`run` may be any of the cell's. Tokens and seconds per trial are estimates that hold until one is
        measured. `judged`: dev samples that a trial answers; None: all."""
        assert run.search is not None, "there is something to choose"
        search, settings = run.search, run.search.settings
        self._run = run.model_copy(
            update={"search": None, "split": "dev", "limit": judged, "seed": search.seed}
        )
        self._metric, self._higher = metric, higher_is_better
        self._ladder = rungs(settings.reduction_factor, settings.rungs)
        self._sampler = make_sampler(
            search.space, settings.sampler, seed=settings.seed, maximize=higher_is_better
        )
        self._left, self._batch = _trials(settings, size(search.space), search.methods)
        self._fewest = fewest_finalists(search)
        self._account = Account(
            _share(settings.budget or TuningBudget(trials=max(1, self._left)), search.methods),
            tokens_per_trial=tokens_per_trial,
            seconds_per_trial=seconds_per_trial,
        )
        self._running: list[SearchTrial] = []
        self._width, self._rung = 0, 0
        self.trials: list[SearchTrial] = []
        """Every trial that was started, in order."""

        self.stopped = ""

    def wave(self) -> list[SearchTrial]:
        """The trials to train as their `run` says and to answer next; empty when the search is over."""
        if not self._running:
            self._start()
        share = self._ladder[self._rung].share
        for trial in self._running:
            trial.run = trial.run.model_copy(update={"until": share})
        return list(self._running)

    def _start(self) -> None:
        """Start new trials: as many as are left and the budget pays for, at most a batch."""
        wanted = count = min(self._batch, self._left)
        while count and not self._account.allows(trials=count, trainings=self._trainings(count)):
            count -= 1
        if count == 0 and wanted and not self.trials:
            count = 1  # a choice takes at least one
        if count < wanted and (count == 0 or self._left > count):
            self.stopped = "the tuning budget was spent before every setting was tried"
        proposed = self._sampler.ask(count)
        self._left -= count
        self._rung, self._width = 0, len(proposed)
        self._running = [SearchTrial(settings, with_settings(self._run, settings)) for settings in proposed]
        self.trials += self._running

    def _trainings(self, trials: int) -> float:
        """What a batch of trials will train, in full trainings."""
        return full_trainings(self._ladder, trials, fewest=self._fewest)

    def tell(
        self,
        scores: Mapping[int, MetricValue | None],
        spent: Mapping[int, ResourceUse],
        reasons: Mapping[int, str],
        losses: Mapping[int, float] = MappingProxyType({}),
    ) -> None:
        """Report how the wave did, by the places of its trials: scores and losses on dev, and what each has
        spent so far.

        Before the last rung, scores within a standard error of the best count as equal, and the losses
        decide.
        """
        values = {place: None if score is None else score.value for place, score in scores.items()}
        rung = self._ladder[self._rung]
        before = self._ladder[self._rung - 1].share if self._rung else 0.0
        tokens, seconds = 0, 0.0
        for place, trial in enumerate(self._running):
            tokens += spent[place].tokens - trial.spent.tokens
            seconds += spent[place].seconds - trial.spent.seconds
            trial.spent = spent[place]
            trial.shares.append(rung.share)
            trial.scores.append(values[place])
            trial.losses.append(losses.get(place))
            trial.reason = reasons.get(place, "")
        self._account.charge(
            trials=0 if self._rung else len(self._running),
            trainings=len(self._running) * (rung.share - before),
            tokens=tokens,
            device_seconds=seconds,
        )
        surviving: list[int] = []
        if self._rung + 1 < len(self._ladder):
            keep = trials_at(self._ladder, self._width, fewest=self._fewest)[self._rung + 1]
            measured = [score for score in scores.values() if score is not None]
            best = (max if self._higher else min)(measured, key=attrgetter("value"), default=None)
            noise = best.stderr or 0.0 if best else 0.0
            surviving = survivors(
                values, keep=keep, higher_is_better=self._higher, noise=noise, losses=losses
            )
        is_last = self._rung + 1 == len(self._ladder)
        for place, trial in enumerate(self._running):
            if place not in surviving:
                self._sampler.tell(trial.settings, values[place], rung=None if is_last else rung.number)
        self._running = [trial for place, trial in enumerate(self._running) if place in surviving]
        self._rung += 1

    def chosen(self, run: Run) -> Run:
        """`run`, of the same cell, with the settings that did best. Raises `UserError` when all of them
        failed."""
        best = self._best()
        if best is None:
            raise UserError(f"every setting of the search failed; the first: {self.trials[0].reason}")
        return with_settings(run, self.trials[best].settings)

    @property
    def spent(self) -> ResourceUse:
        """What all trials spent together."""
        return reduce(ResourceUse.plus, (trial.spent for trial in self.trials), ResourceUse())

    def record(self) -> Selection:
        """The search as results keep it."""
        best = self._best()
        assert best is not None, "a failed search has no results"
        return Selection(
            metric=self._metric,
            higher_is_better=self._higher,
            trials=tuple(trial.record() for trial in self.trials),
            chosen=best,
            stopped=self.stopped,
            judged=self._run.limit,
        )

    def _best(self) -> int | None:
        """The place of the best of the trials that were trained furthest; of equal ones, the one with the
        lower dev loss. None when all failed."""
        furthest = max(
            (trial.shares[-1] for trial in self.trials if trial.scores and trial.scores[-1] is not None),
            default=None,
        )
        if furthest is None:
            return None
        finalists = {
            place: trial.scores[-1]
            for place, trial in enumerate(self.trials)
            if trial.scores and trial.shares[-1] == furthest
        }
        losses = {place: loss for place in finalists if (loss := self.trials[place].losses[-1]) is not None}
        best = survivors(finalists, keep=1, higher_is_better=self._higher, losses=losses)
        return best[0] if best else None


def with_settings(run: Run, settings: Settings) -> Run:
    """The run with these settings in its last stage."""
    *before, last = run.stages
    training = Training.model_validate(last.training.model_dump() | dict(settings))
    return run.model_copy(update={"stages": (*before, last.model_copy(update={"training": training}))})


def _trials(settings: SearchSettings, space_size: int | None, methods: int) -> tuple[int, int]:
    """The trials that a method may start, and how many at a time. `space_size`: None for an infinite
    space."""
    budget = settings.budget
    limits = [] if space_size is None else [space_size]
    if budget is not None and budget.trials is not None:
        limits.append(max(1, budget.trials // methods))
    elif settings.sampler != "grid" or space_size is None:
        limits.append(settings.trials)
    count = min(limits)
    # Samplers that learn nothing between trials start all of them at once, unless tokens or hours may run
    # out.
    learns_nothing = settings.sampler in ("grid", "random", "QMCSampler")
    if learns_nothing and (budget is None or budget.trials is not None):
        return count, count
    return count, settings.batch


def fewest_finalists(search: Search) -> int:
    """How many trials of each batch are trained to the end, at least."""
    count, batch = _trials(search.settings, size(search.space), search.methods)
    # Of several batches each sends its best, and these are compared.
    return 1 if batch < count else FINALISTS


def planned_trials(search: Search, *, tokens_per_trial: float, seconds_per_trial: float) -> int:
    """How many trials a search will start, as far as its estimates tell."""
    count, _ = _trials(search.settings, size(search.space), search.methods)
    if search.settings.budget is None:
        return count
    ladder = rungs(search.settings.reduction_factor, search.settings.rungs)
    budget = _share(search.settings.budget, search.methods)
    paid = affordable(
        budget,
        tokens_per_trial=tokens_per_trial,
        seconds_per_trial=seconds_per_trial,
        ladder=ladder,
        fewest=fewest_finalists(search),
    )
    return max(1, min(count, paid))


def _share(budget: TuningBudget, methods: int) -> TuningBudget:
    """The part of a budget that one of `methods` methods may spend."""
    if budget.trials is not None:
        return TuningBudget(trials=max(1, budget.trials // methods))
    if budget.tokens is not None:
        return TuningBudget(tokens=max(1, budget.tokens // methods))
    assert budget.device_hours is not None, "exactly one is given"
    return TuningBudget(device_hours=budget.device_hours / methods)
