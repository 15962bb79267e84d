"""Measure what work costs in physical quantities: seconds, memory, energy, floating-point operations."""

import contextlib
import os
import platform
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_POWERCAP = Path("/sys/class/powercap")


class Meter:
    """Seconds, peak memory and energy of this process while the `with` block runs.

    Memory is the accelerator's (as torch allocated it) on CUDA, else the resident memory of the process.
    Energy is read from a hardware counter: NVML on CUDA, RAPL on CPUs (the whole package, other processes
    included); None where the counter is missing or not readable. It is never estimated from a power rating.
    """

    seconds: float = 0.0
    peak_memory_bytes: int = 0
    energy_joules: float | None = None

    def __init__(self, *, num_devices: int = 1) -> None:
        """`num_devices`: accelerators whose energy counts, beginning with the current one."""
        self._num_devices = num_devices

    def __enter__(self) -> "Meter":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to measure, where the work is no single block of code."""
        self._cuda = _cuda()
        if self._cuda is not None:
            self._cuda.synchronize()
            self._cuda.reset_peak_memory_stats()
        else:
            _reset_peak_resident()
        self._energy = _read_energy(self._cuda, self._num_devices)
        self._started = time.monotonic()

    def stop(self) -> None:
        """End what `start` began, and set the three measurements."""
        if self._cuda is not None:
            self._cuda.synchronize()
        self.seconds = time.monotonic() - self._started
        self.peak_memory_bytes = (
            self._cuda.max_memory_allocated() if self._cuda is not None else _peak_resident()
        )
        self.energy_joules = _energy_between(self._energy, _read_energy(self._cuda, self._num_devices))


def total_energy(joules: Sequence[float | None]) -> float | None:
    """The sum of several measurements; None if any of them is missing."""
    total = 0.0
    for measured in joules:
        if measured is None:
            return None
        total += measured
    return total


def device_name() -> str:
    """The accelerator's name, or `cpu (2 cores, <model>)`."""
    cuda = _cuda()
    if cuda is not None:
        return str(cuda.get_device_name())
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"cpu ({cores} cores, {_processor()})"


def forward_flops(parameters: int, tokens: int) -> float:
    """2·N·D: one multiplication and one addition per parameter and token (Kaplan et al. 2020, arXiv
    2001.08361)."""
    return 2.0 * parameters * tokens


def training_flops(parameters: int, tokens: int, *, trainable: int, gradient_checkpointing: bool) -> float:
    """Forward and backward passes over `tokens` tokens.

    Full fine-tuning: 6·N·D (Kaplan et al. 2020). With an adapter the base needs no weight gradients: 4·N·D
    for the base (forward, and backward through activations) and 6·N_adapter·D. Checkpointing repeats the
    forward pass: 2·N·D. `parameters` counts everything; `trainable` is smaller with an adapter.
    """
    if trainable == parameters:
        flops = 6.0 * parameters * tokens
    else:
        flops = 4.0 * (parameters - trainable) * tokens + 6.0 * trainable * tokens
    return flops + (2.0 * parameters * tokens if gradient_checkpointing else 0.0)


def _cuda() -> Any | None:
    """`torch.cuda` when this process has torch loaded and a CUDA device, else None."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None


def _reset_peak_resident() -> None:
    # Not Linux, or not allowed: the peak is then that of the process so far, which bounds it from above.
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_resident() -> int:
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _read_energy(cuda: Any | None, num_devices: int) -> dict[str, tuple[float, float]]:
    """Counter name → (joules so far, joules at which it starts anew); empty where nothing can be read."""
    if cuda is not None:
        return _read_nvml(range(cuda.current_device(), cuda.current_device() + num_devices))
    counters = {}
    for zone in sorted(_POWERCAP.glob("intel-rapl:[0-9]*")):
        if zone.name.count(":") > 1:
            continue  # a part of a package that is counted already
        try:
            joules = int((zone / "energy_uj").read_text()) / 1e6
            wrap = int((zone / "max_energy_range_uj").read_text()) / 1e6
        except (OSError, ValueError):
            continue
        counters[zone.name] = (joules, wrap)
    return counters


def _read_nvml(devices: Iterable[int]) -> dict[str, tuple[float, float]]:
    """The counters of these devices, as CUDA numbers them; empty unless all can be read."""
    try:
        import pynvml
    except ImportError:
        return {}
    try:
        pynvml.nvmlInit()
        millijoules = {
            device: pynvml.nvmlDeviceGetTotalEnergyConsumption(
                pynvml.nvmlDeviceGetHandleByIndex(_board(device))
            )
            for device in devices
        }
    except pynvml.NVMLError:
        return {}
    return {f"nvml:{device}": (value / 1e3, float("inf")) for device, value in millijoules.items()}


def _board(device: int) -> int:
    """NVML numbers all boards of the machine; CUDA_VISIBLE_DEVICES says which one this process calls
    `device`."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return int(visible[device]) if device < len(visible) and visible[device].isdigit() else device


def _energy_between(
    before: dict[str, tuple[float, float]], after: dict[str, tuple[float, float]]
) -> float | None:
    if not before or before.keys() != after.keys():
        return None
    total = 0.0
    for name, (start, wrap) in before.items():
        end = after[name][0]
        total += end - start if end >= start else end - start + wrap
    return total


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
