"""Format and content: how much of a score is having learnt in which form to answer."""

from collections.abc import Iterator, Sequence

from harness.records.scores import MetricCard
from harness.sweep.methods import PROMPTED
from leaderboards.gathered import Site
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Item, gain_item, headroom_item, score_item
from leaderboards.pages.parts.heads import candidate_head
from leaderboards.rank.cells import Cell
from leaderboards.rank.tables import Row, headroom_closed
from leaderboards.text import Unit, in_units, points


def form_grid(site: Site, task: str, rows: Sequence[Row]) -> Grid | None:
    """The untrained arms of each model and its best fine-tune; `rows`: best first. None where answers are not
    written, or nobody looked at their form."""
    parsed_rows = [row for row in _shown(rows) if any(result.parsed for result in row.cells[task].results)]
    if site.table.tasks[task].output != "generate" or not parsed_rows:
        return None
    columns = (
        Column("Parsed", "Share of the answers in the required format.", about="form"),
        Column("Score if parsed", "The score over those answers.", about="form"),
        Column("Score", "Over all answers.", about="score"),
        Column(
            "Δ zero-shot", "For the base restricted to the choices: what format alone is worth.", about="gain"
        ),
        Column(
            "Headroom closed",
            "Share of the way from the untrained model to a perfect score on this task.",
            narrow=False,
            about="headroom",
        ),
    )
    lines = tuple(
        GridRow(candidate_head(site, row, task=task, ranked=False), _items(site, task, row))
        for row in parsed_rows
    )
    return Grid(f"Format and content of the answers on {task}", Column("Candidate"), columns, lines)


def _shown(rows: Sequence[Row]) -> Iterator[Row]:
    """Model by model, the one with the best row first."""
    for name in dict.fromkeys(row.name for row in rows):
        model_rows = [row for row in rows if row.name == name]
        yield from (row for method in PROMPTED for row in model_rows if row.method == method)
        yield from [row for row in model_rows if row.tuned][:1]


def _items(site: Site, task: str, row: Row) -> tuple[Item, ...]:
    cell, gain, unit = (
        row.cells[task],
        site.table.gain_on(task, row, "zero_shot"),
        Unit.of(site.table.tasks[task]),
    )
    return (
        _mean_item([result.parsed.share.value for result in cell.results if result.parsed]),
        _mean_item(_scores_if_parsed(cell), cell.card.metrics[cell.card.primary_metric]),
        score_item(cell.estimate, unit=unit),
        gain_item(gain, unit=unit),
        headroom_item(headroom_closed(cell.estimate, gain) if row.tuned else None),
    )


def _scores_if_parsed(cell: Cell) -> list[float]:
    """Of the runs that have at least one such answer."""
    return [result.parsed.score.value for result in cell.results if result.parsed and result.parsed.score]


def _mean_item(values: Sequence[float], card: MetricCard | None = None) -> Item:
    """The mean over seeds, of a metric or of shares."""
    if not values:
        return Item()
    mean = sum(values) / len(values)
    if card is None:
        return Item(points(mean), sort=mean)
    return Item(in_units(card, mean), sort=card.scale.share(mean))
