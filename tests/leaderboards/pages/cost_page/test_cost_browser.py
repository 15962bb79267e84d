"""The cost page in a real browser: whatever a reader writes, it shows the very figures that Python works
out."""

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from synthetic import draw_scores, guarding, make_run, task_card, write_ensemble, write_result

from harness.records.scores import TaskCard
from harness.sweep.methods import Method
from leaderboards import publish
from leaderboards.chart.cost import Plot
from leaderboards.decide.scenario import Level, Scenario, scenario_at
from leaderboards.gathered import Site, gather, read_folder
from leaderboards.pages.cost_page.page import CostPage, cost_page
from leaderboards.pages.parts.grid import Grid

H100, CPU, UNPRICED = "NVIDIA H100 80GB HBM3", "cpu (4 cores, invented)", "Abacus 9"
ARMS: dict[tuple[str, Method], tuple[float, float, str, float]] = {
    ("small", "zero_shot"): (0.35, 40.0, H100, 0.0),
    ("small", "few_shot"): (0.5, 25.0, H100, 0.0),
    ("small", "lora"): (0.8, 40.0, H100, 1200.0),
    ("small", "full"): (0.78, 40.0, H100, 4800.0),
    ("tiny", "zero_shot"): (0.3, 2.0, CPU, 0.0),
    ("tiny", "few_shot"): (0.32, 1.0, CPU, 0.0),
    ("tiny", "lora"): (0.6, 2.0, CPU, 9000.0),
    ("odd", "zero_shot"): (0.55, 9.0, UNPRICED, 0.0),
    ("odd", "lora"): (0.85, 9.0, UNPRICED, 700.0),
}
"""Share of right answers, requests a second, device, seconds of training."""

READ = """() => {
  const text = (part) => (part ? part.textContent : "");
  const grid = (id) => [...document.querySelectorAll(`#${id} tbody tr`)].map((row) => [
    text(row.querySelector(".name")),
    ...[...row.cells].slice(1).map((cell) => [
      text(cell.querySelector(".value")), text(cell.querySelector("small")), cell.dataset.sort ?? null,
      ["good", "bad", "muted"].find((tone) => cell.classList.contains(tone)) ?? "",
    ]),
  ]);
  const plot = (id) => {
    const all = (part) => [...document.querySelectorAll(`#${id} ${part}`)];
    return {
      x: all(".x-axis text").map((tick) => [tick.getAttribute("x"), text(tick)]),
      y: all(".y-axis text").map((tick) => [tick.getAttribute("y"), text(tick)]),
      traces: all(".trace").map((line) => [line.getAttribute("points"), line.getAttribute("class").trim(), text(line)]),
      labels: all(".labels text").map((label) => [label.getAttribute("x"), label.getAttribute("y"), text(label)]),
      spots: all(".spots > g").map((spot) => [
        spot.getAttribute("transform"), spot.classList.contains("frontier-mark"), text(spot.querySelector("title")),
      ]),
      crossing: all(".crossing").map((ring) => [ring.getAttribute("cx"), ring.getAttribute("cy")]),
      at: document.querySelector(`#${id} .divide`)?.getAttribute("d") ?? null,
      stairs: document.querySelector(`#${id} .stairs`).getAttribute("d"),
    };
  };
  return {
    verdict: text(document.getElementById("decision")),
    cheapest: text(document.getElementById("cheapest")),
    hangs: text(document.getElementById("hangs")),
    swings: grid("swings-table"),
    knowing: text(document.getElementById("knowing")),
    figures: grid("figures-table"),
    budgets: grid("budgets-table"),
    total: plot("total-plot"),
    worth: plot("worth-plot"),
    stairs: plot("stairs-plot"),
  };
}"""
"""All that a scenario changes on the page."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results and their site: two priced devices and one without a price, a vote, few-shot timed without its
    cache."""
    folder = tmp_path_factory.mktemp("cost")
    for card in (task_card("one"), task_card("two")):
        members = []
        for (name, method), (right, rate, device, seconds) in ARMS.items():
            for seed in (0, 1, 2):
                run = make_run(name, method, card, seed)
                uncached = rate / 2 if (name, method) == ("small", "few_shot") else None
                result = write_result(
                    folder / "results", run, card, draw_scores(right, 60, seed, name=card.name), device=device,
                    requests_per_second=rate, uncached_requests_per_second=uncached, train_seconds=seconds,
                )  # fmt: skip
                members += [result] if (name, method) == ("small", "lora") else []
        write_ensemble(folder / "results", "votes", "vote", members, draw_scores(0.82, 60, 0, name=card.name))
        write_forgetting(folder / "results", card)
        for seed in (0, 1, 2):
            smaller = make_run("small", "lora", card, seed, n_train=100)
            scores = draw_scores(0.7, 60, seed, name=f"{card.name} of 100")
            write_result(
                folder / "results", smaller, card, scores, requests_per_second=40.0, train_seconds=300.0
            )
    publish(folder / "results", folder / "site")
    return folder


def write_forgetting(results: Path, card: TaskCard) -> None:
    """A fine-tune that lost half of what its base could do on a guard task: whatever is edited, it is never
    advised."""
    guard = task_card("guard")
    arms: tuple[tuple[Method, int], ...] = (("lora", 30), ("zero_shot", 60))
    for seed in (0, 1, 2):
        for method, right in arms:
            run = guarding(make_run("small", method, card, seed), guard)
            write_result(results, run, guard, [float(place < right) for place in range(80)])


@pytest.fixture(scope="module")
def site(folder: Path) -> Site:
    return gather(read_folder(folder / "results"))


@cache
def tab(browser: Any, width: int, scheme: str) -> tuple[Any, list[str]]:
    """A tab that is used again and again, and what it complains of: a new one takes longer to start than the
    cost page to load."""
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page, complaints


class Opened:
    """The cost page in a browser, loaded anew, with all that it complained of."""

    def __init__(
        self, browser: Any, folder: Path, query: str = "", *, width: int = 1280, scheme: str = "light"
    ) -> None:
        self.page, self.complaints = tab(browser, width, scheme)
        self.complaints.clear()
        self.page.goto((folder / "site" / "cost.html").as_uri() + query)

    def write(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            if name in ("cache", "owned"):
                self.page.set_checked(f"#{name}", bool(value))
            else:
                self.page.fill(f"#{name}", str(value))

    def take_back(self, names: Iterable[str]) -> None:
        """Write what stood in these fields when the page was opened."""
        for name in names:
            text, checked = self.page.eval_on_selector(
                f"#{name}", "(field) => [field.defaultValue, field.defaultChecked]"
            )
            self.write({name: checked if name in ("cache", "owned") else text})

    def fault(self, name: str) -> str:
        return str(self.page.inner_text(f"#{name}-error"))

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        # No page that is left takes what was written into its fields along to the next one.
        self.page.goto("about:blank")
        assert self.complaints == []


def scenario_of(site: Site, values: Mapping[str, Any]) -> Scenario:
    """The scenario that a reader has written."""
    prices = tuple(values.get(f"hour{place}", hour) for place, hour in enumerate(site.scenario.hour_prices))
    others = {name: value for name, value in values.items() if not re.fullmatch(r"hour\d", name)}
    return replace(site.scenario, hour_prices=prices, **others)


def assert_grid(found: list[Any], grid: Grid) -> None:
    for line, (name, *cells) in zip(grid.lines, found, strict=True):
        assert name == line.head.name
        for column, item, (text, detail, sort, tone) in zip(grid.columns, line.items, cells, strict=True):
            place = f"{line.head.name} {line.head.detail}, {column.title}"
            assert [text, detail] == [item.text, item.detail], place
            assert (sort is None) == (item.sort is None), place
            # The page keeps seven digits to sort by.
            assert sort is None or float(sort) == pytest.approx(item.sort, rel=1e-6, abs=1e-12), place
            assert tone == item.tone, place


def near(found: str | None, wanted: str | None) -> bool:
    """Whether two pieces of geometry are the same but for a tenth of a pixel."""
    number = r"-?\d+(?:\.\d+)?"
    if found is None or wanted is None:
        return found == wanted
    ours, theirs = (re.findall(number, text) for text in (found, wanted))
    alike = re.split(number, found) == re.split(number, wanted) and len(ours) == len(theirs)
    return alike and all(abs(float(a) - float(b)) < 0.11 for a, b in zip(ours, theirs, strict=True))


def assert_plot(found: dict[str, Any], plot: Plot) -> None:
    for drawn, ticks, shift in ((found["x"], plot.frame.x_ticks, 0), (found["y"], plot.frame.y_ticks, 4)):
        assert [text for _, text in drawn] == [tick.label for tick in ticks]
        assert [float(at) for at, _ in drawn] == pytest.approx([tick.at + shift for tick in ticks], abs=0.11)
    assert [(kind, title) for _, kind, title in found["traces"]] == [
        (f"trace {trace.kind}".strip(), trace.title) for trace in plot.traces
    ]
    assert all(
        near(drawn[0], trace.points) for drawn, trace in zip(found["traces"], plot.traces, strict=True)
    )
    assert [text for _, _, text in found["labels"]] == [label.text for label in plot.labels]
    for (x, y, _), label in zip(found["labels"], plot.labels, strict=True):
        assert (float(x), float(y)) == pytest.approx((label.x, label.y), abs=0.11)
    assert [(frontier, title) for _, frontier, title in found["spots"]] == [
        (s.frontier, s.title) for s in plot.spots
    ]
    for (place, _, _), spot in zip(found["spots"], plot.spots, strict=True):
        assert near(place, None if spot.x is None else f"translate({spot.x:g} {spot.y:g})")
    top, bottom = plot.frame.top, plot.frame.bottom
    assert near(found["at"], None if plot.at is None else f"M{plot.at:g} {top:g}V{bottom:g}")
    assert near(found["stairs"], plot.stairs)
    rings = [] if plot.crossing is None else [plot.crossing]
    assert [(float(x), float(y)) for x, y in found["crossing"]] == [
        pytest.approx(ring, abs=0.11) for ring in rings
    ]


def assert_shows(opened: Opened, page: CostPage) -> None:
    found = opened.page.evaluate(READ)
    for name in ("verdict", "cheapest", "knowing", "hangs"):
        assert found[name] == getattr(page, name)
    assert_grid(found["swings"], page.swings)
    assert_grid(found["figures"], page.figures)
    assert_grid(found["budgets"], page.budgets)
    for name, plot in (("total", page.total), ("worth", page.worth), ("stairs", page.stairs)):
        assert_plot(found[name], plot)


EXTREMES: list[dict[str, Any]] = [
    {},
    {"volume": 1},
    {"hour0": 0, "hour1": 0, "hour2": 0, "label": 0},
    {"hour0": 0},
    {"hour0": 1e-9, "hour1": 1e-9, "label": 1e-9, "volume": 1},
    {"hour0": 1_000_000_000, "volume": 100_000_000_000, "right_answer_usd": 1_000_000_000},
    {"volume": 1_000_000_000, "budget_usd": 1_000_000_000},
    {"right_answer_usd": 1e-9},
    {"hours": 1_000_000},
]
EDITS: list[dict[str, Any]] = [
    *EXTREMES,
    {"volume": 5_000_000},
    {"right_answer_usd": 0},
    {"right_answer_usd": 0.0002},
    {"right_answer_usd": 5_000},
    {"budget_usd": 12.5},
    {"budget_usd": 40},
    {"budget_usd": 0.01},
    {"budget_usd": 1000},
    {"hours": 730},
    {"hours": 24, "volume": 2_000_000, "budget_usd": 1500},
    {"hours": 1, "label": 0, "utilisation": 100},
    {"retrains": 4, "relabel": 0.25, "budget_usd": 300},
    {"owned": True},
    {"owned": True, "retrains": 2, "relabel": 1},
    {"utilisation": 100},
    {"utilisation": 7.5},
    {"retrains": 12},
    {"label": 0},
    {"label": 3},
    {"hour0": 1.25},
    {"hour1": 0},
    {"hour0": 0, "hour1": 0, "hour2": 0},
    {"hour2": 1.5},
    {"api_input": 40, "api_output": 125},
    {"api_input": 0, "api_output": 0},
    {"api_cached": 30, "api_input": 60},
    {"cache": False},
    {"cache": False, "label": 0, "volume": 2_000_000, "utilisation": 100},
    {
        "hour0": 9,
        "hour1": 0.2,
        "hour2": 0.9,
        "label": 0.004,
        "volume": 30_000_000,
        "right_answer_usd": 0.00018,
        "budget_usd": 1125,
    },
]


def test_every_edit_shows_the_figures_that_python_works_out(browser: Any, folder: Path, site: Site) -> None:
    with Opened(browser, folder) as opened:
        for values in EDITS:
            opened.write(values)
            assert_shows(opened, cost_page(site, scenario_of(site, values)))
            opened.take_back(values)


def test_one_edit_after_another_never_leaves_anything_behind(browser: Any, folder: Path, site: Site) -> None:
    """All fields at first, then a few at a time; the others keep what was written into them before."""
    chance = random.Random(6)
    written: dict[str, Any] = {}
    with Opened(browser, folder) as opened:
        for _ in range(25):
            values: dict[str, Any] = {
                "volume": chance.randrange(1, 10 ** chance.randrange(1, 12)),
                "right_answer_usd": round(10 ** chance.uniform(-5, 2), chance.randrange(3, 8)),
                "budget_usd": round(10 ** chance.uniform(-1, 5), 2),
                "utilisation": chance.choice([1, 30, 33.3, 100]),
                "hours": chance.choice([0, 0, 1, 24.5, 730, 100_000]),
                "retrains": chance.choice([0, 1, 3, 40]),
                "relabel": chance.choice([0, 0.1, 1]),
                "owned": chance.random() < 0.3,
                "label": round(10 ** chance.uniform(-4, 1), 4),
                "cache": chance.random() < 0.5,
            } | {f"hour{place}": round(10 ** chance.uniform(-2, 1.5), 3) for place in range(3)}
            values |= {
                name: round(10 ** chance.uniform(-2, 2), 3)
                for name in ("api_input", "api_cached", "api_output")
            }
            edited = dict(chance.sample(list(values.items()), 4)) if written else values
            opened.write(edited)
            written |= edited
            assert_shows(opened, cost_page(site, scenario_of(site, written)))


def test_the_page_is_the_same_before_its_script_runs(browser: Any, folder: Path, site: Site) -> None:
    context = browser.new_context(java_script_enabled=True)
    page = context.new_page()
    page.route("**/static/*.js", lambda route: route.abort())
    page.goto((folder / "site" / "cost.html").as_uri())
    plain = Opened.__new__(Opened)
    plain.page = page
    assert_shows(plain, cost_page(site))
    assert page.locator("#volume").is_disabled()
    context.close()


def test_without_javascript_everything_stands_there_and_says_how_to_edit(
    browser: Any, folder: Path, site: Site
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((folder / "site" / "cost.html").as_uri())
    assert page.inner_text("#decision") == cost_page(site).verdict
    assert "Editing needs JavaScript." in page.inner_text("#scenario")
    assert page.locator("#figures-table tbody tr").count() == len(site.choices.cases)
    context.close()


TICKS = """() => ["total-plot", "worth-plot", "stairs-plot"].flatMap((id) => {
  const texts = (part) => [...document.querySelectorAll(`#${id} ${part}`)].map((text) => ({ text, box: text.getBBox() }));
  const { width, height } = document.getElementById(id).viewBox.baseVal;
  const out = ({ box }) => box.x < 0 || box.y < 0 || box.x + box.width > width || box.y + box.height > height;
  const covers = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
  const twice = [".x-axis text", ".y-axis text"].flatMap((axis) => {
    const labels = texts(axis).map(({ text }) => text.textContent);
    return labels.filter((label, at) => labels.indexOf(label) !== at);
  });
  const titles = texts(".axis-title");
  const covered = texts(".labels text").filter(({ box }) => titles.some((title) => covers(title.box, box)));
  return [...twice, ...[...texts("text").filter(out), ...covered].map(({ text }) => text.textContent)];
})"""
"""Ticks that an axis says twice, texts that a chart cuts off, and names that cover the title of an axis."""


def test_no_text_of_a_chart_is_cut_off_or_covers_a_title_and_no_tick_is_said_twice(
    browser: Any, folder: Path
) -> None:
    for values in EXTREMES:
        query = "&".join(f"{name}={value}" for name, value in values.items())
        with Opened(browser, folder, f"?{query}") as opened:
            assert opened.page.evaluate(TICKS) == [], values


def test_the_address_holds_what_was_changed_and_a_link_shows_the_same(
    browser: Any, folder: Path, site: Site
) -> None:
    values = {"volume": 2_500_000, "hour1": 2.2, "retrains": 3, "cache": False, "owned": True}
    with Opened(browser, folder) as opened:
        opened.write(values)
        query = opened.page.evaluate("location.search")
        assert query == "?owned=on&cache=off&volume=2500000&retrains=3&hour1=2.2"
        before = opened.page.evaluate(READ)
    with Opened(browser, folder, query) as again:
        assert again.page.evaluate(READ) == before
        assert (again.page.input_value("#volume"), again.page.is_checked("#cache")) == ("2500000", False)
        again.write({"volume": 100000, "hour1": 3, "retrains": 0, "cache": True, "owned": False})
        assert again.page.evaluate("location.search") == ""


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("volume", "-5", "Must be from 1 to 100,000,000,000."),
        ("volume", "", "Write a number."),
        ("volume", "many", "Not a number: write it like 1,500, 0.25 or 10k."),
        ("volume", "1,00", "Not a number"),
        ("volume", "1,0000", "Not a number"),
        ("volume", "10 kg", "Not a number"),
        ("volume", "1e99", "Must be from 1 to 100,000,000,000."),
        ("volume", "Infinity", "Not a number"),
        ("right_answer_usd", "0x10", "Not a number"),
        ("relabel", "20", "Must be from 0 to 1."),
        ("utilisation", "0", "Must be from 1 to 100."),
        ("retrains", "1.5", "Must be a whole number."),
        ("hour1", "NaN", "Not a number"),
        ("label", "<b>1</b>", "Not a number"),
    ],
)
def test_a_wrong_input_is_named_beside_its_field_and_the_last_good_value_holds(
    browser: Any, folder: Path, name: str, text: str, said: str
) -> None:
    with Opened(browser, folder) as opened:
        opened.write({"budget_usd": 77})
        before, query = opened.page.evaluate(READ), opened.page.evaluate("location.search")
        opened.write({name: text})
        assert opened.fault(name).startswith(said) and opened.fault(name).endswith("still counts.")
        assert opened.page.get_attribute(f"#{name}", "aria-invalid") == "true"
        assert opened.page.evaluate(READ) == before and opened.page.evaluate("location.search") == query
        opened.write({name: "1"})
        assert (opened.fault(name), opened.page.get_attribute(f"#{name}", "aria-invalid")) == ("", "false")
    with Opened(browser, folder, f"?{name}={text}") as linked:
        assert linked.fault(name) != "" or text == ""


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1,000", 1_000), ("10 000", 10_000), ("10\u202f000", 10_000), ("10k", 10_000), ("1.5M", 1_500_000),
        ("2 million", None), ("1.1k", 1_100), ("2e6", 2_000_000), ("1,234,567.5", 1_234_567.5), ("3B", 3_000_000_000),
    ],
)  # fmt: skip
def test_numbers_may_be_written_as_people_write_them(
    browser: Any, folder: Path, site: Site, text: str, value: float | None
) -> None:
    with Opened(browser, folder) as opened:
        opened.write({"volume": text})
        if value is None:
            assert opened.fault("volume").startswith("Not a number")
            return
        assert opened.fault("volume") == ""
        assert f"volume={value:g}" in opened.page.url or f"volume={value:.10g}" in opened.page.url
        assert_shows(opened, cost_page(site, scenario_of(site, {"volume": value})))


def test_an_amount_may_have_its_dollar_sign(browser: Any, folder: Path, site: Site) -> None:
    with Opened(browser, folder) as opened:
        opened.write({"budget_usd": "$1,250.50"})
        assert_shows(opened, cost_page(site, scenario_of(site, {"budget_usd": 1250.5})))


def test_a_device_without_a_price_is_left_out_until_one_is_written(browser: Any, folder: Path) -> None:
    with Opened(browser, folder) as opened:
        row = opened.page.locator("#figures-table tbody tr", has_text="odd").first
        assert (opened.page.input_value("#hour0"), opened.fault("hour0")) == ("", "")
        assert row.locator("td").nth(3).inner_text() == "–"
        opened.write({"hour0": "2"})
        assert row.locator("td").nth(3).inner_text().startswith("$")


def test_a_board_with_nothing_to_choose_breaks_nothing(browser: Any, tmp_path: Path) -> None:
    cards = (task_card("one"), task_card("two"))
    for name, card in zip(("small", "large"), cards, strict=True):
        write_result(tmp_path / "results", make_run(name, "lora", card, 0), card, [1.0, 0.0])
    publish(tmp_path / "results", tmp_path / "site")
    with Opened(browser, tmp_path) as opened:
        opened.write({"volume": 5000})
        assert opened.page.inner_text("#decision") == "Nothing can be advised: no candidate is complete."
        assert opened.page.inner_text("#budgets-table").count("no cost is known") == 4


def test_one_seed_shows_no_share_of_draws_whatever_is_edited(browser: Any, tmp_path: Path) -> None:
    card = task_card("one")
    for method, right in (("few_shot", 0.5), ("lora", 0.8)):
        run = make_run("small", method, card, 0)  # type: ignore[arg-type]
        write_result(tmp_path / "results", run, card, draw_scores(right, 60, 0))
    publish(tmp_path / "results", tmp_path / "site")
    site = gather(read_folder(tmp_path / "results"))
    with Opened(browser, tmp_path) as opened:
        for values in ({}, {"right_answer_usd": 0.5}, {"volume": 10}):
            opened.write(values)
            page = cost_page(site, scenario_of(site, values))
            assert "worth it in" not in page.verdict and page.knowing == ""
            assert_shows(opened, page)
            opened.write({"right_answer_usd": site.scenario.right_answer_usd, "volume": site.scenario.volume})


def test_buttons_fill_in_low_and_high_prices_and_hosted_models(
    browser: Any, folder: Path, site: Site
) -> None:
    with Opened(browser, folder) as opened:
        levels: tuple[tuple[str, Level], ...] = (("High", "high"), ("Low", "low"))
        for title, level in levels:
            opened.page.click(f"button:text-is('{title}')")
            filled_in = scenario_at(site.board.scenario, site.prices, site.choices.devices, level)
            assert_shows(opened, cost_page(site, filled_in))
        opened.page.click("button:has-text('large hosted model')")
        assert opened.page.input_value("#api_input") == "2.5"
        assert opened.page.input_value("#api_cached") == "0.75"


def pressed(opened: Opened) -> list[str]:
    """Which presets say that their values stand in the fields."""
    return list(opened.page.locator("[data-preset][aria-pressed=true]").all_inner_texts())


def test_presets_show_whether_their_values_stand_there(browser: Any, folder: Path) -> None:
    with Opened(browser, folder) as opened:
        at_first = pressed(opened)
        assert at_first[0] == "Middle"
        opened.page.click("button:text-is('High')")
        assert pressed(opened)[0] == "High"
        opened.write({"label": 0.123})
        assert pressed(opened) == []
        opened.page.click(f"button:text-is('{at_first[1]}')")
        assert pressed(opened) == at_first[1:], "the tokens of a hosted model, whatever a label costs"


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("volume", 50, 1_000_000),  # halfway from a thousand to a thousand millions
        ("right_answer_usd", 0, 0),
        ("hours", 100, 100_000),
        ("retrains", 50, 10),
        ("relabel", 25, 0.25),
        ("utilisation", 30, 30),
    ],
)
def test_a_slider_writes_its_field_and_stands_where_the_field_says(
    browser: Any, folder: Path, site: Site, name: str, place: float, value: float
) -> None:
    with Opened(browser, folder) as opened:
        slider = opened.page.locator(f"[data-slides={name}]")
        slider.fill(str(place))
        assert_shows(opened, cost_page(site, scenario_of(site, {name: value})))
        assert float(opened.page.input_value(f"#{name}").replace(",", "")) == value
        opened.page.focus("#label")
        opened.write({name: value})
        assert float(slider.input_value()) == pytest.approx(place)


def test_a_sorted_table_still_changes_each_row_s_own_figures(browser: Any, folder: Path, site: Site) -> None:
    with Opened(browser, folder) as opened:
        opened.page.click("#figures-table th button:has-text('Total')")
        opened.write({"volume": 700_000})
        page = cost_page(site, scenario_of(site, {"volume": 700_000}))
        wanted = {(line.head.name, line.head.detail): line.items[3].text for line in page.figures.lines}
        rows = opened.page.locator("#figures-table tbody tr").all()
        found = {
            (row.locator(".name").inner_text(), row.locator("th small").inner_text().strip()): row.locator(
                "td"
            ).nth(3)
            for row in rows
        }
        assert {key: cell.locator(".value").inner_text() for key, cell in found.items()} == wanted


def test_it_is_worked_by_keyboard_and_keeps_its_place(browser: Any, folder: Path) -> None:
    with Opened(browser, folder) as opened:
        page = opened.page
        page.focus("#volume")
        page.keyboard.press("Control+A")
        page.keyboard.type("250000")
        assert page.evaluate("document.activeElement.id") == "volume"
        page.keyboard.press("Enter")  # no form is sent anywhere
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "right_answer_usd"
        assert "volume=250000" in page.url
        assert page.get_attribute("#decision", "aria-live") == "polite"
        for field in page.locator("#scenario input[type=text]").all():
            assert page.locator(f"label[for={field.get_attribute('id')}]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 390, 1280])
def test_it_never_scrolls_sideways(browser: Any, folder: Path, width: int, scheme: str) -> None:
    with Opened(browser, folder, width=width, scheme=scheme) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
