"""A folder is replaced as a whole, by one process at a time, and a killed one leaves nothing that the next
cannot mend."""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from synthetic import write_sweep

from harness.errors import UserError
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.download.exports import export
from leaderboards.text import without_folder
from leaderboards.write import folders
from leaderboards.write.folders import claimed, replacing

RATES: dict[tuple[str, Method], float] = {("small", "few_shot"): 0.5, ("small", "lora"): 0.8}
MARKER = ".gainboard-site"

BEGIN = f"""
import os, signal, sys
from pathlib import Path
from leaderboards.write import folders
from leaderboards.write.folders import claimed, replacing

def end():
    os.kill(os.getpid(), signal.SIGKILL)

def end_after_moving(path, target, rename=Path.rename):
    rename(path, target)
    if str(target).endswith(".old"):
        end()

with claimed(Path(sys.argv[1]), Path(sys.argv[2]), marker="{MARKER}", purpose="site") as folder:
"""
KILLED_WHILE_WRITING = """
    with replacing(folder) as new:
        (new / "half").touch()
        end()
"""
KILLED_BETWEEN_THE_RENAMES = """
    folders._exchanged = lambda *_: False  # as on a system that cannot
    Path.rename = end_after_moving
    with replacing(folder) as new:
        (new / "whole").touch()
"""
WAITING = """
    print("claimed", flush=True)
    sys.stdin.read()
"""


def command(code: str, out: Path, results: Path) -> list[str]:
    return [sys.executable, "-c", BEGIN + code, str(out), str(results)]


@contextmanager
def another(out: Path, results: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has claimed a folder until its input ends."""
    with subprocess.Popen(
        command(WAITING, out, results), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as held:
        assert held.stdout and held.stdout.readline() == "claimed\n"
        yield held


@pytest.fixture
def results(tmp_path: Path) -> Path:
    (tmp_path / "results").mkdir()
    return tmp_path / "results"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "site"


def replace(out: Path, results: Path, text: str = "new") -> None:
    with claimed(out, results, marker=MARKER, purpose="site") as folder, replacing(folder) as new:
        (new / MARKER).touch()
        (new / "page").write_text(text, encoding="utf-8")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_what_a_killed_process_was_writing_is_removed_by_the_next(results: Path, out: Path) -> None:
    replace(out, results)
    killed = subprocess.run(command(KILLED_WHILE_WRITING, out, results), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(names(out.parent)) == 4
    replace(out, results)
    assert names(out.parent) == {"results", "site"}


def test_a_site_that_a_killed_process_had_moved_aside_is_back_with_its_history(
    results: Path, out: Path
) -> None:
    write_sweep(results, RATES, n=20)
    publish(results, out)
    before = names(out / "history")
    killed = subprocess.run(command(KILLED_BETWEEN_THE_RENAMES, out, results), check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()
    board = out.with_name("board.toml")
    board.write_text('title = "Another"\n', encoding="utf-8")
    publish(results, out, board=board)
    assert before < names(out / "history")
    assert names(out.parent) == {"board.toml", "results", "site"}


def test_a_folder_that_a_killed_process_had_moved_aside_is_replaced_by_its_own_kind_only(
    results: Path, out: Path
) -> None:
    out.mkdir()
    (out / ".gainboard-export").touch()
    code = (BEGIN + KILLED_BETWEEN_THE_RENAMES).replace(MARKER, ".gainboard-export")
    subprocess.run([sys.executable, "-c", code, str(out), str(results)], check=False)
    assert not out.exists()
    with pytest.raises(UserError, match="not a site made by gainboard"):
        replace(out, results)
    assert names(out) == {".gainboard-export"}


@pytest.mark.parametrize(("moved", "then"), [(".old", "old"), ("site", "new")])
def test_ctrl_c_while_folders_are_renamed_leaves_a_whole_one(
    moved: str, then: str, results: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(out, results, "old")
    monkeypatch.setattr(folders, "_exchanged", lambda *_: False)
    rename, struck = os.rename, list[str]()

    def interrupted(source: Path, target: Path) -> None:
        rename(source, target)
        if str(target).endswith(moved) and not struck:
            struck.append(str(target))
            signal.default_int_handler(signal.SIGINT, None)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace(out, results, "new")
    assert struck
    assert (out / "page").read_text(encoding="utf-8") == then
    assert names(out.parent) == {"results", "site"}


@pytest.mark.skipif(sys.platform != "linux", reason="others cannot exchange two folders in one step")
def test_there_is_a_whole_folder_at_every_moment(
    results: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(out, results, "old")
    seen, exchanged = [], folders._exchanged

    def look(*both: Path) -> bool:
        seen.append((out / "page").read_text(encoding="utf-8"))
        done = exchanged(*both)
        seen.append((out / "page").read_text(encoding="utf-8"))
        return done

    monkeypatch.setattr(folders, "_exchanged", look)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", None)  # one step of the system, not several
        replace(out, results, "new")
    assert seen == ["old", "new"]
    assert names(out.parent) == {"results", "site"}


def test_a_former_folder_whose_removal_was_cut_short_does_not_come_back(
    results: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace(out, results, "old")
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "rmtree", lambda *_, **__: None)
        replace(out, results)
    shutil.rmtree(out)
    with claimed(out, results, marker=MARKER, purpose="site") as folder:
        assert not folder.exists()
    assert names(out.parent) == {"results"}


def test_a_folder_is_published_to_by_one_process_at_a_time(results: Path, out: Path) -> None:
    write_sweep(results, RATES, n=20)
    attempts: list[Callable[[], object]] = [
        lambda: publish(results, out),
        lambda: export(results, "model-index", board=None, prices=None, out=out),
    ]
    with another(out, results):
        for attempt in attempts:
            with pytest.raises(
                UserError, match=r"another gainboard publish or export is writing .*site; wait for it"
            ):
                attempt()
    publish(results, out)


def test_a_killed_process_claims_nothing(results: Path, out: Path) -> None:
    with another(out, results) as held:
        held.kill()
    replace(out, results)
    assert names(out) == {MARKER, "page"}


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed_and_stays(there: bool, results: Path, out: Path) -> None:
    target = out.with_name("elsewhere") / "real"
    if there:
        target.mkdir(parents=True)
    out.symlink_to(target)
    for text in ("old", "new"):
        replace(out, results, text)
        assert out.readlink() == target
        assert (target / "page").read_text(encoding="utf-8") == text
    assert names(target.parent) == {"real"}


@pytest.mark.skipif(not Path("/proc").is_mount(), reason="needs a folder that is surely mounted")
def test_a_mount_point_is_refused_before_any_work(results: Path) -> None:
    with pytest.raises(UserError, match="/proc is a mount point, which cannot be replaced"):
        replace(Path("/proc"), results)


def test_folders_beside_it_that_only_look_alike_stay(results: Path, out: Path) -> None:
    alike = {
        ".site.old",
        ".site.1234.new",
        ".site.b.gainboard-0123456789abcdef.new",
        ".site.gainboard-mine.old",
    }
    for name in alike:
        (out.parent / name).mkdir()
    replace(out, results)
    assert names(out.parent) == alike | {"results", "site"}


def test_whoever_may_write_beside_the_folder_may_lock_it(results: Path, out: Path) -> None:
    out.parent.chmod(0o775)
    with claimed(out, results, marker=MARKER, purpose="site"):
        assert (out.parent / ".site.lock").stat().st_mode & 0o777 == 0o664
    replace(out, results)
    assert out.stat().st_mode == results.stat().st_mode  # as any new folder


@pytest.mark.parametrize(
    ("folder", "message", "told"),
    [
        ("a", "skipped: a/llama/x: is not 'a/llama/x'", "skipped: llama/x: is not 'llama/x'"),
        ("a", "a/b", "b"),
        ("a", "no llama/lora, nor ../a/b", "no llama/lora, nor ../a/b"),
        ("/tmp/r", "skipped: /tmp/r/b, not /else/tmp/r/b", "skipped: b, not /else/tmp/r/b"),
        ("r+", "r+/b and rr/b", "b and rr/b"),
    ],
)
def test_a_folder_is_left_out_of_a_message_where_it_begins_a_path(
    folder: str, message: str, told: str
) -> None:
    assert without_folder(message, Path(folder)) == told


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is full")
def test_a_disk_that_gets_full_is_named_and_the_former_folder_stays(tmp_path: Path) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "former").touch()
    with pytest.raises(OSError, match="cannot be written: No space left") as raised, replacing(folder) as new:
        (new / "page").touch()
        Path("/dev/full").write_text("x", encoding="utf-8")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, str(folder))
    assert [path.name for path in tmp_path.rglob("*")] == ["site", "former"]
