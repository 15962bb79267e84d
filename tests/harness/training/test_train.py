"""Real fine-tuning of a real toy model: what is learnt, what is recorded, what is refused."""

from pathlib import Path
from typing import Any

import pytest
from installed import need
from toy_models import BRIEF, QUICK, fit, fit_job, read_jsonl, train, write_jsonl

from harness.errors import UserError
from harness.task import Rendered
from harness.workers.worker import JobFailed, Worker

need("trl", reason="needs the train extra")


@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_lowers_the_dev_loss_and_keeps_both_curves(
    trainer: Worker, dates: Path, method: str
) -> None:
    record = train(trainer, dates, method, QUICK)
    assert record["steps"] == 24
    assert [point["step"] for point in record["dev_curve"]] == [0, 12, 24]
    assert record["best_dev_loss"] == min(point["loss"] for point in record["dev_curve"])
    first, last = record["train_curve"][0], record["train_curve"][-1]
    assert last["loss"] < first["loss"]


def test_tokens_are_those_of_the_samples_seen_without_padding(
    trainer: Worker, qwen3: Path, dates: Path
) -> None:
    from transformers import AutoTokenizer

    from harness.engines.encode import PromptEncoder

    tokenizer = AutoTokenizer.from_pretrained(qwen3)
    prompts = answers = 0
    rows = read_jsonl(dates / "train.jsonl")
    pairs = [(Rendered(**row["prompt"]), row["target"]) for row in rows]
    for sample in PromptEncoder(tokenizer, True).completed(pairs):
        prompts += len(sample.prompt)
        answers += len(sample.answer)
    two_epochs = QUICK.model_copy(update={"max_steps": -1, "num_train_epochs": 2.0})
    record = train(trainer, dates, "full", two_epochs)
    assert record["tokens"] == 2 * (prompts + answers)
    assert record["target_tokens"] == 2 * answers
    assert (
        record["flops"]
        == 6 * record["parameters"] * record["tokens"] + 2 * record["parameters"] * record["dev_tokens"]
    )


def test_the_loss_is_the_mean_cross_entropy_of_the_answer_alone(
    trainer: Worker, qwen3: Path, dates: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.engines.encode import PromptEncoder

    write_jsonl(dates / "dev.jsonl", read_jsonl(dates / "dev.jsonl")[:1])
    barely = QUICK.model_copy(update={"learning_rate": 1e-12, "max_steps": 1, "eval_steps": 1})
    record = train(trainer, dates, "full", barely)
    tokenizer, model = AutoTokenizer.from_pretrained(qwen3), AutoModelForCausalLM.from_pretrained(qwen3)
    (row,) = read_jsonl(dates / "dev.jsonl")
    pair = Rendered(**row["prompt"]), row["target"]
    (sample,) = PromptEncoder(tokenizer, True).completed([pair])
    prompt, answer = sample.prompt, sample.answer
    assert answer[-1] == tokenizer.eos_token_id
    with torch.no_grad():
        logprobs = model(torch.tensor([prompt + answer])).logits[0].log_softmax(dim=-1)
    by_hand = -sum(
        logprobs[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer)
    ) / len(answer)
    assert record["best_dev_loss"] == pytest.approx(by_hand, rel=1e-4)


def test_the_same_seed_trains_the_same_weights(trainer: Worker, dates: Path) -> None:
    import torch
    from safetensors.torch import load_file

    short = QUICK.model_copy(update={"max_steps": 4, "eval_steps": 4})
    saved = []
    for seed in (3, 3, 4):
        train(trainer, dates, "lora", short, seed=seed)
        saved.append(load_file(dates / "lora" / "adapter_model.safetensors"))
    first, again, other = saved
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_training_stops_early_and_keeps_the_best_checkpoint(trainer: Worker, dates: Path) -> None:
    import torch
    from safetensors.torch import load_file

    # A rate that first helps and then ruins: dev loss rises, and what was best must be what is saved.
    hot = QUICK.model_copy(
        update={
            "learning_rate": 0.03,
            "lr_scheduler_type": "constant",
            "max_steps": 60,
            "eval_steps": 2,
            "warmup_steps": 0,
        }
    )
    hot = hot.model_copy(update={"early_stopping_patience": 2})
    record = train(trainer, dates, "full", hot)
    assert record["stopped_early"]
    assert record["steps"] < 60
    assert record["best_step"] < record["steps"]
    until_best = hot.model_copy(update={"max_steps": record["best_step"]})
    kept = load_file(dates / "full" / "model.safetensors")
    train(trainer, dates, "full", until_best)
    best = load_file(dates / "full" / "model.safetensors")
    assert all(torch.equal(kept[name], best[name]) for name in best)


def test_a_loss_that_is_no_number_fails_the_run_and_says_what_to_do(trainer: Worker, dates: Path) -> None:
    wild = QUICK.model_copy(update={"learning_rate": 1e15, "max_grad_norm": 0.0, "warmup_steps": 0})
    with pytest.raises(JobFailed, match=r"became nan.*lower learning_rate"):
        train(trainer, dates, "full", wild)
    assert train(trainer, dates, "full", BRIEF)["steps"] == 2, "the worker goes on with the next job"


def test_samples_over_max_length_are_left_out_and_counted(trainer: Worker, dates: Path) -> None:
    rows: list[dict[str, Any]] = read_jsonl(dates / "train.jsonl")
    rows[0]["prompt"]["messages"][0]["content"] = "word " * 400
    write_jsonl(dates / "train.jsonl", rows)
    record = train(trainer, dates, "lora", BRIEF)
    assert (record["samples"], record["samples_left_out"]) == (47, 1)


def test_dev_samples_over_max_length_are_left_out_counted_and_told(trainer: Worker, dates: Path) -> None:
    rows: list[dict[str, Any]] = read_jsonl(dates / "dev.jsonl")
    for row in rows[1:]:
        row["prompt"]["messages"][0]["content"] = "word " * 400
    write_jsonl(dates / "dev.jsonl", rows)
    told: list[str] = []
    job = fit_job(dates, "lora", QUICK.model_copy(update={"max_steps": 1, "eval_steps": 1}))
    record = fit(trainer, job, lambda message: told.append(message.get("note", "")))
    assert (record["samples_left_out"], record["dev_samples"], record["dev_samples_left_out"]) == (0, 1, 7)
    assert [note for note in told if note] == [
        "toy/lora: 7 of 8 dev samples are longer than 256 tokens and were left out; raise max_length, unless "
        "that is the model's own context"
    ]


def test_a_training_reports_its_steps_with_the_loss_of_the_last(trainer: Worker, dates: Path) -> None:
    told: list[dict[str, Any]] = []
    steps = QUICK.model_copy(update={"max_steps": 3, "eval_steps": 3})
    record = fit(trainer, fit_job(dates, "lora", steps), told.append)
    assert (told[0]["done"], told[0]["total"], told[0]["loss"]) == (0, 3, None), "while dev is read"
    assert told[-1]["done"] == 3
    assert told[-1]["loss"] == record["train_curve"][-1]["loss"]


def test_few_samples_that_are_too_long_are_no_warning() -> None:
    from harness.training.samples import Samples

    sample = {"input_ids": [1], "labels": [1]}
    few = Samples(
        train=[sample] * 90,
        dev=[sample] * 89,
        dev_rows=[],
        interim_dev=[],
        tasks=[],
        left_out=10,
        dev_left_out=11,
    )
    assert few.warnings(longest=4) == [
        "11 of 100 dev samples are longer than 4 tokens and were left out; raise max_length, unless that is "
        "the model's own context"
    ]


@pytest.mark.parametrize("tuner", ["lora", "dora"])
def test_an_adapter_beside_tied_embeddings_is_refused_before_the_training(
    trainer: Worker, dates: Path, tuner: str
) -> None:
    tied = QUICK.model_copy(update={"target_modules": ("q_proj", "v_proj", "embed_tokens")})
    with pytest.raises(JobFailed, match=r"^target_modules: 'embed_tokens' reaches .* \(tied embeddings\)"):
        train(trainer, dates, tuner, tied)


def test_when_every_sample_is_too_long_the_run_fails_with_a_sentence(trainer: Worker, dates: Path) -> None:
    with pytest.raises(JobFailed, match="every training sample is longer than 4 tokens; raise max_length"):
        train(trainer, dates, "lora", QUICK.model_copy(update={"max_length": 4}))


def test_an_adapter_trains_a_small_share_of_the_parameters(trainer: Worker, dates: Path) -> None:
    record = train(trainer, dates, "lora", BRIEF)
    assert 0 < record["trainable_parameters"] < 0.2 * record["parameters"]
    assert (dates / "lora" / "adapter_config.json").exists()
    frozen = record["parameters"] - record["trainable_parameters"]
    training = 4 * frozen * record["tokens"] + 6 * record["trainable_parameters"] * record["tokens"]
    assert record["flops"] == pytest.approx(training + 2 * record["parameters"] * record["dev_tokens"])


def test_chat_rendering_asked_of_a_tokenizer_without_a_template_is_an_error(dates: Path, qwen3: Path) -> None:
    from transformers import AutoTokenizer

    from harness.engines.encode import PromptEncoder

    tokenizer = AutoTokenizer.from_pretrained(qwen3)
    assert PromptEncoder(tokenizer, None).chat
    tokenizer.chat_template = None
    assert not PromptEncoder(tokenizer, None).chat
    with pytest.raises(UserError, match="has no chat template; set chat = false"):
        PromptEncoder(tokenizer, True)
