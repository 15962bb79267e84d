"""Publishing that is killed between any two writes leaves the former site or the new one, whole, and nothing that
the next publish does not put right."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from moments import driver_of, stopped_at, stopping_at
from synthetic import write_sweep

from harness.sweep.methods import Method
from harness.workers.worker import PYTHON
from leaderboards import Means, publish, site

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="two folders are exchanged in one step")

KILLS = {
    "page 1": "former",
    "history 1": "former",
    "history 2": "former",
    "marker 1": "former",
    "swap 1": "former",
    "end of former site 1": "new",
    "former page 1": "new",
    "kept for the next 1": "new",
    "kept for the next 3": "new",
    "lock of a site 1": "new",
}
"""The moment of each kill, and the site that it leaves."""

FORMER: dict[tuple[str, Method], float] = {("small", "few_shot"): 0.5, ("small", "lora"): 0.8}
NEW: dict[tuple[str, Method], float] = FORMER | {("large", "few_shot"): 0.9}

Tree = dict[str, bytes]


@dataclass(frozen=True)
class Undisturbed:
    """What is published, and what becomes of it where nobody disturbs."""

    results: Path
    former: Path
    """The site of fewer results."""

    trees: dict[str, Tree]
    """The files of the former site, and of the new one that takes its place."""


def tree(folder: Path) -> Tree:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    place = tmp_path_factory.mktemp("undisturbed")
    results, former = place / "results", place / "site"
    trees = {}
    for name, rates in {"former": FORMER, "new": NEW}.items():
        write_sweep(results, rates, n=10)
        publish(results, former)
        trees[name] = tree(former)
        if name == "former":
            shutil.copytree(former, place / "former")
    return Undisturbed(results, place / "former", trees)


def kill_at(moment: str, place: Path, results: Path) -> None:
    """Publish, and end the process at a moment with SIGKILL."""
    environment = stopping_at(moment, place)
    python = environment[PYTHON] if PYTHON in os.environ else sys.executable
    command = [python, "-P", "-m", "moments", "publish", "--results", str(results), "--workers", "1"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log)
    deadline = time.monotonic() + 120
    while not stopped_at(place):
        assert process.poll() is None, f"it ended before {moment!r}: {(place / 'log').read_text()[-3000:]}"
        assert time.monotonic() < deadline, f"{moment!r} was not reached"
        time.sleep(0.02)
    (driver,) = driver_of(place)
    os.kill(driver, signal.SIGKILL)
    process.wait()


@pytest.mark.parametrize(("moment", "left"), KILLS.items())
def test_publishing_that_is_killed_leaves_a_whole_site_and_the_next_ends_as_an_undisturbed_one(
    moment: str, left: str, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAINBOARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(site, "MANY_RUNS", 0)
    out = tmp_path / "site"
    shutil.copytree(undisturbed.former, out)
    kill_at(moment, tmp_path, undisturbed.results)
    assert tree(out) == undisturbed.trees[left]
    publish(undisturbed.results, out, means=Means(cache=tmp_path / "cache"))
    assert tree(out) == undisturbed.trees["new"]
    beside = {path.name for path in tmp_path.iterdir()}
    assert not {name for name in beside if name.startswith(".")}, "something was left beside the site"
