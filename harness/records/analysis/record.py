"""The record of an arm's analysis: why it scores as it does, and what to change next."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from harness.foreign import MOST_PREDICTIONS, ForeignFileError, open_regular
from harness.records.analysis.attention import AttentionRecord
from harness.records.analysis.boundary import BoundaryRecord
from harness.records.analysis.errors import (
    CalibrationRecord,
    ConfusionRecord,
    ErrorKinds,
    LabelErrors,
    SamplesRecord,
    SliceRecord,
    WordingRecord,
)
from harness.records.analysis.passes import PassRecord
from harness.records.analysis.span import Span
from harness.records.fields import Count, record_part
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from harness.toml import Frozen

ANALYSIS, ANALYSED_SAMPLES = "analysis.json", "analysis.parquet"
"""Files in the folder that holds the seeds of an arm: the record, and a row per sample."""

ANALYSIS_VERSION = 1

Evidence = Literal[
    "slices",
    "wordings",
    "kinds",
    "confusion",
    "labels",
    "calibration",
    "boundary",
    "attention",
    "changes",
    "more",
]
"""The part of an analysis that shows what a finding says, and its anchor on a page."""


@record_part
class AnalysedArm:
    """An arm of the analysis: all of its seeds."""

    name: str
    """Its method; unique within an analysis."""

    label: str
    """Candidate and method."""

    seeds: tuple[int, ...]
    templates: tuple[str, ...]
    score: Span
    """Over the samples that every arm of the analysis answered."""


@record_part
class TableRecord:
    """What an analysis of a task's own found."""

    name: str
    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | int | None, ...], ...]
    error: str = ""
    """Why there is no table; empty where there is one."""


@record_part
class AnalysisFinding:
    """Something to change, or to know, in a sentence."""

    evidence: Evidence
    sentence: str


class AnalysisRecord(Frozen):
    """All that was found out about one arm on one task."""

    version: int = ANALYSIS_VERSION
    made_of: dict[str, str]
    """By folder below the results, the digest of each run that it was made of; see `digests_of`."""

    made_by: str = ""
    """Digests of all else that it depends on: the code, and what the task adds."""

    task: str
    task_version: int
    primary_metric: str
    judged: str
    """The arm that is analysed, by its name."""

    reference: str | None
    """The arm that gains are measured against: the better untuned one of the same model."""

    samples: Count
    """That every arm answered, in every seed and wording."""

    arms: tuple[AnalysedArm, ...]
    """Zero-shot, few-shot, tuned, as far as there are any."""

    slices: tuple[SliceRecord, ...] = ()
    wordings: tuple[WordingRecord, ...] = ()
    kinds: tuple[ErrorKinds, ...] = ()
    confusion: tuple[ConfusionRecord, ...] = ()
    labels: LabelErrors | None = None
    calibration: tuple[CalibrationRecord, ...] = ()
    boundary: BoundaryRecord | None = None
    attention: AttentionRecord | None = None
    attention_passes: tuple[PassRecord, ...] = ()
    """What reading it took."""

    read_by: str = ""
    """The digest of the weights and settings that passes of weights were made with; empty without any."""

    to_see: SamplesRecord
    more: tuple[TableRecord, ...] = ()
    findings: tuple[AnalysisFinding, ...] = ()
    """What to change next: only what is more than chance."""

    table: str = ""
    """The SHA-256 of the table of samples that lies beside it; empty in a record from before it was bound."""

    seal: str = ""
    """A digest of all else in the record; empty in one from before it was sealed. See `analysis.file`."""

    def arm(self, name: str) -> AnalysedArm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)


def digests_of(results: Path, runs: Iterable[Result]) -> dict[str, str]:
    """By folder below the results, what changes when the record of a run or its predictions do."""
    return {result.run.folder.as_posix(): _digest_of(results, result) for result in runs}


def _digest_of(results: Path, result: Result) -> str:
    digest = hashlib.sha256(f"{result.key} {result.task.primary_metric} ".encode())
    try:
        path = results / result.run.folder / PREDICTIONS
        with open_regular(path, inside=results, max_bytes=MOST_PREDICTIONS) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (ForeignFileError, OSError):  # as if there were none
        pass
    return digest.hexdigest()[:16]
