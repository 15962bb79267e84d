"""The confidence levels of rank intervals, which take long to find, remembered from publish to publish."""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.statistics import joint_threshold
from leaderboards.write.cache import Cache

LEVELS = "levels"


@dataclass
class IntervalLevels:
    """Finds the confidence levels of rank intervals, and remembers those that a former publish found.

    Call it like `harness.statistics.joint_threshold`, from any thread.
    """

    cache: Cache
    folder: Path
    """The results."""

    _now: dict[str, float] = field(default_factory=dict)

    def __call__(self, errors: NDArray[np.floating[Any]]) -> float:
        """The level for joint errors (draws × candidates)."""
        digest = hashlib.sha256(np.ascontiguousarray(errors).data).hexdigest()
        if digest not in self._now:
            self._now[digest] = self._former[digest] if digest in self._former else joint_threshold(errors)
        return self._now[digest]

    @cached_property
    def _former(self) -> dict[str, float]:
        content = self.cache.read(LEVELS, self.folder)
        return {} if content is None else json.loads(content)

    def keep(self) -> None:
        """Keep the levels of this publish for the next."""
        self.cache.write(LEVELS, self.folder, json.dumps(self._now).encode())
