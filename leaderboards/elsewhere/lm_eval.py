"""Read result files of lm-evaluation-harness (0.4 and later) as scores from elsewhere, and store them below
the results.

A `results_<date>.json` holds for each task `"acc,none": 0.61, "acc_stderr,none": 0.02, …`: the metric, and
after the comma the pipeline of filters that its answers went through. With `--log_samples`,
`samples_<task>_<date>.jsonl` beside it holds the score of every sample, from which GainBoard takes intervals
of its own.
"""

import datetime
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from pydantic import ValidationError

from harness.counts import count_of
from harness.errors import UserError, suggest
from harness.foreign import (
    MOST_FOREIGN_SCORES,
    check_keys,
    naming_what_is_read,
    open_regular,
    read_bounded,
)
from harness.records.store import read_record, write_record
from harness.statistics import Estimate, score
from harness.toml import first_fault
from leaderboards.elsewhere.scores import IMPORTED, UNKNOWN, Imported, ImportedMetric, Source, candidate_name
from leaderboards.text import listed, shortened

RESULTS, SAMPLES = "results", "samples"

LOWER_IS_BETTER = frozenset(
    {"word_perplexity", "byte_perplexity", "perplexity", "bits_per_byte", "brier_score", "ter"}
)
HIGHER_IS_BETTER = frozenset(
    {
        "acc",
        "acc_norm",
        "acc_mutual_info",
        "acc_all",
        "exact_match",
        "f1",
        "mcc",
        "bleu",
        "chrf",
        "em",
        "likelihood_diff",
    }
    | {
        "rouge1",
        "rouge2",
        "rougeL",
        "bleu_acc",
        "pass@1",
        "prompt_level_strict_acc",
        "prompt_level_loose_acc",
    }
    | {"inst_level_strict_acc", "inst_level_loose_acc", "contains", "multi_quac_f1"}
)
"""For files that do not say which way a metric goes (lm-eval before 0.4.3)."""

_NOT_METRICS = frozenset({"alias", "name", "sample_len", "sample_count", "samples", " "})
"""`" "` stands for the scores that a group has not."""

_SETTINGS = (
    "model",
    "model_args",
    "num_fewshot",
    "batch_size",
    "limit",
    "gen_kwargs",
    "bootstrap_iters",
    "random_seed",
)
LONGEST_SETTING = 500

LONGEST_NAME = 80
"""Characters of the name of a task or a metric in a sentence."""

SAME = 1e-6
"""Where the mean of the samples is no further from the reported value, that value is their mean."""


@dataclass(frozen=True)
class ImportedFiles:
    """What an import came to."""

    added: tuple[Imported, ...]
    unchanged: tuple[Imported, ...]
    """They were there already."""

    notes: tuple[str, ...]
    """What the file lacks, in sentences."""


def import_results(source: Path, results: Path, *, candidate: str | None = None) -> ImportedFiles:
    """Take a results file, or all below a folder. All of it is checked before anything is written.

    Raises `UserError` for a file that cannot be used, and where other scores of the same candidate, task and
    shots are there already.
    """
    notes: list[str] = []
    records: list[Imported] = []
    for path in _files(source):
        try:
            records += _read(path, candidate, notes)
        except ValidationError as error:  # a number that no measurement reaches, which `publish` would refuse
            raise UserError(f"{path}: {first_fault(error, Imported)}") from None
    _check_twice(records)
    added: list[Imported] = []
    unchanged: list[Imported] = []
    for record in records:
        (unchanged if _is_there(results, record) else added).append(record)
    for record in added:
        write_record(results / record.folder / IMPORTED, record)
    return ImportedFiles(tuple(added), tuple(unchanged), tuple(notes))


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        if os.path.lexists(source):
            return [source]
        raise UserError(f"{source}: no such file or folder")
    files = sorted(source.glob(f"**/{RESULTS}_*.json"))
    if not files:
        raise UserError(
            f"{source} holds no results_*.json of lm-evaluation-harness; "
            "`lm_eval … --output_path DIR` writes one"
        )
    return files


def _check_twice(records: Sequence[Imported]) -> None:
    seen: dict[Path, Imported] = {}
    for record in records:
        earlier = seen.setdefault(record.folder, record)
        if earlier is not record:
            raise UserError(
                f"{earlier.source.file} and {record.source.file} both hold {_named(record)}; "
                "import one of them, or each with a --candidate of its own"
            )


def _is_there(results: Path, record: Imported) -> bool:
    """Whether the record is stored already; raises `UserError` where another one is."""
    path = results / record.folder / IMPORTED
    if not path.exists():
        return False
    if read_record(path, Imported) == record:
        return True
    raise UserError(
        f"{path} holds other scores of {_named(record)}; remove it to replace them, "
        "or import these with another --candidate"
    )


def _named(record: Imported) -> str:
    shots = "" if record.num_fewshot is None else f" with {count_of(record.num_fewshot, 'example')}"
    return f"{record.candidate} on '{shortened(record.task, LONGEST_NAME)}'{shots}"


def _read(path: Path, candidate: str | None, notes: list[str]) -> list[Imported]:
    with naming_what_is_read(path):
        text = read_bounded(path, MOST_FOREIGN_SCORES)
        check_keys(text)
    data = _parsed(path, text)
    tasks = data.get("results")
    if (
        not isinstance(tasks, dict)
        or not tasks
        or not all(isinstance(entry, dict) for entry in tasks.values())
    ):
        raise UserError(
            f"{path}: it has no table `results` of scores by task, as lm-evaluation-harness writes it"
        )
    model = _model(data)
    name = candidate or (candidate_name(model) if model else None)
    if name is None:
        raise UserError(f"{path}: it does not say which model was scored; name it with --candidate NAME")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise UserError(f"--candidate '{name}': a name may hold letters, digits, '.', '_' and '-'")
    source = Source(
        program="lm-evaluation-harness",
        version=_text(data.get("lm_eval_version")),
        git_hash=_text(data.get("git_hash")),
        file=path.name,
        sha256=hashlib.sha256(text).hexdigest(),
        date=_date(data.get("date")),
        settings=_settings(_table(data, "config")),
    )
    records = []
    for task, entry in sorted(tasks.items()):
        metrics = _metrics(path, task, entry, _table(_table(data, "higher_is_better"), task), notes)
        if not metrics:  # the heading of a group, which has no score of its own
            continue
        records.append(
            Imported(
                candidate=name,
                model=model or name,
                task=task,
                task_version=_text(_table(data, "versions").get(task)) or UNKNOWN,
                num_fewshot=_count(_table(data, "n-shot").get(task)),
                n=_count(_table(_table(data, "n-samples"), task).get("effective")),
                metrics=tuple(metrics),
                source=source,
            )
        )
    if not records:
        raise UserError(f"{path}: none of its tasks has a score")
    return records


def _parsed(path: Path, text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise UserError(
            f"{path}: it is no results file of lm-evaluation-harness: an object is wanted at the top"
        )
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{path}: it holds half a surrogate pair, which is no text that can be stored"
        ) from None
    return data


def _metrics(
    path: Path, task: str, entry: Mapping[str, Any], directions: Mapping[str, Any], notes: list[str]
) -> list[ImportedMetric]:
    metrics = []
    samples = _samples(path, task)
    for key, value in sorted(entry.items()):
        name, comma, pipeline = key.partition(",")
        if key in _NOT_METRICS or name.endswith("_stderr"):
            continue
        subject = f"{path}: task '{shortened(task, LONGEST_NAME)}', metric '{shortened(key, LONGEST_NAME)}'"
        if not comma:
            raise UserError(
                f"{subject}: its name says no filter (as in 'acc,none'): this file is not of lm-eval 0.4 "
                "or later; score again"
            )
        if not _is_number(value):
            raise UserError(
                f"{subject}: its value is {shortened(repr(value), 60)} and not a number; "
                "score again, or take the metric out"
            )
        stderr = entry.get(f"{name}_stderr,{pipeline}")
        estimate = _estimate(samples.get((name, pipeline)), float(value))
        metrics.append(
            ImportedMetric(
                name=name,
                filter=pipeline,
                value=value,
                stderr=stderr if _is_number(stderr) and stderr >= 0 else None,
                higher_is_better=_direction(subject, name, directions.get(name)),
                low=estimate.low if estimate else None,
                high=estimate.high if estimate else None,
            )
        )
        if metrics[-1].stderr is None and estimate is None:
            problem = (
                "no stderr is reported" if stderr is None else f"its stderr is {shortened(repr(stderr), 60)}"
            )
            notes.append(f"{subject}: {problem}; the score is shown without one.")
    return metrics


def _direction(subject: str, name: str, declared: object) -> bool:
    if isinstance(declared, bool):
        return declared
    if name in HIGHER_IS_BETTER | LOWER_IS_BETTER:
        return name in HIGHER_IS_BETTER
    raise UserError(
        f"{subject}: GainBoard does not know '{name}', and the file does not say under `higher_is_better` "
        "which way it goes."
        f"{suggest(name, sorted(HIGHER_IS_BETTER | LOWER_IS_BETTER))}"
    )


def _samples(path: Path, task: str) -> dict[tuple[str, str], list[float]]:
    """The scores of all samples by metric and filter, from the file beside; without metrics that some samples
    lack.

    lm-eval gives the two files one name, but for the task. Raises `UserError` for a file with a broken line.
    """
    named = re.sub(r"[/\\\0]", "_", task)
    beside = path.with_name(f"{SAMPLES}_{named}_{path.stem.removeprefix(f'{RESULTS}_')}.jsonl")
    try:
        if not beside.exists():
            return {}
    except OSError:  # no file can have so long a name
        return {}
    scores: dict[tuple[str, str], list[float]] = {}
    answered: dict[str, int] = {}
    with naming_what_is_read(beside), open_regular(beside, max_bytes=MOST_FOREIGN_SCORES) as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                sample = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UserError(f"{beside}: line {number} is not valid JSON: {error}") from None
            if not isinstance(sample, dict):
                raise UserError(f"{beside}: line {number} is no sample: an object is wanted")
            pipeline = str(sample.get("filter", "none"))
            answered[pipeline] = answered.get(pipeline, 0) + 1
            for name, value in sample.items():
                if _is_number(value):
                    scores.setdefault((name, pipeline), []).append(float(value))
    return {key: values for key, values in scores.items() if len(values) == answered[key[1]]}


def _estimate(values: list[float] | None, reported: float) -> Estimate | None:
    """The interval over samples of a metric that is their mean, within 0 and 1; None for any other."""
    if (
        not values
        or not 0 <= min(values) <= max(values) <= 1
        or abs(sum(values) / len(values) - reported) > SAME
    ):
        return None
    return score([values], binary=set(values) <= {0.0, 1.0})


def _model(data: Mapping[str, Any]) -> str | None:
    name = _text(data.get("model_name"))
    arguments = _table(data, "config").get("model_args")
    if name or not isinstance(arguments, str | dict):
        return name
    if isinstance(arguments, str):
        arguments = dict(pair.split("=", 1) for pair in arguments.split(",") if "=" in pair)
    return next(
        (str(arguments[key]) for key in ("peft", "pretrained", "model", "path") if arguments.get(key)), None
    )


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    given_settings = {name: config[name] for name in _SETTINGS if config.get(name) not in (None, "", [], {})}
    return {
        name: (value if isinstance(value, str) else json.dumps(value, sort_keys=True))[:LONGEST_SETTING]
        for name, value in given_settings.items()
    }


def _date(value: object) -> str | None:
    if not _is_number(value):
        return None
    try:
        return datetime.datetime.fromtimestamp(int(value), tz=datetime.UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str | None:
    return None if value is None or value == "" else str(value)


def _count(value: object) -> int | None:
    return int(value) if _is_number(value) and value >= 0 else None


def _is_number(value: object) -> TypeGuard[float]:
    """Whether a float can hold it; a file may hold NaN, or a whole number of any length."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def import_sentence(outcome: ImportedFiles, results: Path) -> str:
    """What an import came to, in a sentence."""
    tasks = sorted({shortened(record.task, LONGEST_NAME) for record in (*outcome.added, *outcome.unchanged)})
    task_names = listed(tasks if len(tasks) <= 5 else [*tasks[:4], f"{len(tasks) - 4} more"])
    already = f" {count_of(len(outcome.unchanged), 'score')} were there already." if outcome.unchanged else ""
    added = count_of(len(outcome.added), "score")
    return f"{added} of {task_names} imported into {results / 'imported'}.{already}"
