"""A task's page: what it is, and who does best on it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter

from harness.counts import count_of
from harness.records.scores import MANY_CUT, TaskCard
from harness.sweep.methods import METHODS, Method
from leaderboards.gathered import Site, is_whole
from leaderboards.links import model_href, samples_href, why_href
from leaderboards.pages.parts.cost_items import labels_item
from leaderboards.pages.parts.elsewhere import elsewhere_grid
from leaderboards.pages.parts.grid import (
    Column,
    Grid,
    GridRow,
    Head,
    Item,
    Pairs,
    gain_item,
    samples_item,
    score_item,
    slim,
)
from leaderboards.pages.parts.heads import (
    METHOD_TITLES,
    MOST_ROWS,
    candidate_head,
    rank_text,
    size_text,
    task_score_column,
    test_sample_count,
)
from leaderboards.pages.parts.samples import load_first
from leaderboards.pages.samples_page.arms import Arms
from leaderboards.pages.task_page.form import form_grid
from leaderboards.pages.task_page.mistakes import Mistakes, find_mistakes
from leaderboards.pages.task_page.task_charts import TaskCharts, task_charts
from leaderboards.pages.why_page.page import LinkedFinding, advice_of, questions_of
from leaderboards.rank.cells import Cell
from leaderboards.rank.pairs import resolvable_gap
from leaderboards.rank.tables import Row
from leaderboards.text import Unit, in_units, points, shortened


@dataclass(frozen=True)
class ExamplePrompt:
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
    charts: TaskCharts
    methods: Grid
    form: Grid | None
    """Format and content of written answers; None where there are none."""

    templates: Grid | None
    """Score by wording; None where one was scored."""

    budgets: Grid | None
    """Score by training samples; None where one budget was trained."""

    steps: Grid | None
    """What was done to the data before it was used; None when nothing was."""

    metric: str
    """What the primary metric is, in a sentence."""

    gap: str
    cut: str
    """How many runs have more than a few answers cut, and what to do; empty where none has."""

    prompts: tuple[ExamplePrompt, ...]
    elsewhere: Grid | None
    """Scores that another program gave."""
    samples_href: str
    why_href: str
    """What an analysis of its best arm found; empty where there is none."""

    advice: tuple[LinkedFinding, ...]
    """What to change next, by that analysis."""

    done_since: str
    """The day of the table before, where there was more to change."""

    done: tuple[str, ...]
    """What there was to change then, and is not found any more."""

    questions: tuple[tuple[str, str], ...]
    """What else that analysis answers, each with where it does."""

    mistakes: Mistakes | None
    """Error analysis; None where there is nothing to analyse."""

    bound: str
    """Which rows the smaller tables are of; empty where they are of all."""


def task_page(site: Site, arms: Arms) -> TaskPage:
    """Ranking on one task by its own metric, unscaled, and the mistakes of these arms."""
    name = arms.task
    card = site.table.tasks[name]
    rows = [row for row in site.table.rows if name in row.cells]
    rows.sort(key=lambda row: (not is_whole(row, name), -_value(row.cells[name])))
    cells = [row.cells[name] for row in rows]
    best = rows[:MOST_ROWS]
    analysis = site.analyses.get(name)
    done_since, done = site.history.advice_done(name)
    facts = _facts(site, name, cells)
    linked = card.reference if card.reference and re.fullmatch(r"https?://\S+", card.reference) else ""
    return TaskPage(
        name,
        card,
        facts if linked or not card.reference else (*facts, ("Reference", card.reference)),
        linked,
        _task_grid(site, name, rows),
        task_charts(site, arms, rows),
        _method_grid(site, name, [row for row in rows if row.name in {best_row.name for best_row in best}]),
        form_grid(site, name, best),
        _template_grid(site, name, best),
        _budget_grid(site, name, best),
        _step_grid(card),
        f"Ranked by {card.primary_metric}: {card.metrics[card.primary_metric].description}"
        f"{'' if card.metrics[card.primary_metric].higher_is_better else '; lower is better'}.",
        _gap_sentence(cells),
        _cut_sentence(cells),
        tuple(_example_prompts(site, name)),
        elsewhere_grid(site, task=name),
        samples_href(name),
        why_href(name) if analysis else "",
        advice_of(analysis.record) if analysis else (),
        done_since,
        tuple(done),
        questions_of(analysis.record) if analysis else (),
        find_mistakes(arms),
        f"For the {MOST_ROWS} best rows." if len(rows) > MOST_ROWS else "",
    )


ANSWERS = {
    "generate": "written by the model",
    "choice": "the most likely of the given choices",
    "perplexity": "none: the likelihood of the text is measured",
}


def _facts(site: Site, name: str, cells: Sequence[Cell]) -> Pairs:
    card, run = site.table.tasks[name], cells[0].results[0].run
    metric = card.metrics[card.primary_metric]
    facts = [
        ("Metric", card.primary_metric),
        ("Answers", ANSWERS[card.output]),
        ("Test samples", f"{test_sample_count(site, name):,} of {card.n_test:,}"),
        ("Training / dev samples", f"{card.n_train:,} / {card.n_dev:,}"),
    ]
    if metric.scale.is_share or card.chance > 0:  # nobody guesses the worst that a range allows
        facts.append(("Chance", in_units(metric, metric.scale.value(card.chance))))
    if metric.majority is not None:
        constant = "Always the most frequent answer" if metric.scale.is_share else "Best constant answer"
        facts.append((constant, in_units(metric, metric.majority)))
    shares = [result.overlap.share for cell in cells for result in cell.results]
    facts += [
        ("Test samples also in the training set, exactly or nearly", f"{points(max(shares))} %"),
        ("Prompts reviewed by people", "none" if card.reviewed is None else f"{100 * card.reviewed:.0f} %"),
        ("Licence", card.license),
        ("Version", str(card.version)),
        ("Prompt" if len(run.templates) == 1 else "Prompts, averaged", ", ".join(run.templates)),
    ]
    return tuple(facts)


def _value(cell: Cell) -> float:
    return cell.estimate.value if cell.estimate else -1.0


def _gap_sentence(cells: Sequence[Cell]) -> str:
    """What difference of the first two could be seen; empty where there are no two."""
    scored = [cell for cell in cells if cell.estimate]
    if len(scored) < 2:
        return ""
    gap = resolvable_gap(scored)
    if gap is None or gap >= 1:
        return "With this test set and these seeds, the top two cannot be told apart (80 % power)."
    apart = Unit.of(scored[0].card).amount(gap)
    return f"With this test set, the top two must differ by about {apart} to be told apart (80 % power)."


def _cut_sentence(cells: Sequence[Cell]) -> str:
    results = [result for cell in cells for result in cell.results]
    cut = [result for result in results if result.often_cut]
    if not cut:
        return ""
    worst = max(cut, key=attrgetter("samples.cut_share"))
    return (
        f"In {len(cut):,} of {count_of(len(results), 'run')} more than {100 * MANY_CUT:.0f} % of the answers "
        f"were cut off, so scores may be too low. Worst case ({worst.run.candidate.label}): "
        f"{worst.often_cut}."
    )


def _task_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid:
    columns = (
        task_score_column(site.table.tasks[name]),
        Column("Δ few-shot", "Paired gain over the few-shot arm of the same model.", about="gain"),
        Column(
            "Δ zero-shot",
            "Paired gain over the untrained model without examples.",
            narrow=False,
            about="gain",
        ),
        Column(
            "Clean",
            "The score without test samples that appear, exactly or nearly, in the arm’s training data "
            "(for untrained arms, in the whole training set). – where there are none.",
            narrow=False,
            about="clean",
        ),
        Column(
            "Labels",
            "Labelled samples of this task that it was trained on; below, those of other tasks.",
            narrow=False,
            about="labels",
        ),
        Column(
            "n",
            "Samples scored in every seed and wording, out of those requested.",
            narrow=False,
            about="samples",
        ),
        Column("Runs", "By seed.", narrow=False, text=True),
    )
    ranks, unit = site.ranks[name], Unit.of(site.table.tasks[name])
    lines = []
    for row in rows:
        cell, ends = row.cells[name], ranks.get(row.key)
        head = candidate_head(site, row, task=name, ranked=False)
        items = (
            score_item(cell.estimate, floor=0.0, unit=unit),
            gain_item(site.table.gain_on(name, row, "few_shot"), unit=unit),
            gain_item(site.table.gain_on(name, row, "zero_shot"), unit=unit),
            _clean_item(cell),
            labels_item(site, cell.results),
            samples_item(len(cell.scores), cell.total),
            Item(links=tuple((str(result.run.seed), site.run_hrefs[result.key]) for result in cell.results)),
        )
        lines.append(GridRow(head._replace(rank=rank_text(ends)), items, aside=ends is None))
    grid = Grid(f"Candidates by score on {name}", Column("Candidate"), columns, tuple(lines))
    return slim(grid) if len(rows) > MOST_ROWS else grid


def _clean_item(cell: Cell) -> Item:
    """The score over the test samples that training has not met."""
    records = [result.overlap for result in cell.results]
    cells_card = cell.results[0].task
    primary = cells_card.primary_metric
    if not any(record.share for record in records) or not all(primary in record.clean for record in records):
        return Item()
    value = sum(record.clean[primary].value for record in records) / len(records)
    left = min(record.clean[primary].n for record in records)
    card = cells_card.metrics[primary]
    return Item(in_units(card, value), f"{left:,} samples", card.scale.share(value))


def _method_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid:
    """Models down, methods across."""
    methods = [method for method in METHODS if any(row.method == method for row in rows)]
    columns = tuple(Column(METHOD_TITLES[method]) for method in methods)
    lines = []
    cells_by_model: dict[str, dict[Method, Cell]] = {}
    for row in rows:
        cells_by_model.setdefault(row.name, {})[row.method] = row.cells[name]
    for model in sorted(cells_by_model):
        items = tuple(_cell_item(cells_by_model[model].get(method)) for method in methods)
        lines.append(GridRow(Head(model, size_text(site, model), href=model_href(model)), items))
    return Grid(f"Scores on {name} by model and method", Column("Model"), columns, tuple(lines))


def _cell_item(cell: Cell | None) -> Item:
    """A score, marked where a training behind it went wrong."""
    if cell is None:
        return Item()
    return score_item(cell.estimate, unit=Unit.of(cell.card))._replace(flag=cell.flag)


def _template_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid | None:
    """How far a score depends on the wording."""
    templates, unit = rows[0].cells[name].results[0].run.templates, Unit.of(site.table.tasks[name])
    if len(templates) == 1:
        return None
    spread = Column(
        "Spread",
        "Best wording minus worst: how much the score depends on the phrasing.",
        about="wordings",
    )
    lines = []
    for row in rows:
        by_template = row.cells[name].by_template
        values = [estimate.value for estimate in by_template.values()]
        distance = max(values) - min(values) if values else None
        items = [score_item(by_template.get(template), unit=unit) for template in templates]
        items.append(Item(sort=None) if distance is None else Item(unit.width(distance), sort=distance))
        lines.append(GridRow(candidate_head(site, row, task=name, ranked=False), tuple(items)))
    columns = (*(Column(template) for template in templates), spread)
    return Grid(f"Scores on {name} by template", Column("Candidate"), columns, tuple(lines))


def _budget_grid(site: Site, name: str, rows: Sequence[Row]) -> Grid | None:
    """The learning curve, as numbers: every larger budget holds the samples of the smaller ones."""
    curves = {row.key: curve for row in rows if (curve := site.table.curves.get((*row.key, name)))}
    if not curves:
        return None
    budgets = sorted({budget for curve in curves.values() for budget in curve})
    lines = []
    for row in rows:
        if row.key in curves:
            cells = [curves[row.key].get(budget) for budget in budgets]
            items = tuple(_cell_item(cell) for cell in cells)
            lines.append(GridRow(candidate_head(site, row, task=name, ranked=False), items))
    columns = tuple(Column(f"{budget:,}") for budget in budgets)
    return Grid(f"Scores on {name} by training samples", Column("Candidate"), columns, tuple(lines))


def _step_grid(card: TaskCard) -> Grid | None:
    if not card.steps:
        return None
    lines = tuple(
        GridRow(
            Head(step.step),
            (
                Item(step.split),
                Item(f"{step.before:,}", sort=step.before),
                Item(f"{step.after:,}", sort=step.after),
                Item(f"{step.changed:,}", sort=step.changed),
            ),
        )
        for step in card.steps
    )
    columns = (
        Column("Split", text=True),
        Column("Before"),
        Column("After"),
        Column("New or changed", "Samples after the step that were not there before, in this wording."),
    )
    return Grid("Steps taken on the data", Column("Step"), columns, lines)


def _example_prompts(site: Site, task: str) -> Iterable[ExamplePrompt]:
    """The first sample as the first candidate saw it: in every wording, and after demonstrations."""
    for method in ("zero_shot", "few_shot"):
        row = next((row for row in site.table.rows if row.method == method and task in row.cells), None)
        if row is None:
            continue
        result = row.cells[task].results[0]
        by_template = load_first(site.folder, result)
        templates = result.run.templates if method == "zero_shot" else result.run.templates[:1]
        for template in templates:
            if template in by_template:
                title = f"{METHOD_TITLES[method]}, {template}, as {row.name} saw it"
                text = shortened(by_template[template].prompt, 4000) or "(nothing stands before the target)"
                yield ExamplePrompt(title, text, shortened(by_template[template].target, 4000))
