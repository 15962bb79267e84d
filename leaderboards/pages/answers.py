"""The pages of a task's test samples: the prompt, the target and what the arms of a model said, side by
side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import escape

from harness.records.scores import MetricCard
from harness.sweep.methods import Method
from harness.visible import visible
from leaderboards.gathered import Site
from leaderboards.links import samples_href, task_href
from leaderboards.pages.arms import Arm, Arms, Kind
from leaderboards.pages.grid import Pairs, Tone
from leaderboards.pages.kinds import Page
from leaderboards.text import count_of, in_units, shortened, slug

MOST_A_PAGE = 100
"""Samples on a page."""

LARGEST_PAGE = 250 * 1024
"""Bytes of the samples on a page; the rest of it is far smaller than what remains to 300 KiB."""

BYTES_A_SAMPLE = 1_600
"""Bytes of tags and short words around the texts of a sample, at most."""

LONGEST_PROMPT, LONGEST_ANSWER = 1_200, 600
"""Characters that are shown."""

NEIGHBOURS = 3
"""Pages before and after a page that it links to, besides the first and the last."""

MARKS: dict[Kind, str] = {
    "fixed": "▲",
    "broken": "▼",
    "both wrong": "✗",
    "both right": "✓",
    "better": "▲",
    "worse": "▼",
    "same": "=",
    "not scored": "○",
}
"""Each its own shape among those that stand on one page."""


@dataclass(frozen=True)
class KindMark:
    """What became of a sample, in a shape and a word."""

    word: Kind
    shape: str
    slug: str
    """In addresses."""

    count: int
    """Of all samples of the task."""


@dataclass(frozen=True)
class AnswerView:
    """What one arm said."""

    title: str
    method: Method | None
    verdict: str
    tone: Tone
    answer: str
    completion: str
    thought: str
    """What the model thought before it; empty where it did not."""

    error: str
    draws: int


@dataclass(frozen=True)
class SampleView:
    """One sample and what the arms said."""

    id: str
    place: int
    """In the data set, from 1."""

    mark: KindMark | None
    prompt: str
    prompt_title: str
    target: str
    answers: tuple[AnswerView, ...]

    @property
    def size(self) -> int:
        """Bytes it takes on a page, at most."""
        texts = [self.id, self.prompt, self.target]
        for view in self.answers:
            texts += [view.answer, view.completion, view.thought, view.error]
        return BYTES_A_SAMPLE + sum(len(escape(visible(text)).encode()) for text in texts)


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
    arms: Pairs
    """Which run each arm is."""

    marks: tuple[KindMark, ...]
    samples: tuple[SampleView, ...]
    pages: tuple[PageLink, ...]
    """Empty where there is but one."""

    previous: str
    """The page before; empty on the first."""

    next: str


def samples_pages(_site: Site, arms: Arms) -> Iterator[Page]:
    """Every test sample of a task, in the order of its data set, a hundred a page or fewer where texts are
    long."""
    task, marks = arms.task, _marks(arms)
    views = _views(arms, marks)
    shares = list(_shared_out(views))
    for number, share in enumerate(shares, start=1):
        content = SamplesPage(
            task,
            task_href(task),
            number,
            len(shares),
            _lede(arms, len(views)),
            tuple((arm.title, arm.note) for arm in arms.arms),
            tuple(mark for mark in marks.values() if mark.count),
            tuple(share),
            tuple(page_links(task, number, len(shares))),
            samples_href(task, number - 1) if number > 1 else "",
            samples_href(task, number + 1) if number < len(shares) else "",
        )
        yield Page(samples_href(task, number), content)


def sample_hrefs(arms: Arms) -> dict[str, str]:
    """Where each test sample is shown, by its id."""
    hrefs = {}
    for number, share in enumerate(_shared_out(_views(arms, _marks(arms))), start=1):
        for view in share:
            hrefs[arms.ids[view.place - 1]] = f"{samples_href(arms.task, number)}#sample-{view.place}"
    return hrefs


def _marks(arms: Arms) -> dict[Kind, KindMark]:
    """What may become of a sample, each with how many samples it became of."""
    counted = [arms.kind(sample) for sample in arms.ids]
    return {
        kind: KindMark(kind, MARKS[kind], slug(kind.replace(" ", "-")), counted.count(kind))
        for kind in arms.kinds
    }


def _views(arms: Arms, marks: dict[Kind, KindMark]) -> list[SampleView]:
    return [
        _view(arms, sample, place, marks, arms.kind(sample)) for place, sample in enumerate(arms.ids, start=1)
    ]


def _view(arms: Arms, sample: str, place: int, marks: dict[Kind, KindMark], kind: Kind | None) -> SampleView:
    prompt_arm = next(arm for arm in arms.present if sample in arm.answers)
    prediction = prompt_arm.answers[sample].sample
    metric = arms.card.metrics[arms.card.primary_metric]
    return SampleView(
        shortened(sample, LONGEST_ANSWER),
        place,
        marks[kind] if kind else None,
        shortened(prediction.prompt, LONGEST_PROMPT),
        f"Prompt, {prompt_arm.title.lower()}"
        + (f", cut by {count_of(prediction.truncated, 'token')}" if prediction.truncated else ""),
        shortened(prediction.target, LONGEST_ANSWER),
        tuple(_answer_view(arm, sample, metric) for arm in arms.present),
    )


def _answer_view(arm: Arm, sample: str, metric: MetricCard) -> AnswerView:
    answer = arm.answers.get(sample)
    if answer is None:
        return AnswerView(arm.title, arm.method, "not asked", "muted", "", "", "", "", 1)
    prediction = answer.sample
    verdict, tone = prediction.verdict, prediction.tone
    if answer.draws > 1:
        verdict = (
            "not scored"
            if answer.score is None
            else f"{in_units(metric, metric.scale.value(answer.score))} over {answer.draws} draws"
        )
        tone = "muted" if answer.score is None else ""
    answer_text, completion, thought, error = (
        shortened(text, LONGEST_ANSWER)
        for text in (prediction.answer, prediction.completion, prediction.thought, prediction.error)
    )
    return AnswerView(
        arm.title, arm.method, verdict, tone, answer_text, completion, thought, error, answer.draws
    )


def _shared_out(views: Sequence[SampleView]) -> Iterator[list[SampleView]]:
    """The samples of each page: as many as are allowed, and as fit."""
    page: list[SampleView] = []
    size = 0
    for view in views:
        if page and (len(page) == MOST_A_PAGE or size + view.size > LARGEST_PAGE):
            yield page
            page, size = [], 0
        page.append(view)
        size += view.size
    if page:
        yield page


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


def _lede(arms: Arms, samples: int) -> str:
    lede = f"{count_of(samples, 'test sample')} of {arms.model}, in the order of the data set."
    if arms.pair is None:
        return f"{lede} One arm alone was run: there is nothing to hold it against."
    base, judged = (arm.title for arm in arms.pair)
    if arms.graded:
        return f"{lede} Better, worse or same: the score of {judged} against that of {base}."
    fixed = f"Fixed: {base} is wrong and {judged} right; broken: the reverse."
    return f"{lede} {fixed} Of these runs alone, not of all seeds."
