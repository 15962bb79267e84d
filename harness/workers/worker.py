"""Talk to a long-lived worker process: jobs go in as JSON lines, progress and answers come back the same way.

A worker imports a heavy stack once and then serves many jobs. Its own printing goes to a log file; a job that
fails leaves it running, a crash costs the driver that one job.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from harness.errors import UserError, from_here
from harness.workers import begin

PYTHON = "GAINBOARD_WORKER_PYTHON"
"""The environment variable with the Python that workers run in, where it is not this process's own: such as a
script that starts it under a profiler."""

Message = dict[str, Any]
Report = Callable[[Message], None]
"""Called with each progress message of a job."""

Handler = Callable[[Message, Report], Message]
"""(job, report) → answer. What it raises becomes the job's failure."""

AnswerQuestion = Callable[[Message], Message]
"""A question that a worker puts to its driver in the middle of a job → the driver's answer."""


class JobFailed(Exception):
    """The worker could not do this job; it may go on with others."""

    def __init__(self, reason: str, *, kind: str = "") -> None:
        """`kind`: the name of the exception that was raised there."""
        super().__init__(reason)
        self.kind = kind


class WorkerDied(JobFailed):
    """The worker process ended; another must be started for further jobs."""

    def __init__(self, reason: str, *, by_signal: signal.Signals | None = None) -> None:
        """`by_signal`: what ended it; None where it ended by itself."""
        super().__init__(reason)
        self.by_signal = by_signal


class WorkersStop(BaseException):
    """This process ends its workers at the user's wish: nothing that fails for it is anybody's failure."""


def _ignore(_: Message) -> None:
    """Nobody listens."""


def _beginning() -> list[str]:
    """The command that a worker's module and arguments follow. This process is its driver."""
    # -P: no module of the folder that gainboard was started in may stand in for a library.
    return [os.environ.get(PYTHON, sys.executable), "-P", begin.__file__, str(os.getpid())]


_stop = threading.Event()
_running: set["Worker"] = set()
_running_lock = threading.Lock()


@contextlib.contextmanager
def stopping_workers() -> Iterator[None]:
    """End all workers of this process and start no others; threads that want one get `WorkersStop`."""
    _stop.set()
    try:
        with _running_lock:
            for worker in _running:
                worker.terminate()
        yield
    finally:
        _stop.clear()


def check_not_stopping() -> None:
    """Raise `WorkersStop` where this process ends its workers."""
    if _stop.is_set():
        raise WorkersStop


class Worker:
    """The driver's side of a worker process. Use as a context manager: leaving it ends the process."""

    def __init__(
        self,
        module: str,
        arguments: list[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        report: Report = _ignore,
    ) -> None:
        """Start `python -m module arguments` and wait until it is ready. Raises `JobFailed` when it cannot
        start. It ends when this process does, however that ends.

        `environment`: variables added to those of this process. `report` hears what it says while it starts.
        """
        self.name = module.removeprefix("harness.")
        self.log = log
        check_not_stopping()
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            # A session of its own: Ctrl-C reaches the driver only, which then ends its workers in order.
            self._process = subprocess.Popen(
                [*_beginning(), module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        with _running_lock:
            _running.add(self)
        if _stop.is_set():  # since it was looked at: the others may have been ended before this one was there
            self.terminate()
        started = time.monotonic()
        try:
            self._answer(report)
        except BaseException:
            self.close()
            raise
        self.startup_seconds = time.monotonic() - started

    def __enter__(self) -> "Worker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def request(
        self, job: Message, report: Report, *, answer_question: AnswerQuestion | None = None
    ) -> Message:
        """Send one job and wait for its answer. `answer_question`: for what the worker asks in between.

        Raises `JobFailed`, or `WorkerDied` when the process ended.
        """
        self._send(job)
        return self._answer(report, answer_question)

    def _send(self, message: Message) -> None:
        assert self._process.stdin is not None, "started with a pipe"
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._death() from None

    def _answer(self, report: Report, answer_question: AnswerQuestion | None = None) -> Message:
        assert self._process.stdout is not None, "started with a pipe"
        for line in self._process.stdout:
            message = json.loads(line)
            if message["event"] == "progress":
                report(message)
            elif message["event"] == "question":
                assert answer_question is not None, "a job that asks is sent with somebody who answers"
                self._send(answer_question(message))
            elif message["event"] == "failed":
                raise JobFailed(message["reason"], kind=message["kind"])
            else:
                return dict(message)
        raise self._death()

    def _death(self) -> WorkerDied:
        status = self._process.wait()
        check_not_stopping()
        by_signal = signal.Signals(-status) if status < 0 else None
        how = f"was killed by signal {by_signal.name}" if by_signal else f"ended with exit code {status}"
        hint = "; out of memory?" if by_signal == signal.SIGKILL else ""
        return WorkerDied(
            f"the {self.name} worker {how}{hint} (log: {from_here(self.log)})", by_signal=by_signal
        )

    def terminate(self) -> None:
        """Tell the process to end: whoever waits for its answer learns that it died."""
        self._process.terminate()

    def close(self) -> None:
        """End the process: politely, then by force."""
        with _running_lock:
            _running.discard(self)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None, "started with pipes"
            # It may have died with a job in the pipe, which was reported when it happened.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def tell_driver(note: str) -> None:
    """Called in a worker: say something that is worth knowing, also while it starts."""
    assert _reply is not None, "`serve` was called"
    _reply({"event": "progress", "note": note})


def ask_driver(question: Message) -> Message:
    """Called in a worker, in the middle of a job: have the driver answer what only it can, such as what a
    task's metric says."""
    assert _reply is not None, "`serve` was called"
    _reply({"event": "question", **question})
    return dict(json.loads(sys.stdin.readline()))


_reply: Callable[[Message], None] | None = None
"""How this process, a worker, sends a message to its driver."""


def serve(start: Callable[[], Handler]) -> None:
    """The worker's side: start up, say so, and answer jobs until the driver closes the pipe."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the libraries print goes to the log, and cannot garble an answer
    # At once: this process may be ended any time.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def reply(message: Message) -> None:
        replies.write(json.dumps(message) + "\n")
        replies.flush()

    global _reply
    _reply = reply

    def report(message: Message) -> None:
        reply({"event": "progress", **message})

    try:
        handler = start()
    except Exception as error:
        _log_fault()
        reply({"event": "failed", "reason": _reason(error), "kind": type(error).__name__})
        raise SystemExit(1) from None
    reply({"event": "ready"})
    # Not `for line in sys.stdin`, which reads ahead: a job may ask in between.
    for line in iter(sys.stdin.readline, ""):
        try:
            reply({"event": "done", **handler(json.loads(line), report)})
        except Exception as error:
            _log_fault()
            reply({"event": "failed", "reason": _reason(error), "kind": type(error).__name__})


def _log_fault() -> None:
    """Print the traceback of what is handled now, unless the log's disk is full: the driver must be told."""
    with contextlib.suppress(OSError):
        traceback.print_exc()


def _reason(error: Exception) -> str:
    """An exception in one line; the log has the rest."""
    text = " ".join(str(error).split())[:500]
    return text if isinstance(error, UserError) else f"{type(error).__name__}: {text}"
