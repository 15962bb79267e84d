"""Answers and costs of ensembles that are made of their members' saved answers."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from harness.counts import agreeing, count_of
from harness.errors import UserError
from harness.records.binding import why_changed
from harness.records.costs import total_energy
from harness.records.generation import GenerationRecord
from harness.records.predictions import EngineAnswer, Prediction, load_predictions
from harness.records.result import Result
from harness.sweep.run import Run

LEAST_SHARE = 1e-12
"""The probability that a vote gives a choice nobody voted for: a logarithm must be finite."""


def answers_of(run: Run, members: Sequence[Result], results: Path) -> list[EngineAnswer]:
    """The answers of a vote or of mean probabilities, in the form of an engine's. Of several draws the first
    counts. Raises `UserError` for a member with predictions that have
    changed since its result was written."""
    by_prompt: dict[tuple[str, str], list[Prediction]] = {}
    for member in members:
        changed = why_changed(results, member)
        if changed:
            raise UserError(f"{member.run.label}: its predictions do not fit its result: {changed}")
        for prediction in load_predictions(results, member.run):
            if prediction.draw == 0:
                by_prompt.setdefault((prediction.template, prediction.sample_id), []).append(prediction)
    join = _vote if run.candidate.method == "vote" else _mean_probability
    return [
        _joined(place, predictions, join, members=len(members))
        for place, predictions in enumerate(by_prompt.values())
    ]


def _joined(
    place: int,
    predictions: Sequence[Prediction],
    join: Callable[[EngineAnswer, Sequence[Prediction]], EngineAnswer],
    *,
    members: int,
) -> EngineAnswer:
    """The answer to one prompt, given each member's; an error where a member has none."""
    prompt = EngineAnswer(
        place=place,
        id=predictions[0].sample_id,
        template=predictions[0].template,
        prompt=predictions[0].prompt,
        prompt_tokens=sum(prediction.prompt_tokens for prediction in predictions),
        truncated=max(prediction.truncated for prediction in predictions),
    )
    errors = [prediction.error for prediction in predictions if prediction.error is not None]
    if errors:
        members_have = f"{count_of(len(errors), 'member')} {agreeing('have', len(errors))}"
        return replace(prompt, error=f"{members_have} no answer; the first: {errors[0]}")
    assert len(predictions) == members, "every member was asked every prompt"
    return join(prompt, predictions)


def _vote(prompt: EngineAnswer, predictions: Sequence[Prediction]) -> EngineAnswer:
    """The most frequent answer; of equally frequent ones that of the first member."""
    votes = Counter(prediction.answer for prediction in predictions)
    most_votes = max(votes.values())
    winner = next(prediction for prediction in predictions if votes[prediction.answer] == most_votes)
    voted = replace(
        prompt,
        completion=winner.completion,
        completion_tokens=_completion_tokens(predictions),
        finish_reason="vote",
    )
    if not winner.choices:
        return voted
    completions = [prediction.completion for prediction in predictions]
    shares = [completions.count(choice) / len(completions) for choice in winner.choices]
    return replace(voted, choice_logprobs=[math.log(max(share, LEAST_SHARE)) for share in shares])


def _mean_probability(prompt: EngineAnswer, predictions: Sequence[Prediction]) -> EngineAnswer:
    """The choice whose probability, among the choices, is highest on average over the members."""
    import numpy as np

    logprobs = np.array([prediction.choice_logprobs for prediction in predictions], dtype=np.float64)
    # Relative to each member's highest, so that its exponentials do not all underflow to 0.
    probabilities = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    mean = (probabilities / probabilities.sum(axis=1, keepdims=True)).mean(axis=0)
    return replace(
        prompt,
        completion=predictions[0].choices[int(mean.argmax())],
        completion_tokens=_completion_tokens(predictions),
        finish_reason="mean_probability",
        choice_logprobs=np.log(np.maximum(mean, LEAST_SHARE)).tolist(),
    )


def _completion_tokens(predictions: Sequence[Prediction]) -> int:
    return sum(prediction.completion_tokens or 0 for prediction in predictions)


_SUMMED = (
    "startup_seconds", "swap_seconds", "generate_seconds", "guard_seconds",
    "prompt_tokens", "cached_prompt_tokens", "completion_tokens", "thought_tokens", "flops",
)  # fmt: skip
"""What the members' answers cost together is the sum of what each one's cost."""


def joint_generation(members: Sequence[Result]) -> GenerationRecord:
    """What answering took all members together: a request to the ensemble is one to each of them."""
    records = [member.generation for member in members]
    sums = {name: sum(getattr(record, name) for record in records) for name in _SUMMED}
    return records[0].model_copy(
        update={
            **sums,
            "device": ", ".join(dict.fromkeys(record.device for record in records)),
            "reused_requests": records[0].requests,
            "uncached_requests_per_second": None,
            "peak_memory_bytes": max(record.peak_memory_bytes for record in records),
            "energy_joules": total_energy([record.energy_joules for record in records]),
            "guards": tuple(chain.from_iterable(record.guards for record in records)),
        }
    )
