"""Rows of predictions stand among draws, templates and samples; what no run can have is refused."""

import pyarrow
import pytest
from synthetic import make_run, task_card

from harness.records.answer_table import AnswerTable
from harness.sweep.settings import Generation


def test_rows_that_are_each_a_draw_and_a_sample_of_their_own_take_no_room_for_all_of_both() -> None:
    """A hundred thousand of them would take 80 GB."""
    count = 100_000
    run = make_run("small", "lora", task_card(), 0, generation=Generation(n=count, temperature=1.0))
    table = pyarrow.table(
        {
            "sample_id": [str(number) for number in range(count)],
            "template": ["plain"] * count,
            "draw": list(range(count)),
        }
    )
    with pytest.raises(ValueError, match="its rows are of 100,000 draws, and most samples lack most of them"):
        AnswerTable(table, run)
