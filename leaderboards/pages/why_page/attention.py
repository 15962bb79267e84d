"""The part of the page that says what answers look at:
attention by layer, and what the answer loses without each part."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.records.analysis.attention import ArmLook, AttentionRecord, SegmentLook, TintedSample, TokenLook
from harness.records.analysis.record import AnalysisRecord
from leaderboards.chart.looks import looks_map
from leaderboards.chart.matrix import Matrix
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Tone
from leaderboards.pages.why_page.boundary import cost_of_passes
from leaderboards.pages.why_page.links import LONGEST_ID, SampleLinks
from leaderboards.pages.why_page.sections import short, title_of
from leaderboards.text import MINUS, points, shortened

INSTRUCTION = "instruction"
ALIKE, PARTLY_ALIKE = 0.7, 0.4
"""Rank correlations from which two measures order tokens alike."""

MUCH, LITTLE = math.log(2), 0.05
"""Natural logarithms: an answer that loses so much is half as likely; so little is next to nothing."""

TINTS = 6
"""Shades of a token."""

MEASURES = {"attention": "looked at", "occlusion": "missed when hidden", "gradient": "gradient × input"}


@dataclass(frozen=True)
class AnsweredQuestion:
    """A question that people ask, with what was measured as its answer."""

    title: str
    answer: str


@dataclass(frozen=True)
class LooksView:
    """The map of one arm."""

    title: str
    map: Matrix


@dataclass(frozen=True)
class TintedToken:
    """A token with its shade."""

    text: str
    tint: str
    """A class of the style sheet; empty for none."""


@dataclass(frozen=True)
class TintedLine:
    """A prompt in the shades of one measure."""

    title: str
    tokens: tuple[TintedToken, ...]


@dataclass(frozen=True)
class TintedView:
    """A sample, token by token."""

    sample: str
    href: str
    target: str
    lines: tuple[TintedLine, ...]


@dataclass(frozen=True)
class AttentionSection:
    """What answers look at."""

    trust: str
    """Which of the measures to believe."""

    questions: tuple[AnsweredQuestion, ...]
    maps: tuple[LooksView, ...]
    grid: Grid
    tinted: tuple[TintedView, ...]
    cost: str


def attention_section(record: AnalysisRecord, links: SampleLinks) -> AttentionSection | None:
    """None where nothing was read."""
    attention = record.attention
    if attention is None:
        return None
    looks = attention.arms
    maps = [
        LooksView(title, drawn)
        for look in looks
        if (drawn := looks_map(look, title := title_of(look.arm))) is not None
    ]
    return AttentionSection(
        _trust(looks[-1]),
        tuple(_questions(attention)),
        tuple(maps),
        _grid(looks),
        tuple(_tinted(sample, links) for sample in attention.samples),
        cost_of_passes(record.attention_passes, None),
    )


def _trust(look: ArmLook) -> str:
    found = next(
        (each for each in look.agreements if (each.first, each.second) == ("attention", "occlusion")), None
    )
    if found is None:
        return "Believe what the answer loses without a part: attention says where it looks, not why."
    how = "hardly"
    if found.correlation >= PARTLY_ALIKE:
        how = "much" if found.correlation >= ALIKE else "partly"
    return (
        f"Attention and what the answer loses order the tokens of a prompt {how} alike (rank correlation "
        f"{found.correlation:.2f}, mean of {found.n} samples). Where they differ, believe the loss: it is "
        "what happens to the answer when a part is gone. Attention says where it looks, not why."
    )


def _questions(attention: AttentionRecord) -> Iterator[AnsweredQuestion]:
    looks = attention.arms
    judged = looks[-1]
    instructed = [(look, found) for look in looks if (found := _segment(look, INSTRUCTION)) is not None]
    if instructed:
        told = [f"{title_of(look.arm)}: {_how_much(found)}" for look, found in instructed]
        yield AnsweredQuestion("Does it read the instruction?", f"{'; '.join(told)}.")
    if judged.segments:
        yield AnsweredQuestion("Which part decides?", _deciding(judged))
    for look in looks:
        if look.copied is not None and look.copied_by_chance is not None:
            yield AnsweredQuestion(
                "Does it copy the last example?",
                f"{title_of(look.arm)} gives the answer of the last example in {points(look.copied)} % of "
                f"the samples; by chance it would in {points(look.copied_by_chance)} %.",
            )


def _deciding(look: ArmLook) -> str:
    most = max(look.segments, key=lambda segment: segment.lost)
    if most.lost_low < LITTLE:
        return f"{title_of(look.arm)}: no part by itself; {_without(most, 'without the ' + _part(most))}."
    answer = f"{title_of(look.arm)}: the {_part(most)}; {_without(most)}."
    seen = [segment for segment in look.segments if segment.attention is not None]
    looked_at = max(seen, key=lambda segment: segment.attention or 0.0, default=None)
    if looked_at is not None and looked_at.name != most.name:
        answer += f" What it looks at most is the {_part(looked_at)}."
    return answer


def _part(segment: SegmentLook) -> str:
    """`text field` of `{text}`."""
    name = shortened(segment.name, LONGEST_ID)
    return f"{name[1:-1]} field" if name.startswith("{") and name.endswith("}") else name


def _segment(look: ArmLook, name: str) -> SegmentLook | None:
    return next((segment for segment in look.segments if segment.name == name), None)


def _how_much(segment: SegmentLook) -> str:
    if max(-segment.lost_low, segment.lost_high) < LITTLE:
        word = "hardly"
    elif segment.lost_low > MUCH:
        word = "yes"
    elif segment.lost_high < 0:
        word = "it speaks against the right answer"
    else:
        word = "a little" if segment.lost_low > 0 else "not shown"
    return f"{word} ({_without(segment)})"


def _without(segment: SegmentLook, without: str = "without it") -> str:
    """The right answer's probability without a part, as a multiple of what it was."""
    times, low, high = (_times(lost) for lost in (segment.lost, segment.lost_high, segment.lost_low))
    return f"a right answer is {times} times as likely {without}, 95 % interval {low} to {high}"


def _times(lost: float) -> str:
    if abs(lost) > math.log(1000):
        return "under 0.001" if lost > 0 else "over 1,000"
    times = math.exp(-lost)
    return f"{times:.2g}" if times < 0.995 or times >= 9.95 else f"{times:.1f}"


def _grid(looks: Sequence[ArmLook]) -> Grid:
    columns = (
        Column("Part", text=True),
        Column("Tokens", "Share of the prompt’s tokens."),
        Column("Looked at", "Share of the attention through all layers."),
        Column(
            "Lost without it",
            "By how much the natural logarithm of the right answer’s probability falls, on average, with its "
            "95 % interval.",
        ),
        Column("Head that looks most", "The one of all heads that looks at it most.", narrow=False),
    )
    lines = [
        GridRow(Head(title_of(look.arm)), _items(look, segment))
        for look in looks
        for segment in look.segments
    ]
    return Grid("What the right answer depends on", Column("Arm"), columns, tuple(lines))


def _items(look: ArmLook, segment: SegmentLook) -> tuple[Item, ...]:
    head = next((each for each in look.most_of if each.segment == segment.name), None)
    tone: Tone = "good" if segment.lost_low > 0 else "muted"
    return (
        Item(shortened(segment.name, LONGEST_ID)),
        Item(f"{points(segment.tokens)} %", sort=segment.tokens),
        Item()
        if segment.attention is None
        else Item(f"{points(segment.attention)} %", sort=segment.attention),
        Item(
            _nats(segment.lost),
            f"{_nats(segment.lost_low)} to {_nats(segment.lost_high)}",
            sort=segment.lost,
            tone=tone,
        ),
        Item()
        if head is None
        else Item(
            f"layer {head.layer + 1}, head {head.head + 1}", f"{points(head.share)} %", sort=head.share
        ),
    )


def _nats(lost: float) -> str:
    """With a true minus, and none before zero."""
    digits = f"{abs(lost):.2f}"
    return f"{MINUS}{digits}" if lost < 0 and float(digits) else digits


def _tinted(sample: TintedSample, links: SampleLinks) -> TintedView:
    lines = [
        TintedLine(f"{title_of(look.arm)}: {MEASURES[name]}", _tokens(sample.tokens, numbers))
        for look in sample.arms
        for name, numbers in _measured(look)
        if len(numbers) == len(sample.tokens)
    ]
    return TintedView(
        shortened(sample.sample, LONGEST_ID),
        links.hrefs.get(sample.sample, ""),
        short(sample.target),
        tuple(lines),
    )


def _measured(look: TokenLook) -> Iterator[tuple[str, Sequence[float]]]:
    yield "attention", (*look.attention[:-1], 0.0) if look.attention else ()  # half of the last is its own
    yield "occlusion", look.occlusion
    yield "gradient", look.gradient


def _tokens(texts: Sequence[str], numbers: Sequence[float]) -> tuple[TintedToken, ...]:
    largest = max(map(abs, numbers), default=0.0)
    return tuple(
        TintedToken(text, _tint(number / largest if largest else 0.0))
        for text, number in zip(texts, numbers, strict=True)
    )


def _tint(share: float) -> str:
    """Of a number, as a share of the largest one: what speaks for the answer and against it."""
    level = math.ceil(TINTS * abs(share) - 0.5)
    return f"tint {'for' if share > 0 else 'against'}-{level}" if level > 0 else ""
