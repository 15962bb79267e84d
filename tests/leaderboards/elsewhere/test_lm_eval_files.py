"""Result files of lm-evaluation-harness, taken as scores from elsewhere: whole or not at all, and apart on
the pages."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from site_reading import Text, figures, lines
from synthetic import task_card, write_sweep

from harness.cli import main
from harness.errors import UserError
from leaderboards import publish
from leaderboards.elsewhere.lm_eval import import_results, import_sentence
from leaderboards.elsewhere.scores import IMPORTED, read_imported

NAME = "results_2025-11-24T10-00-00.000001.json"

FILE: dict[str, Any] = {
    "results": {
        "arc_easy": {
            "alias": "arc_easy",
            "acc,none": 0.5,
            "acc_stderr,none": 0.25,
            "acc_norm,none": 0.75,
            "acc_norm_stderr,none": 0.2,
        },
        "gsm8k": {
            "alias": "gsm8k",
            "exact_match,strict-match": 0.31,
            "exact_match_stderr,strict-match": "N/A",
            "exact_match,flexible-extract": 0.36,
            "exact_match_stderr,flexible-extract": 0.013,
        },
        "a_group": {"alias": "a_group"},
        "a_group_without_a_mean": {"alias": "a_group_without_a_mean", " ": " "},
    },
    "versions": {"arc_easy": 1.0, "gsm8k": 3.0},
    "n-shot": {"arc_easy": 0, "gsm8k": 5},
    "higher_is_better": {"arc_easy": {"acc": True, "acc_norm": True}, "gsm8k": {"exact_match": True}},
    "n-samples": {
        "arc_easy": {"original": 4, "effective": 4},
        "gsm8k": {"original": 1319, "effective": 1319},
    },
    "config": {"model": "vllm", "model_args": "pretrained=Qwen/Qwen3-8B,dtype=auto", "limit": None},
    "git_hash": "abc1234",
    "date": 1763978400.5,
    "lm_eval_version": "0.4.9",
    "model_name": "Qwen/Qwen3-8B",
}
"""Invented: no model was run for any number in here."""


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return tmp_path / "results"


def write_file(folder: Path, changed: dict[str, Any] | None = None, *, name: str = NAME) -> Path:
    """A results file; `changed`: entries of its tasks' tables, or other top-level keys."""
    data = copy.deepcopy(FILE)
    for key, value in (changed or {}).items():
        if key in data["results"] and isinstance(value, dict):
            data["results"][key] |= value
        else:
            data[key] = value
    path = folder / "Qwen__Qwen3-8B" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def write_samples(path: Path, scores: list[Any], *, task: str = "arc_easy", metric: str = "acc") -> None:
    beside = path.with_name(f"samples_{task}_{path.stem.removeprefix('results_')}.jsonl")
    rows = [{"doc_id": number, "filter": "none", metric: score} for number, score in enumerate(scores)]
    beside.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def stored(results: Path) -> dict[str, bytes]:
    return {
        path.relative_to(results).as_posix(): path.read_bytes()
        for path in sorted(results.glob(f"**/{IMPORTED}"))
    }


# What is taken


def test_every_task_becomes_a_record_with_its_provenance(tmp_path: Path, results: Path) -> None:
    outcome = import_results(write_file(tmp_path), results)
    assert list(stored(results)) == [
        "imported/Qwen3-8B/arc_easy/shots-0/imported.json",
        "imported/Qwen3-8B/gsm8k/shots-5/imported.json",
    ]
    easy, school = read_imported(results).records
    assert easy == outcome.added[0]
    assert (easy.candidate, easy.model, easy.task_version, easy.n) == ("Qwen3-8B", "Qwen/Qwen3-8B", "1.0", 4)
    assert [(one.label, one.value, one.stderr) for one in easy.metrics] == [
        ("acc", 0.5, 0.25),
        ("acc_norm", 0.75, 0.2),
    ]
    assert [(one.label, one.stderr) for one in school.metrics] == [
        ("exact_match,flexible-extract", 0.013),
        ("exact_match,strict-match", None),
    ]
    assert (easy.source.version, easy.source.git_hash, easy.source.file) == ("0.4.9", "abc1234", NAME)
    assert easy.source.date == "2025-11-24T10:00:00+00:00"
    assert easy.source.settings["model_args"] == "pretrained=Qwen/Qwen3-8B,dtype=auto"
    assert any("'exact_match,strict-match': its stderr is 'N/A'" in note for note in outcome.notes)


def test_a_name_longer_than_any_file_s_is_imported_and_told_in_short(tmp_path: Path, results: Path) -> None:
    name = "long" * 250_000
    path = write_file(
        tmp_path, {"results": {name: {"acc,none": 0.5}}, "higher_is_better": {name: {"acc": True}}}
    )
    outcome = import_results(path, results)
    assert [record.task for record in read_imported(results).records] == [name]
    for said in (import_sentence(outcome, results), *outcome.notes):
        assert "the first 80 of 1,000,000 characters" in said and len(said) < 400


def test_a_folder_is_searched_and_importing_twice_changes_nothing(tmp_path: Path, results: Path) -> None:
    write_file(tmp_path / "lm")
    assert len(import_results(tmp_path / "lm", results).added) == 2
    before = stored(results)
    again = import_results(tmp_path / "lm", results)
    assert (len(again.added), len(again.unchanged)) == (0, 2)
    assert stored(results) == before


def test_the_model_is_named_by_the_user_or_by_what_was_loaded(tmp_path: Path, results: Path) -> None:
    path = write_file(
        tmp_path, {"model_name": None, "config": {"model_args": {"pretrained": "/disk/my model"}}}
    )
    assert import_results(path, results).added[0].candidate == "my-model"
    assert import_results(path, results, candidate="mine").added[0].candidate == "mine"


def test_samples_beside_give_an_interval_where_the_metric_is_their_mean(
    tmp_path: Path, results: Path
) -> None:
    path = write_file(tmp_path)
    write_samples(path, [1.0, 0.0, 1.0, 0.0])
    first, second = import_results(path, results).added[0].metrics
    assert first.low is not None and first.high is not None
    assert 0 < first.low < 0.5 < first.high < 1
    assert (second.low, second.high) == (None, None)


@pytest.mark.parametrize("scores", [[1.0, 1.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0], [1.0, 0.0, None, 0.5]])
def test_samples_that_do_not_give_the_reported_value_give_no_interval(
    tmp_path: Path, results: Path, scores: list[Any]
) -> None:
    path = write_file(tmp_path)
    write_samples(path, scores)
    assert import_results(path, results).added[0].metrics[0].low is None


# What is refused, in a sentence, with nothing written


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        (
            {"arc_easy": {"acc,none": float("nan")}},
            "task 'arc_easy', metric 'acc,none': its value is nan and not a number",
        ),
        ({"arc_easy": {"acc,none": 10**400}}, "metric 'acc,none': its value is 1000000"),
        ({"git_hash": "\ud800"}, "it holds half a surrogate pair"),
        (
            {"gsm8k": {"exact_match,strict-match": "N/A"}},
            "metric 'exact_match,strict-match': its value is 'N/A'",
        ),
        (
            {"gsm8k": {"acc": 0.3}},
            "its name says no filter .as in 'acc,none'.: this file is not of lm-eval 0.4",
        ),
        (
            {"gsm8k": {"wit,none": 0.3}},
            "does not know 'wit', and the file does not say under `higher_is_better`",
        ),
        ({"results": {}}, "it has no table `results` of scores by task"),
        ({"results": [1]}, "it has no table `results` of scores by task"),
        ({"results": {"arc_easy": 3}}, "it has no table `results` of scores by task"),
        ({"results": {"arc_easy": {"alias": "x"}}}, "none of its tasks has a score"),
        (
            {"model_name": "", "config": {}},
            "does not say which model was scored; name it with --candidate NAME",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, results: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says) as raised:
        import_results(write_file(tmp_path, changed), results)
    assert NAME in str(raised.value) and "\n" not in str(raised.value)
    assert not results.exists()


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", "[" * 100_000])
def test_a_file_that_is_no_json_object_is_one_sentence(tmp_path: Path, results: Path, text: str) -> None:
    path = write_file(tmp_path)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"not valid JSON|nested too deeply|an object is wanted at the top"):
        import_results(path, results)
    assert not results.exists()


@pytest.mark.parametrize("line", ["{", "3", "\xff"])
def test_a_broken_line_of_samples_is_named(tmp_path: Path, results: Path, line: str) -> None:
    path = write_file(tmp_path)
    write_samples(path, [1.0])
    beside = next(path.parent.glob("samples_*"))
    beside.write_bytes(beside.read_bytes() + line.encode("latin-1") + b"\n")
    with pytest.raises(UserError, match=r"samples_arc_easy_.*: line 2 "):
        import_results(path, results)
    assert not results.exists()


def test_one_bad_file_of_many_keeps_all_from_being_written(tmp_path: Path, results: Path) -> None:
    write_file(tmp_path / "lm")
    write_file(tmp_path / "lm", {"arc_easy": {"acc,none": None}}, name="results_2025-11-25T10-00-00.json")
    with pytest.raises(UserError, match="2025-11-25"):
        import_results(tmp_path / "lm", results)
    assert not results.exists()


def test_other_scores_of_the_same_candidate_are_not_replaced_unasked(tmp_path: Path, results: Path) -> None:
    import_results(write_file(tmp_path), results)
    before = stored(results)
    with pytest.raises(
        UserError, match="holds other scores of Qwen3-8B on 'arc_easy' with 0 examples; remove it"
    ):
        import_results(write_file(tmp_path, {"arc_easy": {"acc,none": 0.6}}), results)
    assert stored(results) == before
    assert len(import_results(write_file(tmp_path, {"date": 5}), results, candidate="another").added) == 2


def test_two_files_of_one_candidate_and_task_are_refused(tmp_path: Path, results: Path) -> None:
    write_file(tmp_path / "lm")
    write_file(tmp_path / "lm", {"date": 5}, name="results_2025-11-25T10-00-00.json")
    with pytest.raises(UserError, match="both hold Qwen3-8B on 'arc_easy'"):
        import_results(tmp_path / "lm", results)


def test_a_name_that_climbs_out_is_refused_or_flattened(tmp_path: Path, results: Path) -> None:
    with pytest.raises(UserError, match="a name may hold letters"):
        import_results(write_file(tmp_path), results, candidate="../../x")
    tasks = {"../../../x": {"acc,none": 0.5}}
    import_results(write_file(tmp_path, {"results": tasks}), results)
    assert all(path.startswith("imported/Qwen3-8B/x-") for path in stored(results))


@pytest.mark.parametrize("source", ["missing", "empty"])
def test_nothing_to_import_says_what_makes_something(tmp_path: Path, results: Path, source: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"no such file or folder|holds no results_\*\.json"):
        import_results(tmp_path / source, results)


# On the pages


@pytest.fixture
def board(results: Path) -> Path:
    write_sweep(
        results,
        {("small", "few_shot"): 0.5, ("small", "lora"): 0.8},
        tasks=(task_card("lm_eval:arc_easy", primary_metric="acc"),),
        n=30,
    )
    return results


def test_imported_scores_stand_apart_unranked_and_unpaired(tmp_path: Path, board: Path) -> None:
    before = publish(board, tmp_path / "before")
    import_results(write_file(tmp_path), board)
    after = publish(board, tmp_path / "after")
    assert after.verdict == before.verdict and after.runs == before.runs
    assert figures(after)["rows"] == figures(before)["rows"]
    assert [record["task"] for record in figures(after)["elsewhere"]] == ["arc_easy", "gsm8k"]
    told = lines(after.index, "elsewhere-table")
    assert len(told) == 3  # the metric that the board ranks by, and both of a task that it does not have
    assert "50.0 ± 25.0" in told[0] and "lm-evaluation-harness 0.4.9" in told[0]
    assert "Scored elsewhere" in Text(after.index).text and "They are not ranked" in Text(after.index).text
    (task,) = (after.index.parent / "tasks").iterdir()
    assert len(lines(task, "elsewhere-table")) == 1


def test_a_board_shows_only_imports_of_its_tasks(tmp_path: Path, board: Path) -> None:
    import_results(write_file(tmp_path), board)
    own = tmp_path / "board.toml"
    own.write_text('tasks = ["lm_eval:arc_easy"]\n', encoding="utf-8")
    told = lines(publish(board, tmp_path / "site", board=own).index, "elsewhere-table")
    assert len(told) == 1 and "arc_easy" in told[0]


def test_hostile_names_are_shown_as_text(tmp_path: Path, board: Path) -> None:
    evil = "<script>alert(1)</script>\u202e"
    import_results(
        write_file(tmp_path, {"model_name": evil, "lm_eval_version": evil}), board, candidate="mine"
    )
    source = publish(board, tmp_path / "site").index.read_text(encoding="utf-8")
    assert "<script>alert" not in source and "\u202e" not in source


@pytest.mark.parametrize("damage", ["cut off", "moved", "newer"])
def test_a_damaged_import_is_named_and_skipped(tmp_path: Path, board: Path, damage: str) -> None:
    import_results(write_file(tmp_path), board)
    path = board / "imported" / "Qwen3-8B" / "gsm8k" / "shots-5" / IMPORTED
    if damage == "cut off":
        path.write_text(path.read_text(encoding="utf-8")[:100], encoding="utf-8")
    elif damage == "moved":
        path.parent.rename(path.parent.with_name("copy"))
    else:
        path.write_text(
            path.read_text(encoding="utf-8").replace('"import_version": 1', '"import_version": 2'), "utf-8"
        )
    with pytest.warns(UserWarning, match=r"gsm8k/.*imported.json"):
        published = publish(board, tmp_path / "site")
    assert len(lines(published.index, "elsewhere-table")) == 1
    assert str(board) not in Text(published.index).text


def test_the_command_tells_people_and_scripts(
    tmp_path: Path, results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["import", str(write_file(tmp_path)), "--results", str(results)]
    for extra, says in (([], "2 scores of arc_easy and gsm8k imported into"), (["--json"], '"added": []')):
        with pytest.raises(SystemExit) as ended:
            main([*options, *extra])
        assert ended.value.code == 0
        told = capsys.readouterr()
        assert says in told.out and "its stderr is 'N/A'" in told.err


@pytest.mark.parametrize("value", [1e300, -1e31])
def test_a_number_that_nothing_measures_is_refused_in_a_sentence(value: float, tmp_path: Path) -> None:
    path = tmp_path / "results_a.json"
    path.write_text(json.dumps({"model_name": "x/y", "results": {"arc": {"acc,none": value}}}))
    with pytest.raises(UserError, match=r"results_a\.json"):
        import_results(path, tmp_path / "results")
    assert not (tmp_path / "results").exists()
