"""A mark for each test sample of a task, by what tuning made of it:
all of them in one picture, each a link."""

from dataclasses import dataclass

from markupsafe import escape

from harness.visible import visible
from leaderboards.links import samples_href
from leaderboards.pages.samples_page.answers import ChangeMark, SampleView, lay_out, sample_href
from leaderboards.pages.samples_page.arms import Arms
from leaderboards.text import opening

MOST_MARKS = 60
"""Marks of one kind; the first page of samples leads to all."""

LONGEST_NAME = 40
"""Characters of a sample's name where a pointer rests on its mark."""

LARGEST_NAMES = 30 * 1024
"""Bytes of all these names; where they are more, marks have numbers alone."""


@dataclass(frozen=True)
class StripMark:
    """One sample."""

    href: str
    title: str


@dataclass(frozen=True)
class StripRow:
    """The samples of one kind."""

    mark: ChangeMark
    href: str
    """Where all of them are shown."""

    marks: tuple[StripMark, ...]
    """Of graded samples, those that changed most come first."""

    more: int
    """Samples that have no mark."""


def sample_strip(arms: Arms) -> tuple[StripRow, ...]:
    """Every kind that occurs, with its samples; nothing where there is nothing to compare."""
    laid_out = lay_out(arms)
    by_kind: dict[str, list[tuple[int, SampleView]]] = {}
    for number, page in enumerate(laid_out.pages, start=1):
        for view in page:
            if view.mark is not None:
                by_kind.setdefault(view.mark.slug, []).append((number, view))
    views = [view for samples in by_kind.values() for _, view in samples[:MOST_MARKS]]
    named = sum(len(escape(_name(view)).encode()) for view in views) <= LARGEST_NAMES
    rows = []
    for mark in laid_out.marks.values():
        samples = by_kind.get(mark.slug, [])
        samples.sort(key=lambda sample: (-abs(sample[1].gain) if arms.graded else 0.0, sample[1].place))
        marks = tuple(_mark(arms.task, number, view, named) for number, view in samples[:MOST_MARKS])
        if marks:
            href = f"{samples_href(arms.task)}#{mark.slug}"
            rows.append(StripRow(mark, href, marks, len(samples) - len(marks)))
    return tuple(rows)


def _mark(task: str, number: int, view: SampleView, named: bool) -> StripMark:
    title = f"{view.place}: {_name(view)}" if named else f"{view.place}"
    return StripMark(sample_href(task, number, view.place), title)


def _name(view: SampleView) -> str:
    return visible(opening(view.name, LONGEST_NAME))
