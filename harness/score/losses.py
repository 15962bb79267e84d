"""What could not be computed of a run."""

from collections.abc import Iterable

from harness.errors import UserError
from harness.task import Metric


class Losses:
    """What could not be computed of a run, and why."""

    def __init__(self, primary: str) -> None:
        """`primary`: the metric that must not be lost."""
        self._primary = primary
        self.reasons: dict[str, str] = {}

    def lose(self, metric: Metric, reason: str) -> None:
        """Do without a metric. Raises `UserError` for the one that the task is ranked by."""
        if metric.name == self._primary:
            raise UserError(
                f"{reason}. The task is ranked by it: correct it, "
                "and the same command scores the saved answers"
            )
        self.reasons[metric.name] = reason

    def without(self, metrics: Iterable[Metric]) -> list[Metric]:
        """The metrics that are left."""
        return [metric for metric in metrics if metric.name not in self.reasons]
