"""A row of the table of engines is all that the command line, the driver and the engine's process need to
know."""

import ast
import importlib.util
import inspect
import tomllib

import pytest
from places import ROOT
from pydantic import TypeAdapter, ValidationError

from harness.driver.prepare import require_libraries
from harness.engines.engine import Engine
from harness.errors import UserError
from harness.sweep import engines
from harness.sweep.engines import ENGINE_TABLE, ENGINES, EngineName, EngineRow, default_engine
from harness.sweep.settings import EngineSettings


def arguments_and_methods(implementation: str) -> tuple[set[str], set[str]]:
    """What an engine's class takes when it is made, and what it can do, without importing its library."""
    module, name = implementation.split(":")
    source = (ROOT / (module.replace(".", "/") + ".py")).read_text(encoding="utf-8")
    classes = {node.name: node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)}
    bases = [base.id for base in classes[name].bases if isinstance(base, ast.Name) and base.id in classes]
    functions = [
        function
        for owner in (name, *bases)
        for function in classes[owner].body
        if isinstance(function, ast.FunctionDef)
    ]
    made = next(function for function in functions if function.name == "__init__")
    return {argument.arg for argument in made.args.kwonlyargs}, {function.name for function in functions}


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_of_the_table_takes_its_settings_and_answers(name: str) -> None:
    row = ENGINE_TABLE[name]
    takes, methods = arguments_and_methods(row.implementation)
    assert {"max_model_len", "max_num_seqs", *row.settings} <= takes
    assert ({"way", "max_loras", "max_lora_rank"} <= takes) == ("adapters" in row.ways)
    assert set(row.settings) <= set(EngineSettings.model_fields)
    protocol = {member for member, value in vars(Engine).items() if inspect.isfunction(value)}
    assert {member for member in protocol if not member.startswith("_")} <= methods


@pytest.mark.parametrize("name", ENGINES)
def test_every_extra_that_an_engine_names_can_be_installed(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    row = ENGINE_TABLE[name]
    assert row.library is None or row.extra in project["optional-dependencies"]


def test_jobs_accept_the_names_in_the_table_and_no_others() -> None:
    adapter = TypeAdapter(EngineName)
    assert [adapter.validate_python(name) for name in ENGINES] == list(ENGINES)
    with pytest.raises(ValidationError, match="Input should be 'vllm'"):
        adapter.validate_python("vlllm")


def test_the_default_is_the_first_engine_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed = {"vllm", "transformers"}
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: real("json") if name in installed else None)
    assert default_engine() == "vllm"
    installed.remove("vllm")
    assert default_engine() == "transformers"
    installed.clear()
    assert default_engine() == "transformers"


def test_an_engine_without_a_library_is_never_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    served = EngineRow(title="a server", implementation="elsewhere:Server", library=None)
    monkeypatch.setattr(engines, "ENGINE_TABLE", {"server": served} | dict(ENGINE_TABLE))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert default_engine() == "transformers"


def test_an_engine_that_is_not_installed_is_refused_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "vllm" else real("json"))
    with pytest.raises(
        UserError, match=r"needs vllm, which is not installed: pip install 'gainboard\[vllm\]'"
    ):
        require_libraries("vllm", [])
    require_libraries("transformers", [])
