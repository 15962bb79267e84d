"""A disk that gets full in the middle of a sweep ends it with one sentence, and nothing finished is lost."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT, TESTS

from harness.records import disk
from harness.records.disk import DiskFault, check_disk, naming_a_full_disk
from harness.workers.worker import JobFailed


def own_mounts() -> bool:
    """Whether this machine lets a process have mounts of its own."""
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def test_a_work_folder_that_gets_full_is_named_and_the_next_start_goes_on(tmp_path: Path) -> None:
    """The first model's eight runs have results when the second model's fill the disk."""
    if not own_mounts():
        pytest.skip("no process may mount a disk of its own here")
    command = ["unshare", "-rm", sys.executable, "-m", "full_disk", str(tmp_path), "100k"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), str(ROOT)])}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said, *counts = json.loads(ended.stdout)
    assert said == (
        f"nothing more can be written into {tmp_path}/work: No space left on device (0 MB are free); put that "
        "right, and the same command goes on where it stopped"
    )
    assert counts == [8, 8, 8, 0]


@pytest.mark.parametrize(
    "failure",
    [
        JobFailed(
            "SafetensorError: Error while serializing: I/O error: No space left on device (os error 28)"
        ),
        JobFailed("OperationalError: database or disk is full"),
        OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)),
        OSError(errno.EROFS, os.strerror(errno.EROFS)),
    ],
)
def test_what_fails_for_want_of_room_is_told_from_other_failures(tmp_path: Path, failure: Exception) -> None:
    with pytest.raises(DiskFault, match=f"nothing more can be written into {tmp_path}: "):
        check_disk(tmp_path, failure)
    check_disk(tmp_path, JobFailed("RuntimeError: basic_ios::clear: iostream error"))
    with pytest.raises(FileNotFoundError), naming_a_full_disk(tmp_path):
        (tmp_path / "none").read_text()


def test_a_full_disk_is_looked_for_where_a_library_does_not_say_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(disk, "write_probe", full)
    with pytest.raises(DiskFault, match="No space left on device"):
        check_disk(tmp_path, JobFailed("RuntimeError: basic_ios::clear: iostream error"))
