"""What every sample of a task is called and asks, in one file, by which a script searches and orders all
pages of them."""

from collections.abc import Sequence
from itertools import chain

from harness.visible import visible
from leaderboards.pages.parts.scripts import script_call
from leaderboards.pages.samples_page.answers import SampleView
from leaderboards.text import shortened

LARGEST_INDEX = 1024 * 1024
"""Bytes, as of a file of answers."""

TEXTS = (2_400, 600, 150, 40, 0)
"""Characters of each sample's text that are searched, so that the file is no larger than `LARGEST_INDEX` if
that can be."""

LONGEST_NAME = 80
"""Characters of a sample's name in a list."""


def sample_index(pages: Sequence[Sequence[SampleView]]) -> str:
    """A script with the name of each sample, the beginning of its input, its target, and what became of
    it."""
    samples = list(chain.from_iterable(pages))
    starts = [page[0].place for page in pages]
    text = ""
    for length in TEXTS:
        text = script_call(
            "gainboardSamples", {"starts": starts, "samples": [_entry(sample, length) for sample in samples]}
        )
        if len(text) <= LARGEST_INDEX:
            break
    return text


def _entry(sample: SampleView, length: int) -> list[object]:
    """Name, text in small letters, class and gain."""
    searched = " ".join((sample.id, sample.name, sample.target, sample.input, sample.rest)).lower()
    kind = sample.mark.slug if sample.mark else ""
    return [visible(shortened(sample.name, LONGEST_NAME)), visible(searched[:length]), kind, sample.gain]
