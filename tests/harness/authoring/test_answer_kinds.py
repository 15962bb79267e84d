"""Targets that are numbers, dates or JSON in the ways in which people write them are told from texts."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from toy_task import besides_power

from harness.authoring.answers import answer_kind, decision
from harness.authoring.check import check_task
from harness.authoring.scaffold import new_task
from harness.data.dataset import load_dataset
from harness.errors import UserError
from harness.metrics import Reply, evaluate
from harness.plugins.registry import find_plugins, load_task
from harness.score.judging import metrics_of

COUNT = 40
MEASURED = [f"{index / 7:.2f}" for index in range(1, COUNT + 1)]
WHOLE = [str(index * 137) for index in range(1, COUNT + 1)]


def grouped(number: str, mark: str) -> str:
    return f"{int(number):,}".replace(",", mark)


@pytest.mark.parametrize(
    ("targets", "shape", "says"),
    [
        ([f"{number} kg" for number in MEASURED], "quantity", "numbers from 0.14 to 5.71 in kg: judged by"),
        ([f"{number}kg" for number in MEASURED], "quantity", "in kg: judged by how far off an answer is"),
        ([f"{number} %" for number in MEASURED], "quantity", "in %: judged"),
        ([f"{number}%" for number in WHOLE], "number", "all numbers in %: to be worked out"),
        ([number.replace(".", ",") for number in MEASURED], "quantity", "from 0,14 to 5,71 with decimal commas:"),
        ([f"{number} kg".replace(".", ",") for number in MEASURED], "quantity", "in kg with decimal commas:"),
        ([f"{grouped(number, '.')},50 €" for number in WHOLE], "number", "all numbers in € with decimal commas:"),
        ([f"${grouped(number, ',')}.50" for number in WHOLE], "number", "all numbers in $:"),
        ([f"US$ {number}" for number in WHOLE], "number", "all numbers in US$:"),
        ([f"EUR {number}" for number in WHOLE], "number", "all numbers in EUR:"),
        ([f"{number} USD" for number in WHOLE], "number", "all numbers in USD:"),
        ([f"-{number} °C" for number in MEASURED], "quantity", "numbers from -5.71 to -0.14 in °C:"),
        ([f"{number} km/h" for number in WHOLE], "number", "in km/h:"),
        ([f"{number} m²" for number in MEASURED], "quantity", "in m²:"),
        ([f"{index} day{'s' * (index > 1)}" for index in range(1, 41)], "number", "in days:"),
        ([f"{grouped(number, ' ')} Kč" for number in WHOLE], "number", "in Kč:"),
        ([f"{index}.{100 + index}" for index in range(1, 41)], "quantity",
         "from 1.101 to 40.14 ('1.101' is read as 1.101, which no target tells): judged"),
        ([f"0.{100 + index}" for index in range(1, 41)], "quantity", "numbers from 0.101 to 0.14: judged"),
        ([f"{index},{100 + index}" for index in range(1, 41)], "number",
         "all numbers ('1,101' is read as 1101, which no target tells): to be worked out"),
        ([f"{1 + index % 5} star{'s' * (index % 5 > 0)}" for index in range(COUNT)], "ordered",
         "integers from 1 star to 5 stars: labels in an order"),
    ],
)  # fmt: skip
def test_numbers_are_read_however_a_table_writes_them(targets: list[str], shape: str, says: str) -> None:
    kind = answer_kind(targets)
    assert (kind.shape, kind.remarks) == (shape, ())
    assert says in decision(kind, len(set(targets)))
    assert f"--answers {'choice' if shape == 'ordered' else ''}" in decision(kind, len(set(targets)))


@pytest.mark.parametrize(
    "targets",
    [
        [
            f"{number} Main Street" if int(number) % 2 else f"{number} Elm Road {number[-1]}"
            for number in WHOLE
        ],
        [f"A{number}" for number in WHOLE],
        [f"{number}-{number}" for number in WHOLE],
        [f"{index:02}:30" for index in range(24)] * 2,
        [f"1.2.{number}" for number in WHOLE],
        [f"{index:05}" for index in range(COUNT)],
    ],
    ids=["addresses", "codes", "ranges", "times", "versions", "postal codes"],
)
def test_texts_that_hold_numbers_are_texts(targets: list[str]) -> None:
    kind = answer_kind(targets)
    assert kind.shape == "text"
    assert not any("units" in remark for remark in kind.remarks)


def test_numbers_in_several_units_or_notations_are_told_and_stay_texts() -> None:
    kind = answer_kind([f"{number} {('kg', 'g')[place % 4 == 3]}" for place, number in enumerate(WHOLE)])
    assert kind.shape == "text"
    assert kind.remarks == (
        "the targets are judged as texts, for they are numbers in 2 units: kg (30), g (10); convert them to one",
    )
    mixed = ["1.234,5", "1,234.5"] + [f"{number},25" for number in WHOLE]
    assert (
        "some with a decimal comma ('1.234,5') and some with a point ('1,234.5')"
        in answer_kind(mixed).remarks[0]
    )
    with pytest.raises(UserError, match="--answers number: they are numbers in 2 units: kg"):
        answer_kind([f"{number} {('kg', 'g')[place % 2]}" for place, number in enumerate(WHOLE)], "number")


# Labels


@pytest.mark.parametrize(
    ("misspelt", "says"),
    [
        (["biling"], "1 of 3 labels stands in one row only: row 101 has 'biling'; correct or remove"),
        (["bilng", "hardwre"], "2 of 4 labels stand in one row each: row 101 has 'bilng', row 102 has 'hardwre'; correct"),
        ([], None),
    ],
)  # fmt: skip
def test_a_few_misspelt_labels_leave_labels_and_are_named(misspelt: list[str], says: str | None) -> None:
    kind = answer_kind(["billing", "hardware"] * 50 + misspelt)
    assert (kind.shape, kind.output) == ("choice", "choice")
    assert [remark.startswith(says or "") for remark in kind.remarks] == [True] * bool(says)


def test_labels_that_differ_in_case_alone_are_named() -> None:
    (remark,) = answer_kind(["Yes", "yes", "No", "no", "maybe"] * 20).remarks
    assert remark.startswith(
        "labels that differ in upper and lower case alone count as different: 'No' and 'no', 'Yes'"
    )


def test_texts_that_hardly_recur_are_no_labels() -> None:
    assert answer_kind(["yes"] * 90 + [f"answer number {number}" for number in range(10)]).shape == "text"


# Dates


@pytest.mark.parametrize(
    ("targets", "says", "pattern"),
    [
        ([f"2024-03-{day:02}" for day in range(1, 31)], "all dates: right however", "written as YYYY-MM-DD"),
        ([f"{day}.3.2024" for day in range(1, 31)], "all dates: right however", "written as DD.MM.YYYY"),
        ([f"3/{day}/2024" for day in range(1, 31)], "all dates: right however", "written as MM/DD/YYYY"),
        ([f"{day:02}/03/{year}" for day in range(1, 12) for year in (2023, 2024, 2025)],
         "all dates (day and month in the order MDY, which no target tells)", "written as MM/DD/YYYY"),
        ([f"{day} March 2024" for day in range(1, 31)], "all dates: right however", "that is asked for, and"),
        ([f"2024-03-{day:02} 00:00:00" for day in range(1, 31)], "all dates: right however", "asked for, and"),
        ([f"{day}.03.2024 00:00" for day in range(1, 31)], "all dates: right however", "asked for, and"),
        ([f"03/{day:02}/2024 12:00:00 AM" for day in range(1, 31)], "all dates: right however", "asked for, and"),
        ([f"{day}. März 2024" for day in range(1, 31)], "all dates: right however", "that is asked for, and"),
        ([f"{day} août 2024" for day in range(1, 31)], "all dates: right however", "that is asked for, and"),
        ([f"Mon {day} Mar 24" for day in range(1, 31)], "all dates: right however", "that is asked for, and"),
        ([f"{day:02}/03/24" for day in range(1, 31)], "all dates: right however", "written as DD/MM/YY"),
        ([f"{day} мая 2024 г." for day in range(1, 31)], "all dates: right however", "that is asked for, and"),
    ],
)  # fmt: skip
def test_dates_are_recognised_in_any_order(targets: list[str], says: str, pattern: str) -> None:
    kind = answer_kind(targets)
    assert (kind.shape, kind.metrics) == ("date", ("date_match", "date_parts", "exact_match"))
    assert says in decision(kind, len(targets))
    assert pattern in kind.templates["instruction"]


def test_dates_in_two_orders_are_told() -> None:
    targets = [f"{day}/3/2024" for day in range(13, 29)] + [f"3/{day}/2024" for day in range(13, 29)]
    assert "day and month change places" in answer_kind(targets).remarks[0]
    with pytest.raises(UserError, match="--answers date: day and month change places"):
        answer_kind(targets, "date")


@pytest.mark.parametrize(
    "form",
    [
        "{:02}.03.2024 10:30",
        "03/{:02}/2024 4:05:00 PM",
        "2024-03-{:02}T10:00:00Z",
        "2024-03-{:02} 10:00:00.250+02:00",
        "2024-03-{:02}T00:00:00-05:00",
        "{} March 2024, 9:15 am",
    ],
)
def test_a_time_of_day_beside_a_date_is_told_of(form: str) -> None:
    targets = [form.format(day) for day in range(1, 31)]
    kind = answer_kind([*targets, "2024-03-31"])
    assert kind.shape == "text"
    assert kind.remarks[0].startswith("30 of 31 targets have a time of day beside their date, and all are")
    assert answer_kind([*targets[:20], *["call back"] * 3, *targets[20:]]).remarks != kind.remarks


# Nearly all


@pytest.mark.parametrize(
    ("targets", "name"),
    [
        ([json.dumps({"n": number}) for number in WHOLE], "JSON objects or lists"),
        ([f"{number} kg" for number in WHOLE], "numbers"),
        ([f"2024-03-{1 + int(number) % 28:02}" for number in WHOLE], "dates"),
    ],
)
def test_the_few_targets_that_have_another_form_are_named(targets: list[str], name: str) -> None:
    targets[4], targets[30] = "not so", "{unknown"
    kind = answer_kind(targets)
    assert kind.shape == "text"
    (remark,) = kind.remarks
    assert remark.startswith(
        f"38 of 40 targets are {name} and all are judged as texts, for row 5 has 'not so', row 31 has '{{unknown'; "
        "correct"
    )
    shape = {"numbers": "number", "dates": "date"}.get(name, "json")
    with pytest.raises(
        UserError, match=f"--answers {shape}: 2 of 40 targets are no {name}: row 5 has 'not so'"
    ):
        answer_kind(targets, shape)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    ["{0} lamps to town {1}", "{0}件台灯送到第{1}区", "{0} лампы в город {1}"],
    ids=["en", "zh", "ru"],
)
def test_texts_that_begin_with_a_number_are_taken_for_no_numbers(written: str) -> None:
    targets = [written.format(place, "abcdefghijklmnopqrstuvwxyz"[place % 26]) for place in range(1, 201)]
    targets[4] = "nothing"
    kind = answer_kind(targets)
    assert (kind.shape, kind.remarks) == ("text", ())


def test_a_row_of_another_table_is_named_with_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("q,a\n" + "".join(f"{number},{number} kg\n" for number in WHOLE))
    (tmp_path / "b.csv").write_text("q,a\none,3 kg\ntwo,many\n")
    columns = {"input_column": "q", "target_column": "a"}
    new = new_task("t", tmp_path / "tasks", source=tmp_path / "a.csv", test=tmp_path / "b.csv", **columns)  # type: ignore[arg-type]
    assert f"for {tmp_path / 'b.csv'}, row 2, has 'many'" in new.remarks[0]


# What is made of them


def made(folder: Path, targets: Sequence[str]) -> Path:
    """A new task whose check has nothing to say."""
    rows = (json.dumps({"q": f"question {place}", "a": target}) for place, target in enumerate(targets))
    (folder / "t.jsonl").write_text("\n".join(rows))
    new = new_task("made", folder / "tasks", source=folder / "t.jsonl", input_column="q", target_column="a")
    findings = besides_power(check_task("made", find_plugins([new.folder.parent])))
    assert [finding.message for finding in findings if finding.level in ("warning", "error")] == []
    return new.folder


@pytest.mark.parametrize(
    ("targets", "metric", "answer"),
    [
        (
            [f"{grouped(number, '.')},50 €" for number in WHOLE],
            "number_match",
            "Das macht 5480,5 € bei 3 Stück.",
        ),
        (
            [f"{number} kg".replace(".", ",") for number in MEASURED],
            "within_tolerance",
            "About 5,6 kg (net, 2 items)",
        ),
        ([f"{1 + number % 28}.3.2024" for number in range(COUNT)], "date_match", "On March 12, 2024."),
        ([f"{1 + number % 28}.3.24" for number in range(COUNT)], "date_match", "On March 12, 2024."),
    ],
)
def test_a_new_task_reads_answers_in_the_table_s_own_way(
    tmp_path: Path, targets: list[str], metric: str, answer: str
) -> None:
    task = load_task("made", find_plugins([made(tmp_path, targets).parent]))
    judge = next(each for each in metrics_of(task) if each.name == metric)
    assert evaluate(judge, [Reply(answer, (targets[39],))]) == 1
    assert evaluate(judge, [Reply(answer, (targets[3],))]) == 0
    assert {str(sample.target) for sample in load_dataset(task).test} <= set(targets)
