"""Arms made of other arms, from saved answers or averaged weights, without a training of their own."""

import fnmatch
import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.config import Candidate, Run
from harness.errors import UserError
from harness.plan import LoadedTask
from harness.recipe import EnsembleSpec
from harness.results import GenerationRecord, Result, read_predictions
from harness.worker import Message

LEAST_SHARE = 1e-12
"""The probability that a vote gives a choice nobody voted for: a logarithm must be finite."""


@dataclass(frozen=True)
class Ensemble:
    """One derived arm on one task and training budget, and what it is made of."""

    spec: EnsembleSpec
    members: tuple[Run, ...]
    """As the sweep plans them: their settings may still have to be chosen."""

    @property
    def label(self) -> str:
        """How people read it."""
        first = self.members[0]
        return f"{self.spec.name} · {self.spec.method} · {first.task}"


def plan_ensembles(specs: Iterable[EnsembleSpec], runs: Sequence[Run], tasks: Mapping[str, LoadedTask]) -> list[Ensemble]:
    """Every ensemble of a sweep: one for each task and training budget, and each seed where members are candidates.

    They are not scored on guard tasks.
    Raises `UserError` when a glob matches nothing, or the members cannot be put together in the way that is asked for.
    """
    planned = []
    runs = [run for run in runs if run.guard is None]
    for spec in specs:
        cells: dict[tuple[object, ...], list[Run]] = {}
        for run in _members(spec, runs):
            seed = (run.seed,) if spec.over == "candidates" else ()
            cells.setdefault((run.task, run.n_train, *seed), []).append(run)
        for members in cells.values():
            _check(spec, members, tasks)
            planned.append(Ensemble(spec, tuple(members)))
    return planned


def _members(spec: EnsembleSpec, runs: Sequence[Run]) -> list[Run]:
    found: dict[str, Run] = {}
    for pattern in spec.members:
        matching = [run for run in runs if fnmatch.fnmatch(f"{run.candidate.name}/{run.candidate.method}", pattern)]
        if not matching:
            there = sorted({f"{run.candidate.name}/{run.candidate.method}" for run in runs})
            raise UserError(
                f"ensemble '{spec.name}': '{pattern}' matches no candidate/method of the sweep; there are {', '.join(there)}"
            )
        found |= {run.key: run for run in matching if spec.tasks is None or run.task in spec.tasks}
    return list(found.values())


def _check(spec: EnsembleSpec, members: Sequence[Run], tasks: Mapping[str, LoadedTask]) -> None:
    where = f"ensemble '{spec.name}', task '{members[0].task}'"
    if len(members) < 2:
        kind = "seed" if spec.over == "seeds" else "candidate or method"
        raise UserError(f"{where}: it has one member, {members[0].label}; give it another {kind}, or set `over`")
    if spec.method == "mean_probability" and tasks[members[0].task].task.output != "choice":
        raise UserError(f"{where}: mean_probability needs a task whose answers are choices; use method = 'vote'")
    if spec.method != "soup":
        return
    if len({run.candidate.model for run in members}) > 1:
        raise UserError(f"{where}: weights of different models cannot be averaged; use method = 'vote'")
    kinds = {run.recipe.tuner if run.recipe else None for run in members}
    if len(kinds) > 1 or kinds & {None, "qlora", "dora"}:
        raise UserError(
            f"{where}: only the weights of members that are all tuned in one way, by lora or in full, can be averaged"
        )


def derive(ensemble: Ensemble, members: Sequence[Run]) -> Run:
    """The run of an ensemble, now that its members are finished and their settings known."""
    spec, first = ensemble.spec, members[0]
    models = list(dict.fromkeys(run.candidate.model for run in members))
    fingerprints = list(dict.fromkeys(run.candidate.fingerprint for run in members))
    candidate = Candidate(
        name=spec.name,
        model=" + ".join(models),
        revision=first.candidate.revision if len(models) == 1 else None,
        fingerprint=fingerprints[0] if len(models) == 1 else hashlib.sha256("".join(fingerprints).encode()).hexdigest()[:16],
        method=spec.method,
        chat=first.candidate.chat,
    )
    return first.model_copy(
        update={
            "candidate": candidate,
            "stages": (),
            "search": None,
            "num_fewshot": 0,
            "demonstrations": None,
            "members": tuple(run.key for run in members),
            "averaged": tuple(run.recipe for run in members) if spec.method == "soup" else (),
        }
    )


def answers_of(run: Run, members: Sequence[Result], results: Path) -> list[Message]:
    """The answers of a vote or of mean probabilities, as an engine would have written them. Of draws the first counts."""
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
            answers.append({**asked, "error": f"{len(rows) - len(answered)} members have no answer; the first: {error}"})
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
        shares = [sum(row["completion"] == choice for row in rows) / len(rows) for choice in winner["choices"]]
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
