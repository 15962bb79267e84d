"""Tell how much memory and disk the work on a base model takes at least, and how much this machine has.

Lower bounds, from parameters alone. Activations come on top; where they do not fit, a
step reads fewer samples at a time.
"""

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.plan.activations import activation_bytes, widths_of
from harness.plan.estimate import ADAPTER_SHARE, Estimator, assumed_device
from harness.plan.selection import planned_trials
from harness.sweep.methods import TUNERS, Tuner
from harness.sweep.models import count_parameters, model_kind
from harness.sweep.recipe import Recipe
from harness.sweep.run import Run

MASTER = 4
"""Bytes of a trained parameter, in float32, and of its gradient."""

OPTIMISER_BYTES: Mapping[str, int] = {"adafactor": 0, "sgd": 0, "paged_adamw_8bit": 2}
"""Bytes of state for each trained parameter; the two moments of Adam take 8. Adafactor's, of
rows and columns, are next to none."""

ADAM_BYTES = 8

FOUR_BIT_BYTES = 0.516
"""Of a frozen parameter in NF4 with its constants quantised, too: 4.127 bits (Dettmers et al. 2023, arXiv
2305.14314)."""


@dataclass(frozen=True)
class ModelNeed:
    """What the work on one base model takes at least, in bytes."""

    model: str
    candidates: tuple[str, ...]
    parameters: int
    is_counted: bool
    """From the weights; otherwise from the model's name."""

    train: int
    """Of memory, for its most demanding training; 0 where nothing is trained."""

    tuner: Tuner | None
    """What that training tunes."""

    activations: int | None
    """Of memory besides, for the longest samples that a training step may have; None where the model's
    configuration is not here, and 0 where nothing is trained."""

    answer: int
    """Of memory, on each of the devices that it is spread over."""

    disk: int
    """For the weights of all its tuned arms, and what one training keeps to go on from."""

    @property
    def memory(self) -> int:
        """Of its hungriest phase: trainings and answers take turns."""
        return max(self.train, self.answer)


def model_needs(
    runs: Iterable[Run], estimator: Estimator, *, devices: int = 1, trained: Path | None = None
) -> list[ModelNeed]:
    """Of every base model whose size is known, in the order of the runs.

    `devices`: that one engine's model is spread over. `trained`: the folder with weights that are there
    already, by the keys of their recipes.
    """
    by_model: dict[tuple[str, str | None], list[Run]] = {}
    for run in runs:
        by_model.setdefault((run.candidate.model, run.candidate.revision), []).append(run)
    needs = []
    for (model, _), members in by_model.items():
        parameters = count_parameters(model)
        if parameters is not None:
            needs.append(_need(model, parameters, members, estimator, devices, trained))
    return needs


def _need(
    model: str,
    parameters: int,
    runs: Sequence[Run],
    estimator: Estimator,
    devices: int,
    trained: Path | None,
) -> ModelNeed:
    recipes: dict[str, Recipe] = {}
    for run in runs:
        if run.recipe is not None:
            recipes |= {recipe.key: recipe for recipe in _with_needs(run.recipe)}
    missing = [recipe for key, recipe in recipes.items() if trained is None or not (trained / key).exists()]
    last_stages = [recipe.stages[-1] for recipe in missing if recipe.stages]
    demands = [
        (_training_bytes(parameters, stage.tuner, stage.training.optim), stage.tuner) for stage in last_stages
    ]
    train, tuner = max(demands, default=(0, None))
    widths = widths_of(model)
    bytes_each = 2 if assumed_device() == "cuda" else 4
    activations = (
        None
        if widths is None
        else max(
            (activation_bytes(widths, stage.training, bytes_each=bytes_each) for stage in last_stages),
            default=0,
        )
    )
    weights_bytes = [_weights_bytes(parameters, recipe.tuner) for recipe in missing]
    weights_bytes += [
        number * _weights_bytes(parameters, tuner) for tuner, number in _trials(runs, estimator)
    ]
    # Two checkpoints, the best and the last, hold the optimiser's state besides the weights.
    going_on = max((3 * 2 * _weights_bytes(parameters, recipe.tuner) for recipe in missing), default=0)
    return ModelNeed(
        model=model,
        candidates=tuple(dict.fromkeys(run.candidate.name for run in runs)),
        parameters=parameters,
        is_counted=model_kind(model) != "hub",
        train=train,
        tuner=tuner,
        activations=activations,
        answer=parameters * _bytes_to_read() // devices,
        disk=sum(weights_bytes) + going_on,
    )


def _with_needs(recipe: Recipe) -> Iterable[Recipe]:
    yield recipe
    for needed in recipe.needs:
        yield from _with_needs(needed)


def _trials(runs: Iterable[Run], estimator: Estimator) -> Iterable[tuple[Tuner, int]]:
    """What the trials of each search tune, and how many there are."""
    searches = {run.arm: run for run in runs if run.search is not None and run.guard is None}
    for run in searches.values():
        assert run.search is not None, "only these were kept"
        tokens, seconds = estimator.trial(run)
        yield (
            run.stages[-1].tuner,
            planned_trials(run.search, tokens_per_trial=tokens, seconds_per_trial=seconds),
        )


def _training_bytes(parameters: int, tuner: Tuner, optim: str) -> int:
    """Frozen weights, and for each trained one its master, its gradient and the optimiser's state."""
    tuning = TUNERS[tuner]
    state = 2 * MASTER + OPTIMISER_BYTES.get(optim, ADAM_BYTES)
    if tuning.all_weights:
        return parameters * state
    frozen = FOUR_BIT_BYTES if tuning.four_bits else _bytes_to_read()
    return int(parameters * frozen + ADAPTER_SHARE * parameters * state)


def _weights_bytes(parameters: int, tuner: Tuner) -> int:
    share = 1 if TUNERS[tuner].all_weights else ADAPTER_SHARE
    return int(share * parameters * MASTER)


def _bytes_to_read() -> int:
    """Of a parameter of a model that only answers, or is frozen: bfloat16 on a GPU, else float32."""
    return 2 if assumed_device() == "cuda" else 4


# What this machine has


def memory_bytes() -> int | None:
    """Of the smallest GPU, or without one of this machine, as far as its container may
    use it; None where nothing tells."""
    if assumed_device() == "cuda":
        command = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
        return min((int(mebibytes) << 20 for mebibytes in listed if mebibytes.isdecimal()), default=None)
    limits = [_first_number(Path("/sys/fs/cgroup/memory.max")), _first_number(Path("/proc/meminfo"))]
    return min((limit for limit in limits if limit is not None), default=None)


def _first_number(path: Path) -> int | None:
    """In bytes; `/proc/meminfo` begins with all memory in kilobytes, a cgroup's file may say `max`."""
    try:
        words = path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return None
    number = next((int(word) for word in words if word.isdecimal()), None)
    return number if number is None or "kB" not in words else number << 10


def free_disk_bytes(folder: Path) -> int:
    """On the file system that a folder is on, or will be made on."""
    while not folder.exists():
        folder = folder.absolute().parent
    return shutil.disk_usage(folder).free
