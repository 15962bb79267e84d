"""The nodes of a Ray cluster: which of them may work, and whether the cluster is still there."""

import os
import socket
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.driver.cluster import installed as installed_module
from harness.driver.cluster.installed import installed, why_not
from harness.errors import UserError

SECONDS_TO_ANSWER = 10.0
"""Somebody who is there takes a connection in this time."""

SECONDS_TO_LOOK = 300.0
"""A node that is busy starts a process in this time."""

PATIENCE = "RAY_gcs_rpc_server_reconnect_timeout_s"
"""Ray's own environment variable: without a head for so long, it ends this process without a word."""

SECONDS_OF_RAY = float(os.environ.get(PATIENCE, "60"))

SECONDS_BETWEEN_CHECKS = SECONDS_OF_RAY / 12

SECONDS_WITHOUT_HEAD = SECONDS_OF_RAY / 2
"""A head may be started again in this time."""

SECONDS_TO_END = SECONDS_OF_RAY / 6
"""Whoever waits inside Ray for a head that is gone is waited for so long."""


class ClusterMembers:
    """What is known of the nodes. May be asked from several threads."""

    def __init__(self, resources: Mapping[str, float]) -> None:
        """`resources`: what a base model's workers take, by Ray's names (`CPU`, `GPU`)."""
        self._resources = resources
        context = ray.get_runtime_context()
        self._own, self._head = context.get_node_id(), context.gcs_address
        self._here = installed()
        self._lock = threading.Lock()
        self._looked: set[str] = set()
        self.refused: dict[str, str] = {}
        """Why nodes get no work, in sentences, by their ids."""

        self._checked = self._reached = time.monotonic()
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def look(self) -> list[str]:
        """Look at the nodes that have joined: what is installed there. Why some of them get no work, in
        sentences."""
        with self._lock:
            new = {
                node["NodeID"]: name_of(node) for node in self._nodes() if node["NodeID"] not in self._looked
            }
            # The code goes along: a node need not have it.
            ray.cloudpickle.register_pickle_by_value(installed_module)
            remote = ray.remote(num_cpus=0, max_retries=0)(installed)
            looks = {
                node: remote.options(
                    scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)
                ).remote()
                for node in new
            }
            faults = {}
            for node, look in looks.items():
                fault = self._why_not(new[node], look)
                if fault is not None:
                    faults[node] = fault
            self._looked |= new.keys()
            self.refused |= faults
        return list(faults.values())

    def _why_not(self, name: str, look: Any) -> str | None:
        try:
            return why_not(name, ray.get(look, timeout=SECONDS_TO_LOOK), self._here)
        except RayError as error:
            return (
                f"node {name} does not say what is installed there ({one_line_of(error)}): give it the "
                "Python and the packages of this machine, or leave it out of the cluster; it gets no work"
            )

    def able(self) -> set[str]:
        """The nodes that may work and are large enough, whether or not they are busy."""
        return {node["NodeID"] for node in self._able_nodes()}

    def gone(self) -> set[str]:
        """Nodes that end before Ray has noticed: it goes on placing work there for some seconds."""
        nodes = self._nodes()
        gone = {
            node["NodeID"]
            for node in nodes
            if not _answers(node["NodeManagerAddress"], node["NodeManagerPort"])
        }
        # Where none can be reached from here, that says nothing of the nodes.
        return gone if len(gone) < len(nodes) else set()

    def _able_nodes(self) -> list[dict[str, Any]]:
        return [node for node in self._nodes() if node["NodeID"] not in self.refused]

    def _nodes(self) -> list[dict[str, Any]]:
        return [
            node
            for node in ray.nodes()
            if node["Alive"]
            and all(node["Resources"].get(kind, 0) >= amount for kind, amount in self._resources.items())
        ]

    def places(self) -> int:
        """Base models that fit into the cluster at a time, at least 1."""
        kinds = [kind for kind, amount in self._resources.items() if amount]
        places = (
            min(int(node["Resources"][kind] // self._resources[kind]) for kind in kinds)
            for node in self._able_nodes()
        )
        return max(1, sum(places))

    def check(self) -> None:
        """Raise `UserError` when the head is gone, and does not come back. Looks now and then."""
        now = time.monotonic()
        if now - self._checked < SECONDS_BETWEEN_CHECKS:
            return
        self._checked = now
        host, _, port = self._head.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()
            self._reached = time.monotonic()
        except OSError as error:
            if time.monotonic() - self._reached > SECONDS_WITHOUT_HEAD:
                raise UserError(
                    f"the head of the Ray cluster, {self._head}, is gone ({error.strerror or error}). Start "
                    "the cluster again, and then the same command: what has come back from its nodes is kept"
                ) from None

    def close(self) -> None:
        """Watch the head no more."""
        self._over.set()

    def _watch(self) -> None:
        """End this process with a sentence where the head is gone and somebody waits for it
        inside Ray, which cannot be interrupted, and would end this process without one. Nothing
        is lost: what is written is whole."""
        while not self._over.wait(SECONDS_BETWEEN_CHECKS):
            try:
                self.check()
            except UserError as fault:
                if not self._over.wait(SECONDS_TO_END):
                    print(f"gainboard: {fault}", file=sys.stderr, flush=True)
                    os._exit(2)
                return

    def check_after_loss(self) -> None:
        """Raise `UserError` where not a node was lost, but the head, or the node that this process needs."""
        self._checked = 0.0
        while True:
            self.check()
            if self._reached >= self._checked:
                break
            time.sleep(1.0)
            self._checked = 0.0
        if not any(node["NodeID"] == self._own and node["Alive"] for node in ray.nodes()):
            raise UserError(
                "the Ray node of this machine, through which it reaches the cluster, has ended. Start it "
                "again (`ray start`), and then the same command: what has come back from other nodes is kept"
            )


def name_of(node: Mapping[str, Any]) -> str:
    """How people know a node, of what `ray.nodes` says:
    by the name that it was given, or by its machine's."""
    name, address = node["NodeName"], node["NodeManagerAddress"]
    return str(name) if name != address else f"{node['NodeManagerHostname']} ({address})"


def _answers(host: str, port: int) -> bool:
    """Whether anybody takes a connection there."""
    try:
        socket.create_connection((host, port), timeout=SECONDS_TO_ANSWER).close()
    except OSError:
        return False
    return True


def one_line_of(error: BaseException) -> str:
    """The beginning of what an exception says."""
    return " ".join(str(error).split())[:300]
