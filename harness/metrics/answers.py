"""Find the answer in a completion."""

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from harness.errors import UserError, writable
from harness.plugin_code import plugin_code
from harness.visible import is_whole

if TYPE_CHECKING:
    from harness.task import Task

_SIGN = r"[-−–‐‑﹣－]"
_SPACES = r"\ \u00a0\u2009\u202f"
_LETTER = r"A-Za-zªº\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u0370-\u052f\u1e00-\u1eff"
"""Latin, Greek and Cyrillic: scripts that part words by spaces."""

_NUMBER = re.compile(
    rf"""
    (?P<sign> (?<!\w) {_SIGN} )?                # after a letter or digit it joins: "3–5", "covid-19"
    (?: [$£¥\u20a0-\u20cf] [{_SPACES}]? )?
    (?:
        # Digits after a letter belong to a word or a unit (CO2, m2), and so does an exponent (m^2).
        (?<! [{_LETTER}_^\d] ) (?<! \^\{{ ) (?<! \*\* )
        | (?<=USD) | (?<=EUR) | (?<=GBP) | (?<=CHF) | (?<=JPY) | (?<=CNY) | (?<=INR) | (?<=Rs)
    )
    (?P<digits>
        \d{{1,3}} (?P<separator> [,'’{_SPACES}] ) \d{{3}} (?: (?P=separator) \d{{3}} )* (?!\d) (?:\.\d+)?
        | \d+ (?:\.\d+)?
        | (?<!\w) \.\d+
    )
    (?: [eE] (?P<exponent> (?:\+|{_SIGN})? \d{{1,4}} ) (?![\d{_LETTER}]) )?
    (?: (?P<times> \ ?[×x*·⋅]\ ?10 | (?<=\b10) )
        (?: (?:\^|\*\*) [{{(]? (?P<power> {_SIGN}? \d{{1,4}} ) [}})]? | (?P<raised> ⁻? [⁰¹²³⁴-⁹]{{1,4}} ) )
    )?
    """,
    re.VERBOSE,
)
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


def _first_json(completion: str, opening: re.Pattern[str]) -> str:
    decoder = json.JSONDecoder(parse_float=json_number)
    start = opening.search(completion)
    while start is not None:
        try:
            value, _ = decoder.raw_decode(completion, start.start())
        except json.JSONDecodeError as error:
            # Not from the next brace on: one within an object that was cut off is not the answer.
            start = opening.search(completion, max(error.pos, start.start() + 1))
            continue
        except (ValueError, RecursionError):  # an integer of thousands of digits; brackets without end
            break
        # Letters of any script are kept, except half of a surrogate pair, which no file can
        # hold: it is written as `\\ud800`.
        text = json.dumps(value, ensure_ascii=False, sort_keys=True)
        return writable(text)
    return completion.strip()


def json_number(text: str) -> int | float:
    """A number of a JSON text that has a point or an exponent: 5.0 is 5."""
    value = float(text)
    return int(value) if value.is_integer() else value


def last_number(text: str) -> str:
    """The last number in `text`, written plainly, or an empty string.

    `1,234.50`, `1 234.50` and `$1'234.50` are `1234.50`; `.5` is `0.5`; `6.0e2` and `6 × 10²` are `600`. A
    comma or a space separates thousands only before groups of three digits, as in "1,234,567". Decimal commas
    are not read: any other comma ends a number, so "4,5" is a list of 4 and 5, and its last number is 5.
    Digits within a word or a unit (CO2, m2, m^2) are none.
    """
    numbers = list(_NUMBER.finditer(text))
    return _plainly(numbers[-1]) if numbers else ""


def _plainly(number: re.Match[str]) -> str:
    digits = "".join(sign for sign in number["digits"] if sign.isdecimal() or sign == ".")
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
    return _NUMBER.fullmatch(text) is not None and not _CODE.match(text)
