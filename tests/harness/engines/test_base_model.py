"""A base whose files change while it is worked with is answered for no further (A4)."""

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the train extra")

from toy_models import read_jsonl, scoring_job, write_rows

from harness.engines.base_model import BaseModel
from harness.engines.cache import AnswerCache
from harness.engines.scoring import ScoringWorker
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.sweep.models import fingerprint
from harness.workers.worker import JobFailed, Worker


def halve(folder: Path) -> None:
    """Other weights under the same name."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "model.safetensors")
    halved = {name: tensor * 0.5 for name, tensor in tensors.items()}
    save_file(halved, folder / "model.safetensors", metadata={"format": "pt"})


@pytest.fixture
def toy(qwen3: Path, tmp_path: Path) -> Path:
    """A folder that may be changed."""
    return Path(shutil.copytree(qwen3, tmp_path / "model"))


def nobody(_: str) -> None:
    """Listens."""


def test_answers_of_a_base_that_changed_are_neither_given_nor_kept(toy: Path, tmp_path: Path) -> None:
    base = BaseModel(str(toy), None, fingerprint(str(toy), None), nobody)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    worker = ScoringWorker(TransformersEngine(base.path, None), cache=cache, check_base=base.check)
    write_rows(tmp_path / "prompts.jsonl", "date_normalise", "test", count=3)

    def answers() -> list[Any]:
        out = tmp_path / "out.jsonl"
        out.unlink(missing_ok=True)
        worker(scoring_job(tmp_path / "prompts.jsonl", out, weights=None, output="generate"), lambda _: None)
        return [row["completion"] for row in read_jsonl(out)]

    before = (toy / "model.safetensors").read_bytes()
    halve(toy)
    worker._guards = None  # so that the weights are loaded again, as after an arm
    with pytest.raises(UserError, match="has changed since this sweep was planned"):
        answers()
    assert not (tmp_path / "out.jsonl").exists()
    (toy / "model.safetensors").write_bytes(before)
    original = TransformersEngine(str(toy), None)
    expected = ScoringWorker(original)
    out = tmp_path / "expected.jsonl"
    expected(scoring_job(tmp_path / "prompts.jsonl", out, weights=None, output="generate"), lambda _: None)
    assert answers() == [row["completion"] for row in read_jsonl(out)]


def test_weights_that_change_while_they_are_loaded_are_refused(
    toy: Path, qwen3: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(str(qwen3), None)
    use = engine.use

    def use_and_change(arms: Any) -> Any:
        reference = use(arms)
        halve(toy)
        return reference

    monkeypatch.setattr(engine, "use", use_and_change)
    worker = ScoringWorker(engine, cache=AnswerCache(tmp_path / "answers.sqlite"))
    write_rows(tmp_path / "prompts.jsonl", "date_normalise", "test", count=2)
    job = scoring_job(tmp_path / "prompts.jsonl", tmp_path / "out", weights=toy, output="generate")
    with pytest.raises(UserError, match="have changed while they were loaded"):
        worker(job, lambda _: None)


@pytest.mark.parametrize("worker", ["harness.engines", "harness.training"])
def test_a_worker_does_not_start_with_another_model_than_was_planned(
    worker: str, toy: Path, tmp_path: Path
) -> None:
    planned = fingerprint(str(toy), None)
    halve(toy)
    options = ["--model", str(toy), "--fingerprint", planned]
    if worker == "harness.engines":
        options += ["--engine", "transformers"]
    with pytest.raises(JobFailed, match=r"^the model .* has changed since this sweep was planned"):
        Worker(worker, options, log=tmp_path / "log")
