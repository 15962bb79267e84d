"""What is installed on a machine, and whether a node may work for a driver.

A node that is asked need not have GainBoard: `installed` is sent to it as code,
and needs the standard library alone.
"""

import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Mapping
from pathlib import Path

from harness.records.provenance import PACKAGES

OWN, CODE, PYTHON = "gainboard", "gainboard's code", "Python"
COMPARED = (OWN, *PACKAGES)
"""What gives other results, or does not understand its driver, in another version."""


def installed() -> dict[str, str | None]:
    """Versions by name; None for what is missing. Builds of a version (`+cpu`) are the same version.

    `CODE` is a digest of the modules: checkouts may differ where their versions do not.
    """
    versions: dict[str, str | None] = dict.fromkeys((*COMPARED, CODE))
    for package in COMPARED:
        try:
            versions[package] = importlib.metadata.version(package).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            continue
    versions[PYTHON] = ".".join(platform.python_version_tuple()[:2])
    package_spec = importlib.util.find_spec("harness")
    if package_spec is not None and package_spec.submodule_search_locations:
        folder = Path(package_spec.submodule_search_locations[0])
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes() + b"\0")
        versions[CODE] = digest.hexdigest()[:12]
    return versions


def why_not(node: str, there: Mapping[str, str | None], here: Mapping[str, str | None]) -> str | None:
    """Why a node may not work for this machine, in a sentence; None where it may.

    What this machine does without may be of any version there: a driver needs no engine.
    """
    if there.get(CODE) is None:
        return (
            f"node {node} has no gainboard: pip install {_pinned({OWN: here.get(OWN)})} there, or leave it "
            "out of the cluster; it gets no work"
        )
    if there.get("torch") is None:
        return (
            f"node {node} has no torch: pip install 'gainboard[train,vllm]' there (without a GPU "
            "'gainboard[cpu]'), or leave it out of the cluster; it gets no work"
        )
    differing = {
        name: version
        for name, version in here.items()
        if version is not None and there.get(name) not in (None, version)
    }
    if not differing:
        return None
    faults = [f"{name} {there[name]} (here: {version})" for name, version in sorted(differing.items())]
    packages: dict[str, str | None] = {
        name: version for name, version in differing.items() if name not in (PYTHON, CODE)
    }
    if CODE in differing:
        packages[OWN] = here.get(OWN)
    steps = [f"Python {differing[PYTHON]}"] if PYTHON in differing else []
    steps += [f"pip install {_pinned(packages)}"] if packages else []
    return (
        f"node {node} has another version than this machine of {', '.join(faults)}: give it the same "
        f"({'; '.join(steps)}), or leave it out of the cluster; it gets no work"
    )


def _pinned(packages: Mapping[str, str | None]) -> str:
    return " ".join(f"'{name}=={version}'" if version else name for name, version in sorted(packages.items()))
