"""What all pages draw from, and what they call things."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.config import Method
from harness.results import Failure, Result
from leaderboards.board import Board
from leaderboards.economics import Prices
from leaderboards.grid import Head
from leaderboards.ledger import Ledger
from leaderboards.tables import Row, Table
from leaderboards.text import MISSING, count_of, quantity, slug

METHOD_TITLES: dict[Method, str] = {
    "zero_shot": "Zero-shot",
    "few_shot": "Few-shot",
    "lora": "LoRA",
    "full": "Full fine-tune",
}

Pairs = tuple[tuple[str, str], ...]
"""Terms and what they are."""


@dataclass(frozen=True)
class Site:
    """Everything the pages draw from."""

    board: Board
    table: Table
    ledger: Ledger
    prices: Prices
    results: tuple[Result, ...]
    failures: tuple[Failure, ...]
    untrusted: tuple[Result, ...]
    """Finished runs that a guard of their engine failed: they have a page, and no place in the table."""

    problems: tuple[str, ...]
    """Files that could not be read, and runs left out of the comparison."""

    folder: Path
    """The results."""


@dataclass(frozen=True)
class Link:
    """A link with a note beside it."""

    text: str
    href: str
    note: str = ""


def task_href(name: str) -> str:
    """The page of a task."""
    return f"tasks/{slug(name)}.html"


def model_href(name: str) -> str:
    """The page of a model."""
    return f"models/{slug(name)}.html"


def run_href(result: Result) -> str:
    """The page of a run."""
    return f"runs/{slug('-'.join(result.run.folder.parts))}.html"


def model_names(table: Table) -> list[str]:
    """The models of a table, by name."""
    return sorted({row.name for row in table.rows})


def scale_of(table: Table) -> str:
    if not table.normalised:
        return "".join(f"{card.primary_metric} on {name}, 0 to 100" for name, card in table.tasks.items())
    weighted = "weighted mean" if len(set(table.weights.values())) > 1 else "mean"
    return f"{weighted} over {count_of(len(table.tasks), 'task')}, where 0 is chance and 100 is perfect on each"


def samples_asked(site: Site, task: str) -> int:
    return max(row.cells[task].total for row in site.table.rows if task in row.cells)


def is_whole(site: Site, row: Row, task: str) -> bool:
    """Whether a row has every seed on a task."""
    return row.cells[task].seeds == site.table.seeds and row.cells[task].estimate is not None


def parameters_of(results: Iterable[Result], name: str) -> int | None:
    """Parameters of a model's base, from any of its fine-tunes; None when it has none."""
    for result in results:
        if result.run.candidate.name == name and result.training:
            adapter = result.training.trainable_parameters if result.run.candidate.method == "lora" else 0
            return result.training.parameters - adapter
    return None


def size_text(results: Iterable[Result], name: str) -> str:
    size = parameters_of(results, name)
    return "" if size is None else f"{quantity(size)} parameters"


def rank_text(ranks: tuple[int, int] | None) -> str:
    """`3`, or `1–2` where the order is open."""
    if ranks is None:
        return MISSING
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def candidate_head(site: Site, row: Row, *, frontier: bool = False, ranked: bool = True) -> Head:
    size = parameters_of(site.results, row.name)
    detail = row.method_name if size is None else f"{row.method_name} · {quantity(size)}"
    rank = rank_text(row.ranks) if ranked else ""
    lead = ranked and row.ranks == (1, 1) and len(site.table.ranked) > 1
    return Head(row.name, detail, rank, row.method, model_href(row.name), frontier, lead)
