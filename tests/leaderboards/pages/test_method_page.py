"""A method's page: whether it helps across models, with which settings, and what went wrong with it."""

from pathlib import Path

import pytest
from site_reading import Text, lines
from synthetic import draw_scores, make_run, task_card, write_failure, write_result, write_sweep

from harness.plan.selection import with_settings
from harness.sweep.methods import Method
from leaderboards import publish

CARDS = (task_card("one"), task_card("two"))
RATES: dict[tuple[str, Method], float] = {
    ("good", "zero_shot"): 0.3,
    ("good", "few_shot"): 0.5,
    ("good", "lora"): 0.8,
    ("bad", "zero_shot"): 0.3,
    ("bad", "few_shot"): 0.8,
    ("bad", "lora"): 0.5,
    ("even", "few_shot"): 0.6,
    ("even", "lora"): 0.6,
    ("alone", "lora"): 0.6,
    ("alone", "full"): 0.6,
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_sweep(results, RATES, tasks=CARDS, n=80)
    for seed in (0, 1, 2):
        settings = {"learning_rate": 0.003, "eval_samples": 86, "interim_eval_samples": 14}
        run = with_settings(make_run("other", "lora", CARDS[0], seed), settings)
        write_result(
            results,
            run,
            CARDS[0],
            draw_scores(0.7, 80, seed),
            collapsed="always the same" if seed == 0 else "",
        )
    write_failure(results, make_run("huge", "lora", CARDS[0], 0), reason="CUDA <b>out</b> of memory")
    return publish(results, tmp_path / "site").index.parent


def test_it_says_on_how_many_models_the_method_helps(site: Path) -> None:
    page = Text(site / "methods" / "lora.html").text
    assert "Over few-shot it gains on 1 of 3 models, loses on 1 and is within noise on 1." in page
    assert "Over zero-shot it gains on 2 of 2 models." in page


def test_without_an_untuned_arm_whether_it_helps_is_unknown(site: Path) -> None:
    assert "whether it helps is unknown" in Text(site / "methods" / "full.html").text


def test_its_models_stand_with_their_gains_best_first(site: Path) -> None:
    rows = lines(site / "methods" / "lora.html", "models-table")
    assert [one.split()[0] for one in rows] == ["good", "alone", "even", "bad"]
    source = (site / "methods" / "lora.html").read_text(encoding="utf-8")
    assert source.count('class="interval lora"') == 3 + 2, (
        "a line for each gain over few-shot, and over zero-shot"
    )


def test_settings_that_differ_from_the_built_in_ones_are_told(site: Path) -> None:
    evaluated, interim, rate = lines(site / "methods" / "lora.html", "settings-table")
    assert evaluated == "eval_samples 128 128 in 24 of 27, 86 in 3 of 27"
    assert interim == "interim_eval_samples – – in 24 of 27, 14 in 3 of 27"
    assert rate == "learning_rate 2e-4 2e-4 in 24 of 27, 0.003 in 3 of 27"
    assert 'id="settings"' not in (site / "methods" / "full.html").read_text(encoding="utf-8")


def test_what_went_wrong_is_counted_and_failures_are_listed(site: Path) -> None:
    page = Text(site / "methods" / "lora.html").text
    assert "Of 28 runs 1 failed and 1 collapsed." in page
    assert "CUDA <b>out</b> of memory" in page


def test_the_untuned_base_has_no_page_and_all_others_are_linked(site: Path) -> None:
    assert sorted(path.stem for path in (site / "methods").iterdir()) == ["few_shot", "full", "lora"]
    hrefs = {attributes.get("href") for _, attributes in Text(site / "methods.html").tags}
    assert {"methods/few_shot.html", "methods/full.html", "methods/lora.html"} <= hrefs
    assert "../methods/lora.html" in {
        attributes.get("href") for _, attributes in Text(site / "models" / "good.html").tags
    }
