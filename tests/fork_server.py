"""Start workers and `gainboard` from a process that has imported their libraries already: a fork takes no second,
the imports of torch, TRL and vLLM take ten.

Tests set `GAINBOARD_WORKER_PYTHON` to a script that runs this module. It is called as Python is, with
`-P -m MODULE …` or `-P …/begin.py DRIVER MODULE …`, and hands its arguments, environment, folder and pipes to a
server, which forks and runs the module in the child. The script lives as long as the child and ends as it does:
whoever started it has a process id to signal, and sees the exit code or the signal that ended the worker. Modules
that no server has are started in the usual way.
"""

import ctypes
import gc
import json
import os
import runpy
import select
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

IMPORTS = {
    "training": ("harness.training.__main__", "harness.engines.transformers", "peft.tuners.lora"),
    "vllm": ("harness.engines.vllm", "harness.engines.scoring", "vllm.v1.worker.cpu_worker"),
    "preflight": ("harness.preflight.__main__",),
    "driver": ("harness.cli", "harness.driver.loop", "harness.score.rescore", "leaderboards.site", "pandas"),
    "echo": ("harness.workers.worker",),
}
"""What each server imports. vLLM has one of its own: importing it changes other libraries. The preflight has, too:
it does without torch, as `gainboard` itself does."""

SERVERS = {
    "harness.training": "training",
    "harness.engines": "training",
    "harness.engines.convert": "training",
    "harness.inspection": "training",
    "harness.preflight": "preflight",
    "harness.preflight.architecture": "training",
    "faulty_training": "training",
    "harness.cli": "driver",
    "moments": "driver",
    "pytest": "vllm",
    "echo_worker": "echo",
}
"""Module → the server that runs it, unless it is an engine that is vLLM."""

PLANTED = "GAINBOARD_TEST_PLANTED"
"""The environment variable with a module that is imported into workers before they begin, to bend them."""

BEGIN = "/harness/workers/begin.py"
"""The end of the path of what begins workers."""

MOUNTS = "/proc/self/ns/mnt"
"""The disks that a process sees, as a file."""

STATUS = 8
"""Bytes of a child's status, as `os.waitpid` tells it, in decimal digits."""


class ForkServers:
    """The servers of one test session. Each imports its libraries when the first worker is wanted."""

    def __init__(self, folder: Path) -> None:
        self.python = folder / "python"
        command = shlex.join([sys.executable, "-IS", __file__, "call", str(folder)])
        self.python.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        self.python.chmod(0o755)
        self._servers = []
        for kind in IMPORTS:
            with (folder / f"{kind}.log").open("wb") as log:
                server = subprocess.Popen(
                    [sys.executable, "-P", __file__, "serve", str(folder), kind],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
                )
            self._servers.append(server)

    def close(self) -> None:
        for server in self._servers:
            assert server.stdin is not None, "started with a pipe"
            server.stdin.close()
            server.wait()


def call(folder: Path, arguments: list[str]) -> None:
    """Be the process of a worker that a server runs, or of one that is started in the usual way."""
    driver = arguments[2] if arguments[1].endswith(BEGIN) else None
    module_arguments = arguments[2:] if driver is None else arguments[3:]
    module = module_arguments[0]
    if (driver is None and arguments[1] != "-m") or module not in SERVERS:
        os.execv(sys.executable, [sys.executable, *arguments])
    kind = "vllm" if module == "harness.engines" and "vllm" in arguments else SERVERS[module]
    request = {
        "driver": driver,
        "arguments": module_arguments,
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
    }
    parent = os.getppid()
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(str(folder / kind))
        message = json.dumps(request).encode()
        # A node of a cluster sees disks of its own, and so do its workers.
        with Path(MOUNTS).open("rb") as mounts:
            socket.send_fds(server, [f"{len(message):8}".encode()], [0, 1, 2, mounts.fileno()])
        server.sendall(message)
        # The pipes are the child's now: whoever reads them learns of its end from it alone.
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda number, _: server.sendall(bytes([number])))
        while not select.select([server], [], [], 0.2)[0]:
            if os.getppid() != parent:
                with suppress(OSError):  # the child is killed, and then this process ends as it did
                    server.shutdown(socket.SHUT_WR)
        status = int(server.recv(STATUS, socket.MSG_WAITALL) or os.EX_UNAVAILABLE << 8)
    if os.WIFSIGNALED(status):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), os.WTERMSIG(status))
    os._exit(os.WEXITSTATUS(status))


def serve(folder: Path, kind: str) -> dict[str, Any] | None:
    """Fork for every request until the session is over (None), or be the fork and return the request.

    What the imports set in the environment is added to the request's, which has not been there then.
    """
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken)
    children: dict[int, socket.socket] = {}
    listening = socket.socket(socket.AF_UNIX)
    # Bound under another name first: who sees the socket can connect to it.
    listening.bind(str(folder / f".{kind}"))
    listening.listen(64)
    (folder / f".{kind}").rename(folder / kind)
    set_by_imports: dict[str, str] | None = None
    while True:
        ready, _, _ = select.select([0, wake, listening, *children.values()], [], [])
        if 0 in ready:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return None
        if wake in ready:
            with suppress(BlockingIOError):
                os.read(wake, 512)
            for pid, status in _ended(children):
                with suppress(OSError):  # it was killed and waits for nothing
                    children[pid].sendall(f"{status:{STATUS}}".encode())
                children.pop(pid).close()
        for pid, caller in children.items():
            if caller in ready:
                # It passes on the signals that it gets; it closes when it was killed itself.
                passed_on = caller.recv(1)
                os.kill(pid, passed_on[0] if passed_on else signal.SIGKILL)
        if listening in ready:
            if set_by_imports is None:
                set_by_imports = _import(IMPORTS[kind])
            caller, _ = listening.accept()
            request, pipes = _receive(caller)
            pid = os.fork()
            if pid:
                children[pid] = caller
                for pipe in pipes:
                    os.close(pipe)
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for kept in (listening, caller, *children.values()):
                kept.close()
            os.close(wake)
            os.close(woken)
            os.setsid()
            _see_disks_of(pipes.pop())
            for place, pipe in enumerate(pipes):
                os.dup2(pipe, place)
                os.close(pipe)
            request["environment"] = set_by_imports | request["environment"]
            return request


def _ended(children: dict[int, socket.socket]) -> list[tuple[int, int]]:
    ended = []
    for pid in children:
        gone, status = os.waitpid(pid, os.WNOHANG)
        if gone:
            ended.append((pid, status))
    return ended


def _import(modules: tuple[str, ...]) -> dict[str, str]:
    """Import; the variables of the environment that this set."""
    before = dict(os.environ)
    for module in modules:
        __import__(module)
    gc.collect()
    gc.freeze()  # what is never looked at again is never copied into a child
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def _receive(caller: socket.socket) -> tuple[dict[str, Any], list[int]]:
    length, pipes, _, _ = socket.recv_fds(caller, 8, 4)
    message = caller.recv(int(length), socket.MSG_WAITALL)
    return json.loads(message), pipes


def _see_disks_of(mounts: int) -> None:
    """Have this process see the disks that its caller sees. `mounts`: an open file, the caller's namespace."""
    if os.fstat(mounts).st_ino != Path(MOUNTS).stat().st_ino:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(mounts, 0):
            raise OSError(ctypes.get_errno(), "the mounts of the caller cannot be entered")
    os.close(mounts)


def run(request: dict[str, Any]) -> None:
    """Be `python -P -m` with these arguments, environment and folder, or a worker of this driver."""
    if request["driver"] is not None:
        from harness.workers.begin import end_with

        end_with(int(request["driver"]))
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(request["folder"])
    places = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:0] = [place for place in places if place and place not in sys.path]
    sys.argv = request["arguments"]
    module = request["arguments"][0]
    planted = os.environ.get(PLANTED)
    if planted and SERVERS[module] in ("training", "vllm"):  # the others do without torch
        __import__(planted)
    sys.modules.pop(f"{module}.__main__", None)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def main() -> None:
    """`call FOLDER -P -m MODULE …`, or `serve FOLDER KIND`."""
    what, folder, *rest = sys.argv[1:]
    if what == "call":
        call(Path(folder), rest)
    elif request := serve(Path(folder), rest[0]):
        run(request)


if __name__ == "__main__":
    main()
