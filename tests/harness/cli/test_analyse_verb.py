"""`gainboard analyse`, and `[analysis]` in a sweep, without a model."""

import json
import random
from pathlib import Path

import pytest
from rich.console import Console
from synthetic import make_run, task_card, write_result

from harness import cli
from harness.cli.analysis import NOTHING_FOUND, analyse_sweep
from harness.driver.progress import SweepProgress
from harness.plan.prepare import PlannedSweep
from harness.records.analysis.record import ANALYSIS
from harness.records.predictions import PREDICTIONS
from harness.sweep.sweep import Sweep


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.fixture(autouse=True)
def in_a_folder_with_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An arm a quarter of whose answers were cut, beside a base whose answers were not."""
    monkeypatch.chdir(tmp_path)
    card = task_card("tickets", output="generate")
    for method in ("zero_shot", "lora"):
        luck = random.Random(method)
        for seed in (0, 1):
            scores = [float(luck.random() < 0.7) for _ in range(80)]
            cut = ["length" if method == "lora" and place < 20 else "stop" for place in range(80)]
            write_result(
                tmp_path / "results",
                make_run("small", method, card, seed),  # type: ignore[arg-type]
                card,
                [0.0 if reason == "length" else score for score, reason in zip(scores, cut, strict=True)],
                answers=["France" if score else "Spain" for score in scores],
                columns={"finish_reason": cut},
            )


CUT = "25.0 % of the answers are cut before they end: raise max_tokens"


def test_it_prints_what_to_change_next_and_the_next_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("analyse", "small/lora") == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("small · lora · tickets · 500 samples: ") and out[0].endswith("on 80 samples")
    assert f"  {CUT}" in out and out[-1].startswith("→ ") and out[-1].endswith(" publish")


def test_what_is_no_more_than_chance_is_not_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("analyse", "small/zero_shot") == 0
    assert capsys.readouterr().out.splitlines()[1] == f"  {NOTHING_FOUND}"


def test_scripts_get_whole_analyses(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("analyse", "tickets", "--json") == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["judged"] for record in records] == ["lora", "zero_shot"]
    assert CUT in [finding["sentence"] for finding in records[0]["findings"]]
    assert records[0]["folder"] == "small/lora/tickets-v1/n-500"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tickts"], "'tickts' is no task, candidate or finished run of results. Did you mean 'tickets'?"),
        (["tickets", "--results", "nowhere"], "results folder nowhere does not exist"),
        ([".", "--results", "empty"], "empty holds no finished run"),
    ],
)
def test_what_cannot_be_analysed_is_said_in_a_sentence(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    assert call("analyse", *arguments) == 2
    assert says in capsys.readouterr().err


def test_one_unreadable_arm_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    next(Path("results").glob(f"small/lora/**/{PREDICTIONS}")).write_bytes(b"nothing")
    assert call("analyse", "tickets") == 1
    captured = capsys.readouterr()
    assert "not analysed: small · lora" in captured.err and "small · zero_shot · tickets" in captured.out


def sweep(**analysis: str) -> Sweep:
    return Sweep.model_validate(
        {
            "name": "s",
            "tasks": ("tickets",),
            "analysis": analysis,
            "candidates": ({"name": "small", "model": "gainboard/toy-llama"},),
        }
    )


@pytest.mark.parametrize(("arms", "count"), [("tuned", 1), ("all", 2)])
def test_a_sweep_that_asks_for_it_analyses_its_arms(arms: str, count: int) -> None:
    events: list[dict[str, object]] = []
    progress = SweepProgress(Console(quiet=True), emit=events.append)
    # The tests' task is no plugin: predictions alone are analysed.
    analyse_sweep(PlannedSweep(sweep(arms=arms), {}, [], []), Path("results"), progress, work=Path("work"))
    assert [event["event"] for event in events] == ["analysed", "note"] * count
    assert "not read with its weights: its task is not at hand" in str(events[1]["text"])
    assert len(list(Path("results").glob(f"**/{ANALYSIS}"))) == count
    assert CUT in str(events[0]["findings"])


def test_a_sweep_file_may_ask_for_an_analysis_and_a_wrong_word_is_refused() -> None:
    assert sweep().analysis is not None
    with pytest.raises(ValueError, match="'tuned' or 'all'"):
        sweep(arms="best")


def test_it_says_why_weights_are_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert call("analyse", "small/lora") == 0
    assert (
        "  not read with its weights: its task is not at hand, or has changed since"
        in capsys.readouterr().out
    )
    assert call("analyse", "small/lora", "--weights", "never") == 0
    assert "weights" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--seed", "-1"], "seed"),
        (["--samples", "20000"], "samples"),
        (["--samples", "0"], "not a positive whole number"),
        (["--weights", "sometimes"], "invalid choice: 'sometimes'"),
    ],
)
def test_a_wrong_number_of_samples_is_refused_before_anything_is_read(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("analyse", "tickets", *arguments) == 2
    captured = capsys.readouterr()
    assert says in captured.err and not captured.out
