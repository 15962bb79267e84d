"""Invented results on disk, written through the models of `harness.records.store`.

TEST DATA: no model was run for any number in here. Scores are drawn from a seeded generator, or given by the
test.
"""

import hashlib
import json
import math
import pickle
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import numpy as np
import pandas
import pyarrow.parquet

from harness.driver.render import in_order
from harness.plan.ensembles import Ensemble, derive
from harness.plan.halving import rungs, survivors, trials_at
from harness.plan.selection import with_settings
from harness.records.binding import digest_of
from harness.records.generation import GenerationRecord
from harness.records.predictions import PREDICTIONS
from harness.records.result import (
    FAILURE,
    RESULT,
    SCHEMA_VERSION,
    Failure,
    PredictionsFile,
    Provenance,
    Result,
)
from harness.records.scores import FormRecord, MetricCard, MetricValue, OverlapRecord, SampleCounts, TaskCard
from harness.records.store import write_record
from harness.records.training import CurvePoint, ResourceUse, Selection, TrainingRecord, TrialRecord
from harness.score.finish import cost
from harness.score.joined import joint_generation
from harness.statistics import score as score_of
from harness.sweep.methods import TUNED, TUNERS, Method, Tuner
from harness.sweep.recipe import EnsembleSpec, MetaLearning, Portion, Recipe, Stage, layered, make_training
from harness.sweep.run import Candidate, Guard, Run, TunedFor
from harness.sweep.settings import TRIAL_SEED, Generation, Search, SearchSettings

FEW = 32
"""Samples of few-shot tuning."""

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
            name: MetricCard(
                description="the chosen label is right", low=0, high=1, higher_is_better=True, corpus=False
            )
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


def make_run(
    candidate: str,
    method: Method,
    task: TaskCard,
    seed: int,
    *,
    others: Sequence[TaskCard] = (),
    tuner: Tuner = "lora",
    **changes: Any,
) -> Run:
    """One cell of an invented sweep. `others`: tasks that a mixture, or meta-learning, holds besides."""
    model = Candidate(
        name=candidate,
        model=f"invented/{candidate}",
        revision=None,
        fingerprint=hashlib.sha256(candidate.encode()).hexdigest()[:16],
        method=method,
        chat=None,
    )
    n_train = FEW if method in ("few_shot_tuning", "meta") else task.n_train
    declared: dict[str, Any] = {
        "task": task.name,
        "task_version": task.version,
        "task_fingerprint": "0123456789abcdef",
        "candidate": model,
        "seed": seed,
        "n_train": n_train if method in TUNED else None,
        "num_fewshot": 4 if method == "few_shot" else 0,
        "demonstrations": "balanced" if method == "few_shot" else None,
        "templates": task.templates,
        "generation": Generation(),
        "test_seed": None,
        "limit": None,
    }
    declared |= changes
    if method in TUNED:
        tuner = next((known for known in TUNERS if known == method), tuner)
        mixed = others or (task_card("elsewhere"),)
        declared = {"stages": _stages(method, tuner, _portion(task, declared["n_train"]), mixed)} | declared
    return Run(**declared)


def guarding(run: Run, card: TaskCard) -> Run:
    """The run that scores another one's weights on a guard task; of an untuned one, those of its model before
    any tuning."""
    after = (
        None
        if run.n_train is None
        else TunedFor(task=run.task, version=run.task_version, n_train=run.n_train)
    )
    asked = {"task": card.name, "task_version": card.version, "n_train": None if after is None else 0}
    return run.model_copy(update=asked | {"guard": Guard(after=after)})


def _stages(method: Method, tuner: Tuner, own: Portion, others: Sequence[TaskCard]) -> tuple[Stage, ...]:
    training = make_training(layered(tuner, method), tuner)
    elsewhere = tuple(_portion(card, card.n_train) for card in others if card.name != own.task)
    # In one order for all tasks of the mixture, which then share its training.
    mixture = tuple(
        own if card.name == own.task and own.n_train else _portion(card, card.n_train) for card in others
    )
    alone = Stage(tuner=tuner, portions=(own,), training=training)
    if method == "multitask":
        return (Stage(tuner=tuner, portions=mixture, training=training),)
    if method == "stages":
        return Stage(tuner=tuner, portions=mixture, training=training), alone
    if method == "meta":
        return Stage(tuner=tuner, portions=elsewhere, training=training, meta=MetaLearning()), alone
    return (alone,)


def _portion(card: TaskCard, n_train: int) -> Portion:
    return Portion(
        task=card.name,
        version=card.version,
        fingerprint="0123456789abcdef",
        n_train=n_train,
        templates=card.templates,
    )


P = ParamSpec("P")


def remembered(write: Callable[Concatenate[Path, P], Result]) -> Callable[Concatenate[Path, P], Result]:
    """Work out the files of a result once: many tests write the same ones."""
    files_by_call: dict[bytes, tuple[Result, dict[str, bytes]]] = {}

    def write_again(results: Path, *arguments: P.args, **options: P.kwargs) -> Result:
        call = pickle.dumps((arguments, options))
        if call not in files_by_call:
            result = write(results, *arguments, **options)
            folder = results / result.run.folder
            files_by_call[call] = (
                result,
                {name: (folder / name).read_bytes() for name in (RESULT, PREDICTIONS)},
            )
            return result
        result, files = files_by_call[call]
        folder = results / result.run.folder
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in files.items():
            (folder / name).write_bytes(contents)
        return result

    return write_again


@remembered
def write_result(
    results: Path,
    run: Run,
    task: TaskCard,
    scores: Scores,
    *,
    device: str = "NVIDIA H100 80GB HBM3",
    train_seconds: float = 1200.0,
    requests_per_second: float = 20.0,
    uncached_requests_per_second: float | None = None,
    parameters: int = 1_000_000_000,
    prompt: str | Sequence[str] = "Which country has this capital? Paris\nAnswer:",
    target: Any = "France",
    answer: str = "France",
    targets: Sequence[Any] | None = None,
    answers: Sequence[str] | None = None,
    energy_joules: float | None = None,
    collapsed: str = "",
    lost: Mapping[str, str] | None = None,
    selection: Selection | None = None,
    trained: Mapping[str, Any] | None = None,
    members: Sequence[Result] = (),
    clusters: Sequence[str] = (),
    parsed: Sequence[bool] = (),
    cut: int | None = 0,
    cut_in_thought: int = 0,
    thought_tokens: int = 0,
    columns: Mapping[str, Sequence[Any]] | None = None,
) -> Result:
    """Write one finished run: its record, and predictions with these scores of the primary metric.

    A run of several wordings takes the scores of all samples in its first, then those in the next, and so on;
    and one prompt, or one of each wording. `trained`: fields of its last training that are not as usual.
    `members`: what an ensemble is made of. `targets`, `answers`: those of each sample, where they differ.
    `clusters`: those of its samples; by default each is one alone. `parsed`: whether each answer has the
    right form, by default all; its scores are taken as they are. `cut`: samples with answers that were cut;
    None of a result from before they were counted. `thought_tokens`: besides those of the answers. `columns`:
    further ones of its predictions, or others in place of those.
    """
    table = np.array(scores, dtype=float).reshape(len(run.templates), -1)
    known = table[:, ~np.isnan(table).any(axis=0)]
    failed = int(np.isnan(table).sum())
    prompts = [prompt] * len(run.templates) if isinstance(prompt, str) else prompt
    metrics = _metrics(task, known)
    trainings = [
        training_record(
            recipe,
            device=device,
            parameters=parameters,
            train_seconds=train_seconds,
            energy_joules=energy_joules,
        )
        for recipe in in_order([run.recipe] if run.recipe and not members else [])
    ]
    if trained:
        trainings[-1] = trainings[-1].model_copy(update=dict(trained))
    if members:
        trainings = list(
            {training.key: training for member in members for training in member.trainings}.values()
        )
    generation = GenerationRecord(
        engine="vllm",
        device=device,
        dtype="bfloat16",
        chat_template=False,
        startup_seconds=40.0,
        swap_seconds=0.5,
        generate_seconds=len(scores) / requests_per_second,
        requests=len(scores),
        prompt_tokens=60 * len(scores),
        completion_tokens=4 * len(scores) + thought_tokens,
        thought_tokens=thought_tokens,
        uncached_requests_per_second=uncached_requests_per_second,
        flops=2.0 * parameters * 64 * len(scores),
        peak_memory_bytes=6_200_000_000,
        energy_joules=energy_joules,
    )
    if members and not run.averaged:
        generation = joint_generation(members)
    result = Result(
        schema_version=SCHEMA_VERSION,
        key=run.key,
        run=run,
        task=task,
        metrics=metrics,
        by_template={
            template: found
            for template, row in zip(run.templates, known, strict=True)
            if (found := _metrics(task, row))
        },
        parsed=_parsed(metrics.get(task.primary_metric), parsed or [True] * known.size),
        overlap=OverlapRecord(
            exact=0, near=0, samples=max(1, table.shape[1]), method="invented", clean=metrics
        ),
        samples=SampleCounts(
            total=len(scores),
            scored=len(scores) - failed,
            failed=failed,
            cut=cut,
            cut_in_thought=None if cut is None else cut_in_thought,
        ),
        trainings=tuple(trainings),
        selection=selection,
        collapsed=collapsed,
        lost=dict(lost or {}),
        generation=generation,
        cost=cost(trainings, generation, score_seconds=0.1),
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
    pandas.DataFrame(
        {
            "sample_id": [f"sample-{index}" for _ in run.templates for index in range(table.shape[1])],
            "cluster": list(clusters or [""] * len(scores)),
            "template": [template for template in run.templates for _ in range(table.shape[1])],
            "draw": [0] * len(scores),
            "truncated": [0] * len(scores),
            "prompt": [text for text in prompts for _ in range(table.shape[1])],
            "target": targets or [target] * len(scores),
            "completion": [f" {one}" for one in answers or [answer] * len(scores)],
            "answer": answers or [answer] * len(scores),
            "parsed": list(parsed or [True] * len(scores)),
            "error": [None if value is not None else "the engine gave no answer" for value in scores],
            f"score_{task.primary_metric}": list(scores),
            **(columns or {}),
        }
    ).to_parquet(folder / PREDICTIONS)
    return bind(results, result)


def bind(results: Path, result: Result) -> Result:
    """Write a result that names the predictions that lie there now."""
    path = results / result.run.folder / PREDICTIONS
    rows = pyarrow.parquet.ParquetFile(path).metadata.num_rows
    bound = result.model_copy(
        update={"predictions": PredictionsFile(rows=rows, sha256=digest_of(path, inside=results))}
    )
    write_record(path.with_name(RESULT), bound)
    return bound


def rewrite(path: Path, table: pandas.DataFrame) -> None:
    """Write other predictions into a run's folder, as if it had been finished with them."""
    table.to_parquet(path, index=False)
    record = json.loads(path.with_name(RESULT).read_text(encoding="utf-8"))
    record["predictions"] = {"rows": len(table), "sha256": digest_of(path, inside=path.parent)}
    path.with_name(RESULT).write_text(json.dumps(record), encoding="utf-8")


def _metrics(task: TaskCard, scores: "np.ndarray[Any, np.dtype[np.float64]]") -> dict[str, MetricValue]:
    """The primary metric of wordings × samples, or of samples; nothing without any."""
    if not scores.size:
        return {}
    mean = score_of(scores[None] if scores.ndim == 2 else scores, binary=task.binary)
    value = MetricValue(value=mean.value, stderr=mean.stderr, low=mean.low, high=mean.high, n=mean.n)
    return {task.primary_metric: value}


def _parsed(value: MetricValue | None, parsed: Sequence[bool]) -> FormRecord | None:
    """As if the answers that have the wrong form scored 0."""
    if value is None:
        return None
    share = score_of([[float(form) for form in parsed]], binary=True)
    given = replace(value, value=min(1.0, value.value / share.value)) if share.value else None
    return FormRecord(
        share=MetricValue(value=share.value, stderr=share.stderr, low=share.low, high=share.high, n=share.n),
        score=given,
    )


def training_record(
    recipe: Recipe,
    *,
    device: str = "NVIDIA H100 80GB HBM3",
    parameters: int = 1_000_000_000,
    **changes: Any,
) -> TrainingRecord:
    """What the training of a recipe's last stage came to."""
    stage = recipe.stages[-1]
    adapter = 0 if stage.tuner == "full" else parameters // 100
    tokens = 60 * 500 * 3
    curve = [(step, step / 31, 0.3 + 2.2 * math.exp(-step / 18)) for step in range(5, 95, 5)]
    judged = stage.training.metric_for_best_model == "task_metric"
    dev = () if stage.meta else curve[3::4]
    declared: dict[str, Any] = {
        "key": recipe.key,
        "tuner": stage.tuner,
        "tasks": tuple(portion.task for portion in stage.portions),
        "steps": 93,
        "epochs": 3.0,
        "best_step": 60,
        "best_dev_loss": None if stage.meta else 0.41,
        "best_metric": 0.74 if judged else None,
        "stopped_early": False,
        "train_curve": tuple(
            CurvePoint(
                step=step,
                epoch=epoch,
                loss=loss,
                learning_rate=stage.training.learning_rate * (1 - step / 95),
                grad_norm=0.4 + loss,
                tokens_per_second=4200.0 - 3 * (step % 7),
            )
            for step, epoch, loss in curve
        ),
        "dev_curve": tuple(
            CurvePoint(step=step, epoch=epoch, loss=loss + 0.06, metric=0.8 - loss / 6 if judged else None)
            for step, epoch, loss in dev
        ),
        "samples": sum(portion.n_train for portion in stage.portions),
        "samples_left_out": 0,
        "per_device_train_batch_size": stage.training.per_device_train_batch_size,
        "tokens": tokens,
        "target_tokens": tokens // 20,
        "dev_tokens": tokens // 10,
        "parameters": parameters + adapter,
        "trainable_parameters": adapter or parameters,
        "flops": 6.0 * parameters * tokens,
        "device": device,
        "dtype": "bfloat16",
        "startup_seconds": 26.0,
        "load_seconds": 4.0,
        "train_seconds": 1200.0,
        "peak_memory_bytes": 9_800_000_000,
        "energy_joules": None,
    }
    return TrainingRecord(**(declared | changes))


LADDER = rungs(2, 3)
"""Of the invented search: a quarter, a half and all of the training."""

TRIAL = ResourceUse(seconds=1500.0, tokens=90_000, flops=5.4e14)
"""What a trial takes that is trained to the end: 1,230 s of training, and 270 s of answers on dev."""


def searched(
    run: Run,
    *,
    scores: Mapping[float, float | None],
    failed: str = "the loss became nan",
    seed: int = TRIAL_SEED,
) -> tuple[Run, Selection]:
    """A run whose learning rate was chosen among these, by what they score on dev at every rung; None: it
    failed at once. `seed`: of its trials."""
    rates = list(scores)
    search = Search(
        space={"learning_rate": tuple(rates)},
        settings=SearchSettings(rungs=len(LADDER), reduction_factor=2),
        methods=1,
        seed=seed,
    )
    reached = dict.fromkeys(rates, 1)
    for rung, keep in enumerate(trials_at(LADDER, len(rates))[1:], start=2):
        there = {rate: scores[rate] for rate in rates if reached[rate] == rung - 1}
        reached |= dict.fromkeys(survivors(there, keep=keep, higher_is_better=True), rung)
    trials = tuple(
        _trial(run, rate, scores[rate], rungs=reached[rate], failed=failed, seed=seed) for rate in rates
    )
    chosen = max(range(len(rates)), key=lambda place: (reached[rates[place]], scores[rates[place]] or 0.0))
    run = with_settings(run.model_copy(update={"search": search}), {"learning_rate": rates[chosen]})
    return run, Selection(metric="accuracy", higher_is_better=True, trials=trials, chosen=chosen)


def _trial(run: Run, rate: float, score: float | None, *, rungs: int, failed: str, seed: int) -> TrialRecord:
    share = LADDER[rungs - 1].share
    settings = {"learning_rate": rate}
    recipe = with_settings(run.model_copy(update={"seed": seed, "until": share}), settings).recipe
    assert recipe, "a trial trains"
    return TrialRecord(
        settings=settings,
        key=recipe.key,
        shares=tuple(rung.share for rung in LADDER[:rungs]),
        scores=tuple(score if score is None else score * (0.7 + 0.1 * rung) for rung in range(1, rungs + 1)),
        spent=ResourceUse(
            seconds=TRIAL.seconds * share, tokens=round(TRIAL.tokens * share), flops=TRIAL.flops * share
        ),
        reason="" if score is not None else failed,
    )


def write_ensemble(
    results: Path,
    name: str,
    method: Method,
    members: Sequence[Result],
    scores: Scores,
    **options: Any,
) -> Result:
    """An arm made of finished ones."""
    spec = EnsembleSpec.model_validate({"name": name, "method": method, "members": ["*/*"]})
    runs = tuple(member.run for member in members)
    run = derive(Ensemble(spec, runs), runs)
    return write_result(results, run, members[0].task, scores, members=members, **options)


def write_failure(
    results: Path,
    run: Run,
    *,
    phase: str = "train",
    reason: str = "CUDA out of memory",
    spent: ResourceUse = ResourceUse(),  # noqa: B008
) -> None:
    """Write one run that failed."""
    write_record(
        results / run.folder / FAILURE,
        Failure(schema_version=SCHEMA_VERSION, key=run.key, run=run, phase=phase, reason=reason, spent=spent),
    )


def draw_scores(chance_right: float, n: int, seed: int, *, name: str = "") -> list[float]:
    """Right or wrong for each sample; the same sample is about equally hard for every candidate."""
    hardness = random.Random(f"hardness {name}")
    luck = random.Random(f"luck {name} {seed} {chance_right}")
    return [float(0.75 * hardness.random() + 0.25 * luck.random() < chance_right) for _ in range(n)]


RATES: dict[tuple[str, Method], float] = {
    ("small", "zero_shot"): 0.3,
    ("small", "few_shot"): 0.5,
    ("small", "lora"): 0.8,
}
"""Of one model, the share of right answers that each arm should get."""


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
