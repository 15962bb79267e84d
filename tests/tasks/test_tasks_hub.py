"""The bundled hub tasks read the data sets they name: each on invented rows, laid out as in its hub
repository."""

import dataclasses
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from installed import need

from harness.data.dataset import Dataset, load_dataset
from harness.data.sources import UnreachableData
from harness.metrics import answer_of, evaluate, find_metric
from harness.plugins.registry import find_plugins, load_task
from harness.task import Reply, Row, Sample, Splits, Task
from harness.task.prompts import render

PLUGINS = find_plugins(entry_points=False)


@dataclass(frozen=True)
class Hub:
    """What is known of a hub repository at the pinned revision, with rows that we made up."""

    rows: Mapping[str, Sequence[Row]]
    """Split to rows, each with all columns of the data set."""

    layout: str = "data/{split}-00000-of-00001.parquet"
    """The path of a split's file."""

    config: str | None = "default"
    """The configuration that the read-me names the files of; None where the folder names have to do."""

    features: str = ""
    """The columns as the read-me declares them, in YAML, where that changes how they are read."""

    dev_size: int | None = None
    """Rows to cut from train, for a data set without a split for dev."""


def mnli(premise: str, hypothesis: str, label: int) -> Row:
    return {"premise": premise, "hypothesis": hypothesis, "label": label, "idx": 0}


def hellaswag(context: str, endings: Sequence[str], label: str) -> Row:
    return {
        "ind": 1,
        "activity_label": "Baking bread",
        "ctx_a": context,
        "ctx_b": "",
        "ctx": context,
        "endings": list(endings),
        "source_id": "activitynet~v_1",
        "split": "train",
        "split_type": "indomain",
        "label": label,
    }


def drop(question: str, *spans: str) -> Row:
    return {
        "section_id": "history_1",
        "query_id": question,
        "passage": "Oslo won 3 games in May and 4 in June.",
        "question": question,
        "answers_spans": {"spans": list(spans), "types": ["span"] * len(spans)},
    }


def few_nerd(tokens: str, tags: Sequence[int]) -> Row:
    return {"id": "1", "tokens": tokens.split(), "ner_tags": list(tags), "fine_ner_tags": list(tags)}


BOATS = (
    "CREATE TABLE boats (id INT, colour TEXT); INSERT INTO boats (id, colour) VALUES (1, 'red'), (2, 'blue');"
)


def gretel(question: str, sql: str) -> dict[str, Any]:
    return {
        "id": 1,
        "domain": "sailing",
        "domain_description": "Boats.",
        "sql_complexity": "aggregation",
        "sql_complexity_description": "counts",
        "sql_task_type": "analytics and reporting",
        "sql_task_type_description": "reports",
        "sql_prompt": question,
        "sql_context": BOATS,
        "sql": sql,
        "sql_explanation": "It counts.",
    }


def restaurant(meaning: str, text: str) -> Row:
    return {"meaning_representation": meaning, "human_reference": text}


def bill(number: int) -> Row:
    return {
        "text": f"SECTION 1. NAME.\n\n    Bridge {number} shall be known\nas the Ann Lee Bridge.",
        "summary": f"Names bridge {number}\nthe Ann Lee Bridge.",
        "title": f"A bill to name bridge {number}.",
    }


def boolq(number: int, answer: bool) -> Row:
    return {
        "question": f"can kettle {number} boil milk",
        "answer": answer,
        "passage": "A kettle heats any liquid.",
    }


def emotions(text: str, *labels: int) -> Row:
    return {"text": text, "labels": list(labels), "id": "e1"}


ENDINGS = (
    "puts it into a warm oven.",
    "sails it across the lake.",
    "reads it to the class.",
    "plugs it into the wall.",
)
SENTENCE = "Ann Lee moved to Oslo with Ben ."

HUBS = {
    "boolq": Hub(
        rows={
            "train": [boolq(number, True) for number in range(4)],
            "validation": [boolq(9, True), boolq(8, False)],
        },
        dev_size=1,
    ),
    "drop": Hub(
        rows={
            "train": [drop(f"How many in May, {number}?", "3") for number in range(3)],
            "validation": [
                drop("How many in June?", "4", " 4 ", "four"),
                drop("Which month had the most?", "June"),
            ],
        },
        features="""
  - {name: section_id, dtype: string}
  - {name: query_id, dtype: string}
  - {name: passage, dtype: string}
  - {name: question, dtype: string}
  - name: answers_spans
    sequence:
    - {name: spans, dtype: string}
    - {name: types, dtype: string}""",
        dev_size=1,
    ),
    "hellaswag": Hub(
        rows={
            "train": [hellaswag(f"Man {number} kneads dough. he", ENDINGS, "0") for number in range(3)],
            "validation": [
                hellaswag(
                    "Knead the dough [title] Wait. [step] Then bake it.",
                    ["[step] " + ENDINGS[0], *ENDINGS[1:]],
                    "0",
                )
            ],
            "test": [hellaswag("A man kneads dough. he", ENDINGS, "")],
        },
        dev_size=1,
    ),
    "mnli": Hub(
        rows={
            "train": [mnli(f"Boat {number} sank.", "It floats.", 2) for number in range(4)],
            "validation_matched": [
                mnli("Ann sold both her boats. ", "Ann has no boat.", 0),
                mnli("A", "B", 1),
                mnli("A", "C", 2),
            ],
            "validation_mismatched": [mnli("Not", "used", 1)],
            "test_matched": [mnli("Not", "labelled", -1)],
        },
        layout="mnli/{split}-00000-of-00001.parquet",
        config="mnli",
        features="""
  - {name: premise, dtype: string}
  - {name: hypothesis, dtype: string}
  - name: label
    dtype:
      class_label:
        names: {"0": entailment, "1": neutral, "2": contradiction}
  - {name: idx, dtype: int32}""",
        dev_size=2,
    ),
    "few_nerd": Hub(
        rows={
            "train": [few_nerd("It rained .", (0, 0, 0))],
            "validation": [few_nerd("Rain .", (0, 0))],
            "test": [few_nerd(SENTENCE, (7, 7, 0, 0, 4, 0, 7, 0)), few_nerd("It rained .", (0, 0, 0))],
        },
        layout="supervised/{split}-00000-of-00001.parquet",
        config="supervised",
        features="""
  - {name: id, dtype: string}
  - {name: tokens, sequence: string}
  - name: ner_tags
    sequence:
      class_label:
        names: {"0": O, "1": art, "2": building, "3": event, "4": location, "5": organization, "6": other, "7": person,
          "8": product}
  - {name: fine_ner_tags, sequence: int64}""",
    ),
    "gretel_sql": Hub(
        rows={
            "train": [
                gretel(f"Is {number} a boat?", f"SELECT id FROM boats WHERE id = {number};")
                for number in (1, 2, 1)
            ],
            "test": [
                gretel("How many boats are red?", "SELECT COUNT(*) FROM boats WHERE colour = 'red';"),
                gretel("Which boats are green?", "SELECT id FROM boats WHERE colour = 'green';"),
                gretel("What year is it?", "SELECT EXTRACT(YEAR FROM NOW()) FROM boats;"),
                gretel("Sell boat 1.", "DELETE FROM boats WHERE id = 1;"),
                gretel("Name any boat.", "SELECT id FROM boats ORDER BY RANDOM() LIMIT 1;"),
            ],
        },
        layout="synthetic_text_to_sql_{split}.snappy.parquet",
        config=None,
        dev_size=1,
    ),
    "e2e_nlg": Hub(
        rows={
            "train": [restaurant("name[Elm]", "It is Elm."), restaurant("name[Elm]", "Elm it is.")],
            "validation": [restaurant("name[Yew]", "Yew."), restaurant("name[Yew]", "This is Yew.")],
            "test": [
                restaurant("name[The Oak], familyFriendly[no]", "The Oak is a place for adults."),
                restaurant("name[The Fir]", "The Fir is a place to eat."),
                restaurant("name[The Oak], familyFriendly[no]", "Children are not welcome at The Oak."),
            ],
        },
        layout="default/{split}/0000.parquet",
        config=None,
    ),
    "billsum": Hub(
        rows={"train": [bill(number) for number in range(3)], "test": [bill(7)], "ca_test": [bill(8)]},
        dev_size=1,
    ),
    "go_emotions": Hub(
        rows={
            "train": [emotions("Great!", 0), emotions("Great, but sad.", 0, 25)],
            "validation": [emotions("It is noon.", 27)],
            "test": [
                emotions("We won, thank you!", 17, 15),
                emotions("Off with them.", 2),
                emotions("How?", 7),
                emotions("Nice, how?", 7, 0),
                emotions("It is one.", 27),
            ],
        },
        layout="simplified/{split}-00000-of-00001.parquet",
        config="simplified",
    ),
}

SIZES = {
    "boolq": (3, 1, 2),
    "drop": (2, 1, 2),
    "hellaswag": (2, 1, 1),
    "mnli": (2, 2, 3),
    "few_nerd": (1, 1, 2),
    "gretel_sql": (2, 1, 1),
    "e2e_nlg": (2, 1, 2),
    "billsum": (2, 1, 1),
    "go_emotions": (1, 1, 4),
}
"""Training, dev and test samples."""

TARGETS: dict[str, list[str | tuple[str, ...]]] = {
    "boolq": ["yes", "no"],
    "drop": [("4", "four"), ("June",)],
    "hellaswag": [ENDINGS[0]],
    "mnli": ["entailment", "neutral", "contradiction"],
    "few_nerd": ['{"Ann Lee": "person", "Oslo": "location", "Ben": "person"}', "{}"],
    "gretel_sql": ["SELECT COUNT(*) FROM boats WHERE colour = 'red'"],
    "e2e_nlg": [
        ("The Oak is a place for adults.", "Children are not welcome at The Oak."),
        ("The Fir is a place to eat.",),
    ],
    "billsum": ["Names bridge 7 the Ann Lee Bridge."],
    "go_emotions": ["positive", "negative", "ambiguous", "neutral"],
}
"""Of the test samples, in their order."""

WRONG = {
    "boolq": "no",
    "drop": "seven",
    "hellaswag": ENDINGS[1],
    "mnli": "neutral",
    "few_nerd": '{"Ann": "person"}',
    "gretel_sql": "SELECT COUNT(*) FROM boats",
    "e2e_nlg": "Nothing whatsoever about it",
    "billsum": "Abolishes taxes.",
    "go_emotions": "neutral",
}
"""An answer to the first test sample that is worth nothing."""

NAMES = list(HUBS)


def lay_out(hub: Hub, folder: Path) -> Path:
    """Write the rows where the hub repository has them."""
    for split, rows in hub.rows.items():
        path = folder / hub.layout.format(split=split)
        path.parent.mkdir(parents=True, exist_ok=True)
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist([dict(row) for row in rows]), path)
    if hub.config is not None:
        (folder / "README.md").write_text(card(hub), encoding="utf-8")
    return folder


def card(hub: Hub) -> str:
    """The read-me's head, by which `datasets` knows the files and the columns."""
    info = f"dataset_info:\n  config_name: {hub.config}\n  features:{hub.features}\n" if hub.features else ""
    files = "".join(f"  - split: {split}\n    path: {hub.layout.format(split=split)}\n" for split in hub.rows)
    return f"---\n{info}configs:\n- config_name: {hub.config}\n  data_files:\n{files}---\n"


def read(name: str, folder: Path) -> Splits:
    """What the task makes of its hub repository's files."""
    need("datasets")
    load: Callable[..., Splits] = load_task(name, PLUGINS).data
    hub = HUBS[name]
    arguments: dict[str, Any] = {} if hub.dev_size is None else {"dev_size": hub.dev_size}
    return load(str(lay_out(hub, folder)), **arguments)


def samples_of(name: str, folder: Path) -> Dataset:
    """The task's samples, checked like any task's."""
    splits = read(name, folder)
    return load_dataset(dataclasses.replace(load_task(name, PLUGINS), data=lambda: splits))


def score(task: Task, sample: Sample, completion: str) -> float:
    """The primary metric of one completion; of a choice, as if the model were certain of it."""
    logprobs = tuple(-0.1 if choice == completion else -1000.0 for choice in sample.choices)
    reply = Reply(
        answer=answer_of(task, completion),
        targets=sample.targets,
        choices=sample.choices,
        choice_logprobs=logprobs,
        metadata=sample.metadata,
    )
    return evaluate(find_metric(task.primary_metric), [reply])


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_task_reads_the_layout_of_its_hub_repository(name: str, tmp_path: Path) -> None:
    dataset = samples_of(name, tmp_path)
    assert (len(dataset.train), len(dataset.dev), len(dataset.test)) == SIZES[name]


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_task_takes_the_right_answers_from_the_rows(name: str, tmp_path: Path) -> None:
    assert [sample.target for sample in samples_of(name, tmp_path).test] == TARGETS[name]


SHARED: list[tuple[str, Row, str]] = [
    ("boolq", boolq(1, True), "A kettle heats any liquid."),
    ("drop", drop("How many in June?", "4"), "history_1"),
    ("hellaswag", hellaswag("A man kneads dough. he", ENDINGS, "0"), "activitynet~v_1"),
    ("mnli", mnli("Ann sold both her boats. ", "Ann has no boat.", 0), "Ann sold both her boats."),
]
"""Tasks whose samples share a passage, a video or a premise: a row, and its cluster."""


@pytest.mark.parametrize(("name", "row", "cluster"), SHARED)
def test_samples_that_share_what_they_are_about_are_a_cluster(name: str, row: Row, cluster: str) -> None:
    assert load_task(name, PLUGINS).to_sample(row, 0).cluster == cluster


@pytest.mark.parametrize("name", NAMES)
def test_every_wording_of_a_hub_task_reads_differently_and_tells_every_field(
    name: str, tmp_path: Path
) -> None:
    task = load_task(name, PLUGINS)
    sample = samples_of(name, tmp_path).test[0]
    texts = [render(task.prompts, sample, template=template).text for template in task.prompts.templates]
    assert len(set(texts)) == len(texts) >= 3
    assert all(field in text for text in texts for field in sample.fields.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_target_of_a_hub_task_scores_1_and_a_wrong_answer_0(name: str, tmp_path: Path) -> None:
    task = load_task(name, PLUGINS)
    sample = samples_of(name, tmp_path).test[0]
    assert [
        score(task, sample, completion) for completion in (sample.targets[0], WRONG[name])
    ] == pytest.approx([1.0, 0.0])


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_task_without_a_network_says_what_is_missing_in_one_sentence(name: str) -> None:
    need("datasets")
    with pytest.raises(
        UnreachableData, match=r"^data set '\w[\w-]*/\w[\w-]*' at revision [0-9a-f]{40} is not on"
    ) as caught:
        load_task(name, PLUGINS).data()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_a_hub_task_pins_a_commit(name: str) -> None:
    module = sys.modules[load_task(name, PLUGINS).to_sample.__module__]
    assert re.fullmatch("[0-9a-f]{40}", module.REVISION)


def test_drop_is_trained_on_answers_of_one_part_only(tmp_path: Path) -> None:
    both = [drop("When?", "May"), drop("Which months?", "May", "June")]
    folder = lay_out(Hub(rows={"train": [*both, *both], "validation": both}), tmp_path)
    splits = load_task("drop", PLUGINS).data(str(folder), dev_size=1)  # type: ignore[call-arg]
    assert [row["question"] for row in (*splits.train, *splits.dev)] == ["When?", "When?"]


def test_an_answer_to_drop_ends_with_its_line() -> None:
    assert load_task("drop", PLUGINS).extract(" 4 games\n\nQuestion: And in May?") == "4 games"


def test_hellaswag_shows_scenes_and_endings_without_markup(tmp_path: Path) -> None:
    sample = samples_of("hellaswag", tmp_path).test[0]
    assert sample.fields["scene"] == "Knead the dough. Wait. Then bake it."
    assert sample.choices == ENDINGS


def test_hellaswag_leaves_out_a_row_whose_endings_read_the_same(tmp_path: Path) -> None:
    twice = [
        hellaswag("He", ["[step] waits.", "waits.", "sings.", "runs."], "0"),
        hellaswag("He", ENDINGS, "1"),
    ]
    folder = lay_out(Hub(rows={"train": twice, "validation": twice}), tmp_path)
    splits = load_task("hellaswag", PLUGINS).data(str(folder), dev_size=1)  # type: ignore[call-arg]
    assert [row["label"] for row in splits.test] == ["1"]


def test_hellaswag_reads_as_one_text_with_its_ending(tmp_path: Path) -> None:
    task = load_task("hellaswag", PLUGINS)
    sample = samples_of("hellaswag", tmp_path).test[0]
    rendered = render(task.prompts, sample, template="continuation")
    read_aloud = rendered.text + rendered.before + sample.targets[0] + rendered.after
    assert read_aloud == "Baking bread: Knead the dough. Wait. Then bake it. puts it into a warm oven."


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ('Here: {"Oslo": "location"} and more', '{"Oslo": "location"}'),
        ('{"Oslo": ', '{"Oslo":'),
        ("no JSON ", "no JSON"),
    ],
)
def test_few_nerd_takes_the_first_json_object(completion: str, answer: str) -> None:
    assert load_task("few_nerd", PLUGINS).extract(completion) == answer


@pytest.mark.parametrize(
    ("completion", "answer"),
    [
        ("SELECT 1; SELECT 2;", "SELECT 1"),
        ("Sure:\n```sql\nSELECT 1;\n```\nThis is it.", "SELECT 1"),
        ("```\nSELECT 1", "SELECT 1"),
        ("SELECT 'a;b' FROM boats;\n-- next", "SELECT 'a;b' FROM boats"),
        ("SELECT 'open", "SELECT"),
        ("", ""),
    ],
)
def test_gretel_sql_takes_the_first_statement(completion: str, answer: str) -> None:
    assert load_task("gretel_sql", PLUGINS).extract(completion) == answer


def test_gretel_sql_counts_another_query_with_the_same_rows_as_right(tmp_path: Path) -> None:
    task = load_task("gretel_sql", PLUGINS)
    sample = samples_of("gretel_sql", tmp_path).test[0]
    assert score(task, sample, "```sql\nSELECT SUM(colour = 'red') AS n FROM boats;\n```") == 1.0


def test_gretel_sql_leaves_out_statements_that_would_open_a_file_or_never_end(tmp_path: Path) -> None:
    there = tmp_path / "written.db"
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT COUNT(*) FROM n;"
    opening = gretel("Open.", "SELECT 1;") | {
        "sql_context": f"ATTACH '{there}' AS other; CREATE TABLE other.t (id INT);"
    }
    right = gretel("Count.", "SELECT COUNT(*) FROM boats;")
    rows = [gretel("Count for ever.", endless), opening, right]
    hub = dataclasses.replace(HUBS["gretel_sql"], rows={"train": rows, "test": rows})
    splits = load_task("gretel_sql", PLUGINS).data(str(lay_out(hub, tmp_path / "hub")), dev_size=1)  # type: ignore[call-arg]
    assert [row["sql_prompt"] for row in splits.test] == ["Count."]
    assert not there.exists()


def test_e2e_nlg_lists_the_attributes_a_line_each(tmp_path: Path) -> None:
    assert samples_of("e2e_nlg", tmp_path).test[0].fields["attributes"] == "name: The Oak\nfamilyFriendly: no"


def test_e2e_nlg_trains_on_every_reference_and_compares_with_all_at_once(tmp_path: Path) -> None:
    dataset = samples_of("e2e_nlg", tmp_path)
    assert [sample.targets for sample in dataset.train] == [("It is Elm.",), ("Elm it is.",)]
    assert [sample.targets for sample in dataset.dev] == [("Yew.", "This is Yew.")]


def test_e2e_nlg_is_read_past_the_index_files_beside_its_rows(tmp_path: Path) -> None:
    for split in HUBS["e2e_nlg"].rows:
        index = tmp_path / "default" / split / "index.duckdb"
        index.parent.mkdir(parents=True)
        index.write_bytes(b"an index of the hub's own")
    assert len(read("e2e_nlg", tmp_path).test) == 2


def test_billsum_shows_bills_without_their_indentation(tmp_path: Path) -> None:
    text = samples_of("billsum", tmp_path).test[0].fields["text"]
    assert text == "SECTION 1. NAME. Bridge 7 shall be known as the Ann Lee Bridge."


def test_every_emotion_of_go_emotions_belongs_to_one_sentiment() -> None:
    module = sys.modules[load_task("go_emotions", PLUGINS).to_sample.__module__]
    grouped = [emotion for emotions in module.SENTIMENTS.values() for emotion in emotions]
    assert sorted(grouped) == sorted(module.EMOTIONS)
    assert len(module.EMOTIONS) == 28
