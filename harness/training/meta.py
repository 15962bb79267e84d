"""Reptile: learn weights from which a few steps on a new task go far, by first-order meta-learning over many
tasks.

Nichol, Achiam and Schulman 2018, arXiv 1803.02999. A visit trains a few steps on one task; then the weights
go back most of the way, so that what remains is what the tasks have in common. All visits are one run of the
trainer over samples in the order of the visits. So accumulation, checkpoints, counts and curves work as in
every other training.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from harness.sweep.recipe import MetaLearning

SAVING_SHARE = 0.1
"""Checkpoints may take this share of the time: a visit ends with one unless that would exceed it."""


def visited_rows(tasks: Sequence[str], meta: MetaLearning, *, samples_a_step: int, seed: int) -> list[int]:
    """The indices of the rows to train on, in order, given each row's task.

    Each visit is to a task drawn at random. A task's rows are drawn without replacement over all its visits;
    once all are drawn, drawing starts over.
    """
    generator = random.Random(seed)
    places: dict[str, list[int]] = {}
    for place, task in enumerate(tasks):
        places.setdefault(task, []).append(place)
    names, waiting = sorted(places), {task: list[int]() for task in places}
    order = []
    for _ in range(meta.meta_steps):
        task = generator.choice(names)
        for _ in range(meta.inner_steps * samples_a_step):
            if not waiting[task]:
                waiting[task] = generator.sample(places[task], len(places[task]))
            order.append(waiting[task].pop())
    return order


class Reptile(TrainerCallback):  # type: ignore[misc]
    """At the end of each visit, moves the weights only a share of the way that its steps took them, and
    resets the optimiser."""

    def __init__(self, meta: MetaLearning) -> None:
        self._meta = meta
        self._before: list[torch.Tensor] = []
        self._saved = self._saving_started = time.monotonic()
        self._save_seconds = 0.0

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        **_: Any,
    ) -> None:
        self._before = [tensor.detach().clone() for tensor in _trainable(model)]

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        model: Any = None,
        optimizer: Any = None,
        **_: Any,
    ) -> None:
        if state.global_step % self._meta.inner_steps:
            return
        visit = state.global_step // self._meta.inner_steps - 1
        share = self._meta.meta_step_size * (1 - visit / self._meta.meta_steps)
        with torch.no_grad():
            for tensor, before in zip(_trainable(model), self._before, strict=True):
                tensor.copy_(before.lerp(tensor, share))
                before.copy_(tensor)
        # Momentum of one task's steps has no business in another's.
        optimizer.state.clear()
        control.should_log = True
        self._saving_started = time.monotonic()
        if self._saving_started - self._saved >= self._save_seconds / SAVING_SHARE:
            control.should_save = True

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any
    ) -> None:
        self._saved = time.monotonic()
        self._save_seconds = self._saved - self._saving_started


def _trainable(model: Any) -> list[torch.Tensor]:
    return [tensor for tensor in model.parameters() if tensor.requires_grad]
