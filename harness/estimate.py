"""Forecast what a run will take before anything is loaded: tokens, operations and seconds, from stated assumptions.

Good enough to tell minutes from days. Tokens are counted as characters / 4; a model's parameters are read from the
headers of its weights, or from its name (`…-0.5B`); the speeds below are what training and scoring reach in practice,
far below a device's peak. The result of a run carries the measured figures.
"""

import math
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.config import TUNED, Run
from harness.costs import forward_flops, training_flops
from harness.data import training_subset
from harness.models import model_kind, tensor_shapes
from harness.plan import LoadedTask
from harness.prompts import render
from harness.task import Sample
from harness.toys import PREFIX, toy_folder

CHARACTERS_PER_TOKEN = 4
CPU_FLOPS_PER_CORE = 3e10
"""Toy models reach this on a core of a server with AVX-512."""
GPU_FLOPS = 4e14
"""40 % of the 989 TFLOP/s of an H100 in bfloat16."""
ADAPTER_SHARE = 0.01
"""Parameters of a LoRA adapter, as a share of its base."""
TOY_PARAMETERS = 2_000_000
_SIZE_IN_NAME = re.compile(r"(\d+(?:\.\d+)?)([bm])(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Forecast:
    """What one run will take, about."""

    run: str
    state: str
    """`done` or `to do`; a run that is done takes nothing any more."""

    train_tokens: int
    score_tokens: int
    parameters: int | None
    """None when neither the weights nor the name tell."""

    flops: float | None
    device_seconds: float | None


def assumed_device() -> str:
    """The device an estimate is for: the GPU of this machine, or its CPU."""
    return "cuda" if shutil.which("nvidia-smi") else f"cpu ({os.cpu_count()} cores)"


def estimate(run: Run, loaded: LoadedTask, *, done: bool) -> Forecast:
    """What a run will take on this machine."""
    if done:
        return Forecast(run.label, "done", 0, 0, None, 0.0, 0.0)
    task, dataset, training = loaded.task, loaded.dataset, run.candidate.training

    def tokens(samples: list[Sample], templates: tuple[str, ...], shown: int) -> int:
        demonstrations = dataset.originals[:shown]
        characters = sum(
            len(render(task.prompts, sample, template=template, demonstrations=demonstrations).text)
            for template in templates
            for sample in samples
        )
        return characters // CHARACTERS_PER_TOKEN

    train_tokens = 0
    if training is not None:
        train = training_subset(dataset.train, run.n_train)
        answers = sum(len(sample.targets[0]) for sample in train) // CHARACTERS_PER_TOKEN
        epoch = tokens(train, run.train_templates[:1], 0) + answers
        train_tokens = int(training.num_train_epochs * epoch)
        if training.max_steps > 0:
            batch = training.per_device_train_batch_size * training.gradient_accumulation_steps
            train_tokens = int(training.max_steps * batch * epoch / len(train))
    test = dataset.test[: run.limit]
    requests = len(test) * len(run.templates)
    written = requests * (run.generation.max_tokens or 0) if task.output == "generate" else 0
    read = sum(len(sample.targets[0]) for sample in test) // CHARACTERS_PER_TOKEN if task.output == "perplexity" else 0
    score_tokens = tokens(test, run.templates, run.num_fewshot) + written + read * len(run.templates)
    parameters = count_parameters(run.candidate.model)
    if parameters is None:
        return Forecast(run.label, "to do", train_tokens, score_tokens, None, None, None)
    flops = forward_flops(parameters, score_tokens)
    if training is not None and run.candidate.method in TUNED:
        trainable = parameters if run.candidate.method == "full" else int(parameters * ADAPTER_SHARE)
        flops += training_flops(
            parameters, train_tokens, trainable=trainable, gradient_checkpointing=training.gradient_checkpointing
        )
    speed = GPU_FLOPS if assumed_device() == "cuda" else CPU_FLOPS_PER_CORE * (os.cpu_count() or 1)
    return Forecast(run.label, "to do", train_tokens, score_tokens, parameters, flops, flops / speed)


def count_parameters(model: str) -> int | None:
    """Parameters by the headers of the model's safetensors, or by its name; None when neither tells."""
    kind = model_kind(model)
    if kind == "toy":
        folder = toy_folder(model.removeprefix(PREFIX))
        return _in_headers(folder) if folder.is_dir() else TOY_PARAMETERS
    if kind == "folder":
        return _in_headers(Path(model))
    size = _SIZE_IN_NAME.search(model)
    return int(float(size[1]) * {"b": 1e9, "m": 1e6}[size[2].lower()]) if size else None


def _in_headers(folder: Path) -> int:
    """Elements of every tensor in the folder's safetensors."""
    shapes = (shape for path in sorted(folder.glob("*.safetensors")) for shape in tensor_shapes(path).values())
    return sum(math.prod(shape) for shape in shapes)
