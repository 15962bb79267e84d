"""How long a real worker outlives its driver, whenever in its start that one is killed:
`tox -e bench -- tests/bench/bench_worker_lives.py`.

Of a whole start, from nothing until it is ready, the CPU seconds are measured that all its processes take, and
further starts are cut short after shares of these: other work on the machine moves them less than the clock. Each of
`MOMENTS` starts begins one of `WORKERS`, which are all that a driver starts; it is killed, and nothing of it may
live for `MOST_SECONDS`. What converts a GGUF file has its whole work in its start.
"""

import os
import select
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from gguf_files import write_toy_qwen3

from harness.preflight.examine import LAYERS, TOKENIZERS
from harness.toys import toy_folder
from harness.workers.worker import PYTHON

MOMENTS = 20
MOST_SECONDS = 5.0
LONGEST_START = 600.0

TOY = ["--model", str(toy_folder("toy-qwen3"))]
WORKERS = {
    "vllm": ("harness.engines", ["--engine", "vllm", *TOY]),
    "transformers": ("harness.engines", ["--engine", "transformers", *TOY]),
    "training": ("harness.training", TOY),
    "conversion": ("harness.engines.convert", ["--model", "{folder}/toy.gguf"]),
    "inspection": ("harness.inspection", TOY),
    "tokenizers": (TOKENIZERS, []),
    "layers": (LAYERS, []),
}
"""The module of each, and its options."""

MARK = "GAINBOARD_TEST_MARK"

DRIVER = """
import sys
from pathlib import Path
from harness.workers.worker import Worker
with Worker(sys.argv[1], sys.argv[3:], log=Path(sys.argv[2])):
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def driver(kind: str, folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The driver of one real worker that starts, and the mark of all that both begin."""
    module, options = WORKERS[kind]
    mark = str(uuid.uuid4())
    environment = {name: text for name, text in os.environ.items() if name != PYTHON} | {MARK: mark}
    environment["GAINBOARD_CACHE"] = str(
        folder / mark
    )  # nothing is there yet: a file is converted every time
    options = [option.format(folder=folder) for option in options]
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, module, str(folder / "log"), *options],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True,
    )  # fmt: skip
    try:
        yield process, mark
    finally:
        for pid in marked(mark):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):
                pipe and pipe.close()


def marked(mark: str) -> list[int]:
    """Processes with a mark in their environment, but for those that have ended and wait to be noticed."""
    pids = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            ended = (path / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
            if not ended and mark.encode() in (path / "environ").read_bytes():
                pids.append(int(path.name))
    return pids


def cpu_seconds(pids: list[int]) -> float:
    """What processes have taken so far, and what those that they waited for took."""
    ticks = 0
    for pid in pids:
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def whole_start(kind: str, folder: Path) -> float:
    """The CPU seconds of a start that nobody disturbs."""
    with driver(kind, folder) as (process, mark):
        assert process.stdout and process.stdout.readline() == "ready\n", (folder / "log").read_text()[-2000:]
        return cpu_seconds(marked(mark))


def life_after(kind: str, folder: Path, taken: float) -> float:
    """Seconds that anything of a worker lives once its driver was killed, after so many CPU seconds."""
    with driver(kind, folder) as (process, mark):
        deadline = time.monotonic() + LONGEST_START
        # One start takes less than another: a worker that is ready takes nothing more.
        while cpu_seconds(marked(mark)) < taken and not select.select([process.stdout], [], [], 0)[0]:
            assert time.monotonic() < deadline and process.poll() is None, (folder / "log").read_text()[
                -2000:
            ]
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        killed = time.monotonic()
        while marked(mark):
            time.sleep(0.005)
            if time.monotonic() - killed > 10 * MOST_SECONDS:
                break
        return time.monotonic() - killed


@pytest.mark.parametrize("kind", WORKERS)
def test_no_worker_outlives_its_driver(kind: str, tmp_path: Path) -> None:
    write_toy_qwen3(tmp_path / "toy.gguf", toy_folder("toy-qwen3"))
    whole = whole_start(kind, tmp_path)
    lives = []
    for number in range(MOMENTS):
        taken = whole * (number + 0.5) / MOMENTS
        lives.append(life_after(kind, tmp_path, taken))
        print(f"{kind}: killed after {taken:.2f} of {whole:.2f} CPU s: lived {lives[-1]:.3f} s", flush=True)
    print(f"{kind}: {max(lives):.2f} s at the longest")
    assert max(lives) < MOST_SECONDS
