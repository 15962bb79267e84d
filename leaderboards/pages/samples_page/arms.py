"""What the arms of one model said on a task, side by side: zero-shot, few-shot, and the best fine-tune."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.sweep.methods import METHODS, Method
from leaderboards.gathered import Site, is_whole
from leaderboards.pages.parts.heads import METHOD_TITLES
from leaderboards.pages.parts.samples import SHOWN, ShownPrediction, load_predictions
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.changes import GRADES, VERDICTS, SampleChange, change_of, margin_between, mean_scores
from leaderboards.rank.tables import Row


@dataclass(frozen=True, slots=True)
class Answer:
    """What one run said to a sample, in its first wording."""

    sample: ShownPrediction
    """The first draw."""

    score: float | None
    """The mean over draws; None when one of them was not scored."""

    draws: int


@dataclass(frozen=True)
class Arm:
    """One arm on one task: the answers of a single run, in the first wording, and the scores of all."""

    method: Method | None
    """None where no fine-tune was run."""

    title: str
    row: Row | None
    """None where the arm was not run."""

    result: Result | None
    """The run whose answers are shown; None where the arm was not run."""

    answers: dict[str, Answer]
    """By sample, in the order of the data set."""

    scores: Mapping[str, float]
    """By sample, the mean over all seeds, wordings and draws."""

    note: str
    """Which run is shown, or why none is."""


@dataclass(frozen=True, eq=False)
class Arms:
    """The arms of one model on one task. Compared by identity: what is made of them is made once."""

    task: str
    model: str
    card: TaskCard
    arms: tuple[Arm, ...]
    """Zero-shot, few-shot, tuned, whether they were run or not."""

    baseline: Method
    """The arm that the board's verdict compares fine-tunes with; few-shot where it compares with none."""

    @cached_property
    def present(self) -> tuple[Arm, ...]:
        """Those with predictions."""
        return tuple(arm for arm in self.arms if arm.answers)

    @cached_property
    def pair(self) -> tuple[Arm, Arm] | None:
        """The baseline, and the arm that is judged against it, which is the last that is there; None where
        one alone was run."""
        if len(self.present) < 2:
            return None
        *others, judged = self.present
        return next((arm for arm in others if arm.method == self.baseline), others[0]), judged

    @property
    def graded(self) -> bool:
        """Whether scores are compared, rather than right and wrong."""
        return not self.card.binary

    @property
    def changes(self) -> tuple[SampleChange, ...]:
        """What may become of a sample, in the order they are shown."""
        return GRADES if self.graded else VERDICTS

    @cached_property
    def ids(self) -> list[str]:
        """Every sample, in the order of the data set."""
        return list(dict.fromkeys(chain.from_iterable(arm.answers for arm in self.arms)))

    def change(self, sample: str) -> SampleChange | None:
        """What became of a sample; None where one arm alone was run."""
        if self.pair is None:
            return None
        before, after = (arm.scores.get(sample) for arm in self.pair)
        return change_of(before, after, graded=self.graded, margin=self._margin)

    @cached_property
    def _margin(self) -> float:
        """How far two scores may be apart and count as the same."""
        if self.pair is None or not self.of_parts:
            return 0.0
        before, after = self.pair
        return margin_between(before.scores, after.scores)

    @property
    def of_parts(self) -> bool:
        """Whether the scores of samples are parts of a corpus score."""
        return self.card.metrics[self.card.primary_metric].corpus

    def gain(self, sample: str) -> float:
        """By how much its score changed, from −1 to 1; 0 where it was not scored."""
        if self.pair is None:
            return 0.0
        before, after = (arm.scores.get(sample) for arm in self.pair)
        return 0.0 if before is None or after is None else after - before


def all_arms(site: Site) -> Iterator[Arms]:
    """The arms on every task, read one after the other, for they hold all predictions of their runs."""
    for task in site.table.tasks:
        yield read_arms(site, task)


def headline_baseline(site: Site) -> Row | None:
    """The arm without tuning that the board's verdict compares fine-tunes with; None where it does not."""
    contest = site.advice.contest
    return contest.untuned if contest else None


def read_arms(site: Site, task: str) -> Arms:
    """The arms of the model whose fine-tune does best on a task; where nothing was tuned, of the model that
    does best."""
    chosen = default_rows(site, task)
    seed = _shared_seed([row for row in chosen.values() if row is not None], task)
    arms = tuple(_arm(site, method, row, task, seed) for method, row in chosen.items())
    baseline = headline_baseline(site)
    return Arms(
        task,
        _best(site, task).name,
        site.table.tasks[task],
        arms,
        baseline.method if baseline else UNTUNED[-1],
    )


def default_rows(site: Site, task: str) -> dict[Method | None, Row | None]:
    """The rows of those arms by method; None of one that was not run, and for no fine-tune at all."""
    best = _best(site, task)
    rows: dict[Method | None, Row | None] = {method: _untuned(site, best, method, task) for method in UNTUNED}
    if best.tuned:
        rows[best.method] = best
    else:
        rows[None] = None
    return rows


def _best(site: Site, task: str) -> Row:
    def merit(row: Row) -> tuple[bool, bool, float]:
        estimate = row.cells[task].estimate
        return row.tuned, is_whole(row, task), estimate.value if estimate else -1.0

    rows = [row for row in site.table.rows if task in row.cells]
    return max(rows, key=lambda row: (merit(row), -METHODS.index(row.method)))


def _untuned(site: Site, best: Row, method: Method, task: str) -> Row | None:
    row = (
        best
        if best.method == method
        else site.table.baseline(best, method) or site.table.row(best.name, method)
    )
    return row if row is not None and task in row.cells else None


def _shared_seed(rows: Sequence[Row], task: str) -> int:
    """The first seed that all arms have; where they share none, the first of the last one."""
    seeds = [row.cells[task].seeds for row in rows]
    return min(set(seeds[0]).intersection(*seeds[1:]), default=seeds[-1][0])


def _arm(site: Site, method: Method | None, row: Row | None, task: str, seed: int) -> Arm:
    title = METHOD_TITLES[method] if method else "Fine-tuned"
    if row is None:
        return Arm(method, title, None, None, {}, {}, "not run on this task")
    results = {result.run.seed: result for result in row.cells[task].results}
    result = results.get(seed, row.cells[task].results[0])
    answers, wordings = read_answers(site.folder, result), result.run.templates
    note = f"{row.label}, seed {result.run.seed} (of {len(results)}), template {wordings[0]}"
    if not answers:
        note = f"{note}: its predictions cannot be read"
    elif len(wordings) > 1:
        note = f"{note} (of {len(wordings)})"
    return Arm(method, title, row, result, answers, mean_scores(row.cells[task]), note)


def read_answers(results: Path, result: Result, columns: Sequence[str] = SHOWN) -> dict[str, Answer]:
    """What a run answered to each sample in its first wording; nothing where its predictions cannot be
    read. `results`: their folder; `columns`: as of `load_predictions`."""
    return _by_sample(load_predictions(results, result, result.run.templates[0], columns))


def _by_sample(predictions: Sequence[ShownPrediction]) -> dict[str, Answer]:
    draws_by_sample: dict[str, list[ShownPrediction]] = {}
    for prediction in predictions:
        draws_by_sample.setdefault(prediction.id, []).append(prediction)
    answers = {}
    for sample_id, draws in draws_by_sample.items():
        scores = [draw.score for draw in draws if draw.score is not None]
        score = sum(scores) / len(scores) if len(scores) == len(draws) else None
        answers[sample_id] = Answer(min(draws, key=lambda draw: draw.draw), score, len(draws))
    return answers
