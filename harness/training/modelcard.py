"""Write the card of an arm's weights: what they were made from, how, and, once they are scored, what they
gained.

As the model hub reads it: data in a header of YAML, then text for people.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records.training import TrainingRecord
from harness.sweep.methods import TUNERS
from harness.workers.jobs import FitJob


@dataclass(frozen=True)
class Score:
    """One metric of the weights on samples that they were not trained on, or its gain over an untuned
    arm's."""

    task: str
    metric: str
    value: float
    low: float | None
    high: float | None
    """95 % interval; None where it has no end."""

    n: int
    """Samples."""

    over: str = ""
    """Of a gain: the arm it is measured against, such as `zero_shot`."""


def model_card(
    base: str,
    revision: str | None,
    fit: FitJob,
    record: TrainingRecord,
    *,
    scores: Sequence[Score] = (),
    gains: Sequence[Score] = (),
) -> str:
    """The contents of `README.md` beside the weights."""
    from huggingface_hub import ModelCardData

    parts = [f"# {fit.label}", _origin(base, revision, fit, record)]
    if scores:
        parts += ["## Scores", "On samples of the test set, with 95 % intervals.", _scores(scores)]
    if gains:
        parts += [
            "## Gain",
            "Differences from the same base without tuning, paired by sample.",
            _gains(gains),
        ]
    if not fit.members:
        parts += ["## Training", _training(record), "## Settings", _settings(fit)]
    parts += ["## Use", _use(base, fit)]
    header = ModelCardData(**_header(base, fit, record, scores))
    return f"---\n{header.to_yaml()}\n---\n\n" + "\n\n".join(parts) + "\n"


def _header(base: str, fit: FitJob, record: TrainingRecord, scores: Sequence[Score]) -> dict[str, Any]:
    from huggingface_hub import EvalResult

    header: dict[str, Any] = {
        "library_name": "peft" if _is_adapter(fit) else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["gainboard", fit.tuner, *(["soup"] if fit.members else ["trl", "sft"])],
        "datasets": None,
    }
    if not Path(base).exists():  # the hub takes no path of somebody's disk
        header["base_model"] = base
    if scores:
        header["model_name"] = fit.label
        header["eval_results"] = [
            EvalResult(
                task_type="text-generation",
                dataset_type=score.task,
                dataset_name=score.task,
                dataset_split="test",
                metric_type=score.metric,
                metric_name=score.metric,
                metric_value=score.value,
            )
            for score in scores
        ]
    return header


def _is_adapter(fit: FitJob) -> bool:
    tuning = TUNERS[fit.tuner]
    return tuning.adapters_average if fit.members else not tuning.all_weights


def _origin(base: str, revision: str | None, fit: FitJob, record: TrainingRecord) -> str:
    name = f"`{Path(base).name if Path(base).exists() else base}`" + (
        f" at revision `{revision}`" if revision else ""
    )
    tasks = ", ".join(f"`{task}`" for task in record.tasks if task) or "one task"
    if fit.members:
        return f"The average of the weights of {len(fit.members)} fine-tunes (`{fit.tuner}`) of {name} on {tasks}."
    what = "Meta-learnt (Reptile)" if fit.meta else "Fine-tuned"
    start = ", starting with the weights of a stage before" if fit.start else ""
    left_out = f" ({record.samples_left_out} more were too long)" if record.samples_left_out else ""
    on = f"{record.samples:,} samples{left_out} of {tasks}, seed {fit.seed}"
    text = f"{what} (`{fit.tuner}`) from {name}{start} on {on}."
    return f"{text}\n\n**Not to be trusted:** {record.diverged}." if record.diverged else text


def _training(record: TrainingRecord) -> str:
    loss = "" if record.best_dev_loss is None else f", where the loss on dev was {record.best_dev_loss:.4g}"
    metric = "" if record.best_metric is None else f" and the task's metric {record.best_metric:.4g}"
    return (
        f"{record.steps:,} steps over {record.tokens:,} tokens ({record.target_tokens:,} of them with loss); kept is step "
        f"{record.best_step:,}{loss}{metric}. {record.trainable_parameters:,} of {record.parameters:,} parameters were "
        f"trained, in {record.all_seconds:,.0f} s on {record.device} ({record.dtype}), with {record.flops:.3g} "
        "floating-point operations."
    )


def _settings(fit: FitJob) -> str:
    settings = fit.training.model_dump(mode="json") | (fit.meta.model_dump(mode="json") if fit.meta else {})
    rows = [f"| `{name}` | `{value}` |" for name, value in settings.items() if value is not None]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])


def _scores(scores: Sequence[Score]) -> str:
    rows = [
        f"| {one.task} | {one.metric} | {one.value:.4g} | {_interval(one)} | {one.n:,} |" for one in scores
    ]
    return "\n".join(["| task | metric | value | interval | n |", "| --- | --- | ---: | --- | ---: |", *rows])


def _gains(gains: Sequence[Score]) -> str:
    rows = [
        f"| {one.task} | {one.metric} | {one.over} | {one.value:+.4g} | {_interval(one)} | {one.n:,} |"
        for one in gains
    ]
    return "\n".join(
        ["| task | metric | over | gain | interval | n |", "| --- | --- | --- | ---: | --- | ---: |", *rows]
    )


def _interval(score: Score) -> str:
    ends = ("…" if end is None else f"{end:.4g}" for end in (score.low, score.high))
    return " to ".join(ends)


def _use(base: str, fit: FitJob) -> str:
    name = Path(base).name if Path(base).exists() else base
    if _is_adapter(fit):
        return (
            "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
            f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{name}"), "this folder")\n```\n\n'
            f"With vLLM: `vllm serve {name} --enable-lora --lora-modules tuned=this-folder`."
        )
    return (
        "```python\nfrom transformers import AutoModelForCausalLM\n\n"
        'model = AutoModelForCausalLM.from_pretrained("this folder")\n```\n\nWith vLLM: `vllm serve this-folder`.'
    )
