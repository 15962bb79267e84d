"""What went wrong stands on a page of its own, a line for each candidate and problem."""

import json
from pathlib import Path

import pytest
from site_reading import Text, lines
from synthetic import RATES, make_run, task_card, write_failure, write_result, write_sweep

from harness.records.result import RESULT
from harness.records.training import ResourceUse
from leaderboards import publish
from leaderboards.pages.problems import MOST_LINKED

CARDS = (task_card("rivers"), task_card("capitals"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", RATES, tasks=CARDS, n=20)
    return tmp_path / "results"


def problems(results: Path) -> Path:
    return publish(results, results.parent / "site").index.with_name("problems.html")


def test_a_board_without_problems_has_no_such_page(results: Path) -> None:
    page = problems(results)
    assert not page.exists()
    assert "Problems" not in Text(page.with_name("index.html")).text


def test_runs_of_a_candidate_that_broke_down_alike_are_one_line(results: Path) -> None:
    for card in CARDS:
        for seed in (0, 1, 2):
            lost = {"diverged": "the loss rose to 9" if seed else "the loss rose to 8"}
            write_result(
                results, make_run("small", "stages", card, seed, others=CARDS), card, [1.0] * 20, trained=lost
            )
    (line,) = lines(problems(results), "flagged-table")
    assert line.startswith("small stages r16 6 of 6 diverged the loss rose to 8 (and 1 other reason)")
    assert line.endswith("capitals 0 capitals 1 capitals 2 rivers 0 rivers 1 rivers 2")
    index = Text(results.parent / "site" / "index.html")
    assert "6 runs collapsed or diverged." in index.text
    # A mark on the candidate leads there.
    flags = [tag for _, tag in index.tags if tag.get("class") == "flag"]
    assert {flag["href"] for flag in flags} == {"problems.html#flagged"}


BOS = {"token": "<s>", "loss_with": 0.2, "loss_without": 2.9}
BEGUN = (
    "prompts begin without the BOS token '<s>', and so the model's loss on a few plain sentences is 2.90 a token, with "
    "it 0.20: it was trained with it; correct add_bos_token of its tokenizer, or its chat template"
)


def test_untuned_runs_with_prompts_that_were_begun_wrongly_are_marked_and_a_tuned_one_is_not(
    results: Path,
) -> None:
    for path in sorted(results.glob("small/*/rivers-v1/**/seed-0/result.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        record["generation"]["bos"] = BOS | {"began": False}
        path.write_text(json.dumps(record), encoding="utf-8")
    page = problems(results)
    untuned = lines(page, "begun-table")
    assert untuned
    for line in untuned:
        assert line.startswith(("small few-shot", "small zero-shot")) and f"begun wrongly {BEGUN}" in line
    index = Text(page.with_name("index.html"))
    assert "begun wrongly." in index.text
    flags = [tag for _, tag in index.tags if tag.get("class") == "flag"]
    assert {(flag["href"], flag["title"]) for flag in flags} == {("problems.html#begun", BEGUN)}


def test_each_kind_of_problem_is_told_with_its_reason(results: Path) -> None:
    for seed, task in ((0, 0), (1, 0), (0, 1)):
        run = make_run("huge", "full", CARDS[task], seed)
        write_failure(results, run, reason="CUDA out of memory", spent=ResourceUse(seconds=30.0))
    path = results / "small" / "lora" / "rivers-v1" / "n-500" / "seed-0" / RESULT
    record = json.loads(path.read_text(encoding="utf-8"))
    guard = {"name": "base_repeats", "passed": False, "value": 2.5, "bound": 0.001, "reason": "stale weights"}
    record["generation"]["guards"] = [guard]
    path.write_text(json.dumps(record), encoding="utf-8")
    page = problems(results)
    (failed,), (untrusted,) = lines(page, "failures-table"), lines(page, "untrusted-table")
    assert failed.startswith("huge full fine-tune 3 of 3 failed in train CUDA out of memory 1.5 min")
    assert "rivers 0, rivers 1, capitals 0" in failed or "capitals 0, rivers 0, rivers 1" in failed
    assert untrusted.startswith("small LoRA r16 1 of 6 kept out") and "stale weights rivers 0" in untrusted
    said = Text(page.with_name("index.html")).text
    assert "1 run kept out and 3 runs failed." in said


def test_of_very_many_runs_some_are_named_and_the_others_counted(results: Path) -> None:
    for seed in range(MOST_LINKED + 7):
        run = make_run("other", "lora", CARDS[0], seed)
        write_result(results, run, CARDS[0], [1.0, 0.0], collapsed="all the same")
    (line,) = lines(problems(results), "flagged-table")
    assert f"{MOST_LINKED + 7} of {MOST_LINKED + 7} collapsed" in line and line.endswith("and 7 more")
    assert line.count("rivers") == MOST_LINKED


def test_of_very_many_candidates_some_are_listed_and_the_others_counted(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("leaderboards.pages.problems.MOST_CANDIDATES", 2)
    for number in range(4):
        run = make_run(f"model-{number:02}", "lora", CARDS[0], 0)
        write_result(results, run, CARDS[0], [1.0, 0.0], collapsed="all the same")
    shown = lines(problems(results), "flagged-table")
    assert len(shown) == 3
    assert shown[-1].startswith("2 more marked in the tables")
