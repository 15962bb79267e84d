"""Load tasks once more in a process of its own, as the next start of a sweep would: what is drawn anew at
each start, or ordered by chance, can neither be resumed nor compared.

`python -m harness.authoring.second_start` is that process: names and sources
of plugins in, a line for each out.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from harness.data.dataset import Dataset, load_dataset, part_fingerprints
from harness.data.sources import UnreachableData
from harness.errors import UserError
from harness.plugins.registry import Plugin, load_task, plugin_at
from harness.task import Task
from harness.terminal.output import output_kept_apart, say

PATIENCE = 120.0
"""Seconds that are waited for a task after it was loaded here."""


@dataclass(frozen=True)
class SecondLook:
    """What the other process made of a task."""

    fingerprints: dict[str, str] | None = None
    """See `part_fingerprints`; None where it was not loaded."""

    error: str = ""
    """Why it could not be loaded there."""


class SecondStart:
    """The process, which is always one task ahead or behind."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        """Begin to load the plugins that another process can find, in this order."""
        self._plugins = {plugin.name: plugin.source for plugin in plugins if plugin.can_be_loaded_elsewhere}
        self._answers: queue.Queue[str] = queue.Queue()
        self._looks: dict[str, SecondLook] = {}
        self._process: subprocess.Popen[str] | None = None
        if self._plugins:
            self._process = self._started()

    def _started(self) -> "subprocess.Popen[str]":
        # Sets of texts are ordered by hashes, which this seeds.
        seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PYTHONHASHSEED": seed},
        )
        assert process.stdin is not None and process.stdout is not None, "started with pipes"
        process.stdin.write(json.dumps(self._plugins))
        process.stdin.close()
        threading.Thread(target=self._listen, args=(process.stdout,), daemon=True).start()
        return process

    def _listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            self._answers.put(line)
        self._answers.put("")

    def look_at(self, name: str) -> SecondLook:
        """What became of a task there; nothing where it was not loaded, or takes too long."""
        while name in self._plugins and name not in self._looks:
            try:
                line = self._answers.get(timeout=PATIENCE)
            except queue.Empty:
                line = ""
            if not line:  # it ended, or takes too long: nothing is said of the others
                self.close()
                self._plugins.clear()
                break
            answer = json.loads(line)
            loaded = answer.pop("name")
            self._looks[loaded] = SecondLook(**answer)
        return self._looks.get(name, SecondLook())

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def second_start(plugins: Iterable[Plugin]) -> Iterator[SecondStart]:
    """A second start of tasks while they are checked here."""
    start = SecondStart(plugins)
    try:
        yield start
    finally:
        start.close()


def unsteadiness(task: Task, dataset: Dataset, look: SecondLook) -> str:
    """What differs between two starts of a task, in a sentence;
    empty where nothing does, or nothing is known."""
    if look.error:
        return f"it was loaded here, and not in a second process: {look.error}"
    if look.fingerprints is None:
        return ""
    here = part_fingerprints(task, dataset)
    parts = [part for part, fingerprint in here.items() if look.fingerprints.get(part) != fingerprint]
    if not parts:
        return ""
    if "prompts" in parts:  # which belong to all the others
        parts = ["prompts"]
    return (
        f"its {' and '.join(parts)} differ from one start to the next: a draw without a seed, or the order "
        "of a set, perhaps. No run could be resumed, and no two compared: draw with random.Random(SEED), and "
        "sort what comes from a set"
    )


def main() -> None:
    """Load every plugin that stdin names, and say what its data is."""
    with output_kept_apart():
        for name, source in json.load(sys.stdin).items():
            say(json.dumps({"name": name, **asdict(_look(name, source))}), flush=True)


def _look(name: str, source: str) -> SecondLook:
    try:
        task = load_task(name, {name: plugin_at(name, source)})
        dataset = load_dataset(task)
    except UnreachableData:
        return SecondLook()
    except UserError as error:
        return SecondLook(error=str(error))
    return SecondLook(part_fingerprints(task, dataset))


if __name__ == "__main__":
    main()
