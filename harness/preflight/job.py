"""What the preflight's process is told of a model, and what it answers: plain data."""

from typing import Annotated, Any

from pydantic import AfterValidator

from harness.errors import shortened
from harness.plan.token_counts import ModelCounts, PromptKind
from harness.records.preflight import Severity
from harness.sweep.prompting import Prompting
from harness.task import Output
from harness.toml import Frozen

Rows = tuple[dict[str, Any], ...]
"""Of `prompts.prompt_row`."""


TargetModules = str | tuple[str, ...]
"""A regular expression, or names."""


class PromptProbe(PromptKind):
    """Prompts of a task, as some runs of a candidate are asked them."""

    output: Output
    max_tokens: int
    max_model_len: int | None
    is_held: bool = False
    """Whether written answers are held to their choices, or to a schema."""

    may_be_cut: bool
    """Whether prompts beyond the context are cut; otherwise they are errors."""

    rows: Rows
    typical: tuple[int, ...]
    """Places of those rows that were chosen whatever their length is."""


class TrainingProbe(Frozen):
    """Samples of a task that some runs of a candidate are trained on."""

    task: str
    max_length: int
    """Tokens that a sample may have; longer ones are left out."""

    rows: Rows
    typical: tuple[int, ...]
    """As `PromptProbe` has it."""


class TargetProbe(Frozen):
    """Layers that a sweep names, to put adapters beside."""

    target_modules: TargetModules
    candidates: tuple[str, ...]
    """Those that name them."""


class ModelJob(Prompting):
    """A model as one or several candidates use and prompt it."""

    candidates: tuple[str, ...]
    """Those that use it like this."""

    model: str
    """The folder or hub id to load."""

    revision: str | None
    is_converted: bool = True
    """False of a GGUF file that is no folder yet: `model` is the file."""

    is_here: bool
    """Whether it lies on this machine; otherwise the hub is asked for it."""

    is_foreign: bool = False
    """Whether others saved its weights, which are then held against its architecture."""

    downloads: bool
    """Whether its configuration and tokenizer may be fetched from there."""

    prompts: tuple[PromptProbe, ...]
    trainings: tuple[TrainingProbe, ...]
    targets: tuple[TargetProbe, ...] = ()
    only_counts: bool = False
    """Whether nothing is wanted but the tokens of its prompts and training samples."""

    @property
    def layers(self) -> "LayersJob":
        """The part of it that takes the model's layers."""
        return LayersJob(
            model=self.model,
            revision=self.revision,
            is_here=self.is_here,
            is_foreign=self.is_foreign,
            targets=self.targets,
        )


class GgufJob(Frozen):
    """A GGUF file whose configuration and tokenizer are wanted, without its weights."""

    model: str
    folder: str
    """Where to write them."""


class LayersJob(Frozen):
    """A model, and names of its layers; the fields are those of `ModelJob`."""

    model: str
    revision: str | None
    is_here: bool
    is_foreign: bool
    targets: tuple[TargetProbe, ...]


MOST_CHARACTERS = 800
"""Of a sentence; the words of a library's error can be endless."""


def _readable(sentence: str) -> str:
    """Without characters that would change how a terminal writes: the words of templates are foreign."""
    readable = "".join(character if character.isprintable() else "�" for character in sentence)
    return shortened(readable, MOST_CHARACTERS)


class Remark(Frozen):
    """One sentence about a model, or about what it makes of a task."""

    severity: Severity
    fact: str
    sentence: Annotated[str, AfterValidator(_readable)]
    task: str = ""
    candidates: tuple[str, ...] = ()
    """Those that it concerns, where these are not all that use the model."""


class ModelReport(Frozen):
    """What a look at a model tells."""

    remarks: tuple[Remark, ...] = ()
    counts: ModelCounts = ModelCounts()
    """Of a job that wants only these."""
