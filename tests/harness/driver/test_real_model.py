"""From a table to a page with a real pre-trained model, in a few steps of training and a few answers."""

import csv
import importlib.util
from pathlib import Path

import pytest
from commands import gainboard
from installed import need
from session import once

from harness.records.result import Result
from harness.records.store import read_results
from harness.sweep.models import fingerprint
from harness.toys.packaged import PACKAGED

MODEL = "gainboard/smollm2-135m"
ANIMALS = (
    "cat dog horse cow sheep goat pig lion tiger bear wolf fox deer rabbit mouse rat monkey elephant giraffe "
    "zebra camel donkey duck goose hen owl eagle crow swan frog"
)
PLANTS = (
    "oak pine birch maple willow rose tulip daisy lily orchid fern moss ivy grass clover wheat barley rice "
    "corn potato carrot onion cabbage lettuce spinach bamboo cactus palm elm ash"
)

SWEEP = """
name = "kinds"
tasks = ["kinds"]
seeds = [0]
n_train = 16

[defaults.training]
max_steps = 2
per_device_train_batch_size = 4
eval_steps = 2
eval_samples = 4

[defaults.lora]
learning_rate = 1e-3
r = 4

[[candidates]]
name = "smollm2"
model = "gainboard/smollm2-135m"
methods = ["zero_shot", "lora"]
"""


def make(folder: Path) -> None:
    """Run every command that leads from the table to the page."""
    with (folder / "kinds.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["word", "kind"])
        for animal, plant in zip(ANIMALS.split(), PLANTS.split(), strict=True):
            rows.writerows([(animal, "animal"), (plant, "plant")])
    (folder / "sweep.toml").write_text(SWEEP)
    table = ("--from", "kinds.csv", "--input", "word", "--target", "kind")
    for command in (
        ("new", "kinds", *table),
        ("run", "sweep.toml", "--tasks-dir", "tasks"),
        ("check", "sweep.toml", "--tasks-dir", "tasks"),
        ("publish", "--out", "site"),
    ):
        finished = gainboard(folder, *command)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        (folder / f"{command[0]}.txt").write_text(finished.stdout)


@pytest.fixture(scope="module")
def place() -> Path:
    need("trl", reason="needs the train extra")
    need("gguf", reason="needs the train extra")
    packaged = PACKAGED["smollm2-135m"]
    if packaged.path() is None:
        pytest.skip(f"needs {packaged.distribution}: {packaged.command}")
    # The model is converted into the ordinary cache: once on a machine, and not in every session.
    return once("real-model", make)


@pytest.fixture(scope="module")
def results(place: Path) -> dict[str, Result]:
    return {result.run.candidate.method: result for result in read_results(place / "results")}


def test_every_arm_is_answered_by_its_own_weights_as_transformers_reads_them(
    results: dict[str, Result],
) -> None:
    assert set(results) == {"zero_shot", "lora"}
    names = {"zero_shot": ["matches_transformers"], "lora": ["matches_transformers", "differs_from_base"]}
    for method, result in results.items():
        guards = result.generation.guards
        assert [guard.name for guard in guards][: len(names[method])] == names[method]
        assert all(guard.passed for guard in guards), guards
        assert result.generation.engine.startswith(
            "vllm" if importlib.util.find_spec("vllm") else "transformers"
        )


def test_the_run_knows_the_file_that_its_model_came_from(results: dict[str, Result]) -> None:
    for result in results.values():
        assert result.run.candidate.model == MODEL
        assert result.run.candidate.fingerprint == fingerprint(MODEL, None)
        assert result.samples.total == 24
        assert result.samples.failed == 0


def test_prompts_are_chats_of_the_files_own_template(place: Path, results: dict[str, Result]) -> None:
    inputs = (place / "results" / results["zero_shot"].run.folder / "inputs.txt").read_text()
    assert "<|im_start|>system\nYou are a helpful AI assistant named SmolLM" in inputs
    assert inputs.count("<|im_start|>assistant") == 3


def test_the_model_was_asked_whether_it_wants_its_bos_token(results: dict[str, Result]) -> None:
    for result in results.values():
        bos = result.generation.bos
        assert bos is not None
        assert bos.token == "<|im_start|>"
        assert 2 < bos.loss_with < 5
        assert 2 < bos.loss_without < 5
        assert bos.doubt == ""


def test_training_changed_the_model_and_its_card_names_it(place: Path, results: dict[str, Result]) -> None:
    training = results["lora"].training
    assert training is not None
    assert training.steps == 2
    assert training.parameters > 134_000_000
    (card,) = (place / "work" / "trained").glob("*/weights/README.md")
    assert MODEL in card.read_text()


def test_check_looks_at_its_tokenizer_and_the_page_shows_it(place: Path) -> None:
    assert f"model {MODEL}" in (place / "check.txt").read_text()
    assert "smollm2" in (place / "site" / "index.html").read_text()
