"""Toy candidates for tests, built once on this machine, and workers to train and ask them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.config import Training
from harness.data import load_dataset
from harness.demonstrations import choose_demonstrations
from harness.plugins import find_plugins, load_task
from harness.progress import Progress
from harness.prompts import prompt_row
from harness.run import build_toys
from harness.toys import PREFIX, toy_folder
from harness.worker import Worker

QUICK = Training(
    learning_rate=2e-3, max_steps=24, per_device_train_batch_size=8, eval_steps=12, r=8, lora_alpha=16, max_length=256
)
"""Enough steps to change what the model says."""


def toy(name: str, work: Path) -> Path:
    """The folder of a toy model, built if this machine has not built it before."""
    build_toys([PREFIX + name], work, Progress(Console(quiet=True)))
    return toy_folder(name)


def write_rows(path: Path, task_name: str, split: str, *, count: int, shown: int = 0) -> list[dict[str, Any]]:
    """Render samples of a bundled task into a file that workers read."""
    task = load_task(task_name, find_plugins(entry_points=False))
    dataset = load_dataset(task)
    samples = getattr(dataset, split)[:count]
    demonstrations = choose_demonstrations(task.prompts, dataset.train, samples, count=shown, seed=0)
    rows = [prompt_row(task.prompts, sample, "short", drawn) for sample, drawn in zip(samples, demonstrations, strict=True)]
    write_jsonl(path, rows)
    return rows


def write_jsonl(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def train(
    worker: Worker, folder: Path, method: str, training: Training, *, seed: int = 0, chat: bool | None = None
) -> dict[str, Any]:
    """Fine-tune on `train.jsonl` and `dev.jsonl` of the folder, into its subfolder named like the method."""
    job = {
        "train": str(folder / "train.jsonl"),
        "dev": str(folder / "dev.jsonl"),
        "weights": str(folder / method),
        "checkpoints": str(folder / "checkpoints"),
        "method": method,
        "training": training.model_dump(mode="json"),
        "chat": chat,
        "seed": seed,
    }
    return dict(worker.request(job, lambda _: None)["record"])


def scoring_job(prompts: Path, completions: Path, *, weights: Path | None, output: str, **changed: Any) -> dict[str, Any]:
    """What `run.py` asks a scoring worker of one run, with some of it changed."""
    ask = {
        "prompts": str(prompts),
        "completions": str(completions),
        "weights": str(weights) if weights else None,
        "weights_id": "toy",
        "output": output,
        "structured_outputs": None,
        "truncation_side": None,
        "stride": None,
        "sampling": {"max_tokens": 16},
        "chat": None,
        "time_uncached": False,
    }
    return {"asks": [ask | changed]}


def ask(
    worker: Worker, prompts: Path, completions: Path, *, weights: Path | None, output: str, **sampling: Any
) -> list[Any]:
    """Answer a prompts file with one arm; the rows of the completions file, in the order of the prompts."""
    job = scoring_job(prompts, completions, weights=weights, output=output, sampling={"max_tokens": 16} | sampling)
    worker.request(job, lambda _: None)
    return in_order(completions)


def in_order(completions: Path) -> list[dict[str, Any]]:
    """The rows of a completions file, in the order of the prompts and their draws."""
    return sorted(read_jsonl(completions), key=lambda row: (row["place"], row["draw"]))
