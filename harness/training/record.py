"""Write down what a training, or the averaging of several, took and came to."""

from collections.abc import Sequence
from itertools import chain

from harness.records.costs import Meter, device_name
from harness.records.training import TrainingRecord
from harness.training.checkpoints import TrainingProgress
from harness.training.curves import dev_curve, divergence, train_curve
from harness.training.samples import Samples
from harness.training.soup import Averaged
from harness.training.trainer import Trainer
from harness.workers.jobs import FitJob


def training_record(
    fit: FitJob, samples: Samples, trainer: Trainer, progress: TrainingProgress
) -> TrainingRecord:
    """The record of a training that is over, or has stopped for now at `progress`."""
    state, size = trainer.state, trainer.size
    train, dev = train_curve(state.log_history), dev_curve(state.log_history)
    at_best = next((point for point in dev if point.step == progress.best_step), None)
    chosen_by_metric = fit.training.metric_for_best_model == "task_metric"
    return TrainingRecord(
        key=fit.key,
        tuner=fit.tuner,
        tasks=tuple(sorted(set(samples.tasks))),
        steps=progress.step,
        # The trainer counts epochs of the rows it was given; meta-learning gives it each row once per visit.
        epochs=state.epoch * (len(trainer.train_dataset) / len(samples.train) if fit.meta else 1),
        best_step=progress.step if progress.best_step is None else progress.best_step,
        best_dev_loss=at_best.loss if at_best else None,
        best_metric=at_best.metric if at_best and chosen_by_metric else None,
        stopped_early=progress.stopped_early,
        train_curve=train,
        dev_curve=dev,
        samples=len(samples.train),
        samples_left_out=samples.left_out,
        dev_samples=len(samples.interim_dev),
        final_dev_samples=0 if trainer.final_dev_loss is None else len(samples.dev),
        final_dev_loss=trainer.final_dev_loss,
        dev_samples_left_out=samples.dev_left_out,
        per_device_train_batch_size=progress.rows,
        tokens=progress.tokens,
        target_tokens=progress.target_tokens,
        dev_tokens=progress.dev_tokens,
        parameters=size.parameters,
        trainable_parameters=size.trainable,
        flops=size.flops(progress.tokens, progress.dev_tokens),
        device=device_name(),
        dtype=trainer.weights_dtype,
        load_seconds=progress.load_seconds,
        train_seconds=progress.train_seconds,
        peak_memory_bytes=progress.peak_memory_bytes,
        energy_joules=progress.energy_joules,
        resumed_at=progress.resumed_at,
        discarded=trainer.ledger.discarded(progress),
        diverged=divergence(train, dev),
    )


def soup_record(
    fit: FitJob, members: Sequence[TrainingRecord], averaged: Averaged, meter: Meter
) -> TrainingRecord:
    """The record of averaged weights: nothing was trained for them beyond their members."""
    return TrainingRecord(
        key=fit.key,
        tuner=fit.tuner,
        tasks=tuple(sorted(set(chain.from_iterable(member.tasks for member in members)))),
        steps=0,
        epochs=0.0,
        best_step=0,
        best_dev_loss=None,
        stopped_early=False,
        train_curve=(),
        dev_curve=(),
        samples=0,
        samples_left_out=0,
        dev_samples=0,
        per_device_train_batch_size=0,
        tokens=0,
        target_tokens=0,
        dev_tokens=0,
        parameters=averaged.parameters,
        trainable_parameters=averaged.averaged_parameters,
        flops=0.0,
        device=device_name(),
        dtype=averaged.dtype,
        load_seconds=meter.seconds,
        train_seconds=0.0,
        peak_memory_bytes=meter.peak_memory_bytes,
        energy_joules=meter.energy_joules,
    )
