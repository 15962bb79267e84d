"""A model's page: what each method made of it, task by task. An ensemble has one too."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.counts import count_of
from harness.records.generation import GenerationRecord
from harness.records.result import Result
from harness.sweep.methods import METHODS
from leaderboards.chart.forest import Forest, forest
from leaderboards.chart.learning import LearningCurve, learning_curve
from leaderboards.gathered import Site, scale_of
from leaderboards.links import method_href, model_href, task_href
from leaderboards.pages.parts.cost_items import labels_item
from leaderboards.pages.parts.costs import derived_grid, measured_grid
from leaderboards.pages.parts.forgetting import forgetting_grid
from leaderboards.pages.parts.grid import (
    Column,
    Grid,
    GridRow,
    Head,
    Item,
    Link,
    Pairs,
    gain_item,
    score_item,
)
from leaderboards.pages.parts.heads import (
    METHOD_TITLES,
    compared_with,
    rank_text,
    short_name,
    task_score_column,
)
from leaderboards.pages.parts.use import UseBox, row_box
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.cells import Cell
from leaderboards.rank.flags import flag_of
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, Unit, candidate_label, in_units, method_name


@dataclass(frozen=True)
class ModelTask:
    """One model on one task, method by method."""

    task: str
    href: str
    forest: Forest
    curve: LearningCurve | None
    """Score against training samples; None where one budget was trained."""

    grid: Grid


@dataclass(frozen=True)
class ModelPage:
    """One model: what each method made of it."""

    name: str
    ensemble: bool
    facts: Pairs
    members: tuple[Link, ...]
    """What an ensemble is made of; empty for a model."""

    use: UseBox
    """How to use its best row."""

    board: Grid
    """Its rows on the whole board."""

    tasks: tuple[ModelTask, ...]
    forgetting: Grid | None
    """What its tuned weights lost on tasks that they were not trained on; None without guard tasks."""

    measured: Grid
    derived: Grid


def model_page(site: Site, name: str) -> ModelPage:
    """Zero-shot, few-shot and tuned, task by task, and the ensembles that are made of this model alone."""
    model_rows = [row for row in site.table.rows if row.name == name]
    ensembles = [
        row for row in site.table.rows if row.members and row.name != name and _bases(site, row) == {name}
    ]
    untuned: list[Row | None] = []
    for row in model_rows:
        if row.members:
            untuned += [site.table.baseline(row, method) for method in UNTUNED]
    rows = list({row.key: row for row in (*model_rows, *ensembles, *untuned) if row is not None}.values())
    rows.sort(key=lambda row: (METHODS.index(row.method), row.name))
    result = model_rows[0].results[0]
    candidate = result.run.candidate
    size = site.base_parameters.get(name)
    facts = (
        ("Models" if " + " in candidate.model else "Model", candidate.model),
        ("Parameters", MISSING if size is None else f"{size:,}"),
        ("Revision", candidate.revision or MISSING),
        ("Fingerprint", candidate.fingerprint),
        ("Chat template", _chat_template(result.generation)),
    )
    keys = {row.key for row in rows}
    entries = [entry for entry in site.ledger.entries if entry.row.key in keys]
    head_of = partial(_row_head, name)
    return ModelPage(
        name,
        any(row.members for row in model_rows),
        facts,
        _members(site, model_rows),
        row_box(site, model_rows[0]),
        _board_grid(site, name, rows),
        tuple(_model_task(site, name, rows, task) for task in site.table.tasks),
        forgetting_grid(rows, name, site.board.forgetting_margin),
        measured_grid(site, entries, head_of=head_of),
        derived_grid(site, entries, head_of=head_of),
    )


def _chat_template(generation: GenerationRecord) -> str:
    if generation.template_date is None:
        return "yes" if generation.chat_template else "no"
    return f"yes; it is told that today is {generation.template_date}"


def _row_head(name: str, row: Row) -> Head:
    """A row on the page of the model `name`: by its method alone, unless it is another's."""
    if row.name == name:
        return Head(row.method_name, method=row.method, href=method_href(row.method), flag=row.flag)
    return Head(row.label, method=row.method, href=model_href(row.name), flag=row.flag)


def _bases(site: Site, row: Row) -> set[str]:
    """The candidates that an ensemble is made of."""
    return {member.run.candidate.name for member in site.ledger.runs.members_of(row.results)}


def _members(site: Site, rows: Sequence[Row]) -> tuple[Link, ...]:
    """Every candidate an ensemble is made of, with how many of its runs."""
    runs_by_label: dict[str, list[Result]] = {}
    for row in rows:
        # A run may be a member of several ensembles of a row, and counts once.
        members = {member.key: member for member in site.ledger.runs.members_of(row.results)}
        for member in members.values():
            label = candidate_label(member.run.candidate.name, method_name(member.run))
            runs_by_label.setdefault(label, []).append(member)
    return tuple(
        Link(label, model_href(runs[0].run.candidate.name), count_of(len(runs), "run"))
        for label, runs in sorted(runs_by_label.items())
        if any(row.name == runs[0].run.candidate.name for row in site.table.rows)
    )


def _model_task(site: Site, name: str, rows: Sequence[Row], task: str) -> ModelTask:
    present = [row for row in rows if task in row.cells]
    over_plain = {row.key: site.table.over_plain_on(task, row) for row in present}
    compared = any(over_plain.values())
    columns = (
        task_score_column(site.table.tasks[task]),
        Column("Δ few-shot", "Paired gain over the few-shot arm.", about="gain"),
        Column("Δ zero-shot", "Paired gain over the untrained model without examples.", about="gain"),
        *(
            (
                Column(
                    "Δ plain base",
                    "Of arms whose training began elsewhere: paired gain over the same samples of this task, "
                    "tuned from the plain base.",
                    about="plain-base",
                ),
            )
            if compared
            else ()
        ),
        Column(
            "Labels",
            "Labelled samples of this task that it was trained on; below, those of other tasks.",
            about="labels",
        ),
        *(
            Column(f"Seed {seed}", "Score of one run; links to it.", narrow=False)
            for seed in site.table.seeds
        ),
    )
    unit = Unit.of(site.table.tasks[task])
    lines, drawn = [], []
    for row in present:
        cell = row.cells[task]
        seeds = {result.run.seed: result for result in cell.results}
        method = method_name(*(result.run for result in cell.results))
        label = method if row.name == name else candidate_label(row.name, method)
        items = (
            score_item(cell.estimate, unit=unit),
            gain_item(site.table.gain_on(task, row, "few_shot"), unit=unit),
            gain_item(site.table.gain_on(task, row, "zero_shot"), unit=unit),
            *((gain_item(over_plain[row.key], unit=unit),) if compared else ()),
            labels_item(site, cell.results),
            *(_run_item(site, cell, seeds.get(seed)) for seed in site.table.seeds),
        )
        is_other_model = row.name != name
        href = model_href(row.name) if is_other_model else method_href(row.method)
        lines.append(GridRow(Head(label, method=row.method, href=href, flag=cell.flag), items))
        if cell.estimate:
            short = short_name(row.name if row.members and is_other_model else METHOD_TITLES[row.method])
            drawn.append((row.method, f"{short} (!)" if cell.flag else short, cell.estimate))
    grid = Grid(f"Methods on {task}", Column("Method"), columns, tuple(lines))
    return ModelTask(
        task,
        task_href(task),
        forest(drawn, chance=site.table.tasks[task].chance, unit=unit),
        _curve(site, task, present),
        grid,
    )


def _curve(site: Site, task: str, rows: Sequence[Row]) -> LearningCurve | None:
    """Every method that was trained on several budgets, and the untrained arms."""
    curves = [
        (
            row.method,
            short_name(METHOD_TITLES[row.method]),
            {
                budget: cell.estimate
                for budget, cell in site.table.curves[*row.key, task].items()
                if budget and cell.estimate
            },
        )
        for row in rows
        if (*row.key, task) in site.table.curves
    ]
    levels = [
        (row.method, METHOD_TITLES[row.method], estimate)
        for row in rows
        if row.method in UNTUNED and (estimate := row.cells[task].estimate)
    ]
    return learning_curve(curves, levels, unit=Unit.of(site.table.tasks[task]))


def _board_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid:
    """What the methods come to on all tasks, and what each can be held against."""
    columns = (
        Column("Rank", low_first=True, about="rank"),
        Column("Score", f"With its 95 % interval. {scale_of(site.table)}.", about="score"),
        Column("Compare with", "Both rows, task by task.", text=True),
    )
    lines = []
    for row in rows:
        rank = Item(rank_text(row.ranks), sort=row.ranks[0] if row.ranks else None)
        lines.append(
            GridRow(
                _row_head(name, row),
                (rank, score_item(row.score, unit=site.table.unit), Item(links=compared_with(site, row))),
            )
        )
    return Grid("Methods, overall", Column("Method"), columns, tuple(lines))


def _run_item(site: Site, cell: Cell, result: Result | None) -> Item:
    """One run of a cell."""
    if result is None:
        return Item()
    value, metric = (
        result.metrics.get(result.task.primary_metric),
        result.task.metrics[result.task.primary_metric],
    )
    return Item(
        in_units(metric, value.value) if value else MISSING,
        sort=metric.scale.share(value.value) if value else None,
        href=site.run_hrefs[result.key],
        flag=flag_of([result]) if cell.flag else None,
    )
