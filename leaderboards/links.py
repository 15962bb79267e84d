"""Where each page of a site lies."""

from harness.records.result import Result
from harness.sweep.methods import Method
from leaderboards.rank.tables import Row
from leaderboards.text import page_slug

LISTS = ("tasks.html", "models.html", "methods.html")
"""Pages that list what has a page of its own in a folder."""


def task_href(name: str) -> str:
    """The page of a task."""
    return f"tasks/{page_slug(name)}.html"


def model_href(name: str) -> str:
    """The page of a model."""
    return f"models/{page_slug(name)}.html"


def method_href(method: Method) -> str:
    """The page of a method; none for the one that everything is held against."""
    return "" if method == "zero_shot" else f"methods/{method}.html"


def run_href(result: Result) -> str:
    """The page of a run."""
    place = result.run.place
    name = "--".join(place)
    # Where a part holds two dashes itself, another run's parts may be joined to the same name: a slash has it
    # hashed.
    return f"runs/{page_slug(name if name.split('--') == [*place] else '/'.join(place))}.html"


def samples_href(task: str, number: int = 1) -> str:
    """A page of what models said on a task; the first is 1."""
    return f"samples/{page_slug(task)}-{number}.html"


def change_href(task: str, *, against: Row, judged: Row, change: str) -> str:
    """The samples on which an arm differs from another in one way: `fixed`, say."""
    return f"{samples_href(task)}?against={row_slug(against)}&judged={row_slug(judged)}#{change}"


def why_href(task: str) -> str:
    """What an analysis of a task's best arm found."""
    return f"why/{page_slug(task)}.html"


def row_slug(row: Row) -> str:
    """What the pages call a row in addresses: no method holds a dash, so no two rows share it."""
    return page_slug(f"{row.name}-{row.method}")


def compare_href(first: Row, second: Row) -> str:
    """Two rows side by side."""
    return f"compare.html?a={row_slug(first)}&b={row_slug(second)}"
