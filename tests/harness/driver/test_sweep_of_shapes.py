"""Answers of every shape go from a table to a page: sets of labels, nested JSON, numbers, ordered labels, dates."""

import json
from pathlib import Path

import pytest
from commands import gainboard
from installed import need

from harness.authoring.scaffold import new_task
from harness.records.store import read_results

need("torch", reason="needs an engine")

TAGS = ("billing", "delivery", "hardware")
SHAPES: dict[str, tuple[list[object], str]] = {
    "tags": (["; ".join(TAGS[index % 3 :][: 1 + index % 2]) for index in range(60)], "label_f1_micro"),
    "orders": ([{"id": index, "items": [{"sku": index % 7, "qty": 2}]} for index in range(60)], "json_f1"),
    "weights": ([f"{index / 7:.2f} kg" for index in range(60)], "mae"),
    "stars": ([1 + index % 5 for index in range(60)], "accuracy"),
    "days": ([f"2024-03-{1 + index % 28:02}" for index in range(60)], "date_match"),
}

SWEEP = f"""
name = "shapes"
tasks = {json.dumps(list(SHAPES))}
seeds = [0]

[generation]
max_tokens = 8

[[candidates]]
name = "toy"
model = "gainboard/toy-neox"
methods = ["zero_shot"]
"""


@pytest.mark.slow
def test_answers_of_every_shape_go_from_a_table_to_a_page(tmp_path: Path) -> None:
    for name, (targets, _) in SHAPES.items():
        source = tmp_path / f"{name}.jsonl"
        rows = ({"q": f"case {place}", "a": target} for place, target in enumerate(targets))
        source.write_text("".join(json.dumps(row) + "\n" for row in rows))
        new_task(name, tmp_path / "tasks", source=source, input_column="q", target_column="a")
    (tmp_path / "sweep.toml").write_text(SWEEP)
    for arguments in (
        ("run", "sweep.toml", "--tasks-dir", "tasks", "--engine", "transformers", "--limit", "6"),
        ("publish",),
    ):
        result = gainboard(tmp_path, *arguments)
        assert result.returncode == 0, result.stdout + result.stderr
    results = {result.task.name: result for result in read_results(tmp_path / "results")}
    assert {name: card.task.primary_metric for name, card in results.items()} == {
        name: metric for name, (_, metric) in SHAPES.items()
    }
    for name, (_, metric) in SHAPES.items():
        result_of_shape = results[name]
        assert (result_of_shape.samples.total, result_of_shape.samples.failed) == (6, 0)
        assert result_of_shape.metrics[metric].n == 6
        page = next((tmp_path / "site" / "tasks").glob(f"{name}*"))
        text = "".join(each.read_text() for each in ([page] if page.is_file() else page.rglob("*.html")))
        assert metric in text
