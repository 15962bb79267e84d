"""What lies in `data/`: the figures with their schema, a line for each run, and checksums that hold."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from synthetic import (
    RATES,
    draw_scores,
    make_run,
    task_card,
    write_ensemble,
    write_failure,
    write_result,
    write_sweep,
)

from harness.records.result import RESULT
from harness.records.training import ResourceUse
from leaderboards import publish
from leaderboards.download.figures import Figures, schema_json


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Rows that are complete and not, an ensemble, a failure and a device without a price."""
    results = tmp_path / "results"
    write_sweep(results, RATES, n=40)
    card = task_card()
    members = [
        write_result(
            results, make_run("large", "lora", card, 0), card, draw_scores(0.7, 40, 0), device="Abacus 9"
        )
    ]
    write_ensemble(results, "together", "vote", members, draw_scores(0.75, 40, 0))
    write_failure(results, make_run("huge", "full", card, 0), spent=ResourceUse(seconds=300.0))
    return results


@pytest.fixture
def data(results: Path, tmp_path: Path) -> Path:
    return publish(results, tmp_path / "site").index.parent / "data"


def runs(data: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (data / "runs.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_figures_are_as_their_schema_says(data: Path) -> None:
    text = (data / "leaderboard.json").read_text(encoding="utf-8")
    figures = Figures.model_validate_json(text, strict=True)
    assert len(figures.rows) == 5 and len(figures.cells) == 5
    assert json.loads(text) == figures.model_dump(mode="json")
    assert (data / "leaderboard.schema.json").read_text(encoding="utf-8") == schema_json()
    row = json.loads(schema_json())["$defs"]["RowFigures"]
    assert row["additionalProperties"] is False
    assert set(row["required"]) == set(json.loads(text)["rows"][0])
    assert "Paired difference" in row["properties"]["gain_few_shot"]["description"]


@pytest.mark.parametrize("change", [{"surprise": 1}, {"score": "high"}, {"method": "magic"}])
def test_other_figures_break_the_schema(data: Path, change: dict[str, Any]) -> None:
    figures = json.loads((data / "leaderboard.json").read_text(encoding="utf-8"))
    figures["rows"][0] |= change
    with pytest.raises(ValidationError):
        Figures.model_validate_json(json.dumps(figures), strict=True)


def test_every_run_has_a_line_with_what_it_scored_and_took(data: Path) -> None:
    lines = runs(data)
    assert len(lines) == 11
    assert [line["folder"] for line in lines] == sorted(line["folder"] for line in lines)
    tuned = next(line for line in lines if line["folder"] == "small/lora/capitals-v1/n-500/seed-1")
    assert tuned["metrics"]["accuracy"]["n"] == 40
    assert tuned["cost"]["seconds"]["train"] == 1200.0
    assert tuned["provenance"]["command"] == "gainboard run invented.toml"
    assert (tuned["seed"], tuned["n_train"], tuned["untrusted"], tuned["trouble"]) == (1, 500, None, [])


def test_a_record_with_a_number_that_is_none_has_no_line_and_is_named(results: Path, tmp_path: Path) -> None:
    path = next(results.glob(f"small/zero_shot/**/{RESULT}"))
    record = json.loads(path.read_text(encoding="utf-8"))
    record["generation"]["flops"] = record["cost"]["generate_flops"] = float("nan")
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.warns(UserWarning, match=r"skipped: .*zero_shot.*'generation\.flops'"):
        lines = runs(publish(results, tmp_path / "site").index.parent / "data")
    assert len(lines) == 10


def test_the_checksums_are_those_of_all_files(data: Path) -> None:
    listed = dict(
        reversed(line.split("  ")) for line in (data / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    )
    names = {path.name for path in data.iterdir()} - {"SHA256SUMS"}
    assert names == {
        "leaderboard.csv",
        "leaderboard.json",
        "leaderboard.schema.json",
        "prices.toml",
        "runs.jsonl",
    }
    assert listed == {name: hashlib.sha256((data / name).read_bytes()).hexdigest() for name in names}


def descriptions(part: Any) -> list[str]:
    """Every description in a schema, or a part of one."""
    if isinstance(part, list):
        return [text for item in part for text in descriptions(item)]
    if not isinstance(part, dict):
        return []
    own = [part["description"]] if isinstance(part.get("description"), str) else []
    return own + [text for item in part.values() for text in descriptions(item)]


def test_a_description_of_the_schema_is_one_line_wherever_the_source_breaks_it() -> None:
    texts = descriptions(json.loads(schema_json()))
    assert len(texts) >= 20
    assert [text for text in texts if text != " ".join(text.split())] == []
    # A field that is itself called `description` is still there.
    assert "type" in json.loads(schema_json())["$defs"]["TaskCard"]["properties"]["description"]


def test_every_field_of_the_figures_that_is_not_plain_is_explained() -> None:
    """A name that says all needs no sentence, but most do: the schema is what people read."""
    explained = [name for name, field in model_fields(Figures) if field.description]
    assert len(explained) >= 20


def model_fields(model: type[BaseModel]) -> list[tuple[str, Any]]:
    from leaderboards.download.figures import BillFigures, CellFigures, RowFigures

    return [
        pair for kind in (model, BillFigures, CellFigures, RowFigures) for pair in kind.model_fields.items()
    ]
