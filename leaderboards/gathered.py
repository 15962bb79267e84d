"""What all pages draw from: a results folder, read once, and the `Site` of each board, gathered from it."""

import warnings
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from harness.counts import count_of
from harness.errors import UserError
from harness.records.result import Failure, Result
from harness.records.scores import MetricCard, TaskCard
from harness.records.store import read_runs
from harness.statistics import joint_threshold
from leaderboards.board import Board, load_board
from leaderboards.decide.advice import Advice, Payoff, decide
from leaderboards.decide.cases import Choices, make_choices
from leaderboards.decide.contests import TuningContest, contests_against
from leaderboards.decide.decision import CaseFigures, Decision, weigh
from leaderboards.decide.scenario import Scenario, scenario_at
from leaderboards.decide.verdict import Verdict, word
from leaderboards.elsewhere.scores import Imported, read_imported
from leaderboards.history import History, looks
from leaderboards.links import run_href
from leaderboards.money.ledger import CostLedger, make_ledger
from leaderboards.money.prices import Prices, load_prices
from leaderboards.rank.analyses import RowAnalysis, read_analyses
from leaderboards.rank.baselines import Key
from leaderboards.rank.discoveries import TaskGain, task_gains
from leaderboards.rank.flags import Trouble, troubles
from leaderboards.rank.scores import ReadAll, read_scores
from leaderboards.rank.standings import LevelOf, side_by_side
from leaderboards.rank.tables import Row, Table
from leaderboards.rank.tabulate import tabulate
from leaderboards.text import MINUS, in_units, without_folder


@dataclass(frozen=True)
class ResultsFolder:
    """All that lies in a results folder."""

    path: Path
    results: tuple[Result, ...]
    digests: Mapping[str, str]
    """By the key of a result, of the file that it was read from."""

    failures: tuple[Failure, ...]
    imported: tuple[Imported, ...]
    skipped: tuple[str, ...]
    """Files that cannot be read, and why: a sentence each."""


def read_folder(path: Path, *, checked: Collection[str] = frozenset()) -> ResultsFolder:
    """Read everything below a results folder; a file that cannot be read is named in a warning and
    skipped. `checked`: as `read_runs` has it."""
    runs, imported = read_runs(path, checked=checked), read_imported(path)
    skipped = (*runs.skipped, *imported.skipped)
    for sentence in skipped:
        # Whoever calls the function that reads, such as `publish`, is who is warned.
        warnings.warn(sentence, stacklevel=3)
    return ResultsFolder(
        path, tuple(runs.finished), runs.digests, tuple(runs.failed), tuple(imported.records), skipped
    )


@dataclass(frozen=True)
class Site:
    """Everything the pages draw from."""

    board: Board
    table: Table
    ledger: CostLedger
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

    analyses: Mapping[str, RowAnalysis] = field(default_factory=dict)
    """By task, why its best arm scores as it does; none of a task that was not analysed."""

    history: History = field(default_factory=History)
    """What the board said before."""

    level_of: LevelOf = joint_threshold
    """How the level of rank intervals is found."""

    @cached_property
    def run_hrefs(self) -> dict[str, str]:
        """The page of every run, by its key."""
        return {result.key: run_href(result) for result in self.results}

    @cached_property
    def troubles(self) -> dict[str, list[Trouble]]:
        """What went wrong with each finished run, by its key; of most runs nothing did."""
        return {result.key: noticed for result in self.results if (noticed := troubles(result))}

    @cached_property
    def _contests(self) -> dict[Key, TuningContest]:
        """Every complete fine-tune against the best arm without tuning."""
        return contests_against(self.table.best(tuned=False), self.table)

    @cached_property
    def advice(self) -> Advice:
        """What to do, and the facts that decide it."""
        advice = decide(self.table, self.ledger, self.board, self._contests)
        if advice.contest is None:
            return advice
        compared = advice.contest.tuned.key, advice.contest.untuned.key
        return replace(advice, looks=max(1, looks(self.history, compared)), payoff=self._payoff(advice))

    def _payoff(self, advice: Advice) -> Payoff | None:
        """What an advised fine-tune comes to in the board's scenario; None where its costs are not known."""
        row = advice.advised
        figures = self.figures_by_row.get(row.key) if row and advice.kind == "tune" else None
        if figures is None or figures.costs is None or figures.net is None or figures.worth is None:
            return None
        chosen = self.decision.chosen
        if chosen is not None and self.choices.cases[chosen].gain_unproven:
            chosen = self._untuned_within_budget  # nothing is advised that is not shown to gain
        best = None if chosen is None else self.choices.cases[chosen]
        best_net = None if chosen is None else self.decision.figures[chosen].net
        return Payoff(
            self.scenario,
            None if best is None else best.entry.row,
            best_budget=None if best is None else best.budget,
            extra_usd=(best_net.value if best_net else 0.0) - figures.net.value,
            net=figures.net.value,
            worth=figures.worth,
            affordable=figures.costs.total <= self.scenario.budget_usd,
        )

    @property
    def _untuned_within_budget(self) -> int | None:
        """The arm without tuning that is worth most, by its place, if it is within the budget."""
        reference = self.decision.reference
        costs = None if reference is None else self.decision.figures[reference].costs
        return reference if costs and costs.total <= self.scenario.budget_usd else None

    @cached_property
    def verdict(self) -> Verdict:
        """The advice in words."""
        return word(self.advice)

    @cached_property
    def choices(self) -> Choices:
        """The complete rows, as they are weighed against each other."""
        return make_choices(self.table, self.ledger, self._contests)

    @cached_property
    def decision(self) -> Decision:
        """What the complete rows come to in the scenario that the cost page opens with."""
        return weigh(self.choices, self.scenario)

    @cached_property
    def scenario(self) -> Scenario:
        """What the first page and the cost page open with."""
        return scenario_at(self.board.scenario, self.prices, self.choices.devices)

    @cached_property
    def figures_by_row(self) -> dict[Key, CaseFigures]:
        """What each row comes to in that scenario."""
        figures = zip(self.choices.cases, self.decision.figures, strict=True)
        return {case.key: case_figures for case, case_figures in figures if case.budget is None}

    @cached_property
    def ranks(self) -> dict[str, dict[Key, tuple[int, int]]]:
        """By task, the best and worst rank there of every row that has all of its seeds."""
        return side_by_side(self._ranks_on, self.table.tasks)

    def _ranks_on(self, task: str) -> dict[Key, tuple[int, int]]:
        rows = [row for row in self.table.rows if task in row.cells and is_whole(row, task)]
        keys, seeds_known = [row.key for row in rows], [row.cells[task].seed_noise_known for row in rows]
        standing = self.table.standings[task]
        ranking = standing.ranking(keys, level_of=self.level_of, seeds_known=seeds_known)
        ends = zip(ranking.best.tolist(), ranking.worst.tolist(), strict=True)
        return dict(zip(keys, ends, strict=True))

    @cached_property
    def gains(self) -> dict[tuple[Key, str], TaskGain]:
        """What every fine-tune gains on every task."""
        return task_gains(self.table)

    @cached_property
    def base_parameters(self) -> dict[str, int | None]:
        """By candidate, how many parameters the model has that its trainings started from; None for an
        ensemble of models of several sizes. A candidate without a training is not in it.

        Weights of four bits are packed, and counted as fewer than they are: the largest count of a model is
        the right one.
        """
        counts, models = defaultdict[str, set[int]](set), defaultdict[str, set[str]](set)
        for result in self.results:
            name = result.run.candidate.name
            models[name] |= {member.run.candidate.model for member in self.ledger.runs.members(result)}
            for training in result.trainings:
                added = 0 if training.tuner == "full" else training.trainable_parameters
                counts[name].add(training.parameters - added)
        return {
            name: max(sizes) if len(models[name]) < 2 or len(sizes) == 1 else None
            for name, sizes in counts.items()
        }


def gather(
    folder: ResultsFolder,
    board_path: Path | None = None,
    prices_path: Path | None = None,
    *,
    read: ReadAll = read_scores,
    level_of: LevelOf = joint_threshold,
) -> Site:
    """What the pages of a board draw from: the results of its tasks. Raises `UserError` where there is
    nothing to show.

    `read`: how scores are read; `level_of`: how the level of rank intervals is found.
    """
    board, prices = load_board(board_path), load_prices(prices_path)
    if not folder.results:
        raise UserError(_why_empty(folder))
    results = tuple(result for result in folder.results if _is_on(board, result.run.task))
    failures = tuple(failure for failure in folder.failures if _is_on(board, failure.run.task))
    untrusted = tuple(result for result in results if result.untrusted)
    # Of all results: those of guard tasks, which no board lists, say what tuning has made a model forget.
    table = tabulate(list(folder.results), folder.path, board, read=read)
    if not table.rows:
        raise UserError(_why_no_rows(folder.path, board, table, untrusted))
    # Without the folder's own path: the same results give the same pages on every machine.
    skipped = [without_folder(sentence, folder.path) for sentence in folder.skipped]
    stale: list[str] = []
    analyses = read_analyses(table, folder.path, stale)
    return Site(
        board=board,
        table=table,
        ledger=make_ledger(table, prices, list(results), failures, use=board.scenario),
        prices=prices,
        results=results,
        failures=failures,
        untrusted=untrusted,
        problems=(*skipped, *table.notes, *stale),
        analyses=analyses,
        folder=folder.path,
        level_of=level_of,
        elsewhere=tuple(imported for imported in folder.imported if _is_import_on(board, imported)),
    )


def _is_on(board: Board, task: str) -> bool:
    """Whether a task counts on a board; one that names no tasks has all."""
    return board.tasks is None or task in board.tasks


def _is_import_on(board: Board, imported: Imported) -> bool:
    return board.tasks is None or any(imported.is_of(task) for task in board.tasks)


def _why_empty(folder: ResultsFolder) -> str:
    """Why there is no finished run, and what makes some."""
    failures, skipped = folder.failures, folder.skipped
    why = f" {len(failures)} failed." if failures else ""
    why += f" {len(skipped)} could not be read: {skipped[0].rstrip('.')}." if skipped else ""
    return (
        f"{folder.path} holds no finished run.{why} `gainboard run SWEEP --results {folder.path}` makes some"
    )


def _why_no_rows(path: Path, board: Board, table: Table, untrusted: Sequence[Result]) -> str:
    """Why none of the finished runs has a row."""
    if untrusted:
        run = untrusted[0].run
        return (
            f"{path} holds no run that can be trusted. {run.label}: {untrusted[0].untrusted}. Remove "
            f"{path / run.folder} and run the sweep again"
        )
    wanted = f" for the tasks of its board ({', '.join(board.tasks)})" if board.tasks else ""
    return f"{path} holds no run that can be shown{wanted}. {table.notes[0] if table.notes else ''}".rstrip()


def scale_of(table: Table) -> str:
    """What a score of the table is: the mean over its tasks, or the metric of its only one."""
    if not table.normalised:
        name, card = next(iter(table.tasks.items()))
        falls = "" if card.metrics[card.primary_metric].higher_is_better else ", lower is better"
        point_size = "" if table.unit.is_points else f"; a point is {table.unit.amount(0.01)}"
        return f"{card.primary_metric} on {name}, {range_of(card)}{falls}{point_size}"
    weighted = "weighted mean" if len(set(table.weights.values())) > 1 else "mean"
    return (
        f"{weighted} over {count_of(len(table.tasks), 'task')}, where 0 is chance and 100 is perfect on each"
    )


def range_of(*cards: TaskCard) -> str:
    """The ends of the tasks' own metrics, in points or in their own unit: `0 to 100`, and what else there is
    among several tasks."""
    ranges = [_range(card.metrics[card.primary_metric]) for card in cards]
    return " or ".join(dict.fromkeys(ranges))


def _range(metric: MetricCard) -> str:
    if not metric.scale.is_share:
        return f"{metric.low:,.12g} to {metric.high:,.12g}".replace("-", MINUS)
    low, high = (in_units(metric, end).removesuffix(".0") for end in (metric.low, metric.high))
    return f"{low} to {high}"


def is_whole(row: Row, task: str) -> bool:
    """Whether a row has every seed on a task."""
    cell = row.cells[task]
    return not cell.lacks(row.seeds_wanted) and cell.estimate is not None
