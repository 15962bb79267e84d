"""Count the tokens that a model's tokenizer and chat template make of a sweep's prompts and samples."""

import itertools
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from harness.engines.encode import Encoded, PromptEncoder
from harness.plan.token_counts import ModelCounts, PromptCount, PromptKind, TrainingCount
from harness.preflight.job import ModelJob, PromptProbe, TrainingProbe
from harness.task import Rendered


def count_tokens(job: ModelJob, tokenizer: Any) -> ModelCounts:
    """Raises `UserError` where the chat template cannot render a prompt."""
    encoder = PromptEncoder.of(tokenizer, job)
    trainings = () if tokenizer.eos_token_id is None else job.trainings
    return ModelCounts(
        prompts=tuple(_prompt_count(probe, encoder) for probe in job.prompts),
        trainings=tuple(_training_count(probe, encoder) for probe in trainings),
    )


def _prompt_count(probe: PromptProbe, encoder: PromptEncoder) -> PromptCount:
    rows = [probe.rows[place] for place in probe.typical]
    rendered = [Rendered(**row["prompt"]) for row in rows]
    prompts = encoder.prompts(rendered)
    targets = [str(row["target"]) for row in rows]
    targets = encoder.answer_texts(list(zip(rendered, targets, strict=True)), prompts)
    answers = encoder.answers(list(zip(encoder.without_thoughts(prompts), targets, strict=True)))
    by_wording: dict[str, list[Encoded]] = {}
    for row, prompt in zip(rows, prompts, strict=True):
        by_wording.setdefault(row["template"], []).append(prompt)
    return PromptCount(
        **{name: getattr(probe, name) for name in PromptKind.model_fields},
        prompt_tokens=fmean(len(prompt.token_ids) for prompt in prompts),
        target_tokens=fmean(map(len, answers)),
        shared_tokens=fmean(map(_shared_tokens, by_wording.values())),
    )


def _shared_tokens(prompts: Sequence[Encoded]) -> int:
    """With which they all begin; a single one tells nothing of others."""
    if len(prompts) == 1:
        return 0
    # Of lists in order, what the first and the last begin with alike all others do.
    first, last = min(prompt.token_ids for prompt in prompts), max(prompt.token_ids for prompt in prompts)
    alike = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return sum(1 for _ in alike)


def _training_count(probe: TrainingProbe, encoder: PromptEncoder) -> TrainingCount:
    rows = [probe.rows[place] for place in probe.typical]
    samples = encoder.completed([(Rendered(**row["prompt"]), row["target"]) for row in rows])
    lengths = [len(sample.prompt) + len(sample.answer) for sample in samples]
    tokens = fmean(length if length <= probe.max_length else 0 for length in lengths)
    return TrainingCount(task=probe.task, max_length=probe.max_length, tokens=tokens)
