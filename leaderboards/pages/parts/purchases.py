"""What to buy next: more seeds, test samples or labels, and what each would tell of the gain that decides."""

from leaderboards.decide.purchases import Outlook, Purchase
from leaderboards.decide.verdict import purchase_text
from leaderboards.gathered import Site
from leaderboards.pages.parts.grid import Column, Grid, GridRow, Head, Item
from leaderboards.text import MISSING, Unit, percent, usd

KINDS_ON_FIRST_PAGE = ("undecided", "broke_down")
"""Verdicts that more data might change."""


def purchase_grid(site: Site) -> Grid | None:
    """The purchases, those that remove most standard error per dollar first; None where no gain is
    compared."""
    outlook, contest = site.advice.outlook, site.advice.contest
    if outlook is None or contest is None:
        return None
    moves = any(purchase.expected_gain is not None for purchase in outlook.purchases)
    columns = [
        Column("Costs", "Training and scoring, plus labels where needed."),
        Column("95 % interval", "Half its width: now, and with it."),
        Column("SE removed per $", "Points of standard error removed per dollar."),
    ]
    if moves:
        columns.append(Column("Moves the score by", "What the learning curve predicts."))
    lines = [
        GridRow(
            Head(purchase_text(purchase)), tuple(_items(purchase, outlook, site.table.unit)[: len(columns)])
        )
        for purchase in outlook.purchases
    ]
    title = f"What would make the gain of {contest.tuned.label} over {contest.untuned.label} better known"
    return Grid(title, Column("More data"), tuple(columns), tuple(lines))


def purchase_lede(outlook: Outlook, unit: Unit) -> str:
    """What the table is about, with the share of seeds."""
    width = f"±{unit.amount(outlook.now.half_width)}"
    if outlook.seed_share is None:
        return (
            f"The gain that decides is known to {width} on these seeds; how far others would differ is "
            "unknown."
        )
    share = percent(outlook.seed_share)
    return f"The gain that decides is known to {width}. Seeds make {share} of its variance, samples the rest."


def _items(purchase: Purchase, outlook: Outlook, unit: Unit) -> tuple[Item, ...]:
    cost, moved = purchase.cost, purchase.expected_gain
    is_known = purchase.after is not None and purchase.removed > 0
    return (
        Item(MISSING) if cost is None else Item(usd(cost), sort=cost),
        _precision(purchase, outlook, unit),
        Item(f"{100 * purchase.removed_per_dollar:.2g}", sort=purchase.removed_per_dollar)
        if is_known and cost
        else Item(MISSING),
        Item(MISSING) if moved is None else Item(unit.write(moved, sign=True), sort=moved),
    )


def _precision(purchase: Purchase, outlook: Outlook, unit: Unit) -> Item:
    if purchase.after is None:
        return Item("unknown before" if purchase.thing == "seeds" else MISSING)
    now, then = unit.width(outlook.now.half_width), unit.width(purchase.after.half_width)
    return Item(f"±{now} → ±{then}", sort=purchase.after.half_width)
