"""Who may import whom: the folders are the layer rule, and the README's table says it."""

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from places import ROOT

PACKAGES = ("harness", "leaderboards")

HEAVY = {
    "bitsandbytes": {"harness.training.tuners"},
    "gguf": {"harness.engines.gguf"},
    "peft": {"harness.training.tuners", "harness.engines.weights"},
    "trl": {f"harness.training.{name}" for name in ("arguments", "packing", "trainer")},
    "vllm": {"harness.engines.vllm", "harness.engines.vllm_requests"},
    "datasets": {
        "harness.data.sources",
        "harness.data.tables",
        "harness.plugins.lm_eval.library",
        "harness.training.__main__",
    },
    "lm_eval": {
        f"harness.plugins.lm_eval.{name}" for name in ("adapter", "judging", "library", "members", "refusals")
    },
    "optuna": {"harness.plan.samplers"},
    "fsspec": {"harness.driver.cluster.storage"},
    "ray": {"harness.driver.cluster.executor", "harness.driver.cluster.members"},
    "bm25s": {"harness.task.demonstrations"},
    "sacrebleu": {"harness.metrics.overlap"},
    "rouge_score": {"harness.metrics.overlap"},
}
"""Library to the only modules that import it, at the top or inside a function."""

MODEL_LIBRARIES = {"torch", "transformers"}
HOLDS_A_MODEL = {
    f"harness.engines.{name}"
    for name in (
        "__main__",
        "encode",
        "gguf",
        "gguf_tokenizer",
        "reference",
        "targets",
        "transformers",
        "vllm",
        "vllm_requests",
        "weighing",
        "weights",
    )
}
HOLDS_A_MODEL |= {
    f"harness.training.{name}"
    for name in ("__main__", "arguments", "batches", "judge", "meta", "packing", "soup", "trainer", "tuners")
}
HOLDS_A_MODEL |= {f"harness.inspection.{name}" for name in ("__main__", "arm", "attention", "boundary")}
HOLDS_A_MODEL |= {"harness.toys.build", "harness.preflight.__main__", "harness.preflight.architecture"}
"""The only modules that import a model library at the top; others may inside a function, where it is used."""

PROCESSES = {
    "harness.training.__main__",
    "harness.engines.__main__",
    "harness.engines.convert",
    "harness.engines.vllm",
    "harness.inspection.__main__",
    "harness.preflight.__main__",
    "harness.preflight.architecture",
}
"""Started as processes, so imported by no other module."""


def module_paths() -> dict[str, Path]:
    """Every module of both packages by its dotted name."""
    paths = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            paths[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return paths


MODULES = module_paths()


@cache
def imported(path: Path, *, top_level: bool = False) -> frozenset[str]:
    """Full dotted names of what a file imports, imports for type checkers included."""
    names: set[str] = set()
    pending: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while pending:
        node = pending.pop()
        if top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, (
                f"{path}: imports within the packages are absolute"
            )
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # `from leaderboards import site` imports a module, `from harness.task import Task` a name in
                # one.
                names.add(full if full in MODULES else node.module)
        elif not isinstance(node, ast.expr):  # no import stands in an expression
            pending += ast.iter_child_nodes(node)
    return frozenset(names)


def graph() -> dict[str, set[str]]:
    """Every module to the modules of both packages that it imports."""
    return {
        module: {name for name in imported(path) if name in MODULES} - {module}
        for module, path in MODULES.items()
    }


def room_of(module: str) -> str:
    """The folder, or the file beside the folders, that a module is in: `harness.sweep.recipe` →
    `harness.sweep`."""
    return ".".join(module.split(".")[:2])


def rows_of_the_rule() -> dict[str, set[str]]:
    """Every room to the rooms that its row of the README's table names."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (`(?:harness|leaderboards)\.[^|]*) \|[^|]*\|([^|]*)\|$", readme, flags=re.MULTILINE
    )
    rule: dict[str, set[str]] = {}
    for rooms, allowed in rows:
        for room in re.findall(r"`([\w.]+)`", rooms):
            assert room not in rule, f"the README's table has two rows of {room}"
            rule[room] = set(re.findall(r"`([\w.]+)`", allowed))
    return rule


def with_all_that_those_may(rule: dict[str, set[str]], room: str) -> set[str]:
    """The rooms that a room may import: those that its row names, and what their rows name, and so on."""
    reachable: set[str] = set()
    waiting = [room]
    while waiting:
        for neighbour in rule[waiting.pop()] - reachable:
            reachable.add(neighbour)
            waiting.append(neighbour)
    return reachable


def test_the_table_has_a_row_for_every_room_and_no_ring() -> None:
    rule = rows_of_the_rule()
    assert set(rule) == {room_of(module) for module in MODULES} - set(PACKAGES)
    assert [room for room in rule if room in with_all_that_those_may(rule, room)] == []


def test_a_module_imports_only_what_its_room_may() -> None:
    rule = rows_of_the_rule()
    faults = []
    for module, neighbours in graph().items():
        if module in PACKAGES:
            continue  # the names that each package offers its users
        room = room_of(module)
        allowed = with_all_that_those_may(rule, room) | {room, *PACKAGES}
        faults += [
            f"{module} imports {neighbour}"
            for neighbour in sorted(neighbours)
            if room_of(neighbour) not in allowed
        ]
    assert faults == []


def test_no_modules_import_each_other_in_a_ring() -> None:
    neighbours = graph()
    # What imports nothing that is left is taken away, until only rings are left.
    while leaves := {module for module, needed in neighbours.items() if not needed & neighbours.keys()}:
        neighbours = {module: needed for module, needed in neighbours.items() if module not in leaves}
    assert neighbours == {}


def test_the_harness_knows_nothing_of_leaderboards() -> None:
    for module, neighbours in graph().items():
        if module.startswith("harness.") and room_of(module) != "harness.cli":
            assert not any(neighbour.startswith("leaderboards") for neighbour in neighbours), module


def test_a_heavy_library_is_imported_only_by_the_module_that_owns_it() -> None:
    for module, path in MODULES.items():
        libraries = {name.partition(".")[0] for name in imported(path)}
        assert {library for library in libraries & set(HEAVY) if module not in HEAVY[library]} == set(), (
            module
        )


def test_a_module_without_a_model_does_not_import_torch_at_the_top() -> None:
    for module in sorted(set(MODULES) - HOLDS_A_MODEL):
        libraries = {name.partition(".")[0] for name in imported(MODULES[module], top_level=True)}
        assert libraries & MODEL_LIBRARIES == set(), module


def test_leaderboards_need_no_model_library() -> None:
    for module, path in MODULES.items():
        if module.startswith("leaderboards"):
            libraries = {name.partition(".")[0] for name in imported(path)}
            assert libraries & (MODEL_LIBRARIES | set(HEAVY)) == set(), module


def test_a_process_is_started_and_never_imported() -> None:
    for module, neighbours in graph().items():
        if module not in PROCESSES:
            assert neighbours & PROCESSES == set(), module


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split())


def test_importing_both_packages_loads_no_heavy_library() -> None:
    assert loaded_by("import harness, leaderboards") & (MODEL_LIBRARIES | set(HEAVY)) == set()


def test_a_task_plugin_pays_for_no_library_at_all() -> None:
    assert loaded_by("import harness") & {"numpy", "pandas", "pydantic", "pyarrow", "scipy"} == set()


def test_every_public_name_is_there() -> None:
    import harness

    # Their order is ruff's to check: constants, classes, functions.
    assert len(set(harness.__all__)) == len(harness.__all__)
    assert all(hasattr(harness, name) for name in harness.__all__)


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    import harness

    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'load_result'"):
        harness.load_result  # noqa: B018


def test_files_of_tests_have_different_names() -> None:
    # pytest puts each file's folder on the path: of two with one name it can import only the first.
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    assert [name for name, count in names.items() if count > 1] == []
