"""How every number of the board is made: formulas with their sources, prices, and what was left out."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from harness.counts import count_of
from harness.records.scores import TaskCard
from harness.statistics import DRAWS, FLIPS, POWER, sample_size
from leaderboards.decide.purchases import ENOUGH_SEEDS, MOST_SEEDS, MOST_TIMES_SAMPLES
from leaderboards.decide.verdict import points_lost
from leaderboards.gathered import Site, scale_of
from leaderboards.links import task_href
from leaderboards.pages.cost_page.sentences import scenario_text
from leaderboards.pages.parts.cost_items import price_list
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Pairs, remainder_line
from leaderboards.pages.parts.heads import candidate_head, test_sample_count
from leaderboards.pages.parts.heat import HEAT_STEPS
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, in_units, points, shortened

SIMULATED = Path(__file__).parents[1] / "simulated.json"

MOST_LEFT_OUT = 100
"""Incomplete rows that are listed with what they lack."""


@dataclass(frozen=True)
class MethodologyPage:
    """What the formulas of the page hold for on this board."""

    scale: str
    tasks: Grid
    seeds: int
    """Of the table."""

    enough_seeds: int
    random_wordings: bool
    """Whether the board takes its wordings for a draw."""

    draws: int
    flips: str
    sweeps: str
    """Simulated, of each design."""

    simulated: Grid
    """How often the statistics were right in them."""

    kept_word: str
    """How far all designs stay within their limits, in sentences."""

    published_size: int
    """What the formula of sample sizes gives for the published example, worked out anew."""

    power: int
    """In percent."""

    heat_steps: str
    """Gains from which on the colour of the heat map is stronger, in points."""

    smallest_gain: str
    """Points; below it tuning is not worth it."""

    most_seeds: int
    most_times_samples: int
    margin: str
    """What a row may lose on guard tasks."""

    scenario: str
    """What P(worth it) holds for."""

    exclusions: tuple[str, ...]
    """What is in the results and not in the ranking, in sentences."""

    incomplete: Grid | None
    price_list: Pairs


def methodology_page(site: Site) -> MethodologyPage:
    """Formulas in words, with the settings of this board."""
    left_out = [row for row in site.table.rows if row.score is None]
    return MethodologyPage(
        scale=scale_of(site.table),
        tasks=_task_grid(site),
        seeds=len(site.table.seeds),
        enough_seeds=ENOUGH_SEEDS,
        random_wordings=site.board.wordings == "random",
        draws=DRAWS,
        flips=f"{FLIPS:,}",
        sweeps=f"{_simulated()[0]['sweeps']:,}",
        simulated=simulated_grid(),
        kept_word=kept_word(_simulated()),
        published_size=sample_size(1 / 9, 0.03),
        power=round(100 * POWER),
        heat_steps=" · ".join(f"{100 * step:.0f}" for step in HEAT_STEPS),
        smallest_gain=f"{site.board.smallest_gain:g}",
        most_seeds=MOST_SEEDS,
        most_times_samples=MOST_TIMES_SAMPLES,
        margin=points_lost(site.board.forgetting_margin / 100),
        scenario=scenario_text(site),
        exclusions=tuple(_exclusions(site, left_out)),
        incomplete=_incomplete_grid(site, left_out),
        price_list=price_list(site.prices),
    )


def _task_grid(site: Site) -> Grid:
    """What of a task goes into the formulas."""
    columns = (
        Column("Metric", text=True),
        Column("Right or wrong", "Whether a sample scores 0 or 1; otherwise anything between.", text=True),
        Column("Chance", "The score that becomes 0 before tasks are averaged."),
        Column("Weight"),
        Column("Test samples"),
        Column(
            "In clusters",
            "Whether samples belong together, as questions on one passage do.",
            text=True,
            narrow=False,
        ),
        Column(
            "Seed SD",
            "By how many points the true score of a fine-tune varies from seed to seed: the median over the "
            "fine-tunes of the task, moderated.",
        ),
    )
    lines = []
    for name, card in site.table.tasks.items():
        cell = next(row.cells[name] for row in site.table.rows if name in row.cells)
        samples = test_sample_count(site, name)
        items = (
            Item(card.primary_metric),
            Item("yes" if card.binary else "no"),
            _chance_item(card),
            Item(f"{site.table.weights[name]:g}", sort=site.table.weights[name]),
            Item(f"{samples:,}", sort=samples),
            Item("no" if cell.scores.num_clusters is None else f"yes, {cell.scores.num_clusters:,}"),
            _seed_deviation(site, name),
        )
        lines.append(GridRow(Head(name, href=task_href(name)), items))
    return Grid("What the tasks bring into the formulas", Column("Task"), columns, tuple(lines))


def _chance_item(card: TaskCard) -> Item:
    """A dash where nothing is guessed, as of numbers: 0 is then the worst of a metric in a unit of its
    own."""
    metric = card.metrics[card.primary_metric]
    if not (metric.scale.is_share or card.chance > 0):
        return Item(MISSING, sort=card.chance)
    return Item(in_units(metric, metric.scale.value(card.chance)), sort=card.chance)


def _seed_deviation(site: Site, task: str) -> Item:
    """A dash where no fine-tune has seeds that tell."""
    deviations = [
        float(cell.noise.deviation[0])
        for row in site.table.rows
        if row.tuned and (cell := row.cells.get(task)) and cell.noise.estimated[0] > 0
    ]
    if not deviations:
        return Item(MISSING)
    deviation = statistics.median(deviations)
    return Item(points(deviation), sort=deviation)


@cache
def _simulated() -> list[dict[str, Any]]:
    return list(json.loads(SIMULATED.read_text(encoding="utf-8")))


def kept_word(designs: Sequence[Mapping[str, Any]]) -> str:
    """How far simulated designs stay within what they should, with the standard error of a share at its
    limit."""
    coverages = [design["coverage"] for design in designs]
    low, high = (f"{100 * share:.1f}" for share in (min(coverages), max(coverages)))
    claims = []
    for name, claim, limit in (
        ("false_order", "A false order", 0.05),
        ("false_advice", "A false advice", 0.025),
    ):
        shares = [design[name] for design in designs]
        above = sum(share > limit for share in shares)
        error = (limit * (1 - limit) / min(design["sweeps"] for design in designs)) ** 0.5
        extent = f"above {100 * limit:g} % in {above} of {len(shares)}" if above else "never above the limit"
        claims.append(
            f"{claim} is found in at most {100 * max(shares):.1f} % ({extent}; the standard error of a share "
            f"at the limit is {100 * error:.1f})."
        )
    return " ".join([f"Across all designs, intervals cover {low} to {high} %.", *claims])


def simulated_grid() -> Grid:
    """What `tests/harness/statistics/simulate.py` found: designs of one task and of several side by side."""
    designs: dict[tuple[int, int, float], dict[int, dict[str, Any]]] = {}
    for simulated in _simulated():
        design = simulated["design"]
        key = design["seeds"], design["samples"], design["seed_sd"]
        designs.setdefault(key, {})[design["tasks"]] = simulated
    task_counts = sorted(set().union(*designs.values()))
    columns = [Column("Samples"), Column("Seed SD")]
    for count in task_counts:
        on = count_of(count, "task")
        columns += [
            Column(f"Covered, {on}", "How often the 95 % interval of a gain holds the true one."),
            Column(f"False order, {on}", "How often some arm ranks clearly above another that is as good."),
            Column(f"False advice, {on}", "How often tuning is advised where no fine-tune gains anything."),
        ]
    lines = []
    for (seeds, samples, deviation), by_tasks in sorted(designs.items()):
        items = [Item(f"{samples:,}", sort=samples), Item(f"{deviation:g}", sort=deviation)]
        for count in task_counts:
            shares = (by_tasks[count][name] for name in ("coverage", "false_order", "false_advice"))
            items += [Item(f"{100 * share:.1f} %", sort=share) for share in shares]
        lines.append(GridRow(Head(count_of(seeds, "seed")), tuple(items)))
    return Grid("Simulated sweeps without any true gain", Column("Seeds"), tuple(columns), tuple(lines))


def _exclusions(site: Site, left_out: Sequence[Row]) -> list[str]:
    sentences = []
    if left_out:
        sentences.append(f"{count_of(len(left_out), 'row')} not ranked; what is missing is listed below.")
    if site.untrusted:
        sentences.append(f"{count_of(len(site.untrusted), 'run')} kept out: a guard of the engine failed.")
    if site.failures:
        sentences.append(
            f"{count_of(len(site.failures), 'run')} failed. All-in figures include what that cost."
        )
    return [*sentences, *site.problems]


def _incomplete_grid(site: Site, left_out: Sequence[Row]) -> Grid | None:
    if not left_out:
        return None
    lines = [
        GridRow(candidate_head(site, row, ranked=False), (Item(shortened("; ".join(row.missing), 400)),))
        for row in left_out[:MOST_LEFT_OUT]
    ]
    columns = (Column("What is missing", text=True),)
    hidden = len(left_out) - MOST_LEFT_OUT
    if hidden > 0:
        lines.append(remainder_line(hidden, columns))
    return Grid("Rows that are not ranked", Column("Candidate"), columns, tuple(lines))
