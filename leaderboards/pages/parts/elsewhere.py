"""Scores from elsewhere as a table of their own: as reported, neither ranked nor paired."""

from leaderboards.elsewhere.scores import UNKNOWN, Imported, ImportedMetric
from leaderboards.gathered import Site
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, remainder_line
from leaderboards.text import points, shortened

MOST_SHOWN = 60
"""Lines of a page."""


def elsewhere_grid(site: Site, *, task: str | None = None) -> Grid | None:
    """What was imported for the board, or for one of its tasks; None without any."""
    records = [record for record in site.elsewhere if task is None or record.is_of(task)]
    if not records:
        return None
    records.sort(key=lambda record: (record.task, record.candidate, record.num_fewshot or 0))
    lines: list[GridRow] = []
    for record in records:
        lines += [_line(record, metric) for metric in record.shown(_own_metric(site, record))]
    columns = (
        Column("Task", "And below it the metric, with the filters that answers went through.", text=True),
        Column(
            "Score",
            "As it was reported; ± its standard error, or below it the 95 % interval over the samples.",
        ),
        Column("Examples", "Demonstrations in the prompt.", narrow=False),
        Column("n", "Samples scored.", narrow=False),
        Column("Scored with", text=True, narrow=False),
    )
    hidden = len(lines) - MOST_SHOWN
    if hidden > 0:
        lines[MOST_SHOWN:] = [remainder_line(hidden, columns, "in the downloads")]
    return Grid("Scored elsewhere", Column("Candidate"), columns, tuple(lines))


def _own_metric(site: Site, record: Imported) -> str:
    """What the board ranks the task by; empty where it has no such task."""
    return next((card.primary_metric for name, card in site.table.tasks.items() if record.is_of(name)), "")


def _line(record: Imported, metric: ImportedMetric) -> GridRow:
    source = record.source
    version = "" if record.task_version == UNKNOWN else f" v{record.task_version}"
    below = "" if metric.higher_is_better else " (lower is better)"
    items = (
        Item(shortened(f"{record.task}{version}", 80), metric.label + below, sort=record.task),
        _score(metric),
        Item() if record.num_fewshot is None else Item(str(record.num_fewshot), sort=record.num_fewshot),
        Item() if record.n is None else Item(f"{record.n:,}", sort=record.n),
        Item(f"{source.program} {source.version or ''}".strip(), (source.date or "")[:10], sort=source.date),
    )
    return GridRow(Head(record.candidate, shortened(record.model, 80)), items)


def _score(metric: ImportedMetric) -> Item:
    """In points where it is a share; a perplexity as it is."""
    share = 0 <= metric.value <= 1 and metric.higher_is_better
    value = points(metric.value) if share else f"{metric.value:.4g}"
    if metric.low is not None and metric.high is not None:
        return Item(value, f"{points(metric.low)}–{points(metric.high)}", metric.value)
    if metric.stderr is None:
        return Item(value, "no stderr", metric.value)
    return Item(value, f"± {points(metric.stderr) if share else f'{metric.stderr:.2g}'}", metric.value)
