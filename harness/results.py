"""Results on disk: what a finished run knows, written atomically, read as one table."""

import gc
import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar, cast, dataclass_transform

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from harness.config import Run
from harness.errors import UserError
from harness.recipe import Settings
from harness.toml import Frozen, first_fault

if TYPE_CHECKING:
    import pandas
    import pyarrow

SCHEMA_VERSION = 5
RESULT, FAILURE, PREDICTIONS = "result.json", "failure.json", "predictions.parquet"

LATER_COLUMNS: dict[str, str | None] = {"cluster": "", "parsed": None}
"""Columns that predictions of schema 4 lack, and what stands in them until `gainboard score` has judged these again."""

UNREADABLE = (OSError, ValueError, KeyError, TypeError, NotImplementedError, ArithmeticError)
"""What pyarrow and numpy raise for predictions that are damaged, or whose columns are of other types."""

Place = tuple[str, ...]
"""The parts of a folder below the results."""

# Bounds that no measurement reaches, so that a damaged or edited record is refused here and ends no page in an overflow.
MOST, LEAST = 1e30, 1e-15

Count = Annotated[int, Field(ge=0, le=10**15)]
"""Of samples, tokens, steps, bytes or parameters."""


def _none_or_some(value: float) -> float:
    if 0 < value < LEAST:
        raise ValueError(f"{value} is more than nothing and less than {LEAST}, which nothing measures")
    return value


Amount = Annotated[float, Field(ge=0, le=MOST), AfterValidator(_none_or_some)]
"""Seconds, floating-point operations or joules."""

Rate = Annotated[float, Field(ge=LEAST, le=MOST)]
"""Something a second; it is divided by."""

Share = Annotated[float, Field(ge=LEAST, le=1)]
"""Of a training, after which a trial is judged."""

Finite = Annotated[float, Field(allow_inf_nan=False)]
"""A value of a metric, which may have any range."""

PartT = TypeVar("PartT")
RecordT = TypeVar("RecordT", bound=BaseModel)
RunRecordT = TypeVar("RunRecordT", "Result", "Failure")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def part(kind: type[PartT]) -> type[PartT]:
    """What records are made of, as strict as they are: a dataclass with slots, for a large board holds millions of them."""
    return cast("type[PartT]", dataclass(frozen=True, slots=True, kw_only=True, config=ConfigDict(extra="forbid"))(kind))


@part
class MetricCard:
    """What the pages say of a metric."""

    description: str
    low: Finite | None
    high: Finite | None
    """The ends of its range; None where it has none."""

    higher_is_better: bool
    corpus: bool
    """Whether it is made of sums over samples: a sample's score is then its part in it, and may lie outside the range."""

    chance: Finite | None = None
    """What guessing evenly among the choices scores; None where there are none."""

    majority: Finite | None = None
    """What always giving the most frequent training answer scores; None where no answer is given twice."""


@part
class StepRecord:
    """What one cleaning or augmentation step did to one split."""

    step: str
    split: str
    before: Count
    after: Count
    changed: Count


@part
class TaskCard:
    """What the pages say of a task, so that publishing needs no plugin."""

    name: str
    version: int
    description: str
    output: Literal["generate", "choice", "perplexity"]
    primary_metric: str
    binary: bool
    """Whether every per-sample score of the primary metric is 0 or 1."""

    chance: Finite
    """What guessing scores on the primary metric."""

    metrics: dict[str, MetricCard]
    license: str
    reference: str | None
    templates: tuple[str, ...]
    n_train: Count
    n_dev: Count
    n_test: Count
    steps: tuple[StepRecord, ...]
    reviewed: Annotated[float, Field(ge=0, le=1)] | None
    """Share of the prompt set that people had judged when the run was scored; None when nobody had looked."""

    def __post_init__(self) -> None:
        if self.primary_metric not in self.metrics:
            raise ValueError(f"the primary metric '{self.primary_metric}' is not among the metrics")


@part
class MetricValue:
    """A mean over samples, with its uncertainty from samples alone (one fine-tune, one set of demonstrations)."""

    value: Finite
    stderr: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
    """Standard error over samples; None when n < 2."""

    low: Finite | None
    high: Finite | None
    """95 % interval; None where it has no end (one sample of a metric without bound)."""

    n: Count
    details: dict[str, Finite] = Field(default_factory=dict)
    """Named parts of the value: precision, recall and F1 by class, say."""


@part
class Parsed:
    """Format and content: how many answers have the form that their task wants, and what those score."""

    share: MetricValue
    """Of the answers, over the samples that the metrics are of."""

    score: MetricValue | None
    """The primary metric of those that have it, over the samples with at least one; None where no answer has."""


@part
class SampleCounts:
    """How many samples a run was asked for, in each template, and how many were scored."""

    total: Count
    scored: Count
    failed: Count
    truncated: Count = 0
    """Those whose prompt was cut to fit the context, as their task allows."""


@part
class OverlapRecord:
    """How much of the test set stands, exactly or nearly, in the rows a run was trained on.

    Of an arm that trains nothing, in the whole training set, so that every arm has a score on clean samples.
    """

    exact: Count
    """Test samples whose question is that of a training sample, white space and case aside."""

    near: Count
    """Others whose question is nearly that of a training sample."""

    samples: Annotated[int, Field(ge=1, le=10**15)]
    """Test samples that were compared."""

    method: str
    """How near is told."""

    clean: dict[str, MetricValue]
    """The metrics over the test samples that are neither; empty when none is left."""

    @property
    def share(self) -> float:
        """Exact and near, of all."""
        return (self.exact + self.near) / self.samples


@part
class CurvePoint:
    """One point of a training curve, on the training samples since the point before or on dev."""

    step: Count
    epoch: float
    loss: float
    learning_rate: float | None = None
    grad_norm: float | None = None
    """Of the last step, before clipping."""

    tokens_per_second: float | None = None
    """Prompt and answer tokens trained on since the point before, by the seconds of its steps."""

    metric: float | None = None
    """The task's metric of answers written on dev, where the training was asked for it."""


class Spent(Frozen):
    """What work took, whether or not anything came of it."""

    seconds: float = Field(default=0.0, ge=0)
    tokens: int = Field(default=0, ge=0)
    """Tokens trained on."""

    flops: float = Field(default=0.0, ge=0)

    def plus(self, other: "Spent") -> "Spent":
        """Both together."""
        return Spent(seconds=self.seconds + other.seconds, tokens=self.tokens + other.tokens, flops=self.flops + other.flops)


def _as_measured(spent: Spent) -> Spent:
    if not (spent.seconds <= MOST and spent.tokens <= MOST and spent.flops <= MOST):
        raise ValueError(f"none of them may be above {MOST:g}")
    return spent


RecordedSpent = Annotated[Spent, AfterValidator(_as_measured)]
"""What one thing took. Sums of several have no upper bound."""


class TrainingRecord(Frozen):
    """What the training worker measured of one stage; of a rung of a search, of the stage up to there."""

    key: str
    """Of the recipe that it made. Results that name the same one share its cost."""

    tuner: str
    tasks: tuple[str, ...]
    """Whose samples it was trained on."""

    steps: Count
    epochs: Amount
    best_step: Count
    """The step whose checkpoint was kept."""

    best_dev_loss: float | None
    """Mean natural-log loss of an answer's token on dev, at the best step; None of a meta-learning, which has no dev."""

    best_metric: Finite | None = None
    """The task's metric on dev at the best step, where it chose it."""

    stopped_early: bool
    train_curve: tuple[CurvePoint, ...]
    dev_curve: tuple[CurvePoint, ...]
    samples: Count
    samples_left_out: Count
    """Training samples longer than `max_length` or the model's context."""

    per_device_train_batch_size: Count
    """The one that fitted into memory: the settings' own, or half of it, and so on; 0 of averaged weights."""

    tokens: Count
    """Tokens the model was trained on, prompts and targets, all epochs; no padding."""

    target_tokens: Count
    """Of these, the tokens that carried loss."""

    dev_tokens: Count
    """Tokens read, and written, for evaluations on dev."""

    parameters: Count
    trainable_parameters: Count
    flops: Amount
    device: str
    dtype: str
    startup_seconds: Amount = 0.0
    """This training's share of the worker's start."""

    load_seconds: Amount
    """Loading the base and reading the samples."""

    train_seconds: Amount
    """Training steps, dev evaluations and checkpoints."""

    peak_memory_bytes: Count
    energy_joules: Amount | None
    resumed_at: tuple[Count, ...] = ()
    """Steps at which it went on after a stop."""

    discarded: RecordedSpent = Spent()
    """What came of nothing: steps after the last checkpoint of a start that was killed, steps that ran out of memory."""

    diverged: str = ""
    """Why the training is not to be trusted though it ended: its loss rose for good. Empty when all is well."""

    @property
    def all_seconds(self) -> float:
        """Device-seconds of the training, with its loading and what was thrown away."""
        return self.startup_seconds + self.load_seconds + self.train_seconds + self.discarded.seconds


class TrialRecord(Frozen):
    """One setting that a search tried."""

    settings: Settings
    key: str
    """Of its recipe, as far as it was trained."""

    shares: tuple[Share, ...]
    """The rungs it was judged at, as shares of its training."""

    scores: tuple[Finite | None, ...]
    """What it scored on dev at each; None where it failed."""

    losses: tuple[float | None, ...] = ()
    """Its loss on dev at each, which decides where scores do not."""

    spent: RecordedSpent
    """Training, and answering on dev."""

    reason: str = ""
    """Why it failed; empty when it did not."""

    @model_validator(mode="after")
    def _judged_at_each(self) -> "TrialRecord":
        if len(self.shares) != len(self.scores):
            raise ValueError(f"{len(self.shares)} shares have {len(self.scores)} scores; each must have one")
        return self


class Selection(Frozen):
    """How a run's settings were chosen: all that were tried, in order."""

    metric: str
    higher_is_better: bool
    trials: tuple[TrialRecord, ...]
    chosen: int
    """The place of the chosen one."""

    stopped: str = ""
    """What ended the search before all was tried: the budget, in words."""

    @property
    def spent(self) -> Spent:
        """What all trials took; the chosen one's training is that of one of the runs."""
        return reduce(Spent.plus, (trial.spent for trial in self.trials), Spent())


@part
class GuardRecord:
    """One check that the engine answered with the weights it was given."""

    name: str
    """`matches_transformers`: what the engine says of a few prompts, against transformers reading the same weights.
    `differs_from_base`: a tuned arm answers them otherwise than its base. `base_repeats`: after the last swap of the
    engine the base answers them exactly as at its start."""

    passed: bool
    value: Finite
    """The largest difference of a token's natural-log probability."""

    bound: Finite
    """`value` may not be above it (for `differs_from_base`: not below)."""

    reason: str = ""
    """What went wrong, in a sentence; empty when it passed."""


class GenerationRecord(Frozen):
    """What the engine measured."""

    engine: str
    device: str
    dtype: str
    chat_template: bool
    startup_seconds: Amount = 0.0
    """This run's share of the engine's start."""

    swap_seconds: Amount
    """Putting the arm's weights into the running engine."""

    way: str = "swap"
    """How the arm's weights got there: `swap` (merged and loaded in place) or `adapters` (its adapter served beside
    others)."""

    generate_seconds: Amount
    """Answers taken from the cache count with the seconds they took when they were generated."""

    guard_seconds: Amount = 0.0
    requests: Count
    """Prompts answered."""

    reused_requests: Count = 0
    """Of these, those whose answer an earlier run with equal weights, prompt and sampling had given already."""

    prompt_tokens: Count
    cached_prompt_tokens: Count = 0
    """Of these, the tokens whose keys and values were in the engine's prefix cache."""

    completion_tokens: Count
    uncached_requests_per_second: Rate | None = None
    """Speed with the prefix cache off, of arms that were timed so; None elsewhere."""

    flops: Amount
    peak_memory_bytes: Count
    energy_joules: Amount | None
    guards: tuple[GuardRecord, ...] = ()


@part
class Cost:
    """Physical quantities only; money is derived when pages are built."""

    device: str
    num_devices: Annotated[int, Field(ge=1, le=10**6)]
    seconds: dict[str, Amount]
    """By phase: `train_startup`, `train`, `engine_startup`, `swap`, `guard`, `generate`, `score`. Start-ups are shared
    evenly among the runs that one start served."""

    train_tokens: Count
    prompt_tokens: Count
    completion_tokens: Count
    requests: Count
    requests_per_second: Rate
    train_flops: Amount
    generate_flops: Amount
    peak_memory_bytes: dict[str, Count]
    """By phase: `train`, `generate`."""

    energy_joules: Amount | None
    """None where the machine has no energy counter."""


@part
class Provenance:
    """Where and with what a result was made."""

    gainboard: str
    git_commit: str | None
    python: str
    platform: str
    packages: dict[str, str]
    engine: str
    device: str
    dtype: str
    command: str
    finished_at: str
    """UTC, ISO 8601."""


class Result(Frozen):
    """One finished run."""

    schema_version: int
    key: str
    run: Run
    task: TaskCard
    metrics: dict[str, MetricValue]
    """Over all samples; of several templates, the mean of their values."""

    by_template: dict[str, dict[str, MetricValue]]
    """The same for each template that was scored."""

    parsed: Parsed | None
    """None of a result of schema 4 that was not judged since."""

    overlap: OverlapRecord

    samples: SampleCounts
    trainings: tuple[TrainingRecord, ...]
    """Every training that its weights, or its members' weights, come from, in order; empty for untuned arms."""

    selection: Selection | None = None
    """How its settings were chosen; None where there was one of each."""

    collapsed: str = ""
    """Why its score says nothing of the task: one answer for nearly all samples, at or below chance. Empty when all is
    well."""

    failed_before: RecordedSpent = Spent()
    """What earlier starts of the run took that came to nothing."""

    generation: GenerationRecord
    cost: Cost
    provenance: Provenance

    @property
    def training(self) -> TrainingRecord | None:
        """The training of its last stage; None for untuned arms and for ensembles."""
        return self.trainings[-1] if self.run.stages else None

    @property
    def untrusted(self) -> str | None:
        """Why the score is not to be believed: the first guard of the engine that failed; None when all passed."""
        return next((guard.reason for guard in self.generation.guards if not guard.passed), None)


class Failure(Frozen):
    """Why a run did not finish; the next start tries it again."""

    schema_version: int
    key: str
    run: Run
    phase: str
    reason: str
    spent: RecordedSpent = Spent()
    """What it took until it failed, earlier starts that failed among it."""


@contextmanager
def atomic_write(path: Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file that becomes `path` only when everything was written and reached the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open(mode, encoding=None if "b" in mode else "utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record as JSON with sorted keys and a final newline, atomically."""
    text = json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with atomic_write(path) as file:
        file.write(text + "\n")


def read_record(path: Path, model: type[RecordT]) -> RecordT:
    """Read a JSON record. Raises `UserError` for a file that is malformed or written by a newer version."""
    return _record(path, _content(path), model)


def _content(path: Path | str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - of tens of thousands, many are given as text
            return file.read()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error}") from None


def _record(path: Path | str, text: bytes, model: type[RecordT]) -> RecordT:
    try:
        record = model.model_validate_json(text)
    except ValidationError:
        return _why_not(path, text, model)
    if getattr(record, "schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        return _why_not(path, text, model)
    return record


def _why_not(path: Path | str, text: bytes, model: type[RecordT]) -> RecordT:
    """Read a record again, more slowly, for the sentence that says what is wrong with it."""
    try:
        data = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # brackets within brackets, thousands deep
        raise UserError(f"{path}: cannot be read: {error}") from None
    version = data.get("schema_version", SCHEMA_VERSION) if isinstance(data, dict) else SCHEMA_VERSION
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UserError(f"{path} is schema {version}; this version reads up to {SCHEMA_VERSION}. Upgrade gainboard.")
    if version in (1, 2, 3):
        raise UserError(
            f"{path} is schema {version}, of a preview of gainboard; use another --results folder, or remove this one"
        )
    try:
        return model.model_validate(upgrade(data))
    except ValidationError as error:
        raise UserError(f"{path}: {first_fault(error, model)}") from None


def upgrade(data: Any) -> Any:
    """A record of an earlier schema as one of this; what is of this schema, or no record, as it is."""
    # A version that is a list, of a damaged record, is not looked up.
    while isinstance(data, dict) and isinstance(version := data.get("schema_version"), int) and version in _STEPS:
        data = _STEPS[version](data)
    return data


def _from_4(data: dict[str, Any]) -> dict[str, Any]:
    """Schema 5 counts the answers that have the form of their task, which of older ones nobody knows yet."""
    added = {"parsed": None} if "metrics" in data else {}
    return {**data, **added, "schema_version": 5}


_STEPS = {4: _from_4}
"""From a schema to the next one."""


def spent_on_failures(results: Path, run: Run) -> Spent:
    """What earlier starts of a run took that came to nothing."""
    path = results / run.folder / FAILURE
    try:
        failure = read_record(path, Failure) if path.exists() else None
    except UserError:  # of another version: nobody can tell
        return Spent()
    return failure.spent if failure is not None and failure.run.cell == run.cell else Spent()


@contextmanager
def uncollected() -> Iterator[None]:
    """Without looking for garbage: among the millions of records of a large board there is none, and looking goes through
    all of them again and again.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def read_results(results: Path) -> list[Result]:
    """Every finished run below a folder, sorted by path. A file that cannot be read is named in a warning and skipped."""
    return [record for record, _ in _read_all(results, RESULT, Result, places_of(results, RESULT))]


def read_failures(results: Path) -> list[Failure]:
    """Every run that failed and was not finished since, sorted by path."""
    return [record for record, _ in _read_all(results, FAILURE, Failure, places_of(results, FAILURE))]


class Runs(NamedTuple):
    """All runs below a folder that finished or failed, sorted by path."""

    finished: list[Result]
    failed: list[Failure]
    digests: dict[str, str]
    """By the key of a finished run, of the file that it was read from."""


def read_runs(results: Path) -> Runs:
    """Both, for one walk through the folder."""
    places = places_of(results, RESULT, FAILURE)
    read = _read_all(results, RESULT, Result, places)
    failed = [failure for failure, _ in _read_all(results, FAILURE, Failure, places)]
    return Runs([result for result, _ in read], failed, {result.key: digest for result, digest in read})


def _read_all(
    results: Path, name: str, model: type[RunRecordT], places: Mapping[str, Sequence[Place]]
) -> list[tuple[RunRecordT, str]]:
    """Records, each with a digest of the file it was read from."""
    records = []
    paths: dict[str, str] = {}
    place: Place  # which mypy does not tell from what is unpacked below
    with uncollected():
        for place in places[name]:
            path = "/".join((os.fspath(results), *place, name))  # as a path it would take several times as long
            try:
                text = _content(path)
                record = _record(path, text, model)
                # A copy elsewhere would count twice, and a name that climbs out of the folder would be followed.
                if place != record.run.place:
                    raise UserError(f"{path}: it belongs in {record.run.folder}; a copy or a moved result is not read")
                # Pages, digests and shared costs go by keys.
                if paths.setdefault(record.key, path) != path:
                    raise UserError(f"{path}: it has the key of {paths[record.key]}; only the first of both is read")
                records.append((record, hashlib.sha256(text).hexdigest()))
            except UserError as error:
                warnings.warn(f"skipped: {error}", stacklevel=3)
    return records


def places_of(folder: Path, *names: str) -> dict[str, list[Place]]:
    """Where below a folder files of these names lie, or whatever lies in the place of one, by name, sorted.

    No link is followed. Written out, as neither a glob nor `os.walk` is fast enough for tens of thousands of runs.
    """
    found: dict[str, list[Place]] = {name: [] for name in names}
    todo: list[tuple[str, Place]] = [(os.fspath(folder), ())]
    while todo:
        path, place = todo.pop()
        try:
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name in found:
                        found[entry.name].append(place)
                    elif entry.is_dir(follow_symlinks=False):
                        todo.append((entry.path, (*place, entry.name)))
        except OSError:  # as good as not there
            continue
    return {name: sorted(places) for name, places in found.items()}


def read_predictions(results: Path, run: Run, columns: list[str] | None = None) -> "pandas.DataFrame":
    """A finished run's predictions, one row a sample, in data set order; `score_<metric>` is None where unscored.

    `columns`: only these. What those of an earlier schema lack of `LATER_COLUMNS` is filled in. Raises `KeyError` for other
    columns that are not there.
    """
    frame: pandas.DataFrame = read_prediction_table(results, run, columns).to_pandas()
    return frame


def read_prediction_table(results: Path, run: Run, columns: list[str] | None = None) -> "pyarrow.Table":
    """The same as an Arrow table, which is made several times faster."""
    import pyarrow
    from pyarrow import parquet

    # One small file of many: threads and read-ahead would take longer than the reading.
    with parquet.ParquetFile(results / run.folder / PREDICTIONS, memory_map=True, pre_buffer=False) as file:
        there = file.schema_arrow.names
        later = [name for name in LATER_COLUMNS if name not in there and (columns is None or name in columns)]
        missing = [name for name in columns or () if name not in there and name not in later]
        if missing:
            raise KeyError(f"there is no column '{missing[0]}'")
        table = file.read(columns=columns and [name for name in columns if name in there], use_threads=False)
    for name in later:
        value = LATER_COLUMNS[name]
        rows = table.num_rows
        table = table.append_column(name, pyarrow.nulls(rows) if value is None else pyarrow.array([value] * rows))
    return table


def load_results(path: str | Path) -> "pandas.DataFrame":
    """All results below a folder as one table: a row a run and metric.

    Columns: key, task, task_version, candidate, model, revision, method, seed, n_train, guard (whether the run is one on a
    guard task), after (the task that its weights were tuned for, if so), templates, metric, primary, value, stderr, low,
    high, n, total, failed, overlap (share of test samples in the training rows), then the costs (`train_seconds`,
    `generate_seconds`, `train_tokens`, `prompt_tokens`, `completion_tokens`, `requests_per_second`, `train_flops`,
    `generate_flops`, `energy_joules`, `device`). Raises `UserError` when the folder does not exist.
    """
    import pandas

    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"results folder {folder} does not exist; `gainboard run SWEEP` makes one")
    rows = [_row(result, name, value) for result in read_results(folder) for name, value in sorted(result.metrics.items())]
    return pandas.DataFrame(rows)


def _row(result: Result, metric: str, value: MetricValue) -> dict[str, Any]:
    run, cost = result.run, result.cost
    return {
        "key": result.key,
        "task": run.task,
        "task_version": run.task_version,
        "candidate": run.candidate.name,
        "model": run.candidate.model,
        "revision": run.candidate.revision,
        "method": run.candidate.method,
        "seed": run.seed,
        "n_train": run.n_train,
        "guard": run.guard is not None,
        "after": run.guard.after.task if run.guard and run.guard.after else None,
        "templates": ", ".join(run.templates),
        "metric": metric,
        "primary": metric == result.task.primary_metric,
        "value": value.value,
        "stderr": value.stderr,
        "low": value.low,
        "high": value.high,
        "n": value.n,
        "total": result.samples.total,
        "failed": result.samples.failed,
        "overlap": result.overlap.share,
        "train_seconds": cost.seconds.get("train", 0.0),
        "generate_seconds": cost.seconds.get("generate"),
        "train_tokens": cost.train_tokens,
        "prompt_tokens": cost.prompt_tokens,
        "completion_tokens": cost.completion_tokens,
        "requests_per_second": cost.requests_per_second,
        "train_flops": cost.train_flops,
        "generate_flops": cost.generate_flops,
        "energy_joules": cost.energy_joules,
        "device": cost.device,
    }
