"""What a row of the ranking opens to:
its tasks and seeds, its settings, where its weights are, and its command."""

from harness.counts import count_of
from leaderboards.gathered import Site
from leaderboards.links import model_href, why_href
from leaderboards.pages.parts.grid import Item, RowDetail
from leaderboards.pages.parts.heads import compared_with
from leaderboards.pages.parts.use import changed_settings, place_of_weights, run_command
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.cells import Cell
from leaderboards.rank.tables import Row
from leaderboards.text import Unit, with_interval

MOST_TASKS = 4
"""Tasks of a row that are told one by one: the first page has sixty rows."""


def row_detail(site: Site, row: Row) -> RowDetail:
    """What decides a row, and what made it."""
    tasks = [task for task in site.table.tasks if task in row.cells]
    facts = [(task, _task_item(site, row, task)) for task in tasks[:MOST_TASKS]]
    result = row.cells[tasks[0]].results[0]
    run = result.run
    if row.tuned:
        if run.training is not None:
            settings = ", ".join(changed_settings(run.training))
            facts.append(("Settings", Item(f"{settings or 'the defaults'}.")))
        facts.append(
            (
                "Weights",
                Item(f"{place_of_weights(result)}.", links=(("Use them", f"{model_href(row.name)}#use"),)),
            )
        )
    if rivals := compared_with(site, row):
        facts.append(("Compare with", Item("", links=rivals)))
    hidden = len(tasks) - MOST_TASKS
    if hidden > 0:
        more = ((f"{count_of(hidden, 'more task')}", model_href(row.name)),)
        facts.insert(MOST_TASKS, ("Further", Item("", links=more)))
    command = run_command(result.provenance.command, run)
    return RowDetail(tuple(facts), command)


def _task_item(site: Site, row: Row, task: str) -> Item:
    """`81.2 (79.0 to 83.1), +24.1 (+20.3 to +27.9) over few-shot. Seeds` with a link to each,
    and to what explains it."""
    cell, unit = row.cells[task], Unit.of(site.table.tasks[task])
    said = with_interval(cell.estimate, unit=unit) if cell.estimate else "no score"
    for method in reversed(UNTUNED):
        gain = site.table.gain_on(task, row, method)
        if gain is not None:
            said += f", {with_interval(gain, sign=True, unit=unit)} over {method.replace('_', '-')}"
            break
    links = _seed_links(site, cell)
    analysis = site.analyses.get(task)
    if analysis is not None and analysis.row.key == row.key:
        links = (*links, ("why", why_href(task)))
    return Item(f"{said}. Seeds:", links=links)


def _seed_links(site: Site, cell: Cell) -> tuple[tuple[str, str], ...]:
    return tuple((str(result.run.seed), site.run_hrefs[result.key]) for result in cell.results)
