"""Predict dev losses at a large training budget from the smaller budgets in a results folder, and compare
them with measured ones.

Losses are those of the kept checkpoints, in nats per target token, averaged over seeds. Tokenizers cut the
same answers into different numbers of tokens, so losses of models with different tokenizers compare less
exactly than scores.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from harness.counts import agreeing, count_of
from harness.errors import UserError
from harness.records.result import Result
from harness.records.store import read_results
from harness.statistics.scaling import (
    LAW_POINTS,
    LINE_POINTS,
    Law,
    Point,
    PowerLine,
    PredictedLoss,
    accept_then_stop,
    fit_law,
)


@dataclass(frozen=True)
class Curve:
    """One candidate's learning curve on a task, and what it predicts for one larger budget."""

    candidate: str
    method: str
    task: str
    points: tuple[Point, ...]
    """The budgets below `n_train`, smallest first."""

    n_train: int
    """The budget that is predicted."""

    measured: Point | None
    """None when that budget was not run."""

    line: PowerLine | None
    law: Law | None

    @property
    def by_line(self) -> float | None:
        """What accept-then-stop predicts; None with too few points."""
        return self.line.at(self.n_train) if self.line else None

    @property
    def by_law(self) -> PredictedLoss | None:
        """What the law predicts; None with too few points."""
        return self.law.at(self.n_train) if self.law else None


@dataclass(frozen=True)
class Choice:
    """Which model the small budgets choose for one task and method, and whether it was the right one."""

    task: str
    method: str
    n_train: int
    by: str
    """`AtS`, `law`, or `500 samples`: the measured loss at the largest small budget that all these models
    have, without any prediction."""

    losses: Mapping[str, float]
    """By candidate, the losses that the choice goes by."""

    measured: Mapping[str, float]
    """By candidate, the loss measured at `n_train`, models with too few small budgets included."""

    @property
    def chosen(self) -> str:
        """The candidate with the lowest of `losses`."""
        return _lowest(self.losses)

    @property
    def best(self) -> str | None:
        """The candidate with the lowest measured loss; None when nothing was measured."""
        return _lowest(self.measured) if self.measured else None

    @property
    def given_up(self) -> float | None:
        """How far the chosen model's loss is above the best one's, in nats per token; None unless it was
        measured."""
        if self.best is None or self.chosen not in self.measured:
            return None
        return self.measured[self.chosen] - self.measured[self.best]

    @property
    def spearman(self) -> float | None:
        """Rank correlation with the measured losses; None with fewer than three models, or when all are
        equal."""
        names = sorted(set(self.losses) & set(self.measured))
        predicted, measured = ([losses[name] for name in names] for losses in (self.losses, self.measured))
        if len(names) < 3 or len(set(predicted)) == 1 or len(set(measured)) == 1:
            return None
        return float(stats.spearmanr(predicted, measured).statistic)


def _lowest(losses: Mapping[str, float]) -> str:
    """The candidate with the lowest loss; of equal ones the first by name."""
    return min(sorted(losses), key=losses.__getitem__)


@dataclass(frozen=True)
class Extrapolation:
    """Every learning curve of a results folder, the choices that follow from them, and notes for the
    reader."""

    curves: tuple[Curve, ...]
    choices: tuple[Choice, ...]
    notes: tuple[str, ...]


def extrapolate(folder: Path, *, to: int | None = None) -> Extrapolation:
    """Predict the loss at budget `to` for every candidate, method and task from the smaller budgets.

    Without `to`, it is the largest budget that any candidate was trained on with that method and task.
    Untrusted runs count, since what makes them so is the engine that answered, not the training. Raises
    `UserError` without a curve to go by.
    """
    if not folder.is_dir():
        raise UserError(f"results folder {folder} does not exist; `gainboard run SWEEP` makes one")
    notes: list[str] = []
    groups: dict[tuple[str, str], dict[str, dict[int, Point]]] = defaultdict(dict)
    for (task, method, candidate), results in sorted(_by_arm(read_results(folder)).items()):
        groups[task, method][candidate] = _points(_same_recipe(results, notes), notes)
    curves: list[Curve] = []
    choices: list[Choice] = []
    for (task, method), candidates in groups.items():
        target = to or max(chain.from_iterable(candidates.values()), default=0)
        group = [_curve(name, method, task, points, target) for name, points in candidates.items()]
        group = [curve for curve in group if curve.points]
        curves += group
        choices += _choices(group)
    if not any(curve.line for curve in curves):
        raise UserError(
            f"{folder} holds no learning curve to go by: the sweep needs `n_train = [..]` with at least "
            "three budgets smaller than the one that is predicted "
            f"({to or 'the largest; --to N predicts another'})"
        )
    notes += [
        f"{curve.candidate} · {curve.method} on '{curve.task}' has "
        f"{count_of(len(curve.points), 'budget')} below {curve.n_train}: accept-then-stop needs "
        f"{LINE_POINTS}, the law {LAW_POINTS}."
        for curve in curves
        if len(curve.points) < LAW_POINTS
    ]
    return Extrapolation(tuple(curves), tuple(choices), tuple(notes))


def _by_arm(results: Iterable[Result]) -> dict[tuple[str, str, str], list[Result]]:
    """The runs that were trained, by task, method and candidate."""
    arms: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for result in results:
        if result.training is not None and result.run.guard is None:
            arms[result.run.task, result.run.candidate.method, result.run.candidate.name].append(result)
    return arms


def _same_recipe(results: Sequence[Result], notes: list[str]) -> list[Result]:
    """The results that differ only in seed and budget: of the newest version of the task, the settings that
    most of them have."""
    kinds: dict[tuple[int, str], list[Result]] = defaultdict(list)
    for result in results:
        kinds[-result.run.task_version, result.run.alike].append(result)
    # The newest version of the task, whose number is negated, then the most results; the last only breaks
    # ties.
    version, _, alike = min((version, -len(members), alike) for (version, alike), members in kinds.items())
    same_recipe = kinds[version, alike]
    if left_out := len(results) - len(same_recipe):
        run = same_recipe[0].run
        notes.append(
            f"{run.candidate.label} on '{run.task}': {left_out:,} of {count_of(len(results), 'run')} "
            f"{agreeing('are', left_out)} left out, made "
            "with other settings or on another state of the task."
        )
    return same_recipe


def _points(results: Iterable[Result], notes: list[str]) -> dict[int, Point]:
    """The mean loss over seeds, by number of training samples."""
    losses: dict[int, list[float]] = defaultdict(list)
    for result in results:
        assert result.training is not None and result.run.n_train is not None, (
            "only trained runs are asked for"
        )
        loss = result.training.dev_loss
        if loss is not None and loss > 0:
            losses[result.run.n_train].append(loss)
        else:
            notes.append(f"{result.run.label} is left out: its dev loss of {loss} has no logarithm.")
    return {
        n_train: Point(n_train, float(np.mean(seeds)), len(seeds))
        for n_train, seeds in sorted(losses.items())
    }


def _curve(candidate: str, method: str, task: str, budgets: Mapping[int, Point], to: int) -> Curve:
    points = tuple(point for n_train, point in budgets.items() if n_train < to)
    return Curve(
        candidate, method, task, points, to, budgets.get(to), accept_then_stop(points), fit_law(points)
    )


def _choices(group: Sequence[Curve]) -> list[Choice]:
    """A choice by each kind of prediction, and by the largest budget that all predicted models have; none
    among fewer than two models."""
    predicted = [curve for curve in group if curve.line]
    if len(predicted) < 2:
        return []
    ways = {
        "AtS": {curve.candidate: loss for curve in predicted if (loss := curve.by_line) is not None},
        "law": {curve.candidate: law.loss for curve in predicted if (law := curve.by_law)},
    }
    if shared := set.intersection(*({point.n_train for point in curve.points} for curve in predicted)):
        budget = max(shared)
        ways[f"{budget} samples"] = {curve.candidate: _loss_at(budget, curve.points) for curve in predicted}
    measured = {curve.candidate: curve.measured.loss for curve in group if curve.measured}
    task, method, n_train = group[0].task, group[0].method, group[0].n_train
    return [
        Choice(task, method, n_train, by, losses, measured) for by, losses in ways.items() if len(losses) > 1
    ]


def _loss_at(n_train: int, points: Iterable[Point]) -> float:
    return next(point.loss for point in points if point.n_train == n_train)


def curve_rows(extrapolation: Extrapolation) -> list[dict[str, Any]]:
    """The table of predictions, for people: one row per candidate, method and task."""
    rows = []
    for curve, (by_line, measured) in zip(extrapolation.curves, _ranks(extrapolation.curves), strict=True):
        used, law = curve.line and curve.line.accepted, curve.by_law
        rows.append(
            {
                "task": curve.task,
                "method": curve.method,
                "candidate": curve.candidate,
                "budgets": " ".join(str(point.n_train) for point in curve.points),
                "AtS uses": f"{used[-1].n_train}–{used[0].n_train}" if used else None,
                "at": curve.n_train,
                "AtS": _four_digits(curve.by_line),
                "law": _four_digits(law.loss) if law else None,
                "95 %": f"{_four_digits(law.low)}–{_four_digits(law.high)}"
                if law and law.high is not None
                else None,
                "measured": _four_digits(curve.measured.loss) if curve.measured else None,
                "rank by AtS": by_line,
                "rank measured": measured,
            }
        )
    return rows


def choice_rows(extrapolation: Extrapolation) -> list[dict[str, Any]]:
    """The table of choices, for people: one row per task, method and way to choose."""
    return [
        {
            "task": choice.task,
            "method": choice.method,
            "chosen by": choice.by,
            "models": len(choice.losses),
            "chosen": choice.chosen,
            "best measured": choice.best,
            "loss given up": _four_digits(choice.given_up),
            "Spearman": None if choice.spearman is None else f"{choice.spearman:.2f}",
        }
        for choice in extrapolation.choices
    ]


def _four_digits(loss: float | None) -> str | None:
    return None if loss is None else f"{loss:.4f}"


def _ranks(curves: Sequence[Curve]) -> list[tuple[int | None, int | None]]:
    """Each curve's rank by AtS and its measured rank among the predicted models of its task and method, 1 for
    the lowest loss."""

    def rank(loss: float | None, rivals: Iterable[float | None]) -> int | None:
        return None if loss is None else 1 + sum(rival is not None and rival < loss for rival in rivals)

    ranks = []
    for curve in curves:
        rivals = [
            rival
            for rival in curves
            if (rival.task, rival.method) == (curve.task, curve.method) and rival.line
        ]
        predicted = [rival.by_line for rival in rivals]
        measured = [rival.measured.loss if rival.measured else None for rival in rivals]
        loss = curve.measured.loss if curve.measured and curve.line else None
        ranks.append((rank(curve.by_line, predicted), rank(loss, measured)))
    return ranks


def record(extrapolation: Extrapolation) -> dict[str, Any]:
    """Everything, for scripts. Losses are in nats per token."""
    curves = []
    for curve, (by_line, measured) in zip(extrapolation.curves, _ranks(extrapolation.curves), strict=True):
        line, law = curve.line, curve.law
        row: dict[str, Any] = {
            "task": curve.task,
            "method": curve.method,
            "candidate": curve.candidate,
            "n_train": curve.n_train,
        }
        row["points"] = [asdict(point) for point in curve.points]
        row["ats"] = line and {
            "loss": curve.by_line,
            "slope": line.slope,
            "accepted": [point.n_train for point in line.accepted],
            "stopped_at": line.stopped_at,
        }
        row["law"] = law and (asdict(curve.by_law) if curve.by_law else {}) | law.parameters
        row["measured"] = curve.measured and asdict(curve.measured)
        curves.append(row | {"rank_by_ats": by_line, "rank_measured": measured})
    choices = [
        {
            **asdict(choice),
            "chosen": choice.chosen,
            "best": choice.best,
            "given_up": choice.given_up,
            "spearman": choice.spearman,
        }
        for choice in extrapolation.choices
    ]
    return {"curves": curves, "choices": choices, "notes": list(extrapolation.notes)}
