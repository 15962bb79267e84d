"""A Ray cluster of several nodes on this machine. Each has a mount namespace of its own, and so a disk of its own
below one folder; all that runs on a node can be killed at once."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from places import ROOT

OBJECT_STORE = 80_000_000
"""Bytes: hardly more than the least that Ray takes."""

SECONDS_TO_START = 90

RAY_START = """
import sys
import ray._private.utils

# As where the dashboard's packages are not installed: its agents, which nothing here asks, take long to start.
ray._private.utils.get_dashboard_dependency_error = lambda: ImportError("left out")
from ray.scripts.scripts import main

sys.argv = ["ray", "start", *sys.argv[1:]]
main()
"""
"""A script that is `ray start`."""

WITHOUT_TOKENS = {"RAY_AUTH_MODE": "disabled"}
"""The environment of all that talks to the cluster: else the first head leaves a token in the home folder."""

ATTEMPTS = 3
"""A raylet gives up where its agents do not begin within 15 seconds, however busy the machine is."""


def separate_disks() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    return subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0


@dataclass(frozen=True)
class RayNode:
    """A node: `ray start`, with all that it starts."""

    process: subprocess.Popen[bytes]
    name: str
    disk: Path
    """What the node has in the place of the private folder."""

    log: Path
    node_id: str

    def has_started(self) -> bool:
        """Wait until it belongs to the cluster, or will not."""
        deadline = time.monotonic() + SECONDS_TO_START
        while b"Ray runtime started" not in self.log.read_bytes():
            if self.process.poll() is not None or time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def lose(self) -> None:
        """Its machine is gone, from one moment to the next."""
        space = _space_of(self.process.pid)
        if space in ("", _space_of(os.getpid())):  # it has ended, or hardly begun
            self.process.kill()
            space = ""
        while space and (left := [pid for pid in _processes() if _space_of(pid) == space]):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)
        self.process.wait()


class RayCluster:
    """A head without room for work. Nodes are added. Use as a context manager."""

    def __init__(self, folder: Path, private: Path) -> None:
        """`folder`: for logs and disks. `private`: the folder of which each node has one of its own."""
        self._folder, self._private = folder, private
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.nodes: list[RayNode] = []
        self.address = f"127.0.0.1:{port}"
        options = ["--head", f"--port={port}", "--num-cpus=0", "--include-dashboard=false", "--no-monitor"]
        self.head = self._started("head", options, {})

    def __enter__(self) -> "RayCluster":
        return self

    def __exit__(self, *_: object) -> None:
        for node in self.nodes:
            node.lose()

    def add(self, *names: str, environment: Mapping[str, str] | None = None) -> list[RayNode]:
        """Add nodes with room for one base model each."""
        options = [f"--address={self.address}", "--num-cpus=1"]
        with ThreadPoolExecutor() as pool:
            return list(pool.map(lambda name: self._started(name, options, environment or {}), names))

    def lose(self, name: str) -> None:
        """Lose a node by its name."""
        next(node for node in self.nodes if node.name == name).lose()

    def announce_preemption(self, node: RayNode) -> None:
        """Say that a node will be taken away, as the provider of a spot machine does."""
        from ray._raylet import GcsClient
        from ray.core.generated.autoscaler_pb2 import DrainNodeReason

        soon = time.time_ns() // 1_000_000 + 1_000
        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        accepted, fault = GcsClient(address=self.address).drain_node(
            node.node_id, reason, "its price has risen", soon
        )
        assert accepted, fault

    def _start(self, name: str, options: list[str], environment: Mapping[str, str]) -> RayNode:
        disk = self._folder / name
        disk.mkdir(parents=True, exist_ok=True)
        self._private.mkdir(parents=True, exist_ok=True)
        # The head is where the driver is, and sees what it sees.
        mount = "" if "--head" in options else 'mount --bind "$1" "$2"; '
        command = [
            "unshare", "-m", "sh", "-c", f'{mount}shift 2; exec "$@"', "sh", str(disk), str(self._private),
            sys.executable, "-P", "-c", RAY_START, "--block", "--disable-usage-stats",
            "--include-log-monitor=false", f"--node-name={name}", f"--object-store-memory={OBJECT_STORE}", *options,
        ]  # fmt: skip
        log, node_id = self._folder / f"{name}.log", secrets.token_hex(28)
        with log.open("wb") as file:
            process = subprocess.Popen(
                command,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_in_time,
                env={
                    **os.environ,
                    "PYTHONPATH": str(ROOT),
                    "OMP_NUM_THREADS": "1",
                    **WITHOUT_TOKENS,
                    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": node_id,
                    "RAY_memory_monitor_refresh_ms": "0",  # it would end what others leave no memory for
                    # Nobody should wait half a minute to learn that a node is gone.
                    "RAY_health_check_initial_delay_ms": "1000",
                    "RAY_health_check_period_ms": "500",
                    "RAY_health_check_failure_threshold": "4",
                    **environment,
                },
            )
        node = RayNode(process, name, disk, log, node_id)
        self.nodes.append(node)
        return node

    def _started(self, name: str, options: list[str], environment: Mapping[str, str]) -> RayNode:
        for attempt in range(1, ATTEMPTS + 1):
            node = self._start(name, options, environment)
            if node.has_started():
                break
            node.lose()
            self.nodes.remove(node)
            assert attempt < ATTEMPTS, node.log.read_text()
        return node


def _in_time() -> None:
    """Take back that tests give way to other work, where that is allowed: a raylet's agents must not be late."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, 0)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _space_of(pid: int) -> str:
    with suppress(OSError):
        if "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]:
            return str(Path(f"/proc/{pid}/ns/mnt").readlink())
    return ""
