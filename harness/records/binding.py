"""What binds a result to its predictions, and what tells that the two do not belong together.

A result names its `predictions.parquet` by the SHA-256 of the file's bytes and by its number of rows. Of the
file, not of what stands in it: that covers every column, anybody can check it with `sha256sum`, and it takes
microseconds where decoding the texts of a run takes milliseconds. Only GainBoard writes the file, so nothing
is lost by the fact that another Parquet writer would give other bytes. Besides, what a result says must
follow from the rows; that much is checked of results from before they were bound, too.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.counts import agreeing, count_of
from harness.foreign import MOST_PREDICTIONS, ForeignFileError, open_regular
from harness.records.predictions import PREDICTIONS
from harness.records.result import RESULT, PredictionsFile, Result
from harness.records.scores import MetricCard, MetricValue

PENDING = f".{PREDICTIONS}.pending"
"""Predictions that were judged again, until the result that names them is written."""

BLOCK_BYTES = 2**16
"""Read at a time for a digest. Most predictions are one block; `hashlib.file_digest` takes twice as long for
these."""

RELATIVE_ROUNDING, ABSOLUTE_ROUNDING = 1e-6, 1e-9
"""How far a mean may be off that was added up in another order, and a value from the end of its range."""


@dataclass(frozen=True, slots=True)
class PredictionFacts:
    """What a file of predictions comes to."""

    sha256: str
    """Of its bytes."""

    rows: int
    answered: int
    """Samples, counted once per template."""

    complete: int
    """Samples that are scored in every template and draw."""

    mean: float | None
    """Of the primary metric over those; None without any."""


def digest_of(path: Path | str, *, inside: Path) -> str:
    """The SHA-256 of a file's bytes, in hex. `inside`: the folder that no link may lead out of. Raises
    `ForeignFileError` for what is no ordinary file."""
    digest = hashlib.sha256()
    with open_regular(path, inside=inside, max_bytes=MOST_PREDICTIONS) as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def why_changed(results: Path, result: Result) -> str | None:
    """Why the predictions beside a result are not those that it was computed from; None where they are, and
    where the result is from before it named them. Raises one of `UNREADABLE`."""
    if result.predictions is None:
        return None
    return _why_another_file(
        results, result, digest_of(results / result.run.folder / PREDICTIONS, inside=results)
    )


def contradiction(results: Path, result: Result, facts: PredictionFacts) -> str | None:
    """The first thing in which a result and its predictions contradict each other; None where they fit."""
    return next(contradictions(results, result, facts), None)


def contradictions(results: Path, result: Result, facts: PredictionFacts) -> Iterator[str]:
    """Everything in which a result and its predictions contradict each other, in words."""
    changed = _why_another_file(results, result, facts.sha256)
    if changed:
        yield changed
    bound = result.predictions
    if bound is not None and facts.rows != bound.rows:
        yield f"there are {facts.rows:,} rows, and {RESULT} says {bound.rows:,}"
    if facts.answered != result.samples.total:
        answered = f"{count_of(facts.answered, 'sample')} {agreeing('were', facts.answered)} answered"
        yield f"{answered}, and {RESULT} says {result.samples.total:,}"
    name = result.task.primary_metric
    value = result.metrics.get(name)
    if value is not None:
        yield from wrong_mean(name, value, facts.complete, facts.mean)
    yield from impossible_values(result)


def wrong_mean(name: str, value: MetricValue, complete: int, mean: float | None) -> Iterator[str]:
    """What a metric's value says that does not follow from the scores of its samples: `complete` of them,
    with this mean. The parts of samples in a corpus metric average to its value, too."""
    if complete != value.n:
        yield f"{name} is over {complete:,} samples, and {RESULT} says {value.n:,}"
    elif mean is not None and not _same(mean, value.value):
        yield f"{name} is {mean:.6g} over its samples, and {RESULT} says {value.value:.6g}"


def impossible_values(result: Result) -> Iterator[str]:
    """The metrics whose value lies outside their range."""
    for name, value in result.metrics.items():
        card = result.task.metrics.get(name)
        if card is not None and not is_within(value.value, card.low, card.high):
            yield f"{name} is {value.value:g}, and its range is {_range_text(card)}"


def is_within(value: float, low: float | None, high: float | None) -> bool:
    """Whether a value lies in a range, but for rounding; None is an end without bound."""
    not_below = low is None or value >= low or _same(value, low)
    not_above = high is None or value <= high or _same(value, high)
    return not_below and not_above


def settle(folder: Path, result: Result) -> None:
    """Put predictions in place that a `gainboard score` judged again and named in their result before it was
    stopped; remove those that it did not come to name."""
    pending = folder / PENDING
    if _is_named(pending, result.predictions):
        put_in_place(folder)
    else:
        pending.unlink(missing_ok=True)


def put_in_place(folder: Path) -> None:
    """Let the predictions that their result names already take the place of the former ones."""
    (folder / PENDING).replace(folder / PREDICTIONS)


def _is_named(path: Path, predictions: PredictionsFile | None) -> bool:
    try:
        return predictions is not None and digest_of(path, inside=path.parent) == predictions.sha256
    except (OSError, ForeignFileError):
        return False


def _why_another_file(results: Path, result: Result, sha256: str) -> str | None:
    bound = result.predictions
    if bound is None or bound.sha256 == sha256:
        return None
    if _is_named(results / result.run.folder / PENDING, bound):
        return "a `gainboard score` was stopped between its two writes; run it again"
    return (
        f"they have changed since {RESULT} was written (SHA-256 {sha256[:12]}… where it says "
        f"{bound.sha256[:12]}…)"
    )


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=RELATIVE_ROUNDING, abs_tol=ABSOLUTE_ROUNDING)


def _range_text(card: MetricCard) -> str:
    low, high = ("∞" if end is None else f"{end:g}" for end in (card.low, card.high))
    return f"{'−' if card.low is None else ''}{low} to {high}"
