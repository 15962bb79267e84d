"""What earlier starts left in the work folder is used where it is whole, and put aside where it is damaged."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import make_run, task_card, training_record
from toy_models import fit_job
from toy_task import adding

from harness.data.dataset import load_dataset
from harness.data.loaded import LoadedTask
from harness.driver.kept import is_answered, is_trained
from harness.driver.render import Workshop
from harness.records.generation import GenerationRecord
from harness.records.predictions import EngineAnswer
from harness.records.probes import Probe, TrainingProbes, probes_beside
from harness.records.sealed import seal_beside, seal_weights
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.model_files import TRAINING
from harness.sweep.recipe import Training
from harness.sweep.settings import Generation
from harness.workers.jobs import AskJob, FitJob
from harness.workers.listener import Event, Note

RECORD = {
    "engine": "invented", "device": "cpu", "dtype": "float32", "chat_template": False, "swap_seconds": 0.0,
    "generate_seconds": 1.0, "requests": 2, "prompt_tokens": 2, "completion_tokens": 2, "flops": 1.0,
    "peak_memory_bytes": 1, "energy_joules": None,
}  # fmt: skip


class Told:
    """Hears what is told."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def __call__(self, event: Event) -> None:
        assert isinstance(event, Note)
        self.sentences.append(event.text)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def ask(tmp_path: Path) -> AskJob:
    """Three prompts in two draws, all answered but one that cannot be."""
    task = adding()
    shop = Workshop(tmp_path, {task.name: LoadedTask(task, load_dataset(task))})
    run = make_run("a", "zero_shot", task_card(task.name), 0, generation=Generation(n=2, temperature=1.0))
    run = run.model_copy(update={"limit": 3})
    shop.write_prompts(run)
    asked = shop.ask(run)
    lines = []
    for place, text in enumerate(asked.prompts.read_text().splitlines()):
        row = json.loads(text)
        prompt = EngineAnswer(
            place=place, id=row["id"], template=row["template"], prompt="?", prompt_tokens=1, truncated=0
        )
        if place == 1:
            lines.append(replace(prompt, error="too long").line())
        else:
            lines += [
                replace(prompt, draw=draw, completion="2", completion_tokens=1).line() for draw in (1, 0)
            ]
    asked.completions.write_text("".join(lines))
    write_record(asked.record, GenerationRecord.model_validate(RECORD))
    return asked


def test_answers_that_are_whole_are_kept(ask: AskJob, told: Told) -> None:
    assert is_answered(ask, told)
    assert told.sentences == []


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[:-20], id="cut within a line"),
        pytest.param(lambda text: text[: text[:-1].rindex("\n") + 1], id="cut between lines"),
        pytest.param(lambda text: text[text.index("\n") + 1 :], id="a draw is missing"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: "\0" * len(text), id="zeros, as after a power cut"),
        pytest.param(lambda text: text + text, id="twice"),
        pytest.param(lambda text: text.replace('"place": 0', '"place": [0]'), id="of another type"),
        pytest.param(lambda text: text.replace('"place"', '"where"'), id="of another version"),
        pytest.param(lambda text: text.replace('"completion": "2", ', "", 1), id="an answer without text"),
        pytest.param(lambda text: text.replace('"id": "', '"id": "x', 1), id="of another sample"),
        pytest.param(lambda text: "\udce4", id="not UTF-8"),
    ],
)
def test_damaged_answers_are_put_aside_and_named(
    ask: AskJob, told: Told, damage: Callable[[str], str]
) -> None:
    damaged = damage(ask.completions.read_text()).encode(errors="surrogateescape")
    ask.completions.write_bytes(damaged)
    assert not is_answered(ask, told)
    aside = ask.completions.with_name("completions.jsonl.damaged-1")
    assert aside.read_bytes() == damaged
    assert not ask.completions.exists()
    (sentence,) = told.sentences
    assert sentence.startswith(f"{ask.label}: {ask.completions} is damaged (")
    assert sentence.endswith("): it is kept as completions.jsonl.damaged-1, and made again")
    assert not is_answered(ask, told)
    assert len(told.sentences) == 1


def test_a_damaged_record_of_answers_is_put_aside_each_time_under_a_name_of_its_own(
    ask: AskJob, told: Told
) -> None:
    for number in (1, 2):
        ask.record.write_text('{"engine": "vl')
        assert not is_answered(ask, told)
        assert ask.record.with_name(f"generation.json.damaged-{number}").exists()
    assert len(told.sentences) == 2


def aside(path: Path) -> Path:
    """What is put aside for the first time is called."""
    return path.with_name(f"{path.name}.damaged-1")


@pytest.fixture
def fit(tmp_path: Path) -> FitJob:
    """A training that has ended, as its worker and the driver leave it."""
    recipe = make_run("a", "lora", task_card(), 0).recipe
    assert recipe is not None
    job = fit_job(tmp_path, "lora", Training(), key=recipe.key)
    job.weights.mkdir(parents=True)
    (job.weights / "adapter_config.json").write_text("{}")
    (job.weights / "adapter_model.safetensors").write_bytes(bytes(1000))
    record = training_record(recipe)
    write_record(job.weights / TRAINING, record)
    probe = Probe(prompt={"text": "?"}, target="2", prompt_tokens=(1,), answer_tokens=(2,), logprobs=(-0.5,))
    probes = TrainingProbes(dtype="float32", four_bits=False, probes=(probe,))
    write_record(probes_beside(job.weights), probes)
    seal_weights(job.weights)
    write_record(job.record, record.model_copy(update={"startup_seconds": 3.0}))
    return job


def test_trained_weights_that_are_whole_are_kept(fit: FitJob, told: Told) -> None:
    assert is_trained(fit, told)
    (fit.weights / "README.md").write_text("a card, which is written later")
    assert is_trained(fit, told)
    assert told.sentences == []


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_config.json"])
@pytest.mark.parametrize("content", [b"", bytes(999) + b"1"], ids=["empty", "changed"])
def test_damaged_weights_are_put_aside_and_trained_again(
    fit: FitJob, told: Told, file: str, content: bytes
) -> None:
    (fit.weights / file).write_bytes(content)
    assert not is_trained(fit, told)
    assert not fit.weights.exists()
    assert (aside(fit.weights) / file).read_bytes() == content
    assert aside(probes_beside(fit.weights)).exists()
    assert told.sentences == [
        f"{fit.label}: {fit.weights} is damaged (its files are not those that the training wrote): it is kept as "
        f"{fit.weights.name}.damaged-1, and made again"
    ]


def of_another_training(fit: FitJob) -> TrainingRecord:
    return read_record(fit.weights / TRAINING, TrainingRecord).model_copy(update={"key": "another"})


def test_weights_of_another_training_are_put_aside(fit: FitJob, told: Told) -> None:
    """A whole folder of another base's training had been put in its place: its record was taken for this one's."""
    record = of_another_training(fit)
    write_record(fit.weights / TRAINING, record)
    write_record(fit.record, record)
    assert not is_trained(fit, told)
    assert not fit.weights.exists()
    assert told.sentences[0] == (
        f"{fit.label}: {fit.weights} is damaged (it is of another training, with the key another): it is kept as "
        f"{fit.weights.name}.damaged-1, and made again"
    )


def test_a_record_of_another_training_is_answered_again_by_the_worker(fit: FitJob, told: Told) -> None:
    write_record(fit.record, of_another_training(fit))
    assert not is_trained(fit, told)
    assert fit.weights.exists()
    assert "training.json is damaged (it is of another training, with the key another)" in told.sentences[0]


def test_weights_without_their_own_probes_are_trained_again(fit: FitJob, told: Told) -> None:
    probes_beside(fit.weights).write_text("{")
    assert not is_trained(fit, told)
    assert not fit.weights.exists()
    assert "probes.json is not what the training wrote" in told.sentences[0]


def test_a_damaged_record_of_a_training_is_answered_again_by_the_worker(fit: FitJob, told: Told) -> None:
    fit.record.write_text("")
    assert not is_trained(fit, told)
    assert fit.weights.exists()
    assert aside(fit.record).exists()


def test_a_damaged_record_beside_weights_is_written_again(fit: FitJob, told: Told) -> None:
    beside = fit.weights / TRAINING
    beside.write_text("")
    assert is_trained(fit, told)
    assert read_record(beside, TrainingRecord).key == fit.key
    assert aside(beside).exists()


def test_a_damaged_seal_is_written_again_and_weights_without_one_are_of_an_earlier_version(
    fit: FitJob, told: Told
) -> None:
    seal = seal_beside(fit.weights)
    seal.write_text("")
    assert is_trained(fit, told)
    assert len(told.sentences) == 1
    assert aside(seal).exists()
    seal.unlink()
    assert is_trained(fit, told)
    assert len(told.sentences) == 1


def test_answers_of_an_engine_that_a_guard_failed_are_generated_again(ask: AskJob, told: Told) -> None:
    for passed in (True, False):
        guard = {"name": "base_repeats", "passed": passed, "value": 0.0, "bound": 0.0}
        write_record(ask.record, GenerationRecord.model_validate(RECORD | {"guards": [guard]}))
        assert is_answered(ask, told) == passed
    assert ask.completions.exists()
    assert told.sentences == []
