"""Who may import whom: read from the sources, so that the layers hold without anyone watching."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

FAULTS = {"errors", "faults"}

METRICS = {"metrics", *(f"metrics.{name}" for name in ("answers", "classes", "constraints", "levels", "likelihood"))}
METRICS |= {f"metrics.{name}" for name in ("matching", "metric", "overlap", "structured")}

DATA = {"data", *(f"data.{name}" for name in ("augment", "overlap", "sources", "splits", "steps"))}

CHECKS = {"checks", *(f"checks.{name}" for name in ("examples", "finding", "lint"))}

DECLARE = {"demonstrations", "plugins", "prompts", "task"} | FAULTS | METRICS | DATA
"""What a task says of itself."""

STATISTICS = {"statistics", *(f"statistics.{name}" for name in ("intervals", "planning", "ranks", "significance", "spread"))}

RECORD = {"budget", "config", "errors", "recipe", "results", "space", "toml"} | STATISTICS
"""What is on disk, and the numbers made from it."""

SETTINGS = {"budget", "config", "recipe", "space", "toml"}
"""What a person declares in a sweep file."""

WORKER = {"config", "costs", "data.sources", "encode", "engines", "errors", "jobs", "recipe", "results", "task", "weights"}
WORKER |= {"worker"}
"""What the processes that hold a model may see: files and settings, never a task plugin."""

TRAINING = {f"training.{name}" for name in ("checkpoints", "curves", "judge", "ledger", "logs", "meta", "soup")}
TRAINING |= {"training.trainer", "training.tuners"}

BACKENDS = {"engines.transformers", "engines.vllm"}

MAY_IMPORT: dict[str, set[str]] = {
    "": {"errors", "metrics", "results", "task"} | DATA,
    "errors": set(),
    "task": {"data.steps", "metrics"},  # for their types only
    "prompts": {"errors", "task"},
    "demonstrations": {"errors", "task"},
    "faults": set(),
    **dict.fromkeys(METRICS, METRICS | FAULTS | {"task"}),
    **dict.fromkeys(DATA, DATA | FAULTS | {"demonstrations", "prompts", "task"}),
    "plugins": FAULTS | {"declaration", "task"},
    "declaration": FAULTS | {"data.steps", "metrics", "task"},
    "toml": {"errors"},
    "space": {"errors"},
    "halving": set(),
    "budget": {"halving"},
    "recipe": {"errors", "space", "toml"},
    "config": SETTINGS | {"errors", "task"},
    "results": {"config", "errors", "recipe", "toml"},
    "search": {"errors", "space"},
    "jobs": {"engines", "recipe", "task", "toml"},
    "listener": {"errors", "worker"},
    **dict.fromkeys(STATISTICS, STATISTICS),
    "scaling": {"statistics"},
    "extrapolation": {"errors", "results", "scaling"},
    "toys": {"errors"},
    "toys.text": set(),
    "toys.build": {"errors", "toys", "toys.text"},
    "models": {"errors", "toys"},
    "lm_eval": DECLARE | {"lm_eval.metrics"},
    "lm_eval.metrics": {"errors", "metrics"},
    "checks": DECLARE | CHECKS | {"config", "engines", "ensembles", "estimate", "models", "plan", "review", "score"},
    "checks.finding": set(),
    "checks.examples": DECLARE | {"checks.finding", "score"},
    "checks.lint": DECLARE,
    "review": DECLARE | {"results", "review.items", "toml"},
    "review.items": DECLARE,
    "review.terminal": {"errors", "review", "review.items"},
    "scaffold": DECLARE | {"checks.examples", "score"},
    "plan": {"config", "data", "data.sources", "errors", "prompts", "recipe", "results", "search", "task"},
    "selection": SETTINGS | {"errors", "halving", "results", "search"},
    "render": DECLARE | SETTINGS | {"jobs", "plan", "results", "worker"},
    "ensembles": SETTINGS | {"errors", "plan", "results", "worker"},
    "finish": DECLARE | RECORD | {"card", "plan", "provenance", "score", "worker"},
    "prepare": {"config", "engines", "errors", "models", "progress", "toys"},
    "execution": {"config", "data.sources", "generation", "jobs", "listener", "results", "worker"},
    "scorecard": {"jobs", "modelcard", "models", "results", "statistics"},
    "executors": {"config", "errors", "execution", "jobs", "listener"},
    "cluster": {"config", "errors", "execution", "jobs", "listener", "results", "worker"},
    "group": DECLARE
    | RECORD
    | {
        "scorecard",
        "engines",
        "estimate",
        "executors",
        "finish",
        "jobs",
        "listener",
        "models",
        "plan",
        "progress",
        "render",
        "score",
        "selection",
    }
    | {"toys", "worker"},
    "score": FAULTS | {"metrics", "results", "statistics", "task"},
    "card": {"metrics", "metrics.levels", "plan", "results", "score"},
    "costs": {"config", "errors", "results"},
    "provenance": {"errors", "results"},
    "encode": {"errors", "task"},
    "weights": {"errors"},
    "worker": {"errors"},
    "train": WORKER | TRAINING | {"modelcard", "models"},
    "training": set(),
    "training.checkpoints": {"errors", "results", "toml"},
    "training.curves": {"results"},
    "training.judge": WORKER | {"engines.scoring", "engines.transformers"},
    "training.ledger": {"costs", "errors", "results", "training.checkpoints"},
    "training.logs": {"errors"},
    "training.meta": {"recipe"},
    "training.soup": {"recipe", "training.tuners", "weights"},
    "training.trainer": {"errors", "recipe", "worker", "training.checkpoints", "training.judge", "training.ledger"},
    "training.tuners": {"errors", "recipe", "weights"},
    "modelcard": {"jobs", "results"},
    "engines": {"config"},
    "engines.__main__": WORKER | BACKENDS | {"engines.cache", "engines.guards", "engines.scoring"},
    "engines.scoring": WORKER | {"engines.cache", "engines.guards", "models"},
    "engines.cache": {"engines"},
    "engines.guards": {"engines", "results"},
    "engines.reference": {"weights"},
    **dict.fromkeys(BACKENDS, WORKER | {"engines.reference"}),
    "generation": RECORD | {"data.sources", "engines", "jobs", "listener", "models", "task", "worker"},
    "progress": {"results"},
    "run": RECORD
    | {"engines", "ensembles", "executors", "finish", "generation", "group", "plan", "prepare", "progress"}
    | {"render"},
    "estimate": SETTINGS | {"costs", "halving", "models", "plan", "prompts", "selection", "task"},
    "rescore": DECLARE | RECORD | {"card", "finish", "plan", "provenance", "score"},
    "cli": DECLARE
    | RECORD
    | {
        "checks",
        "engines",
        "estimate",
        "extrapolation",
        "lm_eval",
        "models",
        "plan",
        "progress",
        "provenance",
        "rescore",
        "review",
    }
    | {"cluster", "ensembles", "executors", "group", "review.terminal", "run", "scaffold", "toys"},
}
"""Module of `harness` ("" is the package itself) to the modules of `harness` it may import. A new one is entered here."""

LEADERBOARDS_MAY_IMPORT = RECORD

IMPORTS_LEADERBOARDS = {"cli"}

HEAVY = {
    "bitsandbytes": {"training.tuners"},
    "peft": {"training.tuners", "weights"},
    "trl": {"training.trainer"},
    "vllm": {"engines.vllm"},
    "datasets": {"data.sources", "lm_eval", "train"},
    "lm_eval": {"lm_eval"},
    "optuna": {"search"},
    "ray": {"cluster"},
    "bm25s": {"demonstrations"},
    "sacrebleu": {"metrics.overlap"},
    "rouge_score": {"metrics.overlap"},
}
"""Library to the only modules of `harness` that import it, at the top or inside a function."""

MODEL_LIBRARIES = {"torch", "transformers"}
HOLDS_A_MODEL = {"train", "weights", "encode", "toys.build", "engines.__main__", "engines.reference", *BACKENDS}
HOLDS_A_MODEL |= {f"training.{name}" for name in ("judge", "meta", "soup", "trainer", "tuners")}
"""The only modules that import a model library at the top; others may inside a function, where it is used."""

PROCESSES = {"train", "engines.__main__", "engines.vllm"}
"""Started as processes, so imported by no other module."""


def sources(package: str) -> dict[str, Path]:
    """Dotted name below the package, "" for the package itself, to its file."""
    folder = ROOT / package
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Full dotted names that a file imports; imports for type checkers only do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            pending += node.orelse
        elif top_level and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports within the packages are absolute"
            assert node.module is not None, "an absolute import names its module"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                # `from leaderboards import site` imports a module, `from harness.task import Task` a name in one.
                yield full if (ROOT / full.replace(".", "/")).with_suffix(".py").is_file() else node.module
        else:
            pending += ast.iter_child_nodes(node)


def below(package: str, path: Path) -> set[str]:
    """The modules of one package that a file imports, as `sources` names them."""
    names = {name for name in imported(path) if name.partition(".")[0] == package}
    return {name.removeprefix(package).removeprefix(".") for name in names}


HARNESS = sources("harness")
LEADERBOARDS = sources("leaderboards")


@pytest.mark.parametrize("module", HARNESS)
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    assert module in MAY_IMPORT, f"enter harness/{module.replace('.', '/')}.py in the table above"
    assert below("harness", HARNESS[module]) - {module} <= MAY_IMPORT[module]


@pytest.mark.parametrize("module", sorted(set(HARNESS) - IMPORTS_LEADERBOARDS))
def test_the_harness_knows_nothing_of_leaderboards(module: str) -> None:
    assert below("leaderboards", HARNESS[module]) == set()


@pytest.mark.parametrize("module", LEADERBOARDS)
def test_leaderboards_see_only_records_and_statistics(module: str) -> None:
    assert below("harness", LEADERBOARDS[module]) <= LEADERBOARDS_MAY_IMPORT


@pytest.mark.parametrize("module", HARNESS)
def test_a_heavy_library_is_imported_only_by_the_module_that_owns_it(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imported(HARNESS[module])}
    assert {library for library in libraries & set(HEAVY) if module not in HEAVY[library]} == set()


@pytest.mark.parametrize("module", sorted(set(HARNESS) - HOLDS_A_MODEL))
def test_a_module_without_a_model_does_not_import_torch_at_the_top(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imported(HARNESS[module], top_level=True)}
    assert libraries & MODEL_LIBRARIES == set()


@pytest.mark.parametrize("module", sorted(set(HARNESS) - PROCESSES))
def test_a_process_is_started_and_never_imported(module: str) -> None:
    assert below("harness", HARNESS[module]) & PROCESSES == set()


@pytest.mark.parametrize("module", LEADERBOARDS)
def test_leaderboards_need_no_model_library(module: str) -> None:
    libraries = {name.partition(".")[0] for name in imported(LEADERBOARDS[module])}
    assert libraries & (MODEL_LIBRARIES | set(HEAVY)) == set()


def loaded_by(statement: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    finished = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return set(finished.stdout.split())


def test_importing_both_packages_loads_no_heavy_library() -> None:
    assert loaded_by("import harness, leaderboards") & (MODEL_LIBRARIES | set(HEAVY)) == set()


def test_a_task_plugin_pays_for_no_library_at_all() -> None:
    assert loaded_by("import harness") & {"numpy", "pandas", "pydantic", "pyarrow", "scipy"} == set()


def test_every_public_name_is_there() -> None:
    import harness

    assert harness.__all__ == sorted(harness.__all__)
    assert all(hasattr(harness, name) for name in harness.__all__)


def test_a_name_that_is_not_public_is_no_attribute() -> None:
    import harness

    with pytest.raises(AttributeError, match="module 'harness' has no attribute 'load_result'"):
        harness.load_result  # noqa: B018
