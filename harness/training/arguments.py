"""The trainer's settings, from those of a recipe."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from trl import SFTConfig

from harness.sweep.recipe import Training


def arguments(
    training: Training,
    *,
    output: Path,
    seed: int,
    report_to: Sequence[str],
    name: str,
    longest: int,
    meta: bool,
) -> SFTConfig:
    """The trainer's settings."""
    on_cuda = torch.cuda.is_available()
    evaluation: dict[str, Any] = {
        "eval_strategy": "steps",
        "eval_steps": training.eval_steps,
        "save_strategy": "steps",
        "save_steps": training.eval_steps,
        "metric_for_best_model": training.metric_for_best_model,
        "logging_steps": 0.05,
    }
    if meta:  # later stages evaluate it, and `Reptile` decides when it logs and saves
        evaluation = {
            "eval_strategy": "no",
            "save_strategy": "no",
            "logging_strategy": "no",
            "train_sampling_strategy": "sequential",
        }
    return SFTConfig(
        output_dir=str(output),
        num_train_epochs=1 if meta else training.num_train_epochs,
        max_steps=-1 if meta else training.max_steps,
        learning_rate=training.learning_rate,
        lr_scheduler_type=training.lr_scheduler_type,
        warmup_steps=training.warmup_steps,
        optim=training.optim,
        per_device_train_batch_size=training.per_device_train_batch_size,
        per_device_eval_batch_size=2 * training.per_device_train_batch_size,
        gradient_accumulation_steps=training.gradient_accumulation_steps,
        gradient_checkpointing=training.gradient_checkpointing,
        weight_decay=training.weight_decay,
        max_grad_norm=training.max_grad_norm,
        # Longer samples were left out: a truncated answer teaches the wrong end. Packs are of this length.
        max_length=longest if training.packing else None,
        packing=training.packing,
        eval_packing=False,
        restore_callback_states_from_checkpoint=True,
        logging_nan_inf_filter=False,
        seed=seed,
        data_seed=seed,
        bf16=on_cuda,
        use_cpu=not on_cuda,
        dataloader_pin_memory=on_cuda,
        dataset_kwargs=None if training.packing else {"skip_prepare_dataset": True},
        disable_tqdm=True,
        run_name=name,
        project="gainboard",
        report_to=list(report_to) or "none",
        **evaluation,
    )
