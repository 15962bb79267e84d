"""A row of the table of methods is all that a sweep, its records and its settings need to know of a
method."""

import re
from typing import Any

import pytest
from places import ROOT
from pydantic import TypeAdapter, ValidationError

from harness.sweep.methods import (
    ENSEMBLES,
    METHOD_TABLE,
    METHODS,
    PROMPTED,
    SINGLE_STAGES,
    TUNED,
    TUNERS,
    CandidateMethod,
    EnsembleMethod,
    Method,
    StageMethod,
    Tuner,
)
from harness.sweep.recipe import Layers, Training, layered


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Method, METHODS),
        (Tuner, tuple(TUNERS)),
        (CandidateMethod, PROMPTED + TUNED),
        (EnsembleMethod, ENSEMBLES),
        (StageMethod, SINGLE_STAGES),
    ],
)
def test_records_and_sweeps_accept_the_names_in_the_table_and_no_others(
    kind: Any, names: tuple[str, ...]
) -> None:
    adapter = TypeAdapter(kind)
    assert [adapter.validate_python(name) for name in names] == list(names)
    for name in {*METHODS, "lorra"} - {*names}:
        with pytest.raises(ValidationError, match="Input should be"):
            adapter.validate_python(name)


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_trains_follows_from_its_kind(name: str) -> None:
    row = METHOD_TABLE[name]
    assert set(row.stages) <= set(SINGLE_STAGES)
    if row.kind != "tuned":
        assert row.stages == () and row.tuning is None
    elif row.tuning is not None:
        assert row.stages == (name,) and row.trains_on == "task"
        assert row.tuning.learning_rate > 0


@pytest.mark.parametrize("name", SINGLE_STAGES)
def test_every_training_of_its_own_takes_settings_of_its_own(name: str) -> None:
    tuner = name if name in TUNERS else "lora"
    assert layered(tuner, name, Layers(**{name: {"max_steps": 7}}))["max_steps"] == 7


def test_an_adapters_options_are_none_that_a_sweep_sets_by_another_name() -> None:
    for tuner, tuning in TUNERS.items():
        assert tuning.all_weights != bool(tuner != "full"), tuner
        assert not (tuning.all_weights and (tuning.lora_config or tuning.four_bits)), tuner
        assert not set(tuning.lora_config) & (set(Training.model_fields) - {"use_rslora"}), tuner


def test_the_readme_lists_every_method() -> None:
    readme = (ROOT / "harness" / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (`[^|]+) \|", readme, flags=re.MULTILINE)
    names = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)}
    assert set(PROMPTED + TUNED) <= names
