"""A site with every kind of page, of invented results as rich as a real board's: for tests in a browser, and
to look at.

`python tests/showcase.py FOLDER` publishes it and takes a picture of every page, on a desktop and a phone,
light and dark; `--readme SITE` takes the two of the quickstart's site that the README shows instead, and
`--card` draws what is shown beside a link to any site.
"""

import argparse
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explained import write_explained
from synthetic import (
    draw_scores,
    guarding,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
)

from harness.records.scores import MetricCard, TaskCard
from harness.records.store import write_record
from harness.records.training import ResourceUse
from harness.sweep.methods import Method
from harness.sweep.run import Run
from leaderboards import publish, publish_boards
from leaderboards.elsewhere.scores import IMPORTED, Imported, ImportedMetric, Source
from leaderboards.links import method_href, model_href
from leaderboards.pages.review import write_review
from leaderboards.text import page_slug

CHROMIUM = Path("/usr/bin/chromium")
SCREENSHOTS = Path(__file__).parents[1] / "leaderboards" / "screenshots"
CARD = Path(__file__).parents[1] / "leaderboards" / "static" / "card.png"
CARD_PAGE = """
<body style="margin: 90px 100px; width: 1000px; font-family: 'Liberation Sans', Arial, sans-serif; color: #16323a">
<svg viewBox="0 0 16 16" width="150"><path d="M2 13V9h4V6h4V3h4" fill="none" stroke="#0d7377" stroke-width="2"/></svg>
<h1 style="margin: 30px 0 20px; font-size: 100px">GainBoard</h1>
<p style="margin: 0; font-size: 44px; line-height: 1.3">
Which model to fine-tune, with which recipe, and is it worth the cost?</p>
"""
WIDTHS = {"desktop": 1280, "phone": 390}
SAMPLES = 60

LONG = "Mistral-Small-3.2-24B-Instruct-2506-with-an-unusually-long-name"
SIZES = {"Qwen3-4B": 4_022_000_000, "gemma-3-270m": 268_000_000, LONG: 23_600_000_000}
RATES: dict[Method, float] = {"zero_shot": 0.42, "few_shot": 0.55, "lora": 0.74, "qlora": 0.71, "full": 0.76}
SKILL = {"Qwen3-4B": 0.06, "gemma-3-270m": -0.12, LONG: 0.02}
SECONDS: dict[Method, float] = {"lora": 900.0, "qlora": 1300.0, "full": 2600.0}

PROMPTS = {
    "sst2": ("Is the review positive or negative?\n\n{}\n\nAnswer:", "positive"),
    "gsm8k": ("Solve the problem and give the number.\n\n{}", "72"),
    "support-ticket-triage-in-eleven-languages": ("Which team is the ticket for?\n\n{}\n\nTeam:", "billing"),
    "date_normalise": ("{}", "2021-03-03"),
}
"""Of each task a prompt with a place for the input, and its target."""

INPUTS = {
    "sst2": (
        "A film that is never less than watchable, and in its last {} minutes a good deal more.",
        "I looked at my watch {} times.",
        "Two hours of {} people shouting in a kitchen, and I would not have missed a minute of it.",
    ),
    "gsm8k": (
        "Natalia sold {} clips in April and half as many in May. How many did she sell altogether?",
        "A train leaves with {} passengers. At the first stop a third of them get off and 12 get on; at the "
        "second, half of those on board get off and nobody gets on. The conductor counts twice, writes both "
        "numbers down, and is asked by the inspector, who has had a long day and would like to go home, how "
        "many seats are free if the train has 120, of which 7 are broken, 3 are reserved for the staff, and "
        "one is taken by a dog that has a ticket of its own. How many passengers are on board now?",
    ),
    "support-ticket-triage-in-eleven-languages": (
        "My card was charged {} times and nobody answers.",
        "Le colis {} n\u2019est jamais arriv\u00e9.",
        "Ich kann mich seit {} Tagen nicht anmelden.",
    ),
    "date_normalise": ("the {}rd of March 2021", "March {}, in the year 2021", "{} March 21"),
}
"""What the samples say, in turn, with a place for a number."""

CURVE = {25: (0.44, 1.05), 50: (0.5, 0.82), 100: (0.56, 0.66), 150: (0.6, 0.585), 250: (0.65, 0.5)}
"""Training samples of a learning curve besides all of them, each with the score aimed at and the dev loss."""

WORDINGS = {
    "command": "Write the date as YYYY-MM-DD: {}",
    "question": "Which day is {}?",
    "form": "Date: {}\nISO 8601:",
}
"""Those of the task that is scored in several, by the name of their template."""

UNSURE = "I am not sure, but it could be something else."
"""What an untrained model answers where it is wrong: nothing that has the form of an answer."""


def cards() -> tuple[TaskCard, ...]:
    """Right-or-wrong tasks, one graded by overlap and one with written answers among them, and names short
    and long."""
    f1 = MetricCard(description="overlap of labels", low=0, high=1, higher_is_better=True, corpus=False)
    graded = {"primary_metric": "f1", "binary": False, "chance": 0.0, "metrics": {"f1": f1}}
    first, second, third, fourth = PROMPTS
    return (
        task_card(first, chance=0.5, description="Whether a film review is positive."),
        task_card(second, chance=0.0, license="MIT", description="Grade-school arithmetic in words."),
        task_card(third, description="Which of eleven teams a ticket goes to.", **graded),
        task_card(
            fourth,
            chance=0.0,
            output="generate",
            templates=tuple(WORDINGS),
            description="Dates in many forms, as ISO 8601.",
        ),
    )


@dataclass(frozen=True)
class Showcase:
    """A published site, one whose ranking is too long for its first page, a site of two boards, and a review
    page."""

    site: Path
    large: Path
    boards: Path
    review: Path
    explained: Path
    """Of tasks that were analysed."""

    @classmethod
    def below(cls, folder: Path) -> "Showcase":
        """What `make_showcase` makes in a folder."""
        return cls(
            folder / "site",
            folder / "large",
            folder / "boards",
            folder / "review.html",
            folder / "explained",
        )

    @property
    def kinds(self) -> dict[str, Path]:
        """Every kind of page by name, with its file."""
        model = next(iter(SIZES))

        def run(method: str, name: str = model) -> Path:
            return self.site / "runs" / f"{page_slug(f'{name}--{method}--sst2-v1--n-500--seed-0')}.html"

        return {
            "index": self.site / "index.html",
            "cost": self.site / "cost.html",
            "compare": self.site / "compare.html",
            "problems": self.site / "problems.html",
            "list": self.site / "models.html",
            "history": self.site / "history.html",
            "methodology": self.site / "methodology.html",
            "missing": self.site / "404.html",
            "method": self.site / method_href("lora"),
            "task": self.site / "tasks" / "sst2.html",
            "written-task": self.site / "tasks" / "date_normalise.html",
            "samples": self.site / "samples" / "sst2-1.html",
            "graded-samples": self.site / "samples" / "support-ticket-triage-in-eleven-languages-1.html",
            "worded-samples": self.site / "samples" / "date_normalise-1.html",
            "model": self.site / model_href(model),
            "long-model": self.site / model_href(LONG),
            "ensemble": self.site / model_href("committee"),
            "run": run("lora"),
            "searched-run": run("dora"),
            "staged-run": run("stages"),
            "ensemble-run": run("vote", "committee"),
            "large-index": self.large / "index.html",
            "ranking": self.large / "ranking.html",
            "gains": self.large / "gains.html",
            "front": self.boards / "index.html",
            "review": self.review,
            "why": self.explained / "why" / "ticket-triage.html",
            "why-written": self.explained / "why" / "day-counts.html",
            "analysed-task": self.explained / "tasks" / "ticket-triage.html",
        }


KINDS = tuple(Showcase.below(Path()).kinds)


def make_showcase(folder: Path) -> Showcase:
    """Write results below a folder, and publish them in each way."""
    results, site = folder / "results", folder / "site"
    shown = cards()
    write_results(results, shown, shift=-0.06)
    publish(results, site)  # the table before, which the history tells of
    write_results(results, shown, methods=("lora",))  # the others stay what they were
    write_extras(results, shown)
    board = folder / "board.toml"
    board.write_text(
        'title = "Small models, four tasks"\n'
        'description = "Invented results, to look at the pages with. No model was run for any number in here."\n',
        encoding="utf-8",
    )
    boards = []
    for name, tasks in (
        ("language", '"sst2", "support-ticket-triage-in-eleven-languages"'),
        ("numbers", '"gsm8k"'),
    ):
        boards.append(folder / f"{name}.toml")
        boards[-1].write_text(
            f'title = "The {name} board"\ndescription = "Invented."\ntasks = [{tasks}]\n', "utf-8"
        )
    with warnings.catch_warnings():
        # A damaged file lies among the results, so that the pages have one to name.
        warnings.simplefilter("ignore")
        publish(results, site, board=board)
        publish_boards(results, folder / "boards", boards)
    write_large(folder / "many", shown)
    publish(folder / "many", folder / "large")
    write_review(folder / "review.html", review_record())
    write_explained(folder / "why")
    publish(folder / "why", folder / "explained")
    return Showcase.below(folder)


def write_results(
    results: Path, shown: Sequence[TaskCard], *, shift: float = 0.0, methods: Sequence[Method] = tuple(RATES)
) -> None:
    """Three models, five methods, four tasks, three seeds. `shift` is added to what LoRA scores."""
    for model, size in SIZES.items():
        for method in methods:
            rate = RATES[method]
            for place, card in enumerate(shown):
                for seed in (0, 1, 2):
                    aim = min(0.97, rate + SKILL[model] - 0.04 * place + (shift if method == "lora" else 0.0))
                    write_cell(results, make_run(model, method, card, seed), card, aim, size=size)


def write_large(results: Path, shown: Sequence[TaskCard]) -> None:
    """So many models that the first page shows but the best of them."""
    for number in range(40):
        for method in ("zero_shot", "lora"):
            for card in shown:
                aim = RATES[method] + 0.005 * number
                write_cell(
                    results,
                    make_run(f"model-{number:02}", method, card, 0),
                    card,
                    aim,
                    size=(number + 1) * 10**8,
                )


def write_cell(results: Path, run: Run, card: TaskCard, aim: float, *, size: int, **options: Any) -> Any:
    """One run whose answers fit its scores."""
    method, seed = run.candidate.method, run.seed
    scores = draw_cell(
        card, aim, 0 if method == "zero_shot" else seed, apart=0.12 if method == "zero_shot" else 0.03
    )
    if not card.binary:
        scores = [score if (place + seed) % 3 else (score + 1) / 3 for place, score in enumerate(scores)]
    speed = 4e10 / size * (0.6 if method == "few_shot" else 1.0)
    measured = {
        "parameters": size,
        "train_seconds": SECONDS.get(method, 1000.0) * size / 4e9,
        "requests_per_second": speed,
        "uncached_requests_per_second": speed / 3 if method == "few_shot" else None,
    }
    answered = draw_answers(card, scores, UNSURE if method == "zero_shot" else "neutral")
    return write_result(results, run, card, scores, **answered, **measured, **options)


def draw_cell(card: TaskCard, aim: float, seed: int, *, apart: float) -> list[float]:
    """The scores of every wording, each lower by `apart` than those of the wording before it."""
    wordings = range(len(card.templates))
    return [
        score
        for place in wordings
        for score in draw_scores(aim - apart * place, SAMPLES, seed, name=card.name)
    ]


def draw_answers(card: TaskCard, scores: Sequence[float], wrong: str) -> dict[str, Any]:
    """What was asked and answered, as `write_result` takes it."""
    prompt, target = PROMPTS[card.name]
    inputs = INPUTS[card.name]
    samples = range(len(scores) // len(card.templates))
    prompts = [
        WORDINGS.get(template, "{}").format(prompt.format(inputs[place % len(inputs)].format(place + 3)))
        for template in card.templates
        for place in samples
    ]
    answers = [target if score == 1 else wrong for score in scores]
    return {
        "columns": {"prompt": prompts},
        "target": target,
        "answers": answers,
        "parsed": [answer != UNSURE for answer in answers],
    }


def write_extras(results: Path, shown: Sequence[TaskCard]) -> None:
    """A search, stages, an ensemble, smaller budgets, guard tasks, imported scores, and whatever can go
    wrong."""
    model, size = next(iter(SIZES.items()))
    for budget, (aim, loss) in CURVE.items():
        for seed in (0, 1, 2):
            run = make_run(model, "lora", shown[-1], seed, n_train=budget)
            measured = {"best_dev_loss": loss + 0.01 * seed}
            write_cell(results, run, shown[-1], aim, size=size, trained=measured)
    lost = {
        "resumed_at": (20,),
        "discarded": ResourceUse(seconds=90.0, tokens=900),
        "diverged": "the loss rose to 9",
    }
    for card in shown:
        members = []
        for seed in (0, 1, 2):
            run, selection = searched(
                make_run(model, "dora", card, seed), scores={1e-4: 0.6, 3e-4: 0.7, 1e-2: None}
            )
            collapsed = (
                f"{SAMPLES} of {SAMPLES} answers are the same, and no better than chance" if seed == 1 else ""
            )
            members.append(
                write_cell(results, run, card, 0.7, size=size, selection=selection, collapsed=collapsed)
            )
            run = make_run(model, "stages", card, seed, others=(card, task_card("elsewhere")))
            write_cell(results, run, card, 0.68, size=size, trained=lost)
        voted = draw_cell(card, 0.78, 0, apart=0.03)
        write_ensemble(results, "committee", "vote", members, voted, **draw_answers(card, voted, "neutral"))
    guard = task_card("general-knowledge")
    for method, aim in (("zero_shot", 0.6), ("lora", 0.58), ("full", 0.3)):
        for seed in (0, 1, 2):
            run = guarding(make_run(model, method, shown[0], seed), guard)
            write_result(results, run, guard, draw_scores(aim, SAMPLES, seed, name=guard.name))
    write_failure(results, make_run(LONG, "soup", shown[0], 0), spent=ResourceUse(seconds=300.0))
    write_imported(results, "sst2")
    (results / "broken").mkdir(exist_ok=True)
    (results / "broken" / "result.json").write_text('{"schema_version": 5, ', encoding="utf-8")


def write_imported(results: Path, task: str, *, candidate: str = "Llama-3.2-3B", metric: str = "acc") -> None:
    """A score that another program gave."""
    source = Source(
        program="lm-eval",
        version="0.4.9",
        git_hash=None,
        file="results.json",
        sha256="0" * 64,
        date=None,
        settings={},
    )
    scored = ImportedMetric(name=metric, filter="none", value=0.81, stderr=0.01, higher_is_better=True)
    record = Imported(
        candidate=candidate,
        model=f"invented/{candidate}",
        task=task,
        task_version="1",
        num_fewshot=5,
        n=872,
        metrics=(scored,),
        source=source,
    )
    write_record(results / record.folder / IMPORTED, record)


def review_record() -> dict[str, Any]:
    """Two wordings of three prompts each, as `harness.review.review.state_record` gives them."""
    verdicts = [
        {
            "verdict": "fix",
            "reviewer": "ada",
            "reviewed_at": "2026-01-31",
            "note": "Say which format is wanted.",
        }
    ]
    items = [
        {
            "item": f"{template}-{number}",
            "template": template,
            "sample": f"sample-{number}",
            "few_shot": number == 2,
            "status": ("accepted", "rejected", "open")[number],
            "disputed": number == 1,
            "prompt": f"Write the date as YYYY-MM-DD: the {number + 3}rd of March 2021\nAnswer:",
            "before": " ",
            "targets": [f"2021-03-0{number + 3}", "3 March"],
            "after": "\n",
            "choices": ["2021-03-03", "2021-03-04"] if number == 0 else [],
            "verdicts": verdicts if number == 1 else [],
            "earlier": [],
        }
        for template in ("plain", "asking")
        for number in range(3)
    ]
    return {
        "task": "date_normalise",
        "version": 1,
        "description": "Dates in many forms, as ISO 8601.",
        "summary": "4 of 6 prompts have a verdict that holds.",
        "reviewed": 0.67,
        "templates": {"plain": "Write the date as YYYY-MM-DD: {text}", "asking": "Which day is {text}?"},
        "items": items,
    }


@contextmanager
def chromium() -> Iterator[Any]:
    """The system's browser, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a GPU, drawing by way of an emulated one costs a fifth more.
        drawing = ["--disable-gpu", "--disable-gpu-rasterization", "--disable-software-rasterizer"]
        arguments = ["--no-sandbox", *drawing]
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=arguments)
        yield browser
        browser.close()


def photograph_all(shown: Showcase, folder: Path) -> None:
    """A picture of each page, whole: `<kind>-<desktop or phone>-<light or dark>.png`."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        for device, width in WIDTHS.items():
            for scheme in ("light", "dark"):
                page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for kind, path in shown.kinds.items():
                    page.goto(path.as_uri())
                    page.screenshot(path=folder / f"{kind}-{device}-{scheme}.png", full_page=True)
                page.close()


def photograph_for_readme(site: Path, folder: Path) -> None:
    """The first screen of two pages, on a desktop, light."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTHS["desktop"], "height": 1000})
        for kind in ("index", "cost"):
            page.goto((site.resolve() / f"{kind}.html").as_uri())
            page.screenshot(path=folder / f"{kind}.png")


def draw_card(path: Path) -> None:
    """What a link to a site looks like where it is shared: the mark of the pages and the question that they
    answer."""
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1200, "height": 630})
        page.set_content(CARD_PAGE)
        page.screenshot(path=path)


def main() -> None:
    """Publish, and take pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("folder", type=Path, nargs="?", help="every page, whole")
    where.add_argument("--readme", type=Path, metavar="SITE", help="the two of the README, in their place")
    where.add_argument("--card", action="store_true", help="the picture of links to a site, in its place")
    options = parser.parse_args()
    if options.card:
        draw_card(CARD)
        return
    if options.readme:
        photograph_for_readme(options.readme, SCREENSHOTS)
        return
    with tempfile.TemporaryDirectory() as made:
        photograph_all(make_showcase(Path(made)), options.folder)


if __name__ == "__main__":
    main()
