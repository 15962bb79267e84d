"""Rendered samples as tokens, with labels on the answer and its end only."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.counts import agreeing, count_of
from harness.engines.encode import PromptEncoder
from harness.errors import UserError
from harness.jsonl import read_jsonl
from harness.task import Rendered
from harness.workers.jobs import FitJob
from harness.workers.worker import Message

IGNORED = -100
"""The label of a token that carries no loss."""

MOST_LEFT_OUT = 0.1
"""The share of a split's samples that may be left out without a warning."""

Tokens = dict[str, list[int]]
"""One sample: `input_ids` and, as long, `labels`."""


@dataclass(frozen=True)
class Samples:
    """The samples of one training."""

    train: list[Tokens]
    dev: list[Tokens]
    """Empty for a meta-learning."""

    dev_rows: list[Message]
    """The rendered samples that `dev` are the tokens of."""

    interim_dev: list[Tokens]
    """Those of `dev` that are read until the end of the training."""

    tasks: list[str]
    """Of each training sample."""

    left_out: int
    """Training samples that were too long."""

    dev_left_out: int
    """Dev samples that were too long."""

    def warnings(self, *, longest: int) -> list[str]:
        """A sentence for each split of which more than a tenth was left out."""
        counts = {"training": (len(self.train), self.left_out), "dev": (len(self.dev), self.dev_left_out)}
        return [
            f"{left_out:,} of {count_of(n_kept + left_out, f'{split} sample')} {agreeing('are', left_out)} "
            f"longer than {count_of(longest, 'token')} and {agreeing('were', left_out)} left out; raise "
            "max_length, unless that is the model's own context"
            for split, (n_kept, left_out) in counts.items()
            if left_out > MOST_LEFT_OUT * (n_kept + left_out)
        ]


def load_samples(fit: FitJob, tokenizer: Any, *, longest: int) -> Samples:
    """The samples of at most `longest` tokens. Raises `UserError` when none is left to train on, or none for
    dev."""
    encoder = PromptEncoder.of(tokenizer, fit)
    rows = read_jsonl(fit.train)
    encoded = _encode(encoder, rows)
    train, tasks = [], []
    for row, sample in zip(rows, encoded, strict=True):
        if len(sample["input_ids"]) <= longest:
            train.append(sample)
            tasks.append(row.get("task", ""))
    dev_rows = [] if fit.meta else read_jsonl(fit.dev)
    dev, fitting_rows = [], []
    for row, sample in zip(dev_rows, _encode(encoder, dev_rows), strict=True):
        if len(sample["input_ids"]) <= longest:
            dev.append(sample)
            fitting_rows.append(row)
    if not train or not (dev or fit.meta):
        split = "dev" if train else "training"
        raise UserError(f"every {split} sample is longer than {longest} tokens; raise max_length")
    return Samples(
        train=train,
        dev=dev,
        dev_rows=fitting_rows,
        interim_dev=_interim(dev, fitting_rows, fit.training.interim_eval_samples),
        tasks=tasks,
        left_out=len(encoded) - len(train),
        dev_left_out=len(dev_rows) - len(dev),
    )


def _interim(dev: list[Tokens], rows: Sequence[Message], max_samples: int | None) -> list[Tokens]:
    """The first samples of each task, at most so many; None: all."""
    if max_samples is None:
        return dev
    counts = Counter[str]()
    chosen = []
    for sample, row in zip(dev, rows, strict=True):
        counts[row.get("task", "")] += 1
        if counts[row.get("task", "")] <= max_samples:
            chosen.append(sample)
    return chosen


def _encode(encoder: PromptEncoder, rows: Sequence[Message]) -> list[Tokens]:
    samples = []
    for sample in encoder.completed([(Rendered(**row["prompt"]), row["target"]) for row in rows]):
        labels = [IGNORED] * len(sample.prompt) + sample.answer
        samples.append({"input_ids": sample.prompt + sample.answer, "labels": labels})
    return samples
