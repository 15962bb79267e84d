"""Meters and formulas of physical cost."""

import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.records import costs
from harness.records.costs import Meter, device_name, forward_flops, training_flops


def test_a_meter_takes_the_seconds_and_the_peak_memory_of_its_block() -> None:
    size = 200 * 2**20
    with Meter() as small:
        time.sleep(0.05)
    with Meter() as large:
        block = bytearray(size)
        block[::4096] = b"x" * len(block[::4096])
    del block
    assert small.seconds >= 0.05
    assert large.peak_memory_bytes > small.peak_memory_bytes + size // 2


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can be reset on Linux only")
def test_a_peak_of_an_earlier_block_does_not_count() -> None:
    with Meter() as large:
        block = bytearray(200 * 2**20)
        block[::4096] = b"x" * len(block[::4096])
    del block
    with Meter() as small:
        pass
    assert small.peak_memory_bytes < large.peak_memory_bytes


def test_energy_is_read_from_the_package_counters_and_none_without_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_POWERCAP", tmp_path)
    with Meter() as without:
        pass
    assert without.energy_joules is None

    def write(zone: str, microjoules: int) -> None:
        (tmp_path / zone).mkdir(exist_ok=True)
        (tmp_path / zone / "energy_uj").write_text(f"{microjoules}\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("10000000\n")

    write("intel-rapl:0", 1_000_000)
    write("intel-rapl:0:0", 500_000)  # the cores of package 0, which its own counter includes
    write("intel-rapl:1", 9_000_000)
    with Meter() as meter:
        write("intel-rapl:0", 3_000_000)
        write("intel-rapl:0:0", 5_000_000)
        write("intel-rapl:1", 500_000)  # it wrapped around at 10 J
    assert meter.energy_joules == pytest.approx(2.0 + 1.5)


def test_the_energy_of_a_model_on_several_boards_is_that_of_all_its_boards(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    millijoules = {2: 1_000, 3: 4_000}
    invented = SimpleNamespace(
        NVMLError=RuntimeError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetTotalEnergyConsumption=millijoules.__getitem__,
    )
    cuda = SimpleNamespace(
        current_device=lambda: 0, synchronize=lambda: None, reset_peak_memory_stats=lambda: None,
        max_memory_allocated=lambda: 0,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "pynvml", invented)
    monkeypatch.setattr(costs, "_cuda", lambda: cuda)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with Meter(num_devices=2) as both, Meter() as first:
        millijoules |= {2: 2_000, 3: 9_000}
    assert (both.energy_joules, first.energy_joules) == (6.0, 1.0)


def test_a_full_fine_tune_takes_six_operations_a_parameter_and_token() -> None:
    assert training_flops(1000, 10, trainable=1000, gradient_checkpointing=False) == 60_000
    assert training_flops(1000, 10, trainable=1000, gradient_checkpointing=True) == 80_000


def test_an_adapter_saves_the_weight_gradients_of_the_base() -> None:
    assert training_flops(1010, 10, trainable=10, gradient_checkpointing=False) == 4 * 1000 * 10 + 6 * 10 * 10


def test_a_forward_pass_takes_two() -> None:
    assert forward_flops(1000, 10) == 20_000


def test_the_device_of_a_cpu_names_its_cores() -> None:
    assert device_name().startswith("cpu (") or "NVIDIA" in device_name()
