"""What an analysis found in an arm's answers: where, how and how surely it is wrong."""

from typing import Literal

from pydantic import Field

from harness.records.analysis.span import Span
from harness.records.fields import Count, Finite, Share, record_part

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
