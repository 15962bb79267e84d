"""Choose the demonstrations of few-shot prompts: always training samples, never dev or test."""

import random
from collections.abc import Sequence
from typing import Any

from harness.errors import UserError
from harness.task.conversation import frame_of, question_text
from harness.task.prompts import PromptSet
from harness.task.samples import Sample
from harness.task.words import words_of


def choose_demonstrations(
    prompts: PromptSet, train: Sequence[Sample], samples: Sequence[Sample], *, count: int, seed: int
) -> list[list[Sample]]:
    """For each of `samples`, the demonstrations of its prompt in the order they are shown.

    There are `count` of them, or fewer if `train` or `prompts.fixed` has fewer. Those of a conversation are
    conversations under the same system line with the same tools, unless they are named. Raises `UserError`
    for a fixed id that is not in `train`.
    """
    if count == 0:
        return [[]] * len(samples)
    if prompts.demonstrations == "fixed":
        return [_fixed(prompts, train)[:count]] * len(samples)
    pools: dict[str, list[Sample]] = {}
    for sample in train:
        pools.setdefault(frame_of(sample), []).append(sample)
    places: dict[str, list[int]] = {}
    for place, sample in enumerate(samples):
        places.setdefault(frame_of(sample), []).append(place)
    demonstrations: list[list[Sample]] = [[]] * len(samples)
    for frame, members in places.items():
        frame_samples = [samples[place] for place in members]
        chosen = _chosen(prompts, pools.get(frame, []), frame_samples, count=count, seed=seed)
        for place, selected in zip(members, chosen, strict=True):
            demonstrations[place] = selected
    return demonstrations


def _chosen(
    prompts: PromptSet, train: Sequence[Sample], samples: Sequence[Sample], *, count: int, seed: int
) -> list[list[Sample]]:
    if prompts.demonstrations == "nearest":
        return _nearest(train, samples, count)
    drawn = _drawn(train, count, seed, balanced=prompts.demonstrations == "balanced")
    return [drawn] * len(samples)


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
        label = sample.targets[0] if balanced and sample.choices else ""
        by_label.setdefault(label, []).append(sample)
    drawn: list[Sample] = []
    # One sample of every label in turn, until there are enough.
    while len(drawn) < count and any(by_label.values()):
        drawn += [samples.pop() for samples in by_label.values() if samples]
    return drawn[:count]


def _nearest(train: Sequence[Sample], samples: Sequence[Sample], count: int) -> list[list[Sample]]:
    """By BM25 (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009) over the words of the
    samples' fields.

    Without a word in any training sample BM25 cannot rank them, so every prompt shows the first `count`.
    """
    import bm25s

    def tokenize(texts: Sequence[Sample]) -> Any:
        # Parted by ourselves:
        # words of one character count too (`3 + 1` has no others), and those of any script.
        questions = [" ".join(words_of(question_text(sample))) for sample in texts]
        return bm25s.tokenize(questions, token_pattern=r"\S+", stopwords=None, show_progress=False)

    train_tokens = tokenize(train)
    if not samples or not any(train_tokens.ids):
        return [list(train[:count])] * len(samples)
    retriever = bm25s.BM25()
    retriever.index(train_tokens, show_progress=False)
    nearest, _ = retriever.retrieve(tokenize(samples), k=min(count, len(train)), show_progress=False)
    # The most similar one comes last, next to the question.
    return [[train[index] for index in reversed(row)] for row in nearest.tolist()]
