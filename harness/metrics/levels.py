"""What a metric gives without any skill: by chance, and by always giving the commonest answer."""

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.task.metric import Metric, Reply, certain_logprobs, evaluate

if TYPE_CHECKING:
    from harness.task import Sample

MOST_SAMPLES = 20_000
"""Samples a level is computed on; of more, as many are drawn."""

MOST_REPLIES = 50_000
"""Replies that are simulated for a chance level, over all draws."""

_SEED = 0


def chance_level(metric: Metric, samples: "Sequence[Sample]", *, draws: int = 200) -> float | None:
    """What guessing evenly among the choices scores: exactly for accuracy, else the mean over simulated
    guesses.

    None where there are no choices to guess among, or the metric needs what a guess does not have. Whatever a
    metric raises counts as such a need: a plugin's own may raise anything, and `gainboard check` says so in
    its place.
    """
    if not samples or not all(sample.choices for sample in samples):
        return None
    if metric.name in ("accuracy", "accuracy_norm", "exact_match"):
        return sum(map(_share_right, samples)) / len(samples)
    generator = random.Random(_SEED)
    some = _some(samples, generator)
    draws = max(1, min(draws, MOST_REPLIES // len(some)))
    try:
        return sum(evaluate(metric, guess) for guess in _guesses(some, draws, generator)) / draws
    except Exception:  # no guess can be judged: the metric needs a likelihood, say
        return None


def majority_level(metric: Metric, train: "Sequence[Sample]", test: "Sequence[Sample]") -> float | None:
    """What always giving the most frequent training answer scores on `test`.

    None where no training answer is given twice, or the metric raises, as above.
    """
    commonest = Counter(sample.targets[0] for sample in train).most_common(1)
    if not commonest or commonest[0][1] < 2 or not test:
        return None
    answer = commonest[0][0]
    some = _some(test, random.Random(_SEED))
    try:
        return evaluate(metric, [_certain(sample, answer) for sample in some])
    except Exception:
        return None


def _some(samples: "Sequence[Sample]", generator: random.Random) -> "Sequence[Sample]":
    return samples if len(samples) <= MOST_SAMPLES else generator.sample(samples, MOST_SAMPLES)


def _share_right(sample: "Sample") -> float:
    return sum(choice in sample.targets for choice in sample.choices) / len(sample.choices)


def _guesses(samples: "Sequence[Sample]", draws: int, generator: random.Random) -> Iterator[list[Reply]]:
    """Guesses of all samples. A guess and those after it go round the choices, so that few draws are even
    over them."""
    even = {size: (-math.log(size),) * size for size in {len(sample.choices) for sample in samples}}
    most = max(even)
    for draw in range(draws):
        if draw % most == 0:
            first = [generator.randrange(len(sample.choices)) for sample in samples]
        yield [
            _reply(sample, sample.choices[(start + draw) % len(sample.choices)], even[len(sample.choices)])
            for sample, start in zip(samples, first, strict=True)
        ]


def _certain(sample: "Sample", answer: str) -> Reply:
    return _reply(sample, answer, certain_logprobs(sample.choices, answer))


def _reply(sample: "Sample", answer: str, logprobs: tuple[float, ...]) -> Reply:
    return Reply(
        answer, sample.targets, choices=sample.choices, choice_logprobs=logprobs, metadata=sample.metadata
    )
