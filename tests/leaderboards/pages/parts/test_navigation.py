"""From every page of a board the same places can be reached, and every page says where it stands."""

import re
from pathlib import Path

import pytest
from site_reading import Text
from synthetic import RATES, task_card, write_sweep

from leaderboards import publish, publish_boards
from leaderboards.links import method_href, model_href, task_href

TITLES = ["Board", "Costs", "Compare", "Tasks", "Models", "Methods", "About the numbers"]
TASKS = ("rivers", "capitals", "currencies")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("navigation")
    write_sweep(folder / "results", RATES, tasks=[task_card(name) for name in TASKS], n=20)
    board = folder / "board.toml"
    board.write_text(f'title = "Places"\ntasks = {[*TASKS]}\n', encoding="utf-8")
    return publish(folder / "results", folder / "site", board=board).index.parent


def navs(page: Path) -> dict[str, str]:
    """The source of each navigation of a page, by its name."""
    found = re.findall(
        r'<nav[^>]*aria-label="([^"]*)"[^>]*>(.*?)</nav>', page.read_text("utf-8"), flags=re.DOTALL
    )
    return dict(found)


def places(source: str) -> list[str]:
    """The texts of the steps of a breadcrumb."""
    return [Text(step).text for step in re.findall(r"<li.*?</li>", source, flags=re.DOTALL)]


def test_every_page_leads_to_the_same_places(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        top = navs(page)["Pages"]
        assert re.findall(r">([^<]+)</a>", top) == TITLES, page
        folder = site if page.name == "404.html" else page.parent
        for href in re.findall(r'href="([^"]+)"', top):
            assert (folder / href).is_file(), (page, href)


@pytest.mark.parametrize(
    ("page", "title", "how"),
    [
        ("index.html", "Board", "page"),
        ("cost.html", "Costs", "page"),
        ("compare.html", "Compare", "page"),
        ("tasks.html", "Tasks", "page"),
        ("methodology.html", "About the numbers", "page"),
        (task_href("rivers"), "Tasks", "true"),
        ("samples/rivers-1.html", "Tasks", "true"),
        (model_href("small"), "Models", "true"),
        ("runs/small--lora--rivers-v1--n-500--seed-0.html", "Models", "true"),
        (method_href("lora"), "Methods", "true"),
    ],
)
def test_the_place_of_a_page_is_marked(site: Path, page: str, title: str, how: str) -> None:
    marked = re.findall(r'aria-current="(\w+)">([^<]+)</a>', navs(site / page)["Pages"])
    assert marked == [(how, title)]


@pytest.mark.parametrize(
    ("page", "steps"),
    [
        (task_href("rivers"), ["Places", "Tasks", "rivers"]),
        ("samples/rivers-1.html", ["Places", "Tasks", "rivers", "Samples"]),
        (model_href("small"), ["Places", "Models", "small"]),
        (method_href("lora"), ["Places", "Methods", "LoRA"]),
        (
            "runs/small--lora--rivers-v1--n-500--seed-0.html",
            ["Places", "Models", "small", "LoRA r16 · rivers · 500 samples · seed 0"],
        ),
        ("history.html", ["Places", "History"]),
    ],
)
def test_a_page_deep_in_the_site_says_how_it_is_reached(site: Path, page: str, steps: list[str]) -> None:
    trail = navs(site / page)["Breadcrumb"]
    assert places(trail) == steps
    *above, _ = re.findall(r"<li.*?</li>", trail, flags=re.DOTALL)
    for step in above:
        (href,) = re.findall(r'href="([^"]+)"', step)
        assert ((site / page).parent / href).is_file()
    assert trail.count('aria-current="page"') == 1


def test_a_task_leads_to_the_tasks_before_and_after_it_in_the_order_of_the_board(site: Path) -> None:
    beside = [re.findall(r">([^<]+)</a>", navs(site / task_href(name))["Other tasks"]) for name in TASKS]
    assert beside == [["capitals →"], ["← rivers", "currencies →"], ["← capitals"]]


def test_the_lists_name_the_best_there_is_of_each(site: Path) -> None:
    assert re.search(r"rivers .* accuracy 20 .* small · LoRA r16", Text(site / "tasks.html").text)
    assert re.search(r"small 1B parameters 1.* LoRA r16", Text(site / "models.html").text)
    assert re.search(r"LoRA 1 1.* small · LoRA r16", Text(site / "methods.html").text)


def test_a_board_of_one_row_leads_to_nothing_that_it_lacks(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "zero_shot"): 0.3}, n=20)
    index = publish(tmp_path / "results", tmp_path / "site").index
    assert re.findall(r">([^<]+)</a>", navs(index)["Pages"]) == [
        title for title in TITLES if title not in ("Compare", "Methods")
    ]


def test_a_board_among_several_leads_to_its_own_pages(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", RATES, tasks=[task_card(name) for name in TASKS[:2]], n=20)
    for name in TASKS[:2]:
        (tmp_path / f"{name}.toml").write_text(f'title = "Only {name}"\ntasks = ["{name}"]\n', "utf-8")
    boards = [tmp_path / f"{name}.toml" for name in TASKS[:2]]
    site = publish_boards(tmp_path / "results", tmp_path / "site", boards).index.parent
    page = site / "rivers" / task_href("rivers")
    assert places(navs(page)["Breadcrumb"]) == ["Only rivers", "Tasks", "rivers"]
    assert 'href="../index.html">Board</a>' in navs(page)["Pages"]
    assert "Other tasks" not in navs(page)
