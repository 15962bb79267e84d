"""Write the card of an arm's weights: what they were made from and how, and, once scored, what they gained.

Its form is that of the model hub: data in a header of YAML, then text for people.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records.training import TrainingRecord
from harness.sweep.methods import TUNERS
from harness.sweep.models import model_kind
from harness.sweep.thoughts import THOUGHT_MARKS
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
    if prompting := _prompting(fit):
        parts += ["## Prompting", prompting]
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
    if model_kind(base) == "hub":  # it takes no path of somebody's disk, and knows no model of ours
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


def _public_name(base: str) -> str:
    """The name of the base, without the folders above it on this machine."""
    return Path(base).name if Path(base).exists() else base


def _is_adapter(fit: FitJob) -> bool:
    tuning = TUNERS[fit.tuner]
    return tuning.adapters_average if fit.members else not tuning.all_weights


def _origin(base: str, revision: str | None, fit: FitJob, record: TrainingRecord) -> str:
    name = f"`{_public_name(base)}`" + (f" at revision `{revision}`" if revision else "")
    tasks = ", ".join(f"`{task}`" for task in record.tasks if task) or "one task"
    if fit.members:
        fine_tunes = f"{len(fit.members)} fine-tunes (`{fit.tuner}`) of {name} on {tasks}"
        return f"The average of the weights of {fine_tunes}."
    tuning = "Meta-learnt (Reptile)" if fit.meta else "Fine-tuned"
    start = ", starting with the weights of a stage before" if fit.start else ""
    left_out = f" ({record.samples_left_out} more were too long)" if record.samples_left_out else ""
    on = f"{record.samples:,} samples{left_out} of {tasks}, seed {fit.seed}"
    text = f"{tuning} (`{fit.tuner}`) from {name}{start} on {on}."
    return f"{text}\n\n**Not to be trusted:** {record.diverged}." if record.diverged else text


def _training(record: TrainingRecord) -> str:
    loss = "" if record.best_dev_loss is None else f", where the loss on dev was {record.best_dev_loss:.4g}"
    metric = "" if record.best_metric is None else f" and the task's metric {record.best_metric:.4g}"
    return (
        f"{record.steps:,} steps over {record.tokens:,} tokens ({record.target_tokens:,} of them with loss); "
        f"kept is step {record.best_step:,}{loss}{metric}. "
        f"{record.trainable_parameters:,} of {record.parameters:,} parameters were trained, "
        f"in {record.all_seconds:,.0f} s on {record.device} ({record.dtype}), "
        f"with {record.flops:.3g} floating-point operations."
    )


def _settings(fit: FitJob) -> str:
    settings = fit.training.model_dump(mode="json") | (fit.meta.model_dump(mode="json") if fit.meta else {})
    rows = [f"| `{name}` | `{value}` |" for name, value in settings.items() if value is not None]
    return "\n".join(["| setting | value |", "| --- | --- |", *rows])


def _prompting(fit: FitJob) -> str:
    """How prompts were rendered for the training, as far as its sweep said so."""
    sentences = []
    if fit.chat_template_kwargs:
        arguments = json.dumps(fit.chat_template_kwargs, ensure_ascii=False, sort_keys=True)
        sentences.append(
            f"Trained with these arguments of the chat template: `{arguments}`. Give them to "
            "`apply_chat_template` (or as `chat_template_kwargs` to a server) when you ask it."
        )
    if fit.thought_marks and fit.thought_marks != THOUGHT_MARKS:
        begin, end = fit.thought_marks
        sentences.append(f"`{begin}` begins a thought, and `{end}` ends it.")
    if fit.max_thought_tokens == 0:
        sentences.append(
            "It was trained to answer at once: after an empty thought, where the template wants one."
        )
    return " ".join(sentences)


def _scores(scores: Sequence[Score]) -> str:
    head = ["| task | metric | value | interval | n |", "| --- | --- | ---: | --- | ---: |"]
    rows = [
        f"| {score.task} | {score.metric} | {score.value:.4g} | {_interval(score)} | {score.n:,} |"
        for score in scores
    ]
    return "\n".join(head + rows)


def _gains(gains: Sequence[Score]) -> str:
    head = [
        "| task | metric | over | gain | interval | n |",
        "| --- | --- | --- | ---: | --- | ---: |",
    ]
    return "\n".join(head + [_gain_row(gain) for gain in gains])


def _gain_row(gain: Score) -> str:
    value, interval = f"{gain.value:+.4g}", _interval(gain)
    return f"| {gain.task} | {gain.metric} | {gain.over} | {value} | {interval} | {gain.n:,} |"


def _interval(score: Score) -> str:
    ends = ("…" if end is None else f"{end:.4g}" for end in (score.low, score.high))
    return " to ".join(ends)


def _use(base: str, fit: FitJob) -> str:
    name = _public_name(base)
    if _is_adapter(fit):
        return (
            "```python\nfrom peft import PeftModel\nfrom transformers import AutoModelForCausalLM\n\n"
            f'model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{name}"), '
            '"this folder")\n```\n\n'
            f"With vLLM: `vllm serve {name} --enable-lora --lora-modules tuned=this-folder`."
        )
    return (
        "```python\nfrom transformers import AutoModelForCausalLM\n\n"
        'model = AutoModelForCausalLM.from_pretrained("this folder")\n```\n\n'
        "With vLLM: `vllm serve this-folder`."
    )
