"""Use a task of lm-evaluation-harness unchanged, named `lm_eval:arc_easy`, and tune on its training data.

lm-eval itself renders every prompt, draws up the choices, filters what the model wrote and judges it.
GainBoard chooses the demonstrations, always from training data, and asks the model. What it cannot ask as
lm-eval would is refused in words. Sampling (temperature, top_p) is the sweep's; `until` and `max_gen_toks`
are the task's.

What leaves a token of the model's context free scores as in lm-eval. Of a longer prompt lm-eval drops the
beginning, and here an error is recorded. A longer text is measured in windows by both, whose borders differ:
lm-eval's predict as many tokens as the context holds; ours predict two fewer, for a place goes to the token
before them and one to what vLLM writes.
"""

import hashlib
import inspect
import json
import logging
import random
import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

from harness.data.sources import UnreachableData
from harness.errors import UserError, suggest
from harness.metrics.likelihood import choice_logprobs
from harness.plugins.lm_eval.metrics import AGGREGATIONS, Judged, make_metric
from harness.plugins.registry import Plugin
from harness.task import FEW_SHOT, Metric, Output, PromptSet, Rendered, Reply, Row, Sample, Splits, Task

PREFIX = "lm_eval:"

_OUTPUTS: dict[str, Output] = {
    "generate_until": "generate",
    "multiple_choice": "choice",
    "loglikelihood": "perplexity",
    "loglikelihood_rolling": "perplexity",
}

_TO_RANK_BY: dict[Output, str] = {
    "generate": "exact_match",
    "choice": "accuracy",
    "perplexity": "byte_probability",
}
"""Our metric beside lm-eval's, where none of those ends at 1 and is better when higher."""

_ACCURACIES = ("acc", "acc_norm", "acc_bytes", "accuracy")

_UNMEASURED = {
    "acc_mutual_info": "compares choices with and without the prompt",
    "exact_match": "asks whether a choice is what the model would write",
}
"""What lm-eval can tell of a choice, and we cannot."""

_MAX_TOKENS_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""How tasks call it; lm-eval takes the first that is there."""

_MAX_TOKENS = 256
"""lm-eval's, where a task names none."""

_RENDERS = (
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
"""Settings of a task that shape its prompts; besides them those of `fewshot_config`."""

_MOST_DEV = 500
"""Samples cut from the training data for dev, at most; a tenth of them below that."""


def lm_eval_plugins(names: Iterable[str], dirs: Sequence[Path] = ()) -> dict[str, Plugin]:
    """A plugin for each of `names` that begins with `lm_eval:`, found in `dirs` or else among lm-eval's own
    tasks.

    Nothing is imported or looked up before a plugin is loaded. Raises `UserError` for a folder that does not
    exist, and for the prefix alone.
    """
    names = list(names)
    if any(not name.removeprefix(PREFIX).strip() for name in names if name.startswith(PREFIX)):
        raise UserError(
            f"'{PREFIX}' names no task; write {PREFIX}arc_easy, say (`lm-eval ls subtasks` shows all)"
        )
    for folder in dirs:
        if not folder.is_dir():
            raise UserError(
                f"--lm-eval-dir {folder} does not exist; give a folder with YAML files of lm-eval"
            )
    folders = tuple(folder.resolve() for folder in dirs)
    return {
        name: Plugin(name, "lm-evaluation-harness", None, partial(_load, name, folders))
        for name in names
        if name.startswith(PREFIX)
    }


def _load(name: str, dirs: tuple[Path, ...]) -> Task:
    """Find, build and translate one task. Raises `UserError` naming it, `UnreachableData` when its data
    cannot be had."""
    where = f"task '{name}'"
    try:
        _prepare()
        with _without_bars():
            return _Adapter(name, _build(name.removeprefix(PREFIX), dirs)).task()
    except UserError as error:
        raise type(error)(f"{where}: {error}") from error


@cache
def _prepare() -> None:
    """Import lm-eval, once, and have it work quietly and quickly."""
    try:
        import lm_eval.tasks
        import lm_eval.utils
    except ImportError as error:
        raise UserError(f"it needs lm-eval: pip install 'gainboard[lm-eval]' ({error})") from error
    # It warns of every default that a task leaves to it; of a fault it also raises, and that is told in our
    # words. Some of its tasks write their own name for it, with a hyphen.
    for logger in ("lm_eval", "lm-eval"):
        logging.getLogger(logger).setLevel(logging.CRITICAL + 1)
    # It compiles a task's templates anew for every document, which takes nearly all the time of rendering.
    environment = lm_eval.utils.env
    environment.from_string = lru_cache(maxsize=1000)(environment.from_string)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep `datasets` from drawing progress bars between the lines of a verb that only wants the data."""
    import datasets

    if datasets.are_progress_bars_disabled():
        yield
        return
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.enable_progress_bars()


def _build(name: str, dirs: tuple[Path, ...]) -> Any:
    """lm-eval's own task object, its data loaded."""
    # The user's folders come first, as in lm-eval. Its own tasks take seconds to index, so only where they
    # are needed.
    manager = _manager(dirs) if dirs else None
    if manager is None or name not in manager.task_index:
        meant = suggest(name, manager.all_tasks) if manager is not None else ""
        if meant and not _may_be_its_own(name):
            raise _unknown(meant, dirs)
        manager = _manager(())
        if name not in manager.task_index:
            raise _unknown(meant or suggest(name, manager.all_tasks), dirs)
    entry = manager.task_index[name]
    if entry.kind.name in ("GROUP", "TAG"):
        members = ", ".join(PREFIX + member for member in _members([name], manager.task_index))
        raise UserError(
            f"'{name}' is a {entry.kind.name.lower()} of lm-eval; name its tasks instead: {members}"
        )
    try:
        (built,) = manager.load([name])["tasks"].values()
    except ConnectionError as error:
        raise UnreachableData(
            f"its data cannot be reached: {_first_line(error)}. Load it once with a network"
        ) from error
    except FileNotFoundError as error:
        raise UserError(
            f"lm-eval cannot load it: {_first_line(error)} (it takes relative `data_files` from the folder you are in)"
        ) from error
    except KeyError as error:
        raise UserError(_unknown_split(error) or f"lm-eval cannot load it: KeyError: {error}") from error
    except Exception as error:  # a YAML file may name any file, field or function
        raise UserError(f"lm-eval cannot load it: {type(error).__name__}: {_first_line(error)}") from error
    return built


@cache
def _manager(dirs: tuple[Path, ...]) -> Any:
    """An index of the tasks in some folders, or of lm-eval's own."""
    from lm_eval.tasks import TaskManager

    return TaskManager(include_path=[str(folder) for folder in dirs], include_defaults=not dirs)


def _may_be_its_own(name: str) -> bool:
    """Whether a file of lm-eval's tasks holds the name: read in a fraction of the time that an index
    takes."""
    import lm_eval.tasks

    # Not only `*.yaml`: a part of a name may stand in a file that others include, called `_default_yaml` or
    # the like.
    files = Path(lm_eval.tasks.__file__).parent.rglob("*yaml")
    return any(name.encode() in file.read_bytes() for file in files)


def _unknown(meant: str, dirs: tuple[Path, ...]) -> UserError:
    """A name that nobody knows, with the one that may be `meant`."""
    folders = (
        "of --lm-eval-dir it skips the YAML files that it cannot read"
        if dirs
        else "with --lm-eval-dir DIR it finds yours, too"
    )
    return UserError(f"lm-eval has no such task.{meant} (`lm-eval ls subtasks` shows its own; {folders})")


def _unknown_split(error: KeyError) -> str | None:
    """The splits there are, where it was one of these that lm-eval looked for while it built a task."""
    import datasets

    # lm-eval hands out its task object only when all has gone well, so the data is found where the error was
    # raised.
    for frame, _ in traceback.walk_tb(error.__traceback__):
        data = frame.f_locals.get("self")
        if isinstance(data, datasets.DatasetDict):
            return _no_split(str(error.args[0]), data)
    return None


def _no_split(split: str, data: Iterable[str]) -> str:
    names = list(data)
    return f"its data has no split '{split}'; there are {', '.join(names)}.{suggest(split, names)}"


def _members(items: Iterable[Any], index: dict[str, Any]) -> list[str]:
    """The tasks that names, or a group's entries, stand for in the end."""
    found: list[str] = []
    for item in items:
        if isinstance(item, dict):
            inner = item["task"] if "task" in item else item["group"]
            found += _members(inner if isinstance(inner, list) else [inner], index)
            continue
        entry = index.get(item)
        if entry is None or entry.kind.name not in ("GROUP", "TAG"):
            found.append(item)
        else:
            found += _members(sorted(entry.tags) if entry.kind.name == "TAG" else entry.cfg["task"], index)
    return list(dict.fromkeys(found))


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


class _Shown:
    """Stands in for lm-eval's sampler of demonstrations: the documents that GainBoard has chosen."""

    def __init__(self, docs: Sequence[Row]) -> None:
        self._docs = docs

    def sample(self, n: int, **_: object) -> Sequence[Row]:
        """See lm-eval's `ContextSampler.sample`."""
        assert n == len(self._docs), "asked for as many as were chosen"
        return self._docs


class _Adapter:
    """One task of lm-eval, seen as one of ours. A row is one of its documents."""

    def __init__(self, name: str, built: Any) -> None:
        fault = _refusal(built)
        if fault:
            raise UserError(fault)
        self._name = name
        self._lm = built
        self._config = built.config
        self._kind: str = built.OUTPUT_TYPE
        self._output = _OUTPUTS[self._kind]
        self._tested: str = self._config.test_split or self._config.validation_split
        for split in (self._config.training_split, self._config.validation_split, built.fewshot_cfg.split):
            if split is not None and split not in built.dataset:
                raise UserError(_no_split(split, built.dataset))
        self._shown_to_all = self._fixed_demonstrations()
        # All metrics of a sample come of one judgement, and are asked one after another.
        self._judge = lru_cache(maxsize=8)(self._judge_anew)

    def task(self) -> Task:
        """The task in GainBoard's terms."""
        config = self._config
        metrics: list[Metric | str] = [*self._metrics()]
        primary = next(
            (metric.name for metric in metrics if isinstance(metric, Metric) and metric.rankable), None
        )
        if primary is None:
            primary = _TO_RANK_BY[self._output]
            metrics.append(primary)
        generation = config.generation_kwargs or {}
        until = generation.get("until") or ()
        data = " ".join(part for part in (config.dataset_path, config.dataset_name) if part) or "its own"
        return Task(
            name=self._name,
            version=_major(self._lm.VERSION),
            description=f"{self._name.removeprefix(PREFIX)} of lm-evaluation-harness (data: {data}){self._trained_on()}",
            data=self.splits,
            to_sample=self.to_sample,
            prompts=PromptSet(
                # What is shown is made by `render`; the rest stands here so that a change of it is seen.
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
            reference=f"lm-evaluation-harness task {self._name.removeprefix(PREFIX)}, data: {data}",
        )

    def _trained_on(self) -> str:
        """What stands in for a training split, where there is none; see `splits`."""
        if self._config.training_split not in (None, self._tested):
            return ""
        if self._config.validation_split not in (None, self._tested):
            return ", trained on its validation split"
        return ", trained on the samples it sets apart for demonstrations"

    @_without_bars()
    def splits(self) -> Splits:
        """lm-eval's test documents, and for training and dev what it does not test on."""
        config, tested = self._config, self._tested
        train: list[Row] = []
        dev: list[Row] = []
        if config.training_split not in (None, tested):
            train = list(self._lm.training_docs())
        if config.validation_split not in (None, tested, config.training_split):
            dev = list(self._lm.validation_docs())
        if train and dev:
            return Splits(train, dev, list(self._lm.eval_docs))
        rest = train or dev or self._set_apart()
        if len(rest) < 2:
            raise UserError(
                "it has no data apart from what it tests on, and so nothing to show or to train on; in a YAML file of your "
                "own that includes this one (--lm-eval-dir), name a training_split or write samples into fewshot_config"
            )
        return Splits(*_cut_dev(rest), list(self._lm.eval_docs))

    def to_sample(self, row: Row, index: int) -> Sample:
        """A document as a sample. The document itself goes along, for it is what lm-eval renders and
        judges."""
        doc = dict(row)
        try:
            text = json.dumps(doc)
        except TypeError as error:
            raise UserError(f"a document holds what no JSON text can: {error}") from error
        question = "" if self._kind == "loglikelihood_rolling" else str(self._lm.doc_to_text(doc))
        choices = tuple(self._lm.doc_to_choice(doc)) if self._output == "choice" else ()
        return Sample(str(index), {"context": question}, self._targets(doc), choices, metadata={"doc": text})

    def render(self, sample: Sample, demonstrations: Sequence[Sample]) -> Rendered:
        """lm-eval's own prompt with these demonstrations, or with as many of those that the task itself
        fixes."""
        if self._kind == "loglikelihood_rolling":
            return Rendered([], "", "")  # the text alone is measured
        doc = _doc_of(sample)
        fixed = self._shown_to_all[: len(demonstrations)]
        shown = fixed or [_doc_of(demonstration) for demonstration in demonstrations]
        text: str = self._context(doc, shown)
        # A model writes after the prompt as it is; of a given continuation, lm-eval has it begin with the
        # white space.
        kept = text if self._output == "generate" else text.rstrip()
        messages = self._context(
            doc,
            shown,
            apply_chat_template=True,
            fewshot_as_multiturn=True,
            chat_template=lambda turns, add_generation_prompt: turns,
        )
        return Rendered(_ending_with_user(messages), kept, text[len(kept) :] + self._delimiter(doc))

    def _context(self, doc: Row, shown: Sequence[Row], **options: Any) -> Any:
        self._lm.sampler = _Shown(shown)
        return self._lm.fewshot_context(doc, len(shown), gen_prefix=self._lm.doc_to_prefix(doc), **options)

    def _render_version(self) -> str:
        """A hash of all that `render` depends on besides the documents it is given."""
        import lm_eval

        settings = {name: getattr(self._config, name) for name in _RENDERS}
        known = [lm_eval.__version__, settings, vars(self._lm.fewshot_cfg), self._shown_to_all]
        # Not sorted: of a dict of choices, the order counts.
        return hashlib.sha256(json.dumps(known, default=_written_out).encode()).hexdigest()[:16]

    def _delimiter(self, doc: Row) -> str:
        """Between a prompt and its answer, as lm-eval has it."""
        if self._kind == "loglikelihood":
            return ""  # the target brings its own
        prefix: str | None = self._lm.doc_to_prefix(doc)
        if prefix and self._output == "generate":
            return "" if prefix[-1].isspace() else " "
        return str(self._config.target_delimiter)

    def _targets(self, doc: Row) -> tuple[str, ...]:
        gold = self._lm.doc_to_target(doc)
        golds = gold if isinstance(gold, list) else [gold]
        if self._config.doc_to_choice is None:
            return tuple(map(str, golds))
        choices = self._lm.doc_to_choice(doc)
        return tuple(_choice(each, choices) for each in golds)

    def _fixed_demonstrations(self) -> list[Row]:
        """What every few-shot prompt shows: samples written in the YAML, or the first of a split."""
        few_shot = self._lm.fewshot_cfg
        written = few_shot.split is None and few_shot.samples is not None
        return self._set_apart() if written or few_shot.sampler == "first_n" else []

    def _set_apart(self) -> list[Row]:
        """The documents that the YAML names for demonstrations, unless it is those it tests on."""
        few_shot = self._lm.fewshot_cfg
        if few_shot.split == self._tested or (few_shot.split is None and few_shot.samples is None):
            return []
        return list(self._lm.fewshot_docs())

    def _chance(self, primary: str) -> float:
        """What guessing evenly scores on an accuracy."""
        if self._output != "choice" or primary.partition(",")[0] not in _ACCURACIES:
            return 0.0
        shares = [len(self._targets(doc)) / len(self._lm.doc_to_choice(doc)) for doc in self._lm.eval_docs]
        return sum(shares) / len(shares)

    def _metrics(self) -> list[Metric]:
        """Every metric of the task after every pipeline of filters, named as lm-eval names them."""
        own_code = self._config.process_results is not None
        pipelines = [pipeline.name for pipeline in self._lm._filters]
        metrics = []
        for pipeline in pipelines:
            for name, aggregation in self._lm.aggregation().items():
                if self._output == "choice" and name in _UNMEASURED:
                    raise UserError(f"its metric '{name}' {_UNMEASURED[name]}, which is not measured here")
                metrics.append(
                    make_metric(
                        name,
                        partial(self._value, name, pipeline),
                        aggregation=_aggregation_name(name, aggregation),
                        label=name if len(pipelines) == 1 else f"{name},{pipeline}",
                        higher_is_better=bool(self._lm.higher_is_better()[name]),
                        own_code=own_code,
                    )
                )
        return metrics

    def _value(self, name: str, pipeline: str, reply: Reply) -> Any:
        values = self._judge(reply.metadata["doc"], self._responses(reply))[pipeline]
        if name not in values:
            raise UserError(f"lm-eval gives no '{name}' for this sample")
        return values[name]

    def _responses(self, reply: Reply) -> tuple[Any, ...]:
        """What lm-eval expects of a model, one for each of its requests."""
        if self._output == "generate":
            return (reply.answer,)
        if self._output == "choice":
            # Whether a choice is what the model would write is not measured; `_metrics` refuses the one that
            # asks.
            return tuple((logprob, False) for logprob in choice_logprobs(reply))
        if reply.logprob is None:
            raise UserError(f"{self._name} needs the likelihood of the target")
        return (
            (reply.logprob,)
            if self._kind == "loglikelihood_rolling"
            else ((reply.logprob, bool(reply.greedy)),)
        )

    def _judge_anew(self, doc: str, responses: tuple[Any, ...]) -> Judged:
        """By pipeline of filters, what lm-eval says of one document's responses."""
        from lm_eval.api.instance import Instance

        judged: Judged = {}
        try:
            for pipeline in self._lm._filters:
                fresh = json.loads(doc)  # a task's own code may write into it
                instances = [
                    Instance(request_type=self._kind, doc=fresh, arguments=(), idx=index, resps=[response])
                    for index, response in enumerate(responses)
                ]
                pipeline.apply(instances)
                filtered = [instance.filtered_resps[pipeline.name] for instance in instances]
                judged[pipeline.name] = self._lm.process_results(fresh, filtered)
        except Exception as error:  # a task's own code may raise anything
            raise UserError(
                f"lm-eval's scoring raised {type(error).__name__}: {_first_line(error)}"
            ) from error
        return judged


def _refusal(built: Any) -> str | None:
    """Why a task of lm-eval cannot be used, or None."""
    from lm_eval.api.task import ConfigurableTask

    if not isinstance(built, ConfigurableTask):
        return "it is a Python class of its own; only tasks that are declared in YAML can be used"
    if getattr(built, "MULTIMODAL", False):
        return "it shows images or plays sound; only tasks of text can be used"
    if getattr(built, "UNSAFE_CODE", False):
        return "it runs code that the model writes, which is not done here"
    if built.config.repeats > 1:
        return (
            f"it asks for {built.config.repeats} answers to each prompt (repeats); only one is asked for here"
        )
    if built.multiple_input:
        return "its choices stand in the prompt (as in winogrande), and not after it; such choices cannot be scored here"
    return None


def _aggregation_name(metric: str, aggregation: Any) -> str:
    """How lm-eval calls the way from samples to a value; only the function itself is in its task object."""
    from lm_eval.api.registry import get_aggregation

    for name in AGGREGATIONS:
        if aggregation is get_aggregation(name):
            return name
    called = getattr(aggregation, "__name__", str(aggregation))
    raise UserError(
        f"its metric '{metric}' is aggregated by '{called}', for which no intervals can be computed; known are "
        f"{', '.join(AGGREGATIONS)}. Leave the metric out in a YAML file of your own that includes this one (--lm-eval-dir)"
    )


def _choice(gold: Any, choices: Sequence[str]) -> str:
    """The right choice, which lm-eval names by its place or by itself."""
    if isinstance(gold, int) and 0 <= gold < len(choices):
        return choices[gold]
    if gold in choices:
        return str(gold)
    raise UserError(f"a document's target is {gold!r}, which is none of its choices {list(choices)}")


def _cut_dev(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Training rows and dev rows, cut the same on every machine."""
    order = random.Random(0).sample(range(len(rows)), len(rows))
    size = min(_MOST_DEV, max(1, len(rows) // 10))
    return [rows[place] for place in sorted(order[size:])], [rows[place] for place in sorted(order[:size])]


def _written_out(value: Any) -> Any:
    """What JSON cannot hold, in what it can: of a function the whole file that it stands in, since it may
    call others."""
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if not callable(value):
        return str(value)
    code = value if inspect.isroutine(value) or inspect.isclass(value) else type(value)
    try:
        return Path(inspect.getfile(code)).read_text(encoding="utf-8")
    except (TypeError, OSError):  # it is built into Python, or was made without a file
        return str(code.__qualname__)


def _doc_of(sample: Sample) -> Any:
    return json.loads(sample.metadata["doc"])


def _ending_with_user(messages: list[dict[str, str]]) -> list[dict[str, str]]:
    """lm-eval may begin the model's turn for it (`gen_prefix`); a chat template closes turns, so it ends the
    question."""
    if messages[-1]["role"] != "assistant":
        return messages
    *before, question, prefix = messages
    return [*before, {"role": "user", "content": f"{question['content']}\n{prefix['content']}"}]


def _major(version: object) -> int:
    """`3` of `3.1`, and 1 where a task has no number."""
    number = re.match(r"\d+", str(version))
    return int(number[0]) if number else 1
