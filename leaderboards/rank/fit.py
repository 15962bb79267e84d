"""Hold what was read of runs against their results: runs whose predictions do not belong to them are told."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from harness.counts import count_of
from harness.records.binding import contradiction
from harness.records.result import Result
from harness.sweep.run import Run
from leaderboards.rank.scores import Outcome, RunScores, Unfit
from leaderboards.text import shortened

LONGEST_NAME = 40
"""Characters of a sample's id in a sentence."""


def fitting(results: Sequence[Result], outcomes: Sequence[Outcome], folder: Path) -> list[Outcome]:
    """The outcomes in their order, with `Unfit` for predictions that contradict their result, and for those
    of other samples than further runs of the same test set have. `folder`: the results."""
    checked: list[Outcome] = []
    for result, outcome in zip(results, outcomes, strict=True):
        reason = contradiction(folder, result, outcome.facts) if isinstance(outcome, RunScores) else None
        checked.append(outcome if reason is None else Unfit(reason))
    return _of_one_test_set(results, checked)


def unbound_notes(results: Sequence[Result]) -> list[str]:
    """A sentence on how many results are from before they named their predictions; none where all do."""
    unbound = sum(result.predictions is None for result in results)
    if not unbound:
        return []
    which = "All runs are" if unbound == len(results) else f"{unbound:,} of {len(results):,} runs are"
    return [
        f"{which} from before a result named the file of its predictions: their rows, samples and scores "
        "fit, but that no answer was changed since is not known; `gainboard score` binds them."
    ]


def _of_one_test_set(results: Sequence[Result], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes, with `Unfit` for runs of other samples than most runs of their test set have."""
    places_by_test_set = defaultdict[tuple[object, ...], list[int]](list)
    for place, (result, outcome) in enumerate(zip(results, outcomes, strict=True)):
        if isinstance(outcome, RunScores):
            places_by_test_set[_test_set(result.run)].append(place)
    checked = list(outcomes)
    for places in places_by_test_set.values():
        ids = {place: outcome.ids for place in places if isinstance(outcome := outcomes[place], RunScores)}
        if len(set(ids.values())) == 1:
            continue
        bound = [place for place in places if results[place].predictions is not None]
        usual = _usual([ids[place] for place in bound or places])
        for place in places:
            reason = _why_other_samples(frozenset(ids[place]), usual)
            if reason:
                checked[place] = Unfit(reason)
    return checked


def _test_set(run: Run) -> tuple[object, ...]:
    """Equal for runs that were scored on the same samples."""
    return run.task, run.task_version, run.task_fingerprint, run.test_seed, run.limit, run.split


def _usual(samples_of_runs: Sequence[tuple[str, ...]]) -> frozenset[str] | None:
    """The samples that most runs have; None where as many have others."""
    votes = Counter(map(frozenset, samples_of_runs)).most_common(2)
    return votes[0][0] if len(votes) == 1 or votes[0][1] > votes[1][1] else None


def _why_other_samples(samples: frozenset[str], usual: frozenset[str] | None) -> str | None:
    if samples == usual:
        return None
    if usual is None:
        return "other runs of the same test set have other samples, and as many of them as have these"
    strangers, missing = sorted(samples - usual), sorted(usual - samples)
    name, what = (strangers[0], "has") if strangers else (missing[0], "lacks")
    count = count_of(len(strangers or missing), "sample")
    return f"it {what} {count} that most runs of the same test set do not: '{shortened(name, LONGEST_NAME)}'"
