"""The table of engines: every program that can answer prompts, one row each.

A new engine is a file in `harness/engines/` with a class that has the methods of
`harness.engines.engine.Engine`, and a row here. Nothing else compares names of engines.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

Way = Literal["swap", "adapters"]
"""How an arm's weights get into a running engine. `swap`: an adapter is merged into the base, and the whole
model is loaded in place of the one before. `adapters`: the base stays, and the adapters of several arms are
served in one batch."""

MAX_MODEL_LEN = 4096
"""Context unless the sweep asks for more: vLLM's key-value cache must hold at least one sequence of this
length."""


@dataclass(frozen=True, kw_only=True)
class EngineRow:
    """One engine: where its code is, what it needs, and what it can do."""

    title: str
    """Its name in sentences."""

    implementation: str
    """Module and class. It is imported in the engine's own process only, for it loads what is heavy."""

    library: str | None
    """What must be importable; None: nothing but what every engine needs. `auto` only chooses engines that
    have one."""

    extra: str = ""
    """Of the package: installs the library."""

    ways: tuple[Way, ...] = ("swap",)
    """How it can take an arm's weights."""

    caches_prefixes: bool = False
    """Whether what prompts begin with alike is read once."""

    settings: tuple[str, ...] = ()
    """Keys of `[engine]` that it takes besides `max_num_seqs`."""


ENGINE_TABLE: Mapping[str, EngineRow] = {
    "vllm": EngineRow(
        title="vLLM",
        implementation="harness.engines.vllm:VllmEngine",
        library="vllm",
        extra="vllm",
        ways=("swap", "adapters"),
        caches_prefixes=True,
        settings=("tensor_parallel_size", "gpu_memory_utilization"),
    ),
    "transformers": EngineRow(
        title="transformers",
        implementation="harness.engines.transformers:TransformersEngine",
        library="transformers",
        extra="train",
    ),
}
"""Every engine by its name on the command line: those that `auto` prefers first."""

ENGINES = tuple(ENGINE_TABLE)

# As for methods: pydantic reads the names from the table, type checkers see a text.
if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = Literal[ENGINES]


def default_engine() -> EngineName:
    """The first engine whose library is installed here; without any, the last that needs one, whose absence
    is then told with its cure."""
    libraries = {name: row.library for name, row in ENGINE_TABLE.items() if row.library is not None}
    installed = (name for name, library in libraries.items() if importlib.util.find_spec(library))
    return next(installed, list(libraries)[-1])
