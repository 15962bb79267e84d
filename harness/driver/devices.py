"""The GPUs and cores of this machine, and the part of them that a worker may use."""

import os
import shutil
import subprocess


def visible_devices() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device for device in visible.split(",") if device]
    if not shutil.which("nvidia-smi"):
        return []
    listed = subprocess.run(
        ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"],
        capture_output=True,
        text=True,
        check=False,
    )
    return listed.stdout.split()


def worker_environment(devices: str | None, threads: int | None) -> dict[str, str]:
    """The variables that bound a worker process: its GPUs, as
    CUDA_VISIBLE_DEVICES names them, and its threads.

    None of either: all that there are. Threads that the user has set for everything stay.
    """
    environment = {} if devices is None else {"CUDA_VISIBLE_DEVICES": devices}
    if threads is not None and "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(threads)
    return environment
