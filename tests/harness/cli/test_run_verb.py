"""What `gainboard run` has done of a sweep, and what it says of it. The runs themselves are left out here."""

from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.driver import loop
from harness.driver.outcome import SweepOutcome

SWEEP = """
name = "s"
tasks = ["date_normalise"]
seeds = [0]
[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
methods = ["zero_shot", "lora"]
"""


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a sweep in this folder is given to be run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    arguments: dict[str, Any] = {}

    def run_sweep(runs: object, *_: object, **named: object) -> SweepOutcome:
        arguments.update(named, runs=runs)
        return SweepOutcome(already_done=0)

    monkeypatch.setattr(loop, "run_sweep", run_sweep)
    return arguments


def test_how_a_sweep_ended_is_told_of_one_run_as_of_one(
    given: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    run("--only", "toy/lora/*")
    assert "1 run: 0 done before, 0 finished now, 0 failed." in " ".join(capsys.readouterr().out.split())
    run()
    assert "2 runs: 0 done before, 0 finished now, 0 failed." in " ".join(capsys.readouterr().out.split())


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", "sweep.toml", "--engine", "transformers", *arguments])
    assert ended.value.code == 0


def test_what_only_leaves_out_is_told_beside_what_is_run(given: dict[str, Any]) -> None:
    run("--only", "toy/lora/*")
    assert [run.candidate.method for run in given["runs"]] == ["lora"]
    assert [run.candidate.method for run in given["left_out"]] == ["zero_shot"]
