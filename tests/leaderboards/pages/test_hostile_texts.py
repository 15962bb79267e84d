"""Whatever a text of the results holds, it is shown as text, in bounds, and nothing is written outside the
site."""

import json
from pathlib import Path
from typing import Any

import pytest
from showcase import write_imported
from site_reading import Text, problems
from synthetic import draw_scores, make_run, task_card, write_failure, write_result

from harness.analysis.analyse import analyse_arm
from harness.analysis.choose import arms_among, chosen_arms
from harness.analysis.source import TaskSource
from harness.records.result import RESULT
from harness.records.store import read_results
from harness.task import Analysis, AnalysisTable
from leaderboards import publish, publish_boards

MARKUP = "</script><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}"
UNSEEN = "\u202e\u2066\x1b\x00\x07\u2028"
HOSTILE = f"{MARKUP}{UNSEEN}</pre>\"'`&lt;"
LONG = 1_000_000
UP = "../../x"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "in" / "results"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "in" / "site"


def write_hostile(results: Path, *, text: str, name: str) -> None:
    """Three arms of two tasks in which every text that someone else chose is hostile."""
    card = task_card(
        name, description=text, license=text, reference=f"javascript:{text}", templates=(text,), reviewed=None
    )
    for method in ("zero_shot", "few_shot", "lora"):
        for seed in (0, 1):
            run = make_run(name, method, card, seed, templates=(text,))  # type: ignore[arg-type]
            right = {"zero_shot": 0.3, "few_shot": 0.5, "lora": 0.8}[method]
            write_result(
                results,
                run,
                card,
                [None, *draw_scores(right, 19, seed)],
                prompt=text,
                target=[text, "France"],
                answer=text,
                device=text,
                clusters=[f"{text}{number // 4}" for number in range(20)],
                collapsed=text if seed else "",
                trained={"diverged": text} if method == "lora" else None,
            )
    write_failure(results, make_run(name, "full", card, 0), reason=text, phase=text)
    write_imported(results, name, candidate=name, metric=text)


def rewrite(results: Path, change: Any) -> None:
    """Change every record on disk."""
    for path in results.glob(f"**/{RESULT}"):
        record = json.loads(path.read_text(encoding="utf-8"))
        change(record)
        path.write_text(json.dumps(record), encoding="utf-8")


def with_provenance(record: dict[str, Any]) -> None:
    record["provenance"] |= {
        "command": HOSTILE,
        "platform": HOSTILE,
        "packages": {HOSTILE: HOSTILE},
        "gainboard": HOSTILE,
    }
    record["preflight"] = [
        {"severity": "warn", "fact": HOSTILE, "candidate": HOSTILE, "task": "", "sentence": HOSTILE}
    ]
    record["generation"]["guards"] = [
        {"name": "matches_transformers", "passed": True, "value": 0.0, "bound": 1.0, "reason": HOSTILE}
    ]


def check_pages(folder: Path) -> None:
    """Nothing in a page is a tag, an attribute or a character that a text has brought."""
    for page in folder.rglob("*.html"):
        source = page.read_text(encoding="utf-8")
        assert not [character for character in UNSEEN if character in source.replace("\n", "")], page
        parsed = Text(page)
        assert parsed.foreign_scripts == [], page
        for tag, attributes in parsed.tags:
            assert tag not in ("img", "iframe", "object", "base"), page
            assert not [name for name in attributes if name.startswith("on") or name == "style"], page
            assert not (attributes.get("href") or "").strip().lower().startswith("javascript:"), page
        assert ">49<" not in source, page
    for script in folder.rglob("*.js"):
        if script.parent.name != "static":
            assert "<" not in script.read_text(encoding="ascii"), script


def test_markup_and_unseen_characters_are_text_wherever_they_come_from(
    results: Path, out: Path, tmp_path: Path
) -> None:
    write_hostile(results, text=HOSTILE, name=f"{MARKUP}\u202e")
    rewrite(results, with_provenance)
    board = tmp_path / "board.toml"
    board.write_text(
        f"title = {json.dumps(HOSTILE)}\ndescription = {json.dumps(HOSTILE)}\n", encoding="utf-8"
    )
    published = publish(results, out, board=board)
    check_pages(out)
    page = Text(published.index).text
    assert "</script><script>alert(1)</script>" in page and "⟨U+202E⟩" in page and "⟨U+0000⟩" in page
    assert "{{ 7*7 }}" in page
    # What is offered for reuse can be read, and does not turn a terminal's text either.
    assert json.loads((out / "data" / "leaderboard.json").read_text(encoding="utf-8"))["rows"]
    table = (out / "data" / "leaderboard.csv").read_text(encoding="utf-8")
    assert "\u202e" not in table and "\x1b" not in table
    publish_boards(results, tmp_path / "boards", [board])
    check_pages(tmp_path / "boards")


def test_what_an_analysis_found_in_hostile_texts_is_text(results: Path, out: Path) -> None:
    card = task_card("plain", output="generate", templates=(HOSTILE, "other"))
    labels = [f"{HOSTILE}{number}" for number in range(3)]
    names = {"sample_id": [f"{HOSTILE}{number}" for number in range(60)] * 2}
    for method in ("zero_shot", "lora"):
        for seed in (0, 1):
            targets = [labels[number % 3] for number in range(60)] * 2
            answers = [
                labels[0] if method == "lora" and number % 2 else target
                for number, target in enumerate(targets)
            ]
            scores = [float(answer == target) for answer, target in zip(answers, targets, strict=True)]
            fields = [json.dumps({HOSTILE: labels[number % 2]}) for number in range(120)]
            write_result(
                results,
                make_run("small", method, card, seed),  # type: ignore[arg-type]
                card,
                scores,
                targets=targets,
                answers=answers,
                columns={**names, "metadata": fields, "choices": [labels] * 120},
            )
    own = Analysis(
        HOSTILE, HOSTILE, lambda samples, judged: AnalysisTable((HOSTILE, HOSTILE), ((HOSTILE, HOSTILE),))
    )
    for arm in chosen_arms(arms_among(read_results(results)), ["small/lora"], results):
        analyse_arm(results, arm, lambda _: TaskSource(analyses=(own,)))
    publish(results, out)
    check_pages(out)
    text = Text(out / "why" / "plain.html").text
    assert "</script><script>alert(1)</script>" in text and "⟨U+202E⟩" in text
    assert "Labels mixed up" in text and "What each wording costs" in text


def test_a_megabyte_of_text_is_cut_and_its_full_length_stated(results: Path, out: Path) -> None:
    card = task_card("long")
    for method in ("few_shot", "lora"):
        run = make_run("small", method, card, 0)  # type: ignore[arg-type]
        text = "x" * LONG
        write_result(results, run, card, [1.0, 0.0], prompt=text, target=text, answer=text, collapsed=text)
    write_failure(results, make_run("small", "full", card, 0), reason="y" * LONG)
    publish(results, out)
    largest = max(out.rglob("*.html"), key=lambda path: path.stat().st_size)
    assert largest.stat().st_size <= 300 * 1024, largest
    for page in ("problems.html", "samples/long-1.html", "runs/small--lora--long-v1--n-500--seed-0.html"):
        assert f"of {LONG:,} characters]" in Text(out / page).text, page


def test_a_record_with_half_a_surrogate_is_named_and_the_others_are_published(
    results: Path, out: Path
) -> None:
    for method in ("few_shot", "lora"):
        write_result(results, make_run("small", method, task_card(), 0), task_card(), [1.0, 0.0])  # type: ignore[arg-type]
    write_failure(results, make_run("small", "full", task_card(), 0))
    write_imported(results, "capitals")

    def halve(value: Any) -> Any:
        """Half a pair at the end of every text that no path is made of."""
        if isinstance(value, dict):
            return {
                name: one if name in ("task", "name", "model") else halve(one) for name, one in value.items()
            }
        return f"{value}\ud800" if isinstance(value, str) and " " in value else value

    hurt = []
    for path in results.rglob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(halve(record)), encoding="ascii")
        hurt += [path] if halve(record) != record else []
    write_result(results, make_run("small", "zero_shot", task_card(), 0), task_card(), [1.0, 0.0])
    published = publish(results, out)
    assert published.runs == 1 and len(hurt) == 3
    # No JSON text may hold half a pair (RFC 8259), and nothing here writes one.
    for path in hurt:
        assert f"{path.relative_to(results)}: Invalid JSON" in problems(published)


def test_names_that_climb_write_nothing_outside(results: Path, out: Path, tmp_path: Path) -> None:
    write_hostile(results, text=UP, name="plain")
    for name in (UP, "..", ".", "/etc/x", "a/../../b", "..\\x", "con", "-rf"):
        card = task_card(name)
        write_result(results, make_run("small", "lora", card, 0), card, [1.0, 0.0])
    write_imported(results, "plain", candidate=UP)
    before = sorted(tmp_path.rglob("*"))
    publish(results, out, board=None)
    outside = [path for path in tmp_path.rglob("*") if path != out and not path.is_relative_to(out)]
    assert sorted(outside) == before
    assert all(path.resolve().is_relative_to(out.resolve()) for path in out.rglob("*"))


def test_names_as_long_as_a_folder_may_have_make_short_files(results: Path, out: Path) -> None:
    for last in "ab":
        card = task_card("t" * 239 + last, templates=("w" * 300,))
        for method in ("few_shot", "lora"):
            run = make_run("m" * 240, method, card, 0, templates=("w" * 300,))  # type: ignore[arg-type]
            write_result(results, run, card, [1.0, 0.0])
    publish(results, out)
    assert len(list((out / "tasks").iterdir())) == 2
    assert max(len(path.name) for path in out.rglob("*")) <= 120


def test_names_that_differ_only_in_case_have_pages_of_their_own(results: Path, out: Path) -> None:
    for name in ("Sst2", "sst2", "SST2"):
        card = task_card(name)
        for candidate in ("Small", "small"):
            for method in ("few_shot", "lora"):
                run = make_run(candidate, method, card, 0)  # type: ignore[arg-type]
                write_result(results, run, card, [1.0, 0.0])
    publish(results, out)
    for folder in ("tasks", "models", "runs", "samples", "compare", "answers"):
        names = [path.name.lower() for path in (out / folder).iterdir()]
        assert len(names) == len(set(names)), folder
    assert len(list((out / "tasks").iterdir())) == 3
