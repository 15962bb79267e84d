"""The training worker: fine-tune one base model, one job after another, without importing the stack again.

Run by `run.py` as `python -m harness.train --model M`. The only file that imports trl and, to train, peft. It sees the
rendered train and dev files, never task code. One device a worker.
"""

import argparse
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
from peft import LoraConfig
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    EarlyStoppingCallback,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)
from trl import SFTConfig, SFTTrainer

from harness.config import Training
from harness.costs import Meter, device_name, forward_flops, training_flops
from harness.data.sources import read_jsonl
from harness.encode import encode_answer, encode_prompt, uses_chat_template
from harness.errors import UserError
from harness.results import CurvePoint, TrainingRecord
from harness.task import Rendered
from harness.worker import Handler, Message, Report, serve

IGNORED = -100
"""The label of a token that carries no loss."""


@dataclass
class _Counts:
    """Tokens that passed through the model in one mode; tensors, so that counting never waits for the device."""

    tokens: torch.Tensor | int = 0
    targets: torch.Tensor | int = 0


class _CountingTrainer(SFTTrainer):  # type: ignore[misc]
    """Counts the tokens the model really saw, which early stopping and padding make hard to derive."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.train_counts, self.dev_counts = _Counts(), _Counts()
        super().__init__(*args, **kwargs)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        counts = self.train_counts if model.training else self.dev_counts
        counts.tokens = counts.tokens + inputs["attention_mask"].sum()
        counts.targets = counts.targets + (inputs["labels"] != IGNORED).sum()
        return super().compute_loss(model, inputs, *args, **kwargs)


class _Progress(TrainerCallback):  # type: ignore[misc]
    """Reports steps and losses to the driver, and ends a training whose loss is no longer a number."""

    def __init__(self, report: Report) -> None:
        self._report = report

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._report({"done": state.global_step, "total": state.max_steps})

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, logs: dict[str, Any], **_: Any
    ) -> None:
        for name in ("loss", "eval_loss"):
            if name in logs and not torch.isfinite(torch.tensor(float(logs[name]))):
                raise UserError(f"{name} became {logs[name]} at step {state.global_step}; lower learning_rate")


class TrainingWorker:
    """Holds what all jobs of a base share: its name, its tokenizer, the device and the number types."""

    def __init__(self, model: str, revision: str | None) -> None:
        self._model, self._revision = model, revision
        self._tokenizer = AutoTokenizer.from_pretrained(model, revision=revision)
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._cuda = torch.cuda.is_available()

    def __call__(self, job: Message, report: Report) -> Message:
        """Train one candidate; write its weights to `job["weights"]` and answer with the `TrainingRecord`."""
        training = Training.model_validate(job["training"])
        chat = uses_chat_template(self._tokenizer, job["chat"])
        set_seed(job["seed"])  # before the adapter draws its first weights
        with Meter() as loading:
            model = self._load(adapter=job["method"] == "lora")
            longest = min(training.max_length, getattr(model.config, "max_position_embeddings", training.max_length))
            train_rows = read_jsonl(Path(job["train"]))
            train = self._encode(train_rows, chat=chat, longest=longest)
            dev = self._encode(read_jsonl(Path(job["dev"])), chat=chat, longest=longest)
        if not train or not dev:
            raise UserError(
                f"every {'dev' if train else 'training'} sample is longer than {longest} tokens; raise max_length"
            )
        output = Path(job["weights"])
        checkpoints = Path(job["checkpoints"])
        try:
            with Meter() as meter:
                trainer = self._trainer(model, training, train, dev, checkpoints, job, report)
                trainer.train()
                self._save(trainer.model, output)
        finally:
            shutil.rmtree(checkpoints, ignore_errors=True)
        return {"record": self._record(trainer, training, train_rows, train, loading, meter).model_dump(mode="json")}

    def _load(self, *, adapter: bool) -> Any:
        # Full fine-tuning keeps master weights in float32, where small updates are not rounded away; autocast computes
        # in bfloat16. Under an adapter the base is frozen, so bfloat16 loses nothing.
        dtype = torch.bfloat16 if self._cuda and adapter else torch.float32
        return AutoModelForCausalLM.from_pretrained(self._model, revision=self._revision, dtype=dtype, use_safetensors=True)

    def _encode(self, rows: Sequence[Message], *, chat: bool, longest: int) -> list[dict[str, list[int]]]:
        """Token ids with labels on the answer and its end only; samples over `longest` tokens are left out."""
        encoded = []
        for row in rows:
            rendered = Rendered(**row["prompt"])
            prompt = encode_prompt(self._tokenizer, rendered, chat=chat).token_ids
            answer = [*encode_answer(self._tokenizer, rendered, row["target"], chat=chat), self._tokenizer.eos_token_id]
            if len(prompt) + len(answer) <= longest:
                encoded.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
        return encoded

    def _trainer(
        self,
        model: Any,
        training: Training,
        train: list[dict[str, list[int]]],
        dev: list[dict[str, list[int]]],
        checkpoints: Path,
        job: Message,
        report: Report,
    ) -> _CountingTrainer:
        arguments = SFTConfig(
            output_dir=str(checkpoints),
            num_train_epochs=training.num_train_epochs,
            max_steps=training.max_steps,
            learning_rate=training.learning_rate,
            lr_scheduler_type=training.lr_scheduler_type,
            warmup_steps=training.warmup_steps,
            per_device_train_batch_size=training.per_device_train_batch_size,
            per_device_eval_batch_size=2 * training.per_device_train_batch_size,
            gradient_accumulation_steps=training.gradient_accumulation_steps,
            gradient_checkpointing=training.gradient_checkpointing,
            weight_decay=training.weight_decay,
            max_grad_norm=training.max_grad_norm,
            max_length=None,  # longer samples were left out: a truncated answer teaches the wrong end
            eval_strategy="steps",
            eval_steps=training.eval_steps,
            save_strategy="steps",
            save_steps=training.eval_steps,
            save_total_limit=1,
            save_only_model=True,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            logging_steps=0.05,
            seed=job["seed"],
            data_seed=job["seed"],
            bf16=self._cuda,
            use_cpu=not self._cuda,
            dataloader_pin_memory=self._cuda,
            dataset_kwargs={"skip_prepare_dataset": True},
            disable_tqdm=True,
            report_to="none",
        )
        adapter = None
        if job["method"] == "lora":
            modules = training.target_modules
            adapter = LoraConfig(
                task_type="CAUSAL_LM",
                r=training.r,
                lora_alpha=training.lora_alpha,
                lora_dropout=training.lora_dropout,
                target_modules=modules if isinstance(modules, str) else list(modules or ()),
            )
        callbacks: list[TrainerCallback] = [_Progress(report)]
        if training.early_stopping_patience is not None:
            callbacks.append(EarlyStoppingCallback(early_stopping_patience=training.early_stopping_patience))
        return _CountingTrainer(
            model=model,
            args=arguments,
            train_dataset=Dataset.from_list(train),
            eval_dataset=Dataset.from_list(dev),
            processing_class=self._tokenizer,
            peft_config=adapter,
            callbacks=callbacks,
        )

    def _save(self, model: Any, output: Path) -> None:
        if self._cuda:
            model = model.to(torch.bfloat16)  # as published models are, and half the size
        model.save_pretrained(output)
        self._tokenizer.save_pretrained(output)

    def _record(
        self,
        trainer: _CountingTrainer,
        training: Training,
        rows: list[Message],
        train: list[dict[str, list[int]]],
        loading: Meter,
        meter: Meter,
    ) -> TrainingRecord:
        state = trainer.state
        # Tied embeddings are one tensor here and counted once: they multiply as the output layer.
        parameters = sum(tensor.numel() for tensor in trainer.model.parameters())
        trainable = sum(tensor.numel() for tensor in trainer.model.parameters() if tensor.requires_grad)
        tokens, dev_tokens = int(trainer.train_counts.tokens), int(trainer.dev_counts.tokens)
        flops = training_flops(
            parameters, tokens, trainable=trainable, gradient_checkpointing=training.gradient_checkpointing
        )
        return TrainingRecord(
            steps=state.global_step,
            epochs=state.epoch,
            best_step=state.best_global_step,
            best_dev_loss=state.best_metric,
            stopped_early=state.global_step < state.max_steps,
            train_curve=_curve(state.log_history, "loss"),
            dev_curve=_curve(state.log_history, "eval_loss"),
            samples=len(train),
            samples_left_out=len(rows) - len(train),
            tokens=tokens,
            target_tokens=int(trainer.train_counts.targets),
            dev_tokens=dev_tokens,
            parameters=parameters,
            trainable_parameters=trainable,
            flops=flops + forward_flops(parameters, dev_tokens),
            device=device_name(),
            dtype="bfloat16" if self._cuda else "float32",
            load_seconds=loading.seconds,
            train_seconds=meter.seconds,
            peak_memory_bytes=meter.peak_memory_bytes,
            energy_joules=meter.energy_joules,
        )


def _curve(history: list[dict[str, float]], name: str) -> tuple[CurvePoint, ...]:
    return tuple(
        CurvePoint(step=int(entry["step"]), epoch=entry["epoch"], loss=entry[name]) for entry in history if name in entry
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
