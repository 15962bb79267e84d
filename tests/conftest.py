"""What all tests share: no network, no chatter, no plugins that happen to be installed on this machine."""

import os
import tempfile

# Before anything is imported: these libraries read their environment once, at import. A cache of its own
# keeps data sets that this machine happens to have from passing for ones that can be reached. Tests that run
# side by side have a core each: more threads would wait for each other.
os.environ |= {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HOME": tempfile.mkdtemp(prefix="gainboard-tests-"),
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

import atexit
import gc
import shutil
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from fork_server import ForkServers
from installed import need
from places import TESTS
from session import SESSION, WITHOUT_BYTECODE, once
from showcase import CHROMIUM, Showcase, chromium, make_showcase
from toy_models import small_model, write_rows
from visits import Visit, Visited, visit

from harness.plugins import registry as plugins
from harness.workers.worker import PYTHON, Worker

atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)

# What a shell starts in the background ignores Ctrl-C, and under `nohup` the end of the terminal; and so does all
# that this starts, which tests send both.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda number, frame: None)

HEAVY = (
    "harness/driver/test_resume.py",
    "harness/driver/test_sweep.py",
    "harness/driver/cluster/test_cluster.py",
    "harness/engines/test_engines.py",
    "harness/sweep/test_methods.py",
    "leaderboards/pages/cost_page/test_cost_browser.py",
    "harness/engines/test_guards.py",
    "harness/training/test_train_methods.py",
    "harness/training/test_train_memory.py",
    "harness/training/test_train_resume.py",
    "leaderboards/pages/test_pages_browser.py",
    "leaderboards/pages/test_site_browser.py",
    "harness/training/test_train_dev.py",
    "harness/plugins/test_lm_eval_parity.py",
    "harness/driver/test_guard_runs.py",
    "harness/driver/test_waves.py",
    "harness/driver/test_thinking_sweep.py",
    "harness/driver/test_real_model.py",
)
"""The files that take longest, in the order of their starts:
the shorter ones fill all cores up to the end."""

THOROUGH = (
    "harness/metrics/test_metrics_properties.py",
    "harness/plan/test_search.py",
    "harness/statistics/test_simulated_file.py",
    "harness/statistics/test_statistics_simulated.py",
    "leaderboards/site/test_boards.py",
    "leaderboards/write/test_reuse.py",
    "tasks/test_tasks.py",
    "tasks/test_tasks_reasoning.py",
)
"""Further files that are slow, since they go through very many cases. They start next: the end of what begins last
is waited for by all."""

STARTED = {"browser", "trainer", "qwen3", "shown"}
"""Fixtures that make a test a slow one."""

TOGETHER = ("test_pages_browser.py", "test_accessibility.py")
"""Files that share the visits of a browser."""

APART = {"test_engines.py": ("toy-llama", "toy-qwen3", "toy-neox", "transformers", "vllm")}
"""File → parameters that each start models of their own."""

forks: ForkServers | None = None
"""Of the process that began the session."""


def pytest_configure() -> None:
    """Begin a session, unless another process did:
    this one runs a part of its tests, or was started by one."""
    global forks
    if SESSION in os.environ:
        return
    folder = Path(tempfile.mkdtemp(prefix="gainboard-session-"))
    os.environ[SESSION] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Workers are forked, which would take longer to import than to do what tests want of them. What has
    # seen a CUDA device cannot be forked.
    if sys.platform == "linux" and not shutil.which("nvidia-smi"):
        forks = ForkServers(folder)
        os.environ[PYTHON] = str(forks.python)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nothing that is imported meanwhile goes away again, so no collection of garbage need look at it."""
    gc.disable()
    collected = yield
    sys.dont_write_bytecode = WITHOUT_BYTECODE
    gc.enable()
    gc.freeze()
    return collected


def pytest_unconfigure() -> None:
    """End it."""
    gc.unfreeze()
    if forks is not None:
        forks.close()


def group_of(test: str) -> str:
    """What shares something that takes long to start, and so stays in one process: a file, mostly."""
    path, _, name = test.partition("::")
    file = path.rpartition("/")[2]
    if file in TOGETHER:
        return TOGETHER[0]
    parameters = name.partition("[")[2]
    return " ".join([path, *(part for part in APART.get(file, ()) if part in parameters)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Spread groups, in the order of `HEAVY`, over the processes of `-n`."""
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the long files first, and mark as slow what starts a model or a browser, or tries very much."""
    places = {str(TESTS / name): place for place, name in enumerate((*HEAVY, *THOROUGH))}
    for item in items:
        if str(item.path) in places or not STARTED.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: places.get(str(item.path), len(places)))


@pytest.fixture(autouse=True)
def no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see the bundled tasks and their own, whatever else is installed."""
    monkeypatch.setattr(plugins, "ENTRY_POINTS", "gainboard.no_tasks")


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a text file below the test's own folder and return its path."""

    def write_text(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write_text


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The system's browser; without one, or without what drives it, the test is skipped."""
    need("playwright", reason="needs playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def shown() -> Showcase:
    """A site with every kind of page."""
    return Showcase.below(once("showcase", make_showcase))


@pytest.fixture(scope="session")
def visits() -> dict[tuple[str, int], dict[str, Visit]]:
    """The visits that were paid, by kind of page and width, and then by colours."""
    return {}


@pytest.fixture
def visited(browser: Any, shown: Showcase, visits: dict[tuple[str, int], dict[str, Visit]]) -> Visited:
    """(kind, width, scheme) → the one visit to this page of the showcase."""
    need("axe_playwright_python", reason="needs axe-playwright-python, which carries axe-core")

    def visit_once(kind: str, width: int, scheme: str) -> Visit:
        if (kind, width) not in visits:
            visits[kind, width] = visit(browser, shown.kinds[kind].as_uri(), width=width)
        return visits[kind, width][scheme]

    return visit_once


@pytest.fixture(scope="session")
def qwen3() -> Path:
    """A small model."""
    return small_model("toy-qwen3")


@pytest.fixture(scope="session")
def trainer(qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A training worker of it."""
    need("trl", reason="needs the train extra")
    with Worker(
        "harness.training", ["--model", str(qwen3)], log=tmp_path_factory.mktemp("trainer") / "log"
    ) as started:
        yield started


@pytest.fixture
def dates(tmp_path: Path) -> Path:
    """A folder with samples to train on."""
    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=48)
    write_rows(tmp_path / "dev.jsonl", "date_normalise", "dev", count=8)
    return tmp_path
