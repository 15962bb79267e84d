"""The heat map: what each fine-tune gains on each task, in numbers and in colour."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from harness.counts import count_of
from leaderboards.gathered import Site
from leaderboards.links import task_href
from leaderboards.pages.parts.grid import Head, Link
from leaderboards.pages.parts.heads import candidate_head
from leaderboards.rank.discoveries import TaskGain
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, Unit

MOST_ADORNED = 150
"""Cells of a map that draws the shapes of its methods."""

MOST_CELLS = 6_000
"""Cells of that page, which keep it within what a page may weigh."""

HEAT_STEPS = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
"""Gains from which on the colour is stronger; the same on every site, so that maps can be held side by
side."""


@dataclass(frozen=True)
class HeatCell:
    """A fine-tune on a task."""

    text: str
    """The gain in the unit of its task, with a dot where it is more than chance."""

    tone: str
    """`up1` to `up6`, `down1` to `down6`; empty for less than the first step."""


@dataclass(frozen=True)
class HeatLine:
    """A fine-tune on every task."""

    head: Head
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatMap:
    """Fine-tunes × tasks."""

    tasks: tuple[Link, ...]
    lines: tuple[HeatLine, ...]
    lede: str
    gains: int
    discoveries: int
    """Gains that are more than chance."""

    @property
    def large(self) -> bool:
        """Whether it is drawn without the shapes of the methods."""
        return len(self.tasks) * len(self.lines) > MOST_ADORNED


def heat_map(site: Site, rows: Sequence[Row] | None = None) -> HeatMap | None:
    """Fine-tunes in the order of the ranking, or only some rows; None with one task, whose gains the ranking
    has, or without any gain."""
    tasks = tuple(site.table.tasks)
    tuned = [row for row in rows or site.table.rows if any((row.key, task) in site.gains for task in tasks)]
    if len(tasks) < 2 or not tuned:
        return None
    drawn = tuned[: max(1, MOST_CELLS // len(tasks))]
    lines = tuple(
        HeatLine(
            candidate_head(site, row, ranked=False),
            tuple(_cell(site.gains.get((row.key, task)), Unit.of(site.table.tasks[task])) for task in tasks),
        )
        for row in drawn
    )
    keys = {row.key for row in tuned}
    row_gains = [gain for (key, _), gain in site.gains.items() if key in keys]
    all_gains, discoveries = count_of(len(row_gains), "gain"), sum(gain.discovery for gain in row_gains)
    units = [Unit.of(site.table.tasks[task]) for task in tasks]
    points = all(unit.is_points for unit in units)
    lede = (
        f"{'Points gained' if points else 'Gained, in points or in the unit of the metric,'} over the best "
        "few-shot prompt of the same model, or over the model as it is where few-shot was not run. "
        f"{_significant(discoveries, all_gains)}"
    )
    if len(drawn) < len(tuned):
        lede += f" The first {len(drawn):,} of {len(tuned):,} fine-tunes."
    links = tuple(Link(task, task_href(task)) for task in tasks)
    return HeatMap(links, lines, lede, len(row_gains), discoveries)


def _cell(gain: TaskGain | None, unit: Unit) -> HeatCell:
    if gain is None:
        return HeatCell(MISSING, "")
    value = gain.estimate.value
    step = bisect_right(HEAT_STEPS, abs(value))
    tone = f"{'up' if value > 0 else 'down'}{step}" if step else ""
    return HeatCell(f"{unit.write(value, sign=True)}{'•' if gain.discovery else ''}", tone)


def _significant(discoveries: int, all_gains: str) -> str:
    if not discoveries:
        return f"None of {all_gains} is statistically significant (5 % false-discovery rate)."
    verb = "is" if discoveries == 1 else "are"
    return f"• marks the {discoveries:,} of {all_gains} that {verb} significant (5 % false-discovery rate)."
