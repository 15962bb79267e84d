"""How findings write scores and differences: in points, or in the unit of a metric that has other ends."""

import math
from dataclasses import dataclass

from harness.records.scores import TaskCard
from harness.task.metric import Scale

SHARES = Scale()


@dataclass(frozen=True)
class Amounts:
    """How what a task is scored by is written."""

    scale: Scale = SHARES
    metric: str = "score"

    @classmethod
    def of(cls, card: TaskCard) -> "Amounts":
        """Those of a task's primary metric."""
        scale = card.metrics[card.primary_metric].scale
        return cls() if scale.is_share else cls(scale, card.primary_metric)

    def score(self, share: float) -> str:
        """A score on the scale of 0 to 1: `81.0`, or `0.42` of a metric with other ends."""
        return f"{100 * share:.1f}" if self.scale.is_share else self._digits(self.scale.value(share))

    def difference(self, share: float) -> str:
        """How far two scores are apart: `12.3 points`, `0.42 mae`."""
        if self.scale.is_share:
            return f"{100 * share:.1f} points"
        return f"{self._digits(share * self._whole)} {self.metric}"

    def behind(self, share: float) -> str:
        """That a score is worse than elsewhere: a lower value may be the better one."""
        if self.scale.is_share:
            return f"the score is {self.difference(share)} below the rest"
        return f"{self.metric} is {self._digits(share * self._whole)} worse than on the rest"

    @property
    def _whole(self) -> float:
        return abs(self.scale.best - self.scale.worst)

    def _digits(self, value: float) -> str:
        """With as many digits as show a thousandth of the scale."""
        return f"{value:,.{max(0, round(3 - math.log10(self._whole)))}f}"


POINTS = Amounts()
