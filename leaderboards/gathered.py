"""What all pages draw from: a board's results, tables, prices and history, gathered once."""

import warnings
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from harness.errors import UserError
from harness.records.result import Failure, Result
from harness.records.scores import TaskCard
from harness.records.store import read_runs
from harness.statistics import joint_threshold
from leaderboards.board import Board, load_board
from leaderboards.decide.advice import Advice, decide
from leaderboards.decide.cases import Choices, make_choices
from leaderboards.decide.decision import Decision, Figures, weigh
from leaderboards.decide.scenario import scenario_at
from leaderboards.decide.verdict import Verdict, word
from leaderboards.elsewhere.scores import Imported, read_imported
from leaderboards.history import History
from leaderboards.links import run_href
from leaderboards.money.ledger import Ledger, make_ledger
from leaderboards.money.prices import Prices, load_prices
from leaderboards.rank.baselines import Key
from leaderboards.rank.discoveries import TaskGain, task_gains
from leaderboards.rank.scores import ReadAll, read_scores
from leaderboards.rank.standings import LevelOf, side_by_side
from leaderboards.rank.tables import Row, Table, tabulate
from leaderboards.text import count_of, points, without_folder


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

    level_of: LevelOf = joint_threshold
    """How the level of rank intervals is found."""

    @cached_property
    def run_hrefs(self) -> dict[str, str]:
        """The page of every run, by its key."""
        return {result.key: run_href(result) for result in self.results}

    @cached_property
    def advice(self) -> Advice:
        """What to do, and the facts that decide it."""
        return decide(self.table, self.ledger)

    @cached_property
    def verdict(self) -> Verdict:
        """The advice in words."""
        return word(self.advice)

    @cached_property
    def choices(self) -> Choices:
        """The complete rows, as they are weighed against each other."""
        return make_choices(self.table, self.ledger)

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
        """Parameters of the base that a candidate's trainings started from; None of an ensemble of models of
        several sizes.

        Weights of four bits are packed, and counted for fewer than they are: of one model the largest count
        holds.
        """
        counts, models = defaultdict[str, set[int]](set), defaultdict[str, set[str]](set)
        for result in self.results:
            name = result.run.candidate.name
            models[name] |= {member.run.candidate.model for member in self.ledger.runs.members(result)}
            for training in result.trainings:
                added = 0 if training.tuner == "full" else training.trainable_parameters
                counts[name].add(training.parameters - added)
        return {
            name: max(found) if len(models[name]) < 2 or len(found) == 1 else None
            for name, found in counts.items()
        }


def scale_of(table: Table) -> str:
    if not table.normalised:
        return "".join(
            f"{card.primary_metric} on {name}, {range_of(card)}" for name, card in table.tasks.items()
        )
    weighted = "weighted mean" if len(set(table.weights.values())) > 1 else "mean"
    return (
        f"{weighted} over {count_of(len(table.tasks), 'task')}, where 0 is chance and 100 is perfect on each"
    )


def range_of(*cards: TaskCard) -> str:
    """The ends of the tasks' own metrics, in points: `0 to 100`, and what else there is among several
    tasks."""
    ranges = [(metric.low, metric.high) for metric in (card.metrics[card.primary_metric] for card in cards)]
    return " or ".join(f"{_end(low)} to {_end(high)}" for low, high in dict.fromkeys(ranges))


def _end(bound: float | None) -> str:
    return "no end" if bound is None else points(bound).removesuffix(".0")


def is_whole(row: Row, task: str) -> bool:
    """Whether a row has every seed on a task."""
    return row.cells[task].seeds == row.seeds_wanted and row.cells[task].estimate is not None


def parameters_of(site: Site, name: str) -> int | None:
    """Parameters of a model's base, from its fine-tunes; None when it has none, or is made of models of
    several sizes."""
    return site.sizes.get(name)


@dataclass(frozen=True)
class Found:
    """What lies in a results folder."""

    results: tuple[Result, ...]
    digests: Mapping[str, str]
    """By the key of a result, of the file that it was read from."""

    failures: tuple[Failure, ...]
    imported: tuple[Imported, ...]
    skipped: tuple[str, ...]
    """Files that cannot be read, and why."""


def read_folder(results: Path) -> Found:
    """Everything below a results folder; what cannot be read is named in a warning and skipped."""
    runs, imported = read_runs(results), read_imported(results)
    skipped = (*runs.skipped, *imported.skipped)
    for sentence in skipped:
        warnings.warn(sentence, stacklevel=3)
    return Found(tuple(runs.finished), runs.digests, tuple(runs.failed), tuple(imported.records), skipped)


def gather(
    found: Found,
    folder: Path,
    board_path: Path | None,
    prices_path: Path | None,
    *,
    read: ReadAll = read_scores,
    level_of: LevelOf = joint_threshold,
) -> Site:
    """What a board's pages draw from: the results of its tasks. Raises `UserError` where there is nothing to
    show.

    `read`: how scores are read; `level_of`: how the level of rank intervals is found.
    """
    board, prices = load_board(board_path), load_prices(prices_path)
    results, failures, skipped = list(found.results), found.failures, found.skipped
    # Without the folder's own path: the same results give the same pages on every machine.
    problems = [without_folder(message, folder) for message in skipped]
    if not results:
        why = f" {len(failures)} failed." if failures else ""
        why += f" {len(skipped)} could not be read: {skipped[0]}" if skipped else ""
        raise UserError(
            f"{folder} holds no finished run.{why} `gainboard run SWEEP --results {folder}` makes some"
        )
    counted = [result for result in results if board.tasks is None or result.run.task in board.tasks]
    untrusted = [result for result in counted if result.untrusted]
    table = tabulate(results, folder, board, read=read)
    if not table.rows and untrusted:
        raise UserError(
            f"{folder} holds no run that can be trusted. {untrusted[0].run.label}: {untrusted[0].untrusted}. Remove "
            f"{folder / untrusted[0].run.folder} and run the sweep again"
        )
    if not table.rows:
        wanted = f" for the tasks of its board ({', '.join(board.tasks)})" if board.tasks else ""
        raise UserError(
            f"{folder} holds no run that can be shown{wanted}. {table.notes[0] if table.notes else ''}".rstrip()
        )
    failed = tuple(failure for failure in failures if board.tasks is None or failure.run.task in board.tasks)
    return Site(
        board=board,
        table=table,
        ledger=make_ledger(table, prices, counted, failed),
        prices=prices,
        results=tuple(counted),
        failures=failed,
        untrusted=tuple(untrusted),
        problems=(*problems, *table.notes),
        folder=folder,
        level_of=level_of,
        elsewhere=tuple(
            one for one in found.imported if board.tasks is None or any(map(one.is_of, board.tasks))
        ),
    )
