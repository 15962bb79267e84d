"""The parts of the page that says why: each a picture with the table below it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.counts import count_of
from harness.records.analysis.errors import ERROR_KINDS, ConfusionRecord, ErrorKinds, LabelErrors, SliceRecord
from harness.records.analysis.record import AnalysisRecord, TableRecord
from harness.records.analysis.span import Span
from harness.statistics import Estimate
from harness.sweep.methods import METHOD_TABLE, Method
from leaderboards.chart.forest import Forest, forest, gain_forest
from leaderboards.chart.matrix import Count, Matrix, matrix
from leaderboards.chart.stacked import StackedBars, stacked_bars
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Tone
from leaderboards.pages.parts.heads import METHOD_TITLES
from leaderboards.pages.why_page.links import SampleLinks
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.text import MISSING, POINTS, Unit, interval, p_value, shortened

DRAWN_SLICES, LISTED_SLICES = 16, 40
DRAWN_LABELS = 12
LISTED_SUSPECTS = 100
LONGEST_NAME = 34
"""Letters of a slice's name beside its interval."""

LONGEST_TEXT = 80
"""Characters of a label or an answer in a table."""


@dataclass(frozen=True)
class Section:
    """A picture and its table."""

    lede: str
    grid: Grid
    forest: Forest | None = None


@dataclass(frozen=True)
class KindsSection:
    """In which way answers are wrong."""

    bars: StackedBars
    grid: Grid


@dataclass(frozen=True)
class ConfusedPair:
    """Samples of one label that were answered with another: a row of a table, which the matrix leads to."""

    anchor: str
    target: str
    answer: str
    count: int
    p: str
    clear: bool
    """Whether it is more than chance."""

    links: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ConfusionView:
    """Which labels an arm mixes up."""

    title: str
    matrix: Matrix | None
    """None of more labels than can be drawn."""

    pairs: tuple[ConfusedPair, ...]


@dataclass(frozen=True)
class LabelsSection:
    """Probable label errors."""

    lede: str
    grid: Grid
    scores: Grid | None


def title_of(arm: str) -> str:
    """An arm as pages call it."""
    method = method_of(arm)
    return arm if method is None else METHOD_TITLES[method]


def method_of(arm: str) -> Method | None:
    """The method that an arm is named after; None for one that is not known here."""
    return next((method for method in METHOD_TABLE if method == arm), None)


def estimate_of(span: Span) -> Estimate:
    """A recorded mean as charts and tables take it."""
    low, high = min(span.low, span.value), max(span.high, span.value)
    return Estimate(span.value, None, low, high, span.n, 1)


def short(text: str) -> str:
    """A label or an answer in a table; nothing at all is said to be so."""
    return shortened(" ".join(text.split()), LONGEST_TEXT) or "(nothing)"


# Slices and wordings


def slices_section(record: AnalysisRecord, links: SampleLinks, unit: Unit) -> Section | None:
    """Score and gain on samples that have something in common; None without any."""
    if not record.slices:
        return None
    against = f"gain over {title_of(record.reference).lower()}" if record.reference else "score"
    named = sum(_is_named(sample_slice) for sample_slice in record.slices)
    lede = (
        f"The {len(record.slices[:LISTED_SLICES])} clearest of {count_of(len(record.slices), 'slice')} of "
        f"the test samples, drawn by {against}. • marks the {named} whose score or gain differs from that of "
        "all other samples by more than chance, corrected for all slices."
        if named
        else f"{count_of(len(record.slices), 'slice')} of the test samples, drawn by {against}. None differs "
        "from all other samples by more than chance, corrected for all slices."
    )
    return Section(lede, _slice_grid(record, links, unit), _slice_forest(record, unit))


def _is_named(sample_slice: SliceRecord) -> bool:
    return (
        min(sample_slice.score_p, 1.0 if sample_slice.gain_p is None else sample_slice.gain_p) < SIGNIFICANT
    )


def _slice_forest(record: AnalysisRecord, unit: Unit) -> Forest | None:
    method = method_of(record.judged)
    if method is None:
        return None
    rows = []
    for sample_slice in record.slices[:DRAWN_SLICES]:
        name = f"{'• ' if _is_named(sample_slice) else ''}{sample_slice.title}"
        name = name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"
        rows.append((method, name, estimate_of(sample_slice.gain or sample_slice.score)))
    gains = all(sample_slice.gain is not None for sample_slice in record.slices[:DRAWN_SLICES])
    return gain_forest(rows, unit=unit) if gains else forest(rows, chance=0.0, unit=unit)


def _slice_grid(record: AnalysisRecord, links: SampleLinks, unit: Unit) -> Grid:
    columns = [
        Column("n", "Samples of the slice."),
        Column("Score", "On the slice, with its 95 % interval."),
        Column("Elsewhere", "The score on all other samples.", narrow=False),
        Column("p", "That the scores differ by chance, corrected for all slices.", about="analysis"),
    ]
    if record.reference:
        columns += [
            Column("Gain", f"Over {title_of(record.reference)} on the slice, with its 95 % interval."),
            Column("Elsewhere", "The gain on all other samples.", narrow=False),
            Column("p", "That the gains differ by chance, corrected for all slices.", about="analysis"),
        ]
    columns.append(Column("Samples", "Some that it does worst on.", narrow=False, text=True))
    lines = []
    for sample_slice in record.slices[:LISTED_SLICES]:
        items = [
            Item(f"{sample_slice.n:,}", sort=sample_slice.n),
            *_against(sample_slice.score, sample_slice.rest, sample_slice.score_p, unit, sign=False),
        ]
        if (
            sample_slice.gain is not None
            and sample_slice.gain_rest is not None
            and sample_slice.gain_p is not None
        ):
            items += _against(sample_slice.gain, sample_slice.gain_rest, sample_slice.gain_p, unit, sign=True)
        items.append(links.item(sample_slice.samples))
        lines.append(GridRow(Head(short(sample_slice.title)), tuple(items)))
    return Grid("Slices of the test samples", Column("Slice"), tuple(columns), tuple(lines))


def _against(span: Span, rest: float, p: float, unit: Unit, *, sign: bool) -> list[Item]:
    tone = _tone(span.value - rest, p)
    return [
        span_item(span, sign=sign, tone=tone, unit=unit),
        Item(unit.write(rest, sign=sign), sort=rest),
        Item(p_value(p), sort=p, tone="" if p < SIGNIFICANT else "muted"),
    ]


def span_item(span: Span, *, sign: bool = False, tone: Tone = "", unit: Unit = POINTS) -> Item:
    """A recorded mean with its interval."""
    estimate = estimate_of(span)
    ends = interval(estimate, sign=sign, unit=unit)
    return Item(unit.write(span.value, sign=sign), ends, span.value, tone=tone)


def wordings_section(record: AnalysisRecord, unit: Unit) -> Section | None:
    """What each wording costs; None with one alone."""
    if not record.wordings:
        return None
    method = method_of(record.judged)
    rows = [
        (method, wording.template, estimate_of(wording.difference)) for wording in record.wordings if method
    ]
    columns = (
        Column("Score"),
        Column("Against the others", "Difference from the mean of the other wordings, on the same samples."),
        Column("p", "That it differs by chance, corrected for all wordings.", about="analysis"),
    )
    lines = tuple(
        GridRow(
            Head(short(wording.template)),
            (
                span_item(wording.score, unit=unit),
                span_item(
                    wording.difference,
                    sign=True,
                    tone=_tone(wording.difference.value, wording.p),
                    unit=unit,
                ),
                Item(p_value(wording.p), sort=wording.p, tone="" if wording.p < SIGNIFICANT else "muted"),
            ),
        )
        for wording in record.wordings
    )
    grid = Grid("Wordings against each other", Column("Wording"), columns, lines)
    short_rows = [(row_method, name[:LONGEST_NAME], estimate) for row_method, name, estimate in rows]
    return Section(
        "Each wording against the others.", grid, gain_forest(short_rows, unit=unit) if short_rows else None
    )


def _tone(value: float, p: float) -> Tone:
    if p >= SIGNIFICANT:
        return ""
    return "bad" if value < 0 else "good"


# Kinds of error


def kinds_section(kinds: Sequence[ErrorKinds], links: SampleLinks) -> KindsSection | None:
    """The kinds of error of every arm, side by side; None where no answer is wrong."""
    occurring = [kind for kind in ERROR_KINDS if any(arm_kinds.counts.get(kind) for arm_kinds in kinds)]
    if not occurring:
        return None
    shares = [
        (
            title_of(arm_kinds.arm),
            {kind: count / arm_kinds.answers for kind, count in arm_kinds.counts.items()},
        )
        for arm_kinds in kinds
    ]
    columns = [
        *(
            Column(
                title_of(arm_kinds.arm),
                f"Share of {arm_kinds.answers:,} answers over all seeds and wordings.",
            )
            for arm_kinds in kinds
        ),
        Column("Samples", f"Some with such an answer of {title_of(kinds[-1].arm)}.", narrow=False, text=True),
    ]
    lines = []
    for kind in occurring:
        examples = kinds[-1].examples.get(kind, ())
        items = [_share_item(arm_kinds.counts.get(kind, 0), arm_kinds.answers) for arm_kinds in kinds]
        lines.append(
            GridRow(
                Head(kind, _near(kinds[-1]) if kind == "near miss" else ""), (*items, links.item(examples))
            )
        )
    total = GridRow(
        Head("All wrong answers"),
        (*(_share_item(arm_kinds.wrong, arm_kinds.answers) for arm_kinds in kinds), Item("")),
    )
    grid = Grid("Kinds of error", Column("Kind"), tuple(columns), tuple(lines), total)
    return KindsSection(stacked_bars(shares, ERROR_KINDS), grid)


def _share_item(count: int, of: int) -> Item:
    return Item(f"{100 * count / of:.1f} %", f"{count:,}", count / of)


def _near(kinds: ErrorKinds) -> str:
    return ", ".join(f"{near} {count:,}" for near, count in kinds.near_misses.items())


# Confusion


def confusion_views(record: AnalysisRecord, links: SampleLinks) -> tuple[ConfusionView, ...]:
    """The confusion of the arm that gains are measured against and of the judged one."""
    wanted = (record.reference, record.judged)
    return tuple(
        _confusion_view(confusion, links) for confusion in record.confusion if confusion.arm in wanted
    )


def _confusion_view(record: ConfusionRecord, links: SampleLinks) -> ConfusionView:
    mistakes = sorted(
        (cell for cell in record.cells if cell.target != cell.answer),
        key=lambda cell: (-cell.count, cell.target, cell.answer),
    )
    anchors = {(cell.target, cell.answer): f"{record.arm}-{place}" for place, cell in enumerate(mistakes, 1)}
    pairs = tuple(
        ConfusedPair(
            anchors[cell.target, cell.answer],
            short(cell.target),
            short(cell.answer) if cell.answer else "(no label)",
            cell.count,
            MISSING if cell.p is None else p_value(cell.p),
            cell.p is not None and cell.p < SIGNIFICANT,
            links.of(cell.samples),
        )
        for cell in mistakes
    )
    return ConfusionView(title_of(record.arm), _matrix(record, anchors), pairs)


def _matrix(record: ConfusionRecord, anchors: Mapping[tuple[str, str], str]) -> Matrix | None:
    labels = record.labels
    if len(labels) > DRAWN_LABELS:
        return None
    rows = list(labels)
    has_unlabelled = any(cell.answer not in labels for cell in record.cells)
    columns = [short(label) for label in labels] + (["(no label)"] if has_unlabelled else [])
    counts = []
    for cell in record.cells:
        if cell.target not in rows:  # another accepted answer than the first
            continue
        column = labels.index(cell.answer) if cell.answer in labels else len(labels)
        anchor = anchors.get((cell.target, cell.answer))
        counts.append(Count(rows.index(cell.target), column, cell.count, f"#{anchor}" if anchor else ""))
    return matrix([short(label) for label in labels], columns, counts)


# Labels


def labels_section(record: AnalysisRecord, links: SampleLinks, unit: Unit) -> LabelsSection | None:
    """Samples whose label is probably wrong; None where nothing is suspected."""
    labels = record.labels
    if labels is None:
        return None
    listed = [suspect for suspect in labels.suspects if suspect.certain or suspect.unanimous]
    if not listed:
        return None
    lines = tuple(
        GridRow(
            Head(shortened(suspect.sample, 60), href=links.hrefs.get(suspect.sample, "")),
            (
                Item(short(suspect.given)),
                Item(short(suspect.suggested)),
                Item(f"{100 * suspect.confidence:.0f} %", sort=suspect.confidence),
                Item("yes" if suspect.certain else "no", tone="" if suspect.certain else "muted"),
                Item("all" if suspect.unanimous else "not all", tone="" if suspect.unanimous else "muted"),
                Item(suspect.untuned or MISSING),
            ),
        )
        for suspect in listed[:LISTED_SUSPECTS]
    )
    columns = (
        Column("Given", text=True),
        Column("Suggested", text=True),
        Column("Confidence", "Of the suggested label, the mean over seeds and wordings."),
        Column("Confident", "Whether that is as much as on samples that are labelled so.", narrow=False),
        Column("Seeds", "That answer with it, in every wording.", narrow=False),
        Column(
            "Untuned",
            "Which of the two the arm that gains are over answers, which has learnt no label.",
            narrow=False,
        ),
    )
    grid = Grid("Probable label errors", Column("Sample"), columns, lines)
    return LabelsSection(_labels_lede(labels), grid, _corrected(labels, unit))


def _labels_lede(labels: LabelErrors) -> str:
    how = (
        "Confident learning (Northcutt, Jiang and Chuang 2021) on the probabilities of choices"
        if labels.method == "confident_learning"
        else "Samples that every seed answers alike, and not as they are labelled"
    )
    chance = (
        ""
        if labels.p >= SIGNIFICANT
        else f" {labels.unanimous:,} {'is' if labels.unanimous == 1 else 'are'} contradicted by every seed "
        f"in the same way; {labels.expected:.1f} would be if seeds erred independently."
    )
    return (
        f"{how}: {count_of(labels.certain, 'suspect')}.{chance} Probable is not certain: a model may be "
        "wrong alike in every seed. Look before you correct."
    )


def _corrected(labels: LabelErrors, unit: Unit) -> Grid | None:
    if not labels.scores:
        return None
    lines = tuple(
        GridRow(
            Head(title_of(score.arm)),
            (
                Item(unit.write(score.now), sort=score.now),
                Item(unit.write(score.corrected), sort=score.corrected),
                Item(unit.write(score.corrected - score.now, sign=True), sort=score.corrected - score.now),
            ),
        )
        for score in labels.scores
    )
    columns = (
        Column("Score now"),
        Column("Corrected", "If every confident suspect had the suggested label, which the judged arm gave."),
        Column("Change"),
    )
    return Grid("What correcting them would do to the scores", Column("Arm"), columns, lines)


# Analyses of the task's own


def own_grid(record: TableRecord) -> Grid | None:
    """The table of a task's own analysis; None where there is none."""
    if not record.columns:
        return None
    lines = tuple(
        GridRow(Head(_own_text(row[0])), tuple(map(_own_item, row[1:]))) for row in record.rows if row
    )
    columns = tuple(Column(short(name)) for name in record.columns[1:])
    return Grid(short(record.name), Column(short(record.columns[0])), columns, lines)


def _own_text(entry: str | float | int | None) -> str:
    if entry is None:
        return short("")
    return short(f"{entry:,.4g}" if isinstance(entry, float) else str(entry))


def _own_item(entry: str | float | int | None) -> Item:
    return Item() if entry is None else Item(_own_text(entry), sort=entry)
