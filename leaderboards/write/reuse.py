"""What a former publish has left to be used again: scores that were read, the levels of rank intervals, and
pages that would come out the same.

All lie in the user's cache folder, each in one file that begins with a checksum of the rest. A file that is
missing, damaged, of another version or of something else counts as empty, and one that cannot be written is
not: the pages are the same without, and take longer.
"""

import hashlib
import io
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow

import harness
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from harness.records.store import atomic_write
from harness.statistics import FloatArray, joint_threshold
from leaderboards.rank.scores import Asked, Outcome, Reading, RunScores, asked_of, read_each
from leaderboards.write.processes import Workers

MOST_KEPT = 20
"""Files in the cache folder, unless one publish needs more; those that were written longest ago go first."""

SCORES, LEVELS, PAGES = "scores", "levels", "pages"

Stamp = tuple[int, int, int]
"""Size, and when contents and inode of a file were last changed, in nanoseconds; zeros where there is
none."""


@dataclass
class Stamps:
    """What tells that a run is as it was: what its record said as it was read, and when its predictions last
    changed, as they were found when they were first asked for, before any is read.
    """

    folder: Path
    """The results."""

    digests: Mapping[str, str]
    """Of the records, by key."""

    _known: dict[tuple[str, ...], Stamp] = field(default_factory=dict)

    def of(self, place: tuple[str, ...]) -> Stamp:
        """When the predictions of the run at a place below the results last changed."""
        if place not in self._known:
            self._known[place] = _stamp("/".join((str(self.folder), *place, PREDICTIONS)))
        return self._known[place]


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)  # noqa: PTH116 - there are tens of thousands of them
    except OSError:
        return 0, 0, 0
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


@cache
def code_version() -> str:
    """Changes with all that decides what pages look like: our own code and templates, and what they are made
    with."""
    digest = hashlib.sha256(sys.version.encode())
    for name in ("jinja2", "markupsafe", "numpy", "pyarrow", "pydantic", "scipy"):
        digest.update(f"{name} {version(name)}\n".encode())
    for package in (Path(harness.__file__).parent, Path(__file__).parents[1]):
        for path in sorted(package.rglob("*")):
            if path.suffix in (".py", ".html"):
                digest.update(f"{path.relative_to(package)}\n".encode() + path.read_bytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class Cache:
    """A folder of the user's cache; None where nothing is to be kept."""

    folder: Path | None
    _used: set[Path] = field(default_factory=set)
    """What this publish has read or written, which is not removed for its own sake."""

    def read(self, kind: str, of: Path) -> bytes | None:
        """What was kept for a folder; None when it is not there, or not as it was written."""
        if self.folder is None:
            return None
        path = self._path(self.folder, kind, of)
        try:
            checksum, _, content = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        self._used.add(path)
        return content if checksum == _checksum(path.name, content) else None

    def write(self, kind: str, of: Path, content: bytes) -> None:
        """Keep something for a folder, if that can be done."""
        if self.folder is None:
            return
        path = self._path(self.folder, kind, of)
        self._used.add(path)
        with suppress(OSError):
            with atomic_write(path, "wb") as file:
                file.write(_checksum(path.name, content) + b"\n" + content)
            kept = sorted(path.parent.iterdir(), key=lambda one: one.stat().st_mtime_ns)
            for one in kept[:-MOST_KEPT]:
                if one not in self._used:
                    one.unlink()

    @staticmethod
    def _path(folder: Path, kind: str, of: Path) -> Path:
        return folder / "publish" / f"{hashlib.sha256(os.fsencode(of.resolve())).hexdigest()[:16]}.{kind}"


def _checksum(name: str, content: bytes) -> bytes:
    """Of the content, of what it is and for which folder, and of the code that wrote it, which alone can read
    it."""
    return hashlib.sha256(f"{code_version()} {name}\n".encode() + content).hexdigest().encode()


class _Known(NamedTuple):
    """The scores of a run, and of which state of its predictions they are."""

    asked: Asked
    stamp: Stamp
    scores: RunScores


@dataclass
class ScoreReader:
    """Reads the scores of runs, those that have changed since they were last read; call it like
    `scores.read_scores`."""

    cache: Cache
    workers: Workers
    stamps: Stamps
    _known: dict[tuple[str, ...], _Known] | None = None
    _changed: bool = False

    def __call__(self, results: Sequence[Result], folder: Path) -> list[Outcome]:
        """In the order of `results`, which lie in `folder`."""
        if self._known is None:
            self._known = _loaded(self.cache.read(SCORES, folder))
        found: list[Outcome | None] = []
        missing: list[tuple[int, Reading, Stamp]] = []
        for number, result in enumerate(results):
            place, asked = result.run.place, asked_of(result)
            stamp, known = self.stamps.of(place), self._known.get(place)
            scores = (
                known.scores if known is not None and (known.asked, known.stamp) == (asked, stamp) else None
            )
            found.append(scores)
            if scores is None:
                missing.append((number, Reading(result.run, asked), stamp))
        read = self.workers.map(
            "reading predictions", partial(read_each, folder=folder), [reading for _, reading, _ in missing]
        )
        alike: dict[tuple[str, ...] | None, tuple[str, ...] | None] = {}
        for (number, reading, stamp), outcome in zip(missing, read, strict=True):
            if isinstance(outcome, RunScores):
                # Runs of a task have the same samples: their names are kept once.
                ids, clusters = (alike.setdefault(names, names) for names in (outcome.ids, outcome.clusters))
                outcome = RunScores(ids or (), outcome.values, clusters)
                self._known[reading.run.place] = _Known(reading.asked, stamp, outcome)
                self._changed = True
            found[number] = outcome
        return [outcome for outcome in found if outcome is not None]

    def keep(self, folder: Path) -> None:
        """Keep what is known for the next time."""
        if self._changed and self._known is not None:
            there = {place: one for place, one in self._known.items() if self.stamps.of(place) == one.stamp}
            self.cache.write(SCORES, folder, _dumped(there))


def _dumped(known: Mapping[tuple[str, ...], _Known]) -> bytes:
    """An Arrow file with a row a run. What many runs have in common stands in it once, as JSON."""
    rows = list(known.values())
    values = [one.scores.values.ravel() for one in rows]
    names = {names: json.dumps(names) for one in rows for names in (one.scores.ids, one.scores.clusters)}
    asked = {one.asked: json.dumps(one.asked._asdict()) for one in rows}
    columns: dict[str, Any] = {
        "place": [json.dumps(place) for place in known],
        "asked": pyarrow.array([asked[one.asked] for one in rows]).dictionary_encode(),
        "ids": pyarrow.array([names[one.scores.ids] for one in rows]).dictionary_encode(),
        "clusters": pyarrow.array([names[one.scores.clusters] for one in rows]).dictionary_encode(),
        "values": pyarrow.LargeListArray.from_arrays(
            np.cumsum([0, *map(len, values)]), np.concatenate([[], *values])
        ),
    }
    columns |= {
        f"stamp_{place}": pyarrow.array([one.stamp[place] for one in rows], "int64") for place in range(3)
    }
    batch = pyarrow.record_batch(columns)
    buffer = io.BytesIO()
    with pyarrow.ipc.new_file(buffer, batch.schema) as writer:
        writer.write_batch(batch)
    return buffer.getvalue()


def _loaded(content: bytes | None) -> dict[tuple[str, ...], _Known]:
    if content is None:
        return {}
    batch = pyarrow.ipc.open_file(pyarrow.py_buffer(content)).get_batch(0)
    asked = [Asked(**{**one, "templates": tuple(one["templates"])}) for one in _shared(batch["asked"])]
    ids, clusters = ([one and tuple(one) for one in _shared(batch[name])] for name in ("ids", "clusters"))
    # Not by `to_numpy`, which imports pandas first.
    values = np.asarray(np.from_dlpack(batch["values"].values), dtype=np.float64)
    ends = batch["values"].offsets.to_pylist()
    places = (tuple(json.loads(place)) for place in batch["place"].to_pylist())
    stamps = zip(*(batch[f"stamp_{place}"].to_pylist() for place in range(3)), strict=True)
    codes = zip(*(batch[name].indices.to_pylist() for name in ("asked", "ids", "clusters")), strict=True)
    known = {}
    for place, stamp, (ask, names, cluster), start, end in zip(
        places, stamps, codes, ends, ends[1:], strict=False
    ):
        of_run = values[start:end].reshape(len(asked[ask].templates), -1)
        known[place] = _Known(asked[ask], stamp, RunScores(ids[names] or (), of_run, clusters[cluster]))
    return known


def _shared(column: Any) -> list[Any]:
    """What the rows of a column have in common, of which each names its own by number."""
    return [json.loads(text) for text in column.dictionary.to_pylist()]


@dataclass
class Levels:
    """Finds the levels of rank intervals, those of errors that were not met the last time; call it like
    `harness.statistics.joint_threshold`, from any thread.
    """

    cache: Cache
    folder: Path
    """The results."""

    _now: dict[str, float] = field(default_factory=dict)

    def __call__(self, errors: FloatArray) -> float:
        """Of joint errors (draws × candidates)."""
        digest = hashlib.sha256(np.ascontiguousarray(errors).data).hexdigest()
        if digest not in self._now:
            self._now[digest] = self._former[digest] if digest in self._former else joint_threshold(errors)
        return self._now[digest]

    @cached_property
    def _former(self) -> dict[str, float]:
        content = self.cache.read(LEVELS, self.folder)
        return {} if content is None else json.loads(content)

    def keep(self) -> None:
        """Keep those that were asked for."""
        self.cache.write(LEVELS, self.folder, json.dumps(self._now).encode())


class PageStamp(NamedTuple):
    """A page as it was written."""

    made_of: str
    """A digest of all that it depends on; of a file whose lines are made one by one, that of each line."""

    size: int
    modified: int
    """In nanoseconds."""


@dataclass
class FormerPages:
    """The pages of the site that is replaced: those made of the same things, and untouched since, are taken
    over. Lines of its data likewise.
    """

    folder: Path
    """Where the former site's pages lie."""

    mode: int
    """Of a file that is written now, in bits: a page that others, or more, may read is not taken over."""

    known: dict[str, PageStamp] = field(default_factory=dict)
    """By address."""

    now: dict[str, PageStamp] = field(default_factory=dict)
    """Those of the new site."""

    @classmethod
    def of(cls, folder: Path, cache: Cache, new: Path) -> "FormerPages":
        """As they were kept. `new`: the folder of the new pages."""
        content = cache.read(PAGES, folder)
        known = (
            {}
            if content is None
            else {href: PageStamp(*stamp) for href, stamp in json.loads(content).items()}
        )
        return cls(folder, _mode_in(new), known)

    def take(self, href: str, made_of: str, new: Path) -> bool:
        """Put a former page in its place in the folder of the new pages, if it is there and would come out
        the same."""
        stamp = self.known.get(href)
        if stamp is None or stamp.made_of != made_of:
            return False
        try:
            # As text, which for tens of thousands of pages is seconds faster than as paths.
            source, target = f"{self.folder}/{href}", f"{new}/{href}"
            if not _untouched(source, stamp, self.mode):
                return False
            _link(source, target)
        except OSError:
            return False
        self.now[href] = stamp
        return True

    def lines(self, href: str) -> dict[str, bytes]:
        """The lines of a former file, each by what it was made of; none where the file is not as it was
        written."""
        stamp = self.known.get(href)
        path = f"{self.folder}/{href}"
        try:
            if stamp is None or not _untouched(path, stamp, self.mode):
                return {}
            return dict(
                zip(stamp.made_of.split(), Path(path).read_bytes().splitlines(keepends=True), strict=True)
            )
        except (OSError, ValueError):
            return {}

    def add(self, href: str, stamp: PageStamp) -> None:
        """Remember a page that was written."""
        self.now[href] = stamp

    def keep(self, cache: Cache) -> None:
        """Keep what is known of the new pages for the next time."""
        cache.write(PAGES, self.folder, json.dumps(self.now).encode())


def _mode_in(folder: Path) -> int:
    """That of a file which is written there now; what it follows from, as the umask, cannot be asked for
    everywhere."""
    probe = folder / ".mode"
    probe.touch(exist_ok=False)
    mode = probe.stat().st_mode
    probe.unlink()
    return mode


def _untouched(path: str, stamp: PageStamp, mode: int) -> bool:
    """Whether a file is as it was written, and as it would be now. Raises `OSError` where there is none."""
    found = os.lstat(path)
    return (found.st_size, found.st_mtime_ns, found.st_mode) == (stamp.size, stamp.modified, mode)


def _link(source: str, target: str) -> None:
    """The same file under a second name, or a copy of it where a file cannot have two."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
