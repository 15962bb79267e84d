"""How far answers are from another one: the margin of each sample, and which lie within reach."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.records.analysis.boundary import AmbiguousSample, ClassMargins, MarginsRecord

REACH = math.log(3)
"""A margin below it, on either side, is within reach of the boundary: of the right choice and the best wrong
one, none is three times as likely as the other."""

MOST_CLASSES = 12
"""Labels with a histogram of their own; of more, the most frequent ones, and the others together."""

BINS = 24
MOST_AMBIGUOUS = 12

Margins = NDArray[np.float64]


@dataclass(frozen=True)
class WeighedSample:
    """A sample whose choices an arm has weighed."""

    id: str
    target: str
    """The first one."""

    right: tuple[int, ...]
    """Places of the accepted choices."""

    choices: tuple[str, ...]
    logprobs: Sequence[float]
    """Natural logarithms, one for each choice."""

    @property
    def margin(self) -> float | None:
        """The log-probability of the likeliest right choice minus that of the likeliest wrong one: above zero
        the answer is right. None where no choice is right, or none wrong."""
        right = [self.logprobs[place] for place in self.right]
        wrong = [logprob for place, logprob in enumerate(self.logprobs) if place not in self.right]
        return max(right) - max(wrong) if right and wrong else None

    @property
    def answer(self) -> str:
        """The likeliest choice; of equally likely ones the first, as scoring has it."""
        return self.choices[max(range(len(self.logprobs)), key=self.logprobs.__getitem__)]


def margins_record(
    arm: str, weighed: Sequence[WeighedSample], *, edges: Sequence[float], saved: bool
) -> MarginsRecord:
    """The margins of an arm in bins, for all samples and label by label."""
    with_margin = [(sample, margin) for sample in weighed if (margin := sample.margin) is not None]
    margins = np.array([margin for _, margin in with_margin])
    frequent = Counter(sample.target for sample, _ in with_margin)
    names = [name for name, _ in sorted(frequent.items(), key=lambda pair: (-pair[1], pair[0]))]
    alone = names if len(names) <= MOST_CLASSES else names[: MOST_CLASSES - 1]
    classes = [_class("", margins, edges)]
    if len(names) > 1:
        targets = np.array([sample.target for sample, _ in with_margin], dtype=object)
        classes += [_class(name, margins[targets == name], edges) for name in sorted(alone)]
        if len(alone) < len(names):
            others = ~np.isin(targets, alone)
            classes.append(_class(f"{len(names) - len(alone):,} others", margins[others], edges))
    return MarginsRecord(
        arm=arm,
        saved=saved,
        n=len(margins),
        without=len(weighed) - len(margins),
        edges=tuple(edges),
        classes=tuple(classes),
    )


def _class(label: str, margins: Margins, edges: Sequence[float]) -> ClassMargins:
    inside = np.clip(margins, edges[0], edges[-1])
    counts, _ = np.histogram(inside, bins=np.asarray(edges))
    near = np.abs(margins) < REACH
    return ClassMargins(
        label=label,
        n=len(margins),
        counts=tuple(counts.tolist()),
        median=float(np.median(margins)) if len(margins) else 0.0,
        right=int((margins > 0).sum()),
        near=int(near.sum()),
        near_wrong=int((near & (margins <= 0)).sum()),
    )


def bin_edges(arms: Iterable[Sequence[WeighedSample]]) -> tuple[float, ...]:
    """Ends of bins that hold 98 % of all margins, even about zero; those beyond are counted in the last
    ones."""
    margins = [abs(margin) for weighed in arms for sample in weighed if (margin := sample.margin) is not None]
    # At least as wide as what is within reach.
    largest = max(2 * REACH, float(np.quantile(margins, 0.98)) if margins else 0.0)
    end = math.ceil(largest)
    return tuple(float(edge) for edge in np.linspace(-end, end, BINS + 1))


def most_ambiguous(
    weighed: Sequence[WeighedSample], base: Sequence[WeighedSample] | None, *, most: int = MOST_AMBIGUOUS
) -> tuple[AmbiguousSample, ...]:
    """The samples nearest to the boundary of the judged arm, the nearest first. `base`: the same samples as
    the base weighs them."""
    by_id = {sample.id: sample for sample in base or ()}
    nearest = sorted(
        ((abs(margin), sample.id, sample) for sample in weighed if (margin := sample.margin) is not None),
        key=lambda entry: entry[:2],
    )
    records = []
    for _, name, sample in nearest[:most]:
        margin = sample.margin
        assert margin is not None, "others were left out"
        before = by_id.get(name)
        records.append(
            AmbiguousSample(
                sample=name,
                target=sample.target,
                answer=sample.answer,
                margin=margin,
                base_answer=None if before is None else before.answer,
                base_margin=None if before is None else before.margin,
            )
        )
    return tuple(records)
