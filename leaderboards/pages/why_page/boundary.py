"""The part of the page that says how near another answer is: margins, maps, and what flips an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from harness.records.analysis.boundary import BoundaryRecord, FlipRate, MapRecord, MarginsRecord
from harness.records.analysis.passes import PassRecord
from harness.records.analysis.record import AnalysisRecord
from harness.sweep.methods import Method
from leaderboards.chart.forest import Forest, forest
from leaderboards.chart.margins import MarginChart, margin_chart
from leaderboards.chart.plane import MOST_MARKS, SHAPES, PlaneChart, plane_chart
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item
from leaderboards.pages.why_page.links import LONGEST_ID, SampleLinks
from leaderboards.pages.why_page.sections import estimate_of, method_of, short, span_item, title_of
from leaderboards.text import duration, points, shortened, size_of_memory

LITTLE = 0.1
"""A margin below it is shown with more digits."""

EDITS = {
    "word": "one word dropped",
    "field": "one field exchanged",
    "wording": "another wording",
}


@dataclass(frozen=True)
class MarginsView:
    """How far right answers are from wrong ones."""

    lede: str
    arms: tuple[tuple[Method, str], ...]
    """As they stand in the picture: the one above the lines first."""

    chart: MarginChart
    grid: Grid


@dataclass(frozen=True)
class MapView:
    """The map of one arm."""

    title: str
    chart: PlaneChart
    caveat: str


@dataclass(frozen=True)
class MapsView:
    """Hidden states in the plane."""

    lede: str
    shapes: tuple[str, ...]
    """SVG paths: of each label, by its place, and of a mark without any."""

    keys: tuple[str, ...]
    """The labels, by place."""

    maps: tuple[MapView, ...]
    grid: Grid


@dataclass(frozen=True)
class FlipsView:
    """What changes an answer."""

    lede: str
    forest: Forest | None
    rates: Grid
    flips: Grid | None


@dataclass(frozen=True)
class BoundarySection:
    """How near another answer is."""

    margins: MarginsView | None
    maps: MapsView | None
    ambiguous: Grid | None
    flips: FlipsView | None
    cost: str
    """What reading the weights anew took; empty where none were."""


def boundary_section(record: AnalysisRecord, links: SampleLinks) -> BoundarySection | None:
    """None where nothing is known of it."""
    boundary = record.boundary
    if boundary is None:
        return None
    return BoundarySection(
        _margins(record, boundary),
        _maps(record, boundary, links),
        _ambiguous(boundary, links),
        _flips(boundary, links),
        cost_of_passes(boundary.passes, boundary.agreement),
    )


# Margins


def _margins(record: AnalysisRecord, boundary: BoundaryRecord) -> MarginsView | None:
    arms = [
        (method, title_of(margins.arm), margins)
        for margins in boundary.margins
        if margins.n and (method := method_of(margins.arm)) is not None
    ]
    if not arms:
        return None
    return MarginsView(
        _margins_lede(record, boundary, arms),
        tuple((method, name) for method, name, _ in reversed(arms)),
        margin_chart(arms, reach=boundary.reach),
        _margins_grid(arms),
    )


_Arms = Sequence[tuple[Method, str, MarginsRecord]]


def _margins_lede(record: AnalysisRecord, boundary: BoundaryRecord, arms: _Arms) -> str:
    _, name, margins = arms[-1]
    everything = margins.classes[0]
    judged = record.arm(record.judged)
    source = (
        "From the log-probabilities that were saved"
        if margins.saved
        else f"Read anew with the weights, on {count_of(margins.n, 'sample')} drawn"
    )
    before = ""
    if len(arms) > 1:
        base = arms[0][2].classes[0]
        before = f", and {base.near:,} of {base.n:,} for {arms[0][1].lower()}"
    without = (
        f" {count_of(margins.without, 'sample')} have no wrong or no right choice." if margins.without else ""
    )
    return (
        "A sample’s margin is the log-probability of its right choice minus that of the likeliest wrong "
        f"one: above zero the answer is right. Within reach (shaded, under {boundary.reach:.2f} on either "
        f"side) neither is three times as likely as the other. {everything.near:,} of {everything.n:,} "
        f"answers of {name} lie there, {everything.near_wrong:,} of them wrong{before}. {source}; of seed "
        f"{judged.seeds[0]}, in the wording ‘{short(judged.templates[0])}’.{without}"
    )


def _margins_grid(arms: _Arms) -> Grid:
    columns = (
        Column("Samples"),
        Column("Right"),
        Column("Median margin", "Half of the margins lie below it."),
        Column("Within reach"),
        Column("Wrong of these", narrow=False),
    )
    lines = []
    for method, name, record in arms:
        for row in record.classes:
            items = (
                Item(f"{row.n:,}", sort=row.n),
                Item(f"{row.right:,}", sort=row.right),
                _margin_item(row.median),
                Item(f"{row.near:,}", sort=row.near),
                Item(f"{row.near_wrong:,}", sort=row.near_wrong),
            )
            lines.append(
                GridRow(Head(name, short(row.label) if row.label else "all samples", method=method), items)
            )
    return Grid("Margins by label", Column("Arm and label"), columns, tuple(lines))


# Maps


def _maps(record: AnalysisRecord, boundary: BoundaryRecord, links: SampleLinks) -> MapsView | None:
    if not boundary.maps:
        return None
    names = {
        sample.sample: (place, links.hrefs.get(sample.sample, ""))
        for place, sample in enumerate(boundary.ambiguous, start=1)
    }
    labels = boundary.maps[-1].labels
    maps = [
        MapView(
            title_of(drawn.arm),
            plane_chart(drawn, names, summary=_map_in_words(drawn)),
            _caveat(drawn),
        )
        for drawn in boundary.maps
    ]
    return MapsView(
        _maps_lede(boundary.maps[-1], saved=all(margins.saved for margins in boundary.margins)),
        SHAPES[: max(1, len(labels))],
        tuple(map(short, labels)),
        tuple(maps),
        _maps_grid(boundary.maps),
    )


def _maps_lede(drawn: MapRecord, *, saved: bool) -> str:
    how = (
        "in the plane that parts the labels of training samples best (linear discriminants, shrunk)"
        if drawn.projection == "lda"
        else "in the plane of the most variance (principal components)"
    )
    by = "" if saved else ", by the label that is likeliest"
    many = (
        " There are too many labels, or one alone, to tell them apart by shape." if not drawn.labels else ""
    )
    more = (
        f" {MOST_MARKS} of {len(drawn.marks):,} samples are drawn." if len(drawn.marks) > MOST_MARKS else ""
    )
    return (
        f"Each mark is a test sample: the hidden state of {drawn.dimensions:,} numbers from which the "
        f"answer’s first token is predicted, {how}. Filled marks are right, hollow ones wrong{by}; numbers "
        f"are the samples nearest to the boundary, listed below.{many}{more}"
    )


def _map_in_words(drawn: MapRecord) -> str:
    right = sum(mark.right for mark in drawn.marks)
    return f"{title_of(drawn.arm)}: {right:,} of {len(drawn.marks):,} samples are right; a table is below"


def _caveat(drawn: MapRecord) -> str:
    said = (
        ""
        if drawn.plane_accuracy is None
        else f" The coloured regions are a simple classifier’s, fitted in the plane to the training samples: "
        f"it says the label of {points(drawn.plane_accuracy)} % of these test samples, where the model "
        f"itself is right in {points(drawn.accuracy)} %."
    )
    return (
        f"Fitted on {count_of(drawn.n_train, 'training sample')}; the plane holds {points(drawn.variance)} % "
        f"of the variance of their states.{said}"
    )


def _maps_grid(maps: Sequence[MapRecord]) -> Grid:
    lines = []
    for drawn in maps:
        names = [*drawn.labels, ""] if drawn.labels else [""]
        for place, name in enumerate(names):
            label = place if drawn.labels and name else None
            marks = [mark for mark in drawn.marks if label is None or mark.label == label]
            right = sum(mark.right for mark in marks)
            if marks:
                items = (
                    Item(f"{len(marks):,}", sort=len(marks)),
                    Item(f"{right:,}", sort=right),
                    Item(points(right / len(marks)), sort=right / len(marks)),
                )
                head = Head(
                    title_of(drawn.arm), short(name) if name else "all samples", method=method_of(drawn.arm)
                )
                lines.append(GridRow(head, items))
    columns = (Column("Samples"), Column("Right"), Column("Share right"))
    return Grid("Test samples on the maps", Column("Arm and label"), columns, tuple(lines))


# Samples near the boundary


def _ambiguous(boundary: BoundaryRecord, links: SampleLinks) -> Grid | None:
    if not boundary.ambiguous:
        return None
    columns = (
        Column("Label", text=True),
        Column("Answer", text=True),
        Column("Margin"),
        Column("Untuned answer", text=True, narrow=False),
        Column("Its margin", narrow=False),
    )
    lines = tuple(
        GridRow(
            Head(
                shortened(sample.sample, LONGEST_ID),
                rank=str(place),
                href=links.hrefs.get(sample.sample, ""),
            ),
            (
                Item(short(sample.target)),
                Item(short(sample.answer), tone="" if sample.margin > 0 else "bad"),
                _margin_item(sample.margin),
                Item() if sample.base_answer is None else Item(short(sample.base_answer)),
                Item() if sample.base_margin is None else _margin_item(sample.base_margin),
            ),
        )
        for place, sample in enumerate(boundary.ambiguous, start=1)
    )
    return Grid("The samples nearest to the boundary", Column("Sample"), columns, lines)


def _margin_item(margin: float) -> Item:
    return Item(_margin_text(margin), sort=margin)


def _margin_text(margin: float) -> str:
    digits = 2 if abs(margin) >= LITTLE else 4
    return f"{margin:+.{digits}f}".replace("-", "−")


# What flips an answer


def _flips(boundary: BoundaryRecord, links: SampleLinks) -> FlipsView | None:
    if not boundary.flip_rates:
        return None
    rows = [
        (method, f"{title_of(rate.arm)}: {EDITS[rate.edit]}", estimate_of(rate.share))
        for rate in boundary.flip_rates
        if (method := method_of(rate.arm)) is not None
    ]
    return FlipsView(
        _flips_lede(boundary),
        forest(rows, chance=0.0) if rows else None,
        _rates_grid(boundary.flip_rates),
        _flips_grid(boundary, links),
    )


def _flips_lede(boundary: BoundaryRecord) -> str:
    edited = (
        f" Words and fields were changed in the {count_of(boundary.edited, 'sample')} nearest to the "
        "boundary, where most is to be seen: their shares say nothing about other samples."
        if boundary.edited
        else ""
    )
    worst = [rate for rate in boundary.flip_rates if rate.edit == "wording" and rate.worst]
    named = (
        f" Of the wordings ‘{short(worst[-1].worst)}’ changes the most answers of {title_of(worst[-1].arm)}: "
        f"{points(worst[-1].worst_share)} %."
        if worst and worst[-1].share.value
        else ""
    )
    return (
        "The share of small edits that change the answer, whether it was right or wrong; by sample, with its "
        f"95 % interval.{named}{edited}"
    )


def _rates_grid(rates: Sequence[FlipRate]) -> Grid:
    columns = (
        Column("Changed", "Share of the edits that change the answer, with its 95 % interval."),
        Column("Samples"),
        Column("Edits", narrow=False),
        Column("From", text=True, narrow=False),
    )
    lines = tuple(
        GridRow(
            Head(title_of(rate.arm), EDITS[rate.edit], method=method_of(rate.arm)),
            (
                span_item(rate.share),
                Item(f"{rate.samples:,}", sort=rate.samples),
                Item(f"{rate.edits:,}", sort=rate.edits),
                Item("predictions" if rate.saved else "weights"),
            ),
        )
        for rate in rates
    )
    return Grid("How often edits change an answer", Column("Arm and edit"), columns, lines)


def _flips_grid(boundary: BoundaryRecord, links: SampleLinks) -> Grid | None:
    if not boundary.flips:
        return None
    columns = (
        Column("Edit", text=True),
        Column("What", text=True),
        Column("Label", text=True, narrow=False),
        Column("Answer", text=True),
        Column("Answer after it", text=True),
    )
    lines = tuple(
        GridRow(
            Head(shortened(flip.sample, LONGEST_ID), href=links.hrefs.get(flip.sample, "")),
            (
                Item(EDITS[flip.edit]),
                Item(short(flip.what)),
                Item(short(flip.target)),
                Item(short(flip.before), tone="good" if flip.before == flip.target else "bad"),
                Item(short(flip.after), tone="good" if flip.after == flip.target else "bad"),
            ),
        )
        for flip in boundary.flips
    )
    return Grid("Edits that change an answer", Column("Sample"), columns, lines)


# What it took


def cost_of_passes(passes: Sequence[PassRecord], agreement: float | None) -> str:
    """What passes of weights took, in sentences; `agreement`: see `BoundaryRecord`."""
    if not passes:
        return ""
    prompts, seconds = sum(one.samples for one in passes), sum(one.seconds for one in passes)
    loading = sum(one.load_seconds + one.startup_seconds for one in passes)
    failed = sum(one.failed for one in passes)
    agreeing = (
        ""
        if agreement is None
        else f" Its likeliest choice is the answer that was scored in {points(agreement)} % of the samples "
        "whose choices were weighed anew."
    )
    unread = f" {count_of(failed, 'prompt')} could not be read." if failed else ""
    memory = size_of_memory(max(one.peak_memory_bytes for one in passes))
    return (
        f"Weights were read anew on {passes[-1].device} in {passes[-1].dtype}: {count_of(prompts, 'prompt')} "
        f"in {duration(seconds)}, besides {duration(loading)} to load them; {memory} of memory at most."
        f"{unread}{agreeing}"
    )
