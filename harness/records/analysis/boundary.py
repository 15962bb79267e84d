"""What an analysis found at the boundary: margins, a map of hidden states, edits that flip answers."""

from typing import Literal

from harness.records.analysis.passes import PassRecord
from harness.records.analysis.span import Span
from harness.records.fields import Count, Finite, Share, record_part


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
