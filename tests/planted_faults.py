"""A real vLLM with faults planted into it: each is caught, nearly all by a guard, on a toy model with real
fine-tunes.

Run by test_guards.py in a process of its own: vLLM looks into every module that is loaded, and stumbles over
some that other tests bring.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installed import need
from toy_models import quick_arms, scoring_job, write_rows

from harness.engines.cache import AnswerCache
from harness.engines.scoring import ScoringWorker
from harness.toys import toy_folder


@dataclass(frozen=True)
class Arms:
    """A base with an adapter and a full fine-tune, and prompts longer than a block of vLLM's prefix cache."""

    base: Path
    lora: Path
    full: Path
    prompts: Path


@pytest.fixture(scope="module")
def arms(tmp_path_factory: pytest.TempPathFactory) -> Arms:
    need("trl", reason="needs the train extra")
    need("vllm", reason="vLLM is not installed here")
    folder = tmp_path_factory.mktemp("arms")
    base = toy_folder("toy-qwen3")
    write_rows(folder / "prompts.jsonl", "date_normalise", "test", count=8, shown=4)
    arms = quick_arms(base)
    return Arms(base, arms["lora"], arms["full"], folder / "prompts.jsonl")


@pytest.fixture(scope="module")
def engine(arms: Arms) -> Any:
    from harness.engines.vllm import VllmEngine

    return VllmEngine(str(arms.base), None)


@pytest.fixture
def worker(arms: Arms, engine: Any, tmp_path: Path) -> Iterator[ScoringWorker]:
    """A scoring worker whose engine is whole again afterwards."""
    from harness.engines.__main__ import _canaries

    canary_file = tmp_path / "canaries.jsonl"
    canary_file.write_text(
        "".join(
            line.removesuffix("}\n") + ', "chat": null}\n' for line in arms.prompts.open(encoding="utf-8")
        )
    )
    engine.use([arms.full])
    engine.use([None])
    yield ScoringWorker(
        engine, canaries=_canaries(engine, canary_file), cache=AnswerCache(tmp_path / "answers.sqlite")
    )


def guards(worker: ScoringWorker, arms: Arms, weights: Path | None, folder: Path) -> dict[str, bool]:
    """Score an arm; which guards passed."""
    job = scoring_job(arms.prompts, folder / "out", weights=weights, output="generate")
    return {guard["name"]: guard["passed"] for guard in worker(job, lambda _: None)["records"][0]["guards"]}


def test_without_a_fault_every_guard_passes(worker: ScoringWorker, arms: Arms, tmp_path: Path) -> None:
    assert guards(worker, arms, None, tmp_path) == {"matches_transformers": True}
    for weights in (arms.lora, arms.full):
        assert guards(worker, arms, weights, tmp_path) == {
            "matches_transformers": True,
            "differs_from_base": True,
            "matches_training": True,
        }
    assert worker({"finish": True}, lambda _: None)["guard"]["passed"]


def test_an_adapter_that_is_not_applied_is_noticed(
    worker: ScoringWorker, engine: Any, arms: Arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_load", lambda model: None)
    assert guards(worker, arms, arms.lora, tmp_path) == {
        "matches_transformers": False,
        "differs_from_base": False,
        "matches_training": True,  # transformers has the weights that the engine lacks
    }


def test_weights_that_are_stale_in_part_are_noticed(
    worker: ScoringWorker, engine: Any, arms: Arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """vLLM 0.32 itself leaves the output layer as it was when it reads a folder of a model with tied
    embeddings."""
    load = engine._load

    def without_the_embeddings(model: Any) -> None:
        import torch

        state = model.state_dict()
        old = engine._llm.collective_rpc(
            lambda self: self.model_runner.get_model().model.embed_tokens.weight.clone()
        )[0]
        kept = {name: tensor.clone() for name, tensor in state.items()}
        for name in kept:
            if "embed" in name or "lm_head" in name:
                kept[name] = old[: kept[name].shape[0]].to(torch.float32)

        class Stale:
            def state_dict(self) -> Any:
                return kept

        load(Stale())

    monkeypatch.setattr(engine, "_load", without_the_embeddings)
    assert not guards(worker, arms, arms.full, tmp_path)["matches_transformers"]


def test_a_prefix_cache_of_other_weights_is_noticed(
    worker: ScoringWorker, engine: Any, arms: Arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine._llm, "reset_prefix_cache", lambda: True)
    assert not guards(worker, arms, arms.full, tmp_path)["matches_transformers"]


def test_a_base_that_does_not_come_back_is_noticed_and_its_answers_are_forgotten(
    worker: ScoringWorker, engine: Any, arms: Arms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert guards(worker, arms, None, tmp_path) == {"matches_transformers": True}
    guards(worker, arms, arms.full, tmp_path)
    with monkeypatch.context() as planted:
        planted.setattr(engine, "_load", lambda model: None)
        guard = worker({"finish": True}, lambda _: None)["guard"]
    assert (guard["name"], guard["passed"]) == ("base_repeats", False)
    engine._arms = None  # what the planted fault hid from it
    job = scoring_job(arms.prompts, tmp_path / "out", weights=arms.full, output="generate")
    assert worker(job, lambda _: None)["records"][0]["reused_requests"] == 0


def test_an_adapter_with_a_wrong_key_is_refused_and_the_engine_goes_on(
    worker: ScoringWorker, arms: Arms, tmp_path: Path
) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    from harness.errors import UserError

    wrong = shutil.copytree(arms.lora, tmp_path / "wrong")
    tensors = load_file(wrong / "adapter_model.safetensors")
    name = sorted(tensors)[0]
    tensors[name.replace("layers.0", "layers.99")] = tensors.pop(name)
    save_file(tensors, wrong / "adapter_model.safetensors")
    with pytest.raises(UserError, match="2 tensors do not match the base model"):
        guards(worker, arms, wrong, tmp_path)
    assert all(guards(worker, arms, arms.lora, tmp_path).values())


def test_a_device_without_memory_is_told_apart_from_other_failures_and_the_engine_goes_on(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from harness.engines.engine import Generate, OutOfMemory, Sampling

    requests = [
        Generate(engine.tokenizer(f"Repeat: {number} lamps")["input_ids"], Sampling(8)) for number in range(4)
    ]

    def answers() -> list[Any]:
        return [one.answer for one in sorted(engine.answer(requests), key=lambda answered: answered.place)]

    def answers_with(fault: Exception) -> list[Any]:
        def step() -> Any:
            raise fault

        with monkeypatch.context() as planted:
            planted.setattr(engine._llm.llm_engine, "step", step)
            return answers()

    before = answers()
    of_a_worker = RuntimeError("Worker failed with error 'CUDA out of memory. Tried to allocate 2.00 GiB'")
    for fault in (torch.OutOfMemoryError("planted"), of_a_worker):
        with pytest.raises(OutOfMemory, match="no memory for 256 sequences"):
            answers_with(fault)
    with pytest.raises(RuntimeError, match="something else"):
        answers_with(RuntimeError("something else"))
    assert answers() == before


def test_a_device_without_memory_to_start_an_engine_in_is_told_apart_from_other_failures(
    arms: Arms, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness.engines.vllm as engines
    from harness.engines.engine import OutOfMemory

    # What vLLM makes of torch's error when its sampler's warming up finds no memory; no CPU runs out of a
    # device's.
    of_warming_up = RuntimeError(
        "CUDA out of memory occurred when warming up sampler with 256 dummy requests."
    )
    for fault, expected in ((of_warming_up, OutOfMemory), (RuntimeError("something else"), RuntimeError)):

        def start(*arguments: Any, fault: Exception = fault, **named: Any) -> Any:
            raise fault

        monkeypatch.setattr(engines, "LLM", start)
        with pytest.raises(
            expected, match="no memory for 256 sequences" if expected is OutOfMemory else "something else"
        ):
            engines.VllmEngine(str(arms.base), None)
