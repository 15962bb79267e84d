"""The value of a metric without any skill: by guessing, and by always giving the most frequent answer."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.plugin_code import plugin_code
from harness.task.metric import Metric, Reply, certain_logprobs, evaluate

if TYPE_CHECKING:
    from harness.task import Sample

MOST_SAMPLES = 20_000
"""The most samples a value is computed on; from more, so many are drawn."""

MOST_REPLIES = 50_000
"""The most replies that are simulated for a chance level, over all draws."""

MOST_TRIED = 1_000
"""The most training samples on which constant answers are compared."""

_SEED = 0


def chance_level(metric: Metric, samples: "Sequence[Sample]", *, draws: int = 200) -> float | None:
    """What guessing evenly among the choices scores: exact for accuracy and, where each choice of each sample
    can be tried, for any mean metric; else the mean over `draws` simulated guesses of every sample.

    None when there are no choices to guess among, or when the metric needs what a guess does not have. Any
    error of a metric counts as that, since a plugin's own may raise anything; `gainboard check` reports it.
    """
    if not samples or not all(sample.choices for sample in samples):
        return None
    if metric.name in ("accuracy", "accuracy_norm", "exact_match"):
        return sum(map(_share_right, samples)) / len(samples)
    generator = random.Random(_SEED)
    subset = _at_most(samples, generator)
    draws = max(1, min(draws, MOST_REPLIES // len(subset)))
    guess = _even if metric.of_probabilities else _certain

    def mean_of_guesses() -> float:
        if metric.score is not None and sum(len(sample.choices) for sample in samples) <= MOST_REPLIES:
            return sum(_expected(metric.score, sample, guess) for sample in samples) / len(samples)
        drawn = _guesses(subset, draws, generator, guess)
        return sum(evaluate(metric, guesses) for guesses in drawn) / draws

    return _number_or_none(mean_of_guesses)


def majority_level(metric: Metric, train: "Sequence[Sample]", test: "Sequence[Sample]") -> float | None:
    """What always giving one answer scores on `test`: the most frequent training answer or, of a metric with
    `constants`, that of them which is best on training samples.

    None when there is no such answer (none that occurs twice), or when the
    metric raises, as for `chance_level`.
    """
    if not test:
        return None
    generator = random.Random(_SEED)
    subset = _at_most(test, generator)

    def mean_of_constant() -> float | None:
        answer = constant_answer(metric, train)
        return None if answer is None else evaluate(metric, [_certain(sample, answer) for sample in subset])

    return _number_or_none(mean_of_constant)


def _number_or_none(compute: Callable[[], float | None]) -> float | None:
    """None for whatever a metric raises, as where it needs a likelihood, and for what is no number."""
    try:
        with plugin_code("metric"):
            level = compute()
            return level if level is None or math.isfinite(level) else None
    except UserError:
        return None


def constant_answer(metric: Metric, train: "Sequence[Sample]") -> str | None:
    """The answer that scores best on training samples when it is given to all of them, among the most
    frequent target, if any occurs twice, and the metric's `constants`; None when there is none."""
    targets = [sample.targets[0] for sample in train]
    candidates = [target for target, count in Counter(targets).most_common(1) if count > 1]
    if metric.constants is None:
        return candidates[0] if candidates else None
    candidates = list(dict.fromkeys([*candidates, *metric.constants(targets)]))
    if not candidates:
        return None
    tried = train if len(train) <= MOST_TRIED else random.Random(_SEED).sample(train, MOST_TRIED)
    scores = [evaluate(metric, [_certain(sample, answer) for sample in tried]) for answer in candidates]
    best = max(scores) if metric.higher_is_better else min(scores)
    return candidates[scores.index(best)]


def _at_most(samples: "Sequence[Sample]", generator: random.Random) -> "Sequence[Sample]":
    return samples if len(samples) <= MOST_SAMPLES else generator.sample(samples, MOST_SAMPLES)


def _share_right(sample: "Sample") -> float:
    return sum(choice in sample.targets for choice in sample.choices) / len(sample.choices)


_Guess = Callable[["Sample", str], Reply]
"""The reply of a model without skill that chose this choice."""


def _expected(score: Callable[[Reply], float], sample: "Sample", guess: _Guess) -> float:
    """The mean score over all choices of a sample."""
    return sum(score(guess(sample, choice)) for choice in sample.choices) / len(sample.choices)


def _guesses(
    samples: "Sequence[Sample]", draws: int, generator: random.Random, guess: _Guess
) -> Iterator[list[Reply]]:
    """A guess for every sample, `draws` times over.

    Each sample's guess starts at a random choice and then goes round the others, so that even a few draws are
    balanced over the choices; after a full round it starts at random again.
    """
    round_length = max(len(sample.choices) for sample in samples)
    for draw in range(draws):
        if draw % round_length == 0:
            starts = [generator.randrange(len(sample.choices)) for sample in samples]
        yield [
            guess(sample, sample.choices[(start + draw) % len(sample.choices)])
            for sample, start in zip(samples, starts, strict=True)
        ]


def _even(sample: "Sample", answer: str) -> Reply:
    """An answer to which no choice is likelier than another."""
    size = len(sample.choices)
    return _reply(sample, answer, (-math.log(size),) * size)


def _certain(sample: "Sample", answer: str) -> Reply:
    return _reply(sample, answer, certain_logprobs(sample.choices, answer))


def _reply(sample: "Sample", answer: str, logprobs: tuple[float, ...]) -> Reply:
    return Reply(
        answer, sample.targets, choices=sample.choices, choice_logprobs=logprobs, metadata=sample.metadata
    )
