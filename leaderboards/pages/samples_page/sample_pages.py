"""The pages of a task's test samples."""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.gathered import Site
from leaderboards.links import samples_href, task_href
from leaderboards.pages.parts.grid import Pairs
from leaderboards.pages.parts.kinds import Page
from leaderboards.pages.samples_page.answer_files import (
    answer_files,
    answers_folder,
    arms_with_answers,
    list_of_arms,
)
from leaderboards.pages.samples_page.answers import SampleView, SharedPrompt, lay_out
from leaderboards.pages.samples_page.arms import Arms, headline_baseline
from leaderboards.pages.samples_page.sample_index import sample_index
from leaderboards.pages.samples_page.strip import StripRow, sample_strip

NEIGHBOURS = 3
"""Pages before and after a page that it links to, besides the first and the last."""


@dataclass(frozen=True)
class PageLink:
    """A page of the same task; without an address it is the current one, or a gap."""

    text: str
    href: str = ""
    current: bool = False


@dataclass(frozen=True)
class SamplesPage:
    """Some test samples of a task."""

    task: str
    task_href: str
    number: int
    of: int
    lede: str
    baseline: str
    """What "fixed" is held against, and whether the board's verdict says so; empty where nothing is."""

    arms: Pairs
    """Which run each arm is."""

    shared: SharedPrompt | None
    strip: tuple[StripRow, ...]
    """A mark for each sample of the task; nothing where there is nothing to compare."""

    samples: tuple[SampleView, ...]
    pages: tuple[PageLink, ...]
    """Empty where there is but one."""

    previous: str
    """The page before; empty on the first."""

    next: str
    href_start: str
    """What the addresses of all pages begin with, up to their number."""

    answers: str
    """The folder of what any arm answered; empty where there are no two to choose from."""

    index: str
    """The file by which all pages are searched; empty where there is one page, or nothing to compare."""


def samples_pages(site: Site, arms: Arms) -> Iterator[Page]:
    """Every test sample of a task, in the order of its data set, a hundred a page or fewer where texts are
    long; and what other arms answered, which a script puts in their place."""
    task, laid_out = arms.task, lay_out(arms)
    last = len(laid_out.pages)
    choices = arms_with_answers(site, task)
    folder = answers_folder(task) if len(choices) > 1 and arms.pair else ""
    # Of all samples: once, and not again for each of thousands of pages.
    strip, starts = sample_strip(arms), [page[0].place for page in laid_out.pages]
    index = f"{answers_folder(task)}/index.js" if strip and last > 1 else ""
    for number, views in enumerate(laid_out.pages, start=1):
        content = SamplesPage(
            task,
            task_href(task),
            number,
            last,
            _lede(arms),
            _baseline_sentence(site, arms),
            tuple((arm.title, arm.note) for arm in arms.arms),
            laid_out.shared,
            strip,
            views,
            tuple(page_links(task, number, last)),
            samples_href(task, number - 1) if number > 1 else "",
            samples_href(task, number + 1) if number < last else "",
            samples_href(task).removesuffix("1.html").rpartition("/")[2],
            folder,
            index,
        )
        if number > 1:
            yield Page(samples_href(task, number), content)
            continue
        files = list_of_arms(arms, choices, starts) if folder else {}
        files |= {index: sample_index(laid_out.pages)} if index else {}
        yield Page(samples_href(task, number), content, files, answer_files(arms, choices) if folder else ())


def page_links(task: str, number: int, last: int) -> Iterator[PageLink]:
    """The first and the last page, and those around this one."""
    if last == 1:
        return
    former = 0
    for page in range(1, last + 1):
        if page not in (1, last) and abs(page - number) > NEIGHBOURS:
            continue
        if page > former + 1:
            yield PageLink("…")
        if page == number:
            yield PageLink(str(page), current=True)
        else:
            yield PageLink(str(page), samples_href(task, page))
        former = page


OF_PARTS = (
    "A sample’s score is its part of the whole score. It counts as changed where it moved by more than the "
    "whole did."
)
"""Of a corpus metric; static/arms.js says it, too."""


def _lede(arms: Arms) -> str:
    lede = f"{count_of(len(arms.ids), 'test sample')} of {arms.model}, in the order of the data set."
    if arms.pair is None:
        return f"{lede} Only one arm was run: there is nothing to compare it with."
    base, judged = (arm.title for arm in arms.pair)
    if arms.graded:
        meaning = f"Better, worse or same: the mean score of {judged} against that of {base}."
        return f"{lede} {meaning}{f' {OF_PARTS}' if arms.of_parts else ''}"
    fixed = f"Fixed: {base} is wrong and {judged} is right; broken: the reverse."
    return f"{lede} {fixed} Right means right in most seeds and wordings."


def _baseline_sentence(site: Site, arms: Arms) -> str:
    """Whether what samples are held against here is what the board's verdict compares with."""
    baseline = headline_baseline(site)
    if arms.pair is None or baseline is None or arms.pair[0].row is None:
        return ""
    if arms.pair[0].row.key == baseline.key:
        return f"{baseline.label} is also the baseline of the board’s verdict."
    return f"The baseline of the board’s verdict is {baseline.label}."
