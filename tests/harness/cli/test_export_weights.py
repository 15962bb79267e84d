"""`gainboard export --weights`: which run is meant, and what is said where there is nothing to export."""

import json
from pathlib import Path

import pytest
from synthetic import make_run, task_card, write_ensemble, write_result

from harness import cli
from harness.cli.weights import chosen_run
from harness.records.generation import GuardRecord
from harness.records.store import RESULT, read_results, write_record

RESULTS = Path("results")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def in_a_folder_with_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tuned methods on one task, one of them with two budgets, and LoRA alone on another."""
    monkeypatch.chdir(tmp_path)
    rivers, capitals = task_card("rivers"), task_card("capitals")
    members = []
    for seed in (0, 1):
        for method in ("zero_shot", "lora", "full"):
            write_result(RESULTS, make_run("small", method, rivers, seed), rivers, [1.0, 0.0])  # type: ignore[arg-type]
        members.append(write_result(RESULTS, make_run("small", "lora", capitals, seed), capitals, [1.0, 0.0]))
    write_result(RESULTS, make_run("small", "lora", rivers, 0, n_train=50), rivers, [1.0, 0.0])
    write_ensemble(RESULTS, "together", "vote", members, [1.0, 0.0])


def run_of(name: str, task: str | None = None) -> str:
    return chosen_run(list(read_results(RESULTS)), name, RESULTS, task).run.folder.as_posix()


@pytest.mark.parametrize(
    ("name", "task", "folder"),
    [
        ("small/lora", "rivers", "small/lora/rivers-v1/n-500/seed-0"),
        ("small", "capitals", "small/lora/capitals-v1/n-500/seed-0"),
        ("capitals", None, "small/lora/capitals-v1/n-500/seed-0"),
        ("results/small/full/rivers-v1/n-500/seed-1", None, "small/full/rivers-v1/n-500/seed-1"),
        ("small/lora/rivers-v1/n-50/seed-0", None, "small/lora/rivers-v1/n-50/seed-0"),
    ],
)
def test_a_name_means_the_largest_budget_and_the_first_seed(name: str, task: str | None, folder: str) -> None:
    assert run_of(name, task) == folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["small"], "'small' means 3 tuned arms, each with weights of its own: give one of small/"),
        (["small/lora", "--task", "lakes"], "'small/lora' has no run on the task 'lakes', but on capitals, rivers"),
        (["small/zero_shot"], "was not tuned: its weights are those of its base model, "),
        (["together"], "votes, and has no weights of its own; export its members: small/lora/capitals-v1/"),
        (["smal"], "'smal' is no task, candidate or finished run of results. Did you mean 'small'?"),
        (["small/full"], "are gone: there is no work/trained/"),
        (["small/full", "--work", "elsewhere"], "are gone: there is no elsewhere/trained/"),
        (["small/full", "--results", "nowhere"], "results folder nowhere does not exist"),
        (["small/full", "--split", "dev"], "are not for --weights; leave them out"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported_is_said_in_a_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("export", "--weights", *arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err and not captured.out


def test_an_untrusted_run_is_not_exported(capsys: pytest.CaptureFixture[str]) -> None:
    card = task_card("lakes")
    result = write_result(RESULTS, make_run("small", "lora", card, 0), card, [1.0, 0.0])
    guard = GuardRecord(name="matches_training", passed=False, value=1.0, bound=0.1, reason="others")
    generation = result.generation.model_copy(update={"guards": (guard,)})
    folder = result.run.folder
    write_record(RESULTS / folder / RESULT, result.model_copy(update={"generation": generation}))
    assert call("export", "--weights", folder.as_posix()) == 2
    assert "is untrusted, and not exported" in capsys.readouterr().err


def test_weights_of_another_training_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    result = next(result for result in read_results(RESULTS) if result.run.candidate.method == "full")
    recipe = result.run.recipe
    assert recipe is not None
    weights = Path("work/trained") / recipe.key / "weights"
    weights.mkdir(parents=True)
    name = result.run.folder.as_posix()
    assert call("export", "--weights", name) == 2
    assert "holds no training.json: its training did not end" in capsys.readouterr().err
    record = result.trainings[-1].model_dump(mode="json") | {"key": "f" * 16}
    (weights / "training.json").write_text(json.dumps(record))
    assert call("export", "--weights", name) == 2
    assert "holds the weights of another training, ffffffffffffffff" in capsys.readouterr().err


def test_options_of_weights_do_not_go_with_a_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("export", "--format", "csv", "--adapter") == 2
    assert "are for --weights RUN; leave them out" in capsys.readouterr().err
    assert call("export", "--format", "csv", "--weights", "small") == 2
    assert call("export") == 2
