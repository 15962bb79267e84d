"""Invented results on disk, written through the models of `harness.results`.

TEST DATA: no model was run for any number in here. Scores are drawn from a seeded generator, or given by the test.
"""

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from harness.config import TUNED, Candidate, Generation, Method, Run, resolve_training
from harness.results import (
    FAILURE,
    PREDICTIONS,
    RESULT,
    SCHEMA_VERSION,
    Cost,
    CurvePoint,
    Failure,
    GenerationRecord,
    MetricCard,
    MetricValue,
    OverlapRecord,
    Provenance,
    Result,
    SampleCounts,
    TaskCard,
    TrainingRecord,
    write_record,
)
from harness.statistics import score as score_of

Scores = Sequence[float | None]


def task_card(name: str = "capitals", **changes: Any) -> TaskCard:
    """A right-or-wrong task with four labels."""
    declared: dict[str, Any] = {
        "name": name,
        "version": 1,
        "description": f"Invented task '{name}' of the tests.",
        "output": "choice",
        "primary_metric": "accuracy",
        "binary": True,
        "chance": 0.25,
        "metrics": {
            name: MetricCard(description="the chosen label is right", low=0, high=1, higher_is_better=True, corpus=False)
            for name in (changes.get("primary_metric", "accuracy"), "exact_match")
        },
        "license": "CC0-1.0",
        "reference": None,
        "templates": ("plain",),
        "n_train": 500,
        "n_dev": 50,
        "n_test": 100,
        "steps": (),
        "reviewed": None,
    }
    return TaskCard(**(declared | changes))


def make_run(candidate: str, method: Method, task: TaskCard, seed: int, **changes: Any) -> Run:
    """One cell of an invented sweep."""
    model = Candidate(
        name=candidate,
        model=f"invented/{candidate}",
        revision=None,
        fingerprint=hashlib.sha256(candidate.encode()).hexdigest()[:16],
        method=method,
        training=resolve_training(method),
        chat=None,
    )
    declared: dict[str, Any] = {
        "task": task.name,
        "task_version": task.version,
        "task_fingerprint": "0123456789abcdef",
        "candidate": model,
        "seed": seed,
        "n_train": task.n_train if method in TUNED else None,
        "train_templates": ("plain",) if method in TUNED else (),
        "num_fewshot": 4 if method == "few_shot" else 0,
        "demonstrations": "balanced" if method == "few_shot" else None,
        "templates": ("plain",),
        "generation": Generation(),
        "test_seed": None,
        "limit": None,
    }
    return Run(**(declared | changes))


def write_result(
    results: Path,
    run: Run,
    task: TaskCard,
    scores: Scores,
    *,
    device: str = "NVIDIA H100 80GB HBM3",
    train_seconds: float = 1200.0,
    requests_per_second: float = 20.0,
    parameters: int = 1_000_000_000,
    prompt: str = "Which country has this capital? Paris\nAnswer:",
    target: Any = "France",
    answer: str = "France",
    energy_joules: float | None = None,
) -> Result:
    """Write one finished run: its record, and predictions with these scores of the primary metric."""
    tuned = run.candidate.method in TUNED
    known = [value for value in scores if value is not None]
    metrics = {}
    if known:
        mean = score_of([known], binary=task.binary)
        metrics = {
            task.primary_metric: MetricValue(value=mean.value, stderr=mean.stderr, low=mean.low, high=mean.high, n=mean.n)
        }
    tokens = 60 * 500 * 3
    result = Result(
        schema_version=SCHEMA_VERSION,
        key=run.key,
        run=run,
        task=task,
        metrics=metrics,
        by_template={run.templates[0]: metrics},
        overlap=OverlapRecord(exact=0, near=0, samples=max(1, len(scores)), method="invented", clean=metrics),
        samples=SampleCounts(total=len(scores), scored=len(known), failed=len(scores) - len(known)),
        training=_training(run, device, train_seconds, parameters, tokens, energy_joules) if tuned else None,
        generation=GenerationRecord(
            engine="vllm",
            device=device,
            dtype="bfloat16",
            chat_template=False,
            swap_seconds=0.5,
            generate_seconds=len(scores) / requests_per_second,
            requests=len(scores),
            prompt_tokens=60 * len(scores),
            completion_tokens=4 * len(scores),
            flops=2.0 * parameters * 64 * len(scores),
            peak_memory_bytes=6_200_000_000,
            energy_joules=energy_joules,
        ),
        cost=Cost(
            device=device,
            num_devices=1,
            seconds={
                **({"train_startup": 30.0, "train": train_seconds} if tuned else {}),
                "engine_startup": 40.0,
                "swap": 0.5,
                "generate": len(scores) / requests_per_second,
                "score": 0.1,
            },
            train_tokens=tokens if tuned else 0,
            prompt_tokens=60 * len(scores),
            completion_tokens=4 * len(scores),
            requests=len(scores),
            requests_per_second=requests_per_second,
            train_flops=6.0 * parameters * tokens if tuned else 0.0,
            generate_flops=2.0 * parameters * 64 * len(scores),
            peak_memory_bytes={"train": 9_800_000_000, "generate": 6_200_000_000} if tuned else {"generate": 6_200_000_000},
            energy_joules=energy_joules,
        ),
        provenance=Provenance(
            gainboard="0.1.0",
            git_commit=None,
            python="3.11.9",
            platform="Linux x86_64",
            packages={"transformers": "5.0.0", "vllm": "0.25.0"},
            engine="vllm",
            device=device,
            dtype="bfloat16",
            command="gainboard run invented.toml",
            finished_at="2026-01-01T00:00:00+00:00",
        ),
    )
    folder = results / run.folder
    folder.mkdir(parents=True, exist_ok=True)
    write_record(folder / RESULT, result)
    pandas.DataFrame(
        {
            "sample_id": [f"sample-{index}" for index in range(len(scores))],
            "template": [run.templates[0]] * len(scores),
            "draw": [0] * len(scores),
            "truncated": [0] * len(scores),
            "prompt": [prompt] * len(scores),
            "target": [target] * len(scores),
            "completion": [f" {answer}"] * len(scores),
            "answer": [answer] * len(scores),
            "error": [None if value is not None else "the engine gave no answer" for value in scores],
            f"score_{task.primary_metric}": list(scores),
        }
    ).to_parquet(folder / PREDICTIONS)
    return result


def _training(
    run: Run, device: str, seconds: float, parameters: int, tokens: int, energy_joules: float | None
) -> TrainingRecord:
    adapter = parameters // 100 if run.candidate.method == "lora" else 0
    curve = [(step, step / 31, 0.3 + 2.2 * math.exp(-step / 18)) for step in range(5, 95, 5)]
    return TrainingRecord(
        steps=93,
        epochs=3.0,
        best_step=60,
        best_dev_loss=0.41,
        stopped_early=False,
        train_curve=tuple(CurvePoint(step=step, epoch=epoch, loss=loss) for step, epoch, loss in curve),
        dev_curve=tuple(CurvePoint(step=step, epoch=epoch, loss=loss + 0.06) for step, epoch, loss in curve[3::4]),
        samples=run.n_train or 0,
        samples_left_out=0,
        tokens=tokens,
        target_tokens=tokens // 20,
        dev_tokens=tokens // 10,
        parameters=parameters + adapter,
        trainable_parameters=adapter or parameters,
        flops=6.0 * parameters * tokens,
        device=device,
        dtype="bfloat16",
        load_seconds=4.0,
        train_seconds=seconds,
        peak_memory_bytes=9_800_000_000,
        energy_joules=energy_joules,
    )


def write_failure(results: Path, run: Run, *, phase: str = "train", reason: str = "CUDA out of memory") -> None:
    """Write one run that failed."""
    write_record(
        results / run.folder / FAILURE,
        Failure(schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason),
    )


def draw_scores(chance_right: float, n: int, seed: int, *, name: str = "") -> list[float]:
    """Right or wrong for each sample; the same sample is about equally hard for every candidate."""
    hardness = random.Random(f"hardness {name}")
    luck = random.Random(f"luck {name} {seed} {chance_right}")
    return [float(0.75 * hardness.random() + 0.25 * luck.random() < chance_right) for _ in range(n)]


def write_sweep(
    results: Path,
    rates: Mapping[tuple[str, Method], float],
    *,
    tasks: Sequence[TaskCard] = (task_card(),),
    seeds: Sequence[int] = (0, 1, 2),
    n: int = 100,
    **options: Any,
) -> None:
    """A whole sweep from the share of right answers each candidate should get."""
    for task in tasks:
        for (candidate, method), rate in rates.items():
            for seed in seeds:
                drawn = draw_scores(rate, n, seed if method != "zero_shot" else 0, name=task.name)
                slower = 0.6 if method == "few_shot" else 1.0
                own = {"requests_per_second": 20.0 * slower} | options
                write_result(results, make_run(candidate, method, task, seed), task, drawn, **own)
