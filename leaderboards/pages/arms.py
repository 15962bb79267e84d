"""What the arms of one model said on a task, side by side: zero-shot, few-shot, and the best fine-tune."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.sweep.methods import METHODS, Method
from leaderboards.gathered import Site, is_whole
from leaderboards.pages.heads import METHOD_TITLES
from leaderboards.pages.samples import ShownPrediction, load_predictions
from leaderboards.rank.baselines import UNTUNED
from leaderboards.rank.tables import Row

Kind = Literal["fixed", "broken", "both wrong", "both right", "better", "worse", "same", "not scored"]
"""What became of a sample from the base to the arm that is judged; of scores between 0 and 1, which of them
is higher."""

VERDICTS: tuple[Kind, ...] = ("fixed", "broken", "both wrong", "both right", "not scored")
GRADES: tuple[Kind, ...] = ("better", "worse", "same", "not scored")


@dataclass(frozen=True)
class Answer:
    """What an arm said to a sample."""

    sample: ShownPrediction
    """The first draw."""

    score: float | None
    """The mean over draws; None when one of them was not scored."""

    draws: int


@dataclass(frozen=True)
class Arm:
    """One arm on one task: a single run, in the first wording."""

    method: Method | None
    """None where no fine-tune was run."""

    title: str
    result: Result | None
    """None where the arm was not run."""

    answers: dict[str, Answer]
    """By sample, in the order of the data set."""

    note: str
    """Which run is shown, or why none is."""


@dataclass(frozen=True)
class Arms:
    """The arms of one model on one task."""

    task: str
    model: str
    card: TaskCard
    arms: tuple[Arm, ...]
    """Zero-shot, few-shot, tuned, whether they were run or not."""

    @cached_property
    def present(self) -> tuple[Arm, ...]:
        """Those with predictions."""
        return tuple(arm for arm in self.arms if arm.answers)

    @property
    def pair(self) -> tuple[Arm, Arm] | None:
        """The base, and the arm that is judged against it: the first and the last that are there."""
        return (self.present[0], self.present[-1]) if len(self.present) > 1 else None

    @cached_property
    def graded(self) -> bool:
        """Whether scores are compared, rather than right and wrong."""
        return not self.card.binary or any(
            answer.draws > 1 for arm in self.present for answer in arm.answers.values()
        )

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What may become of a sample, in the order they are shown."""
        return GRADES if self.graded else VERDICTS

    @cached_property
    def ids(self) -> list[str]:
        """Every sample, in the order of the data set."""
        return list(dict.fromkeys(chain.from_iterable(arm.answers for arm in self.arms)))

    def kind(self, sample: str) -> Kind | None:
        """What became of a sample; None where one arm alone was run."""
        if self.pair is None:
            return None
        before, after = (arm.answers[sample].score if sample in arm.answers else None for arm in self.pair)
        if before is None or after is None:
            return "not scored"
        if self.graded:
            if after == before:
                return "same"
            return "better" if after > before else "worse"
        if after == before:
            return "both right" if after == 1 else "both wrong"
        return "fixed" if after == 1 else "broken"


def all_arms(site: Site) -> Iterator[Arms]:
    """The arms on every task, read one after the other, for they hold all predictions of their runs."""
    for task in site.table.tasks:
        yield read_arms(site, task)


def read_arms(site: Site, task: str) -> Arms:
    """The arms of the model whose fine-tune does best on a task; where nothing was tuned, of the model that
    does best."""
    best = _best(site, task)
    chosen: dict[Method | None, Row | None] = {
        method: _untuned(site, best, method, task) for method in UNTUNED
    }
    if best.tuned:
        chosen[best.method] = best
    else:
        chosen[None] = None
    seed = _shared_seed([row for row in chosen.values() if row is not None], task)
    arms = tuple(_arm(site, method, row, task, seed) for method, row in chosen.items())
    return Arms(task, best.name, site.table.tasks[task], arms)


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
        return Arm(method, title, None, {}, "not run on this task")
    results = {result.run.seed: result for result in row.cells[task].results}
    result = results.get(seed, row.cells[task].results[0])
    template = result.run.templates[0]
    answers = _answers(
        [sample for sample in load_predictions(site.folder, result) if sample.template == template]
    )
    note = f"{row.label}, seed {result.run.seed} (of {len(results)}), template {template}"
    return Arm(method, title, result, answers, note if answers else f"{note}: its predictions cannot be read")


def _answers(predictions: Sequence[ShownPrediction]) -> dict[str, Answer]:
    draws_by_sample: dict[str, list[ShownPrediction]] = {}
    for prediction in predictions:
        draws_by_sample.setdefault(prediction.id, []).append(prediction)
    answers = {}
    for sample_id, draws in draws_by_sample.items():
        scores = [draw.score for draw in draws if draw.score is not None]
        score = sum(scores) / len(scores) if len(scores) == len(draws) else None
        answers[sample_id] = Answer(min(draws, key=lambda draw: draw.draw), score, len(draws))
    return answers
