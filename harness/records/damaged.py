"""Put what is damaged aside, so that it can be made again: it is renamed and never removed."""

from itertools import count
from pathlib import Path

from harness.errors import UserError


def put_aside(path: Path, fault: Exception | str, *, beside: Path | None = None) -> str:
    """Give a damaged file or folder another name, `NAME.damaged-1` say, and tell of it in a sentence.

    `fault`: what is wrong with it. `beside`: it is laid next to this folder, which is removed one day; None:
    where it is. Whoever else put it aside meanwhile has told of it, too.
    """
    place = path if beside is None else beside.with_name(path.name)
    aside = next(
        free
        for number in count(1)
        if not (free := place.with_name(f"{place.name}.damaged-{number}")).exists()
    )
    try:
        path.rename(aside)
    except FileNotFoundError:
        return f"{path} is damaged, and was put aside; it is made again"
    except OSError as error:
        raise UserError(
            f"{path} is damaged and cannot be renamed ({error.strerror}); remove it: it is made again"
        ) from None
    reason = str(fault).removeprefix(f"{path}: ").removeprefix(f"{path} ").removeprefix(f"{path}, ")
    return f"{path} is damaged ({reason}): it is kept as {aside.name}, and made again"
