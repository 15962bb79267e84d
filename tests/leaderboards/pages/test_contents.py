"""The list of pages: what it says of a kind is so on disk."""

import re
from pathlib import Path

import pytest
from synthetic import RATES, task_card, write_sweep

from harness.errors import UserError
from leaderboards import publish, publish_boards
from leaderboards.pages.contents import PAGES
from leaderboards.pages.parts.kinds import PagesBySubject
from leaderboards.site import _RESERVED
from leaderboards.write import rendering


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", RATES, tasks=(task_card("rivers"), task_card("capitals")), n=20)
    return tmp_path / "results"


def test_every_kind_has_a_template_and_every_template_of_a_board_a_kind() -> None:
    templates = {path.name for path in rendering._TEMPLATES.glob("*.html")}
    pages = {name for name in templates if "{% extends" in (rendering._TEMPLATES / name).read_text("utf-8")}
    assert {kind.template for kind in PAGES} == pages - {"base.html", "front.html", "404.html"}


def test_no_two_kinds_share_a_name_or_a_place() -> None:
    names = [kind.name for kind in PAGES]
    places = [place for kind in PAGES for place in kind.places]
    assert len(set(names)) == len(names) and len(set(places)) == len(places)


def test_all_that_lies_in_the_root_of_a_site_of_boards_has_a_name_that_no_board_may_take(
    results: Path, tmp_path: Path
) -> None:
    boards = [tmp_path / "first.toml", tmp_path / "second.toml"]
    for board in boards:
        board.write_text('title = "A board"\n', encoding="utf-8")
    publish_boards(results, tmp_path / "site", boards, url="https://example.org/lb/")
    names = {path.name for path in (tmp_path / "site").iterdir() if not path.name.startswith(".")}
    assert names - {"first", "second"} <= _RESERVED


@pytest.mark.parametrize("name", ["history", "static", "data"])
def test_a_board_cannot_be_called_like_what_lies_in_the_root_of_the_site(
    results: Path, tmp_path: Path, name: str
) -> None:
    board = tmp_path / f"{name}.toml"
    board.write_text('title = "A board"\n', encoding="utf-8")
    with pytest.raises(UserError, match=f"a folder of a site cannot be called '{name}'"):
        publish_boards(results, tmp_path / "site", [board])


def test_a_page_that_is_taken_over_does_not_tell_how_many_runs_there_are(
    results: Path, tmp_path: Path
) -> None:
    site = publish(results, tmp_path / "site").index.parent
    for kind in PAGES:
        tells = not kind.reused if isinstance(kind, PagesBySubject) else False
        for place in kind.places:
            path = site / place
            for page in [path] if path.suffix == ".html" else path.glob("*.html"):
                if page.is_file():
                    text = page.read_text(encoding="utf-8")
                    assert bool(re.search(r"\d+ finished runs?, measured", text)) is tells, page
