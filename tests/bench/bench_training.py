"""Fine-tuning against a bare TRL script with the same settings: `tox -e bench --
tests/bench/bench_training.py`.

The claim is a ratio of two things measured in one run, in turn on the same machine.
"""

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from reference import median_ratio
from toy_models import QUICK, fit_job, read_jsonl, write_rows

from harness.records.training import TrainingRecord
from harness.task import Rendered
from harness.toys import toy_folder

LEAST_SHARE = 0.95
ROUNDS = 9
SETTINGS = QUICK.model_copy(
    update={"num_train_epochs": 2.0, "max_steps": -1, "per_device_train_batch_size": 16, "eval_steps": 0.2}
)


@pytest.fixture(scope="module")
def base() -> Path:
    """Trained on one thread, as workers train models so small: several wait for each other where a core is
    busy."""
    import torch

    torch.set_num_threads(1)
    return toy_folder("toy-qwen3")


def bare_script(base: Path, folder: Path, tuner: str, seed: int) -> float:
    """As a person would write it: the same samples and settings, the best checkpoint kept; the seconds
    without loading."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, EarlyStoppingCallback
    from trl import SFTConfig, SFTTrainer

    from harness.engines.encode import PromptEncoder

    tokenizer = AutoTokenizer.from_pretrained(base)

    def encoded(name: str) -> Dataset:
        rows = []
        for row in read_jsonl(folder / name):
            pair = Rendered(**row["prompt"]), row["target"]
            (sample,) = PromptEncoder(tokenizer, True).completed([pair])
            labels = [-100] * len(sample.prompt) + sample.answer
            rows.append({"input_ids": sample.prompt + sample.answer, "labels": labels})
        return Dataset.from_list(rows)

    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(base),
        args=SFTConfig(
            output_dir=str(folder / "bare"),
            num_train_epochs=SETTINGS.num_train_epochs,
            seed=seed,  # in another order the batches are padded to other lengths
            data_seed=seed,
            learning_rate=SETTINGS.learning_rate,
            lr_scheduler_type=SETTINGS.lr_scheduler_type,
            optim=SETTINGS.optim,
            weight_decay=SETTINGS.weight_decay,
            max_grad_norm=SETTINGS.max_grad_norm,
            warmup_steps=SETTINGS.warmup_steps,
            per_device_train_batch_size=SETTINGS.per_device_train_batch_size,
            per_device_eval_batch_size=2 * SETTINGS.per_device_train_batch_size,
            gradient_checkpointing=False,
            max_length=None,
            eval_strategy="steps",
            eval_steps=SETTINGS.eval_steps,
            eval_on_start=True,
            save_strategy="steps",
            save_steps=SETTINGS.eval_steps,
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="eval_loss",
            logging_steps=0.05,
            bf16=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            dataset_kwargs={"skip_prepare_dataset": True},
            disable_tqdm=True,
            report_to="none",
        ),
        train_dataset=encoded("train.jsonl"),
        eval_dataset=encoded("dev.jsonl"),
        processing_class=tokenizer,
        peft_config=LoraConfig(
            task_type="CAUSAL_LM", r=SETTINGS.r, lora_alpha=SETTINGS.lora_alpha, target_modules="all-linear"
        )
        if tuner == "lora"
        else None,
        callbacks=[EarlyStoppingCallback(early_stopping_patience=SETTINGS.early_stopping_patience)],
    )
    started = time.perf_counter()
    trainer.train()
    trainer.save_model(str(folder / "saved"))
    seconds = time.perf_counter() - started
    assert trainer.state.global_step == trainer.state.max_steps
    shutil.rmtree(folder / "bare")
    return seconds


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_training_is_as_fast_as_a_bare_script(benchmark: Any, base: Path, tmp_path: Path, tuner: str) -> None:
    """Steps, evaluations, checkpoints and the saving of the weights."""
    from harness.training.__main__ import TrainingWorker

    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=256)
    write_rows(tmp_path / "dev.jsonl", "date_normalise", "dev", count=32)
    worker, job = TrainingWorker(str(base), None), fit_job(tmp_path, tuner, SETTINGS)
    records: list[TrainingRecord] = []

    def ours() -> float:
        shutil.rmtree(job.weights, ignore_errors=True)
        answer = worker(job.model_dump(mode="json"), lambda _: None)
        records.append(TrainingRecord.model_validate(answer["record"]))
        return records[-1].train_seconds

    def bare() -> float:
        return bare_script(base, tmp_path, tuner, job.seed)

    ours()
    bare_seconds = bare()
    share = median_ratio(bare, ours, rounds=ROUNDS)
    started = time.perf_counter()
    benchmark.pedantic(ours, rounds=1)
    record = records[-1]
    overhead = time.perf_counter() - started - record.train_seconds
    benchmark.extra_info.update({"share_of_bare": share, "seconds_around_a_training": overhead})
    print(
        f"\n{tuner}: {share:.3f} of a bare script's {record.tokens / bare_seconds:.0f} tokens/s; a training takes "
        f"{overhead:.2f} s besides"
    )
    assert record.steps == 32
    assert share >= LEAST_SHARE
