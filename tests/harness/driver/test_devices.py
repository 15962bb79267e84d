"""How many base models a machine works on side by side, and what each worker may use of it."""

import os

import pytest

from harness.driver.devices import worker_environment
from harness.driver.executors import LocalExecutor
from harness.errors import UserError
from harness.sweep.models import is_tiny


@pytest.fixture(autouse=True)
def no_gpu_nor_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)


def test_without_a_gpu_tiny_models_are_worked_on_one_per_core_and_others_alone() -> None:
    assert LocalExecutor(tiny_models=True).workers == os.cpu_count()
    assert LocalExecutor().workers == 1
    assert LocalExecutor(3, tiny_models=True).workers == 3


def test_gpus_are_shared_out_whatever_the_size_of_the_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3")
    assert LocalExecutor(devices_each=2, tiny_models=True).workers == 2
    with pytest.raises(UserError, match="--workers 3 of 2 GPUs each: there are 4 GPUs"):
        LocalExecutor(3, devices_each=2)


def test_a_toy_is_tiny_and_a_model_whose_size_is_unknown_is_not() -> None:
    assert is_tiny("gainboard/toy-neox")
    assert not is_tiny("Qwen/Qwen2.5-0.5B")
    assert not is_tiny("owner/unknown")


def test_threads_bound_a_worker_unless_the_user_has_set_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert worker_environment(None, None) == {}
    assert worker_environment("0,1", 1) == {"CUDA_VISIBLE_DEVICES": "0,1", "OMP_NUM_THREADS": "1"}
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert worker_environment(None, 1) == {}
