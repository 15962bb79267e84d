"""What a person, or a program, is told of long work."""

import io
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from rich.console import Console

from harness.driver.progress import SweepProgress, sparkline
from harness.records.scores import SampleCounts
from harness.workers.listener import JobAdvanced, JobBegan, JobsEnded, PhaseBegan

COUNTS = SampleCounts(total=10, scored=9, failed=1)


def told(terminal: bool = False) -> tuple[SweepProgress, io.StringIO, list[dict[str, Any]]]:
    text, events = io.StringIO(), list[dict[str, Any]]()
    console = Console(file=text, force_terminal=terminal, width=160, color_system=None)
    return SweepProgress(console, emit=events.append), text, events


def test_where_no_terminal_is_a_phase_is_a_line() -> None:
    progress, text, _ = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 4))
        line.hear(JobBegan("toy · lora"))
        line.hear(JobAdvanced(1, 2))
        line.hear(JobsEnded(1))
    assert text.getvalue() == "toy: train (4)\n"


def test_events_say_how_far_the_work_is() -> None:
    progress, _, events = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 4))
        line.hear(JobsEnded(1))
        line.hear(JobsEnded(1))
    assert [event for event in events if event["event"] == "progress"][-1] == {
        "event": "progress", "line": "toy", "phase": "train", "done": 2, "jobs": 4,
    }  # fmt: skip


class Clock:
    """Stands where it is put."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 1000.0
        monkeypatch.setattr("harness.driver.progress.time.monotonic", lambda: self.seconds)


def test_a_long_training_says_now_and_then_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 200 s: 100 steps of two seconds each, after a start of 20 s."""
    clock = Clock(monkeypatch)
    progress, text, events = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 1))
        line.hear(JobBegan("toy · lora · dates · seed 0"))
        clock.seconds += 20
        line.hear(JobAdvanced(0, 100))
        for step in range(1, 101):
            clock.seconds += 2
            line.hear(JobAdvanced(step, 100, None if step < 20 else 3 - step / 50))
        line.hear(JobsEnded(1))
    assert text.getvalue().splitlines() == [
        "toy: train (1)",
        "toy · lora · dates · seed 0: 13 of 100 steps, about 3 min left",
        "toy · lora · dates · seed 0: 36 of 100 steps, loss 2.28, about 2 min left",
        "toy · lora · dates · seed 0: 59 of 100 steps, loss 1.82, about 82 s left",
        "toy · lora · dates · seed 0: 82 of 100 steps, loss 1.36, about 36 s left",
    ]
    halfway = next(event for event in events if event.get("job_done") == 50)
    assert halfway == {
        "event": "progress", "line": "toy", "phase": "train", "done": 0.5, "jobs": 1, "job": "toy · lora · dates · seed 0",
        "job_done": 50, "job_total": 100, "loss": 2.0, "seconds_left": 100.0,
    }  # fmt: skip


def test_short_jobs_are_not_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    progress, text, _ = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 9))
        for _ in range(9):
            line.hear(JobBegan("toy · lora"))
            for step in range(4):
                clock.seconds += 10
                line.hear(JobAdvanced(step, 4, 1.0))
            line.hear(JobsEnded(1))
    assert text.getvalue() == "toy: train (9)\n"


def test_a_training_that_goes_on_from_a_checkpoint_takes_its_speed_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    progress, text, _ = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 1))
        line.hear(JobBegan("toy · lora"))
        line.hear(JobAdvanced(5000, 5100))
        clock.seconds += 50
        line.hear(JobAdvanced(5050, 5100, 0.5))
    assert "5,050 of 5,100 steps, loss 0.5, about 50 s left" in text.getvalue()


def test_long_answering_says_how_far_it_is_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    progress, text, _ = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("generate", 1))
        line.hear(JobBegan("toy · lora"))
        line.hear(JobAdvanced(0, 1000))
        clock.seconds += 60
        line.hear(JobAdvanced(10, 1000))
    assert "toy · lora: 10 of 1,000 answers, about 1.6 hours left" in text.getvalue()


def test_on_a_terminal_the_bar_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    progress, text, _ = told(terminal=True)
    with progress.line("toy") as line:
        line.hear(PhaseBegan("train", 1))
        line.hear(JobBegan("toy · lora"))
        line.hear(JobAdvanced(0, 10))
        clock.seconds += 60
        line.hear(JobAdvanced(5, 10, 1.0))
    assert "left" not in text.getvalue()


class SlowCount(int):
    """A number that takes its time to be added to, so that another thread comes in between."""

    def __add__(self, other: int) -> "SlowCount":
        time.sleep(0.005)
        return SlowCount(int(self) + other)


def test_jobs_that_engines_end_at_once_are_all_counted() -> None:
    progress, _, events = told()
    with progress.line("toy") as line:
        line.hear(PhaseBegan("generate", 16))
        line._ended = SlowCount(0)
        with ThreadPoolExecutor(4) as engines:
            list(engines.map(line.hear, [JobsEnded(1)] * 16))
    assert [event["done"] for event in events if event["event"] == "progress"] == list(range(1, 17))


def test_several_lines_are_shown_at_once_on_a_terminal() -> None:
    progress, text, _ = told(terminal=True)
    with progress.line("one") as first, progress.line("two") as second:
        first.hear(PhaseBegan("train", 1))
        second.hear(PhaseBegan("generate", 2))
        progress._bars.refresh()
        shown = text.getvalue()
    assert "one: train" in shown
    assert "two: generate" in shown


def test_a_finished_run_shows_its_score_its_curve_and_what_to_doubt() -> None:
    progress, text, events = told()
    progress.finished(
        "toy · lora", "accuracy", 0.25, COUNTS, doubts={"collapsed": "all the same"}, losses=[3.0, 1.0, 0.5]
    )
    said = text.getvalue()
    assert "accuracy 0.250" in said
    assert "loss █▂▁ 0.5" in said
    assert "(collapsed, 1 of 10 samples could not be scored)" in said
    assert events[0]["doubts"] == {"collapsed": "all the same"}


def test_a_label_is_no_markup() -> None:
    progress, text, _ = told()
    progress.failed("[red]x[/red]", "train", "[bold]no[/bold]")
    assert "[red]x[/red]" in text.getvalue()
    assert "[bold]no[/bold]" in text.getvalue()


def test_a_curve_that_stays_where_it_is_is_flat() -> None:
    assert sparkline([2.0, 2.0]) == "▁▁"
