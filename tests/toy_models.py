"""Jobs on toy candidates, and workers to train and ask them."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file
from session import once

from harness.data.dataset import load_dataset
from harness.plugins.registry import find_plugins, load_task
from harness.sweep.recipe import Training
from harness.task.demonstrations import choose_demonstrations
from harness.task.prompts import prompt_row
from harness.toys import toy_folder
from harness.workers.jobs import AskJob, FitJob, SamplingJob
from harness.workers.worker import AnswerQuestion, Report, Worker

QUICK = Training(
    learning_rate=2e-3,
    max_steps=24,
    per_device_train_batch_size=8,
    eval_steps=12,
    r=8,
    lora_alpha=16,
    max_length=256,
)
"""Enough steps to change what the model says."""

BRIEF = QUICK.model_copy(update={"max_steps": 2, "eval_steps": 2})
"""For what does not depend on how much is learnt. The first step warms up, and changes nothing yet."""


def write_rows(path: Path, task_name: str, split: str, *, count: int, shown: int = 0) -> list[dict[str, Any]]:
    """Render samples of a bundled task into a file that workers read."""
    task = load_task(task_name, find_plugins(entry_points=False))
    dataset = load_dataset(task)
    samples = getattr(dataset, split)[:count]
    demonstrations = choose_demonstrations(task.prompts, dataset.train, samples, count=shown, seed=0)
    rows = [
        prompt_row(task.prompts, sample, "short", drawn) | {"task": task_name}
        for sample, drawn in zip(samples, demonstrations, strict=True)
    ]
    write_jsonl(path, rows)
    return rows


LAYERS, HIDDEN, INTERMEDIATE = 2, 32, 64
"""What a small model has of a toy, besides one of its heads."""


def small_model(toy: str) -> Path:
    """A toy's first layers, cut to `HIDDEN` of their dimensions, and its tokenizer: made once in a session.

    It trains and answers some ten times faster than the toy, and knows nothing. It serves where a sweep has to go
    all its ways, and it does not matter what comes out at their end. `toy`: `toy-qwen3` or `toy-llama`.
    """

    def make(folder: Path) -> None:
        shutil.copytree(toy_folder(toy), folder, dirs_exist_ok=True)
        config = json.loads((folder / "config.json").read_text())
        heads, head_dim = config["num_attention_heads"], config["head_dim"]
        lengths = {
            config["hidden_size"]: HIDDEN,
            config["intermediate_size"]: INTERMEDIATE,
            heads * head_dim: head_dim,
            config["num_key_value_heads"] * head_dim: head_dim,
        }
        weights = load_file(folder / "model.safetensors")
        cut = {
            name: tensor[tuple(slice(lengths.get(length, length)) for length in tensor.shape)].copy()
            for name, tensor in weights.items()
            if ".layers." not in name or int(name.split(".layers.")[1].partition(".")[0]) < LAYERS
        }
        save_file(cut, folder / "model.safetensors", metadata={"format": "pt"})
        config |= {
            "hidden_size": HIDDEN,
            "intermediate_size": INTERMEDIATE,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": 1,
            "num_key_value_heads": 1,
        }
        if "layer_types" in config:
            config["layer_types"] = config["layer_types"][:LAYERS]
        (folder / "config.json").write_text(json.dumps(config))

    return once(f"small-{toy}", make)


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def fit_job(folder: Path, tuner: str, training: Training, **changed: Any) -> FitJob:
    """Fine-tuning on `train.jsonl` and `dev.jsonl` of the folder, into its subfolder named like the tuner."""
    job = {
        "key": "0" * 16,
        "label": f"toy/{tuner}",
        "tuner": tuner,
        "weights": folder / tuner,
        "record": folder / "training.json",
        "start": None,
        "train": folder / "train.jsonl",
        "dev": folder / "dev.jsonl",
        "checkpoints": folder / "checkpoints",
        "training": training,
        "chat": None,
        "seed": 0,
    }
    return FitJob.model_validate(job | changed)


def fit(
    worker: Worker,
    job: FitJob,
    report: Report = lambda _: None,
    *,
    answer_question: AnswerQuestion | None = None,
) -> dict[str, Any]:
    """Have a training worker do a job; its record."""
    return dict(
        worker.request(job.model_dump(mode="json"), report, answer_question=answer_question)["record"]
    )


def train(worker: Worker, folder: Path, tuner: str, training: Training, **changed: Any) -> dict[str, Any]:
    """Fine-tune as `fit_job` says, anew; its record."""
    job = fit_job(folder, tuner, training, **changed)
    shutil.rmtree(job.weights, ignore_errors=True)
    return fit(worker, job)


def quick_arms(base: Path) -> dict[str, Path]:
    """An adapter and a full fine-tune of a toy on dates, by tuner: trained once in a session."""
    tuners = ("lora", "full")

    def make(folder: Path) -> None:
        write_rows(folder / "train.jsonl", "date_normalise", "train", count=192)
        write_rows(folder / "dev.jsonl", "date_normalise", "dev", count=16)
        with Worker("harness.training", ["--model", str(base)], log=folder / "log") as worker:
            for tuner in tuners:
                train(worker, folder, tuner, QUICK)

    folder = once(f"arms-of-{base.name}", make)
    return {tuner: folder / tuner for tuner in tuners}


def ask_job(prompts: Path, completions: Path, *, weights: Path | None, output: str, **changed: Any) -> AskJob:
    """One run's prompts, with some of the job changed."""
    job = {
        "key": "0" * 16,
        "label": "toy",
        "prompts": prompts,
        "completions": completions,
        "record": completions.with_suffix(".record.json"),
        "weights": weights,
        "tuner": None
        if weights is None
        else "lora"
        if (weights / "adapter_config.json").exists()
        else "full",
        "weights_id": "toy",
        "task": "date_normalise",
        "num_fewshot": 0,
        "output": output,
        "structured_outputs": None,
        "truncation_side": None,
        "stride": None,
        "sampling": SamplingJob(max_tokens=16),
        "chat": None,
    }
    return AskJob.model_validate(job | changed)


def scoring_job(
    prompts: Path, completions: Path, *, weights: Path | None, output: str, **changed: Any
) -> dict[str, Any]:
    """What the driver asks a scoring worker of one run, with some of it changed."""
    return {
        "asks": [
            ask_job(prompts, completions, weights=weights, output=output, **changed).model_dump(mode="json")
        ]
    }


def ask(
    worker: Worker, prompts: Path, completions: Path, *, weights: Path | None, output: str, **sampling: Any
) -> list[Any]:
    """Answer a prompts file with one arm; the rows of the completions file, in the order of the prompts."""
    job = scoring_job(
        prompts, completions, weights=weights, output=output, sampling={"max_tokens": 16} | sampling
    )
    worker.request(job, lambda _: None)
    return in_order(completions)


def in_order(completions: Path) -> list[dict[str, Any]]:
    """The rows of a completions file, in the order of the prompts and their draws."""
    return sorted(read_jsonl(completions), key=lambda row: (row["place"], row["draw"]))
