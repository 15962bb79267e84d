"""The page that says why, and what a task's page says to change next."""

import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas
import pytest
from explained import write_explained
from session import once
from site_reading import Text, lines
from synthetic import RATES, rewrite, write_sweep

from harness.analysis.analyse import analyse_arm
from harness.analysis.choose import arms_among, chosen_arms
from harness.records.analysis.file import write_analysis
from harness.records.analysis.record import ANALYSED_SAMPLES, ANALYSIS, AnalysisRecord
from harness.records.predictions import PREDICTIONS
from harness.records.store import read_results
from leaderboards import publish
from leaderboards.rank.verify import verify


def make(folder: Path) -> None:
    write_explained(folder / "results", samples=120)
    publish(folder / "results", folder / "site")


@pytest.fixture(scope="module")
def folder() -> Path:
    """Results that were analysed, and their site."""
    return once("why", make)


@pytest.fixture
def triage(folder: Path) -> Path:
    return folder / "site" / "why" / "ticket-triage.html"


@pytest.fixture
def written(folder: Path) -> Path:
    return folder / "site" / "why" / "day-counts.html"


def advice(page: Path) -> list[str]:
    """What to change next, by that page."""
    source = page.read_text(encoding="utf-8").partition('class="advice"')[2].partition("</ol>")[0]
    return [Text(f"<li{part}").text for part in source.split("<li")[1:]]


def record(folder: Path, task: str) -> dict[str, object]:
    (path,) = folder.glob(f"results/small/lora/{task}-v1/n-500/{ANALYSIS}")
    loaded: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def test_a_task_s_page_says_what_to_change_next_and_leads_to_the_evidence(folder: Path) -> None:
    page = folder / "site" / "tasks" / "day-counts.html"
    sentences = [finding["sentence"] for finding in record(folder, "day-counts")["findings"]]  # type: ignore[index, attr-defined]
    assert advice(page) == [f"{sentence}. See why" for sentence in sentences]
    assert any("are cut before they end: raise max_tokens" in sentence for sentence in sentences)
    links = [attributes.get("href") for _, attributes in Text(page).tags]
    assert "../why/day-counts.html#kinds" in links and "../why/day-counts.html" in links


@pytest.mark.parametrize("task", ["ticket-triage", "day-counts"])
def test_every_link_of_the_page_leads_to_something(folder: Path, task: str) -> None:
    page = folder / "site" / "why" / f"{task}.html"
    hrefs = {attributes["href"] or "" for tag, attributes in Text(page).tags if tag == "a"}
    for href in hrefs:
        path, _, anchor = href.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_file(), href
        if anchor:
            assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), href
    assert sum("samples/" in href and "#sample-" in href for href in hrefs) > 20


def test_a_sample_s_link_leads_to_that_sample(triage: Path) -> None:
    source = triage.read_text(encoding="utf-8")
    place, name = re.findall(r'samples/ticket-triage-1\.html#sample-(\d+)">(sample-\d+)<', source)[0]
    samples = (triage.parents[1] / "samples" / "ticket-triage-1.html").read_text(encoding="utf-8")
    article = samples.partition(f'id="sample-{place}"')[2].partition("</h2>")[0]
    assert f"<small>no. {place} · {name}</small>" in article


def test_every_picture_has_a_table_below_it(triage: Path, written: Path) -> None:
    for page, tables in (
        (triage, ("slices", "kinds", "confusion", "suspects", "calibration", "bins", "coverage")),
        (triage, ("margins", "maps", "ambiguous", "flip-rates", "flips", "parts")),
        (written, ("slices", "kinds", "wordings", "flip-rates")),
    ):
        source = page.read_text(encoding="utf-8")
        assert source.count('<svg class="chart') >= 3
        for table in tables:
            assert re.search(f'<table[^>]*id="{table}-table', source), table


def test_the_table_of_kinds_has_the_shares_of_every_arm(folder: Path, written: Path) -> None:
    kinds = record(folder, "day-counts")["kinds"]
    cut = [f"{100 * one['counts']['cut off'] / one['answers']:.1f} %" for one in kinds]  # type: ignore[attr-defined]
    row = next(line for line in lines(written, "kinds-table") if line.startswith("cut off"))
    assert [share for share in cut if share in row] == cut and len(cut) == 3


def test_the_cells_of_the_matrix_are_those_of_the_record(folder: Path, triage: Path) -> None:
    judged = record(folder, "ticket-triage")["confusion"][-1]  # type: ignore[index]
    titles = re.findall(r"<title>([^<]*): ([\d,]+) of [\d,]+</title>", triage.read_text(encoding="utf-8"))
    drawn = {(title, count) for title, count in titles}
    for cell in judged["cells"]:
        said = "" if cell["target"] == cell["answer"] else f", answered {cell['answer']}"
        assert (f"{cell['target']}{said}", str(cell["count"])) in drawn


def test_the_histograms_hold_every_sample_of_both_arms_once(folder: Path, triage: Path) -> None:
    margins = record(folder, "ticket-triage")["boundary"]["margins"]  # type: ignore[index]
    drawn = re.findall(
        r'<rect class="mark (\w+)"[^>]*><title>[^<]*: ([\d,]+) of ([\d,]+)</title>',
        triage.read_text(encoding="utf-8"),
    )
    for one in margins:
        counts = [int(count) for method, count, of in drawn if method == one["arm"] and of == str(one["n"])]
        assert sum(counts) == one["n"] == 120
        everywhere = [int(count) for method, count, _ in drawn if method == one["arm"]]
        assert sum(everywhere) == 2 * one["n"], "once among all, and once at its label"


def test_every_test_sample_is_a_mark_and_the_nearest_ones_lead_to_their_samples(
    folder: Path, triage: Path
) -> None:
    source = triage.read_text(encoding="utf-8")
    boundary: dict[str, Any] = record(folder, "ticket-triage")["boundary"]  # type: ignore[assignment]
    maps = source.split('<svg class="chart plane"')[1:]
    assert len(maps) == len(boundary["maps"]) == 2
    for svg, drawn in zip(maps, boundary["maps"], strict=True):
        svg = svg.partition("</svg>")[0]
        marks = re.findall(r'<use class="state class-(\d+) (right|wrong)', svg)
        assert len(marks) == len(drawn["marks"]) == 120
        assert sorted(marks) == sorted(
            (str(mark["label"]), "right" if mark["right"] else "wrong") for mark in drawn["marks"]
        )
        assert len(re.findall(r'<a href="\.\./samples/ticket-triage-\d+\.html#sample-\d+"', svg)) == 12
        assert svg.count('<polygon class="region') == len(drawn["regions"]) == 6
    nearest = lines(triage, "ambiguous-table")
    assert len(nearest) == 12
    for place, (line, sample) in enumerate(zip(nearest, boundary["ambiguous"], strict=True), start=1):
        assert line.startswith(f"{place}") and sample["sample"] in line


def test_texts_of_samples_are_escaped_on_the_map_and_among_flips(triage: Path) -> None:
    source = triage.read_text(encoding="utf-8")
    assert "my [late] parcel &lt;b&gt;" in source and "parcel <b>" not in source


def test_what_reading_weights_took_is_said(triage: Path) -> None:
    text = Text(triage).text
    assert "Weights were read anew on an invented CPU in float32: 600 prompts in 24 s" in text
    assert "What a map cannot show" in text


def test_what_is_asked_most_of_attention_is_answered(triage: Path) -> None:
    text = Text(triage).text
    assert (
        "(rank correlation 0.70, mean of 8 samples)" in text
        and "order the tokens of a prompt much alike" in text
    )
    read = "hardly (a right answer is 0.98 times as likely without it, 95 % interval 0.96 to 1.0)"
    assert f"Zero-shot: {read}; Few-shot: {read}; LoRA: {read}." in text
    assert "LoRA: the text field; a right answer is 0.082 times as likely without it" in text
    assert "the last example in 50.0 % of the samples; by chance it would in 25.0 %." in text


def test_neighbouring_layers_of_a_deep_model_share_a_row_and_shares_are_those_of_the_record(
    folder: Path, triage: Path
) -> None:
    source = triage.read_text(encoding="utf-8").partition('id="attention"')[2]
    assert source.count('<svg class="chart matrix"') == 3
    first = source.partition("<svg")[2].partition("</svg>")[0]
    assert first.count("layers ") >= 12 and "layers 29–30" in first
    arms: Any = record(folder, "ticket-triage")["attention"]
    share = sum(arms["arms"][0]["segments"][1]["by_layer"][28:30]) / 2
    assert f"layers 29–30, {{text}}: {100 * share:.1f} %" in first


def test_tokens_keep_their_text_and_show_what_speaks_for_and_against(folder: Path, triage: Path) -> None:
    source = triage.read_text(encoding="utf-8")
    assert "<b> printer" not in source and "name that is <b>" not in source
    lines = re.findall(r"<code>(.*?)</code>", source.partition('class="tinted"')[2], flags=re.DOTALL)
    attention: Any = record(folder, "ticket-triage")["attention"]
    tokens = "".join(attention["samples"][0]["tokens"])
    assert html.unescape(re.sub("<[^>]+>", "", lines[0])) == tokens and len(lines) == 2 * 2 * 3
    missed = attention["samples"][0]["arms"][0]["occlusion"]
    largest = max(range(len(missed)), key=lambda place: abs(missed[place]))
    side = "for" if missed[largest] > 0 else "against"
    assert f'<span class="tint {side}-6">' in lines[1]


def test_without_weights_a_page_has_margins_and_wordings_alone(written: Path) -> None:
    source = written.read_text(encoding="utf-8")
    assert 'id="boundary"' in source and "flip-rates-table" in source
    assert "chart plane" not in source and "Weights were read anew" not in source


def test_a_task_without_an_analysis_says_nothing_of_one(tmp_path: Path) -> None:
    write_sweep(tmp_path / "results", RATES, n=40)
    site = publish(tmp_path / "results", tmp_path / "site").index.parent
    assert not (site / "why").exists()
    assert "What to change next" not in Text(site / "tasks" / "capitals.html").text


def analysed_sweep(tmp_path: Path) -> Path:
    results = tmp_path / "results"
    write_sweep(results, RATES, n=40)
    analyse_loras(results)
    return results


def analyse_loras(results: Path) -> None:
    for arm in chosen_arms(arms_among(read_results(results)), ["*/lora"], results):
        analyse_arm(results, arm)


def test_where_nothing_is_more_than_chance_the_page_says_so(tmp_path: Path) -> None:
    site = publish(analysed_sweep(tmp_path), tmp_path / "site").index.parent
    assert "Nothing stands out beyond chance." in Text(site / "tasks" / "capitals.html").text


def test_an_analysis_of_other_predictions_is_named_and_not_shown(tmp_path: Path) -> None:
    results = analysed_sweep(tmp_path)
    path = next(results.glob(f"small/few_shot/**/{PREDICTIONS}"))
    rewrite(path, pandas.read_parquet(path).assign(answer="Spain"))
    site = publish(results, tmp_path / "site").index.parent
    assert not (site / "why").exists()
    text = Text(site / "problems.html").text
    assert "analysis.json was made of other predictions: `gainboard analyse small` makes it again" in text


def test_a_damaged_analysis_is_named_and_not_shown(tmp_path: Path) -> None:
    results = analysed_sweep(tmp_path)
    next(results.glob(f"**/{ANALYSIS}")).write_text("{", encoding="utf-8")
    site = publish(results, tmp_path / "site").index.parent
    assert not (site / "why").exists()
    assert "`gainboard analyse` makes it again" in Text(site / "problems.html").text


def test_advice_that_is_no_longer_found_is_told_of_with_a_link_to_what_changed(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "results", tmp_path / "results")
    shutil.copytree(folder / "site", tmp_path / "site")
    path = next((tmp_path / "results").glob(f"small/lora/day-counts-v1/n-500/{ANALYSIS}"))
    analysis = json.loads(path.read_text(encoding="utf-8"))
    done, *kept = [finding["sentence"] for finding in analysis["findings"]]
    assert kept
    # What is left is found of other numbers of samples.
    analysis["findings"] = [
        {**finding, "sentence": re.sub(r"\d", "7", finding["sentence"])}
        for finding in analysis["findings"][1:]
    ]
    write_analysis(path, AnalysisRecord.model_validate_json(json.dumps(analysis)))
    published = publish(tmp_path / "results", tmp_path / "site")
    page = tmp_path / "site" / "tasks" / "day-counts.html"
    assert f"“{done}”. What has changed" in Text(page).text and "No longer found since 20" in Text(page).text
    assert page.read_text(encoding="utf-8").partition("No longer found")[2].count("“") == 1
    assert "../history.html" in [attributes.get("href") for _, attributes in Text(page).tags]
    assert f"day-counts: {done} → nothing of the kind is found" in published.changed
    assert f"was {done}" in Text(tmp_path / "site" / "history.html").text
    again = publish(tmp_path / "results", tmp_path / "site")
    assert not again.changed and "No longer found" in Text(page).text


def test_an_edited_analysis_is_named_and_not_shown_and_is_made_again(tmp_path: Path) -> None:
    results = analysed_sweep(tmp_path)
    path = next(results.glob(f"**/{ANALYSIS}"))
    written = path.read_bytes()
    record = json.loads(written)
    record["arms"][0]["score"]["value"] += 0.01
    path.write_text(json.dumps(record), encoding="utf-8")
    site = publish(results, tmp_path / "site").index.parent
    assert not (site / "why").exists()
    assert f"{ANALYSIS} has changed since it was written" in Text(site / "problems.html").text
    assert any("has changed since it was written" in fault for fault in verify(results).faults)
    analyse_loras(results)
    assert path.read_bytes() == written


def test_a_table_of_samples_that_was_edited_is_found_out_and_made_again(tmp_path: Path) -> None:
    results = analysed_sweep(tmp_path)
    table = next(results.glob(f"**/{ANALYSED_SAMPLES}"))
    written = table.read_bytes()
    pandas.read_parquet(table).assign(target="Spain").to_parquet(table)
    assert any("the table of samples beside it has changed" in fault for fault in verify(results).faults)
    analyse_loras(results)
    assert table.read_bytes() == written


def test_an_analysis_from_before_they_were_sealed_is_shown(tmp_path: Path) -> None:
    results = analysed_sweep(tmp_path)
    path = next(results.glob(f"**/{ANALYSIS}"))
    record = json.loads(path.read_text(encoding="utf-8"))
    del record["seal"], record["table"]
    path.write_text(json.dumps(record), encoding="utf-8")
    assert list((publish(results, tmp_path / "site").index.parent / "why").iterdir())


def test_publishing_again_gives_the_same_bytes(folder: Path, tmp_path: Path, triage: Path) -> None:
    again = publish(folder / "results", tmp_path / "site").index.parent
    assert (again / "why" / triage.name).read_bytes() == triage.read_bytes()
