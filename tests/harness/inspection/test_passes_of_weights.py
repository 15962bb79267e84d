"""What the inspection worker reads with an arm's weights is what scoring reads, and transformers by itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the train extra")

import torch
from toy_models import ask_job, write_jsonl
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast

from harness.engines.base_model import BaseModel
from harness.engines.engine import Choose
from harness.engines.questions import Questions
from harness.engines.transformers import TransformersEngine
from harness.inspection.__main__ import InspectionWorker
from harness.inspection.arm import LoadedArm, load_arm, read_samples
from harness.inspection.boundary import read_boundary
from harness.inspection.segments import Segment, segments_of
from harness.task import PromptSet, Sample
from harness.task.prompts import prompt_row
from harness.workers.jobs import PassJob
from harness.workers.worker import JobFailed, Worker

TEAMS = ("billing", "sales", "repairs", "sales abroad")
TEXTS = (
    "My invoice is wrong.",
    "How much is a printer?",
    "It is broken, and I want another one.",
    "Hello " * 60,
)


def write_prompts(folder: Path, **fields: Any) -> Path:
    prompts = PromptSet({"plain": "Which team?\n{text}"}, system="You sort mail.")
    samples = [
        Sample(str(place), {"text": text}, TEAMS[place % 4], TEAMS) for place, text in enumerate(TEXTS)
    ]
    path = folder / "prompts.jsonl"
    write_jsonl(path, [prompt_row(prompts, sample, "plain") | fields for sample in samples])
    return path


def pass_job(folder: Path, prompts: Path, weights: Path | None = None, **changed: Any) -> PassJob:
    ask = ask_job(prompts, folder / "unwritten", weights=weights, output="choice")
    return PassJob(ask=ask, reading="boundary", readings=folder / "readings.npz", **changed)


@pytest.fixture(scope="module")
def base(qwen3: Path) -> BaseModel:
    return BaseModel(str(qwen3), None, None, lambda _: None)


@pytest.fixture(scope="module")
def weights(qwen3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base, and noise: what a full fine-tune leaves."""
    model = AutoModelForCausalLM.from_pretrained(qwen3)
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in model.parameters():
            tensor += 0.05 * torch.randn_like(tensor)
    folder = tmp_path_factory.mktemp("tuned")
    model.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("tuned", [False, True])
def test_choices_are_as_likely_as_scoring_finds_them(
    tmp_path: Path, base: BaseModel, weights: Path, tuned: bool
) -> None:
    job = pass_job(tmp_path, write_prompts(tmp_path), weights if tuned else None)
    record = InspectionWorker(base, max_model_len=None)(job.model_dump(mode="json"), lambda _: None)["record"]
    readings = np.load(job.readings)
    engine = TransformersEngine(base.path, None)
    engine.use([job.ask.weights])
    questions = Questions(job.ask, 0, engine).read()
    answers = engine.answer([Choose(one.tokens, one.answer_tokens) for one in questions])
    scored = {answered.place: answered.answer for answered in answers}
    for place in range(len(TEXTS)):
        assert readings[f"{place}.logprobs"] == pytest.approx(scored[place], abs=1e-4)
    assert (record["samples"], record["failed"], record["dtype"]) == (4, 0, "float32")
    assert record["prompt_tokens"] == sum(len(one.tokens) for one in questions)
    assert record["seconds"] > 0 and record["load_seconds"] > 0 and record["peak_memory_bytes"] > 2**20


def test_the_hidden_state_is_the_one_that_the_first_token_of_the_answer_is_predicted_from(
    tmp_path: Path, base: BaseModel
) -> None:
    arm = load_arm(base, None, max_model_len=None)
    samples = read_samples(pass_job(tmp_path, write_prompts(tmp_path)), arm)
    plain = AutoModelForCausalLM.from_pretrained(base.path).eval()
    for reading in read_boundary(arm, list(enumerate(samples))):
        tokens = torch.tensor([samples[reading.place].question.tokens])
        with torch.inference_mode():
            expected = plain.model(input_ids=tokens).last_hidden_state[0, -1]
        assert reading.arrays["hidden"] == pytest.approx(expected.numpy(), abs=1e-4)
    assert arm.reader.reading == "tree"


def test_the_hidden_state_does_not_depend_on_how_choices_are_read(tmp_path: Path, base: BaseModel) -> None:
    arm = load_arm(base, None, max_model_len=None)
    samples = list(enumerate(read_samples(pass_job(tmp_path, write_prompts(tmp_path)), arm)))
    states = {}
    for reading in ("tree", "rows", "apart"):
        arm.reader.tried = reading
        states[reading] = {one.place: one.arrays["hidden"] for one in read_boundary(arm, samples)}
    for place in range(len(TEXTS)):
        assert states["rows"][place] == pytest.approx(states["tree"][place], abs=1e-4)
        assert states["apart"][place] == pytest.approx(states["tree"][place], abs=1e-4)


def test_a_model_without_an_output_layer_of_its_own_has_no_hidden_states(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = load_arm(base, None, max_model_len=None)
    samples = list(enumerate(read_samples(pass_job(tmp_path, write_prompts(tmp_path)), arm)))
    monkeypatch.setattr(arm.model, "get_output_embeddings", lambda: None)
    assert [set(one.arrays) for one in read_boundary(arm, samples)] == [{"logprobs"}] * 4


def test_a_written_label_is_weighed_with_its_end(tmp_path: Path, base: BaseModel) -> None:
    arm = load_arm(base, None, max_model_len=None)
    prompts = write_prompts(tmp_path)
    bare, ended = (read_samples(pass_job(tmp_path, prompts, ended=ended), arm) for ended in (False, True))
    end = arm.tokenizer.eos_token_id
    for without, with_end in zip(bare, ended, strict=True):
        assert [
            [*tokens, end] for tokens in without.question.answer_tokens
        ] == with_end.question.answer_tokens
    first = ended[0]
    (reading,) = read_boundary(arm, [(0, first)])
    tokens = first.question.tokens + first.question.answer_tokens[1]
    with torch.inference_mode():
        logprobs = arm.model(input_ids=torch.tensor([tokens])).logits[0].log_softmax(dim=-1)
    start = len(first.question.tokens)
    by_hand = sum(float(logprobs[place - 1, tokens[place]]) for place in range(start, len(tokens)))
    assert reading.arrays["logprobs"][1] == pytest.approx(by_hand, abs=1e-4)


def test_a_text_of_10_000_tokens_costs_its_sample_alone(tmp_path: Path, base: BaseModel) -> None:
    prompts = PromptSet({"plain": "{text}"})
    samples = [
        Sample("long", {"text": "a " * 10_000}, "sales", TEAMS),
        Sample("b", {"text": "b"}, "sales", TEAMS),
    ]
    write_jsonl(tmp_path / "p", [prompt_row(prompts, sample, "plain") for sample in samples])
    job = pass_job(tmp_path, tmp_path / "p")
    record = InspectionWorker(base, max_model_len=None)(job.model_dump(mode="json"), lambda _: None)["record"]
    assert (record["samples"], record["failed"]) == (2, 1)
    assert "exceed the model's context" in record["error"]
    assert set(np.load(job.readings).files) == {"1.logprobs", "1.hidden"}


def test_where_memory_is_short_fewer_samples_are_read_at_once(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = load_arm(base, None, max_model_len=None)
    samples = list(enumerate(read_samples(pass_job(tmp_path, write_prompts(tmp_path)), arm)))
    longest = max(len(sample.question.tokens) for _, sample in samples)
    read = arm.reader.read

    def short_of_memory(questions: Any, shared: Any) -> Any:
        if len(questions) > 1 or len(questions[0].prompt) == longest:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        return read(questions, shared)

    monkeypatch.setattr(arm.reader, "read", short_of_memory)
    readings = {one.place: one for one in read_boundary(arm, samples)}
    assert [place for place, one in sorted(readings.items()) if one.error] == [3]
    assert readings[3].error == f"there is no memory for its {longest:,} tokens at once"
    assert all("hidden" in readings[place].arrays for place in range(3))


def test_another_fault_is_not_taken_for_a_lack_of_memory(
    tmp_path: Path, base: BaseModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    arm = load_arm(base, None, max_model_len=None)
    samples = list(enumerate(read_samples(pass_job(tmp_path, write_prompts(tmp_path)), arm)))

    def broken(*_: Any) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(arm.reader, "read", broken)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(read_boundary(arm, samples))


def test_parts_of_a_prompt_are_found_among_its_tokens(tmp_path: Path, base: BaseModel) -> None:
    named = [["system", "You sort mail."], ["question", "Which team?"], ["absent", "nowhere"], ["empty", ""]]
    arm = load_arm(base, None, max_model_len=None)
    job = pass_job(tmp_path, write_prompts(tmp_path, segments=named))
    for sample in read_samples(job, arm):
        assert [segment.name for segment in sample.segments] == ["system", "question"]
        for segment, (_, text) in zip(sample.segments, named[:2], strict=True):
            shown = arm.tokenizer.decode(sample.question.tokens[segment.begin : segment.end])
            assert text in shown and len(shown) <= len(text) + 8


def test_texts_that_recur_are_found_in_their_order(qwen3: Path) -> None:
    tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(qwen3)
    text = "yes no yes no"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    first, second = segments_of(tokenizer, text, ids, [("shown", "yes"), ("asked", "yes"), ("absent", "yes")])
    assert (first.name, second.name) == ("shown", "asked") and first.end <= len(ids) // 2 <= second.begin
    for segment in (first, second):
        assert "yes" in tokenizer.decode(ids[segment.begin : segment.end])
    # What the tokenizer puts before every text moves them by one.
    moved = segments_of(tokenizer, text, [7, *ids], [("shown", "yes")])
    assert moved == (Segment("shown", first.begin + 1, first.end + 1),)
    assert segments_of(tokenizer, text, ids[1:], [("shown", "yes")]) == ()


def test_a_worker_process_says_that_weights_are_gone_and_goes_on(tmp_path: Path, qwen3: Path) -> None:
    prompts = write_prompts(tmp_path)
    with Worker("harness.inspection", ["--model", str(qwen3)], log=tmp_path / "log") as worker:
        with pytest.raises(JobFailed, match=r"the weights folder .*gone does not exist"):
            worker.request(
                pass_job(tmp_path, prompts, tmp_path / "gone").model_dump(mode="json"), lambda _: None
            )
        heard: list[dict[str, Any]] = []
        record = worker.request(pass_job(tmp_path, prompts).model_dump(mode="json"), heard.append)["record"]
    assert record["failed"] == 0 and heard[-1]["done"] == heard[-1]["total"] == 4


def test_the_arm_is_loaded_once_for_several_passes(
    tmp_path: Path, base: BaseModel, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Path | None] = []

    def counted(base: BaseModel, weights: Path | None, **options: Any) -> LoadedArm:
        loaded.append(weights)
        return load_arm(base, weights, **options)

    monkeypatch.setattr("harness.inspection.__main__.load_arm", counted)
    worker, prompts = InspectionWorker(base, max_model_len=None), write_prompts(tmp_path)
    for arm in (None, None, weights, None):
        worker(pass_job(tmp_path, prompts, arm).model_dump(mode="json"), lambda _: None)
    assert loaded == [None, weights, None]
