"""Present a task of lm-evaluation-harness as one of GainBoard's: its documents as samples, its prompts."""

import hashlib
import inspect
import json
import random
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.errors import UserError
from harness.plugins.lm_eval.documents import document_of, text_of
from harness.plugins.lm_eval.judging import Judge
from harness.plugins.lm_eval.library import PREFIX, no_split, without_progress_bars
from harness.plugins.lm_eval.refusals import unusable_metrics
from harness.task import FEW_SHOT, Metric, Output, PromptSet, Rendered, Row, Sample, Splits, Task

_OUTPUTS: dict[str, Output] = {
    "generate_until": "generate",
    "multiple_choice": "choice",
    "loglikelihood": "perplexity",
    "loglikelihood_rolling": "perplexity",
}
"""lm-eval's `output_type` → ours."""

_TO_RANK_BY: dict[Output, str] = {
    "generate": "exact_match",
    "choice": "accuracy",
    "perplexity": "byte_probability",
}
"""Our metric beside lm-eval's, where none of those has a least and a greatest value."""

_ACCURACIES = ("acc", "acc_norm", "acc_bytes", "accuracy")

_MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What tasks call the most tokens of an answer; lm-eval takes the first that is set."""

_MAX_TOKENS = 256
"""lm-eval's default."""

_PROMPT_SETTINGS = (
    "output_type",
    "use_prompt",
    "description",
    "doc_to_text",
    "doc_to_choice",
    "doc_to_target",
    "gen_prefix",
    "target_delimiter",
    "fewshot_delimiter",
)
"""Settings of a task that shape its prompts, besides those in `fewshot_config`."""

_FEWEST_TO_HALVE = 4
"""Documents of a task without other data: one for test, two for train and dev, and one more."""

_LARGEST_DEV = 500
"""Samples cut from the training data for dev, at most; a tenth of them below that."""


class Adapter:
    """One task of lm-eval as a task of ours; `lm_task` is its `ConfigurableTask`, and a row is one of its
    documents.

    Raises `UserError` for a task that cannot be asked here as lm-eval asks it.
    """

    def __init__(self, name: str, lm_task: Any) -> None:
        if lm_task.multiple_input:
            raise UserError(
                "its choices stand in the prompt (as in winogrande), and not after it; such choices cannot "
                "be scored here"
            )
        self._name = name
        self._lm_task = lm_task
        self._config = lm_task.config
        self._output = _OUTPUTS[lm_task.OUTPUT_TYPE]
        # A rolling likelihood is that of a text alone, with nothing asked before it.
        self._asks_nothing: bool = lm_task.OUTPUT_TYPE == "loglikelihood_rolling"
        self._test_split: str = self._config.test_split or self._config.validation_split
        for split in (
            self._config.training_split,
            self._config.validation_split,
            lm_task.fewshot_cfg.split,
        ):
            if split is not None and split not in lm_task.dataset:
                raise UserError(no_split(split, lm_task.dataset))
        self._fixed_demonstrations = self._documents_of_every_prompt()

    def task(self) -> Task:
        """The task in GainBoard's terms."""
        config = self._config
        metrics: list[Metric | str] = [*Judge(self._name, self._lm_task, self._output).metrics()]
        primary = next(
            (metric.name for metric in metrics if isinstance(metric, Metric) and metric.rankable), None
        )
        if primary is None:
            primary = _TO_RANK_BY[self._output]
            metrics.append(primary)
        generation = config.generation_kwargs or {}
        until = generation.get("until") or ()
        data = " ".join(part for part in (config.dataset_path, config.dataset_name) if part) or "its own"
        lm_name = self._name.removeprefix(PREFIX)
        return Task(
            name=self._name,
            version=_major(self._lm_task.VERSION),
            description=f"{lm_name} of lm-evaluation-harness (data: {data}){self._trained_on()}",
            data=self.splits,
            to_sample=self.to_sample,
            prompts=PromptSet(
                # `render` makes every prompt; the other fields are set so that a change to them is noticed.
                templates={"lm_eval": "{context}"},
                marker=config.gen_prefix or "",
                system=config.description or None,
                num_fewshot=config.num_fewshot or FEW_SHOT,
                demonstrations="random",
                target_delimiter=config.target_delimiter,
                fewshot_delimiter=config.fewshot_delimiter,
                render=self.render,
                render_version=self._render_version(),
            ),
            output=self._output,
            metrics=tuple(metrics),
            primary_metric=primary,
            chance=self._chance(primary),
            extract=str,  # filters are part of the metrics, and see what the model wrote
            max_tokens=next(
                (int(generation[key]) for key in _MAX_TOKENS_NAMES if generation.get(key)), _MAX_TOKENS
            ),
            stop=tuple(text for text in ([until] if isinstance(until, str) else until) if text),
            license="see the task's source",
            reference=f"lm-evaluation-harness task {lm_name}, data: {data}",
        )

    def _trained_on(self) -> str:
        """What stands in for a training split, where there is none; see `splits`."""
        if self._config.training_split not in (None, self._test_split):
            return ""
        if self._config.validation_split not in (None, self._test_split):
            return ", trained on its validation split"
        if len(self._set_apart()) >= 2:
            return ", trained on the samples it sets apart for demonstrations"
        return ", trained on a half of its test split and tested on the other"

    @without_progress_bars()
    def splits(self) -> Splits:
        """lm-eval's test documents, and for training and dev what it does not test on."""
        config = self._config
        train: list[Row] = []
        dev: list[Row] = []
        if config.training_split not in (None, self._test_split):
            train = list(self._lm_task.training_docs())
        if config.validation_split not in (None, self._test_split, config.training_split):
            dev = list(self._lm_task.validation_docs())
        if train and dev:
            return Splits(train, dev, list(self._lm_task.eval_docs), tuple(self._metrics_left_out()))
        untested, test = train or dev or self._set_apart(), list(self._lm_task.eval_docs)
        remarks = self._metrics_left_out()
        if len(untested) < 2:
            untested, test = _halves(test)
            remarks.append(
                f"lm-eval tests on all the data that it has; here {len(test):,} of these documents are "
                f"tested on and {len(untested):,} trained on, so its scores are those of other samples"
            )
        return Splits(*_cut_dev(untested), test, tuple(remarks))

    def _metrics_left_out(self) -> list[str]:
        return [
            f"its metric '{name}' is left out: it {reason}"
            for name, reason in unusable_metrics(self._lm_task).items()
        ]

    def to_sample(self, row: Row, index: int) -> Sample:
        """A document as a sample; the document itself goes along as a text, for lm-eval to render and
        judge."""
        document = dict(row)
        question = "" if self._asks_nothing else str(self._lm_task.doc_to_text(document))
        choices = tuple(self._lm_task.doc_to_choice(document)) if self._output == "choice" else ()
        return Sample(
            str(index),
            {"context": question},
            self._targets(document),
            choices,
            metadata={"doc": text_of(document)},
        )

    def _targets(self, document: Row) -> tuple[str, ...]:
        target = self._lm_task.doc_to_target(document)
        targets = target if isinstance(target, list) else [target]
        if self._config.doc_to_choice is None:
            return tuple(map(str, targets))
        choices = self._lm_task.doc_to_choice(document)
        return tuple(_choice(target, choices) for target in targets)

    def render(self, sample: Sample, demonstrations: Sequence[Sample]) -> Rendered:
        """lm-eval's own prompt with these demonstrations, or with as many of those that the task itself
        fixes."""
        if self._asks_nothing:
            return Rendered([], "", "", lm_eval="loglikelihood_rolling")
        document = _document_of(sample)
        fixed = self._fixed_demonstrations[: len(demonstrations)]
        shots = fixed or [_document_of(demonstration) for demonstration in demonstrations]
        text: str = self._context(document, shots)
        # A model writes after the prompt as it is; a given continuation begins, in lm-eval, with the prompt's
        # trailing white space.
        prompt = text if self._output == "generate" else text.rstrip()
        messages = self._context(
            document,
            shots,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
            chat_template=lambda turns, add_generation_prompt: turns,
        )
        return Rendered(
            messages,
            prompt,
            text[len(prompt) :] + self._delimiter(document),
            lm_eval="generate_until" if self._output == "generate" else "loglikelihood",
        )

    def _context(self, document: Row, shots: Sequence[Row], **options: Any) -> Any:
        self._lm_task.sampler = _ChosenDocuments(shots)
        prefix = self._lm_task.doc_to_prefix(document)
        return self._lm_task.fewshot_context(document, len(shots), gen_prefix=prefix, **options)

    def _delimiter(self, document: Row) -> str:
        """Between a prompt and its answer, as lm-eval has it."""
        if self._output == "perplexity":
            return ""  # the target brings its own
        prefix: str | None = self._lm_task.doc_to_prefix(document)
        if prefix and self._output == "generate":
            return "" if prefix[-1].isspace() else " "
        return str(self._config.target_delimiter)

    def _render_version(self) -> str:
        """A hash of all that `render` depends on besides the documents it is given."""
        import lm_eval

        settings = {name: getattr(self._config, name) for name in _PROMPT_SETTINGS}
        few_shot = vars(self._lm_task.fewshot_cfg)
        inputs = [lm_eval.__version__, settings, few_shot, self._fixed_demonstrations]
        if self._config.gen_prefix:  # in chats it once ended the question
            inputs.append("gen_prefix begins the assistant's turn")
        # Keys are not sorted: in a dict of choices, the order counts.
        return hashlib.sha256(json.dumps(inputs, default=_written_out).encode()).hexdigest()[:16]

    def _documents_of_every_prompt(self) -> list[Row]:
        """What every few-shot prompt shows: samples written in the YAML, or the first of a split; else
        nothing."""
        few_shot = self._lm_task.fewshot_cfg
        written = few_shot.split is None and few_shot.samples is not None
        return self._set_apart() if written or few_shot.sampler == "first_n" else []

    def _set_apart(self) -> list[Row]:
        """The documents that the YAML names for demonstrations, unless they are those it tests on."""
        few_shot = self._lm_task.fewshot_cfg
        if few_shot.split == self._test_split or (few_shot.split is None and few_shot.samples is None):
            return []
        return list(self._lm_task.fewshot_docs())

    def _chance(self, primary: str) -> float:
        """What guessing evenly scores on an accuracy; 0 for any other metric."""
        if self._output != "choice" or primary.partition(",")[0] not in _ACCURACIES:
            return 0.0
        shares = [
            len(self._targets(document)) / len(self._lm_task.doc_to_choice(document))
            for document in self._lm_task.eval_docs
        ]
        return sum(shares) / len(shares)


class _ChosenDocuments:
    """Stands in for lm-eval's sampler of demonstrations: the documents that GainBoard has chosen."""

    def __init__(self, documents: Sequence[Row]) -> None:
        self._documents = documents

    def sample(self, n: int, **_: object) -> Sequence[Row]:
        """See lm-eval's `ContextSampler.sample`."""
        assert n == len(self._documents), "asked for as many as were chosen"
        return self._documents


def _choice(target: Any, choices: Sequence[str]) -> str:
    """The right choice, which lm-eval gives by its index or by its text."""
    if isinstance(target, int) and 0 <= target < len(choices):
        return choices[target]
    if target in choices:
        return str(target)
    raise UserError(f"a document's target is {target!r}, which is none of its choices {list(choices)}")


def _halves(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """What is trained on and what is tested on of rows that are all there is: the same on every machine."""
    if len(rows) < _FEWEST_TO_HALVE:
        raise UserError(
            f"its {len(rows)} test documents are all the data that it has, too few to be trained on and "
            "tested on; name a training_split, or write samples into fewshot_config, in a YAML file of your "
            "own that includes this one (--lm-eval-dir)"
        )
    order = random.Random(0).sample(range(len(rows)), len(rows))
    tested = set(order[: (len(rows) + 1) // 2])
    return (
        [row for index, row in enumerate(rows) if index not in tested],
        [row for index, row in enumerate(rows) if index in tested],
    )


def _cut_dev(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Training rows and dev rows, cut the same on every machine."""
    order = random.Random(0).sample(range(len(rows)), len(rows))
    size = min(_LARGEST_DEV, max(1, len(rows) // 10))
    return [rows[index] for index in sorted(order[size:])], [rows[index] for index in sorted(order[:size])]


def _document_of(sample: Sample) -> Any:
    return document_of(sample.metadata["doc"])


def _written_out(value: Any) -> Any:
    """A value that JSON cannot hold, as one it can. A function becomes the whole file it stands in, since it
    may call others there."""
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if not callable(value):
        return str(value)
    code = value if inspect.isroutine(value) or inspect.isclass(value) else type(value)
    try:
        return Path(inspect.getfile(code)).read_text(encoding="utf-8")
    except (TypeError, OSError):  # it is built into Python, or was made without a file
        return str(code.__qualname__)


def _major(version: object) -> int:
    """`3` of `3.1`, and 1 where a task has no number."""
    number = re.match(r"\d+", str(version))
    return int(number[0]) if number else 1
