"""The trainings that a run's weights come from, as its page shows them: stage by stage, with their curves."""

from dataclasses import dataclass
from functools import partial

from harness.counts import count_of
from harness.records.result import Result
from harness.records.scores import MetricCard
from harness.records.training import TrainingRecord
from harness.sweep.recipe import Stage
from leaderboards.chart.training import LossCurve, SmallCurve, loss_curve, small_curve
from leaderboards.pages.parts.grid import Pairs
from leaderboards.pages.parts.heads import METHOD_TITLES
from leaderboards.text import (
    MISSING,
    duration,
    flops,
    in_units,
    listed,
    quantity,
    scientific,
    setting_text,
    size_of_memory,
)

LEAST_SECONDS = 0.1
"""Of lost work without a token: putting a checkpoint back takes a moment."""

MOST_LEFT_OUT = 0.1
"""The share of a split's samples that may be left out without a note."""

MOST_NAMED = 6
"""Tasks of a mixture that a sentence names."""


@dataclass(frozen=True)
class TrainingView:
    """One training: what came of it, and how it went."""

    title: str
    about: str
    """On what, in a sentence."""

    diverged: str
    """Why it is not to be trusted though it ended; empty when all is well."""

    facts: Pairs
    notes: tuple[str, ...]
    """What did not go straight: stops, steps thrown away, a batch that did not fit."""

    loss: LossCurve | None
    others: tuple[SmallCurve, ...]
    settings: Pairs


def training_views(result: Result) -> tuple[TrainingView, ...]:
    """The stages of a run, in order; none of an ensemble, whose members have pages of their own."""
    stages, trainings = result.run.stages, result.trainings
    card = result.task.metrics.get(result.task.primary_metric)
    return tuple(
        TrainingView(
            title="Training"
            if len(stages) == 1
            else f"Stage {place} of {len(stages)}: {_kind(stage, result.run.task)}",
            about=_about(stage, result.run.task),
            diverged=training.diverged,
            facts=_facts(training, card),
            notes=tuple(_notes(stage, training)),
            loss=loss_curve(training),
            others=_others(training, card),
            settings=_settings(stage),
        )
        for place, (stage, training) in enumerate(zip(stages, trainings, strict=False), start=1)
    )


def _kind(stage: Stage, task: str) -> str:
    if stage.meta is not None:
        return "meta-learning"
    if [portion.task for portion in stage.portions] == [task]:
        return METHOD_TITLES[stage.tuner]
    return "a mixture of tasks" if len(stage.portions) > 1 else "another task"


def _about(stage: Stage, task: str) -> str:
    names = [f"{portion.task} ({portion.n_train:,})" for portion in stage.portions]
    hidden = len(names) - MOST_NAMED
    named = [*names[:MOST_NAMED], *([f"{hidden} more"] if hidden > 0 else [])]
    samples = f"samples of {listed(named)}"
    if stage.meta is not None:
        meta = stage.meta
        return (
            f"Reptile over {samples}: {count_of(meta.meta_steps, 'visit')} of "
            f"{count_of(meta.inner_steps, 'step')} each, and {meta.meta_step_size:g} of the way towards what "
            "each came to, falling to 0."
        )
    if len(names) > 1:
        return f"Together, on {samples}."
    portion = stage.portions[0]
    return f"On {count_of(portion.n_train, 'sample')}{'' if portion.task == task else f' of {portion.task}'}."


def _facts(training: TrainingRecord, card: MetricCard | None) -> Pairs:
    best = [] if training.best_dev_loss is None else [f"dev loss {training.best_dev_loss:.4g}"]
    if training.final_dev_loss is not None:
        best.append(f"{training.final_dev_loss:.4g} on all that were read at the end")
    if training.best_metric is not None:
        best.append(f"dev metric {in_units(card, training.best_metric)}")
    epochs = "1 epoch" if training.epochs == 1 else f"{training.epochs:.3g} epochs"
    facts = [
        (
            "Trained on",
            f"{count_of(training.samples, 'sample')}, {count_of(training.tokens, 'token')}, {epochs}",
        ),
        ("Left out as too long", _left_out(training)),
        ("Evaluated on", _evaluated_on(training)),
        ("Steps", f"{training.steps:,}" + (", stopped early" if training.stopped_early else "")),
        ("Kept step", f"{training.best_step:,}" + (f" ({', '.join(best)})" if best else "")),
        ("Trainable parameters", f"{training.trainable_parameters:,} of {training.parameters:,}"),
        ("Training FLOPs", flops(training.flops)),
        ("Device", f"{training.device}, {training.dtype}"),
        (
            "Time",
            f"{duration(training.train_seconds)}, and "
            f"{duration(training.startup_seconds + training.load_seconds)} of start-up and loading",
        ),
        ("Tokens/s, evaluations included", _rate(training)),
        ("Peak memory", size_of_memory(training.peak_memory_bytes)),
    ]
    return tuple(facts)


def _evaluated_on(training: TrainingRecord) -> str:
    """The dev samples, and what reading them took beside what was trained on."""
    if not training.dev_tokens:
        return MISSING
    samples = [] if training.dev_samples is None else [f"{training.dev_samples:,} dev samples"]
    if training.final_dev_samples:
        samples.append(f"{training.final_dev_samples:,} at the end")
    tokens = f"{training.dev_tokens:,} tokens"
    if training.tokens:
        tokens += f" ({training.dev_tokens / training.tokens:.2g} for each one trained on)"
    return ", ".join([*samples, tokens])


def _left_out(training: TrainingRecord) -> str:
    left_out = count_of(training.samples_left_out, "training sample")
    return f"{left_out}, {count_of(training.dev_samples_left_out, 'dev sample')}"


def _rate(training: TrainingRecord) -> str:
    return quantity(training.tokens / training.train_seconds) if training.train_seconds else MISSING


def _notes(stage: Stage, training: TrainingRecord) -> list[str]:
    notes = [*_missing_samples("training", training.samples, training.samples_left_out)]
    notes += _missing_samples("dev", training.dev_samples or 0, training.dev_samples_left_out)
    wanted, fitted = stage.training.per_device_train_batch_size, training.per_device_train_batch_size
    if 0 < fitted < wanted:
        steps = stage.training.gradient_accumulation_steps
        notes.append(
            f"{wanted} samples at a time did not fit into memory: they were taken {fitted} at a time, with "
            f"the gradients of {steps * wanted // fitted} such batches added up instead of {steps}. The "
            "batch of a step is the same."
        )
    if training.resumed_at:
        steps_text = listed([f"{step:,}" for step in training.resumed_at])
        word = "step" if len(training.resumed_at) == 1 else "steps"
        notes.append(f"It was stopped and went on from {word} {steps_text}.")
    lost = training.discarded
    if lost.seconds >= LEAST_SECONDS or lost.tokens:
        notes.append(
            f"Thrown away: {duration(lost.seconds)} and {quantity(lost.tokens)} tokens of work that came to "
            "nothing, after the last checkpoint before a stop or in steps that ran out of memory. They are "
            "paid for in all costs."
        )
    return notes


def _missing_samples(split: str, n_kept: int, left_out: int) -> list[str]:
    """That many samples of a split were too long; nothing where they were few."""
    if left_out <= MOST_LEFT_OUT * (n_kept + left_out):
        return []
    return [
        f"{left_out:,} of {n_kept + left_out:,} {split} samples were longer than max_length or the model’s "
        "context, and were left out."
    ]


def _others(training: TrainingRecord, card: MetricCard | None) -> tuple[SmallCurve, ...]:
    drawn = (
        small_curve("Learning rate", training, lambda point: point.learning_rate, scientific),
        small_curve("Gradient norm", training, lambda point: point.grad_norm, scientific),
        small_curve("Tokens per second", training, lambda point: point.tokens_per_second, quantity),
        small_curve(
            "Task metric on dev", training, lambda point: point.metric, partial(in_units, card), on_dev=True
        ),
    )
    return tuple(curve for curve in drawn if curve is not None)


def _settings(stage: Stage) -> Pairs:
    values = stage.training.model_dump(mode="json")
    if stage.meta is not None:
        values |= stage.meta.model_dump(mode="json")
    templates = sorted(set().union(*(portion.templates for portion in stage.portions)))
    return (
        ("tuner", stage.tuner),
        ("train_templates", ", ".join(templates)),
        *((name, setting_text(value)) for name, value in values.items()),
    )
