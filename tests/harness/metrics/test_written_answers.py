"""Numbers and dates are compared by value, in the ways in which people and models write them."""

import json
import unicodedata
from datetime import date

import pytest

from harness.errors import UserError
from harness.metrics import (
    METRICS,
    DateFormat,
    LabelSet,
    NumberFormat,
    NumberRange,
    Reply,
    evaluate,
    last_number,
)
from harness.metrics.dates import whole_date
from harness.task.tool_calls import ToolCall, calls_text

TURN = calls_text("", [ToolCall("hören", {"wer": "José"})])


@pytest.mark.parametrize(
    ("text", "point", "comma"),
    [
        ("1.234,5", "5", "1234.5"),
        ("1,234.5", "1234.5", "5"),
        ("4,5", "5", "4.5"),
        ("7.31", "7.31", "7.31"),
        ("1.234", "1.234", "1234"),
        ("1 234,5", "5", "1234.5"),
        ("0.125", "0.125", "0.125"),
        ("٣٫٥", "3.5", "3.5"),
        ("١٬٢٣٤", "1234", "1234"),
        ("１２．５", "12.5", "12.5"),
        ("३.५", "3.5", "3.5"),
    ],
)
def test_a_number_is_read_by_its_decimal_mark_in_digits_of_any_script(
    text: str, point: str, comma: str
) -> None:
    assert (last_number(text), last_number(text, decimal=",")) == (point, comma)


@pytest.mark.parametrize(
    ("unit", "text", "number"),
    [
        ("kg", "7.3 kg (for 2 people)", "7.3"),
        ("kg", "between 2 and 7.3", "7.3"),
        ("m", "7 m in 12 min", "7"),
        ("$", "$1,200 for 3 nights", "1200"),
        ("$", "-$5 after 3 days", "-5"),
        ("US$", "US$ 12 for 2", "12"),
        ("%", "45% of 60", "45"),
        ("kg", "none", ""),
    ],
)
def test_the_number_by_the_unit_is_the_answer_where_there_are_several(
    unit: str, text: str, number: str
) -> None:
    assert NumberFormat(unit=unit).read(text) == number


def test_errors_are_measured_in_the_notation_of_the_targets() -> None:
    lengths = NumberRange(0, 2000, tolerance=1, written=NumberFormat(decimal=",", unit="m"))
    mae = lengths.metrics[0]
    assert (mae.name, mae.description) == ("mae", "mean absolute error, in m")
    assert evaluate(mae, [Reply("1.234,5 m", ("1.230 m",))]) == pytest.approx(4.5)
    assert mae.constants is not None
    assert list(mae.constants(["1,5 m", "2,5 m", "7 m"])) == ["2,500000"]


def test_a_mark_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match=r"the decimal mark of a NumberFormat is '\.' or ',', not ';'"):
        NumberFormat(decimal=";")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="the order of a DateFormat is one of YMD, DMY, MDY, not 'YDM'"):
        DateFormat("YDM")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "order", "day"),
    [
        ("2024-03-15", "YMD", (2024, 3, 15)),
        ("2024/3/5", "DMY", (2024, 3, 5)),
        ("15.03.2024", "YMD", (2024, 3, 15)),
        ("03/04/2024", "DMY", (2024, 4, 3)),
        ("03/04/2024", "MDY", (2024, 3, 4)),
        ("13/04/2024", "MDY", (2024, 4, 13)),
        ("It was on 2 May 2023, and then on the 3rd of June 2024.", "YMD", (2024, 6, 3)),
        ("March 15th, 2024", "YMD", (2024, 3, 15)),
        ("15-Mar-2024", "YMD", (2024, 3, 15)),
        ("Sept. 1, 2024", "YMD", (2024, 9, 1)),
        ("2024年3月15日", "YMD", (2024, 3, 15)),
        ("2024-03-15T00:00:00Z", "YMD", (2024, 3, 15)),
        ("15.03.2024 00:00", "YMD", (2024, 3, 15)),
        ("03/04/2024 12:00:00 AM", "MDY", (2024, 3, 4)),
        ("3. März 2026", "YMD", (2026, 3, 3)),
        ("am 1. Jänner 2026", "YMD", (2026, 1, 1)),
        ("3. M\u0061\u0308rz 2026", "YMD", (2026, 3, 3)),  # not composed
        ("31.12.2025", "DMY", (2025, 12, 31)),
        ("le 1er août 2025", "YMD", (2025, 8, 1)),
        ("14 FEVR. 2025", "YMD", (2025, 2, 14)),
        ("3 d'octubre de 2026", "YMD", (2026, 10, 3)),
        ("3 de marzo de 2026", "YMD", (2026, 3, 3)),
        ("1º de março de 2026", "YMD", (2026, 3, 1)),
        ("3 maart 2026", "YMD", (2026, 3, 3)),
        ("3 września 2026", "YMD", (2026, 9, 3)),
        ("3 марта 2026 г.", "YMD", (2026, 3, 3)),
        ("3 марта 2026\u202fг.", "YMD", (2026, 3, 3)),
        ("2026. március 3.", "YMD", (2026, 3, 3)),
        ("3. 1. 2026", "DMY", (2026, 1, 3)),
        ("2026. 1. 3.", "DMY", (2026, 1, 3)),
        ("3 Mayıs 2026", "YMD", (2026, 5, 3)),
        ("2026년 3월 3일", "YMD", (2026, 3, 3)),
        ("of 2024 only 3 May 2025 is left", "YMD", (2025, 5, 3)),
        ("about 12 pages 2024", "YMD", None),
        ("2024-02-30", "YMD", None),
        ("version 1.2.2024.5", "YMD", None),
        ("march on, 2024", "YMD", None),
    ],
)
def test_a_date_is_read_however_it_is_written(
    text: str, order: str, day: tuple[int, int, int] | None
) -> None:
    read = DateFormat(order).read(text)  # type: ignore[arg-type]
    assert read == (date(*day) if day else None)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("Mon 3 Mar 24", (2024, 3, 3)),
        ("It is 3-Mar-'68.", (2068, 3, 3)),
        ("March 3, 69", (1969, 3, 3)),
        ("03/04/24", (2024, 4, 3)),
        ("3. 4. 24", (2024, 4, 3)),
        ("3 March 2024", (2024, 3, 3)),
        ("on 3 March 2024 at 10:30", (2024, 3, 3)),
        ("March 3 10:30", None),
        ("24-03-15", None),  # which is the year?
    ],
)
def test_a_year_of_two_digits_is_read_where_targets_have_such(
    text: str, day: tuple[int, int, int] | None
) -> None:
    assert DateFormat("DMY", short_years=True).read(text) == (date(*day) if day else None)
    if "20" not in text:
        assert DateFormat("DMY").read(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "Fri 15 Mar 24", "Friday, 15 March 2024", "FRI. 15-MAR-24", "Fr, 15.3.2024", "vendredi 15 mars 2024",
        "mié 15 mar 24", "sexta-feira, 15 de março de 2024", "pt. 15 marca 2024", "пт, 15 марта 2024 г.",
        "2024. március 15., péntek", "2024年3月15日(金)", "2024年3月15日 星期五", "2024년 3월 15일 금요일",
        "3/15/2024 (Fri)", "15/03/24", "Mar 15, 2024",  # "Mar" is a Tuesday, too
    ],
)  # fmt: skip
def test_a_cell_is_a_date_with_the_day_of_its_week(text: str) -> None:
    written = whole_date(text, "DMY", short_years=True)
    assert written is not None
    assert written.day == date(2024, 3, 15)


@pytest.mark.parametrize("text", ["Fri", "Fri 15", "Paris 15 March 2024", "version 1.2.30", "March 15 12:30"])
def test_a_cell_with_other_words_is_no_date(text: str) -> None:
    assert whole_date(text, "DMY", short_years=True) is None


def test_a_date_is_right_as_a_day_and_partly_by_its_parts() -> None:
    match, parts = DateFormat("DMY").metrics
    pairs = {"15 March 2024": (1, 1), "16.03.2024": (0, 2 / 3), "15.03.2025": (0, 2 / 3), "soon": (0, 0)}
    for answer, expected in pairs.items():
        reply = Reply(answer, ("15.03.2024",))
        assert (evaluate(match, [reply]), evaluate(parts, [reply])) == pytest.approx(expected)
        assert match.parses is not None
        assert match.parses(reply) is (answer != "soon")
    with pytest.raises(UserError, match="the target 'soon' holds no date"):
        evaluate(match, [Reply("15.03.2024", ("soon",))])


# Unicode forms


JUDGES_OF_TEXTS = (
    "exact_match", "token_f1", "rouge1", "rouge2", "rougeL", "bleu", "bleu_char", "chrf", "f1_macro", "f1_micro",
    "json_f1", "json_f1_ordered", "json_keys", "tool_call_match", "tool_call_f1", "turn_f1",
)  # fmt: skip


@pytest.mark.parametrize("name", JUDGES_OF_TEXTS)
def test_accents_are_equal_however_they_are_encoded(name: str) -> None:
    own_texts = {"json": '{"á": "ế"}', "tool": TURN, "turn": TURN}
    text = own_texts.get(name.partition("_")[0], "Kündigung, ế đó là á á á")
    apart = unicodedata.normalize("NFD", text)
    assert apart != text
    for answer, target in ((text, apart), (apart, text)):
        assert evaluate(METRICS[name], [Reply(answer, (target,))]) == pytest.approx(1)


def test_labels_are_read_however_their_accents_are_encoded() -> None:
    labels = LabelSet(("Kündigung", unicodedata.normalize("NFD", "Prämie")))
    assert labels.labels == ("Kündigung", "Prämie")
    written = unicodedata.normalize("NFD", "Prämie; Kündigung")
    assert labels.extract(written) == "Kündigung; Prämie"
    assert labels.extract(json.dumps(["Pra\u0308mie"])) == "Prämie"
