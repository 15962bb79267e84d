"""Answers and costs of arms that are made of other arms' saved answers."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.records.generation import GenerationRecord
from harness.records.predictions import read_predictions
from harness.records.result import Result
from harness.sweep.run import Run
from harness.workers.worker import Message

LEAST_SHARE = 1e-12
"""The probability that a vote gives a choice nobody voted for: a logarithm must be finite."""


def answers_of(run: Run, members: Sequence[Result], results: Path) -> list[Message]:
    """The answers of a vote or of mean probabilities, as an engine would have written them. Of draws the
    first counts."""
    tables = [read_predictions(results, member.run) for member in members]
    by_prompt: dict[tuple[str, str], list[Mapping[Any, Any]]] = {}
    for table in tables:
        for row in table.to_dict("records"):
            if row["draw"] == 0 or _missing(row["draw"]):
                by_prompt.setdefault((row["template"], row["sample_id"]), []).append(row)
    join = _vote if run.candidate.method == "vote" else _mean_probability
    answers = []
    for place, ((template, identity), rows) in enumerate(by_prompt.items()):
        first = rows[0]
        asked = {"place": place, "id": identity, "template": template, "prompt": first["prompt"], "draw": 0}
        asked["prompt_tokens"] = sum(int(row["prompt_tokens"]) for row in rows)
        asked["truncated"] = max(int(row["truncated"]) for row in rows)
        answered = [row for row in rows if _missing(row["error"])]
        if len(answered) < len(members):
            error = next(row["error"] for row in rows if not _missing(row["error"]))
            answers.append(
                {**asked, "error": f"{len(rows) - len(answered)} members have no answer; the first: {error}"}
            )
            continue
        answers.append({**asked, **join(answered)})
    return answers


def _vote(rows: Sequence[Mapping[Any, Any]]) -> Message:
    """The most frequent answer; of equally frequent ones that of the first member."""
    votes = Counter(row["answer"] for row in rows)
    answer = max(votes, key=lambda text: votes[text])  # the first of equals: a Counter keeps the order
    winner = next(row for row in rows if row["answer"] == answer)
    found: Message = {
        "completion": winner["completion"],
        "completion_tokens": sum(int(row["completion_tokens"]) for row in rows),
        "finish_reason": "vote",
    }
    if len(winner["choices"]):
        shares = [
            sum(row["completion"] == choice for row in rows) / len(rows) for choice in winner["choices"]
        ]
        found["choice_logprobs"] = [math.log(max(share, LEAST_SHARE)) for share in shares]
    return found


def _mean_probability(rows: Sequence[Mapping[Any, Any]]) -> Message:
    """The choice whose probability, among the choices, is highest on average over the members."""
    import numpy as np

    logprobs = np.array([list(row["choice_logprobs"]) for row in rows], dtype=np.float64)
    probabilities = np.exp(logprobs - logprobs.max(axis=1, keepdims=True))
    mean = (probabilities / probabilities.sum(axis=1, keepdims=True)).mean(axis=0)
    return {
        "completion": rows[0]["choices"][int(mean.argmax())],
        "completion_tokens": sum(int(row["completion_tokens"]) for row in rows),
        "finish_reason": "mean_probability",
        "choice_logprobs": np.log(np.maximum(mean, LEAST_SHARE)).tolist(),
    }


def _missing(value: Any) -> bool:
    return value is None or value != value  # pandas has NaN for what is missing


def joint_generation(members: Sequence[Result]) -> GenerationRecord:
    """What answering took all members together: a request to the ensemble is one to each of them."""
    records = [member.generation for member in members]
    energies = [record.energy_joules for record in records]
    first = records[0]
    return first.model_copy(
        update={
            "device": ", ".join(dict.fromkeys(record.device for record in records)),
            **{
                name: sum(getattr(record, name) for record in records)
                for name in (
                    "startup_seconds", "swap_seconds", "generate_seconds", "guard_seconds", "prompt_tokens",
                    "cached_prompt_tokens", "completion_tokens", "flops",
                )
            },
            "reused_requests": first.requests,
            "uncached_requests_per_second": None,
            "peak_memory_bytes": max(record.peak_memory_bytes for record in records),
            "energy_joules": None if None in energies else sum(energy for energy in energies if energy is not None),
            "guards": tuple(guard for record in records for guard in record.guards),
        }
    )  # fmt: skip
