"""Real engines on real toy models: vLLM answers as transformers does, for every arm of a base."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from toy_models import QUICK, ask, in_order, read_jsonl, scoring_job, toy, train, write_jsonl, write_rows

from harness.prompts import prompt_row
from harness.task import PromptSet, Sample
from harness.toys import TOYS
from harness.worker import JobFailed, Worker

pytest.importorskip("trl", reason="needs the train extra")

OUTPUTS = ("generate", "choice", "perplexity")

LONG = "One fine day a lamp and two chairs came to town. " * 60
"""More than the toys' context of 512 tokens."""

ARMS = ("base", "lora", "full", "base again")
"""In this order, through one engine: swapping back must bring the base's answers back."""


@dataclass(frozen=True)
class Tuned:
    """A base model with an adapter and a full fine-tune, and prompts of every kind of output."""

    base: Path
    folder: Path

    def weights(self, arm: str) -> Path | None:
        return None if arm.startswith("base") else self.folder / arm

    def answers(self, engine: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
        """(arm, output) → completions, all from one worker."""
        arguments = ["--engine", engine, "--model", str(self.base)]
        with Worker("harness.engines", arguments, log=self.folder / f"{engine}.log") as worker:
            return {
                (arm, output): ask(
                    worker,
                    self.folder / f"{output}.jsonl",
                    self.folder / f"{engine}-{arm}-{output}.jsonl",
                    weights=self.weights(arm),
                    output=output,
                )
                for arm in ARMS
                for output in OUTPUTS
            }


@pytest.fixture(scope="module", params=TOYS)
def tuned(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    folder = tmp_path_factory.mktemp(request.param)
    base = toy(request.param, folder)
    write_rows(folder / "train.jsonl", "date_normalise", "train", count=192)
    write_rows(folder / "dev.jsonl", "date_normalise", "dev", count=16)
    few_shot = write_rows(folder / "few_shot.jsonl", "date_normalise", "test", count=12, shown=3)
    plain = write_rows(folder / "plain.jsonl", "date_normalise", "test", count=60)
    shown = [{**row, "id": f"shown {row['id']}"} for row in few_shot]
    write_jsonl(folder / "generate.jsonl", [{**row, "choices": []} for row in plain + shown])
    write_rows(folder / "choice.jsonl", "ticket_routing", "test", count=40)
    # The likelihood of short answers, of nothing but a text, and of a text that takes several windows.
    texts = [sample["prompt"]["text"] for sample in few_shot]
    bare = PromptSet({"bare": "<mask>"})
    measured = [prompt_row(bare, Sample(f"text {place}", {}, text), "bare") for place, text in enumerate([*texts, LONG])]
    write_jsonl(folder / "perplexity.jsonl", plain[:20] + measured)
    with Worker("harness.train", ["--model", str(base)], log=folder / "train.log") as worker:
        for method in ("lora", "full"):
            train(worker, folder, method, QUICK)
    return Tuned(base, folder)


@pytest.fixture(scope="module")
def reference(tuned: Tuned) -> dict[tuple[str, str], list[dict[str, Any]]]:
    return tuned.answers("transformers")


@pytest.fixture(scope="module")
def vllm(tuned: Tuned) -> dict[tuple[str, str], list[dict[str, Any]]]:
    pytest.importorskip("vllm", reason="vLLM is not installed here")
    return tuned.answers("vllm")


def completions(rows: list[dict[str, Any]]) -> list[tuple[str, int, str]]:
    return [(row["completion"], row["completion_tokens"], row["finish_reason"]) for row in rows]


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_writes_what_transformers_writes(vllm: Any, reference: Any, arm: str) -> None:
    assert completions(vllm[arm, "generate"]) == completions(reference[arm, "generate"])


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_gives_choices_the_log_probabilities_of_transformers(vllm: Any, reference: Any, arm: str) -> None:
    for ours, theirs in zip(vllm[arm, "choice"], reference[arm, "choice"], strict=True):
        assert ours["choice_logprobs"] == pytest.approx(theirs["choice_logprobs"], abs=1e-3)
        assert ours["completion"] == theirs["completion"]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_every_tuned_arm_answers_otherwise_than_its_base(vllm: Any, method: str) -> None:
    assert completions(vllm[method, "generate"]) != completions(vllm["base", "generate"])


@pytest.mark.parametrize("arm", ARMS)
def test_vllm_finds_texts_as_likely_as_transformers_does(vllm: Any, reference: Any, arm: str) -> None:
    for ours, theirs in zip(vllm[arm, "perplexity"], reference[arm, "perplexity"], strict=True):
        assert ours["target_tokens"] == theirs["target_tokens"] > 0
        assert ours["logprob"] == pytest.approx(theirs["logprob"], abs=1e-4 * ours["target_tokens"] + 1e-3)
        assert ours["greedy"] == theirs["greedy"]


def test_tuning_makes_the_answers_it_was_trained_on_more_likely(vllm: Any) -> None:
    total = {arm: sum(row["logprob"] for row in vllm[arm, "perplexity"][:20]) for arm in ("base", "lora", "full")}
    assert total["base"] < min(total["lora"], total["full"])


def test_swapping_back_brings_the_base_back_exactly(vllm: Any) -> None:
    for output in OUTPUTS:
        assert vllm["base", output] == vllm["base again", output]


def test_the_exact_prompt_with_its_chat_template_is_kept(vllm: Any) -> None:
    prompt = vllm["base", "generate"][0]["prompt"]
    assert prompt.startswith("<|user|>")
    assert prompt.endswith("Answer:<|end|><|assistant|>")


# The rest is about what one engine does with odd input; the quickest one shows it.


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy("toy-qwen3", tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module", params=["transformers", "vllm"])
def engine(request: pytest.FixtureRequest, qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    pytest.importorskip(request.param)
    log = tmp_path_factory.mktemp("engine") / "log"
    with Worker("harness.engines", ["--engine", request.param, "--model", str(qwen)], log=log) as worker:
        yield worker


def question(identity: str, text: str) -> dict[str, Any]:
    return prompt_row(PromptSet({"bare": "{text}"}, marker=""), Sample(identity, {"text": text}, "x"), "bare")


def test_a_prompt_longer_than_the_context_is_an_error_of_its_sample_alone(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("long", "word " * 2000), question("short", "Repeat: lamp")])
    long, short = ask(engine, tmp_path / "prompts", tmp_path / "completions", weights=None, output="generate")
    assert "exceed the model's context of 512" in long["error"]
    assert "completion" not in long
    assert "error" not in short
    assert short["completion_tokens"] > 0


def test_a_stop_string_ends_the_answer_and_is_left_out(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: 7 lamps")])
    asking = {"weights": None, "output": "generate"}
    (whole,) = ask(engine, tmp_path / "prompts", tmp_path / "whole", **asking)
    stop = whole["completion"][1:3]
    (cut,) = ask(engine, tmp_path / "prompts", tmp_path / "cut", stop=[stop], **asking)
    assert cut["completion"] == whole["completion"][: whole["completion"].index(stop)]
    assert cut["finish_reason"] == "stop"


def test_an_answer_cut_at_max_tokens_says_so(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: 7 lamps")])
    (row,) = ask(engine, tmp_path / "prompts", tmp_path / "out", weights=None, output="generate", max_tokens=1)
    assert (row["finish_reason"], row["completion_tokens"]) == ("length", 1)


def test_weights_that_do_not_fit_the_base_fail_the_job_and_leave_the_worker_running(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: lamp")])
    asking = {"output": "generate"}
    before = ask(engine, tmp_path / "prompts", tmp_path / "before", weights=None, **asking)
    with pytest.raises(JobFailed):
        ask(engine, tmp_path / "prompts", tmp_path / "broken", weights=tmp_path / "missing", **asking)
    assert ask(engine, tmp_path / "prompts", tmp_path / "after", weights=None, **asking) == before


def test_an_adapter_with_foreign_tensors_is_refused(qwen: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=16)
    shutil.copy(tmp_path / "train.jsonl", tmp_path / "dev.jsonl")
    with Worker("harness.train", ["--model", str(qwen)], log=tmp_path / "log") as worker:
        train(worker, tmp_path, "lora", QUICK.model_copy(update={"max_steps": 1, "eval_steps": 1}))
    path = tmp_path / "lora" / "adapter_model.safetensors"
    tensors = load_file(path)
    name = sorted(tensors)[0]
    tensors[name.replace("layers.0", "layers.99")] = tensors.pop(name)
    save_file(tensors, path)
    import torch

    from harness.errors import UserError
    from harness.weights import load_model

    with pytest.raises(UserError, match="2 tensors do not match the base model"):
        load_model(str(qwen), None, tmp_path / "lora", dtype=torch.float32)


def test_a_model_folder_that_cannot_be_loaded_ends_the_worker_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(JobFailed):
        Worker("harness.engines", ["--engine", "transformers", "--model", str(tmp_path)], log=tmp_path / "log")
    assert (tmp_path / "log").stat().st_size > 0


def test_completions_are_written_whole_or_not_at_all(engine: Worker, tmp_path: Path) -> None:
    write_jsonl(tmp_path / "prompts", [question("1", "Repeat: lamp")])
    ask(engine, tmp_path / "prompts", tmp_path / "completions", weights=None, output="generate")
    assert [row["id"] for row in read_jsonl(tmp_path / "completions")] == ["1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["completions", "prompts"]


def put(engine: Worker, folder: Path, rows: list[dict[str, Any]], **changed: Any) -> list[dict[str, Any]]:
    """Ask the base; the rows of its answers."""
    write_jsonl(folder / "prompts", rows)
    job = scoring_job(folder / "prompts", folder / "out", weights=None, output="generate", **changed)
    engine.request(job, lambda _: None)
    return in_order(folder / "out")


def test_an_answer_held_to_choices_is_one_of_its_sample_s(engine: Worker, tmp_path: Path) -> None:
    words = (("Oslo", "Lima", 'a "quoted" name'), ("yes", "no"))
    prompts = PromptSet({"bare": "{text}"}, marker="")
    rows = [
        prompt_row(prompts, Sample(str(number), {"text": f"Repeat: {number} lamps"}, choices[0], choices), "bare")
        for number, choices in enumerate(words * 10)
    ]
    answers = put(engine, tmp_path, rows, structured_outputs="choice", sampling={"max_tokens": 32})
    assert [answer["completion"] in row["choices"] for answer, row in zip(answers, rows, strict=True)] == [True] * 20


def test_an_answer_held_to_a_schema_fulfils_it(engine: Worker, tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"enum": ["Oslo", "Lima"]}, "paid": {"type": "boolean"}},
        "required": ["city", "paid"],
        "additionalProperties": False,
    }
    rows = [question(str(number), f"Repeat: {number} lamps") for number in range(6)]
    for answer in put(engine, tmp_path, rows, structured_outputs=schema, sampling={"max_tokens": 128}):
        assert answer["finish_reason"] == "stop"
        found = json.loads(answer["completion"])
        assert found.keys() == {"city", "paid"}
        assert found["city"] in ("Oslo", "Lima")


def test_several_sampled_answers_differ_and_repeat_with_their_seed(engine: Worker, tmp_path: Path) -> None:
    rows = [question(str(number), "Write a sentence about a lamp.") for number in range(2)]
    sampling = {"max_tokens": 12, "n": 4, "temperature": 2.0, "seed": 3}
    first = put(engine, tmp_path, rows, sampling=sampling)
    assert [(row["place"], row["draw"]) for row in first] == [(place, draw) for place in (0, 1) for draw in range(4)]
    assert len({row["completion"] for row in first[:4]}) > 1
    assert put(engine, tmp_path, rows, sampling=sampling) == first
    assert put(engine, tmp_path, rows, sampling=sampling | {"seed": 4}) != first


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_long_prompt_is_cut_where_its_task_allows_that(engine: Worker, tmp_path: Path, side: str) -> None:
    rows = [question("long", "word " * 2000), question("short", "Repeat: lamp")]
    long, short = put(engine, tmp_path, rows, truncation_side=side)
    assert (long["prompt_tokens"], short["truncated"]) == (512 - 16, 0)
    assert long["truncated"] > 0
    assert "error" not in long


def test_an_engine_that_is_killed_goes_on_where_it_was(qwen: Path, tmp_path: Path) -> None:
    """As a sweep sees it: with SIGKILL in the middle of an arm, and what was answered by then kept."""
    import os
    import signal
    import sqlite3
    import threading
    import time
    from contextlib import closing, nullcontext

    from rich.console import Console
    from synthetic import make_run, task_card

    from harness.config import EngineSettings, Generation
    from harness.data import load_dataset
    from harness.generation import Generation as Phase
    from harness.plan import Group, LoadedTask
    from harness.plugins import find_plugins, load_task
    from harness.progress import Progress
    from harness.results import GenerationRecord, read_record

    task = load_task("date_normalise", find_plugins(entry_points=False))
    settings = Generation(max_tokens=100, temperature=5.0)  # so hot that no answer ends by itself
    run = make_run("toy", "zero_shot", task_card(task.name), 0, generation=settings)
    texts = [f"Write {number} sentences about lamps." for number in range(320)]
    (tmp_path / run.key).mkdir()
    write_jsonl(tmp_path / run.key / "prompts.jsonl", [question(str(place), text) for place, text in enumerate(texts)])
    answers = tmp_path / "answers.sqlite"
    killed: list[int] = []

    def kill() -> None:
        while not killed:
            time.sleep(0.05)
            if not answers.exists():
                continue
            with closing(sqlite3.connect(answers)) as file:
                try:
                    kept = file.execute("SELECT count(*) FROM answers").fetchone()[0]
                except sqlite3.OperationalError:  # not made yet
                    continue
            workers = [
                int(path.parent.name)
                for path in Path("/proc").glob("[0-9]*/cmdline")
                if str(answers).encode() in path.read_bytes()
            ]
            if kept and workers:
                os.kill(workers[0], signal.SIGKILL)
                killed.append(kept)

    thread = threading.Thread(target=kill)
    thread.start()
    failed = Phase(
        Group(str(qwen), None, None, [run]), [run], {task.name: LoadedTask(task, load_dataset(task))}, model=str(qwen),
        work=tmp_path, engine="transformers", settings=EngineSettings(), progress=Progress(Console(quiet=True)),
        recording=lambda run, phase: nullcontext(),
    ).run()  # fmt: skip
    killed.append(0)  # in case that it was over before
    thread.join()
    record = read_record(tmp_path / run.key / "generation.json", GenerationRecord)
    assert failed == set()
    assert killed[0] > 0
    assert record.reused_requests >= killed[0]
    assert sorted(row["place"] for row in read_jsonl(tmp_path / run.key / "completions.jsonl")) == list(range(320))


def test_adapters_served_in_one_batch_answer_as_transformers_does_with_each_merged(qwen: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    pytest.importorskip("vllm", reason="vLLM is not installed here")
    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=192)
    write_rows(tmp_path / "dev.jsonl", "date_normalise", "dev", count=16)
    write_rows(tmp_path / "generate.jsonl", "date_normalise", "test", count=40)
    write_rows(tmp_path / "choice.jsonl", "ticket_routing", "test", count=20)
    with Worker("harness.train", ["--model", str(qwen)], log=tmp_path / "train.log") as worker:
        train(worker, tmp_path, "lora", QUICK)
    half = shutil.copytree(tmp_path / "lora", tmp_path / "half")
    tensors = load_file(half / "adapter_model.safetensors")
    save_file({name: tensor * 0.7 for name, tensor in tensors.items()}, half / "adapter_model.safetensors")
    arms = {"lora": tmp_path / "lora", "half": half}

    def answers(engine: str, settings: dict[str, Any], jobs: list[list[str]], output: str) -> dict[str, list[Any]]:
        options = ["--engine", engine, "--model", str(qwen), "--settings", json.dumps(settings)]
        with Worker("harness.engines", options, log=tmp_path / f"{engine}.log") as worker:
            for together in jobs:
                prompts, files = tmp_path / f"{output}.jsonl", [tmp_path / f"{engine}-{arm}-{output}" for arm in together]
                asks = [
                    scoring_job(prompts, file, weights=arms[arm], output=output)["asks"][0]
                    for arm, file in zip(together, files, strict=True)
                ]
                worker.request({"asks": asks}, lambda _: None)
        return {arm: in_order(tmp_path / f"{engine}-{arm}-{output}") for arm in arms}

    served = {"way": "adapters", "max_loras": 2, "max_lora_rank": 8}
    for output in ("generate", "choice"):
        ours = answers("vllm", served, [["lora", "half"]], output)
        theirs = answers("transformers", {}, [["lora"], ["half"]], output)
        for arm in arms:
            assert completions(ours[arm]) == completions(theirs[arm])
        assert ours["lora"] != ours["half"]
