"""Several boards in one site, what a board file may choose, and what a site needs on the web."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from site_reading import Text, figures, problems
from synthetic import RATES, task_card, write_sweep

from harness.cli import main
from harness.errors import UserError
from leaderboards import publish, publish_boards
from leaderboards.board import COLUMNS, DEFAULT_COLUMNS, load_board
from leaderboards.gathered import gather, read_folder
from leaderboards.pages.front_page.ranking import ranking_columns
from leaderboards.write.address import check_address, sitemaps

ADDRESS = "https://example.org/lb/"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", RATES, tasks=(task_card("rivers"), task_card("capitals")), n=30)
    return tmp_path / "results"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "site"


@pytest.fixture
def boards(tmp_path: Path) -> list[Path]:
    made = []
    for name in ("rivers", "capitals"):
        path = tmp_path / "boards" / name / "board.toml"
        path.parent.mkdir(parents=True)
        path.write_text(f'title = "On {name}"\ntasks = ["{name}"]\n', encoding="utf-8")
        made.append(path)
    return made


def check_links(out: Path, *, leaving: str = "") -> None:
    """Every link of every page leads to a file of the site; `leaving`: the address that may stand before
    it."""
    for page in out.rglob("*.html"):
        for _, attributes in Text(page).tags:
            for name in ("href", "src"):
                target = attributes.get(name)
                if not target or target.startswith(("#", "data:")):
                    continue
                place = page.parent / target
                if leaving and target.startswith(("/lb/", leaving)):
                    place = out / target.removeprefix(leaving).removeprefix("/lb/")
                else:
                    assert not re.match(r"[a-z]+:|/", target), f"{page} leaves the site: {target}"
                place = Path(str(place).partition("#")[0].partition("?")[0])
                assert (place / "index.html" if place.is_dir() else place).is_file(), (
                    f"{page} links to {target}"
                )


# Several boards


def test_each_board_has_a_folder_and_the_front_page_says_what_it_says(
    results: Path, out: Path, boards: list[Path]
) -> None:
    published = publish_boards(results, out, boards)
    front = Text(published.index).text
    assert list(published.boards) == ["rivers", "capitals"]
    for name, board in published.boards.items():
        assert board.index == out / name / "index.html"
        assert f"On {name}" in front and board.verdict.split(".")[0] in front
        assert board.runs == 9
        pages = {path.name for path in (out / name / "tasks").iterdir()}
        assert pages == {f"{name}.html"}
        assert "runs of" in Text(out / name / "problems.html").text  # that are not on this board
    assert "1 task, 9 finished runs. Prices of 2026-11-01." in front
    assert published.pages == len(list(out.rglob("*.html")))
    check_links(out)


def test_two_builds_of_several_boards_are_the_same_bytes(
    results: Path, tmp_path: Path, boards: list[Path]
) -> None:
    sites = []
    for name in ("first", "second"):
        publish_boards(results, tmp_path / name, boards, url=ADDRESS)
        files = (path for path in (tmp_path / name).rglob("*") if path.is_file())
        sites.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert sites[0] == sites[1]


def test_a_page_of_a_board_leads_back_to_the_front_page(results: Path, out: Path, boards: list[Path]) -> None:
    publish_boards(results, out, boards)
    for page, home in (
        (out / "rivers" / "index.html", "../"),
        (out / "rivers" / "tasks" / "rivers.html", "../../"),
    ):
        brand = next(attributes for _, attributes in Text(page).tags if attributes.get("class") == "brand")
        assert brand["href"] == f"{home}index.html"


def test_two_boards_of_one_name_are_refused(
    results: Path, out: Path, boards: list[Path], tmp_path: Path
) -> None:
    twin = tmp_path / "rivers.toml"
    twin.write_text('title = "Twin"\n', encoding="utf-8")
    with pytest.raises(UserError, match="would both be the folder 'rivers' of the site; rename one of them"):
        publish_boards(results, out, [boards[0], twin])
    assert not out.exists()


def test_a_board_may_be_named_like_a_folder_of_pages(
    results: Path, out: Path, boards: list[Path], tmp_path: Path
) -> None:
    """Also where it takes the place of a board that was alone, which had such a folder."""
    publish(results, out, board=boards[0])
    assert (out / "methods").is_dir()
    board = tmp_path / "methods.toml"
    board.write_text('title = "On methods"\n', encoding="utf-8")
    published = publish_boards(results, out, [boards[0], board])
    assert list(published.boards) == ["rivers", "methods"]
    assert "On methods" in Text(out / "methods" / "index.html").text
    assert sorted(path.name for path in (out / "methods" / "tasks").iterdir()) == [
        "capitals.html", "rivers.html",
    ]  # fmt: skip
    check_links(out)


@pytest.mark.parametrize("name", ["static", "data", "history", "index.html"])
def test_a_board_named_like_a_part_of_the_site_is_refused(
    results: Path, out: Path, tmp_path: Path, name: str
) -> None:
    board = tmp_path / f"{name}.toml"
    board.write_text('title = "Mine"\n', encoding="utf-8")
    with pytest.raises(UserError, match=f"cannot be called '{name}'"):
        publish_boards(results, out, [board])


def test_a_board_without_a_run_leaves_the_former_site(
    results: Path, out: Path, boards: list[Path], tmp_path: Path
) -> None:
    before = publish(results, out).index.read_bytes()
    empty = tmp_path / "empty.toml"
    empty.write_text('tasks = ["lakes"]\n', encoding="utf-8")
    with pytest.raises(UserError, match=r"no run that can be shown for the tasks of its board \(lakes\)"):
        publish_boards(results, out, [boards[0], empty])
    assert (out / "index.html").read_bytes() == before


# Columns


def heads(page: Path) -> list[str]:
    source = page.read_text(encoding="utf-8").partition('id="ranking-table"')[2].partition("</thead>")[0]
    return re.findall(r"<th [^>]*>([^<>]+)", source)[1:]


def test_a_board_chooses_the_columns_of_its_ranking(results: Path, out: Path, tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text('columns = ["n", "score", "train"]\n', encoding="utf-8")
    index = publish(results, out, board=board).index
    assert heads(index) == ["n", "Score", "Train"]
    row = (
        index.read_text(encoding="utf-8")
        .partition('id="ranking-table"')[2]
        .partition("<tbody>")[2]
        .partition("</tr>")[0]
    )
    assert row.count("<td") == 3


def test_every_column_that_a_board_file_may_name_is_one_of_the_ranking(results: Path) -> None:
    site = gather(read_folder(results))
    assert tuple(column.name for column in ranking_columns(site)) == COLUMNS


def test_without_a_choice_all_columns_are_shown_but_one_that_would_be_empty(results: Path, out: Path) -> None:
    assert len(heads(publish(results, out).index)) == len(DEFAULT_COLUMNS) - 1, "no guard task was asked"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ('columns = ["scor"]', "column 'scor' not found. Did you mean 'score'? There are score, few_shot"),
        ('columns = ["n", "n"]', "column 'n' is given twice"),
        ("columns = []", "'columns': must name at least one"),
        ('columns = "score"', "'columns': must be a list"),
        ("weights = { rivers = inf }", "'weights.rivers' is inf; every number must be finite"),
        ("weights = { rivers = 1e300 }", "'weights.rivers': Input should be less than or equal to 1000000"),
        ("weights = { rivers = 0.0 }", "'weights.rivers': Input should be greater than 0"),
        ("forgetting_margin = nan", "'forgetting_margin' is nan; every number must be finite"),
        ("[scenario]\nvolumes = 5", "unknown key 'scenario.volumes'. Did you mean 'volume'?"),
        ("[scenario]\nvolume = 0", "'scenario.volume': Input should be greater than or equal to 1 (got 0)"),
        ('[scenario]\nvolume = "10k"', "'scenario.volume': must be a number (got '10k')"),
        ("[scenario]\nbudget_usd = nan", "'scenario.budget_usd' is nan; every number must be finite"),
        (
            "[scenario]\nutilisation = 0.3",
            "'scenario.utilisation': Input should be greater than or equal to 1",
        ),
        ("[scenario]\nretrains = 1.5", "'scenario.retrains': must be a whole number"),
        ("[scenario]\nrelabel = 20", "'scenario.relabel': Input should be less than or equal to 1"),
        (
            '[scenario]\nlabels = "free"',
            "'scenario.labels': Input should be 'owned' or 'bought' (got 'free')",
        ),
        ("scenario = 3", "'scenario': must hold keys and values"),
        ("forgetting_margin = 101", "'forgetting_margin': Input should be less than or equal to 100"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence(tmp_path: Path, setting: str, says: str) -> None:
    board = tmp_path / "board.toml"
    board.write_text(f"{setting}\n", encoding="utf-8")
    with pytest.raises(UserError, match=re.escape(says)):
        load_board(board)


def test_a_weight_of_a_task_without_a_run_is_named(results: Path, out: Path, tmp_path: Path) -> None:
    board = tmp_path / "board.toml"
    board.write_text("weights = { river = 2 }\n", encoding="utf-8")
    page = problems(publish(results, out, board=board))
    assert "Task 'river' of the board has no finished run. Did you mean 'rivers'?" in page


def test_the_scenario_of_a_board_is_that_of_its_first_page_and_of_its_cost_page(
    results: Path, out: Path, tmp_path: Path
) -> None:
    board = tmp_path / "board.toml"
    board.write_text(
        "[scenario]\nvolume = 5_000\nright_answer_usd = 0.5\nbudget_usd = 9.5\nutilisation = 80\nhours = 100\n"
        'labels = "owned"\nretrains = 2\nrelabel = 0.5\n',
        encoding="utf-8",
    )
    published = publish(results, out, board=board)
    given = {
        "volume": 5_000, "right_answer_usd": 0.5, "budget_usd": 9.5, "utilisation": 80, "hours": 100,
        "owned": True, "retrains": 2, "relabel": 0.5,
    }  # fmt: skip
    scenario = figures(published)["scenario"]
    assert {name: scenario[name] for name in given} == given
    inputs = {
        attributes["name"]: attributes
        for tag, attributes in Text(out / "cost.html").tags
        if tag == "input" and attributes.get("name")
    }
    shown = {name: inputs[name].get("value") for name in given if name != "owned"}
    assert shown == {name: f"{value:,.10g}" for name, value in given.items() if name != "owned"}
    assert "checked" in inputs["owned"]
    assert (
        "5,000 requests, $0.50 per right answer, labels owned, 80 % busy"
        in Text(out / "methodology.html").text
    )


# On the web


def test_a_site_is_ready_for_pages_and_knows_no_address_unless_told(results: Path, out: Path) -> None:
    publish(results, out)
    assert (out / ".nojekyll").read_bytes() == b""
    assert not list(out.glob("sitemap*"))
    assert "There is no such page" in Text(out / "404.html").text
    for page in out.rglob("*.html"):
        assert "og:" not in page.read_text(encoding="utf-8")


def test_with_an_address_there_are_a_sitemap_canonical_links_and_previews(
    results: Path, out: Path, boards: list[Path]
) -> None:
    publish_boards(results, out, boards, url=ADDRESS.rstrip("/"))
    check_links(out, leaving=ADDRESS)
    tree = ElementTree.fromstring((out / "sitemap.xml").read_text(encoding="utf-8"))
    listed = {element.text for element in tree.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    pages = [path.relative_to(out).as_posix() for path in out.rglob("*.html") if path.name != "404.html"]
    assert listed == {ADDRESS + page.removesuffix("index.html") for page in pages}
    tags = Text(out / "rivers" / "index.html").tags
    named = {
        attributes.get("property"): attributes.get("content") for tag, attributes in tags if tag == "meta"
    }
    assert named["og:url"] == f"{ADDRESS}rivers/"
    assert named["og:title"] == "On rivers · GainBoard"
    assert named["og:description"] == "Fine-tune small with LoRA r16."
    assert named["og:image"] == f"{ADDRESS}rivers/static/card.png"
    picture = (out / "rivers" / "static" / "card.png").read_bytes()
    sides = [int.from_bytes(picture[start : start + 4]) for start in (16, 20)]  # of a PNG
    assert sides == [int(named[f"og:image:{side}"] or 0) for side in ("width", "height")]
    canonical = next(attributes["href"] for tag, attributes in tags if attributes.get("rel") == "canonical")
    assert canonical == f"{ADDRESS}rivers/"


def test_a_missing_page_finds_its_styles_from_any_depth(results: Path, out: Path) -> None:
    publish(results, out, url=ADDRESS)
    source = (out / "404.html").read_text(encoding="utf-8")
    assert 'href="/lb/static/site.css"' in source and 'href="/lb/index.html"' in source


@pytest.mark.parametrize(
    "url",
    [
        "example.org",
        "ftp://example.org",
        "https://",
        "https://a.org/?x=1",
        "https://a.org/#x",
        "https://a.org/ b",
        "http://[",
    ],
)
def test_what_is_no_address_is_refused(results: Path, out: Path, url: str) -> None:
    with pytest.raises(UserError, match="--url"):
        publish(results, out, url=url)
    assert not out.exists()


def test_more_pages_than_a_sitemap_may_hold_are_split() -> None:
    assert check_address("http://a.org") == "http://a.org/"
    maps = sitemaps("http://a.org/", [f"runs/{number}.html" for number in range(5)], max_pages=2)
    assert sorted(maps) == ["sitemap-1.xml", "sitemap-2.xml", "sitemap-3.xml", "sitemap.xml"]
    assert "<sitemap><loc>http://a.org/sitemap-3.xml</loc></sitemap>" in maps["sitemap.xml"]
    assert "<url><loc>http://a.org/runs/4.html</loc></url>" in maps["sitemap-3.xml"]
    assert sitemaps("", ["index.html"]) == {}


# For scripts


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_publish_tells_scripts_what_it_did(
    results: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("publish", "--results", str(results), "--out", str(out), "--json")
    assert run(*options) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["index"], told["runs"], told["changed"]) == (str(out / "index.html"), 18, [])
    assert told["verdict"].startswith("Fine-tune small") and told["pages"] == len(list(out.rglob("*.html")))
    write_sweep(results, {("large", "lora"): 0.9}, tasks=(task_card("rivers"), task_card("capitals")), n=30)
    assert run(*options) == 0
    assert "large · LoRA r16: new row" in json.loads(capsys.readouterr().out)["changed"]


def test_publish_takes_several_boards(
    results: Path, out: Path, boards: list[Path], capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["publish", "--results", str(results), "--out", str(out)]
    assert run(*options, "--board", str(boards[0]), "--board", str(boards[1]), "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert list(told["boards"]) == ["rivers", "capitals"]
    assert told["boards"]["rivers"]["verdict"].startswith("Fine-tune small")
    assert run(*options, "--board", str(boards[0])) == 0
    assert "9 runs. Open" in capsys.readouterr().out
    assert not (out / "rivers").exists() and (out / "tasks" / "rivers.html").is_file()
