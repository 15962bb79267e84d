"""The table of methods: every way in which an arm gets its weights or its answers, one row each.

A new way to tune that PEFT's `LoraConfig` knows is one row here, one colour in `leaderboards/static/site.css`
and a line of the table in `harness/README.md`. What a method is called, drawn and asked for follows from its
row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal


@dataclass(frozen=True)
class Tuning:
    """What of a model a tuner trains."""

    learning_rate: float
    """Of real models, where a sweep names none."""

    short: str = ""
    """Follows the name of a method that trains in more than one way (`multitask DoRA`); empty: the usual
    way."""

    all_weights: bool = False
    """Trains all weights; otherwise an adapter beside frozen ones."""

    lora_config: Mapping[str, bool | str] = field(default_factory=dict)
    """Options of PEFT's `LoraConfig` that make this adapter what it is, whatever the sweep's settings."""

    four_bits: bool = False
    """Loads the base in four bits, which takes bitsandbytes."""

    not_servable: str = ""
    """Why an engine cannot serve these weights beside the base, as a predicate ("changes all weights");
    empty: it can."""

    adapters_average: bool = True
    """Whether the mean of several adapters is again an adapter; if not, a soup is saved as a whole model."""

    in_soups: bool = False
    """Whether a sweep may average arms that are tuned like this."""


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One method: what it is called, how pages draw it, and what planning has to provide for it."""

    kind: Literal["prompted", "tuned", "ensemble"]
    """`prompted`: the base as it is. `tuned`: trains weights. `ensemble`: is made of other arms."""

    label: str
    """Its name within a line: `few-shot tuning`."""

    title: str
    """Its name as a heading: `Few-shot tuning`."""

    mark: str
    """What draws it in charts and tables, as SVG in a box from -8 to 8; no two methods share a mark."""

    demonstrations: bool = False
    """Prompts begin with solved samples."""

    held_to_choices: bool = False
    """Written answers are restricted to the sample's choices, so only tasks that have some are asked."""

    trains_on: Literal["task", "few samples", "mixture", "other tasks"] = "task"
    """What a stage of its name trains on: its task's training budget, tens of its task's samples, several
    tasks at once, or each of the other tasks in turn."""

    stages: tuple[str, ...] = ()
    """The methods whose trainings follow each other, itself among them; empty where it trains nothing, or
    where the sweep's `[stages]` names them."""

    tuning: Tuning | None = None
    """What it trains, where its name says so; None where the sweep chooses among those that do."""


def _path(data: str) -> str:
    return f'<path d="{data}"/>'


METHOD_TABLE: Mapping[str, MethodRow] = {
    "zero_shot": MethodRow(kind="prompted", label="zero-shot", title="Zero-shot", mark='<circle r="5.5"/>'),
    # No form has to be learnt: where it beats zero_shot, the base knew the answer and wrote it in another
    # way.
    "zero_shot_constrained": MethodRow(
        kind="prompted",
        label="zero-shot, held to the choices",
        title="Zero-shot, held to the choices",
        mark=_path("M0-6.6 6.3-2 3.9 5.4H-3.9L-6.3-2Z"),
        held_to_choices=True,
    ),
    "few_shot": MethodRow(
        kind="prompted",
        label="few-shot",
        title="Few-shot",
        mark='<rect x="-5" y="-5" width="10" height="10"/>',
        demonstrations=True,
    ),
    "lora": MethodRow(
        kind="tuned",
        label="LoRA",
        title="LoRA",
        mark=_path("M0-6.4 6.4 5H-6.4Z"),
        stages=("lora",),
        tuning=Tuning(2e-4, in_soups=True),
    ),
    "dora": MethodRow(
        kind="tuned",
        label="DoRA",
        title="DoRA",
        mark=_path("M0 6.4 6.4-5H-6.4Z"),
        stages=("dora",),
        tuning=Tuning(
            2e-4,
            "DoRA",
            lora_config={"use_dora": True},
            not_servable="has magnitudes (DoRA) that vLLM does not read",
            adapters_average=False,  # magnitudes do not add up
        ),
    ),
    "qlora": MethodRow(
        kind="tuned",
        label="QLoRA",
        title="QLoRA",
        mark=_path("M6.4 0-5 6.4V-6.4Z"),
        stages=("qlora",),
        tuning=Tuning(2e-4, "QLoRA", four_bits=True),
    ),
    "full": MethodRow(
        kind="tuned",
        label="full fine-tune",
        title="Full fine-tune",
        mark=_path("M0-6.6 5.7-3.3V3.3L0 6.6-5.7 3.3V-3.3Z"),
        stages=("full",),
        tuning=Tuning(
            2e-5,
            "full",
            all_weights=True,
            not_servable="changes all weights",
            adapters_average=False,
            in_soups=True,
        ),
    ),
    "few_shot_tuning": MethodRow(
        kind="tuned",
        label="few-shot tuning",
        title="Few-shot tuning",
        mark=_path("M0-7 7 0 0 7-7 0Z"),
        trains_on="few samples",
        stages=("few_shot_tuning",),
    ),
    "multitask": MethodRow(
        kind="tuned",
        label="multitask",
        title="Multitask",
        mark=_path("M-2.3-6.5H2.3V-2.3H6.5V2.3H2.3V6.5H-2.3V2.3H-6.5V-2.3H-2.3Z"),
        trains_on="mixture",
        stages=("multitask",),
    ),
    "stages": MethodRow(
        kind="tuned", label="stages", title="Stages", mark=_path("M-6.5 6V2H-2.2V-2H2.2V-6H6.5V6Z")
    ),
    # Reptile over the other tasks, then adapted as few-shot tuning is.
    "meta": MethodRow(
        kind="tuned",
        label="meta-learning",
        title="Meta-learning",
        mark=_path("M0-7.5 2-2 7.5 0 2 2 0 7.5-2 2-7.5 0-2-2Z"),
        trains_on="other tasks",
        stages=("meta", "few_shot_tuning"),
    ),
    "soup": MethodRow(
        kind="ensemble", label="soup", title="Weight soup", mark=_path("M-6.5-3H6.5A6.5 7 0 0 1-6.5-3Z")
    ),
    "vote": MethodRow(
        kind="ensemble",
        label="vote",
        title="Majority vote",
        mark=_path("M-6-3-3-6 0-3 3-6 6-3 3 0 6 3 3 6 0 3-3 6-6 3-3 0Z"),
    ),
    "mean_probability": MethodRow(
        kind="ensemble",
        label="mean probability",
        title="Mean probability",
        mark=_path("M-5.5 0A5.5 5.5 0 0 1 5.5 0 5.5 5.5 0 0 1-5.5 0Z"),
    ),
}
"""Every method by its name in sweeps, folders and results, in the order in which pages list them."""

METHODS = tuple(METHOD_TABLE)
PROMPTED = tuple(name for name, row in METHOD_TABLE.items() if row.kind == "prompted")
"""The methods that ask the base as it is."""

TUNED = tuple(name for name, row in METHOD_TABLE.items() if row.kind == "tuned")
"""The methods that train weights."""

ENSEMBLES = tuple(name for name, row in METHOD_TABLE.items() if row.kind == "ensemble")
"""The methods that are made of other arms."""

TUNERS: Mapping[str, Tuning] = {
    name: row.tuning for name, row in METHOD_TABLE.items() if row.tuning is not None
}
"""The methods whose name says what of the model is trained."""

SINGLE_STAGES = tuple(name for name, row in METHOD_TABLE.items() if name in row.stages)
"""The methods that are a training of their own, with settings of their own."""

FIRST_STAGES = tuple(
    name for name in SINGLE_STAGES if METHOD_TABLE[name].trains_on in ("mixture", "other tasks")
)
"""The trainings that prepare for a task without being on it alone."""

LAST_STAGES = tuple(name for name in SINGLE_STAGES if name not in FIRST_STAGES)
"""The trainings on the task itself."""

# Pydantic reads these types where they are fields and accepts the names in the table, no others. Type
# checkers, which cannot look into a table, see plain texts.
if TYPE_CHECKING:
    Method = str
    Tuner = str
    CandidateMethod = str
    EnsembleMethod = str
    StageMethod = str
else:
    Method = Literal[METHODS]
    Tuner = Literal[tuple(TUNERS)]
    CandidateMethod = Literal[PROMPTED + TUNED]
    EnsembleMethod = Literal[ENSEMBLES]
    StageMethod = Literal[FIRST_STAGES + LAST_STAGES]
