"""The training worker: fine-tune one base model, one job after another, without importing the stack again.

The driver starts it as `python -m harness.training --model M`. It sees rendered samples and prompts, never task
code: what a task's metric says of answers on dev it asks the driver. A worker takes one device.
"""

import argparse
import gc
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # TRL refuses several devices in one process

import torch
from datasets import Dataset
from transformers import AutoTokenizer, set_seed

from harness.engines.encode import NO_TOKENS, encode_answer, encode_prompts, uses_chat_template
from harness.errors import UserError
from harness.jsonl import read_jsonl
from harness.records.costs import Meter, device_name, forward_flops, training_flops
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.methods import TUNERS
from harness.sweep.models import TRAINING
from harness.task import Rendered
from harness.training.checkpoints import Progress, checkpoint_folder, latest, seal
from harness.training.curves import dev_curve, divergence, train_curve
from harness.training.judge import Judge
from harness.training.ledger import Ledger
from harness.training.logs import logging_to
from harness.training.meta import Reptile, visited_rows
from harness.training.modelcard import model_card
from harness.training.soup import average
from harness.training.trainer import IGNORED, Trainer, arguments, check_packing, is_out_of_memory
from harness.training.tuners import adapter_config, check_bitsandbytes, count_parameters, load_tunable
from harness.workers.jobs import FitJob
from harness.workers.worker import Handler, Message, Report, serve


@dataclass(frozen=True)
class _Samples:
    """The samples of a job, as tokens with labels on the answer and its end only."""

    train: list[dict[str, list[int]]]
    dev: list[dict[str, list[int]]]
    tasks: list[str]
    """Of each training sample."""

    left_out: int
    """Training samples that were too long."""


@dataclass(frozen=True)
class _Size:
    """Of a model, which says what a token takes."""

    parameters: int
    trainable: int
    gradient_checkpointing: bool

    def flops(self, tokens: int, dev_tokens: int) -> float:
        """Of so many tokens trained on, and tokens of dev."""
        trained = training_flops(
            self.parameters,
            tokens,
            trainable=self.trainable,
            gradient_checkpointing=self.gradient_checkpointing,
        )
        return trained + forward_flops(self.parameters, dev_tokens)


class TrainingWorker:
    """Holds what all jobs of a base share: its name, its tokenizer and the device."""

    def __init__(self, model: str, revision: str | None) -> None:
        self._model, self._revision = model, revision
        self._tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def __call__(self, job: Message, report: Report) -> Message:
        """Make the weights of a `FitJob`, unless they are there, and answer with their `TrainingRecord`."""
        fit = FitJob.model_validate(job)
        for left in fit.weights.parent.glob(f".{fit.weights.name}.*.tmp"):
            shutil.rmtree(left)
        done = fit.weights / TRAINING
        if not done.exists() and fit.members:
            self._soup(fit)
        elif not done.exists():
            try:
                with logging_to(fit.weights.with_name("logs"), fit.report_to):
                    self._fit(fit, report)
            finally:
                # The trainer and its callbacks hold each other, and the model: the next job needs the memory.
                gc.collect()
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
        if fit.until == 1:
            shutil.rmtree(fit.checkpoints, ignore_errors=True)
        return {"record": read_record(done, TrainingRecord).model_dump(mode="json")}

    # Training

    def _fit(self, fit: FitJob, report: Report) -> None:
        check_bitsandbytes(fit.tuner, fit.training)
        _check_settings(fit)
        set_seed(fit.seed)  # before the adapter draws its first weights
        with Meter() as loading:
            model = load_tunable(self._model, self._revision, tuner=fit.tuner, start=fit.start)
            longest = min(
                fit.training.max_length,
                getattr(model.config, "max_position_embeddings", fit.training.max_length),
            )
            samples = self._samples(fit, longest)
            trainer = self._trainer(fit, model, samples, longest, report)
            trainable, parameters = count_parameters(trainer.model)
        size = _Size(parameters, trainable, fit.training.gradient_checkpointing)
        trainer.stop_at = _stop_at(fit, trainer.planned_steps())
        found = latest(fit.checkpoints, most=trainer.stop_at)
        trainer.ledger = Ledger(
            fit.checkpoints,
            found.progress if found else None,
            rows=fit.training.per_device_train_batch_size,
            load_seconds=loading.seconds,
            flops=size.flops,
        )
        try:
            trainer.run(found)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"there is too little memory for the optimiser or for a checkpoint ({' '.join(str(error).split())[:200]}); "
                "choose a method that trains less of the model, or optim = 'adafactor'"
            ) from None
        output = _unfinished(fit.weights)
        self._save(trainer.model, output)
        progress = trainer.progress(paused=fit.until < 1)
        self._publish(fit, _record(fit, samples, trainer, progress, size), output)
        if fit.until < 1:  # what the end of this start took belongs to what came of something
            seal(checkpoint_folder(fit.checkpoints, progress.step), progress)

    def _samples(self, fit: FitJob, longest: int) -> _Samples:
        chat = uses_chat_template(self._tokenizer, fit.chat)
        rows = read_jsonl(fit.train)
        train = self._encode(rows, chat=chat)
        fitting = [place for place, sample in enumerate(train) if len(sample["input_ids"]) <= longest]
        dev = [] if fit.meta else self._encode(read_jsonl(fit.dev), chat=chat)
        samples = _Samples(
            train=[train[place] for place in fitting],
            dev=[sample for sample in dev if len(sample["input_ids"]) <= longest],
            tasks=[rows[place].get("task", "") for place in fitting],
            left_out=len(train) - len(fitting),
        )
        if not samples.train or not (samples.dev or fit.meta):
            raise UserError(
                f"every {'dev' if samples.train else 'training'} sample is longer than {longest} tokens; raise max_length"
            )
        return samples

    def _encode(self, rows: Sequence[Message], *, chat: bool) -> list[dict[str, list[int]]]:
        rendered = [Rendered(**row["prompt"]) for row in rows]
        prompts = encode_prompts(self._tokenizer, rendered, chat=chat) if rows else []
        encoded = []
        for row, prompt, asked in zip(rows, rendered, prompts, strict=True):
            if not asked.token_ids:
                raise UserError(NO_TOKENS)
            answer = [
                *encode_answer(self._tokenizer, prompt, row["target"], chat=chat),
                self._tokenizer.eos_token_id,
            ]
            labels = [IGNORED] * len(asked.token_ids) + answer
            encoded.append({"input_ids": asked.token_ids + answer, "labels": labels})
        return encoded

    def _trainer(self, fit: FitJob, model: Any, samples: _Samples, longest: int, report: Report) -> Trainer:
        training = fit.training
        train = Dataset.from_list(samples.train)
        if fit.meta:
            a_step = training.per_device_train_batch_size * training.gradient_accumulation_steps
            train = train.select(visited_rows(samples.tasks, fit.meta, samples_a_step=a_step, seed=fit.seed))
        judged = fit.judged if training.metric_for_best_model == "task_metric" and not fit.meta else None
        trainer = Trainer(
            model=model,
            args=arguments(
                training,
                output=fit.checkpoints,
                seed=fit.seed,
                report_to=fit.report_to,
                name=fit.label,
                longest=longest,
                meta=fit.meta is not None,
            ),
            train=train,
            dev=Dataset.from_list(samples.dev) if samples.dev else None,
            tokenizer=self._tokenizer,
            adapter=adapter_config(fit.tuner, training)
            if fit.start is None and not TUNERS[fit.tuner].all_weights
            else None,
            report=report,
            judge=Judge(judged, self._tokenizer, samples=training.eval_samples, folder=fit.checkpoints)
            if judged
            else None,
            patience=training.early_stopping_patience,
            callbacks=[Reptile(fit.meta)] if fit.meta else [],
        )
        if training.packing:
            check_packing(trainer.model, samples.train)
        return trainer

    # Weights

    def _soup(self, fit: FitJob) -> None:
        output = _unfinished(fit.weights)
        with Meter() as meter:
            model = average(self._model, self._revision, fit.members, tuner=fit.tuner, output=output)
            self._tokenizer.save_pretrained(output)
        made = [read_record(member / TRAINING, TrainingRecord) for member in fit.members]
        record = TrainingRecord(
            key=fit.key,
            tuner=fit.tuner,
            tasks=tuple(sorted({task for member in made for task in member.tasks})),
            steps=0,
            epochs=0.0,
            best_step=0,
            best_dev_loss=None,
            stopped_early=False,
            train_curve=(),
            dev_curve=(),
            samples=0,
            samples_left_out=0,
            per_device_train_batch_size=0,
            tokens=0,
            target_tokens=0,
            dev_tokens=0,
            parameters=model.parameters,
            trainable_parameters=model.own_parameters,
            flops=0.0,
            device=device_name(),
            dtype=model.dtype,
            load_seconds=meter.seconds,
            train_seconds=0.0,
            peak_memory_bytes=meter.peak_memory_bytes,
            energy_joules=meter.energy_joules,
        )
        self._publish(fit, record, output)

    def _save(self, model: Any, output: Path) -> None:
        if torch.cuda.is_available() and not hasattr(model, "peft_config"):
            model = model.to(torch.bfloat16)  # as published models are, and half the size
        model.save_pretrained(output)
        self._tokenizer.save_pretrained(output)

    def _publish(self, fit: FitJob, record: TrainingRecord, output: Path) -> None:
        """Put the finished folder where weights are looked for: it is there whole, or not at all."""
        write_record(output / TRAINING, record)
        (output / "README.md").write_text(
            model_card(self._model, self._revision, fit, record), encoding="utf-8"
        )
        if fit.weights.exists():  # left by something that was no such job
            shutil.rmtree(fit.weights)
        output.rename(fit.weights)


def _record(
    fit: FitJob, samples: _Samples, trainer: Trainer, progress: Progress, size: _Size
) -> TrainingRecord:
    state = trainer.state
    train, dev = train_curve(state.log_history), dev_curve(state.log_history)
    at_best = next((point for point in dev if point.step == progress.best_step), None)
    chosen_by_metric = fit.training.metric_for_best_model == "task_metric"
    return TrainingRecord(
        key=fit.key,
        tuner=fit.tuner,
        tasks=tuple(sorted(set(samples.tasks))),
        steps=progress.step,
        # The trainer's own are of the rows that it was given; meta-learning gives it each as often as it is
        # visited.
        epochs=state.epoch * (len(trainer.train_dataset) / len(samples.train) if fit.meta else 1),
        best_step=progress.step if progress.best_step is None else progress.best_step,
        best_dev_loss=at_best.loss if at_best else None,
        best_metric=at_best.metric if at_best and chosen_by_metric else None,
        stopped_early=progress.stopped_early,
        train_curve=train,
        dev_curve=dev,
        samples=len(samples.train),
        samples_left_out=samples.left_out,
        per_device_train_batch_size=progress.rows,
        tokens=progress.tokens,
        target_tokens=progress.target_tokens,
        dev_tokens=progress.dev_tokens,
        parameters=size.parameters,
        trainable_parameters=size.trainable,
        flops=size.flops(progress.tokens, progress.dev_tokens),
        device=device_name(),
        dtype="bfloat16" if torch.cuda.is_available() else "float32",
        load_seconds=progress.load_seconds,
        train_seconds=progress.train_seconds,
        peak_memory_bytes=progress.peak_memory_bytes,
        energy_joules=progress.energy_joules,
        resumed_at=progress.resumed_at,
        discarded=trainer.ledger.discarded(progress),
        diverged=divergence(train, dev),
    )


def _check_settings(fit: FitJob) -> None:
    """Raise `UserError` for what is asked together and does not go together."""
    if fit.meta and fit.training.packing:
        raise UserError(
            "packing = true would join samples of several tasks; set packing = false for meta-learning"
        )
    if fit.training.metric_for_best_model == "task_metric" and fit.judged is None and fit.meta is None:
        raise UserError(
            "metric_for_best_model = 'task_metric' needs one task whose dev is answered; set 'eval_loss' for a mixture"
        )


def _unfinished(weights: Path) -> Path:
    """Where weights are written until they are whole."""
    folder = weights.with_name(f".{weights.name}.{os.getpid()}.tmp")
    folder.mkdir(parents=True)
    return folder


def _stop_at(fit: FitJob, steps: int) -> int:
    """The step after which to stop for now; of a meta-learning at the end of a visit."""
    stop_at = math.ceil(fit.until * steps)
    return (
        stop_at
        if fit.meta is None
        else min(steps, math.ceil(stop_at / fit.meta.inner_steps) * fit.meta.inner_steps)
    )


def main() -> None:
    """Serve training jobs for the base model named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    options = parser.parse_args()

    def start() -> Handler:
        return TrainingWorker(options.model, options.revision)

    serve(start)


if __name__ == "__main__":
    main()
