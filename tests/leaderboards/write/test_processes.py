"""Work that is shared with other processes: outcomes in order, whatever becomes of these."""

import os
import signal
from collections.abc import Sequence

import pytest

from leaderboards.write.processes import LEAST_SHARED, Workers


def doubled(numbers: Sequence[int]) -> list[int]:
    return [2 * number for number in numbers]


def doubled_until_killed(numbers: Sequence[int]) -> list[int]:
    """As above, but the process that comes to 300 is killed, unless it is the first one."""
    if 300 in numbers and os.getpid() != int(os.environ["FIRST"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return doubled(numbers)


def test_a_process_that_is_killed_costs_no_outcome_and_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRST", str(os.getpid()))
    numbers = range(LEAST_SHARED)
    with Workers(2) as workers:
        with pytest.warns(UserWarning, match="was killed") as told:
            assert list(workers.map("work", doubled_until_killed, numbers)) == [
                2 * number for number in numbers
            ]
        assert len(told) == 1
        assert list(workers.map("work", doubled_until_killed, numbers)) == [2 * number for number in numbers]
