"""What `harness/PROMISES.md` says is held by tests that there are."""

import pytest
from places import ROOT

ROWS = [
    line.strip("| ").split(" | ")
    for line in (ROOT / "harness" / "PROMISES.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
][2:]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_every_promise_is_held_by_a_test_that_there_is(row: list[str]) -> None:
    *_, tests = row
    folder = ROOT
    for test in tests.split(", "):
        name, _, function = test.strip("`").partition("::")
        path = ROOT / name if "/" in name else folder / name
        folder = path.parent
        assert f"def {function or 'test_'}" in path.read_text(encoding="utf-8")
