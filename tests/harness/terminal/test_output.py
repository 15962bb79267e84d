"""What is printed: kept apart from what plugins print, in any encoding, and without steering the terminal."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment, gainboard
from rich.table import Table
from synthetic import make_run, task_card, write_failure, write_result

from harness.terminal.console import HarmlessConsole
from harness.terminal.output import PLAINLY, output_kept_apart, own_stderr, own_stdout, say, warn

HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\x9b31m\u2066\ud83d"
SPELT = "⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+001B⟩[2J⟨U+202E⟩evil⟨U+009B⟩31m⟨U+2066⟩⟨U+D83D⟩"

INTERPRETER = (sys.executable, "-P", "-m", "harness.cli")
"""`gainboard` in an interpreter of its own, which reads its environment and its descriptors anew."""

NOISY = """
import logging, os, subprocess, sys
from harness import Metric, PromptSet, Sample, Splits, Task, task
logging.basicConfig(stream=sys.stdout, level=logging.INFO)

def shout():
    print("NOISE by print")
    logging.info("NOISE by logging")
    os.write(1, b"NOISE by a descriptor\\n")
    subprocess.run(["echo", "NOISE by a process"])
    sys.__stdout__.write("NOISE by the other name\\n")

shout()
ROWS = [{"text": str(n), "answer": str(n + 1)} for n in range(60)]

def score(reply):
    shout()
    return float(reply.answer in reply.targets)

def data():
    shout()
    os.chdir("/")
    return Splits(ROWS[:30], ROWS[30:40], ROWS[40:])

@task
def noisy():
    shout()
    return Task(
        name="noisy", description="Add one.", data=data,
        to_sample=lambda row, index: Sample(str(index), {"text": row["text"]}, row["answer"]),
        prompts=PromptSet({"plain": "{text} + 1", "b": "{text} and 1", "c": "1 + {text}"}), output="generate",
        metrics=(Metric("loud", "how loud", score=score),),
    )
"""
SWEEP = """
name = "s"
tasks = ["noisy"]
seeds = [0]
n_train = 20
[[candidates]]
name = "toy"
model = "gainboard/toy-llama"
methods = ["zero_shot"]
"""


@pytest.mark.parametrize(
    "verb",
    [("list", "tasks"), ("check", "noisy"), ("review", "noisy"), ("run", "s.toml", "--dry-run")],
    ids=" ".join,
)
def test_what_a_plugin_prints_in_any_way_stays_out_of_what_programs_read(
    tmp_path: Path, verb: tuple[str, ...]
) -> None:
    (tmp_path / "t" / "noisy").mkdir(parents=True)
    (tmp_path / "t" / "noisy" / "task.py").write_text(NOISY)
    (tmp_path / "s.toml").write_text(SWEEP)
    ended = gainboard(tmp_path, *verb, "--tasks-dir", "t", "--json")
    assert ended.returncode == 0, ended.stderr
    json.loads(ended.stdout)
    for way in ("print", "logging", "a descriptor", "a process", "the other name"):
        assert f"NOISE by {way}" in ended.stderr


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_of_any_encoding_is_told_what_it_can_show(tmp_path: Path, encoding: str) -> None:
    plain = {"PYTHONIOENCODING": encoding, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    ended = subprocess.run(
        [*INTERPRETER, "check", "date_normalise"],
        cwd=tmp_path,
        env=environment() | plain,
        capture_output=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"Traceback" not in ended.stderr
    assert ended.stdout.startswith(b"+ task 'date_normalise'")
    assert ended.stdout.splitlines()[-1].startswith(b"-> ")


def test_a_locale_that_has_names_of_files_in_another_encoding_is_told_what_to_set(tmp_path: Path) -> None:
    write_result(tmp_path / "results", make_run("café", "lora", task_card(), 0), task_card(), [1.0, 0.0])
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    command = [*INTERPRETER, "list", "runs"]
    ended = subprocess.run(command, cwd=tmp_path, env=environment() | plain, capture_output=True)
    assert ended.returncode == 1
    assert b"the locale has the names of files in ascii" in ended.stderr
    assert b"set PYTHONUTF8=1, or LC_ALL=C.UTF-8" in ended.stderr
    there = environment() | plain | {"PYTHONUTF8": "1"}
    ended = subprocess.run(command, cwd=tmp_path, env=there, capture_output=True, check=True)
    assert "café" in ended.stdout.decode()


def test_names_and_reasons_of_others_cannot_steer_the_terminal(tmp_path: Path) -> None:
    reason = HOSTILE.replace("\ud83d", "")
    write_failure(tmp_path / "results", make_run("loud", "lora", task_card(), 0), reason=reason)
    damaged = tmp_path / "results" / "x" / reason / "result.json"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("{}")
    ended = gainboard(tmp_path, "list", "runs")
    for text in (ended.stdout, ended.stderr):
        assert set(text) & set("\x1b\x07\x9b\u202e\u2066") == set()
    assert "⟨U+202E⟩evil" in ended.stdout
    assert "⟨U+202E⟩evil" in ended.stderr


def test_a_console_spells_out_what_would_steer_it_and_keeps_its_own_colours() -> None:
    console = HarmlessConsole(file=io.StringIO(), force_terminal=True, width=200, color_system="standard")
    table = Table("a", box=None)
    table.add_row(HOSTILE)
    console.print(table)
    console.print(f"[green]{HOSTILE}[/]", highlight=False)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("evil⟨U+009B⟩31m") == 2
    assert "\x1b[32m" in text
    assert "\x1b]0;" not in text
    assert "\u202e" not in text


def test_lines_and_warnings_are_spelt_out_too(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    warn(HOSTILE)
    printed = capsys.readouterr()
    assert printed.out == f"{SPELT}\n"
    assert printed.err == f"gainboard: {SPELT}\n"


def test_who_catches_standard_output_within_this_process_gets_ours_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with output_kept_apart():
        print("of others")
        say("ours")
        assert own_stdout() is not own_stderr()
    print("afterwards")
    printed = capsys.readouterr()
    assert printed.out == "ours\nafterwards\n"
    assert printed.err == "of others\n"


def test_a_character_that_an_encoding_lacks_is_written_plainly() -> None:
    assert "✓ 3 × 4 → ▁█ ⟨U+001B⟩ é".encode("latin-1", PLAINLY) == b"+ 3 \xd7 4 -> 18 <U+001B> \xe9"
    assert "é ✗".encode("ascii", PLAINLY) == b"? x"


def test_a_closed_standard_output_is_no_fault(tmp_path: Path) -> None:
    command = " ".join([*INTERPRETER, "list", "boards"])
    for closing in (">&-", "2>&-", ">&- 2>&-"):
        ended = subprocess.run(["bash", "-c", f"{command} {closing}"], cwd=tmp_path, env=environment())
        assert ended.returncode == 0
    assert list(tmp_path.iterdir()) == []
