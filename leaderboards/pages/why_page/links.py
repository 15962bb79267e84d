"""Links to the samples that an analysis names."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from leaderboards.pages.parts.grid import Item
from leaderboards.text import shortened

LONGEST_ID = 60
"""Characters of a sample's name."""


@dataclass(frozen=True)
class SampleLinks:
    """Where each sample of a task is shown."""

    hrefs: Mapping[str, str]
    """By id; none of a sample that no page shows."""

    def of(self, samples: Iterable[str]) -> tuple[tuple[str, str], ...]:
        """Each sample's name as a page shows it, and where it is; empty where no page has it."""
        return tuple((shortened(sample, LONGEST_ID), self.hrefs.get(sample, "")) for sample in samples)

    def item(self, samples: Iterable[str]) -> Item:
        """Links to those that some page shows; of others the names."""
        pairs = self.of(samples)
        linked = tuple((text, href) for text, href in pairs if href)
        return Item(links=linked) if linked else Item(", ".join(text for text, _ in pairs) or "–")
