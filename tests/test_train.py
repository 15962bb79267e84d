"""Real fine-tuning of a real toy model: what is learnt, what is recorded, what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from toy_models import QUICK, read_jsonl, toy, train, write_jsonl, write_rows

from harness.errors import UserError
from harness.task import Rendered
from harness.worker import JobFailed, Worker

pytest.importorskip("trl", reason="needs the train extra")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy("toy-qwen3", tmp_path_factory.mktemp("toys"))


@pytest.fixture(scope="module")
def worker(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    log = tmp_path_factory.mktemp("worker") / "log"
    with Worker("harness.train", ["--model", str(base)], log=log) as started:
        yield started


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_rows(tmp_path / "train.jsonl", "date_normalise", "train", count=48)
    write_rows(tmp_path / "dev.jsonl", "date_normalise", "dev", count=8)
    return tmp_path


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_lowers_the_dev_loss_and_keeps_both_curves(worker: Worker, folder: Path, method: str) -> None:
    record = train(worker, folder, method, QUICK)
    assert record["steps"] == 24
    assert [point["step"] for point in record["dev_curve"]] == [12, 24]
    assert record["best_dev_loss"] == min(point["loss"] for point in record["dev_curve"])
    first, last = record["train_curve"][0], record["train_curve"][-1]
    assert last["loss"] < first["loss"]


def test_tokens_are_those_of_the_samples_seen_without_padding(worker: Worker, base: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    from harness.encode import encode_answer, encode_prompt

    tokenizer = AutoTokenizer.from_pretrained(base)
    prompts = answers = 0
    for row in read_jsonl(folder / "train.jsonl"):
        prompts += len(encode_prompt(tokenizer, Rendered(**row["prompt"]), chat=True).token_ids)
        answers += len(encode_answer(tokenizer, Rendered(**row["prompt"]), row["target"], chat=True)) + 1
    two_epochs = QUICK.model_copy(update={"max_steps": -1, "num_train_epochs": 2.0})
    record = train(worker, folder, "full", two_epochs)
    assert record["tokens"] == 2 * (prompts + answers)
    assert record["target_tokens"] == 2 * answers
    assert record["flops"] == 6 * record["parameters"] * record["tokens"] + 2 * record["parameters"] * record["dev_tokens"]


def test_the_loss_is_the_mean_cross_entropy_of_the_answer_alone(worker: Worker, base: Path, folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.encode import encode_answer, encode_prompt

    write_jsonl(folder / "dev.jsonl", read_jsonl(folder / "dev.jsonl")[:1])
    barely = QUICK.model_copy(update={"learning_rate": 1e-12, "max_steps": 1, "eval_steps": 1})
    record = train(worker, folder, "full", barely)
    tokenizer, model = AutoTokenizer.from_pretrained(base), AutoModelForCausalLM.from_pretrained(base)
    (row,) = read_jsonl(folder / "dev.jsonl")
    prompt = encode_prompt(tokenizer, Rendered(**row["prompt"]), chat=True).token_ids
    answer = [*encode_answer(tokenizer, Rendered(**row["prompt"]), row["target"], chat=True), tokenizer.eos_token_id]
    with torch.no_grad():
        logprobs = model(torch.tensor([prompt + answer])).logits[0].log_softmax(dim=-1)
    by_hand = -sum(logprobs[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer)) / len(answer)
    assert record["best_dev_loss"] == pytest.approx(by_hand, rel=1e-4)


def test_the_same_seed_trains_the_same_weights(worker: Worker, folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    short = QUICK.model_copy(update={"max_steps": 4, "eval_steps": 4})
    saved = []
    for seed in (3, 3, 4):
        train(worker, folder, "lora", short, seed=seed)
        saved.append(load_file(folder / "lora" / "adapter_model.safetensors"))
    first, again, other = saved
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_stops_early_and_keeps_the_best_checkpoint(worker: Worker, folder: Path) -> None:
    import torch
    from safetensors.torch import load_file

    # A rate that first helps and then ruins: dev loss rises, and what was best must be what is saved.
    hot = QUICK.model_copy(
        update={"learning_rate": 0.03, "lr_scheduler_type": "constant", "max_steps": 60, "eval_steps": 2, "warmup_steps": 0}
    )
    hot = hot.model_copy(update={"early_stopping_patience": 2})
    record = train(worker, folder, "full", hot)
    assert record["stopped_early"]
    assert record["steps"] < 60
    assert record["best_step"] < record["steps"]
    until_best = hot.model_copy(update={"max_steps": record["best_step"]})
    kept = load_file(folder / "full" / "model.safetensors")
    train(worker, folder, "full", until_best)
    best = load_file(folder / "full" / "model.safetensors")
    assert all(torch.equal(kept[name], best[name]) for name in best)


def test_a_loss_that_is_no_number_fails_the_run_and_says_what_to_do(worker: Worker, folder: Path) -> None:
    wild = QUICK.model_copy(update={"learning_rate": 1e30, "max_grad_norm": 0.0, "warmup_steps": 0})
    with pytest.raises(JobFailed, match=r"became nan.*lower learning_rate"):
        train(worker, folder, "full", wild)
    assert train(worker, folder, "full", QUICK)["steps"] == 24, "the worker goes on with the next job"


def test_samples_over_max_length_are_left_out_and_counted(worker: Worker, folder: Path) -> None:
    rows: list[dict[str, Any]] = read_jsonl(folder / "train.jsonl")
    rows[0]["prompt"]["messages"][0]["content"] = "word " * 400
    write_jsonl(folder / "train.jsonl", rows)
    record = train(worker, folder, "lora", QUICK)
    assert (record["samples"], record["samples_left_out"]) == (47, 1)


def test_when_every_sample_is_too_long_the_run_fails_with_a_sentence(worker: Worker, folder: Path) -> None:
    with pytest.raises(JobFailed, match="every training sample is longer than 4 tokens; raise max_length"):
        train(worker, folder, "lora", QUICK.model_copy(update={"max_length": 4}))


def test_an_adapter_trains_a_small_share_of_the_parameters(worker: Worker, folder: Path) -> None:
    record = train(worker, folder, "lora", QUICK)
    assert 0 < record["trainable_parameters"] < 0.2 * record["parameters"]
    assert (folder / "lora" / "adapter_config.json").exists()
    frozen = record["parameters"] - record["trainable_parameters"]
    training = 4 * frozen * record["tokens"] + 6 * record["trainable_parameters"] * record["tokens"]
    assert record["flops"] == pytest.approx(training + 2 * record["parameters"] * record["dev_tokens"])


def test_chat_rendering_asked_of_a_tokenizer_without_a_template_is_an_error(folder: Path, base: Path) -> None:
    from transformers import AutoTokenizer

    from harness.encode import uses_chat_template

    tokenizer = AutoTokenizer.from_pretrained(base)
    assert uses_chat_template(tokenizer, None)
    tokenizer.chat_template = None
    assert not uses_chat_template(tokenizer, None)
    with pytest.raises(UserError, match="has no chat template; set chat = false"):
        uses_chat_template(tokenizer, True)
