"""What the driver tells the workers of a base model: plain data and the places of files, never a task's
code."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.sweep.engines import EngineName
from harness.sweep.methods import Tuner
from harness.sweep.prompting import Prompting
from harness.sweep.recipe import MetaLearning, Training
from harness.task import Output
from harness.toml import Frozen


class SamplingJob(Frozen):
    """How answers are written, as `engines.Sampling` has it."""

    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    n: int = 1
    stop: tuple[str, ...] = ()
    seed: int = 0


class AskJob(Prompting):
    """One run's prompts, to be answered by one arm."""

    key: str
    """Of the run."""

    label: str
    """How people read the run."""

    prompts: Path
    completions: Path
    """Where the answers go."""

    record: Path
    """Where the `GenerationRecord` goes."""

    weights: Path | None
    """Of the arm; None for the base itself."""

    tuner: Tuner | None
    """Which part of the model the weights change; None for the base itself."""

    weights_id: str
    """Changes when the base's weights do."""

    task: str
    num_fewshot: int
    output: Output
    structured_outputs: Literal["choice"] | Mapping[str, Any] | None
    """What the answers are held to: the sample's choices, or a JSON schema."""

    truncation_side: str | None
    stride: int | None
    sampling: SamplingJob
    time_uncached: bool = False


class PassJob(Frozen):
    """A pass of one arm's weights over some samples, for what saved predictions cannot tell."""

    ask: AskJob
    """How the samples are put to it, each with the choices that are weighed: its `completions` and `record`
    are not written. A row of its prompts may name `segments`: pairs of a name and a text of its prompt."""

    reading: str
    """What is taken from each sample: a key of `READINGS` in `harness.inspection.__main__`."""

    ended: bool = False
    """Whether each choice is weighed with the token that ends an answer: as one that is written. Without it
    a label is never less likely than a longer one that begins with it."""

    readings: Path
    """Where the arrays go, as an `.npz` file: `<place>.<name>`, by the sample's line in the prompts."""


class FitJob(Prompting):
    """One training: of one stage, or the averaging of several arms' weights."""

    key: str
    """Of the recipe."""

    label: str
    tuner: Tuner
    weights: Path
    """The folder that the trained weights go to; its existence means that they are whole."""

    record: Path
    """Where the driver writes the `TrainingRecord`, after the weights are there."""

    start: Path | None
    """Weights of the stage before, of the same tuner; None: the base's own."""

    train: Path
    """Rendered samples: rows of `prompts.prompt_row`, each with the name of its `task` added."""

    dev: Path
    checkpoints: Path
    """Where the state of the training is kept until it is over: it goes on from there after a stop, and from
    one rung of a search to the next."""

    until: float = Field(default=1.0, gt=0, le=1)
    """Share of the steps after which to stop for now."""

    training: Training
    meta: MetaLearning | None = None
    """Meta-learning over the `task`s of the training rows, instead of training on their mixture."""

    members: tuple[Path, ...] = ()
    """Weights to average, instead of a training; all of the same tuner."""

    seed: int
    judged: AskJob | None = None
    """How dev is answered at each evaluation, where the task's metric chooses the checkpoint. The driver,
    asked with the `completions`, answers with the metric's `value`, `higher_is_better`."""

    report_to: tuple[str, ...] = ()


class BaseJob(Frozen):
    """One base model, and the engine that answers for it and its arms."""

    name: str
    """Names logs."""

    model: str
    """The folder, GGUF file, packaged model or hub id to load."""

    revision: str | None
    fingerprint: str | None = None
    """Of the model when the sweep was planned; None where nobody looked."""

    engine: EngineName
    max_model_len: int | None
    servable: bool = False
    """Whether some arms of the sweep are tuned from it, and the engine can serve all of them as adapters: a
    fact of the whole sweep, not of what is left of it."""

    threads: int | None = None
    """Threads that each of its workers computes with; None: as many as its libraries choose."""


class WaveJob(Frozen):
    """What is to be done with a base model next: trainings, each after those it needs, then answers."""

    fits: tuple[FitJob, ...]
    asks: tuple[AskJob, ...]
    scored: bool = False
    """Whether results are made of it at once: the costs of its jobs change no more."""
