"""A task's own analyses, as it declares them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.analysis.arms import ArmAnswers, ArmComparison, AskedSample
from harness.errors import UserError, short_repr
from harness.plugin_code import plugin_code
from harness.records.analysis.record import TableRecord
from harness.task.analysis import AnalysedSample, Analysis, AnalysisTable, Need, SavedAnswer
from harness.task.metric import Reply
from harness.visible import is_whole

AVAILABLE: frozenset[Need] = frozenset({"predictions"})
"""What analyses can be given."""

MOST_ROWS = 500
"""Rows of a table that are kept."""


@dataclass(frozen=True)
class OwnTable:
    """What an analysis of the task's own came to."""

    record: TableRecord
    findings: tuple[str, ...] = ()


def own_tables(comparison: ArmComparison, analyses: Sequence[Analysis]) -> list[OwnTable]:
    """The tables of a task's own analyses; of one that fails, or that needs what there is not, why."""
    if not analyses:
        return []
    samples = [_sample(comparison, place) for place in range(len(comparison.samples))]
    return [_table(analysis, samples, comparison.judged.name) for analysis in analyses]


def _table(analysis: Analysis, samples: Sequence[AnalysedSample], judged: str) -> OwnTable:
    missing = [need for need in analysis.needs if need not in AVAILABLE]
    if missing:
        return OwnTable(_empty(analysis, f"it needs {' and '.join(missing)}, which nothing saves yet"))
    try:
        with plugin_code("", "it"):
            table = analysis.make(samples, judged)
            _check(table)
    except UserError as error:
        return OwnTable(_empty(analysis, str(error)))
    record = TableRecord(
        name=analysis.name,
        description=analysis.description,
        columns=tuple(table.columns),
        rows=tuple(map(tuple, table.rows[:MOST_ROWS])),
    )
    return OwnTable(record, tuple(table.findings))


def _empty(analysis: Analysis, error: str) -> TableRecord:
    return TableRecord(name=analysis.name, description=analysis.description, columns=(), rows=(), error=error)


def _check(table: object) -> None:
    """Raises `UserError` for what is no table, or cannot be saved."""
    if not isinstance(table, AnalysisTable):
        raise UserError(f"it returned {type(table).__name__}, expected an AnalysisTable")
    for text in (*table.columns, *table.findings):
        if not (isinstance(text, str) and is_whole(text)):
            raise UserError(f"its columns and findings are texts, and {short_repr(text)} is none")
    for number, row in enumerate(table.rows, start=1):
        if len(row) != len(table.columns):
            raise UserError(
                f"row {number} of its table has {len(row)} entries for {len(table.columns)} columns"
            )
        for entry in row:
            if not _can_be_saved(entry):
                raise UserError(
                    f"row {number} of its table holds {short_repr(entry)}; an entry is a text, a finite "
                    "number or None"
                )


def _can_be_saved(entry: object) -> bool:
    if isinstance(entry, str):
        return is_whole(entry)
    return entry is None or (isinstance(entry, (int, float)) and math.isfinite(entry))


def _sample(comparison: ArmComparison, place: int) -> AnalysedSample:
    sample = comparison.samples[place]
    answers = {arm.name: tuple(_answers(arm, sample, place)) for arm in comparison.arms}
    return AnalysedSample(sample.id, sample.fields, answers)


def _answers(arm: ArmAnswers, sample: AskedSample, place: int) -> Iterator[SavedAnswer]:
    for seed_place, seed in enumerate(arm.seeds):
        for template_place, template in enumerate(arm.templates):
            at = seed_place, template_place, place
            logprobs = () if arm.logprobs is None else tuple(arm.logprobs[at].tolist())
            reply = Reply(
                answer=arm.answers[at] or "",
                targets=sample.targets,
                choices=sample.choices,
                choice_logprobs=logprobs,
                metadata=sample.metadata,
            )
            yield SavedAnswer(seed, template, arm.prompts[at] or "", reply, float(arm.scores[at]))
