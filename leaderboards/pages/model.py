"""A model's page: what each method made of it, task by task."""

from collections.abc import Sequence
from dataclasses import dataclass

from harness.config import METHODS
from harness.results import Result
from leaderboards.charts import Forest, forest
from leaderboards.grid import Column, Grid, Head, Item, Line, gain_item, score_item
from leaderboards.pages.context import Pairs, Site, parameters_of, run_href, task_href
from leaderboards.pages.costs import derived_grid, measured_grid
from leaderboards.tables import Row
from leaderboards.text import MISSING, points


@dataclass(frozen=True)
class ModelTask:
    """One model on one task, method by method."""

    task: str
    href: str
    forest: Forest
    grid: Grid


@dataclass(frozen=True)
class ModelPage:
    """One model: what each method made of it."""

    name: str
    facts: Pairs
    tasks: tuple[ModelTask, ...]
    measured: Grid
    derived: Grid


def model_page(site: Site, name: str) -> ModelPage:
    """Zero-shot, few-shot and tuned, task by task."""
    rows = sorted((row for row in site.table.rows if row.name == name), key=lambda row: METHODS.index(row.method))
    candidate = rows[0].results[0].run.candidate
    size = parameters_of(site.results, name)
    facts = (
        ("Model", candidate.model),
        ("Parameters", MISSING if size is None else f"{size:,}"),
        ("Revision", candidate.revision or MISSING),
        ("Fingerprint", candidate.fingerprint),
        ("Chat template", "yes" if rows[0].results[0].generation.chat_template else "no"),
    )
    own = [entry for entry in site.ledger.entries if entry.row.name == name]
    tasks = tuple(_model_task(site, rows, task) for task in site.table.tasks)
    return ModelPage(name, facts, tasks, measured_grid(site, own), derived_grid(site, own))


def _model_task(site: Site, rows: Sequence[Row], task: str) -> ModelTask:
    present = [row for row in rows if task in row.cells]
    scored = [(row.method, row.method_name, row.cells[task].estimate) for row in present]
    columns = (
        Column("Score", "The task's own metric, 0 to 100, with its 95 % interval."),
        Column("Δ few-shot", "Paired gain over the few-shot arm."),
        Column("Δ zero-shot", "Paired gain over the untrained model without examples."),
        *(Column(f"Seed {seed}", "Score of one run; links to it.", narrow=False) for seed in site.table.seeds),
    )
    lines = []
    for row in present:
        cell = row.cells[task]
        seeds = {result.run.seed: result for result in cell.results}
        items = (
            score_item(cell.estimate),
            gain_item(site.table.gain_on(task, row, "few_shot")),
            gain_item(site.table.gain_on(task, row, "zero_shot")),
            *(_run_item(seeds.get(seed)) for seed in site.table.seeds),
        )
        lines.append(Line(Head(row.method_name, method=row.method), items))
    drawn = [(method, name, estimate) for method, name, estimate in scored if estimate]
    grid = Grid(f"Methods on {task}", Column("Method"), columns, tuple(lines))
    return ModelTask(task, task_href(task), forest(drawn, chance=site.table.tasks[task].chance), grid)


def _run_item(result: Result | None) -> Item:
    if result is None:
        return Item()
    value = result.metrics.get(result.task.primary_metric)
    return Item(points(value.value) if value else MISSING, sort=value.value if value else None, href=run_href(result))
