"""Each fine-tune against the best arm without tuning: which gains are proven."""

from dataclasses import dataclass

from harness.statistics import Estimate
from leaderboards.rank.baselines import Key
from leaderboards.rank.standings import SIGNIFICANT
from leaderboards.rank.tables import Row, Table


@dataclass(frozen=True)
class TuningContest:
    """A fine-tune against the best arm without tuning, of whatever model."""

    tuned: Row
    untuned: Row
    difference: Estimate | None
    """The fine-tune minus the other; None where they share no samples."""

    p: float
    """That the two differ, corrected for all fine-tunes held against the arm (Holm)."""

    @property
    def seeds_known(self) -> bool:
        """Whether it can be told how far another seed of either might differ."""
        return self.tuned.seed_noise_known and self.untuned.seed_noise_known

    @property
    def gain_proven(self) -> bool:
        """Whether the fine-tune is proven to score more."""
        return bool(self.seeds_known and self.difference and self.difference.low > 0 and self.p < SIGNIFICANT)

    def below(self, margin: float) -> bool:
        """Whether it is proven to gain less than so much."""
        return bool(self.seeds_known and self.difference and self.difference.high < margin)


def contests_against(untuned: Row | None, table: Table) -> dict[Key, TuningContest]:
    """Every complete fine-tune against an arm without tuning, best score first; none without such an arm."""
    if untuned is None:
        return {}
    claims = table.claims(untuned)
    return {
        row.key: TuningContest(row, untuned, table.difference(row, untuned), claims[row.key])
        for row in table.ranked
        if row.tuned
    }
