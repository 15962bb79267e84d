"""What all tests share: no network, no chatter, no plugins that happen to be installed on this machine."""

import os
import tempfile

# Before anything is imported: these libraries read their environment once, at import. A cache of its own
# keeps data sets that this machine happens to have from passing for ones that can be reached.
os.environ |= {
    "HF_HUB_OFFLINE": "1",
    "HF_HOME": tempfile.mkdtemp(prefix="gainboard-tests-"),
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
}

import atexit
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from showcase import CHROMIUM, Showcase, chromium, make_showcase
from toy_models import toy, write_rows

from harness.plugins import registry as plugins
from harness.workers.worker import Worker

atexit.register(shutil.rmtree, os.environ["HF_HOME"], ignore_errors=True)


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
    pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if not CHROMIUM.exists():
        pytest.skip(f"needs a browser at {CHROMIUM}")
    with chromium() as running:
        yield running


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Showcase:
    """A site with every kind of page."""
    return make_showcase(tmp_path_factory.mktemp("showcase"))


@pytest.fixture(scope="session")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy model."""
    return toy("toy-qwen3", tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="session")
def trainer(qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """A training worker of it."""
    pytest.importorskip("trl", reason="needs the train extra")
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
