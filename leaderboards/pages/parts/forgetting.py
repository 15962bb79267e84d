"""How the guard against forgetting is shown: a mark in the ranking, and what was lost where on a model's
page."""

from collections.abc import Sequence

from leaderboards.decide.verdict import points_lost
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item, Tone, gain_item
from leaderboards.rank.forgetting import Forgetting, GuardVerdict
from leaderboards.rank.tables import Row
from leaderboards.text import points

_SHOWN: dict[GuardVerdict, tuple[str, Tone]] = {
    "passed": ("✓", "good"),
    "failed": ("✗", "bad"),
    "unresolved": ("?", "muted"),
}


def guard_column(margin: float) -> Column:
    """`margin`: points that may be lost."""
    return Column(
        "Guard",
        f"Change on tasks that it was not trained on. ✗: it lost more than "
        f"{points_lost(margin / 100)} and is never recommended; ✓: it did not; ?: that cannot be told.",
        narrow=False,
        about="guard",
    )


def guard_item(forgetting: Forgetting | None) -> Item:
    """The change with the verdict, in shape and word; a dash for arms that train nothing, or without guard
    tasks."""
    if forgetting is None:
        return Item()
    sign, tone = _SHOWN[forgetting.verdict]
    return Item(
        f"{sign} {points(forgetting.mean.value, sign=True)}",
        forgetting.verdict,
        forgetting.mean.value,
        tone=tone,
    )


def forgetting_grid(rows: Sequence[Row], name: str, margin: float) -> Grid | None:
    """What each method of a model lost, guard task by guard task; None where none was asked."""
    guarded = [(row, row.forgetting) for row in rows if row.name == name and row.forgetting is not None]
    if not guarded:
        return None
    tasks = sorted(set[str]().union(*(forgetting.changes for _, forgetting in guarded)))
    columns = (
        guard_column(margin),
        Column("All of them", "Mean over the guard tasks, with its 95 % interval.", about="guard"),
        *(
            Column(task, "Paired change from the same model before its tuning.", about="guard")
            for task in tasks
        ),
    )
    lines = tuple(
        GridRow(
            Head(row.method_name, method=row.method),
            (
                guard_item(forgetting),
                gain_item(forgetting.mean),
                *(gain_item(forgetting.changes.get(task)) for task in tasks),
            ),
        )
        for row, forgetting in guarded
    )
    return Grid("What tuning changed on guard tasks", Column("Method"), columns, lines)
