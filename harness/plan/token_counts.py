"""How many tokens a sweep's prompts and training samples have, as a model's own tokenizer counts them."""

from harness.sweep.run import Run
from harness.task import Demonstrations
from harness.toml import Frozen


class PromptKind(Frozen):
    """What the lengths of a task's prompts depend on, besides the model that is asked them."""

    task: str
    templates: tuple[str, ...]
    num_fewshot: int
    demonstrations: Demonstrations | None

    @property
    def kind(self) -> tuple[object, ...]:
        """The same for prompts of one kind."""
        return self.task, self.templates, self.num_fewshot, self.demonstrations


class PromptCount(PromptKind):
    """Means over a sample of the task's rows."""

    prompt_tokens: float
    target_tokens: float
    """Of the right answer, without the token that ends it."""

    shared_tokens: float
    """Those of a prompt with which all of its wording begin."""


class TrainingCount(Frozen):
    """The mean over a sample of the training rows of a task."""

    task: str
    max_length: int
    tokens: float
    """Of a prompt and its whole answer; a sample that is too long to be trained on counts as none."""


class ModelCounts(Frozen):
    """What one model's tokenizer makes of a sweep."""

    prompts: tuple[PromptCount, ...] = ()
    trainings: tuple[TrainingCount, ...] = ()


def kind_of(run: Run) -> tuple[object, ...]:
    """The `kind` of the prompts that a run is asked."""
    return run.task, run.templates, run.num_fewshot, run.demonstrations
