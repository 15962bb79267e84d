"""Worker processes: answers come back, failures are told apart, nothing is left running."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from places import ROOT, TESTS

from harness.workers.worker import PYTHON, JobFailed, Worker, WorkerDied


@pytest.fixture(autouse=True, params=["started", "forked"])
def importable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers in a Python of their own, and in the one that most other tests have them in."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(ROOT)]))
    if request.param == "started":
        monkeypatch.delenv(PYTHON, raising=False)
    elif PYTHON not in os.environ:
        pytest.skip("nothing is forked on this machine")


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    with Worker("echo_worker", [], log=tmp_path / "log") as started:
        yield started


def nothing(message: object) -> None:
    pass


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_one_process_answers_many_jobs_and_reports_progress(worker: Worker) -> None:
    reports: list[dict[str, object]] = []
    first = worker.request({"do": "echo", "say": "grüezi \u2028"}, reports.append)
    second = worker.request({"do": "echo", "say": "again"}, reports.append)
    assert (first["said"], second["said"]) == ("grüezi \u2028", "again")
    assert first["pid"] == second["pid"]
    assert [(report["done"], report["total"]) for report in reports] == [(1, 1), (1, 1)]


def test_what_libraries_print_goes_to_the_log(worker: Worker, tmp_path: Path) -> None:
    worker.request({"do": "echo", "say": "x"}, nothing)
    worker.close()
    assert "libraries print" in (tmp_path / "log").read_text()


def test_a_failed_job_gives_its_reason_in_one_line_and_the_worker_goes_on(worker: Worker) -> None:
    with pytest.raises(JobFailed, match=r"^the model is too large$"):
        worker.request({"do": "user error"}, nothing)
    with pytest.raises(JobFailed, match=r"^RuntimeError: line one line two$"):
        worker.request({"do": "bug"}, nothing)
    assert worker.request({"do": "echo", "say": "still here"}, nothing)["said"] == "still here"


def test_a_log_on_a_full_disk_does_not_end_the_worker() -> None:
    with Worker("echo_worker", [], log=Path("/dev/full")) as worker:
        with pytest.raises(JobFailed, match="No space left on device") as failure:
            worker.request({"do": "echo", "say": "x"}, nothing)
        assert not isinstance(failure.value, WorkerDied)


def test_a_killed_worker_is_told_from_a_failed_job(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match=r"killed by signal SIGKILL; out of memory\? \(log: "):
        worker.request({"do": "killed"}, nothing)
    with pytest.raises(WorkerDied):
        worker.request({"do": "echo", "say": "x"}, nothing)


def test_a_worker_that_exits_in_a_job_says_its_code(worker: Worker) -> None:
    with pytest.raises(WorkerDied, match="ended with exit code 3"):
        worker.request({"do": "exit"}, nothing)


def test_a_worker_that_cannot_start_gives_the_reason(tmp_path: Path) -> None:
    with pytest.raises(JobFailed, match="RuntimeError: no such model"):
        Worker("echo_worker", ["--broken"], log=tmp_path / "log")


def test_closing_ends_the_process(worker: Worker) -> None:
    pid = worker.request({"do": "echo", "say": "x"}, nothing)["pid"]
    worker.close()
    assert not alive(pid)


def test_a_worker_ends_when_its_driver_is_killed(tmp_path: Path) -> None:
    driver = (
        "from pathlib import Path; from harness.workers.worker import Worker\n"
        f"worker = Worker('echo_worker', [], log=Path({str(tmp_path / 'log')!r}))\n"
        "worker.request({'do': 'sleep'}, lambda message: print(message['pid'], flush=True))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive(pid)


LIVES_ON = 5.0
"""Seconds that nothing may outlive its driver."""


def processes_with(mark: str) -> set[int]:
    """Those that were started, by whomever, with this text in their environment."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes() and alive(int(path.parent.name)):
                found.add(int(path.parent.name))
    return found


def wait_until(reached: Callable[[], bool], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.02)
    return reached()


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("processes", "victim"),
    [
        pytest.param(2, "driver", id="the driver before the worker's own imports"),
        pytest.param(4, "driver", id="the driver in the middle of imports that hold Python's lock"),
        pytest.param(4, "worker", id="the worker, whose own process is left"),
    ],
)
def test_nothing_outlives_a_driver_or_a_worker_that_is_killed_while_it_starts(
    tmp_path: Path, processes: int, victim: str
) -> None:
    """With the driver there are two as soon as the worker's exists, and four once that has begun its
    import: itself, what watches over it, and what it has started."""
    if PYTHON in os.environ:
        pytest.skip("what is forked has no environment of its own")
    mark = f"{tmp_path}:{uuid.uuid4()}"
    driver = (
        "from pathlib import Path; from harness.workers.worker import Worker\n"
        f"Worker('stubborn_worker', [], log=Path({str(tmp_path / 'log')!r}))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", driver],
        env=os.environ | {"MARK": mark},
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert wait_until(lambda: len(processes_with(mark)) >= processes, seconds=60)
        killed = process.pid
        if victim == "worker":
            (killed,) = (pid for pid in processes_with(mark) - {killed} if os.getpgid(pid) == pid)
        os.kill(killed, signal.SIGKILL)
        assert wait_until(lambda: not processes_with(mark) - {process.pid}, seconds=LIVES_ON)
    finally:
        for pid in processes_with(mark):
            os.kill(pid, signal.SIGKILL)
        process.wait()


def test_ctrl_c_ends_workers_that_threads_wait_for_and_is_no_failure_of_theirs(tmp_path: Path) -> None:
    driver = f"""
import signal
from pathlib import Path
from harness.workers.side_by_side import side_by_side
from harness.workers.worker import Worker, WorkersStop

def job(place):
    worker = Worker("echo_worker", [], log=Path({str(tmp_path)!r}) / str(place))
    try:
        worker.request({{"do": "sleep"}}, lambda message: print(message["pid"], flush=True))
    except Exception as error:
        print("failed", error, flush=True)
    except WorkersStop:
        print("stopped", flush=True)

signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    side_by_side([lambda: job(1), lambda: job(2), lambda: job(3)], at_a_time=2)
except KeyboardInterrupt:
    print("interrupted", flush=True)
Worker("echo_worker", [], log=Path({str(tmp_path)!r}) / "later").close()
"""
    process = subprocess.Popen([sys.executable, "-c", driver], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=30)
    assert said.split() == ["stopped", "stopped", "interrupted"]
    assert process.returncode == 0
    assert not any(map(alive, pids))
