"""Find the answer in a completion."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, get_args

from harness.errors import UserError, writable
from harness.plugin_code import plugin_code
from harness.visible import is_whole

if TYPE_CHECKING:
    from harness.task import Task

DecimalMark = Literal[".", ","]
"""What stands before the decimals of a number."""

DECIMAL_MARKS: tuple[DecimalMark, ...] = get_args(DecimalMark)

_SIGN = r"[-−–‐‑﹣－]"
_SPACES = r"\ \u00a0\u2009\u202f"
_LETTER = r"A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f\u1e00-\u1eff"
"""Latin, Greek and Cyrillic: scripts that part words by spaces."""


def _number_pattern(*, decimal: str, thousands: str) -> re.Pattern[str]:
    """Of a number whose decimals follow one of the marks `decimal`; both are insides of a character class."""
    return re.compile(
        rf"""
        (?P<sign> (?<!\w) {_SIGN} )?                # after a letter or digit it joins: "3–5", "covid-19"
        (?: [$£¥\u20a0-\u20cf] [{_SPACES}]? )?
        (?:
            # Digits after a letter belong to a word or a unit (CO2, m2), and so does an exponent (m^2).
            (?<! [{_LETTER}_^\d] ) (?<! \^\{{ ) (?<! \*\* )
            | (?<=USD) | (?<=EUR) | (?<=GBP) | (?<=CHF) | (?<=JPY) | (?<=CNY) | (?<=INR) | (?<=Rs)
        )
        (?P<digits>
            # "0,125" is a decimal comma's; "0,125.5" cannot be.
            (?: (?!0) | (?= 0 [{thousands}'’{_SPACES}] \d{{3}} [{decimal}] \d ) )
            \d{{1,3}} (?P<separator> [{thousands}'’{_SPACES}] ) \d{{3}} (?: (?P=separator) \d{{3}} )* (?!\d)
                (?:[{decimal}]\d+)?
            | \d+ (?:[{decimal}]\d+)?
            | (?<!\w) [{decimal}]\d+
        )
        (?: [eE] (?P<exponent> (?:\+|{_SIGN})? \d{{1,4}} ) (?![\d{_LETTER}]) )?
        (?: (?P<times> \ ?[×x*·⋅]\ ?10 | (?<=\b10) )
            (?: (?:\^|\*\*) [{{(]? (?P<power> {_SIGN}? \d{{1,4}} ) [}})]?
              | (?P<raised> ⁻? [⁰¹²³⁴-⁹]{{1,4}} ) )
        )?
        """,
        re.VERBOSE,
    )


_NUMBERS: Mapping[DecimalMark, re.Pattern[str]] = {
    ".": _number_pattern(decimal=".", thousands=","),
    # A point before other than three digits cannot part thousands, and so is one before decimals.
    ",": _number_pattern(decimal=",.", thousands="."),
}
_ARABIC = {".": str.maketrans("٫٬．", ".,."), ",": str.maketrans("٫٬．", ",..")}
"""Marks of other scripts, which mean the same wherever they stand."""

_CODE = re.compile(r"0\d")
_PLAIN = str.maketrans("−–‐‑﹣－⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-------0123456789")


def answer_of(task: "Task", completion: str) -> str:
    """The answer in a completion, as the metrics see it.

    Raises `UserError` when the task's `extract` raises, or returns anything but a text that a file can hold.
    """
    if task.output != "generate":
        return completion  # one of the choices, not text a model wrote
    with plugin_code("extract"):
        answer = task.extract(completion)
    if not isinstance(answer, str):
        raise UserError(f"extract returned {type(answer).__name__}, expected a text")
    if not is_whole(answer):
        raise UserError("extract returned half of a surrogate pair, which no file can hold")
    return str(answer)


def first_json_object(completion: str) -> str:
    """The first JSON object in a completion, with its keys sorted and numbers written one way, so that equal
    objects are equal texts.

    A completion without one comes back whole, stripped.
    """
    return _first_json(completion, _OBJECT)


def first_json(completion: str) -> str:
    """The first JSON object or list in a completion, in the form that `first_json_object` has."""
    return _first_json(completion, _OBJECT_OR_LIST)


_OBJECT, _OBJECT_OR_LIST = re.compile(r"\{"), re.compile(r"[\[{]")


class _UncountedLines(str):
    """A text in which no lines are counted. Each error of the decoder tells its line, and counting up to
    there would make the search below take time by the square of the text's length."""

    def count(self, *_: Any) -> int:
        return 0

    def rfind(self, *_: Any) -> int:
        return -1


def _first_json(completion: str, opening: re.Pattern[str]) -> str:
    decoder = json.JSONDecoder(parse_float=json_number)
    text = _UncountedLines(completion)
    start = opening.search(completion)
    while start is not None:
        try:
            value, _ = decoder.raw_decode(text, start.start())
        except json.JSONDecodeError as error:
            # Not from the next brace on: one within an object that was cut off is not the answer.
            start = opening.search(completion, max(error.pos, start.start() + 1))
            continue
        except (ValueError, RecursionError):  # an integer of thousands of digits; brackets without end
            break
        # Letters of any script are kept, except half of a surrogate pair, which no file can
        # hold: it is written as `\\ud800`.
        return writable(json.dumps(value, ensure_ascii=False, sort_keys=True))
    return completion.strip()


def json_number(text: str) -> int | float:
    """A number of a JSON text that has a point or an exponent: 5.0 is 5."""
    value = float(text)
    return int(value) if value.is_integer() else value


def last_number(text: str, *, decimal: DecimalMark = ".") -> str:
    """The last number in `text`, written plainly, or an empty string.

    `1,234.50`, `1 234.50` and `$1'234.50` are `1234.50`; `.5` is `0.5`; `6.0e2` and `6 × 10²` are `600`. A
    comma or a space separates thousands only before groups of three digits, as in "1,234,567". Any other
    comma ends a number, so "4,5" is a list of 4 and 5, and its last number is 5. With `decimal=","` it is
    4.5, and "1.234,5" is 1234.5. Digits within a word or a unit (CO2, m2, m^2) are none.
    """
    numbers = list(written_numbers(text, decimal=decimal))
    return plain_number(numbers[-1], decimal=decimal) if numbers else ""


def written_numbers(text: str, *, decimal: DecimalMark = ".") -> Iterator[re.Match[str]]:
    """The numbers in a text, in order; positions are those of the text."""
    if not text.isascii():
        text = text.translate(_ARABIC[decimal])
    return _NUMBERS[decimal].finditer(text)


def plain_number(number: re.Match[str], *, decimal: DecimalMark = ".") -> str:
    """A number that `written_numbers` found, in digits from 0 to 9 with a point before its decimals."""
    digits = number["digits"].replace(number["separator"] or "\0", "")
    if decimal == ",":
        digits = digits.replace(",", ".")
    digits = "".join(str(int(sign)) if sign.isdecimal() else sign for sign in digits)
    digits = f"0{digits}" if digits.startswith(".") else digits
    sign = "-" if number["sign"] else ""
    tens = [number[name] for name in ("exponent", "power", "raised") if number[name]]
    if not tens:
        return sign + digits
    exponent = sum(int(text.translate(_PLAIN)) for text in tens)
    digits = digits if number["times"] != "" else "1"  # 10^3: ten is what is raised
    return sign + format(Decimal(digits).scaleb(exponent), "f")


def is_number(text: str) -> bool:
    """Whether `text` is one number and nothing else, as `last_number` reads it. A code with leading zeros
    (00037) is none: its zeros count."""
    return whole_number(text) is not None and not is_code(text)


def whole_number(text: str, *, decimal: DecimalMark = ".") -> re.Match[str] | None:
    """The number that `text` is, as `plain_number` takes it, with nothing else in it."""
    return _NUMBERS[decimal].fullmatch(text if text.isascii() else text.translate(_ARABIC[decimal]))


def is_code(text: str) -> bool:
    """Whether `text` begins with a zero before other digits, as postal codes do and numbers do not."""
    return _CODE.match(text) is not None
