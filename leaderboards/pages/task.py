"""A task's page: what it is, and who does best on it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.config import METHODS
from harness.results import TaskCard
from leaderboards.grid import Column, Grid, Head, Item, Line, gain_item, score_item
from leaderboards.pages.context import (
    METHOD_TITLES,
    Pairs,
    Site,
    candidate_head,
    is_whole,
    model_href,
    rank_text,
    run_href,
    samples_asked,
    size_text,
)
from leaderboards.pages.samples import load_samples
from leaderboards.tables import Cell, Row, paired, rank_ranges, resolvable_gap
from leaderboards.text import points, shortened


@dataclass(frozen=True)
class Prompt:
    """A prompt as one arm saw it."""

    title: str
    text: str
    target: str


@dataclass(frozen=True)
class TaskPage:
    """One task: what it is, and who does best on it."""

    name: str
    card: TaskCard
    facts: Pairs
    reference: str
    """An address that may be linked; empty for anything else."""

    ranking: Grid
    methods: Grid
    gap: str
    prompts: tuple[Prompt, ...]


def task_page(site: Site, name: str) -> TaskPage:
    """Ranking on one task by its own metric, unscaled."""
    card = site.table.tasks[name]
    rows = [row for row in site.table.rows if name in row.cells]
    rows.sort(key=lambda row: (not is_whole(site, row, name), -_value(row.cells[name])))
    cells = [row.cells[name] for row in rows]
    facts = (
        ("Metric", card.primary_metric),
        ("Answers", "written by the model" if card.output == "generate" else "the most likely of the given choices"),
        ("Test samples", f"{samples_asked(site, name):,} of {card.n_test:,}"),
        ("Training / dev samples", f"{card.n_train:,} / {card.n_dev:,}"),
        ("Chance", points(card.chance)),
        ("Licence", card.license),
        ("Version", str(card.version)),
        ("Prompt", cells[0].results[0].run.template),
    )
    linked = card.reference if card.reference and re.fullmatch(r"https?://\S+", card.reference) else ""
    return TaskPage(
        name,
        card,
        facts if linked or not card.reference else (*facts, ("Reference", card.reference)),
        linked,
        _task_grid(site, name, rows),
        _method_grid(site, name, rows),
        _gap_sentence(cells),
        tuple(_example_prompts(site, name)),
    )


def _value(cell: Cell) -> float:
    return cell.estimate.value if cell.estimate else -1.0


def _gap_sentence(cells: Sequence[Cell]) -> str:
    gap = resolvable_gap([cell for cell in cells if cell.estimate])
    if gap is None or gap >= 1:
        return "These samples and seeds resolve no gap between the first two four times in five."
    return f"Between the first two, a true gap of {points(gap)} points or more would be resolved four times in five."


def _task_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid:
    columns = (
        Column("Score", "The task's own metric, 0 to 100, with its 95 % interval."),
        Column("Δ few-shot", "Paired gain over the few-shot arm of the same model."),
        Column("Δ zero-shot", "Paired gain over the untrained model without examples.", narrow=False),
        Column("n", "Samples scored in every seed, of those asked for.", narrow=False),
        Column("Runs", "By seed.", narrow=False, text=True),
    )
    whole = [row for row in rows if is_whole(site, row, name)]
    ranks = dict(zip((row.key for row in whole), rank_ranges([row.cells[name] for row in whole], paired), strict=True))
    lines = []
    for row in rows:
        cell, own = row.cells[name], ranks.get(row.key)
        head = candidate_head(site, row, ranked=False)
        samples = f"{len(cell.scores):,}" if len(cell.scores) == cell.total else f"{len(cell.scores):,}/{cell.total:,}"
        items = (
            score_item(cell.estimate, floor=0.0),
            gain_item(site.table.gain_on(name, row, "few_shot")),
            gain_item(site.table.gain_on(name, row, "zero_shot")),
            Item(samples, sort=len(cell.scores)),
            Item(links=tuple((str(result.run.seed), run_href(result)) for result in cell.results)),
        )
        lines.append(Line(replace(head, rank=rank_text(own)), items, aside=own is None))
    return Grid(f"Candidates by score on {name}", Column("Candidate"), columns, tuple(lines))


def _method_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid:
    """Models down, methods across."""
    methods = [method for method in METHODS if any(row.method == method for row in rows)]
    columns = tuple(Column(METHOD_TITLES[method]) for method in methods)
    lines = []
    for model in sorted({row.name for row in rows}):
        by_method = {row.method: row.cells[name].estimate for row in rows if row.name == model}
        items = tuple(score_item(by_method.get(method)) for method in methods)
        lines.append(Line(Head(model, size_text(site.results, model), href=model_href(model)), items))
    return Grid(f"Scores on {name} by model and method", Column("Model"), columns, tuple(lines))


def _example_prompts(site: Site, task: str) -> Iterable[Prompt]:
    """The first sample as the first candidate saw it, without and with demonstrations."""
    for method in ("zero_shot", "few_shot"):
        row = next((row for row in site.table.rows if row.method == method and task in row.cells), None)
        samples = load_samples(site, row.cells[task].results[0]) if row else []
        if row and samples:
            title = f"{METHOD_TITLES[method]}, as {row.name} saw it"
            yield Prompt(title, shortened(samples[0].prompt, 4000), samples[0].target)
