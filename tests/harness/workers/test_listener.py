"""What goes wrong with a run, in the words that are recorded and published."""

from pathlib import Path

import pytest

from harness.workers.listener import reason_of


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device", "HERE/results/a/result.json"), "'results/a/result.json'"),
        (ValueError("a\nb"), "ValueError: a b (log: work/logs/driver.log)"),
    ],
)
def test_a_reason_names_no_folder_above_the_one_that_the_sweep_was_started_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if isinstance(error, OSError):
        error.filename = error.filename.replace("HERE", str(tmp_path))
    reason = reason_of(error, subject="a run", log=tmp_path / "work" / "logs" / "driver.log")
    assert told in reason
    assert str(tmp_path) not in reason
