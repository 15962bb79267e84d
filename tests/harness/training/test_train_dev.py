"""What a training says of dev: its loss, the task's metric, and whether it went astray."""

from pathlib import Path

import pytest
from installed import need
from toy_models import QUICK, ask_job, fit, fit_job, in_order, read_jsonl, scoring_job, train, write_jsonl

from harness.records.training import CurvePoint
from harness.task import Rendered
from harness.training.curves import divergence, not_a_number
from harness.workers.worker import JobFailed, Message, Worker

need("trl", reason="needs the train extra")

SHORT = QUICK.model_copy(update={"max_steps": 6, "eval_steps": 2})
BY_METRIC = SHORT.model_copy(update={"metric_for_best_model": "task_metric", "eval_samples": 5})


class Driver:
    """Answers what the worker asks with values that it was given, and keeps the answers that it was shown."""

    def __init__(self, values: list[float], *, higher_is_better: bool) -> None:
        self._values, self._higher_is_better = list(values), higher_is_better
        self.shown: list[list[Message]] = []

    def __call__(self, question: Message) -> Message:
        self.shown.append(in_order(Path(question["completions"])))
        assert question["samples"] == len(self.shown[-1])
        return {"value": self._values.pop(0), "higher_is_better": self._higher_is_better}


@pytest.mark.parametrize(("higher", "best"), [(True, 2), (False, 6)])
def test_the_tasks_metric_chooses_the_checkpoint(
    trainer: Worker, dates: Path, higher: bool, best: int
) -> None:
    driver = Driver([0.5, 0.4, 0.3, 0.2], higher_is_better=higher)
    judged = ask_job(dates / "dev.jsonl", dates / "answers.jsonl", weights=None, output="generate")
    record = fit(trainer, fit_job(dates, "lora", BY_METRIC, judged=judged), answer_question=driver)
    assert [(point["step"], point["metric"]) for point in record["dev_curve"]] == [
        (0, 0.5),
        (2, 0.4),
        (4, 0.3),
        (6, 0.2),
    ]
    assert record["best_step"] == best
    assert record["best_metric"] == {2: 0.4, 6: 0.2}[best]
    assert [len(rows) for rows in driver.shown] == [5, 5, 5, 5]


def test_a_metric_without_prompts_to_answer_is_refused(trainer: Worker, dates: Path) -> None:
    with pytest.raises(JobFailed, match="set 'eval_loss' for a mixture"):
        train(trainer, dates, "lora", BY_METRIC)


def test_the_tasks_metric_stops_early(trainer: Worker, dates: Path) -> None:
    patient = BY_METRIC.model_copy(update={"max_steps": 20, "early_stopping_patience": 2})
    driver = Driver([0.1, 0.5, 0.4, 0.4], higher_is_better=True)
    judged = ask_job(dates / "dev.jsonl", dates / "answers.jsonl", weights=None, output="generate")
    record = fit(trainer, fit_job(dates, "lora", patient, judged=judged), answer_question=driver)
    assert record["stopped_early"]
    assert (record["steps"], record["best_step"]) == (6, 2)


@pytest.mark.parametrize("tuner", ["lora", "full"])
@pytest.mark.parametrize("output", ["generate", "choice", "perplexity"])
def test_answers_in_the_middle_of_a_training_are_those_of_its_weights(
    trainer: Worker, qwen3: Path, dates: Path, tuner: str, output: str
) -> None:
    """The last evaluation's, held to the answers of an engine that loads the weights from their dates."""
    from harness.engines.scoring import ScoringWorker
    from harness.engines.transformers import TransformersEngine

    rows = read_jsonl(dates / "dev.jsonl")
    for row in rows:
        row["choices"] = ["2024-01-01", row["target"], "1999-12-31"]
    write_jsonl(dates / "asked.jsonl", rows)
    driver = Driver([0.1, 0.2, 0.3, 0.4], higher_is_better=True)
    judged = ask_job(dates / "asked.jsonl", dates / "answers.jsonl", weights=None, output=output)
    record = fit(trainer, fit_job(dates, tuner, BY_METRIC, judged=judged), answer_question=driver)
    assert record["best_step"] == 6
    write_jsonl(dates / "first.jsonl", rows[:5])
    job = scoring_job(dates / "first.jsonl", dates / "out.jsonl", weights=dates / tuner, output=output)
    ScoringWorker(TransformersEngine(str(qwen3), None))(job, lambda _: None)
    for ours, theirs in zip(driver.shown[-1], in_order(dates / "out.jsonl"), strict=True):
        assert ours["completion"] == theirs["completion"]
        for name in ("choice_logprobs", "logprob"):
            if name in theirs:
                assert ours[name] == pytest.approx(theirs[name], abs=1e-3)
    if output == "generate":
        assert driver.shown[0] != driver.shown[-1], "the adapter takes part"


def test_judging_changes_nothing_but_the_choice(trainer: Worker, dates: Path) -> None:
    import torch
    from safetensors.torch import load_file

    dropping = {"lora_dropout": 0.2}
    train(trainer, dates, "lora", SHORT.model_copy(update=dropping), weights=dates / "unjudged")
    judged = ask_job(
        dates / "dev.jsonl",
        dates / "answers.jsonl",
        weights=None,
        output="generate",
        sampling={"max_tokens": 8, "temperature": 1.0},
    )
    driver = Driver([0.1, 0.2, 0.3, 0.4], higher_is_better=True)
    record = fit(
        trainer,
        fit_job(dates, "lora", BY_METRIC.model_copy(update=dropping), judged=judged),
        answer_question=driver,
    )
    assert record["best_step"] == 6
    ours, theirs = (load_file(dates / name / "adapter_model.safetensors") for name in ("lora", "unjudged"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_tokens_of_judged_answers_count_as_dev_tokens(trainer: Worker, dates: Path) -> None:
    plain = train(trainer, dates, "lora", SHORT)
    judged = ask_job(dates / "dev.jsonl", dates / "answers.jsonl", weights=None, output="generate")
    driver = Driver([0.1, 0.2, 0.3, 0.4], higher_is_better=True)
    record = fit(
        trainer,
        fit_job(dates, "lora", BY_METRIC, judged=judged, weights=dates / "judged"),
        answer_question=driver,
    )
    answers = [row for rows in driver.shown for row in rows]
    tokens = sum(row["prompt_tokens"] + row["completion_tokens"] for row in answers)
    assert record["dev_tokens"] == plain["dev_tokens"] + tokens


def test_the_dev_loss_is_a_mean_over_tokens_not_over_batches(
    trainer: Worker, qwen3: Path, dates: Path
) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from harness.engines.encode import PromptEncoder

    rows = read_jsonl(dates / "dev.jsonl")[:5]
    for place, row in enumerate(rows):
        row["target"] = "1 " * (3 * place) + row["target"]
    write_jsonl(dates / "dev.jsonl", rows)
    barely = SHORT.model_copy(
        update={"learning_rate": 1e-12, "max_steps": 1, "eval_steps": 1, "per_device_train_batch_size": 1}
    )
    record = train(trainer, dates, "full", barely)
    tokenizer, model = AutoTokenizer.from_pretrained(qwen3), AutoModelForCausalLM.from_pretrained(qwen3)
    total = count = 0.0
    for row in rows:
        pair = Rendered(**row["prompt"]), row["target"]
        (sample,) = PromptEncoder(tokenizer, True).completed([pair])
        prompt, answer = sample.prompt, sample.answer
        assert answer[-1] == tokenizer.eos_token_id
        with torch.no_grad():
            logprobs = model(torch.tensor([prompt + answer])).logits[0].log_softmax(dim=-1)
        total -= sum(logprobs[len(prompt) - 1 + place, token].item() for place, token in enumerate(answer))
        count += len(answer)
    assert record["best_dev_loss"] == pytest.approx(total / count, rel=1e-4)


def test_the_end_of_a_training_reads_more_of_dev_than_evaluations_before(
    trainer: Worker, qwen3: Path, dates: Path
) -> None:
    import torch
    from safetensors.torch import load_file
    from transformers import AutoTokenizer

    from harness.engines.encode import PromptEncoder

    once = SHORT.model_copy(update={"eval_steps": 6})
    whole = train(trainer, dates, "lora", once, weights=dates / "whole")
    record = train(trainer, dates, "lora", once.model_copy(update={"interim_eval_samples": 3}))
    ours, theirs = (load_file(dates / name / "adapter_model.safetensors") for name in ("lora", "whole"))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (record["dev_samples"], record["final_dev_samples"]) == (3, 8)
    assert record["final_dev_loss"] == pytest.approx(whole["best_dev_loss"], rel=1e-5)
    assert record["best_dev_loss"] != pytest.approx(record["final_dev_loss"], rel=1e-3)
    assert (whole["final_dev_samples"], whole["final_dev_loss"]) == (0, None)
    assert [point["step"] for point in record["dev_curve"]] == [0, 6]
    encoder = PromptEncoder(AutoTokenizer.from_pretrained(qwen3), None)
    rows = read_jsonl(dates / "dev.jsonl")
    lengths = [
        len(sample.prompt) + len(sample.answer)
        for sample in encoder.completed([(Rendered(**row["prompt"]), row["target"]) for row in rows])
    ]
    assert record["dev_tokens"] == 2 * sum(lengths[:3]) + sum(lengths)


def test_the_end_of_a_training_judges_the_weights_that_are_kept(trainer: Worker, dates: Path) -> None:
    nearly_all = BY_METRIC.model_copy(update={"eval_samples": 8, "interim_eval_samples": 7})
    driver = Driver([0.1, 0.5, 0.4, 0.3], higher_is_better=True)
    judged = ask_job(dates / "dev.jsonl", dates / "answers.jsonl", weights=None, output="generate")
    record = fit(trainer, fit_job(dates, "lora", nearly_all, judged=judged), answer_question=driver)
    assert [len(rows) for rows in driver.shown] == [7, 7, 7, 7]
    away = {point["step"]: abs(point["loss"] - record["final_dev_loss"]) for point in record["dev_curve"]}
    assert record["best_step"] == min(away, key=away.__getitem__) == 2


# Divergence


def points(*losses: float, first_step: int = 1) -> list[CurvePoint]:
    return [CurvePoint(step=step, epoch=1.0, loss=loss) for step, loss in enumerate(losses, first_step)]


def test_a_training_that_goes_well_did_not_diverge() -> None:
    assert divergence(points(3.0, 2.0, 1.0, 1.1, 0.9), points(3.0, 2.0, 1.0, first_step=0)) == ""


def test_a_loss_that_is_no_number_before_the_first_step_is_not_blamed_on_the_learning_rate() -> None:
    assert "weights that the training starts from are damaged" in not_a_number("eval_loss", float("nan"), 0)
    assert not_a_number("loss", float("nan"), 7) == "loss became nan at step 7; lower learning_rate"


def test_a_training_loss_that_ends_above_its_start_is_said() -> None:
    assert divergence(points(1.0, 2.0, 4.0), []) == "the training loss rose from 1 to 4; lower learning_rate"


def test_a_training_without_a_gradient_is_said() -> None:
    still = [CurvePoint(step=step, epoch=1.0, loss=1.0, grad_norm=0.0) for step in (1, 2)]
    assert "no gradient reached the weights" in divergence(still, points(1.0, 1.0, first_step=0))
    moving = [*still, CurvePoint(step=3, epoch=1.0, loss=1.0, grad_norm=0.1)]
    assert divergence(moving, []) == ""


def test_a_dev_loss_that_never_beats_the_untrained_model_is_said() -> None:
    assert "was 1 before training and never below 2" in divergence(
        points(1.0, 0.5), points(1.0, 2.0, 3.0, first_step=0)
    )


def test_a_dev_loss_that_rises_after_its_best_is_only_overfitting() -> None:
    assert divergence(points(1.0, 0.5), points(1.0, 0.8, 3.0, first_step=0)) == ""


def test_a_diverged_training_is_flagged_and_so_is_its_card(trainer: Worker, dates: Path) -> None:
    hot = SHORT.model_copy(update={"learning_rate": 0.3, "lr_scheduler_type": "constant", "warmup_steps": 0})
    record = train(trainer, dates, "full", hot)
    assert "lower learning_rate" in record["diverged"]
    assert "**Not to be trusted:**" in (dates / "full" / "README.md").read_text()
    assert train(trainer, dates, "full", SHORT)["diverged"] == ""
