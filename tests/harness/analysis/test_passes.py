"""Passes of weights: why there is none, and that none is made twice."""

import importlib.util
from pathlib import Path
from typing import Any

import pytest
from installed import need
from synthetic import make_run, task_card

from harness.analysis import passes
from harness.analysis.passes import Inspector, PassRequest
from harness.errors import UserError
from harness.sweep.models import fingerprint
from harness.sweep.run import Run
from harness.sweep.settings import AnalysisSettings
from harness.task import PromptSet, Sample, Splits, Task
from harness.task.prompts import prompt_row

TOY = "gainboard/toy-qwen3"


def run_of(method: Any, model: str = TOY, **changes: Any) -> Run:
    run = make_run("small", method, task_card("tickets"), 0, **changes)
    known = fingerprint(model, None) if model == TOY else "0" * 16
    return run.model_copy(
        update={"candidate": run.candidate.model_copy(update={"model": model, "fingerprint": known})}
    )


def inspector(work: Path, **settings: Any) -> Inspector:
    return Inspector(work, AnalysisSettings.model_validate(settings))


def left_weights(work: Path, run: Run) -> Path:
    weights = inspector(work).weights_of(run)
    assert weights is not None
    weights.mkdir(parents=True)
    return weights


def test_weights_that_are_there_are_read(tmp_path: Path) -> None:
    need("transformers", reason="needs the train extra")
    assert inspector(tmp_path).obstacle(run_of("zero_shot")) == ""
    left_weights(tmp_path, run_of("lora"))
    assert inspector(tmp_path).obstacle(run_of("lora")) == ""


def test_why_weights_are_not_read_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("transformers", reason="needs the train extra")
    says = inspector(tmp_path).obstacle
    assert says(run_of("lora")).startswith(f"its weights are gone: there is no {tmp_path}/trained/")
    assert "votes has no weights of its own" in says(run_of("zero_shot", members=("0" * 16, "1" * 16)))
    assert "neither an existing folder nor" in says(run_of("zero_shot", "./nowhere"))
    assert inspector(tmp_path, weights="never").obstacle(run_of("zero_shot")) == "weights are not to be read"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "pip install 'gainboard[train]'" in says(run_of("zero_shot"))


def test_a_large_model_is_read_only_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("transformers", reason="needs the train extra")
    monkeypatch.setattr(passes, "count_parameters", lambda _: 500_000_001)
    run = run_of("zero_shot")
    says = inspector(tmp_path).obstacle(run)
    assert "has 500,000,001 parameters" in says and "up to 500,000,000" in says and "--weights always" in says
    assert inspector(tmp_path, weights="always").obstacle(run) == ""
    monkeypatch.setattr(passes, "count_parameters", lambda _: 500_000_000)
    assert inspector(tmp_path).obstacle(run) == ""
    monkeypatch.setattr(passes, "count_parameters", lambda _: None)
    assert "an unknown number of parameters" in inspector(tmp_path).obstacle(run)


def test_what_passes_are_made_of_changes_with_weights_and_settings(tmp_path: Path) -> None:
    run, base = run_of("lora"), run_of("zero_shot")
    weights = left_weights(tmp_path, run)
    (weights / "config.json").write_text("{}")
    digest = inspector(tmp_path).digest([base, run])
    assert (
        inspector(tmp_path).digest([base, run]) == digest != inspector(tmp_path, seed=1).digest([base, run])
    )
    (weights / "config.json").write_text('{"a": 1}')
    assert inspector(tmp_path).digest([base, run]) != digest


def request(*texts: str) -> PassRequest:
    prompts = PromptSet({"plain": "{text}"})
    task = Task(
        name="tickets",
        description="Tickets.",
        data=lambda: Splits((), (), ()),
        to_sample=lambda row, index: Sample("", {}, ""),
        prompts=prompts,
        output="choice",
        metrics=("accuracy",),
    )
    samples = [Sample(text, {"text": text}, "a", ("a", "b")) for text in texts]
    return PassRequest(
        run_of("zero_shot"), task, [prompt_row(prompts, sample, "plain") for sample in samples], "boundary"
    )


@pytest.mark.slow
def test_a_pass_is_made_once_and_tells_what_it_cost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need("transformers", reason="needs the train extra")
    heard: list[str] = []
    with Inspector(tmp_path, AnalysisSettings(), tell=heard.append) as first:
        output = first.read(request("one", "two"))
        other = first.read(request("three"))
    logprobs = output.array(1, "logprobs")
    assert logprobs is not None and logprobs.shape == (2,) and output.array(2, "logprobs") is None
    assert (output.record.arm, output.record.samples, output.record.failed) == ("zero_shot", 2, 0)
    assert output.record.startup_seconds > 0 and other.record.startup_seconds == 0.0
    assert heard == ["small · zero_shot · tickets · seed 0: reading boundary with its weights"] * 2
    assert not list((tmp_path / "passes").glob("*.jsonl"))

    def no_worker(*_: Any, **__: Any) -> None:
        raise AssertionError("a worker is started")

    monkeypatch.setattr(passes, "Worker", no_worker)
    with Inspector(tmp_path, AnalysisSettings()) as again:
        same = again.read(request("one", "two"))
        assert same.record == output.record and same.array(1, "logprobs").tolist() == logprobs.tolist()  # type: ignore[union-attr]
        with pytest.raises(AssertionError, match="a worker is started"):
            again.read(request("one", "other"))
        for path in (tmp_path / "passes").glob("*.npz"):
            path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(UserError, match=r"cannot be read: .*remove it, and the pass is made again"):
            again.read(request("one", "two"))


def test_a_worker_that_cannot_start_is_named_with_the_run(tmp_path: Path) -> None:
    need("transformers", reason="needs the train extra")
    asked = request("one")
    changed = asked.run.candidate.model_copy(update={"fingerprint": "0" * 16})
    run = asked.run.model_copy(update={"candidate": changed})
    with (
        inspector(tmp_path) as looking,
        pytest.raises(UserError, match=r"small · zero_shot .*could not be read: .* has changed since"),
    ):
        looking.read(PassRequest(run, asked.task, asked.rows, "boundary"))
