"""Keep weights in a place that all nodes of a cluster see: a folder, or any address that fsspec takes.

Below it lies what `work/` has of a training: `trained/<key>/weights/`, `weights.probes.json` and, written
last, `weights.seal.json`, whose existence means that all is there. `checkpoints/` holds those of a training
that is not done. What is damaged is refused by its seal, and made again.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from harness.errors import UserError, one_line
from harness.records.damaged import put_aside
from harness.records.probes import probes_beside
from harness.records.sealed import check_seal, seal_beside
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.model_files import TRAINING
from harness.workers.jobs import FitJob
from harness.workers.listener import Listener, Note

SECONDS_BETWEEN_LOOKS = 5.0
"""For new checkpoints."""

_PROGRESS, _SPENT = "progress.json", "spent.json"
"""Files of a training's checkpoints: the one whose existence means that a checkpoint is
whole, and what all starts took."""


class WeightsStorage:
    """A folder of a file system that fsspec knows."""

    def __init__(self, address: str) -> None:
        """Raises `UserError` where nothing can reach it."""
        self.address = address.rstrip("/")
        _check_address(address)
        with self._naming_faults("cannot be reached"):
            import fsspec

            self._files, root = fsspec.core.url_to_fs(self.address)
        self._root = PurePosixPath(root)
        self._looked = 0.0

    def check(self) -> None:
        """Raise `UserError` unless files can be written there, read and removed."""
        path = self._root / f".gainboard-{os.getpid()}-{time.time_ns()}"
        with self._naming_faults("cannot be written"):
            self._files.makedirs(str(self._root), exist_ok=True)
            self._files.pipe_file(str(path), b"gainboard")
            written = self._files.cat_file(str(path))
            self._files.rm_file(str(path))
        if written != b"gainboard":
            raise UserError(f"--storage-path {self.address} does not give back what was written")

    def leave(self, token: str) -> None:
        """Leave a mark that others look for."""
        with self._naming_faults("cannot be written"):
            self._files.pipe_file(str(self._root / token), b"")

    def remove(self, token: str) -> None:
        """Remove the mark."""
        with self._naming_faults("cannot be written"):
            self._files.rm_file(str(self._root / token))

    def sees(self, token: str) -> bool:
        """Whether the mark is there: whether this is the place that its maker means."""
        with self._naming_faults("cannot be read"):
            self._files.invalidate_cache()
            return bool(self._files.exists(str(self._root / token)))

    # Weights

    def weights_at(self, fit: FitJob) -> str:
        """The address of a training's weights."""
        return f"{self.address}/trained/{fit.key}/weights"

    def keep(self, fit: FitJob) -> None:
        """Put weights there that are whole. Raises `UserError` where that fails."""
        folder = self._folder(fit)
        with self._naming_faults("cannot be written"):
            self._put_folder(fit.weights, folder / "weights")
            for path in (probes_beside(fit.weights), seal_beside(fit.weights)):
                if path.exists():
                    self._files.put_file(str(path), str(folder / path.name))
            if self._files.exists(str(self._checkpoints(fit))):
                self._files.rm(str(self._checkpoints(fit)), recursive=True)

    def fetch(self, fit: FitJob, tell: Listener) -> bool:
        """Lay out weights that are kept, with what belongs to them; False where there are none, or damaged
        ones. Without them a later checkpoint than any that is here."""
        folder = self._folder(fit)
        seal, probes = seal_beside(fit.weights), probes_beside(fit.weights)
        with self._naming_faults("cannot be read"):
            self._files.invalidate_cache()
            if not self._files.exists(str(folder / seal.name)):
                self._fetch_checkpoints(fit)
                return False
            unfinished = fit.weights.with_name(f".{fit.weights.name}.{os.getpid()}.tmp")
            shutil.rmtree(unfinished, ignore_errors=True)
            self._get_folder(folder / "weights", unfinished)
            for path in (probes, seal):
                if self._files.exists(str(folder / path.name)):
                    self._files.get_file(str(folder / path.name), str(path))
        unfinished.rename(fit.weights)
        try:
            check_seal(fit.weights)
        except UserError as fault:
            tell(Note(f"{fit.label}: {put_aside(fit.weights, fault)}"))
            return False
        if not fit.record.exists():
            record = read_record(fit.weights / TRAINING, TrainingRecord)
            write_record(fit.record, record.model_copy(update={"weights_at": self.weights_at(fit)}))
        return True

    # Checkpoints

    def keep_checkpoints(self, fits: Iterable[FitJob], tell: Listener, *, now: bool = False) -> None:
        """Put there what trainings under way have saved since. Called often, it looks now and then, unless
        `now` is said."""
        if time.monotonic() - self._looked < SECONDS_BETWEEN_LOOKS and not now:
            return
        for fit in fits:
            try:
                with self._naming_faults("cannot be written"):
                    self._keep_checkpoints(fit)
            except UserError as fault:
                tell(Note(f"{fit.label}: its checkpoints stay on their node: {fault}"))
        self._looked = time.monotonic()

    def _keep_checkpoints(self, fit: FitJob) -> None:
        place = self._checkpoints(fit)
        saved = {path.parent.name for path in fit.checkpoints.glob(f"checkpoint-*/{_PROGRESS}")}
        if not saved:
            return
        stored = self._names_of_whole(place)
        for name in sorted(saved - stored):
            try:
                self._put_folder(fit.checkpoints / name, place / name, last=_PROGRESS)
            except FileNotFoundError:  # the training has removed it meanwhile, its seal first
                continue
        spent = fit.checkpoints / _SPENT
        if spent.exists() and saved - stored:
            self._files.put_file(str(spent), str(place / _SPENT))
        for name in sorted(stored - saved):
            self._files.rm(str(place / name), recursive=True)

    def _fetch_checkpoints(self, fit: FitJob) -> None:
        place = self._checkpoints(fit)
        if any(fit.checkpoints.glob(f"checkpoint-*/{_PROGRESS}")):
            return
        for name in sorted(self._names_of_whole(place)):
            self._get_folder(place / name, fit.checkpoints / name, last=_PROGRESS)
        if self._files.exists(str(place / _SPENT)) and not (fit.checkpoints / _SPENT).exists():
            fit.checkpoints.mkdir(parents=True, exist_ok=True)
            self._files.get_file(str(place / _SPENT), str(fit.checkpoints / _SPENT))

    def _names_of_whole(self, place: PurePosixPath) -> set[str]:
        """The checkpoints below a folder of the storage that have their seal."""
        return {
            PurePosixPath(path).parent.name
            for path in self._files.glob(str(place / "checkpoint-*" / _PROGRESS))
        }

    # Files

    def _folder(self, fit: FitJob) -> PurePosixPath:
        return self._root / "trained" / fit.key

    def _checkpoints(self, fit: FitJob) -> PurePosixPath:
        """As in `work/`, the rungs of a search go on in one place."""
        return self._root / "trained" / fit.checkpoints.parent.name / "checkpoints"

    def _put_folder(self, folder: Path, place: PurePosixPath, *, last: str = TRAINING) -> None:
        self._files.makedirs(str(place), exist_ok=True)
        for path in _last_named(folder.iterdir(), last):
            if path.is_file():
                self._files.put_file(str(path), str(place / path.name))

    def _get_folder(self, place: PurePosixPath, folder: Path, *, last: str = TRAINING) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for path in _last_named(map(PurePosixPath, self._files.find(str(place))), last):
            self._files.get_file(str(path), str(folder / path.name))

    @contextmanager
    def _naming_faults(self, what: str) -> Iterator[None]:
        """Let whatever a file system raises be one sentence."""
        try:
            yield
        except UserError:
            raise
        except ImportError as error:
            raise UserError(
                f"--storage-path {self.address} needs a package that is not installed: {one_line(error)}"
            ) from None
        except Exception as error:  # each of fsspec's file systems has errors of its own
            raise UserError(
                f"--storage-path {self.address} {what}: {one_line(error)}; name a folder that every node "
                "sees, or an address that fsspec takes and that you may write to"
            ) from None


def _check_address(address: str) -> None:
    """Raise `UserError` for an address that must not be recorded, or that no other process sees."""
    parts = urlsplit(address) if "://" in address else None
    if parts is not None and "@" in parts.netloc:
        raise UserError(
            "--storage-path holds a user name, or a password, before its '@', which would stand in every "
            "record; leave it out, and give it in the environment as the file system's own library reads it"
        )
    if parts is None and not Path(address).is_absolute():
        raise UserError(f"--storage-path {address} is not absolute: nodes would look for it elsewhere")


def _last_named(paths: Iterable[Any], name: str) -> list[Any]:
    """Sorted, with the file of a name at the end."""
    return sorted(paths, key=lambda path: (path.name == name, path.name))
