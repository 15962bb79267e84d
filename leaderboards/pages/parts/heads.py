"""What pages call candidates, runs and scores: heads of rows and columns."""

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.sweep.methods import METHOD_TABLE, Method
from leaderboards.gathered import Site, range_of
from leaderboards.links import compare_href, model_href, run_href
from leaderboards.pages.parts.grid import Column, Head
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.tables import Row
from leaderboards.text import MISSING, method_name, quantity

METHOD_TITLES: dict[Method, str] = {name: row.title for name, row in METHOD_TABLE.items()}

MOST_ROWS = 60
"""Rows of a table that is shown with everything; a longer ranking is folded, or shown without bars and
shapes."""

LONGEST_NAME = 20
"""Letters of a name beside a chart."""

MOST_COMPARED = 100
"""Rows that can be compared with each other: their pairs grow with the square."""


def compared_rows(site: Site) -> tuple[Row, ...]:
    """The rows that the compare page knows, in the order of the ranking; none where there are no two."""
    rows = site.table.rows[:MOST_COMPARED]
    return rows if len(rows) > 1 else ()


def compared_with(site: Site, row: Row) -> tuple[tuple[str, str], ...]:
    """Links that hold a row against its untuned arms and the leader, as far as all of them can be
    compared."""
    keys = {rival.key for rival in compared_rows(site)}
    few_shot, zero_shot = (site.table.baseline(row, method) for method in reversed(UNTUNED))
    rivals = (
        ("few-shot", few_shot),
        ("zero-shot", zero_shot),
        ("the top row", next(iter(site.table.ranked), None)),
    )
    return tuple(
        (title, compare_href(row, rival))
        for title, rival in rivals
        if rival and row.key != rival.key and {row.key, rival.key} <= keys
    )


def run_head(result: Result) -> Head:
    """A run at the head of a row, with a link to its page."""
    run = result.run
    return Head(run.candidate.name, method_name(run), href=run_href(result), method=run.candidate.method)


def model_names(site: Site) -> list[str]:
    """The models of a board, sorted."""
    return sorted({row.name for row in site.table.rows})


def task_score_column(card: TaskCard) -> Column:
    """The head of a task's scores by its own metric, unscaled."""
    return Column("Score", f"The task's own metric, {range_of(card)}, with its 95 % interval.", about="score")


def test_sample_count(site: Site, task: str) -> int:
    """How many test samples of a task a run is asked for."""
    return max(row.cells[task].total for row in site.table.rows if task in row.cells)


def size_text(site: Site, name: str) -> str:
    """`8.0B parameters`; empty where the size of a candidate's model is not known."""
    size = site.base_parameters.get(name)
    return "" if size is None else f"{quantity(size)} parameters"


def short_name(name: str) -> str:
    """As much of a name as stands beside a chart."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def rank_text(ranks: tuple[int, int] | None) -> str:
    """`3`, or `1–2` where the order is open."""
    if ranks is None:
        return MISSING
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def candidate_head(
    site: Site, row: Row, *, task: str | None = None, frontier: bool = False, ranked: bool = True
) -> Head:
    """A candidate at the head of a row, marked where its training went wrong: on the task, or on any."""
    size = site.base_parameters.get(row.name)
    detail = row.method_name if size is None else f"{row.method_name} · {quantity(size)}"
    rank = rank_text(row.ranks) if ranked else ""
    lead = ranked and row.ranks == (1, 1) and len(site.table.ranked) > 1
    flag = row.flag if task is None else row.cells[task].flag
    return Head(row.name, detail, rank, row.method, model_href(row.name), frontier, lead, flag)
