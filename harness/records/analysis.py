"""The record of an arm's analysis: why it scores as it does, and what to change next."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.foreign import MOST_PREDICTIONS, ForeignFileError, open_regular
from harness.records.attention import AttentionRecord
from harness.records.fields import Amount, Count, Finite, Share, record_part
from harness.records.predictions import PREDICTIONS
from harness.records.result import Result
from harness.toml import Frozen

ANALYSIS, ANALYSED_SAMPLES = "analysis.json", "analysis.parquet"
"""Files in the folder that holds the seeds of an arm: the record, and a row per sample."""

ANALYSIS_VERSION = 1

ERROR_KINDS = (
    "cut off",
    "empty",
    "refusal",
    "wrong form",
    "another label",
    "near miss",
    "copied from a demonstration",
    "another answer",
)
"""Kinds of wrong answers, in the order in which they are drawn. A wrong answer has one of them."""

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
class Span:
    """A mean with its 95 % interval."""

    value: Finite
    low: Finite
    high: Finite
    n: Count
    """Samples."""


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
class SliceRecord:
    """The samples that have something in common."""

    feature: str
    """What they have in common: `label`, `words`, `field topic` …"""

    part: str
    """Which of them these are: `billing`, `over 60` …"""

    n: Count
    score: Span
    """The judged arm's."""

    rest: Finite
    """Its score on all other samples."""

    score_p: Share
    """How likely a difference as large as that from the rest is by chance, corrected for all slices and both
    questions (Benjamini and Hochberg 1995)."""

    gain: Span | None = None
    """Over the arm that it is compared with; None without one."""

    gain_rest: Finite | None = None
    gain_p: Share | None = None
    """Likewise, of the gain against that on all other samples."""

    samples: tuple[str, ...] = ()
    """Some of them: those that it does worst on."""

    @property
    def title(self) -> str:
        """Feature and part as a heading."""
        return f"{self.feature}: {self.part}"


@record_part
class WordingRecord:
    """One wording against the other ones, on the same samples."""

    template: str
    score: Span
    difference: Span
    """From the mean of the other wordings."""

    p: Share
    """Corrected for all wordings."""


@record_part
class ErrorKinds:
    """How often an arm's answers are wrong, and in which way."""

    arm: str
    answers: Count
    """In all seeds, wordings and draws, as far as they were scored."""

    samples: Count
    counts: dict[str, Count]
    """Wrong answers by kind; each has one."""

    near_misses: dict[str, Count] = Field(default_factory=dict)
    """In what those of kind `near miss` differ from a target."""

    examples: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By kind, samples that have such an answer."""

    @property
    def wrong(self) -> int:
        """All wrong answers."""
        return sum(self.counts.values())


@record_part
class Confused:
    """Samples with one label that were given another."""

    target: str
    answer: str
    """Empty for anything that is no label."""

    count: Count
    """Samples whose most frequent answer it is."""

    samples: tuple[str, ...] = ()
    p: Share | None = None
    """How likely so many of the label's mistakes are this one if all other labels were as likely, corrected
    for all pairs; None on the diagonal."""


@record_part
class ConfusionRecord:
    """Which labels an arm mixes up."""

    arm: str
    labels: tuple[str, ...]
    """All of them, in the order of the choices or of the alphabet."""

    cells: tuple[Confused, ...]
    """Those that are not empty; where there are more labels than can be drawn, only mistakes."""


@record_part
class SuspectRecord:
    """A sample whose given label is probably wrong."""

    sample: str
    given: str
    suggested: str
    confidence: Share
    """Mean probability of the suggested label over seeds and wordings; of written answers, the share that
    agree on it."""

    given_confidence: Share
    """Likewise of the given one."""

    certain: bool
    """Whether the suggested label reaches its threshold of confidence, or all written answers agree on it."""

    unanimous: bool
    """Whether every seed answers with the suggested one, in every wording."""

    untuned: Literal["suggested", "given", "neither"] | None = None
    """What the arm that gains are measured against answers most often, which has learnt no label of this
    task; None without one."""


@record_part
class CorrectedScore:
    """What an arm would score if every certainly suspected label were replaced by the suggested one."""

    arm: str
    now: Finite
    corrected: Finite


@record_part
class LabelErrors:
    """Samples whose given label the judged arm contradicts."""

    method: Literal["confident_learning", "agreement"]
    """From the probabilities of choices (Northcutt, Jiang and Chuang 2021), or from the agreement of all
    seeds on another answer."""

    suspects: tuple[SuspectRecord, ...]
    """The most probable ones first."""

    certain: Count
    """Those that are certainly suspected, listed or not."""

    unanimous: Count
    """Suspects that every seed contradicts in the same way."""

    expected: Finite
    """So many samples would be contradicted alike by every seed if these erred independently of each
    other."""

    p: Share
    """How likely as many unanimous ones are then (Poisson); 1 with a single seed."""

    scores: tuple[CorrectedScore, ...]
    """Empty where a score cannot be told from answers alone."""


@record_part
class Bin:
    """Answers of about the same confidence."""

    low: Share
    high: Share
    n: Count
    confidence: Share
    """Mean."""

    accuracy: Span


@record_part
class CoveragePoint:
    """The answers an arm is surest of."""

    coverage: Share
    threshold: Share
    """The least confidence among them."""

    accuracy: Span


@record_part
class CalibrationRecord:
    """Whether the probability that an arm gives its choice is the share of right answers."""

    arm: str
    n: Count
    bins: tuple[Bin, ...]
    error: Share
    """Expected calibration error over these bins (Naeini, Cooper and Hauskrecht 2015)."""

    confidence: Share
    """Mean."""

    accuracy: Share
    surplus: Span
    """Mean confidence minus accuracy: above zero it is too sure."""

    p: Share
    """How likely such a surplus is of a calibrated arm."""

    coverage: tuple[CoveragePoint, ...]


@record_part
class ChangeRecord:
    """Which samples one arm gets right and another does not; by a majority of seeds and wordings."""

    before: str
    after: str
    fixed: tuple[str, ...]
    broken: tuple[str, ...]
    n_fixed: Count
    n_broken: Count


@record_part
class SamplesRecord:
    """Single samples to look at."""

    hardest: tuple[str, ...]
    """Wrong in every arm, seed and wording."""

    n_hardest: Count
    changes: tuple[ChangeRecord, ...]


class PassRecord(Frozen):
    """What a pass of an arm's weights over some samples cost."""

    reading: str
    """What was taken from each sample."""

    arm: str = ""
    seed: int = 0
    samples: Count
    """Prompts that were read, those of training samples and of other wordings among them."""

    prompt_tokens: Count
    failed: Count
    """Those of them that could not be read."""

    error: str = ""
    """Why the first of these could not."""

    device: str
    dtype: str
    startup_seconds: Amount = 0.0
    """Of its process, where it was the first pass of one."""

    load_seconds: Amount
    seconds: Amount
    """Of the pass alone."""

    peak_memory_bytes: Count


@record_part
class ClassMargins:
    """The margins of the samples of one label."""

    label: str
    """Empty for all samples together."""

    n: Count
    counts: tuple[Count, ...]
    """By bin."""

    median: Finite
    right: Count
    """Those with a margin above zero."""

    near: Count
    """Those within reach of the boundary."""

    near_wrong: Count
    """Those of them that are wrong."""


@record_part
class MarginsRecord:
    """By how much an arm prefers the right choice to the best wrong one, in nats, sample by sample."""

    arm: str
    saved: bool
    """Whether the log-probabilities are those of its predictions, or were read anew."""

    n: Count
    without: Count
    """Samples without a margin: no choice is right, or none wrong."""

    edges: tuple[Finite, ...]
    """Ends of the bins; what lies beyond the outer ones is counted in them."""

    classes: tuple[ClassMargins, ...]
    """All samples, then those of each label; of many labels the most frequent ones, and all others."""


@record_part
class AmbiguousSample:
    """A sample near the boundary."""

    sample: str
    target: str
    answer: str
    margin: Finite
    base_answer: str | None
    base_margin: Finite | None


@record_part
class MapMark:
    """A test sample in the plane."""

    sample: str
    x: Finite
    y: Finite
    label: int
    """Place among the labels of the map; -1 for one that is none of them."""

    right: bool
    """Whether the arm's answer is."""


@record_part
class MapRegion:
    """Where the classifier of the plane says a label."""

    label: int
    points: tuple[tuple[Finite, Finite], ...]
    """Corners of a convex polygon."""


@record_part
class MapRecord:
    """Hidden states at the answer position, projected to two dimensions."""

    arm: str
    projection: Literal["lda", "pca"]
    shares: tuple[Share, Share]
    """What each axis shows: of the variance between labels (`lda`) or of all variance (`pca`)."""

    variance: Share
    """Share of all variance of the training samples' states that lies in the plane."""

    dimensions: Count
    """Of a hidden state."""

    n_train: Count
    """Training samples that the plane was fitted on."""

    labels: tuple[str, ...]
    """Empty where there are more than can be told apart."""

    low: tuple[Finite, Finite]
    high: tuple[Finite, Finite]
    """Corners of the box that holds all marks."""

    regions: tuple[MapRegion, ...] = ()
    marks: tuple[MapMark, ...]
    plane_accuracy: Share | None = None
    """Share of the marks whose label the classifier of the plane says; None without regions."""

    accuracy: Share
    """Share of the marks that the arm itself answers rightly."""


@record_part
class FlipRate:
    """How often an edit of the prompt changes an arm's answer."""

    arm: str
    edit: Literal["wording", "word", "field"]
    """`wording`: another one; `word`: one word dropped; `field`: one field taken from another sample of the
    same label."""

    share: Span
    """Of the edits, averaged by sample."""

    samples: Count
    edits: Count
    saved: bool
    """Whether it is told from predictions, or was asked anew."""

    worst: str = ""
    """The wording that changes the most answers."""

    worst_share: Share = 0.0


@record_part
class FlipRecord:
    """An edit that changes the answer to a sample."""

    sample: str
    edit: Literal["wording", "word", "field"]
    what: str
    """The wording, the word with those beside it, or the field."""

    target: str
    before: str
    after: str


@record_part
class BoundaryRecord:
    """How near answers are to others, and what changes them."""

    reach: Finite
    """Margins below it, on either side, are within reach."""

    margins: tuple[MarginsRecord, ...] = ()
    """Of the untuned arm without demonstrations, where there is one, and of the judged arm."""

    ambiguous: tuple[AmbiguousSample, ...] = ()
    maps: tuple[MapRecord, ...] = ()
    flip_rates: tuple[FlipRate, ...] = ()
    flips: tuple[FlipRecord, ...] = ()
    edited: Count = 0
    """Samples near the boundary that were edited."""

    agreement: Share | None = None
    """Share of the samples read anew whose likeliest choice is the saved answer; None where none were."""

    passes: tuple[PassRecord, ...] = ()
    """What reading the weights anew took."""


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
    """A digest of all else in the record; empty in one from before it was sealed. See `analysis_file`."""

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
