"""A task's test samples as pages show them: the input, the target and what the arms of a model said, side by
side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from markupsafe import escape

from harness.counts import count_of
from harness.records.prompts import PromptParts, prompt_parts
from harness.records.scores import TaskCard
from harness.sweep.methods import Method
from harness.visible import visible
from leaderboards.links import samples_href
from leaderboards.pages.parts.grid import Tone
from leaderboards.pages.parts.stamps import answers_per_sample, stamp_of
from leaderboards.pages.samples_page.answer_files import LONGEST_ANSWER
from leaderboards.pages.samples_page.arms import Arm, Arms
from leaderboards.rank.changes import SampleChange
from leaderboards.text import opening, shortened, slug

MOST_A_PAGE = 100
"""Samples on a page."""

LARGEST_PAGE = 220 * 1024
"""Bytes of the samples on a page; the rest of it is smaller than what remains to 300 KiB."""

BYTES_A_SAMPLE, BYTES_AN_ANSWER, BYTES_BESIDES = 500, 340, 70
"""Bytes of tags and short words around a sample, around each answer to it, and around each text besides an
answer, at most."""

OPEN_INPUT, LONGEST_INPUT = 400, 2_400
"""Characters of an input that are shown at once, and in all."""

LONGEST_WORD = 40
"""Characters by which less of a long input is shown at once, so that no word is cut."""

LONGEST_SHARED = 600
"""Characters of what the prompts of all samples share, before and after the input."""

LONGEST_TITLE = 100
"""Characters of the first words that a sample is called by."""

MARKS: dict[SampleChange, str] = {
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
class ChangeMark:
    """What became of a sample, in a shape and a word."""

    word: SampleChange
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
    """By all seeds and wordings."""

    tone: Tone
    aside: str
    """How the answer that is shown differs from that; empty where it does not."""

    answer: str
    completion: str
    thought: str
    """What the model thought before it; empty where it did not."""

    error: str
    draws: int

    @property
    def besides(self) -> tuple[str, ...]:
        """What is shown besides the answer; some may be empty."""
        return self.completion, self.thought, self.error


@dataclass(frozen=True)
class SampleView:
    """One sample and what the arms said."""

    id: str
    place: int
    """In the data set, from 1."""

    mark: ChangeMark | None
    gain: float
    """Of its score, from −1 to 1."""

    title: str
    """The first words of the input; empty where all inputs are the same."""

    input: str
    """What its prompt has that others lack, as far as it is shown at once; empty where the title says it
    all."""

    rest: str
    """More of it."""

    note: str
    """What was cut off the prompt; empty where nothing was."""

    target: str
    answers: tuple[AnswerView, ...]

    @property
    def name(self) -> str:
        """What it is called: by its first words, or else by its id."""
        return self.title or self.id

    @property
    def size(self) -> int:
        """Bytes it takes on a page, at most."""
        texts = [self.id, self.title, self.input, self.rest, self.target]
        texts += [view.answer for view in self.answers]
        besides = [text for view in self.answers for text in view.besides if text]
        filled = [escape(visible(text)).encode() for text in (*texts, *besides)]
        tags = BYTES_A_SAMPLE + BYTES_AN_ANSWER * len(self.answers) + BYTES_BESIDES * len(besides)
        return tags + sum(map(len, filled))


@dataclass(frozen=True)
class SharedPrompt:
    """What the prompts of all samples have in common."""

    arm: str
    """Whose prompts they are."""

    before: str
    after: str
    whole: bool
    """Whether it is the whole prompt, since all samples have the same."""


@dataclass(frozen=True)
class LaidOut:
    """All samples of a task, page by page."""

    shared: SharedPrompt | None
    marks: dict[SampleChange, ChangeMark]
    pages: tuple[tuple[SampleView, ...], ...]


def sample_hrefs(arms: Arms) -> dict[str, str]:
    """Where each test sample is shown, by its id."""
    return {
        arms.ids[view.place - 1]: sample_href(arms.task, number, view.place)
        for number, page in enumerate(lay_out(arms).pages, start=1)
        for view in page
    }


def sample_href(task: str, number: int, place: int) -> str:
    """Where a sample is shown: by its page and its place in the data set."""
    return f"{samples_href(task, number)}#sample-{place}"


@lru_cache(maxsize=1)
def lay_out(arms: Arms) -> LaidOut:
    """The samples of a task on their pages. The pages of a task, of its samples and of why read it."""
    marks = _marks(arms)
    parts = _prompt_parts(arms)
    views = [
        _view(arms, sample, place, marks, own)
        for place, (sample, own) in enumerate(zip(arms.ids, parts.own, strict=True), start=1)
    ]
    return LaidOut(_shared_prompt(arms, parts), marks, tuple(_shared_out(views)))


def _marks(arms: Arms) -> dict[SampleChange, ChangeMark]:
    """What may become of a sample, each with how many samples it became of."""
    changes = [arms.change(sample) for sample in arms.ids]
    return {
        change: ChangeMark(change, MARKS[change], slug(change.replace(" ", "-")), changes.count(change))
        for change in arms.changes
    }


def _prompt_parts(arms: Arms) -> PromptParts:
    """The prompts of the first arm, the one without demonstrations where there is one."""
    first = arms.present[0].answers if arms.present else {}
    return prompt_parts([first[sample].sample.prompt if sample in first else None for sample in arms.ids])


def _shared_prompt(arms: Arms, parts: PromptParts) -> SharedPrompt | None:
    before, after = (shortened(text.strip(), LONGEST_SHARED) for text in (parts.before, parts.after))
    if not before and not after:
        return None
    return SharedPrompt(arms.present[0].title, before, after, not any(parts.own))


def _view(arms: Arms, sample: str, place: int, marks: dict[SampleChange, ChangeMark], own: str) -> SampleView:
    prediction = next(arm.answers[sample].sample for arm in arms.present if sample in arm.answers)
    change = arms.change(sample)
    title = opening(own, LONGEST_TITLE)
    shown, rest = _opened(shortened(own, LONGEST_INPUT))
    return SampleView(
        shortened(sample, LONGEST_ANSWER),
        place,
        marks[change] if change else None,
        arms.gain(sample),
        title,
        "" if shown == title else shown,
        rest,
        f"{count_of(prediction.truncated, 'token')} cut off the prompt" if prediction.truncated else "",
        shortened(prediction.target, LONGEST_ANSWER),
        tuple(_answer_view(arms.card, arm, sample) for arm in arms.present),
    )


def _opened(text: str) -> tuple[str, str]:
    """What of an input is shown at once, up to the end of a word, and what more of it there is."""
    if len(text) <= OPEN_INPUT:
        return text, ""
    end = max(text.rfind(space, OPEN_INPUT - LONGEST_WORD, OPEN_INPUT) for space in " \n")
    end = OPEN_INPUT if end < 0 else end
    return text[:end], text[end:]


def _answer_view(card: TaskCard, arm: Arm, sample: str) -> AnswerView:
    answer = arm.answers.get(sample)
    if answer is None or arm.row is None:
        return AnswerView(arm.title, arm.method, "not asked", "muted", "", "", "", "", "", 1)
    prediction = answer.sample
    overall = stamp_of(card, arm.scores.get(sample), answers_per_sample(arm.row.cells[card.name]))
    shown = stamp_of(card, prediction.score)
    differs = card.binary and overall.tone != shown.tone and "muted" not in (overall.tone, shown.tone)
    texts = (prediction.answer, prediction.completion, prediction.thought, prediction.error)
    answer_text, completion, thought, error = (shortened(text, LONGEST_ANSWER) for text in texts)
    aside = f"this one is {shown.text}" if differs else ""
    return AnswerView(
        arm.title, arm.method, *overall, aside, answer_text, completion, thought, error, answer.draws
    )


def _shared_out(views: Sequence[SampleView]) -> Iterator[tuple[SampleView, ...]]:
    """The samples of each page: as many as are allowed, and as fit."""
    page: list[SampleView] = []
    size = 0
    for view in views:
        bytes_of_view = view.size
        if page and (len(page) == MOST_A_PAGE or size + bytes_of_view > LARGEST_PAGE):
            yield tuple(page)
            page, size = [], 0
        page.append(view)
        size += bytes_of_view
    if page:
        yield tuple(page)
