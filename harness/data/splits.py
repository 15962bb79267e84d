"""Cut rows into train, dev and test: the same on every machine, even over the targets, with groups kept
together."""

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.errors import UserError, suggest
from harness.task import Row, Splits

MAX_STRATA = 50
"""More different targets than this are answers to be written, not labels to be balanced."""


@dataclass(frozen=True)
class _Block:
    """Rows that no cut may divide."""

    rows: tuple[int, ...]
    """Their places among all rows."""

    labels: Mapping[str, int]
    """How many of them have which label."""


def cut_rows(
    rows: Sequence[Row],
    *,
    input_column: str,
    target_column: str | None = None,
    group: str | None = None,
    stratify: bool = True,
    dev: float = 0.1,
    test: float = 0.1,
    where: str = "rows",
) -> Splits:
    """Cut `rows` into train, dev and test; `dev` and `test` are the shares of theirs.

    Rows of the same input (but for case and white space) stay together, and so do those of the same value in
    the column `group`. With `stratify`, targets of at most `MAX_STRATA` kinds are as frequent in every split
    as in the whole, exactly but for rounding where nothing holds rows together, otherwise as nearly as whole
    groups allow. Rows are ordered by the hash of their input or group, so the cut does not depend on their
    order and hardly moves when some are added.

    `where` names the rows in errors: `UserError` for a column that is missing or empty in a row, for too few
    inputs or groups, and for shares that leave a split nothing.
    """
    if not (0 < dev < 1 and 0 < test < 1 and dev + test < 1):
        raise UserError(
            f"{where}: the shares dev={dev:g} and test={test:g} leave a split without rows; "
            "each must be above 0 and their sum below 1"
        )
    _check_columns(
        rows, [column for column in (input_column, target_column, group) if column is not None], where
    )
    labels = (
        [str(row[target_column]) for row in rows]
        if target_column is not None and stratify
        else [""] * len(rows)
    )
    counts = Counter(labels)
    if len(counts) > MAX_STRATA:
        labels, counts = [""] * len(rows), Counter({"": len(rows)})
    inputs = [" ".join(str(row[input_column]).casefold().split()) for row in rows]
    blocks = _blocks(
        _together(inputs, [str(row[group]) for row in rows]) if group is not None else inputs, labels
    )
    if len(blocks) < 3:
        kind = "different inputs" if group is None else f"groups in column '{group}' that share no input"
        raise UserError(
            f"{where}: {len(blocks)} {kind}; a task needs at least three, one each for train, dev and test"
        )
    for_test, rest = _part(blocks, _quota(counts, test), spare=2)
    for_dev, for_train = _part(rest, _quota(counts, dev), spare=1)
    return Splits(*(_rows_of(part, rows) for part in (for_train, for_dev, for_test)))


def _check_columns(rows: Sequence[Row], columns: Sequence[str], where: str) -> None:
    for number, row in enumerate(rows, 1):
        for column in columns:
            if column not in row:
                known = ", ".join(row)
                raise UserError(
                    f"{where}, row {number}: column '{column}' not found.{suggest(column, row)} There are {known}"
                )
            if row[column] is None or not str(row[column]).strip():
                raise UserError(
                    f"{where}, row {number}: column '{column}' is empty; fill it or remove the row"
                )


def _together(inputs: Sequence[str], groups: Sequence[str]) -> list[str]:
    """For each row the least name among all groups that are linked to its own by shared inputs."""
    parents = {group: group for group in groups}

    def least(group: str) -> str:
        while parents[group] != group:
            parents[group] = parents[parents[group]]  # halves the way for the next caller
            group = parents[group]
        return group

    first: dict[str, str] = {}
    for text, group in zip(inputs, groups, strict=True):
        one, other = least(first.setdefault(text, group)), least(group)
        parents[max(one, other)] = min(one, other)
    return [least(group) for group in groups]


def _blocks(keys: Sequence[str], labels: Sequence[str]) -> list[_Block]:
    """The rows of each key as a block, in the order of the keys' hashes."""
    places: dict[str, list[int]] = {}
    for place, key in enumerate(keys):
        places.setdefault(key, []).append(place)
    # JSON may hold half of a surrogate pair, which plain UTF-8 refuses.
    order = sorted(places, key=lambda key: hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest())
    return [_Block(tuple(places[key]), Counter(labels[place] for place in places[key])) for key in order]


def _quota(counts: Mapping[str, int], share: float) -> dict[str, int]:
    """Rows of each label in a split of this share: whole numbers, by largest remainder, at least 1 in all."""
    # Rounded to nine places, so that a tenth of 30 is 3 and not a little more.
    exact = {label: round(count * share, 9) for label, count in counts.items()}
    quota = {label: math.floor(number) for label, number in exact.items()}
    missing = max(1, round(round(sum(counts.values()) * share, 9))) - sum(quota.values())
    for label in sorted(exact, key=lambda label: (quota[label] - exact[label], label))[:missing]:
        quota[label] += 1
    return quota


def _part(
    blocks: Sequence[_Block], quota: Mapping[str, int], *, spare: int
) -> tuple[list[_Block], list[_Block]]:
    """The blocks that make up the quota as nearly as may be, and the others, at least `spare` of them."""
    missing = Counter(quota)
    chosen: list[_Block] = []
    others: list[_Block] = []
    for block in blocks:
        fits = all(count <= missing[label] for label, count in block.labels.items())
        if fits and len(blocks) - len(chosen) > spare:
            chosen.append(block)
            missing.subtract(block.labels)
        else:
            others.append(block)
    while len(others) > spare:
        # Rarely many rounds: what is missing now is less than a block or two.
        best = min(others, key=lambda block: _distance_change(missing, block))
        if chosen and _distance_change(missing, best) >= 0:
            break
        chosen.append(best)
        others.remove(best)
        missing.subtract(best.labels)
    return chosen, others


def _distance_change(missing: Mapping[str, int], block: _Block) -> int:
    """How much farther from the quota a split is with the block than without, as the sum of squares over
    labels."""
    return sum(count * (count - 2 * missing[label]) for label, count in block.labels.items())


def _rows_of(blocks: Sequence[_Block], rows: Sequence[Row]) -> list[Row]:
    """The rows of some blocks, in the order in which they were given."""
    return [rows[place] for place in sorted(place for block in blocks for place in block.rows)]
