"""Put what is damaged aside, so that it can be made again: it is renamed and never removed."""

from itertools import count
from pathlib import Path


def put_aside(path: Path, fault: Exception | str, *, beside: Path | None = None) -> str:
    """Give a damaged file or folder another name, `NAME.damaged-1` say. What
    is to be told of it, in a sentence.

    `fault`: what is wrong with it. `beside`: a folder that is removed one day: it is
    laid next to that, and not left there.
    """
    place = path if beside is None else beside.with_name(path.name)
    asides = (place.with_name(f"{place.name}.damaged-{number}") for number in count(1))
    aside = next(free for free in asides if not free.exists())
    reason = str(fault).removeprefix(str(path)).lstrip(":, /")
    try:
        path.rename(aside)
    except OSError as error:  # somebody else has put it aside, or nobody can
        return f"{path} is damaged ({reason}): it is made again, and cannot be kept: {error.strerror}"
    return f"{path} is damaged ({reason}): it is kept as {aside.name}, and made again"
