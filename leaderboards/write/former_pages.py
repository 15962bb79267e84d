"""Pages of the former site that would come out the same are taken over, not written again."""

import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from leaderboards.write.cache import Cache

PAGES = "pages"


class PageStamp(NamedTuple):
    """A page as it was written."""

    made_of: str
    """A digest of all that it depends on; of a file whose lines are made one by one, that of each line."""

    size: int
    modified: int
    """In nanoseconds."""


@dataclass
class FormerPages:
    """The pages of the site that is replaced. Those that are made of the same things, and untouched since,
    are taken over, and so are lines of its data.
    """

    folder: Path
    """Where the former site's pages lie."""

    mode: int
    """The mode bits of a file written now; a page with other bits is not taken over."""

    former: dict[str, PageStamp] = field(default_factory=dict)
    """The replaced site's files, by address."""

    now: dict[str, PageStamp] = field(default_factory=dict)
    """The new site's files, by address."""

    @classmethod
    def of(cls, folder: Path, cache: Cache, new: Path) -> "FormerPages":
        """The pages that were kept for a folder. `new`: the folder of the new pages."""
        stamps = json.loads(cache.read(PAGES, folder) or b"{}")
        former = {href: PageStamp(*stamp) for href, stamp in stamps.items()}
        return cls(folder, _mode_in(new), former)

    def take(self, href: str, made_of: str, new: Path) -> bool:
        """Put a former page in its place in the folder of the new pages, if it is there and would come out
        the same."""
        stamp = self.former.get(href)
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
        stamp = self.former.get(href)
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
        """Keep the stamps of the new pages for the next publish."""
        cache.write(PAGES, self.folder, json.dumps(self.now).encode())


def _mode_in(folder: Path) -> int:
    """The mode of a file that is written there now. A probe, since the umask cannot be read everywhere."""
    probe = folder / ".mode"
    probe.touch(exist_ok=False)
    mode = probe.stat().st_mode
    probe.unlink()
    return mode


def _untouched(path: str, stamp: PageStamp, mode: int) -> bool:
    """Whether a file is as it was written, and as it would be now. Raises `OSError` where there is none."""
    status = os.lstat(path)
    return (status.st_size, status.st_mtime_ns, status.st_mode) == (stamp.size, stamp.modified, mode)


def _link(source: str, target: str) -> None:
    """Give a file a second name, or copy it where a file cannot have two."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
