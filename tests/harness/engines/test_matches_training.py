"""What is trained is what is scored:
a real fine-tune, and faults planted between its training and its scoring."""

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installed import need
from places import TESTS
from toy_models import QUICK, quick_arms, read_jsonl, scoring_job, train, write_rows

from harness.records.probes import PROBES, Probe, TrainingProbes, probes_beside
from harness.records.store import read_record, write_record
from harness.workers.worker import Worker

need("trl", reason="needs the train extra")

Guard = dict[str, Any]


@pytest.fixture(scope="module")
def engine(qwen3: Path) -> Any:
    from harness.engines.transformers import TransformersEngine

    return TransformersEngine(str(qwen3), None)


@pytest.fixture(scope="module")
def arms(qwen3: Path) -> dict[str, Path]:
    return quick_arms(qwen3)


@pytest.fixture
def guard(engine: Any, tmp_path: Path) -> Callable[..., Guard | None]:
    """Score an arm of a toy; what `matches_training` says of it, which is the only guard that may fail."""
    from harness.engines.guards import Canaries
    from harness.engines.scoring import ScoringWorker

    write_rows(tmp_path / "prompts.jsonl", "date_normalise", "test", count=2)

    def score(weights: Path, **changed: Any) -> Guard | None:
        worker = ScoringWorker(engine, canaries=Canaries(engine, [[5, 6, 7, 8]]))
        job = scoring_job(
            tmp_path / "prompts.jsonl", tmp_path / "out", weights=weights, output="generate", **changed
        )
        (record,) = worker(job, lambda _: None)["records"]
        guards = {each["name"]: each for each in record["guards"]}
        found = guards.pop("matches_training", None)
        assert all(each["passed"] for each in guards.values())
        return found

    return score


def copied(weights: Path, place: Path) -> Path:
    """Weights with their probes, to be spoilt."""
    shutil.copytree(weights, place / weights.name)
    shutil.copy(probes_beside(weights), place)
    return place / weights.name


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_a_fine_tune_is_scored_with_what_was_trained(
    guard: Callable[..., Guard | None], arms: dict[str, Path], tuner: str
) -> None:
    found = guard(arms[tuner])
    assert found is not None and found["passed"]
    assert found["value"] < 1e-4 < found["bound"] == 1e-3


def test_the_probes_are_the_shortest_dev_samples(arms: dict[str, Path]) -> None:
    probes = read_record(probes_beside(arms["lora"]), TrainingProbes).probes
    rows = read_jsonl(arms["lora"].parent / "dev.jsonl")
    assert len(probes) == PROBES < len(rows)
    assert {probe.target for probe in probes} <= {row["target"] for row in rows}


def test_weights_that_changed_on_disk_are_noticed(
    guard: Callable[..., Guard | None], arms: dict[str, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    weights = copied(arms["lora"], tmp_path)
    tensors = load_file(weights / "adapter_model.safetensors")
    name = next(name for name in tensors if "layers.0" in name and "lora_B" in name)
    tensors[name] = tensors[name] * 2
    save_file(tensors, weights / "adapter_model.safetensors", metadata={"format": "pt"})
    found = guard(weights)
    assert found is not None and not found["passed"]
    assert "the weights that are scored are not those that were trained" in found["reason"]


def test_a_scaling_that_changed_on_disk_is_noticed(
    guard: Callable[..., Guard | None], arms: dict[str, Path], tmp_path: Path
) -> None:
    weights = copied(arms["lora"], tmp_path)
    config = json.loads((weights / "adapter_config.json").read_text())
    (weights / "adapter_config.json").write_text(json.dumps(config | {"use_rslora": True}))
    found = guard(weights)
    assert found is not None and not found["passed"]


def test_a_chat_setting_that_is_another_in_scoring_is_noticed(
    guard: Callable[..., Guard | None], arms: dict[str, Path]
) -> None:
    found = guard(arms["lora"], chat=False)
    assert found is not None and not found["passed"]
    assert "its tokenizer, chat template or chat setting is another" in found["reason"]


def test_a_chat_template_that_is_another_in_scoring_is_noticed(
    guard: Callable[..., Guard | None], arms: dict[str, Path], engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = engine.tokenizer.chat_template
    monkeypatch.setattr(engine.tokenizer, "chat_template", "Now: " + template)
    found = guard(arms["lora"])
    assert found is not None and not found["passed"]


def test_a_tokenizer_that_is_another_in_scoring_is_noticed(
    guard: Callable[..., Guard | None],
    arms: dict[str, Path],
    engine: Any,
    qwen3: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from transformers import AutoTokenizer

    shutil.copytree(qwen3, tmp_path / "other")
    path = tmp_path / "other" / "tokenizer.json"
    declared = json.loads(path.read_text())
    declared["model"]["merges"] = declared["model"]["merges"][:100]
    path.write_text(json.dumps(declared))
    monkeypatch.setattr(engine, "tokenizer", AutoTokenizer.from_pretrained(tmp_path / "other"))
    found = guard(arms["full"])
    assert found is not None and not found["passed"]


def test_an_adapter_beside_tied_embeddings_would_be_noticed(
    guard: Callable[..., Guard | None], qwen3: Path, dates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained though it is refused."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), str(TESTS.parent)]))
    monkeypatch.setenv("GAINBOARD_TEST_FAULT", "any_target_modules")
    changes = {"target_modules": ("q_proj", "v_proj", "embed_tokens"), "max_steps": 6, "eval_steps": 6}
    with Worker("faulty_training", ["--model", str(qwen3)], log=dates / "log") as worker:
        for tuner in ("lora", "dora"):
            train(worker, dates, tuner, QUICK.model_copy(update=changes))
    for tuner in ("lora", "dora"):
        found = guard(dates / tuner)
        assert found is not None and not found["passed"]
        assert found["value"] > 10 * found["bound"]


def test_weights_from_before_there_were_probes_are_not_checked(
    guard: Callable[..., Guard | None], arms: dict[str, Path], tmp_path: Path
) -> None:
    weights = copied(arms["lora"], tmp_path)
    probes_beside(weights).unlink()
    assert guard(weights) is None


class _Reading:
    """Finds every token of a text as likely as it is told."""

    def __init__(self, *logprobs: float) -> None:
        self._logprobs = list(logprobs)

    def logprobs(
        self, arm: int, prompt: list[int], continuation: list[int]
    ) -> tuple[list[float], list[float]]:
        return self._logprobs, self._logprobs


@pytest.mark.parametrize(
    ("trained", "four_bits", "read", "passed"),
    [
        ("float32", False, (-1.0, -1.0005), True),
        ("float32", False, (-1.0, -1.1), False),
        ("bfloat16", False, (-1.0, -1.1), True),
        ("bfloat16", False, (-1.0, -1.3), False),
        ("float32", True, (-1.0, -3.5), True),
        ("float32", True, (-2.5, -3.0), False),
        ("float32", True, (-1.0, float("nan")), False),
    ],
)
def test_the_bound_is_that_of_the_coarser_numbers(
    qwen3: Path, tmp_path: Path, trained: str, four_bits: bool, read: tuple[float, float], passed: bool
) -> None:
    from transformers import AutoTokenizer

    from harness.engines.encode import PromptEncoder
    from harness.engines.guards import matches_training
    from harness.task import Rendered

    encoder = PromptEncoder(AutoTokenizer.from_pretrained(qwen3), None)
    prompt = {"messages": [{"role": "user", "content": "1 + 1"}], "text": "1 + 1"}
    (completed,) = encoder.completed([(Rendered(**prompt), "2")])
    probe = Probe(
        prompt=prompt,
        target="2",
        prompt_tokens=tuple(completed.prompt),
        answer_tokens=tuple(completed.answer),
        logprobs=(-1.0, -1.0),
    )
    write_record(
        probes_beside(tmp_path / "w"), TrainingProbes(dtype=trained, four_bits=four_bits, probes=(probe,))
    )
    (found,) = matches_training(_Reading(*read), 0, tmp_path / "w", encoder=encoder, dtype="float32")
    assert found.passed == passed


def test_the_check_takes_no_time(engine: Any, arms: dict[str, Path]) -> None:
    from harness.engines.encode import PromptEncoder
    from harness.engines.guards import matches_training

    reference = engine.use([arms["lora"]])
    started = time.monotonic()
    matches_training(
        reference, 0, arms["lora"], encoder=PromptEncoder(engine.tokenizer, None), dtype="float32"
    )
    seconds = time.monotonic() - started
    print(f"{seconds:.3f} s")
    assert seconds < 1
