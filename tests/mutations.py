"""Records with one part changed to a value that has hurt some reader before, many of them in one results folder.

`python tests/mutations.py --count 9000` publishes so many, in folders of a few dozen, and says which of them
ended in a traceback, and which changed a published score without being named. One that did is found by
publishing half of the folder, and half of that.
"""

import argparse
import hashlib
import io
import json
import random
import re
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow
from mutated_analyses import AnalysisBench, analysis_outcome
from pyarrow import parquet
from specimens import MISSING, SCORES, Place, Specimen, changed, make_specimens, parts
from synthetic import (
    make_run,
    task_card,
    write_result,
)

from harness.errors import UserError
from harness.records.predictions import PREDICTIONS
from harness.review.verdicts import REVIEWS, read_verdicts
from leaderboards import publish
from leaderboards.history import FOLDER as HISTORY
from leaderboards.site import MARKER


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


HURTFUL: tuple[Any, ...] = (
    MISSING, None, True, False, 0, -1, 1, 2, 7, 0.5, -0.0, 1.5, 1e-7, 5e-324, 1e-300, 1e9, 1e30, 1e300, 1.7e308,
    float("inf"), float("-inf"), float("nan"), 2**31, 2**63, 10**30, 10**400, -(10**18), "", " ", "x", "0",
    "\x00", "\ud800", "\u202e\u2028<b>&\"'", "../../../etc/passwd", "/", "a\nb", "é" * 300, "w" * 50_000, [], {},
    [1], [None], ["x", "x"], [[]], {"": {}}, {"a": float("nan")}, {"a": "\ud800"}, nested(150), nested(500),
)  # fmt: skip
"""Each has ended some reader of records in a traceback, or may."""


@dataclass(frozen=True)
class Mutation:
    """One part of one record, changed."""

    specimen: Specimen
    path: Place
    value: Any

    def write(self, results: Path, number: int) -> Path:
        """Write it, of a candidate of its own."""
        return self.specimen.write(results, number, self.path, self.value)

    def __str__(self) -> str:
        value = "(taken away)" if self.value is MISSING else repr(self.value)
        return f"{self.specimen.name}: {'.'.join(map(str, self.path))} = {value[:60]}"


def mutations(specimens: Sequence[Specimen]) -> list[Mutation]:
    """All there are; a part that stands in several specimens is changed in the first."""
    seen: set[tuple[str, Place]] = set()
    listed = []
    for specimen in specimens:
        for path in parts(specimen.record):
            if (specimen.file, path) not in seen:
                seen.add((specimen.file, path))
                listed += [Mutation(specimen, path, value) for value in HURTFUL]
    return listed


# Columns

Change = Callable[[pyarrow.Table], pyarrow.Table]


@dataclass(frozen=True)
class ColumnMutation:
    """The predictions of one record, with their rows or a column changed."""

    specimen: Specimen
    name: str
    change: Change

    def write(self, results: Path, number: int) -> Path:
        """Write them, of a candidate of its own, which is not told that they were changed."""
        path = self.specimen.write(results, number, ("collapsed",), "").with_name(PREDICTIONS)
        parquet.write_table(self.change(parquet.read_table(path)), path)
        return path

    def __str__(self) -> str:
        return f"{self.specimen.name}: {self.name}"


def column_mutations(specimen: Specimen) -> list[ColumnMutation]:
    """Rows cut, doubled and put in another order; columns taken away, doubled, renamed, and of other types."""
    assert specimen.predictions is not None
    table = parquet.read_table(io.BytesIO(specimen.predictions))
    changes: dict[str, Change] = {
        "no row": lambda table: table.slice(0, 0),
        "one row": lambda table: table.slice(0, 1),
        "half of the rows": lambda table: table.slice(0, table.num_rows // 2),
        "each row twice": lambda table: pyarrow.concat_tables([table, table]),
        "another order": lambda table: table.take(list(range(table.num_rows))[::-1]),
        "columns in another order": lambda table: table.select(table.column_names[::-1]),
        "no column": lambda table: table.select([]),
        "a thousand more columns": lambda table: _with_more(table, 1000),
    }
    for number, name in enumerate(table.column_names):
        changes[f"without {name}"] = partial(_without, number=number)
        changes[f"{name} twice"] = partial(_twice, number=number)
        changes[f"{name} renamed"] = partial(_renamed_column, number=number)
        for value in COLUMN_VALUES:
            changes[f"{name} = {str(value)[:40]}"] = partial(_filled, number=number, value=value)
    return [ColumnMutation(specimen, name, change) for name, change in changes.items()]


COLUMN_VALUES: tuple[Any, ...] = (
    None, True, 0, 1, -1, 2, 2**40, 0.5, 2.0, -1.0, 5e-324, 1e300, float("inf"), float("nan"), "", "x", "\x00",
    b"\xff\xfe", "\u202e<b>", "w" * 50_000, [], [None], ["x"], [["x"]], [1.0], {"a": 1}, {"a": {"b": []}},
    datetime(2020, 1, 1), date(1, 1, 1), timedelta(days=1), Decimal("1.5"),
)  # fmt: skip
"""What stands in every row of a column."""


def _with_more(table: pyarrow.Table, count: int) -> pyarrow.Table:
    for number in range(count):
        table = table.append_column(f"more_{number}", pyarrow.nulls(table.num_rows))
    return table


def _without(table: pyarrow.Table, number: int) -> pyarrow.Table:
    return table.remove_column(number)


def _twice(table: pyarrow.Table, number: int) -> pyarrow.Table:
    return table.append_column(table.column_names[number], table.column(number))


def _renamed_column(table: pyarrow.Table, number: int) -> pyarrow.Table:
    names = list(table.column_names)
    names[number] = "another"
    return table.rename_columns(names)


def _filled(table: pyarrow.Table, number: int, value: Any) -> pyarrow.Table:
    column = pyarrow.array([value] * table.num_rows)
    return table.set_column(number, table.column_names[number], column)


# Publishing many

AnyMutation = Mutation | ColumnMutation


@dataclass
class Outcome:
    """What became of mutations."""

    named: int = 0
    accepted: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    """Of each that ended publishing, or held it up, what was raised."""

    altered: list[str] = field(default_factory=list)
    """Those that changed a score without being named."""


class TooLongError(Exception):
    """Raised by the alarm clock."""


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise TooLongError(f"longer than {seconds:g} s")

    formerly = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, formerly)


Read = Callable[[Path, Path], None]
"""(results, an empty folder) → reads the results in one more way, as `gainboard list runs` does."""


class Bench:
    """Publishes folders of changed records beside two sound arms."""

    def __init__(self, folder: Path, *, also: Sequence[Read] = (), seconds: float = 600.0) -> None:
        self._folder, self._also, self._seconds = folder, also, seconds
        self.specimens = make_specimens(folder)
        self._sound = folder / "sound"
        card = task_card()
        for method in ("few_shot", "lora"):
            for seed in (0, 1):
                write_result(self._sound, make_run("sound", method, card, seed), card, SCORES)

    def publish(self, batch: Sequence[AnyMutation], outcome: Outcome) -> None:
        """Publish a folder of them, and where that fails halves of it, until each fault is found."""
        error = self._try(batch, outcome)
        if error is None:
            return
        if len(batch) == 1:
            outcome.faults[str(batch[0])] = error
            return
        middle = len(batch) // 2
        before = len(outcome.faults)
        self.publish(batch[:middle], outcome)
        self.publish(batch[middle:], outcome)
        if len(outcome.faults) == before:  # only together
            outcome.faults[" + ".join(map(str, batch[:5]))] = error

    def former_snapshot(self) -> bytes:
        """The snapshot that a site of the sound arms leaves."""
        site = self._folder / "former"
        publish(self._sound, site)
        (snapshot,) = (site / HISTORY).iterdir()
        return snapshot.read_bytes()

    def publish_after(self, snapshots: Sequence["TextMutation"]) -> None:
        """Publish the sound arms over a site with these snapshots."""
        site = self._folder / "former"
        shutil.rmtree(site, ignore_errors=True)
        (site / HISTORY).mkdir(parents=True)
        (site / MARKER).touch()
        for number, snapshot in enumerate(snapshots):
            digest = hashlib.sha256(snapshot.content).hexdigest()[:12]
            (site / HISTORY / f"2020-01-{number % 28 + 1:02}-{digest}.json").write_bytes(snapshot.content)
        publish(self._sound, site)

    def _try(self, batch: Sequence[AnyMutation], outcome: Outcome) -> str | None:
        """Why publishing failed; None where it did not, and the outcome is told."""
        results, site = self._folder / "results", self._folder / "site"
        for folder in (results, site):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._sound, results)
        paths = [mutation.write(results, number) for number, mutation in enumerate(batch)]
        try:
            with at_most(self._seconds), warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                published = publish(results, site)
                for read in self._also:
                    extra = Path(tempfile.mkdtemp(dir=self._folder))
                    read(results, extra)
                    shutil.rmtree(extra)
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            return f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
        said = [str(warning.message) for warning in caught]
        page = published.index.read_text(encoding="utf-8")
        text = "\n".join([*said, *re.findall(r'<ul class="problems">(.*?)</ul>', page, flags=re.DOTALL)])
        figures = json.loads((site / "data" / "leaderboard.json").read_text(encoding="utf-8"))
        scores = {cell["candidate"]: cell["score"] for cell in figures["cells"]}
        for number, (mutation, path) in enumerate(zip(batch, paths, strict=True)):
            candidate = f"m{number:05}"
            if str(path) in text or candidate in text:
                outcome.named += 1
                continue
            outcome.accepted += 1
            score = scores.get(candidate, SOUND)
            if score is None or abs(score - SOUND) > 1e-12:
                outcome.altered.append(f"{mutation}: {score}")
        return None


@dataclass(frozen=True)
class TextMutation:
    """One part of a snapshot or a verdict, changed."""

    record: dict[str, Any]
    path: Place
    value: Any

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.path))} = {repr(self.value)[:60]}"

    @property
    def content(self) -> bytes:
        """As JSON on one line."""
        return json.dumps(changed(self.record, self.path, self.value)).encode()


def text_mutations(record: dict[str, Any]) -> list[TextMutation]:
    """All there are of one record."""
    return [TextMutation(record, path, value) for path in parts(record) for value in HURTFUL]


def snapshot_faults(bench: Bench, *, every: int = 1) -> tuple[int, dict[str, str]]:
    """How many changed snapshots were tried in the history of a former site, each under the name that belongs
    to it, and what those raised that ended publishing. `every`: only each so manieth is tried."""
    snapshot = json.loads(bench.former_snapshot())
    return _tried(text_mutations(snapshot)[::every], bench.publish_after, at_once=40)


def verdict_faults(folder: Path, *, every: int = 1) -> tuple[int, dict[str, str]]:
    """The same of verdicts in a `reviews.jsonl`, which are read one by one."""

    def read(batch: Sequence[TextMutation]) -> None:
        (folder / REVIEWS).write_bytes(batch[0].content + b"\n")
        with suppress(UserError):
            read_verdicts(folder / REVIEWS)

    return _tried(text_mutations(VERDICT)[::every], read, at_once=1)


VERDICT = {
    "item": "0123456789abcdef", "template": "plain", "sample": "test/17", "few_shot": True, "verdict": "fix",
    "note": "say it shorter", "reviewer": "ada", "reviewed_at": "2026-01-01",
}  # fmt: skip


def _tried(
    known: Sequence[TextMutation], read: Callable[[Sequence[TextMutation]], None], *, at_once: int
) -> tuple[int, dict[str, str]]:
    faults: dict[str, str] = {}
    for start in range(0, len(known), at_once):
        batch = known[start : start + at_once]
        try:
            read(batch)
        except Exception as error:
            if at_once > 1:
                faults |= _tried(batch, read, at_once=1)[1]
            else:
                faults[str(batch[0])] = f"{type(error).__name__}: {str(error)[:200]}"
    return len(known), faults


SOUND = sum(SCORES) / len(SCORES)
"""The score of every record before it is changed."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=9000)
    parser.add_argument("--analyses", type=int, default=1000, help="changes of analyses, twice")
    parser.add_argument("--batch", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        listed: list[AnyMutation] = [*mutations(bench.specimens), *column_mutations(bench.specimens[0])]
        random.Random(options.seed).shuffle(listed)
        chosen = listed[: options.count]
        outcome = Outcome()
        for start in range(0, len(chosen), options.batch):
            faults, altered = len(outcome.faults), len(outcome.altered)
            bench.publish(chosen[start : start + options.batch], outcome)
            for fault in list(outcome.faults)[faults:]:
                print(f"{fault}\n    {outcome.faults[fault]}", flush=True)
            for mutation in outcome.altered[altered:]:
                print(f"altered a score without a word: {mutation}", flush=True)
            done = min(start + options.batch, len(chosen))
            print(f"{done:,} of {len(chosen):,}", file=sys.stderr, flush=True)
        for what, (count, faults) in {
            "snapshots": snapshot_faults(bench),
            "verdicts": verdict_faults(Path(folder)),
        }.items():
            print(f"{count:,} changed {what}: {len(faults)} tracebacks")
            print("\n".join(f"{mutation}\n    {error}" for mutation, error in faults.items()))
        analyses = AnalysisBench(Path(folder))
        for sealed in (True, False):
            of_analyses = analysis_outcome(
                analyses, HURTFUL, count=options.analyses, seed=options.seed, sealed=sealed
            )
            print(f"{'sealed' if sealed else 'older'} analyses: {of_analyses}")
    print(
        f"{len(chosen):,} of {len(listed):,} mutations: {outcome.named:,} named, {outcome.accepted:,} accepted, "
        f"{len(outcome.faults):,} tracebacks, {len(outcome.altered):,} altered a score without a word"
    )


if __name__ == "__main__":
    main()
