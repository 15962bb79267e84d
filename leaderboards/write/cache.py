"""What one publish leaves in the user's cache folder for the next.

Each thing lies in a file of its own that begins with a checksum of the rest. A file that is missing, damaged,
of another version or of something else counts as empty, and one that cannot be written is not: the pages are
the same without, and take longer.
"""

import hashlib
import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path

import harness
from harness.records.store import atomic_write

MOST_KEPT = 20
"""Files in the cache folder, unless one publish needs more; those that were written longest ago go first."""


@dataclass(frozen=True)
class Cache:
    """Files that are kept for the next publish."""

    folder: Path | None
    """In the user's cache; None where nothing is to be kept."""

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
        """Keep content of a kind for a folder, if that can be done."""
        if self.folder is None:
            return
        path = self._path(self.folder, kind, of)
        self._used.add(path)
        with suppress(OSError):
            with atomic_write(path, "wb") as stream:
                stream.write(_checksum(path.name, content) + b"\n" + content)
            oldest_first = sorted(path.parent.iterdir(), key=lambda file: file.stat().st_mtime_ns)
            for old in oldest_first[:-MOST_KEPT]:
                if old not in self._used:
                    old.unlink()

    @staticmethod
    def _path(folder: Path, kind: str, of: Path) -> Path:
        return folder / "publish" / f"{hashlib.sha256(os.fsencode(of.resolve())).hexdigest()[:16]}.{kind}"


def _checksum(name: str, content: bytes) -> bytes:
    """Over the content, the name of its file, and the version of the code: only the code that wrote a file
    reads it."""
    return hashlib.sha256(f"{code_version()} {name}\n".encode() + content).hexdigest().encode()


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
