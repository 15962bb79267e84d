"""A new task passes its check before a line of it is edited."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from toy_task import besides_power

from harness.authoring.check import check_task
from harness.authoring.scaffold import NewTask, new_task
from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.plugins.registry import find_plugins, load_task
from harness.score.judging import metrics_of
from harness.task import Task
from harness.task.prompts import render

Write = Callable[[str, str], Path]


def labels(count: int = 40) -> str:
    return "message,team\n" + "".join(
        f'"message {index}, and more",{("sales", "support")[index % 2]}\n' for index in range(count)
    )


def loaded(folder: Path) -> Task:
    return load_task(folder.name, find_plugins([folder.parent]))


def faults(folder: Path) -> list[str]:
    findings = check_task(folder.name, find_plugins([folder.parent]))
    return [finding.message for finding in besides_power(findings) if finding.level in ("error", "warning")]


def found_errors(folder: Path) -> list[str]:
    findings = check_task(folder.name, find_plugins([folder.parent]))
    return [finding.message for finding in findings if finding.level == "error"]


def test_a_new_task_without_a_file_brings_a_small_table_and_passes(tmp_path: Path) -> None:
    folder = new_task("reviews", tmp_path / "tasks").folder
    assert folder == tmp_path / "tasks" / "reviews"
    assert {path.name for path in folder.iterdir()} >= {"task.py", "examples.jsonl", "data.csv"}
    assert faults(folder) == []


def test_a_table_with_few_targets_becomes_a_choice(tmp_path: Path, write: Write) -> None:
    source = write("mail.csv", labels())
    folder = new_task(
        "mail", tmp_path / "tasks", source=source, input_column="message", target_column="team"
    ).folder
    task = loaded(folder)
    assert (task.output, task.primary_metric, task.chance) == ("choice", "accuracy", 0.5)
    assert load_dataset(task).test[0].choices == ("sales", "support")
    assert faults(folder) == []


def test_what_the_test_split_can_show_is_known_with_its_groups(tmp_path: Path, write: Write) -> None:
    lines = [f"message {index},{('sales', 'support')[index % 2]},{index // 10}" for index in range(300)]
    source = write("mail.csv", "\n".join(["message,team,customer", *lines]))
    columns = {"source": source, "input_column": "message", "target_column": "team"}
    plain = new_task("plain", tmp_path / "tasks", **columns)
    grouped = new_task("grouped", tmp_path / "tasks", **columns, group_column="customer")
    assert plain.power and grouped.power
    assert (plain.power.samples, plain.power.independent, plain.power.seeds) == (120, 120.0, None)
    assert (grouped.power.samples, grouped.power.independent) == (120, 12.0), (
        "twelve customers of ten messages"
    )


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(60, (30, 6, 24)), (300, (150, 30, 120)), (2_000, (1_180, 200, 620)), (9_000, (7_200, 900, 900))],
)
def test_test_gets_what_a_gap_of_five_points_takes_as_far_as_the_rows_allow(
    tmp_path: Path, write: Write, rows: int, sizes: tuple[int, int, int]
) -> None:
    new = asking(tmp_path, write("t.csv", table([f"answer {index}" for index in range(rows)])))
    splits = loaded(new.folder).data()
    assert (len(splits.train), len(splits.dev), len(splits.test)) == sizes
    assert new.remarks == (f"{sizes[0]:,} train, {sizes[1]:,} dev, {sizes[2]:,} test rows",)


def test_a_table_for_each_split_is_taken_as_it_is_and_what_they_share_is_told(
    tmp_path: Path, write: Write
) -> None:
    rows = [f'"question {index}",answer {index}' for index in range(40)]
    train, test, dev = (
        write(f"{name}.csv", "\n".join(["q,a", *part]))
        for name, part in (
            ("one", rows[:30]),
            ("two", ['"QUESTION  3",answer 3', *rows[30:36]]),
            ("three", rows[36:]),
        )
    )
    columns = {"source": train, "input_column": "q", "target_column": "a"}
    new = new_task("given", tmp_path / "tasks", **columns, dev=dev, test=test)  # type: ignore[arg-type]
    splits = loaded(new.folder).data()
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (30, 4, 7)
    assert new.remarks == (
        "30 train, 4 dev, 7 test rows",
        "1 of 7 test rows (the first is row 1) asks what a training row asks, so their answers can be memorised; remove "
        "them from one of the two tables",
    )
    assert {path.name for path in new.folder.iterdir()} >= {"train.csv", "dev.csv", "test.csv"}
    partly = new_task("partly", tmp_path / "tasks", **columns, test=test)  # type: ignore[arg-type]
    assert partly.remarks[0] == "27 train, 3 dev, 7 test rows"
    assert found_errors(partly.folder) == []


def test_a_label_that_only_the_test_table_has_is_a_choice(tmp_path: Path, write: Write) -> None:
    train, test = (write(f"{name}.csv", labels()) for name in ("one", "two"))
    test.write_text(
        labels().replace("support", "returns").replace("message", "letter", 41).replace("letter,", "message,")
    )
    columns = {"input_column": "message", "target_column": "team"}
    new = new_task("mail", tmp_path / "tasks", source=train, test=test, **columns)  # type: ignore[arg-type]
    assert load_dataset(loaded(new.folder)).test[0].choices == ("returns", "sales", "support")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"test": "t.csv"}, "--train and --test are both .*; what is trained on cannot be tested on"),
        ({"test": "u.csv"}, r"u.csv, row 1: column 'a' not found"),
        ({"input_column": ["q", "a"]}, "--input and --target are both 'a'"),
        ({"input_column": ["q", "q"]}, "--input names a column twice: q, q"),
        ({"source": "hub:nobody/this"}, "needs a pinned revision"),
        ({"source": "hub:nobody/this@main"}, "revision 'main' is not pinned"),
        ({"source": "hub:@main"}, "write hub:org/name@revision"),
        (
            {"source": "hub:nobody/this@main", "test": "u.csv"},
            "brings its own splits; leave --dev and --test out",
        ),
        ({"source": None}, "belong to a data file; give it with --from or --train"),
    ],
)
def test_tables_and_columns_that_cannot_be_are_refused(
    tmp_path: Path, write: Write, options: dict[str, Any], fault: str
) -> None:
    source = write("t.csv", table([f"answer {index}" for index in range(30)]))
    write("u.csv", "q,b\nx,y\n")
    options = {"source": source, "input_column": "q", **options}
    if "test" in options:
        options["test"] = source.parent / options["test"]
    with pytest.raises(UserError, match=fault):
        new_task("asking", tmp_path / "tasks", target_column="a", **options)
    assert not (tmp_path / "tasks").exists()


def test_a_data_set_of_the_hub_becomes_a_table_for_each_split(tmp_path: Path) -> None:
    # A folder stands in for the hub, which no test reaches.
    import datasets

    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])}
    )
    folder = tmp_path / "data"
    folder.mkdir()
    for name, size in (("train", 40), ("validation", 10), ("test", 20)):
        rows = [{"text": f"{name} text {index}", "label": index % 2} for index in range(size)]
        datasets.Dataset.from_list(rows, features=features).to_parquet(str(folder / f"{name}.parquet"))
    new = new_task(
        "found", tmp_path / "tasks", source=f"hub:{folder}", input_column="text", target_column="label"
    )
    dataset = load_dataset(loaded(new.folder))
    assert (len(dataset.train), len(dataset.dev), len(dataset.test)) == (40, 10, 20)
    assert dataset.test[0].choices == ("no", "yes")


def test_several_inputs_are_fields_of_their_own_in_every_template(tmp_path: Path, write: Write) -> None:
    rows = [f"title {index},body {index},x,{'ab'[index % 2]}" for index in range(40)]
    source = write("t.csv", "\n".join(["Title,{body},1st,team", *rows]))
    folder = new_task(
        "asking",
        tmp_path / "tasks",
        source=source,
        input_column=["Title", "{body}", "1st"],
        target_column="team",
    ).folder
    task = loaded(folder)
    sample = load_dataset(task).test[0]
    assert sample.fields.keys() == {"title", "body", "input_3"}
    number = sample.fields["title"].removeprefix("title ")
    for template in task.prompts.templates:
        text = render(task.prompts, sample, template=template).text
        assert f"Title: title {number}\n{{body}}: body {number}\n1st: x" in text
    assert faults(folder) == []


def test_a_wording_of_one_s_own_names_columns(tmp_path: Path, write: Write) -> None:
    rows = [f"title {index},body {index},{'ab'[index % 2]}" for index in range(40)]
    source = write("t.csv", "\n".join(["Mail title,text,team", *rows]))
    folder = new_task(
        "asking",
        tmp_path / "tasks",
        source=source,
        input_column=["Mail title", "text"],
        target_column="team",
        templates=[r"{{mail}}\n{Mail title}: {text}\na or b?", "{mail_title} ({text})\nWhich team?"],
    ).folder
    task = loaded(folder)
    sample = load_dataset(task).test[0]
    number = sample.fields["text"].removeprefix("body ")
    texts = [render(task.prompts, sample, template=name).text for name in ("own_1", "own_2")]
    assert texts[0].startswith(f"{{mail}}\ntitle {number}: body {number}\na or b?")
    assert texts[1].startswith(f"title {number} (body {number})\nWhich team?")
    assert list(task.prompts.templates) == ["own_1", "own_2"]
    assert faults(folder) == []


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("{titel}", r"'titel' is no --input column\. Did you mean 'title'\? There are \{title\}, \{body\}"),
        ("Which team?", r"names no column, so every prompt would be the same; there are \{title\}"),
        ("{title", "write {{ and }} for braces of its own"),
        ("{}", "'' is no --input column"),
    ],
)
def test_a_wording_that_names_no_column_is_refused(
    tmp_path: Path, write: Write, template: str, fault: str
) -> None:
    source = write(
        "t.csv", "title,body,team\n" + "".join(f"t {index},b,{index % 2}\n" for index in range(40))
    )
    columns = {"source": source, "input_column": ["title", "body"], "target_column": "team"}
    with pytest.raises(UserError, match=fault):
        new_task("asking", tmp_path / "tasks", **columns, templates=[template])  # type: ignore[arg-type]
    assert not (tmp_path / "tasks").exists()


def test_rows_that_share_one_of_several_inputs_may_part_and_those_that_share_all_may_not(
    tmp_path: Path, write: Write
) -> None:
    rows = [f"the same,body {index // 2},{'ab'[index % 2]}" for index in range(80)]
    source = write("t.csv", "\n".join(["title,body,team", *rows]))
    folder = new_task(
        "asking", tmp_path / "tasks", source=source, input_column=["title", "body"], target_column="team"
    ).folder
    splits = loaded(folder).data()
    bodies = [{row["body"] for row in part} for part in (splits.train, splits.dev, splits.test)]
    assert all(bodies)
    assert sum(map(len, bodies)) == 40


def test_cells_that_are_read_in_another_form_are_told_as_counts_and_one_by_one(
    tmp_path: Path, write: Write
) -> None:
    cells = ["cafe\u0301", "caf\u00e9", "t\u200bea", " tea"] * 10
    source = write(
        "t.csv", "q,a,unused\n" + "".join(f"q{index},{cell},\u200b\n" for index, cell in enumerate(cells))
    )
    new = asking(tmp_path, source)
    counts = (
        "30 cells read in another form: 10 composed (Unicode NFC), 10 without invisible characters, 10 with plain "
        "spaces, none around the text (the first in row 1, column 'a')"
    )
    assert new.remarks[-1] == f"{source}: {counts}"
    assert len(new.cleaned) == 30
    assert new.cleaned[1].endswith(
        r"t.csv, row 3, column 'a': 't\u200bea' became 'tea': without invisible characters"
    )
    findings = check_task("asking", find_plugins([new.folder.parent]))
    assert any(finding.level == "note" and finding.message.endswith(counts) for finding in findings)


def table(targets: list[str], header: str = "q,a") -> str:
    return f"{header}\n" + "".join(f'question {index},"{target}"\n' for index, target in enumerate(targets))


def made_of(tmp_path: Path, write: Write, targets: list[str]) -> Path:
    return asking(tmp_path, write("t.csv", table(targets))).folder


def asking(tmp_path: Path, source: Path, *, group: str | None = None) -> NewTask:
    folder = tmp_path / "tasks"
    return new_task("asking", folder, source=source, input_column="q", target_column="a", group_column=group)


NUMBERS = ("mae", "rmse", "pearson", "spearman", "within_tolerance")
DATES = ("date_match", "date_parts", "exact_match")
SENTENCE = "the answer to this one is {}"


@pytest.mark.parametrize(
    ("targets", "output", "metrics"),
    [
        ([f"label {'abc'[index % 3]}" for index in range(40)], "choice", ("accuracy", "f1_macro")),
        ([str(1 + index % 5) for index in range(40)], "choice", ("accuracy", "quadratic_kappa", "label_mae", "f1_macro")),
        ([str(2 * (index % 5)) for index in range(40)], "choice", ("accuracy", "f1_macro")),
        ([str(index % 11) for index in range(88)], "choice", ("accuracy", "quadratic_kappa", "label_mae", "f1_macro")),
        ([str(index % 12) for index in range(96)], "generate", ("numeric_match", "exact_match")),
        ([f"{index / 7:.2f}" for index in range(60)], "generate", NUMBERS),
        ([f"label {index % 45:02}" for index in range(900)], "choice", ("accuracy", "f1_macro")),
        (["yes", "no", "perhaps", "later", "never"] * 19 + ["nevr"], "choice", ("accuracy", "f1_macro")),
        ([str(index % 30) for index in range(900)], "generate", ("numeric_match", "exact_match")),
        ([f"-{index},000.5" for index in range(40)], "generate", ("numeric_match", "exact_match")),
        ([f"answer {index}" for index in range(40)], "generate", ("exact_match", "rougeL")),
        ([f"label {index % 14}" for index in range(40)], "generate", ("exact_match", "rougeL")),
        ([f"label {index % 60}" for index in range(900)], "choice", ("accuracy", "f1_macro")),
        ([f"label {index % 60}" for index in range(599)], "generate", ("exact_match", "rougeL")),
        ([f"2024-0{1 + index % 9}-{10 + index % 7}" for index in range(900)], "generate", DATES),
        ([f"AB-{index % 60:04}" for index in range(900)], "generate", ("exact_match", "rougeL")),
        ([f"{'canned reply ' * 9}{index % 60}" for index in range(900)], "generate", ("rougeL", "exact_match")),
        (["often"] * 39 + ["once"], "generate", ("exact_match", "rougeL")),
        ([SENTENCE.format(index) for index in range(40)], "generate", ("rougeL", "exact_match")),
        (["ответ" + "а" * index for index in range(40)], "generate", ("exact_match", "rougeL")),
        (["他" * index + "好" for index in range(40)], "generate", ("chrf", "exact_match")),
        (["+" * (index + 1) for index in range(40)], "generate", ("exact_match", "token_f1")),
        ([f"{index},5" for index in range(40)], "generate", NUMBERS),
    ],
    ids=[
        "labels", "ratings", "labels that are even numbers", "ratings from 0 to 10", "twelve numbers", "scores",
        "forty-five labels", "a misspelt label", "counts", "numbers", "short texts",
        "labels of few rows", "sixty labels", "sixty labels of few rows", "dates", "codes",
        "texts that recur", "a label that is not repeated", "sentences", "another script",
        "a script without spaces", "signs",
        "decimal commas",
    ],
)  # fmt: skip
def test_targets_say_how_they_are_asked_for_and_judged(
    tmp_path: Path, write: Write, targets: list[str], output: str, metrics: tuple[str, ...]
) -> None:
    task = loaded(made_of(tmp_path, write, targets))
    assert (task.output, tuple(metric.name for metric in metrics_of(task))) == (output, metrics)
    assert task.primary_metric == metrics[0]


@pytest.mark.parametrize(
    "targets",
    [
        ["no", "none", "nothing"] * 20,
        [str(7 * index) for index in range(40)],
        [f"{index / 7:.2f}" for index in range(60)],
        [str(1 + index % 5) for index in range(40)],
        [f"answer {index}" for index in range(40)],
        [SENTENCE.format(index) for index in range(40)],
        [f"{'label' * 20} {index % 4}" for index in range(40)],
        ["<mask>", "[output]", "neither"] * 20,
        ["<mask>", "<mask> too", "none"] * 20,
    ],
    ids=[
        "labels that begin others", "numbers", "scores", "ratings",
        "short texts", "sentences", "long labels", "slots", "slots that begin others",
    ],
)  # fmt: skip
def test_what_is_made_of_a_table_passes_its_check(tmp_path: Path, write: Write, targets: list[str]) -> None:
    assert faults(made_of(tmp_path, write, targets)) == []


def test_a_table_that_leaves_nothing_to_learn_is_told_and_not_refused(tmp_path: Path, write: Write) -> None:
    (fault,) = faults(made_of(tmp_path, write, ["always"] * 40))
    assert fault.startswith("always giving the most frequent training target scores 1 on exact_match")


def test_three_wordings_list_the_labels_while_they_are_short(tmp_path: Path, write: Write) -> None:
    templates = loaded(made_of(tmp_path, write, ["yes", "no"] * 20)).prompts.templates
    assert len(templates) == 3
    assert all("no, yes" in wording for wording in templates.values())


@pytest.mark.parametrize("slot", ["<mask>", "[output]"])
def test_no_wording_lists_a_label_that_would_be_its_slot(tmp_path: Path, write: Write, slot: str) -> None:
    templates = loaded(made_of(tmp_path, write, [slot, "other"] * 20)).prompts.templates
    assert not any(slot in wording for wording in templates.values())


def test_no_wording_lists_long_labels(tmp_path: Path, write: Write) -> None:
    labels_ = [f"{'long' * 20} {index % 9}" for index in range(90)]
    assert not any(
        "long" in wording for wording in loaded(made_of(tmp_path, write, labels_)).prompts.templates.values()
    )


def test_the_longest_target_fits_into_max_tokens(tmp_path: Path, write: Write) -> None:
    longest = "long answer " * 30
    task = loaded(made_of(tmp_path, write, [*(f"answer {index}" for index in range(39)), longest]))
    assert len(longest) / 2 <= task.max_tokens < len(longest)


def test_an_answer_of_one_line_ends_with_it(tmp_path: Path, write: Write) -> None:
    assert loaded(made_of(tmp_path, write, [f"answer {index}" for index in range(40)])).stop == ("\n",)


def test_an_answer_of_several_lines_does_not(tmp_path: Path, write: Write) -> None:
    assert loaded(made_of(tmp_path, write, [f"two\nlines {index}" for index in range(40)])).stop == ()


def test_rows_of_a_group_stay_in_one_split(tmp_path: Path, write: Write) -> None:
    lines = "".join(f"question {index},answer {index},author {index % 12}\n" for index in range(60))
    source = write("t.csv", "q,a,by\n" + lines)
    folder = asking(tmp_path, source, group="by").folder
    splits = loaded(folder).data()
    train, dev, test = ({row["by"] for row in rows} for rows in (splits.train, splits.dev, splits.test))
    assert not train & dev
    assert not (train | dev) & test
    assert {sample.cluster for sample in load_dataset(loaded(folder)).test} == test


def test_a_parquet_file_is_taken_as_it_is(tmp_path: Path) -> None:
    source = tmp_path / "t.parquet"
    columns = {
        "q": [f"question {index}" for index in range(20)],
        "a": [f"answer {index}" for index in range(20)],
    }
    pyarrow.parquet.write_table(pyarrow.table(columns), source)
    folder = new_task("asking", tmp_path / "tasks", source=source, input_column="q", target_column="a").folder
    assert faults(folder) == []


@pytest.mark.parametrize("labels", [2, 77])
def test_ten_thousand_rows_become_a_checked_task_in_seconds(
    tmp_path: Path, write: Write, labels: int
) -> None:
    start = time.process_time()
    folder = made_of(tmp_path, write, [f"intent {row % labels}" for row in range(10_000)])
    assert loaded(folder).output == "choice"
    assert found_errors(folder) == []
    assert time.process_time() - start < 20


def test_a_tsv_and_a_jsonl_file_are_taken_as_they_are(tmp_path: Path, write: Write) -> None:
    tsv = write("t.tsv", "q\ta\n" + "".join(f"q {index}\ta {index}\n" for index in range(9)))
    jsonl = write(
        "t.jsonl", "".join(json.dumps({"q": f"q {index}", "a": index}) + "\n" for index in range(9))
    )
    for name, source in (("one", tsv), ("two", jsonl)):
        folder = new_task(name, tmp_path / "tasks", source=source, input_column="q", target_column="a").folder
        assert (folder / f"data{source.suffix}").read_bytes() == source.read_bytes()
        assert faults(folder) == []


def test_columns_and_labels_may_hold_quotes_braces_and_any_letters(tmp_path: Path, write: Write) -> None:
    row = '{{"the \\"text\\"": "{{x}} {0} \\\\ é", "{{label}}": "{1}"}}\n'
    lines = [row.format(index, ("{yes}", 'n\\"o')[index % 2]) for index in range(20)]
    source = write("t.jsonl", "".join(lines))
    folder = new_task(
        "odd", tmp_path / "tasks", source=source, input_column='the "text"', target_column="{label}"
    ).folder
    assert load_dataset(loaded(folder)).test[0].choices == ('n"o', "{yes}")
    assert faults(folder) == []


def test_a_repeated_input_is_not_split_between_training_and_test(tmp_path: Path, write: Write) -> None:
    source = write(
        "t.csv", "q,a\n" + "".join(f"question {index % 15},answer {index % 15}\n" for index in range(45))
    )
    folder = new_task("asking", tmp_path / "tasks", source=source, input_column="q", target_column="a").folder
    splits = loaded(folder).data()
    assert not {row["q"] for row in splits.train} & {row["q"] for row in splits.test}


def test_the_generated_task_is_short(tmp_path: Path) -> None:
    assert len((new_task("reviews", tmp_path).folder / "task.py").read_text().splitlines()) < 45


@pytest.mark.parametrize(
    "name", ["two words", "3d", "a-b", "../up", "", "class", "load", "Task", "str", "None", "__init__", "_"]
)
def test_a_name_that_cannot_be_a_function_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="cannot name a task"):
        new_task(name, tmp_path)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    new_task("reviews", tmp_path)
    with pytest.raises(UserError, match="reviews exists already"):
        new_task("reviews", tmp_path)


def test_the_name_of_a_bundled_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="task 'gsm8k' exists already, in "):
        new_task("gsm8k", tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "no such file"),
        ("", "no rows"),
        ("message,team\n", "no rows"),
        ("mesage,team\nx,y\n", "column 'message' not found. Did you mean 'mesage'? There are mesage, team"),
        ("message,team\nx,\n", "row 1: column 'team' is empty"),
        (labels(2), "2 different inputs; a task needs at least three"),
    ],
)
def test_a_faulty_table_is_refused_and_nothing_is_written(
    tmp_path: Path, text: str | None, says: str
) -> None:
    source = tmp_path / "mail.csv"
    if text is not None:
        source.write_text(text)
    with pytest.raises(UserError) as raised:
        new_task("mail", tmp_path / "tasks", source=source, input_column="message", target_column="team")
    assert says in str(raised.value)
    assert not (tmp_path / "tasks").exists()


def test_a_file_needs_both_columns(tmp_path: Path, write: Write) -> None:
    with pytest.raises(
        UserError, match=r"needs --input COLUMN and --target COLUMN, .* There are message, team$"
    ):
        new_task("mail", tmp_path / "tasks", source=write("mail.csv", labels()), input_column="message")


def test_columns_need_a_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="give it with --from"):
        new_task("mail", tmp_path, input_column="message")


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({"target_column": "message"}, "--input and --target are both 'message'"),
        ({"target_column": "team", "group_column": "team"}, "--group and --target are both 'team'"),
    ],
)
def test_a_column_that_would_give_the_answer_away_or_part_it_is_refused(
    tmp_path: Path, write: Write, columns: dict[str, str], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        new_task(
            "mail", tmp_path / "tasks", source=write("mail.csv", labels()), input_column="message", **columns
        )
    assert not (tmp_path / "tasks").exists()


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a folder; give a file"):
        new_task("mail", tmp_path / "tasks", source=tmp_path, input_column="message", target_column="team")


# JSON objects


def orders(tmp_path: Path, write: Write, *, nested: bool) -> Path:
    """A task of orders to be read, whose targets are objects or texts of objects with their keys in another
    order."""
    targets = [{"to": "Köln", "number": index} for index in range(40)]
    rows = [
        {"q": f"order {index}", "a": target if nested else json.dumps(target)}
        for index, target in enumerate(targets)
    ]
    source = write("t.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    return new_task("orders", tmp_path / "tasks", source=source, input_column="q", target_column="a").folder


@pytest.mark.parametrize("nested", [True, False])
def test_json_objects_are_judged_by_their_fields_and_put_into_one_form(
    tmp_path: Path, write: Write, nested: bool
) -> None:
    folder = orders(tmp_path, write, nested=nested)
    task = loaded(folder)
    assert (task.output, task.primary_metric) == ("generate", "json_f1")
    assert task.metrics == (
        "json_f1",
        "json_precision",
        "json_recall",
        "json_keys",
        "json_valid",
        "exact_match",
    )
    index = (sample := load_dataset(task).test[0]).fields["text"].removeprefix("order ")
    assert sample.target == f'{{"number": {index}, "to": "Köln"}}'
    assert faults(folder) == []


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_nested_json_is_recognised_as_objects_and_as_lists(
    tmp_path: Path, as_text: bool, listed: bool
) -> None:
    cells: list[object] = []
    for index in range(40):
        items = [{"sku": f"A{index + place}", "qty": place} for place in range(1 + index % 3)]
        cell = items if listed else {"id": index, "items": items}
        cells.append(json.dumps(cell) if as_text else cell)
    folder = tagged(tmp_path, cells).folder
    task = loaded(folder)
    assert task.metrics == ("json_f1", "json_precision", "json_recall", "json_keys", "json_valid")
    sample = load_dataset(task).test[0]
    assert json.loads(str(sample.target)) == json.loads(task.extract(f"It is {sample.target} indeed."))
    assert faults(folder) == []


# What was decided


@pytest.mark.parametrize(
    ("targets", "decision"),
    [
        (["yes", "no"] * 20, "2 different targets: labels to be chosen (accuracy, f1_macro); "),
        (
            [f"label {index % 60}" for index in range(900)],
            "60 different targets: labels to be chosen (accuracy, f1_macro), which the prompts do not list; "
            "edit templates to list them, or output to have them written",
        ),
        (
            [f"label {index % 60}" for index in range(500)],
            "60 different targets: answers to be written (exact_match, rouge",
        ),
        (
            [str(index) for index in range(40)],
            "40 different targets, all numbers: to be worked out (numeric_match, exact_",
        ),
        (
            [f'{{""n"": {index}}}' for index in range(40)],
            "40 different targets, all JSON objects: judged value by value, lists in any order (json_f1",
        ),
    ],
    ids=["labels", "many labels", "texts", "numbers", "objects"],
)
def test_what_was_decided_is_said(tmp_path: Path, write: Write, targets: list[str], decision: str) -> None:
    assert asking(tmp_path, write("t.csv", table(targets))).decision.startswith(decision)


def test_a_table_that_needs_a_reader_becomes_a_plain_one_beside_the_task(tmp_path: Path) -> None:
    """A workbook's sheet is part of the task afterwards, and no spreadsheet library is needed to run it."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.active.append(["q", "a"])
    for number in range(40):
        book.active.append([f"text {number}", ("good", "bad")[number % 2]])
    book.create_sheet("Other").append(["x", "y"])
    book["Other"].append([1, 2])
    book.save(tmp_path / "t.xlsx")
    columns = {"source": tmp_path / "t.xlsx", "input_column": "q", "target_column": "a"}
    with pytest.raises(UserError, match="say which: Sheet, Other"):
        new_task("asking", tmp_path / "tasks", **columns)
    folder = new_task("asking", tmp_path / "tasks", **columns, sheet="Sheet").folder
    assert json.loads((folder / "data.jsonl").read_text().splitlines()[1]) == {"q": "text 1", "a": "bad"}


# Several labels


TAGS = ("account", "billing", "delivery", "hardware", "network")


def tag_sets(count: int = 60) -> list[list[str]]:
    """Sets of one to three tags, in changing orders, and one row of seven without any."""
    steps = [1 + index % 2 for index in range(count)]
    sets = [
        [TAGS[(index + place) * step % 5] for place in range(1 + index % 3)]
        for index, step in enumerate(steps)
    ]
    return [[] if index % 7 == 6 else tags for index, tags in enumerate(sets)]


def test_a_wording_that_lists_all_labels_names_every_set_of_them(tmp_path: Path) -> None:
    """Most targets are a single label, which the wording holds as it is, and some are sets, which it does not."""
    singles: list[object] = [
        TAGS[index % 5] if index % 4 else "; ".join(TAGS[index % 3 :][:2]) for index in range(60)
    ]
    assert faults(tagged(tmp_path, singles).folder) == []


def tagged(tmp_path: Path, cells: list[object], **options: object) -> NewTask:
    """A task of a table in JSON Lines: cells are texts, lists or null."""
    source = tmp_path / "t.jsonl"
    source.write_text(
        "".join(json.dumps({"q": f"text {index}", "a": cell}) + "\n" for index, cell in enumerate(cells))
    )
    return new_task(
        "tagged", tmp_path / "tasks", source=source, input_column="q", target_column="a", **options
    )  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "write_cell",
    [
        lambda tags: "; ".join(tags), lambda tags: ";".join(tags), lambda tags: "|".join(tags), lambda tags: ", ".join(tags),
        lambda tags: "\n".join(tags), lambda tags: tags, json.dumps, lambda tags: "; ".join(tags) or "NaN",
        lambda tags: " | ".join(tags) or None, lambda tags: ", ".join(tags) or float("nan"),
    ],
    ids=["semicolons", "close", "bars", "commas", "lines", "lists", "lists as text", "NaN", "null", "no number"],
)  # fmt: skip
def test_sets_of_labels_are_recognised_in_every_form(
    tmp_path: Path, write_cell: Callable[[list[str]], object]
) -> None:
    new = tagged(tmp_path, [write_cell(tags) for tags in tag_sets()])
    task = loaded(new.folder)
    assert (task.output, task.primary_metric) == ("generate", "label_f1_micro")
    assert "sets of 5 labels: up to 3 a row, 8 rows have none, in any order" in new.decision
    dataset = load_dataset(task)
    for sample in (*dataset.train, *dataset.dev, *dataset.test):
        tags = tag_sets()[int(sample.fields["text"].removeprefix("text "))]
        written = [tag for tag in TAGS if tag in tags]
        assert re.split(r"[;|,\s]+", str(sample.target)) == (written or ["none"])
    assert re.search(
        r"account\W+billing\W+delivery\W+hardware\W+network, or none\.", task.prompts.templates["plain"]
    )
    # So few rows have a most frequent set that scores much.
    assert [fault for fault in faults(new.folder) if "little is left to learn" not in fault] == []


@pytest.mark.parametrize(
    "cells",
    [
        [f"{('Paris', 'Rome', 'Lyon')[index % 3]}, {('France', 'Italy')[index % 2]}" for index in range(60)],
        ["Toys, Games", "Books", "Music, Film"] * 20,
        [f"{index % 4}, {index % 3}{', 9' * (index % 2)}" for index in range(60)],
        [f"Well, I think it is number {index}" for index in range(60)],
        ["yes", "no"] * 30,
        [
            [{"sku": f"A{(index + place) % 5}", "qty": place} for place in range(1 + index % 3)]
            for index in range(60)
        ],
    ],
    ids=["pairs", "labels with commas", "numbers", "sentences", "labels", "lists of objects"],
)
def test_texts_that_only_hold_a_separator_are_no_sets(tmp_path: Path, cells: list[object]) -> None:
    assert loaded(tagged(tmp_path, cells).folder).primary_metric != "label_f1_micro"


def test_what_the_answers_are_can_be_stated_or_denied(tmp_path: Path) -> None:
    cells: list[object] = ["; ".join(tags) for tags in tag_sets() if tags]
    stars: list[object] = [1 + index % 5 for index in range(40)]
    (tmp_path / "stars").mkdir()
    denied = loaded(tagged(tmp_path / "stars", stars, shape="choice").folder)
    assert denied.metrics == ("accuracy", "f1_macro")
    (tmp_path / "measured").mkdir()
    measured = loaded(tagged(tmp_path / "measured", stars, shape="quantity").folder)
    assert (measured.output, measured.primary_metric) == ("generate", "mae")
    for shape, metric in (("text", "exact_match"), ("choice", "accuracy"), ("labels", "label_f1_micro")):
        (tmp_path / shape).mkdir()
        assert loaded(tagged(tmp_path / shape, cells, shape=shape).folder).primary_metric == metric
    (tmp_path / "pairs").mkdir()
    pairs: list[object] = ["Paris, France", "Rome, Italy"] * 20
    assert loaded(tagged(tmp_path / "pairs", pairs, shape="labels").folder).primary_metric == "label_f1_micro"


@pytest.mark.parametrize(
    ("shape", "fault"),
    [
        ("number", "--answers number: 52 of 52 targets are no numbers: row 1 has 'account', row 2"),
        ("json", "--answers json: 52 of 52 targets are no JSON objects or lists: row 1 has 'account'"),
        ("ordered", "--answers ordered: the targets are no run of integers such as 1 to 5"),
    ],
)
def test_answers_that_are_not_what_is_stated_are_refused(tmp_path: Path, shape: str, fault: str) -> None:
    with pytest.raises(UserError, match=fault):
        tagged(tmp_path, [tags[0] for tags in tag_sets() if tags], shape=shape)
    assert not (tmp_path / "tasks" / "tagged").exists()


def test_an_empty_cell_of_a_column_without_sets_is_still_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="row 3: column 'a' is empty"):
        tagged(tmp_path, ["yes", "no", "", *["yes", "no"] * 20])
