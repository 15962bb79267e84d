"""What other programs are given: the same figures in their own formats, complete, without a NaN, the same
each time."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pandas
import pytest
from synthetic import (
    RATES,
    draw_scores,
    guarding,
    make_run,
    searched,
    task_card,
    write_ensemble,
    write_result,
    write_sweep,
)

from harness.cli import main
from harness.errors import UserError
from harness.records.result import RESULT
from leaderboards import publish
from leaderboards.download.exports import export


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_sweep(tmp_path / "results", RATES, tasks=(task_card("one"), task_card("two", chance=0.0)), n=40)
    return tmp_path / "results"


def written(results: Path, form: str, out: Path) -> Path:
    return export(results, form, board=None, prices=None, out=out).path


def texts(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in (".json", ".yaml"))
    return {path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8") for path in files}


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in texts(folder).values()]


# Tables


@pytest.mark.parametrize("form", ["csv", "json"])
def test_a_table_is_the_download_of_the_site(results: Path, tmp_path: Path, form: str) -> None:
    site = publish(results, tmp_path / "site").index.parent
    path = written(results, form, tmp_path / f"figures.{form}")
    assert path.read_bytes() == (site / "data" / f"leaderboard.{form}").read_bytes()


def test_parquet_holds_the_figures_of_the_csv_with_types(results: Path, tmp_path: Path) -> None:
    table = pandas.read_parquet(written(results, "parquet", tmp_path / "a.parquet"))
    with written(results, "csv", tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert list(table.columns) == list(lines[0])
    assert len(table) == len(lines) == 3 + 6
    assert [str(value) for value in table["score"]] == [line["score"] for line in lines]
    assert str(table["complete"].dtype) == "bool"
    assert table["gain_few_shot"].isna().sum() == 2 + 4  # missing, and no number
    again = written(results, "parquet", tmp_path / "b.parquet")
    assert again.read_bytes() == (tmp_path / "a.parquet").read_bytes()


def test_a_former_file_is_replaced_and_a_folder_is_not(results: Path, tmp_path: Path) -> None:
    (tmp_path / "figures.csv").write_text("old", encoding="utf-8")
    written(results, "csv", tmp_path / "figures.csv")
    assert (tmp_path / "figures.csv").read_text(encoding="utf-8").startswith("candidate,")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="is a folder; csv is one file"):
        written(results, "csv", tmp_path / "folder")


# Every Eval Ever: its schema file names no licence and is not kept here, so its rules are checked by hand.

UUID4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
TOP = {
    "schema_version", "evaluation_id", "evaluation_timestamp", "retrieved_timestamp", "source_metadata", "eval_library",
    "model_info", "evaluation_results",
}  # fmt: skip
GENERATION_ARGS = {"temperature", "top_p", "max_tokens", "execution_command"}


def check_record(record: dict[str, Any]) -> None:
    """What the schema 0.3.0, and the checks that its datastore makes besides, ask of a record."""
    assert set(record) <= TOP and record["schema_version"] == "0.3.0"
    assert all(
        isinstance(record[name], str)
        for name in ("evaluation_id", "evaluation_timestamp", "retrieved_timestamp")
    )
    assert record["retrieved_timestamp"].isdecimal()
    source = record["source_metadata"]
    assert source["source_type"] in ("documentation", "evaluation_run") and source["source_organization_name"]
    assert source["evaluator_relationship"] in ("first_party", "third_party", "collaborative", "other")
    assert record["eval_library"]["name"] and record["eval_library"]["version"]
    model = record["model_info"]
    assert model["name"] and re.fullmatch(r"[^/]+/[^/]+", model["id"])
    assert model["additional_details"]["deployment_type"] in (
        "self_deployed",
        "externally_managed",
        "unknown",
    )
    assert model["additional_details"]["model_availability"] in ("open_weights", "closed_weights", "unknown")
    check_texts(model["additional_details"])
    assert record["evaluation_results"]
    for result in record["evaluation_results"]:
        check_result(result)


def check_result(result: dict[str, Any]) -> None:
    assert result["evaluation_name"] and result["evaluation_result_id"]
    source = result["source_data"]
    assert source["dataset_name"] and source["source_type"] in ("url", "other")
    assert (source["source_type"] == "url") == bool(source.get("url"))
    check_texts(source["additional_details"])
    metric = result["metric_config"]
    assert isinstance(metric["lower_is_better"], bool) and metric["score_type"] == "continuous"
    check_texts(metric["additional_details"])
    details = result["score_details"]
    check_texts(details["details"])
    low, high = float(metric["min_score"]), float(metric["max_score"])
    interval = details["uncertainty"]["confidence_interval"]
    assert low <= interval["lower"] <= details["score"] <= interval["upper"] <= high
    assert interval["confidence_level"] == 0.95
    assert isinstance(details["uncertainty"]["num_samples"], int)
    assert set(result["generation_config"]["generation_args"]) <= GENERATION_ARGS
    check_texts(result["generation_config"]["additional_details"])


def check_texts(values: dict[str, Any]) -> None:
    assert all(isinstance(value, str) for value in values.values())
    assert not {"null", "NaN", "Infinity"} & set(values.values())


def test_every_candidate_is_a_record_of_every_eval_ever(results: Path, tmp_path: Path) -> None:
    card = task_card("one")
    members = [write_result(results, make_run("large", "lora", card, 0), card, [1.0] * 40, device="Abacus 9")]
    write_ensemble(results, "together", "vote", members, draw_scores(0.75, 40, 0))
    out = written(results, "every-eval-ever", tmp_path / "records")
    for path in texts(out):
        assert re.fullmatch(rf"data/gainboard-fine-tuning-leaderboard/[^/]+/[^/]+/{UUID4}\.json", path)
    found = records(out)
    assert len(found) == 5
    for record in found:
        check_record(record)


def test_a_record_says_how_it_was_tuned_what_that_gained_and_what_it_cost(
    results: Path, tmp_path: Path
) -> None:
    found = records(written(results, "every-eval-ever", tmp_path / "records"))
    tuned = next(
        record for record in found if record["source_metadata"]["evaluator_relationship"] == "first_party"
    )
    about = tuned["model_info"]["additional_details"]
    assert (about["tuning.method"], about["tuning.base_model"]) == ("lora", "unknown/small")
    assert float(about["cost.train_usd"]) == pytest.approx(1.025)
    assert about["cost.prices_as_of"] == "2026-11-01"
    result = tuned["evaluation_results"][0]["score_details"]
    details = result["details"]
    low, gain, high = (float(details[f"gain_over_few_shot{end}"]) for end in ("_low", "", "_high"))
    assert low < gain < high
    assert json.loads(details["tuning.settings"])["r"] == 16
    assert details["tuning.trained_tokens"] == "90000"
    untuned = next(
        record for record in found if record["model_info"]["additional_details"]["tuning.tuned"] == "false"
    )
    assert untuned["model_info"]["id"] == "unknown/small"
    assert "cost.train_usd" not in untuned["model_info"]["additional_details"]


def test_a_path_of_somebody_s_disk_is_not_told(results: Path, tmp_path: Path) -> None:
    for path in results.glob(f"**/{RESULT}"):
        path.write_text(
            path.read_text(encoding="utf-8").replace("invented/small", "/home/ada/secret/weights"), "utf-8"
        )
    for text in texts(written(results, "every-eval-ever", tmp_path / "records")).values():
        assert "/home" not in text and "secret" not in text and "unknown/weights" in text


def test_an_exported_folder_is_the_same_each_time_and_replaced_as_a_whole(
    results: Path, tmp_path: Path
) -> None:
    out = tmp_path / "records"
    first = texts(written(results, "every-eval-ever", out))
    (out / "data" / "stray.json").write_text("{}", encoding="utf-8")
    assert texts(written(results, "every-eval-ever", out)) == first
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(UserError, match="not empty and not a set of records made by gainboard"):
        written(results, "every-eval-ever", tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").exists()


# model-index


def test_every_set_of_tuned_weights_has_a_model_index(results: Path, tmp_path: Path) -> None:
    card = task_card("one")
    run, selection = searched(make_run("large", "dora", card, 0), scores={1e-4: 0.6, 3e-4: 0.7})
    write_result(results, run, card, draw_scores(0.7, 40, 0), selection=selection)
    found = texts(written(results, "model-index", tmp_path / "cards"))
    assert len(found) == 6 + 1
    (index,) = json.loads(found["small-lora-one-v1-n-500-seed-2.yaml"])["model-index"]
    assert index["name"] == "small-lora-one-v1-n-500-seed-2"
    (entry,) = index["results"]
    assert entry["task"] == {"type": "text-generation"}
    assert entry["dataset"] == {"type": "one", "name": "one", "split": "test"}
    (metric,) = entry["metrics"]
    assert metric["verified"] is False and 0 < metric["value"] < 1


def test_a_mixture_has_all_its_tasks_in_one_model_index(tmp_path: Path) -> None:
    results, cards = tmp_path / "results", (task_card("one"), task_card("two"))
    for card in cards:
        write_result(results, make_run("small", "multitask", card, 0, others=cards), card, [1.0, 0.0])
    (record,) = records(written(results, "model-index", tmp_path / "cards"))
    assert [entry["dataset"]["name"] for entry in record["model-index"][0]["results"]] == ["one", "two"]


def test_a_model_index_is_named_by_what_was_trained_and_has_its_guard_tasks_last(tmp_path: Path) -> None:
    results, card, guard = tmp_path / "results", task_card("one"), task_card("a-guard")
    run = make_run("small", "lora", card, 0)
    for scored, asked in ((guarding(run, guard), guard), (run, card)):
        write_result(results, scored, asked, [1.0, 0.0])
    ((name, text),) = texts(written(results, "model-index", tmp_path / "cards")).items()
    assert name == "small-lora-one-v1-n-500-seed-0.yaml"
    assert [entry["dataset"]["name"] for entry in json.loads(text)["model-index"][0]["results"]] == [
        "one",
        "a-guard",
    ]


def test_a_model_index_is_yaml(results: Path, tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    for text in texts(written(results, "model-index", tmp_path / "cards")).values():
        assert yaml.safe_load(text) == json.loads(text)


def test_the_hub_s_own_library_reads_a_model_index(results: Path, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    for text in texts(written(results, "model-index", tmp_path / "cards")).values():
        card = hub.ModelCard(f"---\n{text}---\n")
        assert card.data.eval_results[0].metric_value > 0


def test_nothing_tuned_makes_no_model_index(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", {("small", "zero_shot"): 0.3}, n=10)
    with pytest.raises(UserError, match="holds nothing that model-index takes"):
        written(tmp_path / "results", "model-index", tmp_path / "cards")
    assert not (tmp_path / "cards").exists()


# The command


def test_the_command_says_what_it_wrote_and_where(
    results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for form, says in (
        ("csv", "3 rows and 6 cells in leaderboard.csv"),
        ("model-index", "6 records of model-index in model-index"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["export", "--format", form])
        assert ended.value.code == 0
        assert says in capsys.readouterr().out


def test_no_table_is_written_over_a_result(results: Path) -> None:
    (result, *_) = results.rglob("result.json")
    before = result.read_bytes()
    with pytest.raises(UserError, match="would lie among the results"):
        written(results, "csv", result)
    assert result.read_bytes() == before


def test_missing_results_are_one_sentence(tmp_path: Path) -> None:
    for form in ("csv", "every-eval-ever"):
        with pytest.raises(UserError, match="gainboard run SWEEP"):
            written(tmp_path / "nothing", form, tmp_path / "out")
