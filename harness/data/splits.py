"""Cut rows into train, dev and test: the same on every machine, balanced over the targets, groups
together."""

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UserError, suggest
from harness.task import Row, Splits

MAX_STRATA = 50
"""Labels that are balanced however rare they are."""

MAX_FREQUENT_STRATA, ROWS_PER_STRATUM = 1000, 10
"""The most labels that are balanced, and the rows that each has then on average: written answers do not recur
so often."""


@dataclass(frozen=True)
class _Block:
    """Rows that no cut may divide."""

    rows: tuple[int, ...]
    """Their indices among all rows."""

    labels: Mapping[str, int]
    """How many of them have each label."""


def cut_rows(
    rows: Sequence[Row],
    *,
    input_column: str | Sequence[str],
    target_column: str | None = None,
    group: str | None = None,
    stratify: bool = True,
    dev: float | None = 0.1,
    test: float | None = 0.1,
    where: str = "rows",
) -> Splits:
    """Cut `rows` into train, dev and test; `dev` and `test` are the shares of the rows they get, or None
    where they are to be left empty, because their rows come from elsewhere.

    Rows with the same input (ignoring case and white space) stay together, and so do rows with the same value
    in the column `group`. With `stratify` and targets that are labels (`are_balanced`), each target is as
    frequent in every split as in all rows: up to rounding if nothing keeps rows together, otherwise as
    closely as whole groups allow. Rows are ordered by the hash of their input or group, so the cut does not
    depend on their order and changes little when some are added.

    Raises `UserError`, which begins with `where`, for a column that is missing or empty in a row, for too few
    inputs or groups, and for shares that leave a split without rows.
    """
    shares = {name: share for name, share in (("dev", dev), ("test", test)) if share is not None}
    if not (all(share > 0 for share in shares.values()) and sum(shares.values()) < 1):
        listing = " and ".join(f"{name}={share:g}" for name, share in shares.items())
        raise UserError(
            f"{where}: the shares {listing} leave a split without rows; each must be above 0 and their sum "
            "below 1"
        )
    input_columns = (input_column,) if isinstance(input_column, str) else tuple(input_column)
    columns = [column for column in (*input_columns, target_column, group) if column is not None]
    check_columns(rows, columns, where)
    labels = [""] * len(rows)  # one label for all: nothing to balance
    if target_column is not None and stratify:
        targets = [str(row[target_column]) for row in rows]
        if are_balanced(len(set(targets)), len(rows)):
            labels = targets
    counts = Counter(labels)
    inputs = [question_key(row, input_columns) for row in rows]
    keys = inputs if group is None else _linked_groups(inputs, [str(row[group]) for row in rows])
    blocks = _blocks(keys, labels)
    _check_number(blocks, ["train", *shares], group, where)
    # At least two blocks are spared for dev and train, then one for train.
    for_test, rest = _part(blocks, _quota(counts, test), spare=len(shares)) if test else ([], blocks)
    for_dev, for_train = _part(rest, _quota(counts, dev), spare=1) if dev else ([], rest)
    return Splits(_rows_of(for_train, rows), _rows_of(for_dev, rows), _rows_of(for_test, rows))


def question_key(row: Row, columns: Sequence[str]) -> str:
    """The inputs of a row, but for case and white space: equal for rows that ask the same."""
    return " ".join(" ".join(str(row[column]).casefold().split()) for column in columns)


def _check_number(blocks: Sequence[_Block], splits: Sequence[str], group: str | None, where: str) -> None:
    if len(blocks) >= len(splits):
        return
    kind = "different inputs" if group is None else f"groups in column '{group}' that share no input"
    if len(blocks) == 1:
        kind = "input for all rows" if group is None else f"group in column '{group}' with inputs of its own"
    number = {1: "one", 2: "two", 3: "three"}[len(splits)]
    listing = ", ".join(splits[:-1]) + f" and {splits[-1]}" if len(splits) > 1 else splits[0]
    raise UserError(f"{where}: {len(blocks)} {kind}; a task needs at least {number}, one each for {listing}")


def are_balanced(different: int, rows: int) -> bool:
    """Whether so many different targets of so many rows are labels, which splits and subsets balance."""
    if different <= MAX_STRATA:
        return True
    return different <= MAX_FREQUENT_STRATA and rows >= ROWS_PER_STRATUM * different


def check_columns(rows: Sequence[Row], columns: Sequence[str], where: str) -> None:
    """Raise `UserError` for a column that a row lacks, or that is empty in it."""
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                hint = suggest(column, row)
                raise UserError(
                    f"{where}, row {number}: column '{column}' not found.{hint} There are {', '.join(row)}"
                )
            if row[column] is None or not str(row[column]).strip():
                raise UserError(
                    f"{where}, row {number}: column '{column}' is empty (as NaN is); "
                    "fill it or remove the row"
                )


def _linked_groups(inputs: Sequence[str], groups: Sequence[str]) -> list[str]:
    """For each row, the least name among all groups that shared inputs link to its group (union-find)."""
    parents = {group: group for group in groups}

    def root(group: str) -> str:
        while parents[group] != group:
            parents[group] = parents[parents[group]]  # halves the path for the next call
            group = parents[group]
        return group

    group_of_input: dict[str, str] = {}
    for text, group in zip(inputs, groups, strict=True):
        lower, upper = sorted((root(group_of_input.setdefault(text, group)), root(group)))
        parents[upper] = lower
    return [root(group) for group in groups]


def _blocks(keys: Sequence[str], labels: Sequence[str]) -> list[_Block]:
    """The rows of each key as one block, ordered by the hash of the key."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    return [
        _Block(tuple(places[key]), Counter(labels[place] for place in places[key]))
        for key in sorted(places, key=_hash)
    ]


def _hash(key: str) -> bytes:
    # JSON may hold half of a surrogate pair, which plain UTF-8 refuses.
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _quota(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Rows of each label in a split of this share: whole numbers by largest remainder, together at least
    1."""
    # Rounded to nine decimal places, so that a tenth of 30 is 3 and not a little more.
    exact = {label: round(count * share, 9) for label, count in counts.items()}
    quota = {label: math.floor(number) for label, number in exact.items()}
    missing = max(1, round(round(sum(counts.values()) * share, 9))) - sum(quota.values())
    by_remainder = sorted(exact, key=lambda label: (quota[label] - exact[label], label))
    for label in by_remainder[:missing]:
        quota[label] += 1
    return quota


def _part(
    blocks: Sequence[_Block], quota: Mapping[str, int], *, spare: int
) -> tuple[list[_Block], list[_Block]]:
    """The blocks that fill the quota as closely as possible, and the remaining ones, at least `spare`."""
    missing = Counter(quota)
    chosen: list[_Block] = []
    remaining: list[_Block] = []
    for block in blocks:
        fits = all(count <= missing[label] for label, count in block.labels.items())
        if fits and len(blocks) - len(chosen) > spare:
            chosen.append(block)
            missing.subtract(block.labels)
        else:
            remaining.append(block)
    while len(remaining) > spare:
        # There are rarely many rounds: less than a block or two is missing by now.
        best = min(remaining, key=lambda block: _distance_change(missing, block))
        if chosen and _distance_change(missing, best) >= 0:
            break
        chosen.append(best)
        remaining.remove(best)
        missing.subtract(best.labels)
    return chosen, remaining


def _distance_change(missing: Mapping[str, int], block: _Block) -> int:
    """How much farther from the quota a split is with the block than without, as a sum of squares over
    labels: Σ (missing − count)² − missing²."""
    return sum(count * (count - 2 * missing[label]) for label, count in block.labels.items())


def _rows_of(blocks: Sequence[_Block], rows: Sequence[Row]) -> list[Row]:
    """The rows of the blocks, in their original order."""
    return [rows[place] for place in sorted(itertools.chain.from_iterable(block.rows for block in blocks))]
