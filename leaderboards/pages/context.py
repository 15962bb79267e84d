"""What all pages draw from, and what they call things."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.recipe import Method
from harness.results import Failure, Result, TaskCard
from harness.statistics import joint_level
from leaderboards.baselines import Key
from leaderboards.board import Board
from leaderboards.cases import Choices, make_choices
from leaderboards.decision import Decision, Figures, weigh
from leaderboards.discoveries import TaskGain, task_gains
from leaderboards.economics import labels, members_of
from leaderboards.elsewhere import Imported
from leaderboards.grid import Column, Head
from leaderboards.history import History
from leaderboards.ledger import Ledger
from leaderboards.prices import Prices
from leaderboards.scenario import scenario_at
from leaderboards.standings import LevelOf, side_by_side
from leaderboards.tables import Row, Table
from leaderboards.text import MISSING, count_of, method_name, page_slug, points, quantity
from leaderboards.verdict import Verdict, decide

METHOD_TITLES: dict[Method, str] = {
    "zero_shot": "Zero-shot",
    "zero_shot_constrained": "Zero-shot, held to the choices",
    "few_shot": "Few-shot",
    "lora": "LoRA",
    "dora": "DoRA",
    "qlora": "QLoRA",
    "full": "Full fine-tune",
    "few_shot_tuning": "Few-shot tuning",
    "multitask": "Multitask",
    "stages": "Stages",
    "meta": "Meta-learning",
    "soup": "Weight soup",
    "vote": "Majority vote",
    "mean_probability": "Mean probability",
}

MOST_ROWS = 60
"""Rows of a table that is shown with everything; a longer ranking is folded, or shown without bars and shapes."""

MOST_COMPARED = 100
"""Rows that can be compared with each other: their pairs grow with the square."""

LONGEST_NAME = 20
"""Letters of a name beside a chart."""

COST_HREF = "cost.html"

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

    elsewhere: tuple[Imported, ...] = ()
    """Scores that another program gave, of the board's tasks."""

    history: History = field(default_factory=History)
    """What the board said before."""

    level_of: LevelOf = joint_level
    """How the level of rank intervals is found."""

    @cached_property
    def by_key(self) -> dict[str, Result]:
        """Every run by its key."""
        return {result.key: result for result in self.results}

    @cached_property
    def run_hrefs(self) -> dict[str, str]:
        """The page of every run, by its key."""
        return {result.key: run_href(result) for result in self.results}

    @cached_property
    def labels(self) -> dict[str, dict[str, int]]:
        """The labelled samples that every run's weights were trained on, by its key and by task."""
        return {result.key: labels(result, self.by_key) for result in self.results}

    @cached_property
    def verdict(self) -> Verdict:
        """The answer in words."""
        return decide(self.table, self.ledger)

    @cached_property
    def choices(self) -> Choices:
        """The complete rows, as they are weighed against each other."""
        return make_choices(self.table, self.ledger, self.prices, self.by_key)

    @cached_property
    def decision(self) -> Decision:
        """What all of them come to in the scenario that the cost page opens with."""
        return weigh(self.choices, scenario_at(self.prices, self.choices.devices))

    @cached_property
    def decided(self) -> dict[Key, Figures]:
        """The same by row."""
        return {case.key: one for case, one in zip(self.choices.cases, self.decision.figures, strict=True)}

    @cached_property
    def ranks(self) -> dict[str, dict[Key, tuple[int, int]]]:
        """By task, the best and worst rank there of every row that has all of its seeds."""
        return side_by_side(self._ranks_on, self.table.tasks)

    def _ranks_on(self, task: str) -> dict[Key, tuple[int, int]]:
        whole = [row.key for row in self.table.rows if task in row.cells and is_whole(row, task)]
        ranking = self.table.standings[task].ranking(whole, level_of=self.level_of)
        return dict(zip(whole, zip(ranking.best.tolist(), ranking.worst.tolist(), strict=True), strict=True))

    @cached_property
    def gains(self) -> dict[tuple[Key, str], TaskGain]:
        """What every fine-tune gains on every task."""
        return task_gains(self.table)

    @cached_property
    def sizes(self) -> dict[str, int | None]:
        """Parameters of the base that a candidate's trainings started from; None of an ensemble of models of several sizes.

        Weights of four bits are packed, and counted for fewer than they are: of one model the largest count holds.
        """
        counts, models = defaultdict[str, set[int]](set), defaultdict[str, set[str]](set)
        for result in self.results:
            name = result.run.candidate.name
            models[name] |= {member.run.candidate.model for member in members_of(result, self.by_key)}
            for training in result.trainings:
                added = 0 if training.tuner == "full" else training.trainable_parameters
                counts[name].add(training.parameters - added)
        return {name: max(found) if len(models[name]) < 2 or len(found) == 1 else None for name, found in counts.items()}


@dataclass(frozen=True)
class Link:
    """A link with a note beside it."""

    text: str
    href: str
    note: str = ""


def task_href(name: str) -> str:
    """The page of a task."""
    return f"tasks/{page_slug(name)}.html"


def model_href(name: str) -> str:
    """The page of a model."""
    return f"models/{page_slug(name)}.html"


def method_href(method: Method) -> str:
    """The page of a method; none for the one that everything is held against."""
    return "" if method == "zero_shot" else f"methods/{method}.html"


def run_href(result: Result) -> str:
    """The page of a run."""
    place = result.run.place
    name = "--".join(place)
    # Where a part holds two dashes itself, another run's parts may be joined to the same name: a slash has it hashed.
    return f"runs/{page_slug(name if name.split('--') == [*place] else '/'.join(place))}.html"


def samples_href(task: str, number: int = 1) -> str:
    """A page of what models said on a task; the first is 1."""
    return f"samples/{page_slug(task)}-{number}.html"


def row_slug(row: Row) -> str:
    """What the pages call a row in addresses: no method holds a dash, so no two rows share it."""
    return page_slug(f"{row.name}-{row.method}")


def compared_rows(site: Site) -> tuple[Row, ...]:
    """The rows that the compare page knows, in the order of the ranking; none where there are no two."""
    rows = site.table.rows[:MOST_COMPARED]
    return rows if len(rows) > 1 else ()


def compare_href(first: Row, second: Row) -> str:
    """Two rows side by side."""
    return f"compare.html?a={row_slug(first)}&b={row_slug(second)}"


def run_head(result: Result) -> Head:
    """A run at the head of a row, with a link to its page."""
    run = result.run
    return Head(run.candidate.name, method_name(run), href=run_href(result), method=run.candidate.method)


def model_names(table: Table) -> list[str]:
    """The models of a table, by name."""
    return sorted({row.name for row in table.rows})


def scale_of(table: Table) -> str:
    if not table.normalised:
        return "".join(f"{card.primary_metric} on {name}, {range_of(card)}" for name, card in table.tasks.items())
    weighted = "weighted mean" if len(set(table.weights.values())) > 1 else "mean"
    return f"{weighted} over {count_of(len(table.tasks), 'task')}, where 0 is chance and 100 is perfect on each"


def range_of(*cards: TaskCard) -> str:
    """The ends of the tasks' own metrics, in points: `0 to 100`, and what else there is among several tasks."""
    ranges = [(metric.low, metric.high) for metric in (card.metrics[card.primary_metric] for card in cards)]
    return " or ".join(f"{_end(low)} to {_end(high)}" for low, high in dict.fromkeys(ranges))


def own_score_column(card: TaskCard) -> Column:
    """The head of a task's scores by its own metric, unscaled."""
    return Column("Score", f"The task's own metric, {range_of(card)}, with its 95 % interval.", about="score")


def _end(bound: float | None) -> str:
    return "no end" if bound is None else points(bound).removesuffix(".0")


def samples_asked(site: Site, task: str) -> int:
    return max(row.cells[task].total for row in site.table.rows if task in row.cells)


def is_whole(row: Row, task: str) -> bool:
    """Whether a row has every seed on a task."""
    return row.cells[task].seeds == row.seeds_wanted and row.cells[task].estimate is not None


def parameters_of(site: Site, name: str) -> int | None:
    """Parameters of a model's base, from its fine-tunes; None when it has none, or is made of models of several sizes."""
    return site.sizes.get(name)


def size_text(site: Site, name: str) -> str:
    size = parameters_of(site, name)
    return "" if size is None else f"{quantity(size)} parameters"


def shortest(name: str, limit: int) -> str:
    """As much of a name as stands beside a chart."""
    return name if len(name) <= limit else f"{name[: limit - 1]}…"


def rank_text(ranks: tuple[int, int] | None) -> str:
    """`3`, or `1–2` where the order is open."""
    if ranks is None:
        return MISSING
    return str(ranks[0]) if ranks[0] == ranks[1] else f"{ranks[0]}–{ranks[1]}"


def candidate_head(site: Site, row: Row, *, task: str | None = None, frontier: bool = False, ranked: bool = True) -> Head:
    """A candidate at the head of a row, marked where its training went wrong: on the task, or on any."""
    size = parameters_of(site, row.name)
    detail = row.method_name if size is None else f"{row.method_name} · {quantity(size)}"
    rank = rank_text(row.ranks) if ranked else ""
    lead = ranked and row.ranks == (1, 1) and len(site.table.ranked) > 1
    flag = row.flag if task is None else row.cells[task].flag
    return Head(row.name, detail, rank, row.method, model_href(row.name), frontier, lead, flag)
