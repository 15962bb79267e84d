"""What a decision boundary is seen by: how likely each choice is, and the hidden state it is read from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from harness.engines.choices import logprob_of, trie_of
from harness.engines.weighing import Shared, Weighed, batches
from harness.inspection.arm import LoadedArm, PassSample
from harness.inspection.reading import SampleReading
from harness.workers.memory import is_out_of_memory

PlacedQuestion = tuple[int, PassSample, Weighed]
States = NDArray[np.float32]


def read_boundary(arm: LoadedArm, samples: Sequence[tuple[int, PassSample]]) -> Iterator[SampleReading]:
    """Of each sample `logprobs`, a natural logarithm for each choice, and `hidden`, the state at the prompt's
    last token from which the output layer predicts the answer's first one: a number for each dimension.

    Where a model has no output layer of its own, there is no `hidden`.
    """
    placed: dict[str, list[PlacedQuestion]] = {}
    for place, sample in samples:
        question = Weighed(sample.question.tokens, trie_of(sample.question.answer_tokens))
        placed.setdefault(sample.question.template, []).append((place, sample, question))
    # Prompts of one wording begin alike, and what they begin with is read once.
    for group in placed.values():
        yield from _read_group(arm, group)


def _read_group(arm: LoadedArm, placed: Sequence[PlacedQuestion]) -> Iterator[SampleReading]:
    questions = [question for _, _, question in placed]
    # How it reads is tried out before: what that gives the output layer is no sample's.
    is_apart = any(question.trie.nodes for question in questions) and arm.reader.reading == "apart"
    shared = arm.reader.shared([question.prompt for question in questions])
    for places, size in batches(questions):
        yield from _read_in_batches(arm, [placed[place] for place in places], size, shared, is_apart)


def _read_in_batches(
    arm: LoadedArm, placed: Sequence[PlacedQuestion], size: int, shared: Shared, is_apart: bool
) -> Iterator[SampleReading]:
    """Read questions `size` at a time, or as many as memory allows."""
    start = 0
    while start < len(placed):
        batch = placed[start : start + size]
        try:
            readings = _read(arm, batch, shared, is_apart)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            if len(batch) > 1:
                size = len(batch) // 2
                continue
            tokens = len(batch[0][2].prompt)
            readings = [
                SampleReading(batch[0][0], error=f"there is no memory for its {tokens:,} tokens at once")
            ]
        yield from readings
        start += len(batch)


def _read(
    arm: LoadedArm, batch: Sequence[PlacedQuestion], shared: Shared, is_apart: bool
) -> list[SampleReading]:
    questions = [question for _, _, question in batch]
    with head_inputs(arm.model) as inputs:
        following = arm.reader.read(questions, shared)
    states = _apart(arm, questions) if is_apart else inputs
    readings = []
    for row, (place, sample, _) in enumerate(batch):
        logprobs = [logprob_of(choice, following[row]) for choice in sample.question.answer_tokens]
        arrays: dict[str, NDArray[Any]] = {"logprobs": np.array(logprobs)}
        if states:
            # The prompts are read first and all together, padded on the left: each ends at the right edge.
            arrays["hidden"] = states[0][row]
        readings.append(SampleReading(place, arrays))
    return readings


@torch.inference_mode()  # type: ignore[untyped-decorator]
def _apart(arm: LoadedArm, questions: Sequence[Weighed]) -> list[States]:
    """The states after prompts that are not read by themselves while choices are weighed."""
    with head_inputs(arm.model) as inputs:
        for question in questions:
            token_ids = torch.tensor([question.prompt], device=arm.model.device)
            arm.model(input_ids=token_ids, logits_to_keep=1)
    return [np.concatenate(inputs)] if inputs else []


@contextmanager
def head_inputs(model: Any) -> Iterator[list[States]]:
    """What the output layer is given while the block runs: for each call the states of the last position,
    (rows × dimensions). Nothing where a model has no such layer."""
    inputs: list[States] = []

    def keep(_: Any, arguments: tuple[torch.Tensor, ...]) -> None:
        inputs.append(arguments[0][:, -1].float().cpu().numpy())

    head = model.get_output_embeddings()
    hook = None if head is None else head.register_forward_pre_hook(keep)
    try:
        yield inputs
    finally:
        if hook is not None:
            hook.remove()
