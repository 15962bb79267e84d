"""The record of a finished run, and of one that failed."""

from typing import Annotated

from pydantic import Field

from harness.counts import agreeing, count_of
from harness.records.fields import Amount, Count, Rate, record_part
from harness.records.generation import GenerationRecord
from harness.records.preflight import PreflightFinding
from harness.records.scores import MANY_CUT, FormRecord, MetricValue, OverlapRecord, SampleCounts, TaskCard
from harness.records.training import RecordedUse, ResourceUse, Selection, TrainingRecord
from harness.sweep.run import Run
from harness.toml import Frozen

SCHEMA_VERSION = 5
RESULT, FAILURE = "result.json", "failure.json"


@record_part
class Cost:
    """What a run took in physical quantities; money is derived when pages are built."""

    device: str
    num_devices: Annotated[int, Field(ge=1, le=10**6)]
    """How many the engine's model is spread over; a training takes one."""

    seconds: dict[str, Amount]
    """By phase: `train_startup`, `train`, `discarded`, `engine_startup`, `swap`, `guard`, `generate`,
    `score`. A worker's start is shared evenly among everything that it served, including the trials of a
    search."""

    train_tokens: Count
    prompt_tokens: Count
    completion_tokens: Count
    thought_tokens: Count = 0
    """Those of the completion tokens that thoughts took."""

    requests: Count
    requests_per_second: Rate
    train_flops: Amount
    generate_flops: Amount
    peak_memory_bytes: dict[str, Count]
    """By phase: `train`, `generate`."""

    energy_joules: Amount | None
    """None where the machine has no energy counter."""


@record_part
class Provenance:
    """With what a result was made, where and when."""

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


@record_part
class PredictionsFile:
    """The file of predictions that a result was computed from."""

    rows: Count
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the file's bytes, in hex."""


class Result(Frozen):
    """One finished run."""

    schema_version: int
    key: str
    run: Run
    task: TaskCard
    metrics: dict[str, MetricValue]
    """Over all samples; with several templates, the mean of their values."""

    by_template: dict[str, dict[str, MetricValue]]
    """The metrics of each template in which a sample was scored."""

    parsed: FormRecord | None
    """None in a result of schema 4 that was not judged again since."""

    overlap: OverlapRecord
    samples: SampleCounts
    lost: dict[str, str] = Field(default_factory=dict)
    """What could not be computed, such as a metric besides the one to rank by,
    or the details of one, and why."""

    trainings: tuple[TrainingRecord, ...]
    """Every training that its weights, or its members' weights, come from, in order; empty for untuned
    arms."""

    selection: Selection | None = None
    """How its settings were chosen; None where there was nothing to choose."""

    collapsed: str = ""
    """Why its score says nothing about the task: one answer for nearly all samples, and no better than
    guessing. Empty when all is well."""

    failed_before: RecordedUse = ResourceUse()
    """What earlier starts of the run took, which failed."""

    preflight: tuple[PreflightFinding, ...] = ()
    """What was noticed of its model before anything was trained; empty in results from before that was
    looked at."""

    generation: GenerationRecord
    cost: Cost
    provenance: Provenance
    predictions: PredictionsFile | None = None
    """What binds it to the predictions beside it; None in results from before they were bound."""

    @property
    def training(self) -> TrainingRecord | None:
        """The training of its last stage; None for untuned arms and for ensembles."""
        return self.trainings[-1] if self.run.stages else None

    @property
    def weights_at(self) -> str:
        """Where the weights of a tuned run lie, as `TrainingRecord.weights_at` has it; empty where
        they lie in the sweep's work folder."""
        recipe = self.run.recipe
        return next(
            (training.weights_at for training in self.trainings if recipe and training.key == recipe.key), ""
        )

    @property
    def often_cut(self) -> str:
        """What to do about answers that were cut at `max_tokens`,
        where these are more than a few; else empty."""
        counts, limit = self.samples, self.run.generation.max_tokens
        if counts.cut_share <= MANY_CUT:
            return ""
        limit_text = "max_tokens" if limit is None else f"max_tokens = {limit:,}"
        thinking, answering = counts.cut_in_thought or 0, (counts.cut or 0) - (counts.cut_in_thought or 0)
        advice = []
        if answering:
            advice.append("raise max_tokens in the task or under [generation]")
        if thinking:
            advice.append(
                f"{thinking:,} of them within a thought: raise the candidate's max_thought_tokens, or turn "
                "thinking off (max_thought_tokens = 0)"
            )
        how_many = f"{counts.cut:,} of {count_of(counts.total, 'answer')} {agreeing('were', counts.cut or 0)}"
        return f"{how_many} cut before the model ended them ({limit_text}); {'; '.join(advice)}"

    @property
    def begun_wrongly(self) -> str:
        """Why an untuned arm's prompts were not begun as its model needs it; empty where they were, and for a
        tuned arm, which has learnt around it."""
        return self.generation.bos.doubt if self.generation.bos and not self.run.stages else ""

    @property
    def untrusted(self) -> str | None:
        """Why the score is not to be believed: the reason of the first guard that failed; None when all
        passed."""
        return next((guard.reason for guard in self.generation.guards if not guard.passed), None)


class Failure(Frozen):
    """Why a run did not finish; the next start tries it again."""

    schema_version: int
    key: str
    run: Run
    phase: str
    reason: str
    spent: RecordedUse = ResourceUse()
    """What it took until it failed, with earlier starts that failed."""
