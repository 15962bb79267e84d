"""Results are written by one writer at a time."""

from pathlib import Path

from harness.records.store import atomic_write
from harness.records.writing import one_writer


def test_what_a_killed_writer_was_writing_is_removed_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "seed-0"
    folder.mkdir()
    (folder / ".result.json.123-456.tmp").write_text("{")
    (folder / "result.json").write_text("{}")
    with one_writer(folder):
        assert {path.name for path in folder.iterdir()} == {".lock", "result.json"}
        with atomic_write(folder / "result.json") as file:
            file.write("[]")
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [("result.json", "[]")]
