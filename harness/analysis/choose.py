"""Which arms there are to analyse, and which untuned ones each is compared with."""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from harness.errors import UserError, suggest
from harness.records.result import Result
from harness.sweep.methods import METHODS, Method

UNTUNED: tuple[Method, ...] = ("zero_shot", "few_shot")


@dataclass(frozen=True)
class AnalysableArm:
    """All seeds of an arm on one task, and the untuned arms of its model there."""

    results: tuple[Result, ...]
    baselines: tuple[tuple[Result, ...], ...]
    """Zero-shot, then few-shot, as far as they come before it."""

    @property
    def folder(self) -> Path:
        """Where its seeds lie, relative to the results."""
        return self.results[0].run.folder.parent

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.results[0].run.label_without_seed

    @property
    def arms(self) -> tuple[tuple[Result, ...], ...]:
        """All that it takes, itself the last."""
        return (*self.baselines, self.results)


def arms_among(results: Iterable[Result]) -> list[AnalysableArm]:
    """Every arm of these results that can be believed, in their order; without guard runs."""
    groups: dict[Path, list[Result]] = {}
    for result in results:
        if result.run.guard is None and result.untrusted is None:
            groups.setdefault(result.run.folder.parent, []).append(result)
    arms = [tuple(group) for group in groups.values()]
    return [AnalysableArm(arm, _baselines(arm, arms)) for arm in arms]


def _baselines(arm: Sequence[Result], arms: Sequence[tuple[Result, ...]]) -> tuple[tuple[Result, ...], ...]:
    run = arm[0].run
    baselines = []
    for method in UNTUNED:
        if METHODS.index(method) >= METHODS.index(run.candidate.method):
            continue
        alike = [
            other_arm
            for other_arm in arms
            if other_arm[0].run.candidate.method == method and _is_alike(other_arm[0], arm[0])
        ]
        # Of several candidates of one model, that of the same name.
        alike.sort(key=lambda other_arm: other_arm[0].run.candidate.name != run.candidate.name)
        baselines += alike[:1]
    return tuple(baselines)


def _is_alike(result: Result, reference: Result) -> bool:
    """Whether two runs ask the same samples of the same model in the same wordings."""
    return _question(result) == _question(reference)


def _question(result: Result) -> tuple[object, ...]:
    run, candidate = result.run, result.run.candidate
    model = candidate.model, candidate.revision, candidate.fingerprint
    return run.task, run.task_version, run.task_fingerprint, run.templates, run.test_seed, *model


def chosen_arms(arms: Sequence[AnalysableArm], names: Sequence[str], results: Path) -> list[AnalysableArm]:
    """The arms that each name means: a task, a candidate, a candidate/method, a run's folder or a glob over
    these.

    Raises `UserError` for a name that means none.
    """
    chosen: dict[Path, AnalysableArm] = {}
    for name in names:
        meant = [arm for arm in arms if _is_meant(arm, name, results)]
        if not meant:
            raise UserError(_nothing_meant(arms, name, results))
        chosen |= {arm.folder: arm for arm in meant}
    return list(chosen.values())


def _is_meant(arm: AnalysableArm, name: str, results: Path) -> bool:
    run = arm.results[0].run
    if name in (run.task, run.candidate.name, *(result.key for result in arm.results)):
        return True
    pattern = name.rstrip("/").removeprefix(f"{results.as_posix().rstrip('/')}/")
    folders = {result.run.folder for result in arm.results}
    # A folder means all that lies in it.
    above = folders | set(chain.from_iterable(folder.parents for folder in folders))
    return any(fnmatch.fnmatchcase(folder.as_posix(), pattern) for folder in above - {Path()})


def _nothing_meant(arms: Sequence[AnalysableArm], name: str, results: Path) -> str:
    runs = [arm.results[0].run for arm in arms]
    names = sorted({run.task for run in runs} | {run.candidate.name for run in runs})
    example = arms[0].results[0].run.folder.as_posix()
    return (
        f"'{name}' is no task, candidate or finished run of {results}.{suggest(name, names)} Give one of "
        f"{', '.join(names[:MOST_NAMES])}{' …' if len(names) > MOST_NAMES else ''}, or a glob over folders "
        f"of runs such as {example}"
    )


MOST_NAMES = 12
"""Names of tasks and candidates in a message."""
