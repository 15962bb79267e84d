"""What the models say, sample by sample: classes, pages, hostile texts, and the mistakes made of them."""

import json
from pathlib import Path
from typing import Any

import pandas
import pytest
from site_reading import Text, lines
from synthetic import Scores, make_run, rewrite, task_card, write_result, write_sweep

from harness.records.predictions import PREDICTIONS
from harness.records.scores import TaskCard
from harness.sweep.methods import Method
from harness.sweep.settings import Generation
from leaderboards import publish
from leaderboards.pages.samples_page.answers import MARKS, MOST_A_PAGE
from leaderboards.pages.samples_page.arms import Arms
from leaderboards.pages.samples_page.sample_pages import page_links
from leaderboards.pages.samples_page.strip import StripRow, sample_strip
from leaderboards.rank.changes import GRADES, VERDICTS


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def write_arms(
    results: Path, arms: dict[Method, Scores], *, card: TaskCard | None = None, **options: Any
) -> None:
    card = card or task_card()
    for method, scores in arms.items():
        write_result(results, make_run("small", method, card, 0), card, scores, **options)


def site_of(results: Path) -> Path:
    return publish(results, results.parent / "site").index.parent


def kinds(page: Path) -> list[str | None]:
    return [attributes.get("data-kind") for tag, attributes in Text(page).tags if tag == "article"]


def tally(page: Path) -> list[str]:
    """The counts on top, as `▲ fixed 12`."""
    _, _, rest = page.read_text(encoding="utf-8").partition('id="tally"')
    return [Text(f"<li{item}").text for item in rest.partition("</ul>")[0].split("<li")[1:]]


def answers_of(site: Path, row: str, task: str = "capitals") -> Any:
    """What the script of the sample pages reads of an arm."""
    return data_of(site / "answers" / task / f"{row}.js")


def data_of(script: Path) -> Any:
    return json.loads(script.read_text(encoding="ascii").partition("(")[2].rpartition(")")[0])


def test_each_sample_is_classed_by_what_tuning_made_of_it(results: Path) -> None:
    write_arms(
        results, {"zero_shot": [0, 1, 0, 1, None], "few_shot": [0, 0, 0, 0, 0], "lora": [1, 0, 0, 1, 1]}
    )
    page = site_of(results) / "samples" / "capitals-1.html"
    assert kinds(page) == ["fixed", "broken", "both-wrong", "both-right", "not-scored"]
    assert tally(page) == ["▲ fixed 1", "▼ broken 1", "✗ both wrong 1", "✓ both right 1", "○ not scored 1"]
    assert "Error: the engine gave no answer" in Text(page).text


def test_what_a_model_thought_stands_beside_its_answer(results: Path) -> None:
    write_arms(results, {"zero_shot": [0, 1]})
    (path,) = results.glob(f"**/{PREDICTIONS}")
    table = pandas.read_parquet(path)
    table["thought"] = ["Is it <b>Lyon</b>?", None]
    rewrite(path, table)
    site = site_of(results)
    for page in (site / "samples" / "capitals-1.html", *(site / "runs").glob("*.html")):
        assert page.read_text(encoding="utf-8").count("Is it &lt;b&gt;Lyon&lt;/b&gt;?") == 1


def test_scores_between_0_and_1_are_better_worse_or_the_same(results: Path) -> None:
    card = task_card(binary=False)
    write_arms(results, {"zero_shot": [0.2, 0.5, 0.5], "lora": [0.6, 0.1, 0.5]}, card=card)
    page = site_of(results) / "samples" / "capitals-1.html"
    assert kinds(page) == ["better", "worse", "same"]
    assert "score 60.0" in Text(page).text


def test_every_class_of_a_page_has_a_shape_of_its_own() -> None:
    for together in (VERDICTS, GRADES):
        assert len({MARKS[kind] for kind in together}) == len(together)


def test_the_page_says_which_runs_are_shown_and_which_arm_was_not_run(results: Path) -> None:
    write_arms(results, {"zero_shot": [0, 1], "lora": [1, 1]})
    text = Text(site_of(results) / "samples" / "capitals-1.html").text
    assert "Few-shot not run on this task" in text
    assert "LoRA small · LoRA r16, seed 0 (of 1), template plain" in text


def test_the_best_fine_tune_of_the_task_is_shown_with_the_arms_of_its_own_model(results: Path) -> None:
    rates: dict[tuple[str, Method], float] = {
        ("small", "zero_shot"): 0.2,
        ("small", "lora"): 0.5,
        ("small", "full"): 0.6,
        ("large", "zero_shot"): 0.9,
    }
    write_sweep(results, rates, n=60)
    text = Text(site_of(results) / "samples" / "capitals-1.html").text
    assert "60 test samples of small" in text and "small · full fine-tune, seed 0 (of 3)" in text


def test_without_a_fine_tune_few_shot_is_held_against_zero_shot(results: Path) -> None:
    write_arms(results, {"zero_shot": [0, 1], "few_shot": [1, 1]})
    page = site_of(results) / "samples" / "capitals-1.html"
    assert kinds(page) == ["fixed", "both-right"]
    assert "Fine-tuned not run on this task" in Text(page).text


def test_one_arm_alone_is_shown_without_classes(results: Path) -> None:
    write_arms(results, {"lora": [0, 1]})
    page = site_of(results) / "samples" / "capitals-1.html"
    assert kinds(page) == [None, None] and 'id="tally"' not in page.read_text(encoding="utf-8")


def test_a_hundred_samples_make_a_page_and_each_page_leads_to_the_next(results: Path) -> None:
    write_arms(results, {"zero_shot": [0.0] * 250, "lora": [1.0] * 250})
    site = site_of(results)
    pages = [site / "samples" / f"capitals-{number}.html" for number in (1, 2, 3)]
    assert [len(kinds(page)) for page in pages] == [MOST_A_PAGE, MOST_A_PAGE, 50]
    assert not (site / "samples" / "capitals-4.html").exists()
    relations = [(attributes.get("rel"), attributes.get("href")) for _, attributes in Text(pages[1]).tags]
    assert ("prev", "../samples/capitals-1.html") in relations and (
        "next",
        "../samples/capitals-3.html",
    ) in relations
    assert 'id="sample-101"' in pages[1].read_text(encoding="utf-8")
    assert tally(pages[2]) == ["▲ fixed 250 and 190 more"]


def test_what_reads_all_samples_is_made_once_for_all_pages(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(arms: Arms) -> tuple[StripRow, ...]:
        made.append(arms.task)
        return sample_strip(arms)

    monkeypatch.setattr("leaderboards.pages.samples_page.sample_pages.sample_strip", counted)
    write_arms(results, {"zero_shot": [0.0] * 250, "lora": [1.0] * 250})
    assert len(list((site_of(results) / "samples").glob("*.html"))) == 3
    assert made == ["capitals"]


def test_of_very_many_pages_the_ends_and_the_neighbours_are_linked() -> None:
    texts = [link.text for link in page_links("capitals", 50, 100)]
    assert texts == ["1", "…", "47", "48", "49", "50", "51", "52", "53", "…", "100"]
    assert [link.text for link in page_links("capitals", 1, 3)] == ["1", "2", "3"]
    assert list(page_links("capitals", 1, 1)) == []


def test_the_links_tell_the_current_page_from_a_gap() -> None:
    links = list(page_links("capitals", 50, 100))
    assert [link.text for link in links if link.current] == ["50"]
    assert [link.text for link in links if not link.href] == ["…", "50", "…"]


def test_where_texts_are_long_a_page_has_fewer_samples_and_stays_within_its_budget(results: Path) -> None:
    evil = "\u202e<&>" * 300_000  # every character grows when it is written
    write_arms(
        results,
        {"zero_shot": [0.0] * 30, "few_shot": [0.0] * 30, "lora": [1.0] * 30},
        prompt=evil,
        answer=evil,
    )
    pages = sorted((site_of(results) / "samples").iterdir())
    assert len(pages) > 1 and sum(len(kinds(page)) for page in pages) == 30
    assert max(page.stat().st_size for page in pages) <= 300 * 1024
    assert "[the first 600 of 1,200,000 characters]" in Text(pages[0]).text


def test_a_full_page_of_short_texts_stays_within_its_budget(results: Path) -> None:
    scores = [0.0, None] * 60
    write_arms(
        results, {"zero_shot": scores, "few_shot": scores, "lora": scores}, prompt="p" * 300, answer="a" * 100
    )
    page = site_of(results) / "samples" / "capitals-1.html"
    assert len(kinds(page)) == MOST_A_PAGE and page.stat().st_size <= 300 * 1024


def test_hostile_output_is_text(results: Path) -> None:
    evil = "<script>alert(1)</script>\u202e\x00{{ 7*7 }}</pre>\u2028"
    write_arms(
        results, {"zero_shot": [0, 1], "lora": [1, 1]}, prompt=evil, answer=evil, target=[evil, "France"]
    )
    site = site_of(results)
    for page in (site / "samples" / "capitals-1.html", site / "tasks" / "capitals.html"):
        source = page.read_text(encoding="utf-8")
        assert not any(character in source for character in "\u202e\x00\u2028")
        assert all("src" in attributes for tag, attributes in Text(page).tags if tag == "script")
    assert (
        "<script>alert(1)</script>⟨U+202E⟩⟨U+0000⟩{{ 7*7 }}</pre>⟨U+2028⟩"
        in Text(site / "samples" / "capitals-1.html").text
    )


def test_of_several_draws_the_first_is_shown_and_most_of_them_decide(results: Path) -> None:
    card = task_card()
    draws = {"zero_shot": [[0, 0, 0], [1, 1, 1]], "lora": [[0, 1, 1], [1, 0, 0]]}
    for method, scores in draws.items():
        run = make_run("small", method, card, 0, generation=Generation(n=3, temperature=1.0))  # type: ignore[arg-type]
        write_result(results, run, card, [sum(one) / 3 for one in scores])
        path = results / run.folder / PREDICTIONS
        table = pandas.read_parquet(path)
        by_draw = [
            table.assign(
                draw=draw, score_accuracy=[float(one[draw]) for one in scores], answer=f"draw {draw}"
            )
            for draw in range(3)
        ]
        rewrite(path, pandas.concat(by_draw[::-1]))
    page = site_of(results) / "samples" / "capitals-1.html"
    assert kinds(page) == ["fixed", "broken"]
    assert "right in 2 of 3" in Text(page).text and "right in 1 of 3" in Text(page).text
    assert "draw 1" not in Text(page).text


def test_a_sample_is_right_by_the_majority_of_seeds_and_wordings_as_on_the_compare_page(
    results: Path,
) -> None:
    """Seed 0, whose answers are shown, is not the majority on the first and the second sample."""
    card = task_card(templates=("plain", "asking"))
    by_seed = {0: [0, 1, 1, 0, 0, 1], 1: [1, 0, 1, 1, 1, 1], 2: [1, 0, 0, 1, 0, 1]}
    for seed, scores in by_seed.items():
        write_result(results, make_run("small", "few_shot", card, seed), card, [0.0, 1.0, 0.0, 0.0, 1.0, 0.0])
        write_result(results, make_run("small", "lora", card, seed), card, [float(one) for one in scores])
    site = site_of(results)
    page = site / "samples" / "capitals-1.html"
    assert kinds(page) == ["fixed", "broken", "fixed"]
    text = Text(page).text
    assert "right in 4 of 6" in text and "right in 2 of 6" in text and "right in 5 of 6" in text
    assert "this one is wrong" in text and "this one is right" in text
    compared = lines(site / "compare.html", "tasks-table")[0].split()
    assert compared[compared.index("2") :][:2] == ["2", "1"]


def test_fixed_is_held_against_the_baseline_of_the_verdict_which_the_page_names(results: Path) -> None:
    write_sweep(
        results,
        {("small", "zero_shot"): 0.5, ("small", "few_shot"): 0.3, ("small", "lora"): 0.9},
        n=60,
    )
    page = site_of(results) / "samples" / "capitals-1.html"
    text = Text(page).text
    assert "Fixed: Zero-shot is wrong and LoRA is right; broken: the reverse." in text
    assert "small · zero-shot is also the baseline of the board’s verdict." in text


PROMPTS = [
    f"Which country has this capital?\n\n{city}\n\nAnswer:" for city in ("Paris", "Rome", "Port Louis")
]


def test_a_sample_is_called_by_its_input_and_what_all_prompts_share_is_said_once(results: Path) -> None:
    long = "a very long text " * 40
    prompts = [*PROMPTS, f"Which country has this capital?\n\n{long}\n\nAnswer:"]
    for method in ("zero_shot", "lora"):
        write_arms(results, {method: [0, 1, 1, 1]}, columns={"prompt": prompts})  # type: ignore[dict-item]
    source = (site_of(results) / "samples" / "capitals-1.html").read_text(encoding="utf-8")
    heads = [part.partition("</a>")[0].rpartition(">")[2] for part in source.split("<h2>")[1:]]
    assert heads[:3] == ["Paris", "Rome", "Port Louis"]
    assert heads[3].startswith("a very long text a very") and heads[3].endswith("…") and len(heads[3]) <= 100
    assert source.count("Which country has this capital?") == 1
    assert "The prompt around each input, the same for all samples (zero-shot)" in Text(source).text
    # The input is open, but for what is longer than 400 characters; a short one is the title alone.
    shown = source.partition('<pre class="asked">')[2].partition("<")[0]
    assert (
        360 < len(shown) <= 400
        and shown.split()[-1] in long.split()
        and source.count('<pre class="asked">') == 2
    )
    assert "Show the rest" in Text(source).text


def test_every_sample_has_a_mark_that_leads_to_it(results: Path) -> None:
    write_arms(results, {"zero_shot": [0.0] * 150 + [1.0, 1.0], "lora": [1.0] * 150 + [0.0, 1.0]})
    source = (site_of(results) / "samples" / "capitals-1.html").read_text(encoding="utf-8")
    strip = source.partition('id="tally"')[2].partition("</ul>")[0]
    assert strip.count("#sample-") == 60 + 1 + 1 and "and 90 more" in strip
    assert 'href="../samples/capitals-2.html#sample-151" title="151: sample-150"' in strip


def test_what_any_arm_answered_lies_in_a_file_of_its_own(results: Path) -> None:
    evil = "<script>alert(1)</script>\u202e"
    write_arms(results, {"zero_shot": [0, 0], "few_shot": [1, None]}, answer=evil)
    for seed in (0, 1):
        run = make_run("small", "lora", task_card(), seed)
        write_result(results, run, task_card(), [1.0, float(seed)], answers=[f"seed {seed}", evil])
    site = site_of(results)
    listed = data_of(site / "answers" / "capitals" / "rows.js")
    assert [row["seeds"] for row in listed["rows"]] == [[0, 1], [0], [0]]
    assert listed["shown"] == {"also": "small-few_shot", "against": "small-zero_shot", "judged": "small-lora"}
    tuned = answers_of(site, "small-lora")
    assert tuned["all"]["scores"] == [1.0, 0.5]
    assert [tuned["stamps"][place] for place in tuned["all"]["stamps"]] == [
        ["right", "good"],
        ["right in 1 of 2", "bad"],
    ]
    assert [run["answers"] for run in tuned["runs"]] == [
        [f"seed {seed}", "<script>alert(1)</script>⟨U+202E⟩"] for seed in (0, 1)
    ]
    assert answers_of(site, "small-few_shot")["runs"][0]["more"]["1"]["error"] == "the engine gave no answer"
    for script in (site / "answers").rglob("*.js"):
        assert "<" not in script.read_text(encoding="ascii")


def test_only_so_many_answers_are_kept_and_those_of_the_opening_arms_always(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.pages.samples_page.answer_files.MOST_ANSWERS", 250)
    rates: dict[tuple[str, Method], float] = {
        ("small", "zero_shot"): 0.2,
        ("small", "few_shot"): 0.3,
        ("small", "lora"): 0.9,
        ("large", "zero_shot"): 0.5,
    }
    write_sweep(results, rates, n=60)  # of lora and few-shot three seeds
    site = site_of(results)
    names = {path.stem for path in (site / "answers" / "capitals").iterdir()}
    assert names == {"rows", "small-lora", "small-few_shot", "small-zero_shot"}


def test_the_pages_of_a_task_and_of_its_runs_lead_to_its_samples(results: Path) -> None:
    write_arms(results, {"zero_shot": [0, 1], "lora": [1, 1]})
    site = site_of(results)
    assert "samples/capitals-1.html" in (site / "tasks" / "capitals.html").read_text(encoding="utf-8")
    for page in ("small--lora--capitals-v1--n-500--seed-0", "small--zero_shot--capitals-v1--seed-0"):
        assert "samples/capitals-1.html" in (site / "runs" / f"{page}.html").read_text(encoding="utf-8")


# Mistakes


LABELS = ["France"] * 6 + ["Spain"] * 6


def test_the_most_frequent_mistakes_stand_beside_those_of_the_base(results: Path) -> None:
    said = {"zero_shot": ["Spain"] * 12, "lora": ["France"] * 4 + ["Spain"] * 2 + ["Spain"] * 5 + ["Peru"]}
    for method, answers in said.items():
        right = [float(answer == label) for answer, label in zip(answers, LABELS, strict=True)]
        write_arms(results, {method: right}, targets=LABELS, answers=answers)  # type: ignore[dict-item]
    site = site_of(results)
    assert lines(site / "tasks" / "capitals.html", "mistakes-table") == ["France Spain 6 2"]
    assert lines(site / "tasks" / "capitals.html", "labels-table") == [
        "France 6 0.0 66.7",
        "Spain 6 100.0 83.3",
    ]


def test_of_very_many_labels_the_hardest_and_the_most_frequent_mistakes_are_shown(results: Path) -> None:
    """77 labels, of which the first 30 are never told from the next one, the 5th and the 9th most often."""
    labels = [f"intent {number:02}" for number in range(77)]
    targets = [label for place, label in enumerate(labels) for _ in range(6 if place in (5, 9) else 3)]
    tuned = [labels[place + 1] if (place := labels.index(target)) < 30 else target for target in targets]
    for method, answers in (("zero_shot", [labels[0]] * len(targets)), ("lora", tuned)):
        right = [float(answer == target) for answer, target in zip(answers, targets, strict=True)]
        write_arms(
            results, {method: right}, card=task_card(output="choice"), targets=targets, answers=answers
        )  # type: ignore[dict-item]
    page = site_of(results) / "tasks" / "capitals.html"
    by_label = lines(page, "labels-table")
    assert by_label[:2] == ["intent 00 3 100.0 0.0", "intent 01 3 0.0 0.0"]
    assert len(by_label) == 24
    assert "the 24 of 77 labels with the lowest share for LoRA" in Text(page).text
    mistakes = lines(page, "mistakes-table")
    assert mistakes[:2] == ["intent 05 intent 06 0 6", "intent 09 intent 10 0 6"]
    assert len(mistakes) <= 12


def test_targets_that_are_no_labels_have_no_score_by_label_and_single_mistakes_are_not_listed(
    results: Path,
) -> None:
    answers = [f"wrong {number}" for number in range(40)]
    targets = [f"right {number}" for number in range(40)]
    write_arms(results, {"zero_shot": [0.0] * 40, "lora": [0.0] * 40}, targets=targets, answers=answers)
    assert "Most common mistakes" not in Text(site_of(results) / "tasks" / "capitals.html").text


def test_a_metric_that_is_not_right_or_wrong_counts_a_label_right_when_it_is_the_target(
    results: Path,
) -> None:
    card = task_card(binary=False)
    for method, answers in (("zero_shot", ["Spain"] * 12), ("lora", LABELS)):
        write_arms(results, {method: [0.5] * 12}, card=card, targets=LABELS, answers=answers)  # type: ignore[dict-item]
    assert lines(site_of(results) / "tasks" / "capitals.html", "labels-table") == [
        "France 6 0.0 100.0",
        "Spain 6 100.0 100.0",
    ]


def test_an_index_of_all_pages_has_each_sample_with_what_became_of_it(results: Path) -> None:
    count = MOST_A_PAGE + 20
    prompts = [f"Capital of LAND{place}</script>now {place}?" for place in range(count)]
    write_arms(
        results,
        {"zero_shot": [0.0] * count, "lora": [float(place % 2) for place in range(count)]},
        columns={"prompt": prompts},
    )
    site = site_of(results)
    source = (site / "answers" / "capitals" / "index.js").read_text(encoding="ascii")
    index = data_of(site / "answers" / "capitals" / "index.js")
    assert "</script>" not in source and index["starts"] == [1, MOST_A_PAGE + 1]
    _, text, kind, gain = index["samples"][MOST_A_PAGE + 1]
    assert (
        f"land{MOST_A_PAGE + 1}</script>now" in text and "france" in text and (kind, gain) == ("fixed", 1.0)
    )
    for page in (1, 2):
        assert 'data-index="../answers/capitals/index.js"' in (
            site / f"samples/capitals-{page}.html"
        ).read_text(encoding="utf-8")


def test_one_page_of_samples_needs_no_index(results: Path) -> None:
    write_arms(results, {"zero_shot": [0.0] * 4, "lora": [1.0] * 4})
    site = site_of(results)
    assert not (site / "answers" / "capitals" / "index.js").exists()
    assert "everywhere.js" not in (site / "samples" / "capitals-1.html").read_text(encoding="utf-8")
