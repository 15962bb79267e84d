"""Hold all runs of a results folder against their predictions, as a check of what others contribute does."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.counts import count_of
from harness.errors import UserError
from harness.records.analysis.file import has_its_table, read_analysis
from harness.records.analysis.record import ANALYSIS, digests_of
from harness.records.answer_table import ROW_COLUMNS, AnswerTable, mean_of_complete
from harness.records.binding import wrong_mean
from harness.records.predictions import UNREADABLE, read_prediction_table
from harness.records.result import Result
from harness.records.store import find_files, read_runs
from leaderboards.rank.fit import fitting
from leaderboards.rank.scores import RunScores, Unfit, read_scores, reason_of
from leaderboards.text import without_folder


@dataclass(frozen=True)
class Verification:
    """What lies in a results folder, and what of it does not fit."""

    bound: int
    """Finished runs that name their predictions, and fit them."""

    unbound: int
    """Finished runs from before they named their predictions, and fit them as far as can be told."""

    contradicting: int
    """Finished runs with predictions that do not fit them, or cannot be read."""

    untrusted: int
    """Finished runs that a guard of their engine failed; they are among those above."""

    failed: int
    faults: tuple[str, ...]
    """A sentence for each file or run that does not fit or cannot be read, which begins with its place below
    the folder."""

    @property
    def record(self) -> dict[str, Any]:
        """For scripts: the counts, and the sentences under `faults`."""
        return asdict(self)

    @property
    def sentence(self) -> str:
        """The counts in words."""
        finished = self.bound + self.unbound + self.contradicting
        parts = [f"{self.bound:,} bound to their predictions"]
        parts += [f"{self.unbound:,} from before runs were"] if self.unbound else []
        parts += [f"{self.contradicting:,} with predictions that do not fit"] if self.contradicting else []
        parts += [f"{self.untrusted:,} untrusted"] if self.untrusted else []
        faults = count_of(len(self.faults), "fault") if self.faults else "no fault"
        failed = f" {self.failed:,} failed." if self.failed else ""
        return f"{count_of(finished, 'finished run')}: {', '.join(parts)}.{failed} In all {faults}."


def verify(results: Path, *, further_faults: Iterable[str] = ()) -> Verification:
    """Read every record below a folder, and hold every finished run against its predictions.

    `further_faults`: sentences about other files there. Raises `UserError` where there is no such folder.
    """
    if not results.is_dir():
        raise UserError(f"results folder {results} does not exist; `gainboard run SWEEP` makes one")
    runs = read_runs(results)
    contradictions = _contradictions(runs.finished, results)
    fitting_runs = [result for result in runs.finished if result.key not in contradictions]
    unreadable = [
        without_folder(sentence.removeprefix("skipped: "), results)
        for sentence in (*runs.skipped, *further_faults)
    ]
    faults = (
        *unreadable,
        *contradictions.values(),
        *_shared_folders(runs.finished),
        *_faults_of_analyses(runs.finished, results),
    )
    return Verification(
        bound=sum(result.predictions is not None for result in fitting_runs),
        unbound=sum(result.predictions is None for result in fitting_runs),
        contradicting=len(contradictions),
        untrusted=sum(result.untrusted is not None for result in runs.finished),
        failed=len(runs.failed),
        faults=tuple(sorted(faults)),
    )


def _contradictions(results: list[Result], folder: Path) -> dict[str, str]:
    """By key, what does not fit of a run."""
    sentences = {}
    outcomes = fitting(results, read_scores(results, folder), folder)
    for result, outcome in zip(results, outcomes, strict=True):
        if isinstance(outcome, RunScores):
            reason = _wrong_metric(result, folder)
            outcome = outcome if reason is None else Unfit(reason)
        if not isinstance(outcome, RunScores):
            sentences[result.key] = f"{result.run.folder.as_posix()}: {outcome.fault}: {outcome.reason}"
    return sentences


def _wrong_metric(result: Result, folder: Path) -> str | None:
    """The first value, of any metric and template, that does not follow from the scores of its samples."""
    columns = [f"score_{name}" for name in result.metrics]
    try:
        table = read_prediction_table(folder, result.run, [*ROW_COLUMNS, *columns])
        rows = AnswerTable(table, result.run)
        for name, column in zip(result.metrics, columns, strict=True):
            values = rows.matrix(table[column].cast("float64").to_numpy())
            wrong = next(wrong_mean(name, result.metrics[name], *mean_of_complete(values)), None)
            if wrong:
                return wrong
            for place, template in enumerate(result.run.templates):
                value = result.by_template.get(template, {}).get(name)
                of_template = mean_of_complete(values[:, [place]])
                wrong = next(wrong_mean(name, value, *of_template), None) if value else None
                if wrong:
                    return f"in template '{template}', {wrong}"
    except UNREADABLE as error:
        return reason_of(error, folder)
    return None


def _shared_folders(results: Iterable[Result]) -> Iterator[str]:
    """Runs whose folders are one on a disk that does not tell upper from lower case."""
    by_folder = defaultdict[str, list[str]](list)
    for result in results:
        folder = result.run.folder.as_posix()
        by_folder[folder.casefold()].append(folder)
    for folders in by_folder.values():
        if len(folders) > 1:
            yield f"{folders[1]}: on disks that do not tell upper from lower case it is one with {folders[0]}"


def _faults_of_analyses(results: Iterable[Result], folder: Path) -> Iterator[str]:
    """Analyses that cannot be read, or were made of other predictions than lie there now."""
    results_by_folder = {result.run.folder.as_posix(): result for result in results}
    for place in find_files(folder, ANALYSIS).folders[ANALYSIS]:
        path = folder.joinpath(*place, ANALYSIS)
        try:
            record = read_analysis(path, inside=folder)
        except UserError as error:
            yield without_folder(str(error), folder)
            continue
        judged = [results_by_folder[name] for name in record.made_of if name in results_by_folder]
        name = path.relative_to(folder).as_posix()
        if not has_its_table(path, record, inside=folder):
            yield f"{name}: the table of samples beside it has changed; `gainboard analyse` makes both again"
        if digests_of(folder, judged) != record.made_of:
            yield f"{name}: it was made of other predictions; `gainboard analyse` makes it again"
