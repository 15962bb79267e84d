"""The training worker: fine-tune one base model, one job after another, without importing the stack again.

The driver starts it as `python -m harness.training --model M`. It sees rendered samples and prompts, never
task code: what a task's metric says of answers on dev it asks the driver. A worker takes one device.
"""

import argparse
import gc
import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # TRL refuses several devices in one process

import torch
from datasets import Dataset
from transformers import AutoTokenizer, set_seed

from harness.engines.base_model import BaseModel
from harness.errors import UserError
from harness.records.costs import Meter
from harness.records.damaged import put_aside
from harness.records.probes import probes_beside
from harness.records.sealed import seal_weights
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.methods import TUNERS
from harness.sweep.model_files import TRAINING
from harness.training.arguments import arguments
from harness.training.checkpoints import checkpoint_folder, seal
from harness.training.judge import DevJudge
from harness.training.logs import logging_to
from harness.training.meta import visited_rows
from harness.training.modelcard import model_card
from harness.training.probes import take_probes
from harness.training.record import soup_record, training_record
from harness.training.samples import Samples, load_samples
from harness.training.soup import average
from harness.training.trainer import Trainer
from harness.training.tuners import adapter_config, check_bitsandbytes, load_tunable
from harness.workers.jobs import FitJob
from harness.workers.worker import Handler, Message, Report, serve, tell_driver


class TrainingWorker:
    """Holds what all jobs of a base share: its name, its tokenizer and the device."""

    def __init__(self, model: str, revision: str | None, *, planned: str | None = None) -> None:
        """`planned`: the model's fingerprint when the sweep was planned; None where nothing was."""
        self._name = model
        self._base = BaseModel(model, revision, planned, tell_driver)
        self._model, self._revision = self._base.path, revision
        self._tokenizer = AutoTokenizer.from_pretrained(self._model, revision=revision)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token

    def __call__(self, job: Message, report: Report) -> Message:
        """Make the weights of a `FitJob`, unless they are there, and answer with their `TrainingRecord`."""
        fit = FitJob.model_validate(job)
        _remove_unfinished(fit.weights)
        record = _record_of(fit, report)
        if record is None and fit.members:
            self._soup(fit)
        elif record is None:
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
        record = record or read_record(fit.weights / TRAINING, TrainingRecord)
        return {"record": record.model_dump(mode="json")}

    # Training

    def _fit(self, fit: FitJob, report: Report) -> None:
        """Train up to `fit.until`, and publish the best weights so far with their record."""
        check_bitsandbytes(fit.tuner, fit.training)
        _check_settings(fit)
        set_seed(fit.seed)  # before the adapter draws its first weights
        loading = Meter()
        loading.start()
        model = load_tunable(
            self._model, self._revision, tuner=fit.tuner, training=fit.training, start=fit.start
        )
        self._base.check()
        longest = _longest(model, fit)
        samples = load_samples(fit, self._tokenizer, longest=longest)
        for warning in samples.warnings(longest=longest):
            report({"note": f"{fit.label}: {warning}"})
        trainer = self._trainer(fit, model, samples, longest=longest, loading=loading, report=report)
        trainer.run()
        output = _unfinished(fit.weights)
        if samples.dev:  # meta-learnt weights are only a start
            self._write_probes(fit, trainer, samples)
        self._save(trainer.model, output)
        progress = trainer.progress(paused=fit.until < 1)
        self._publish(fit, training_record(fit, samples, trainer, progress), output)
        if fit.until < 1:  # what the end of this start took belongs to what came of something
            seal(checkpoint_folder(fit.checkpoints, progress.step), progress)

    def _trainer(
        self, fit: FitJob, model: Any, samples: Samples, *, longest: int, loading: Meter, report: Report
    ) -> Trainer:
        training = fit.training
        return Trainer(
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
            train=_train_rows(fit, samples),
            dev=Dataset.from_list(samples.interim_dev) if samples.dev else None,
            final_dev=None if training.interim_eval_samples is None else Dataset.from_list(samples.dev),
            tokenizer=self._tokenizer,
            adapter=adapter_config(fit.tuner, training) if _needs_new_adapter(fit) else None,
            report=report,
            loading=loading,
            until=fit.until,
            meta=fit.meta,
            judge=self._judge(fit),
            patience=training.early_stopping_patience,
            to_pack=samples.train if training.packing else (),
        )

    def _judge(self, fit: FitJob) -> DevJudge | None:
        """What asks for the task's metric on dev, where that chooses the checkpoint."""
        if fit.judged is None or fit.meta or fit.training.metric_for_best_model != "task_metric":
            return None
        return DevJudge(
            fit.judged, self._tokenizer, samples=fit.training.samples_per_evaluation, folder=fit.checkpoints
        )

    # Weights

    def _soup(self, fit: FitJob) -> None:
        output = _unfinished(fit.weights)
        with Meter() as meter:
            averaged = average(self._model, self._revision, fit.members, tuner=fit.tuner, output=output)
            self._base.check()
            self._tokenizer.save_pretrained(output)
        members = [read_record(member / TRAINING, TrainingRecord) for member in fit.members]
        self._publish(fit, soup_record(fit, members, averaged, meter), output)

    def _write_probes(self, fit: FitJob, trainer: Trainer, samples: Samples) -> None:
        """Before the weights are saved, which may round them."""
        with trainer.accelerator.autocast():
            probes = take_probes(
                trainer.model,
                samples,
                dtype=trainer.weights_dtype,
                four_bits=TUNERS[fit.tuner].four_bits,
            )
        write_record(probes_beside(fit.weights), probes)

    def _save(self, model: Any, output: Path) -> None:
        if torch.cuda.is_available() and not hasattr(model, "peft_config"):
            model = model.to(torch.bfloat16)  # as published models are, and half the size
        model.save_pretrained(output)
        self._tokenizer.save_pretrained(output)

    def _publish(self, fit: FitJob, record: TrainingRecord, output: Path) -> None:
        """Put the finished folder where weights are looked for: it is there whole, or not at all."""
        write_record(output / TRAINING, record)
        (output / "README.md").write_text(
            model_card(self._name, self._revision, fit, record), encoding="utf-8"
        )
        if fit.weights.exists():
            put_aside(fit.weights, f"it holds no {TRAINING}, or is no folder")
        seal_weights(fit.weights, folder=output)
        output.rename(fit.weights)


def _record_of(fit: FitJob, report: Report) -> TrainingRecord | None:
    """Of weights that are there already. Those whose record is damaged are put aside: nobody knows then what
    they took."""
    path = fit.weights / TRAINING
    if not path.exists():
        return None
    try:
        return read_record(path, TrainingRecord)
    except UserError as fault:
        report({"note": f"{fit.label}: {put_aside(fit.weights, fault)}"})
        return None


def _check_settings(fit: FitJob) -> None:
    """Raise `UserError` for what is asked together and does not go together."""
    if fit.meta and fit.training.packing:
        raise UserError(
            "packing = true would join samples of several tasks; set packing = false for meta-learning"
        )
    if fit.training.metric_for_best_model == "task_metric" and fit.judged is None and fit.meta is None:
        raise UserError(
            "metric_for_best_model = 'task_metric' needs one task whose dev is answered; "
            "set 'eval_loss' for a mixture"
        )


def _needs_new_adapter(fit: FitJob) -> bool:
    """Whether an adapter is put beside the base; a later stage has that of the stage before."""
    return fit.start is None and not TUNERS[fit.tuner].all_weights


def _longest(model: Any, fit: FitJob) -> int:
    """Tokens a sample may have: as the settings say, but no more than the model's context."""
    max_length = fit.training.max_length
    return min(max_length, getattr(model.config, "max_position_embeddings", max_length))


def _train_rows(fit: FitJob, samples: Samples) -> Dataset:
    """The training samples; for a meta-learning in the order of its visits."""
    train = Dataset.from_list(samples.train)
    if fit.meta is None:
        return train
    rows = fit.training.per_device_train_batch_size * fit.training.gradient_accumulation_steps
    return train.select(visited_rows(samples.tasks, fit.meta, samples_a_step=rows, seed=fit.seed))


def _remove_unfinished(weights: Path) -> None:
    """What a start that was killed was writing: the folder, or a file that belongs to it."""
    for left in weights.parent.glob(f".{weights.name}.*.tmp"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def _unfinished(weights: Path) -> Path:
    """Where weights are written until they are whole."""
    folder = weights.with_name(f".{weights.name}.{os.getpid()}.tmp")
    folder.mkdir(parents=True)
    return folder


def main() -> None:
    """Serve training jobs for the base model named on the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision")
    parser.add_argument("--fingerprint", help="of the model when the sweep was planned")
    options = parser.parse_args()
    # What the imports made stays:
    # a job that frees its memory need not look at it again, half a second each time.
    gc.freeze()

    def start() -> Handler:
        return TrainingWorker(options.model, options.revision, planned=options.fingerprint)

    serve(start)


if __name__ == "__main__":
    main()
