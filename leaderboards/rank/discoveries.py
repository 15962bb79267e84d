"""What every fine-tune gains on every task, and which of so many gains are more than chance."""

from dataclasses import dataclass

from harness.statistics import Estimate, false_discovery
from harness.sweep.methods import Method
from leaderboards.rank.baselines import UNTUNED, Key
from leaderboards.rank.standings import SIGNIFICANT, p_of_gains
from leaderboards.rank.tables import Row, Table


@dataclass(frozen=True)
class TaskGain:
    """The gain of one fine-tune on one task, over the best few-shot arm of its model, or else the zero-shot
    arm."""

    estimate: Estimate
    over: Method
    q: float
    """P-value of the gain, corrected over all gains of the board: of those below 5 % about one in twenty is
    false (Benjamini and Hochberg, J. Royal Statistical Society B 57, 1995)."""

    @property
    def discovery(self) -> bool:
        """Whether it counts as more than chance."""
        return self.q < SIGNIFICANT


def task_gains(table: Table) -> dict[tuple[Key, str], TaskGain]:
    """The gains by row and task, complete or not, wherever there is an untrained arm to compare with."""
    gains: list[tuple[Key, str, Estimate, Method]] = []
    p: list[float] = []
    for task in table.tasks:
        claims = [
            (row, *claim)
            for row in table.rows
            if row.tuned and task in row.cells and (claim := _claim(table, row, task))
        ]
        gains += [(row.key, task, gain, arm.method) for row, arm, gain in claims]
        pairs = [(row.cells[task], arm.cells[task]) for row, arm, _ in claims]
        for (cell, arm_cell), value in zip(pairs, p_of_gains(table.standings[task], pairs), strict=True):
            # A gain that another seed might not have is none that is known.
            p.append(value if cell.seed_noise_known and arm_cell.seed_noise_known else 1.0)
    corrected = false_discovery(p).tolist()
    return {
        (key, task): TaskGain(gain, over, q)
        for (key, task, gain, over), q in zip(gains, corrected, strict=True)
    }


def _claim(table: Table, row: Row, task: str) -> tuple[Row, Estimate] | None:
    """The untrained arm that a row is compared with on a task, few-shot first, and the gain over it."""
    for method in reversed(UNTUNED):
        arm, gain = table.baseline(row, method), table.gain_on(task, row, method)
        if arm is not None and gain is not None:
            return arm, gain
    return None
