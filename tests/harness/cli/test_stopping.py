"""Verbs end in order however they are told to and however they were started, and go on without a reader."""

import errno
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from commands import environment
from synthetic import make_run, task_card, write_result

GAINBOARD = (sys.executable, "-P", "-m", "harness.cli")
STOPPED = "gainboard: stopped. What was finished is kept; the same command goes on from here: "


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a site, which `preview` serves until it is stopped."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<title>a board</title>")
    return tmp_path


def ignoring(*numbers: signal.Signals) -> Callable[[], None]:
    """As processes are begun by a shell, with signals ignored or not, whatever this one ignores."""

    def prepare() -> None:
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN if number in numbers else signal.SIG_DFL)

    return prepare


def previewing(folder: Path, *, ignored: Sequence[signal.Signals] = ()) -> "subprocess.Popen[str]":
    """`gainboard preview`, once it serves."""
    process = subprocess.Popen(
        [*GAINBOARD, "preview", "--port", "0"], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=ignoring(*ignored),
    )  # fmt: skip
    assert process.stdout is not None
    assert "Ctrl-C ends it" in process.stdout.readline()
    return process


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_verb_in_order_and_the_last_line_says_how_to_go_on(
    site: Path, number: signal.Signals, code: int
) -> None:
    process = previewing(site)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    assert said.strip().startswith(STOPPED)
    assert said.strip().endswith(" preview --port 0")
    assert len(said.strip().splitlines()) == 1


def test_what_a_script_starts_with_an_ampersand_hears_kill_and_nohup_outlives_the_terminal(
    site: Path,
) -> None:
    process = previewing(site, ignored=(signal.SIGINT, signal.SIGHUP))
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143
    process.communicate()


def test_a_kill_is_heard_even_where_it_was_ignored_and_a_whole_volley_is_one(site: Path) -> None:
    process = previewing(site, ignored=(signal.SIGTERM,))
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    # Which of them comes first is the system's to choose.
    assert process.returncode in (143, 129, 130)
    assert said.count(STOPPED) == 1
    assert "Traceback" not in said


def test_a_second_signal_ends_what_does_not_end_in_order(tmp_path: Path) -> None:
    program = """
import time
from harness.cli.stopping import stoppable
with stoppable(process_ends=True):
    try:
        print("ready", flush=True)
        time.sleep(60)
    finally:
        print("ending", flush=True)
        time.sleep(60)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=environment(), text=True, stdout=subprocess.PIPE,
        preexec_fn=ignoring(),
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending\n"
    time.sleep(1.1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 143
    process.stdout.close()


def test_a_terminal_that_is_closed_ends_the_verb(site: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        ignoring()()
        os.chdir(site)
        os.execve(sys.executable, [*GAINBOARD, "preview", "--port", "0"], environment())
    said = b""
    while b"Ctrl-C" not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 129


# Readers that are gone


def head_of(arguments: Sequence[str], folder: Path, *, lines: int = 1) -> tuple[int, str]:
    """The exit code of a verb whose reader goes away after a few lines, and what it said to stderr."""
    process = subprocess.Popen(
        [*GAINBOARD, *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    for _ in range(lines):
        process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    process.stderr.close()
    return process.wait(timeout=60), said


def test_a_list_whose_reader_has_enough_ends_quietly(tmp_path: Path) -> None:
    assert head_of(["list", "metrics", "--json"], tmp_path) == (0, "")


def test_a_reader_that_goes_changes_no_exit_code(tmp_path: Path) -> None:
    code, said = head_of(["check", "no_such_task"], tmp_path, lines=0)
    assert code == 2
    assert "no_such_task" in said


LASTING = """
import os, sys
from harness.terminal.output import output_kept_apart, say, warn
with output_kept_apart():
    for number in range(5):
        sys.stdin.readline()
        say(f"line {number}", flush=True)
        print("a plugin's line", number, flush=True)
        print("a plugin's error", number, file=sys.stderr)
        warn(f"error {number}")
    open("went-on", "w").close()
"""


def test_what_prints_to_a_dead_tee_goes_on_to_its_end(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", LASTING], cwd=tmp_path, env=environment(), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    print("go", file=process.stdin, flush=True)
    assert process.stdout.readline() == "line 0\n"
    process.stdout.close()
    process.stdout = None
    _, said = process.communicate("go\n" * 4, timeout=60)
    assert process.returncode == 0
    assert (tmp_path / "went-on").exists()
    assert [line for line in said.splitlines() if line.startswith("gainboard")] == [
        f"gainboard: error {number}" for number in range(5)
    ]


def test_what_prints_to_a_terminal_that_is_gone_goes_on_to_its_end(tmp_path: Path) -> None:
    """With SIGHUP ignored, as `nohup` does."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", LASTING], cwd=tmp_path, env=environment(), stdin=subprocess.PIPE,
        stdout=theirs, stderr=theirs, preexec_fn=ignoring(signal.SIGHUP), start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(b"go\n")
    process.stdin.flush()
    said = b""
    while b"error 0" not in said:
        said += os.read(ours, 1000)
    os.close(ours)
    with suppress(BrokenPipeError):
        process.communicate(b"go\n" * 4, timeout=60)
    assert (tmp_path / "went-on").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_no_reader_that_is_gone(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        listed = subprocess.run(
            [*GAINBOARD, "list", "boards"], cwd=tmp_path, env=environment(), stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60,
        )  # fmt: skip
    assert listed.returncode == 2
    assert listed.stderr.strip() == f"gainboard: {os.strerror(errno.ENOSPC)}"


@pytest.mark.parametrize("closed", [">&-", "2>&-"])
def test_a_stream_that_is_closed_hinders_no_verb(tmp_path: Path, closed: str) -> None:
    assert in_a_shell("list boards", closed, tmp_path) == (0, closed == "2>&-")


def test_a_site_is_published_where_all_streams_are_closed(tmp_path: Path) -> None:
    write_result(tmp_path / "results", make_run("toy", "full", task_card(), 0), task_card(), [1.0, 0.0])
    assert in_a_shell("publish --no-cache", "<&- >&- 2>&-", tmp_path) == (0, False)
    assert (tmp_path / "site" / "index.html").exists()


def in_a_shell(verb: str, closed: str, folder: Path) -> tuple[int, bool]:
    """The exit code of a verb with closed streams, and whether it said something, but to stderr."""
    done = subprocess.run(
        ["/bin/sh", "-c", f"{shlex.join(GAINBOARD)} {verb} {closed}"],
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    return done.returncode, bool(done.stdout)
