"""What the training worker makes besides plain fine-tunes: other adapters, later stages, soups, meta-learnt
weights."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest
from installed import need
from toy_models import BRIEF, QUICK, fit, fit_job, train, write_jsonl, write_rows

from harness.sweep.models import fingerprint
from harness.sweep.recipe import MetaLearning
from harness.toys import toy_folder
from harness.workers.worker import JobFailed, Message, Worker, WorkerDied

need("trl", reason="needs the train extra")

SHORT = QUICK.model_copy(update={"max_steps": 6, "eval_steps": 3})


def rows(dates: Path) -> dict[str, Path]:
    return {"train": dates / "train.jsonl", "dev": dates / "dev.jsonl"}


def config_of(weights: Path) -> dict[str, Any]:
    return dict(json.loads((weights / "adapter_config.json").read_text()))


def merged(qwen3: Path, weights: Path | None) -> dict[str, Any]:
    """Every tensor of an arm, as any engine is given it."""
    import torch

    from harness.engines.weights import load_model

    return dict(load_model(str(qwen3), None, weights, dtype=torch.float32).state_dict())


# Tuners


def test_dora_trains_magnitudes_besides(trainer: Worker, qwen3: Path, dates: Path) -> None:
    from safetensors.torch import load_file

    record = train(trainer, dates, "dora", QUICK)
    assert record["tuner"] == "dora"
    assert record["train_curve"][-1]["loss"] < record["train_curve"][0]["loss"]
    assert config_of(dates / "dora")["use_dora"]
    assert any(
        "lora_magnitude_vector" in name for name in load_file(dates / "dora" / "adapter_model.safetensors")
    )
    tuned, untuned = merged(qwen3, dates / "dora"), merged(qwen3, None)
    assert any((tuned[name] != untuned[name]).any() for name in untuned)


def test_an_adapter_is_scaled_by_the_rule_it_is_given(trainer: Worker, dates: Path) -> None:
    train(trainer, dates, "lora", BRIEF.model_copy(update={"use_rslora": True}))
    assert config_of(dates / "lora")["use_rslora"]


@pytest.mark.parametrize("optim", ["adafactor", "sgd", "adamw_torch_fused"])
def test_other_optimisers_train_too(trainer: Worker, dates: Path, optim: str) -> None:
    record = train(trainer, dates, "full", SHORT.model_copy(update={"optim": optim}))
    assert record["best_dev_loss"] < record["dev_curve"][0]["loss"]


def test_checkpointed_gradients_give_the_same_losses_for_more_operations(
    trainer: Worker, dates: Path
) -> None:
    plain = train(trainer, dates, "lora", SHORT)
    again = train(trainer, dates, "lora", SHORT.model_copy(update={"gradient_checkpointing": True}))
    assert [point["loss"] for point in again["train_curve"]] == pytest.approx(
        [point["loss"] for point in plain["train_curve"]], rel=1e-4
    )
    assert again["flops"] == pytest.approx(plain["flops"] + 2 * plain["parameters"] * plain["tokens"])


def test_qlora_trains_beside_weights_of_four_bits(dates: Path) -> None:
    need("bitsandbytes")
    llama = toy_folder("toy-llama")
    undisturbed, disturbed = (fit_job(dates / name, "qlora", SHORT, **rows(dates)) for name in ("one", "two"))
    with Worker("harness.training", ["--model", str(llama)], log=dates / "log") as started:
        lora, record = train(started, dates, "lora", SHORT), fit(started, undisturbed)
        fit(started, disturbed.model_copy(update={"until": 0.5, "weights": dates / "rung"}))
        again = fit(started, disturbed)
    assert record["parameters"] == lora["parameters"]
    assert record["best_dev_loss"] < record["dev_curve"][0]["loss"]
    tuned, untuned = merged(llama, undisturbed.weights), merged(llama, None)
    assert any((tuned[name] != untuned[name]).any() for name in untuned)
    assert [point["loss"] for point in again["dev_curve"]] == [point["loss"] for point in record["dev_curve"]]


def test_qlora_of_a_model_that_bitsandbytes_cannot_multiply_is_refused(trainer: Worker, dates: Path) -> None:
    import torch

    need("bitsandbytes")
    if torch.cuda.is_available():
        pytest.skip("it can on CUDA")
    with pytest.raises(
        JobFailed, match=r"^tuner 'qlora': bitsandbytes cannot multiply .*; use 'lora' instead$"
    ):
        train(trainer, dates, "qlora", SHORT)


def test_qlora_without_bitsandbytes_is_refused_before_the_training(trainer: Worker, dates: Path) -> None:
    if importlib.util.find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is installed here")
    install = "pip install bitsandbytes, or use 'lora' instead"
    with pytest.raises(
        JobFailed, match=f"^tuner 'qlora' needs bitsandbytes, which is not installed here; {install}$"
    ):
        train(trainer, dates, "qlora", SHORT)
    with pytest.raises(JobFailed, match="optim = 'paged_adamw_8bit' needs bitsandbytes"):
        train(trainer, dates, "lora", SHORT.model_copy(update={"optim": "paged_adamw_8bit"}))


# Stages


@pytest.mark.parametrize("tuner", ["lora", "dora", "full"])
def test_a_stage_goes_on_from_the_weights_of_the_one_before(trainer: Worker, dates: Path, tuner: str) -> None:
    first = train(trainer, dates, tuner, QUICK)
    slowly = SHORT.model_copy(update={"learning_rate": 2e-4})
    second = train(trainer, dates, tuner, slowly, weights=dates / "second", start=dates / tuner)
    assert second["dev_curve"][0]["loss"] == pytest.approx(first["best_dev_loss"], rel=1e-4)
    assert second["trainable_parameters"] == first["trainable_parameters"] > 0
    assert second["best_dev_loss"] < second["dev_curve"][0]["loss"]


def test_weights_of_another_model_are_no_start(trainer: Worker, dates: Path) -> None:
    train(trainer, dates, "lora", BRIEF)
    config = config_of(dates / "lora") | {"r": 4}
    (dates / "lora" / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(JobFailed, match=r"adapter .* does not fit the base model"):
        train(trainer, dates, "lora", SHORT, weights=dates / "second", start=dates / "lora")


# Soups


@pytest.mark.parametrize("tuner", ["lora", "dora", "full"])
def test_a_soup_is_the_mean_of_its_members_weight_changes(
    trainer: Worker, qwen3: Path, dates: Path, tuner: str
) -> None:
    members = [dates / f"member{seed}" for seed in range(3)]
    for seed, member in enumerate(members):
        # Ranks and scalings of their own: what is averaged is what they do.
        settings = {"r": 4 + 2 * seed, "use_rslora": seed > 0} if tuner != "full" else {}
        train(trainer, dates, tuner, BRIEF.model_copy(update=settings), weights=member, seed=seed)
    soup = fit_job(dates, tuner, BRIEF, weights=dates / "soup", members=tuple(members))
    record = fit(trainer, soup)
    assert (record["steps"], record["tokens"], record["flops"], record["train_curve"]) == (0, 0, 0.0, [])
    assert record["tasks"] == ["date_normalise"]
    untuned, found = merged(qwen3, None), merged(qwen3, dates / "soup")
    each = [merged(qwen3, member) for member in members]
    for name, tensor in untuned.items():
        mean = sum(member[name] - tensor for member in each) / 3
        assert (found[name] - tensor - mean).abs().max() < 1e-5, name
    assert (dates / "soup" / "adapter_config.json").exists() == (tuner == "lora")
    assert fit(trainer, soup) == record


# Meta-learning


def test_meta_learning_does_not_pack_tasks_together(trainer: Worker, dates: Path) -> None:
    with pytest.raises(JobFailed, match="set packing = false for meta-learning"):
        train(trainer, dates, "lora", SHORT.model_copy(update={"packing": True}), meta=META)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    """Training rows of two tasks, and more of one than of the other."""
    rows = write_rows(tmp_path / "one.jsonl", "date_normalise", "train", count=40)
    rows += write_rows(tmp_path / "other.jsonl", "unit_conversion", "train", count=12)
    write_jsonl(tmp_path / "train.jsonl", rows)
    write_jsonl(tmp_path / "dev.jsonl", [])
    return tmp_path


META = MetaLearning(meta_steps=6, inner_steps=3)
INNER = QUICK.model_copy(update={"max_steps": -1, "per_device_train_batch_size": 4, "lora_dropout": 0.1})


def test_meta_learning_visits_tasks_and_keeps_a_curve_of_its_visits(trainer: Worker, tasks: Path) -> None:
    record = train(trainer, tasks, "lora", INNER, meta=META)
    assert [point["step"] for point in record["train_curve"]] == [3, 6, 9, 12, 15, 18]
    assert (record["steps"], record["best_step"], record["best_dev_loss"], record["dev_curve"]) == (
        18,
        18,
        None,
        [],
    )
    assert record["tasks"] == ["date_normalise", "unit_conversion"]
    assert record["samples"] == 52
    assert record["epochs"] == pytest.approx(18 * 4 / 52)
    assert record["dev_tokens"] == 0
    assert record["tokens"] > record["target_tokens"] > 0
    assert record["train_curve"][-1]["loss"] < record["train_curve"][0]["loss"]


def test_a_visit_goes_part_of_the_way(trainer: Worker, qwen3: Path, tasks: Path) -> None:
    """Of one visit, whose meta step has its full size."""
    constant = INNER.model_copy(update={"lr_scheduler_type": "constant", "warmup_steps": 0})
    ways = []
    for size in (1.0, 0.25):
        meta = MetaLearning(meta_steps=1, inner_steps=3, meta_step_size=size)
        train(trainer, tasks, "full", constant, meta=meta, weights=tasks / str(size))
        ways.append(
            {
                name: tensor - merged(qwen3, None)[name]
                for name, tensor in merged(qwen3, tasks / str(size)).items()
            }
        )
    whole, part = ways
    assert max(tensor.abs().max() for tensor in whole.values()) > 0
    assert all((part[name] - 0.25 * whole[name]).abs().max() < 1e-6 for name in whole)


def test_a_killed_meta_learning_goes_on_to_the_same_weights(
    trainer: Worker, qwen3: Path, tasks: Path
) -> None:
    import os
    import signal

    import torch
    from safetensors.torch import load_file

    def report(message: Message) -> None:
        if message.get("done") == 11:
            os.kill(started._process.pid, signal.SIGKILL)

    train(trainer, tasks, "lora", INNER, meta=META, weights=tasks / "undisturbed")
    disturbed = fit_job(tasks, "lora", INNER, meta=META)
    with (
        Worker("harness.training", ["--model", str(qwen3)], log=tasks / "log") as started,
        pytest.raises(WorkerDied),
    ):
        fit(started, disturbed, report)
    record = fit(trainer, disturbed)
    assert record["resumed_at"][0] % 3 == 0
    ours, theirs = (load_file(tasks / name / "adapter_model.safetensors") for name in ("lora", "undisturbed"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_visits_draw_a_tasks_rows_evenly() -> None:
    from harness.training.meta import visited_rows

    tasks = ["a"] * 5 + ["b"] * 3
    order = visited_rows(tasks, MetaLearning(meta_steps=40, inner_steps=2), samples_a_step=2, seed=1)
    assert len(order) == 40 * 2 * 2
    visits = [order[start : start + 4] for start in range(0, len(order), 4)]
    assert all(len({tasks[place] for place in visit}) == 1 for visit in visits)
    for task, places in (("a", range(5)), ("b", range(5, 8))):
        counts = [order.count(place) for place in places]
        assert max(counts) - min(counts) <= 1, task
    assert order != visited_rows(tasks, MetaLearning(meta_steps=40, inner_steps=2), samples_a_step=2, seed=2)


# What is saved


@pytest.mark.parametrize("tuner", ["lora", "full"])
def test_weights_come_with_a_card_that_says_what_they_are(trainer: Worker, dates: Path, tuner: str) -> None:
    from huggingface_hub import ModelCard

    record = train(trainer, dates, tuner, BRIEF)
    card = ModelCard.load(dates / tuner / "README.md")
    assert card.data.library_name == ("peft" if tuner == "lora" else "transformers")
    for said in (
        "48 samples",
        "`date_normalise`",
        "| `learning_rate` | `0.002` |",
        f"{record['tokens']:,} tokens",
    ):
        assert said in card.text, said


def test_a_card_takes_scores_and_gains_when_they_are_known(trainer: Worker, qwen3: Path, dates: Path) -> None:
    from huggingface_hub import ModelCard

    from harness.records.training import TrainingRecord
    from harness.training.modelcard import Score, model_card

    record = TrainingRecord.model_validate(train(trainer, dates, "lora", BRIEF))
    score = Score("date_normalise", "exact_match", 0.5, 0.4, 0.6, 100)
    gain = Score("date_normalise", "exact_match", 0.25, None, 0.5, 100, over="zero_shot")
    text = model_card(str(qwen3), None, fit_job(dates, "lora", BRIEF), record, scores=[score], gains=[gain])
    card = ModelCard(text)
    (result,) = card.data.eval_results
    assert (result.metric_type, result.metric_value) == ("exact_match", 0.5)
    assert "| date_normalise | exact_match | 0.5 | 0.4 to 0.6 | 100 |" in card.text
    assert "| date_normalise | exact_match | zero_shot | +0.25 | … to 0.5 | 100 |" in card.text


def test_weights_load_with_their_own_libraries(trainer: Worker, qwen3: Path, dates: Path) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    for tuner, library in (("lora", AutoPeftModelForCausalLM), ("full", AutoModelForCausalLM)):
        train(trainer, dates, tuner, BRIEF)
        assert library.from_pretrained(dates / tuner).num_parameters() > 0
        assert AutoTokenizer.from_pretrained(dates / tuner).chat_template


def test_the_record_beside_weights_is_no_part_of_them(trainer: Worker, dates: Path) -> None:
    train(trainer, dates, "full", BRIEF)
    before = fingerprint(str(dates / "full"), None)
    record = json.loads((dates / "full" / "training.json").read_text())
    (dates / "full" / "training.json").write_text(json.dumps(record | {"load_seconds": 7.0}))
    assert fingerprint(str(dates / "full"), None) == before


# Logs


def test_tensorboard_gets_the_curves(trainer: Worker, dates: Path) -> None:
    need("tensorboard")
    train(trainer, dates, "lora", BRIEF, report_to=("tensorboard",))
    assert list((dates / "logs").glob("events.out.tfevents.*"))


def test_a_tracker_that_is_missing_is_named(trainer: Worker, dates: Path) -> None:
    with pytest.raises(
        JobFailed, match=r"^report_to: tracker 'tensorbord' not found. Did you mean 'tensorboard'\? There are"
    ):
        train(trainer, dates, "lora", SHORT, report_to=("tensorbord",))
    missing = "needs a package that is not installed here; pip install clearml"
    with pytest.raises(JobFailed, match=f"^report_to = 'clearml' {missing}$"):
        train(trainer, dates, "lora", SHORT, report_to=("clearml",))
