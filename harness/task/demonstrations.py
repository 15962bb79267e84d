"""Choose the demonstrations of few-shot prompts: always training samples, never dev or test."""

import random
from collections.abc import Sequence
from typing import Any

from harness.errors import UserError
from harness.task.prompts import PromptSet
from harness.task.samples import Sample

_WORD = r"(?u)\b\w+\b"
"""Words of one character count: of `3 + 1` there are no others."""


def choose_demonstrations(
    prompts: PromptSet, train: Sequence[Sample], samples: Sequence[Sample], *, count: int, seed: int
) -> list[list[Sample]]:
    """For each of `samples` the demonstrations of its prompt, in the order they are shown.

    `count` of them, or with `fixed` those that are named. Raises `UserError` for a fixed id that is not in
    `train`.
    """
    if count == 0:
        return [[]] * len(samples)
    if prompts.demonstrations == "nearest":
        return _nearest(train, samples, count)
    if prompts.demonstrations == "fixed":
        shown = _fixed(prompts, train)[:count]
    else:
        shown = _drawn(train, count, seed, balanced=prompts.demonstrations == "balanced")
    return [shown] * len(samples)


def _fixed(prompts: PromptSet, train: Sequence[Sample]) -> list[Sample]:
    by_id = {sample.id: sample for sample in train}
    for name in prompts.fixed:
        if name not in by_id:
            raise UserError(f"prompts.fixed names '{name}', which is no training sample")
    return [by_id[name] for name in prompts.fixed]


def _drawn(train: Sequence[Sample], count: int, seed: int, *, balanced: bool) -> list[Sample]:
    order = random.Random(seed).sample(range(len(train)), len(train))
    by_label: dict[str, list[Sample]] = {}
    for index in order:
        sample = train[index]
        by_label.setdefault(sample.targets[0] if balanced and sample.choices else "", []).append(sample)
    drawn: list[Sample] = []
    while len(drawn) < count and any(by_label.values()):
        drawn += [samples.pop() for samples in by_label.values() if samples]
    return drawn[:count]


def _nearest(train: Sequence[Sample], samples: Sequence[Sample], count: int) -> list[list[Sample]]:
    """By BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009) over the words of the
    samples' fields.

    Where no training sample has a word in its fields none is nearer than another: all are shown the first
    ones.
    """
    import bm25s

    def tokenised(texts: Sequence[Sample]) -> Any:
        questions = [question_text(sample) for sample in texts]
        return bm25s.tokenize(questions, token_pattern=_WORD, stopwords=None, show_progress=False)

    known = tokenised(train)
    if not samples or not any(known.ids):
        return [list(train[:count])] * len(samples)
    retriever = bm25s.BM25()
    retriever.index(known, show_progress=False)
    found, _ = retriever.retrieve(tokenised(samples), k=min(count, len(train)), show_progress=False)
    # The most similar stands last, next to the question.
    return [[train[index] for index in reversed(row)] for row in found.tolist()]


def question_text(sample: Sample) -> str:
    """What a sample asks, without any wording around it."""
    return "\n".join(sample.fields.values())
