"""Metrics of instruction following: constraints on the form of an answer that a program can verify.

They follow IFEval (Zhou et al. 2023, arXiv 2311.07911). A sample lists its constraints in
`metadata["constraints"]`, as JSON objects such as `{"kind": "words", "min": 3, "max": 8}`; `KINDS` says what
options each kind takes.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError, suggest
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

Options = Mapping[str, Any]

_WORD = re.compile(r"\w+(?:['’-]\w+)*")
# The look-behind keeps a long run of stops from being tried again at each of its characters.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|\Z)")
_BULLET = re.compile(r"\s*[-*•]\s+\S")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Kind:
    """One kind of constraint."""

    options: tuple[str, ...]
    """The options it takes, all of them required; one of `min` and `max` is enough."""

    met: Callable[[str, Options], bool]


@dataclass(frozen=True)
class Constraint:
    """One requirement on a sample's answer."""

    kind: Kind
    options: Options

    def met(self, answer: str) -> bool:
        """Whether `answer` fulfils it. A blank answer fulfils nothing, not even "no commas"."""
        return bool(answer.strip()) and self.kind.met(answer, self.options)


def check_constraints(text: str) -> list[Constraint]:
    """Read `metadata["constraints"]`. Raises `UserError` that says which constraint is malformed, and how."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"metadata['constraints'] is no JSON: {error}") from error
    if not isinstance(items, list) or not items:
        raise UserError("metadata['constraints'] must be a JSON list of at least one constraint")
    return [_constraint(item, f"constraint {number}") for number, item in enumerate(items, start=1)]


def _constraint(item: object, label: str) -> Constraint:
    if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
        raise UserError(f'{label} must be an object such as {{"kind": "no_commas"}}')
    name = item["kind"]
    if name not in KINDS:
        raise UserError(
            f"{label}: kind '{name}' not found.{suggest(name, KINDS)} Allowed: {', '.join(sorted(KINDS))}"
        )
    label = f"{label} ({name})"
    kind, options = KINDS[name], {option: value for option, value in item.items() if option != "kind"}
    for option in options:
        if option not in kind.options:
            allowed = ", ".join(kind.options) or "none"
            raise UserError(f"{label}: option '{option}' is unknown. Allowed: {allowed}")
    bounds = {"min", "max"} & set(kind.options)
    for option in kind.options:
        if option not in options and option not in bounds:
            raise UserError(f"{label}: '{option}' is missing")
    if bounds and not bounds & set(options):
        raise UserError(f"{label}: 'min' or 'max' is missing")
    for option, value in options.items():
        rule = _OPTION_RULES[option]
        if not rule.accepts(value):
            raise UserError(f"{label}: '{option}' must be {rule.expected}, not {value!r}")
    if options.get("min", 0) > options.get("max", float("inf")):
        raise UserError(f"{label}: 'min' is above 'max'")
    return Constraint(kind, options)


@dataclass(frozen=True)
class _OptionRule:
    """What an option's value must be."""

    expected: str
    """In words, after "must be"."""

    accepts: Callable[[Any], bool]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_case(value: object) -> bool:
    return value in ("upper", "lower", "title")


_OPTION_RULES = {
    **dict.fromkeys(("min", "max", "count"), _OptionRule("a whole number from 0", _is_count)),
    **dict.fromkeys(("text", "word"), _OptionRule("a text that is not blank", _is_text)),
    "words": _OptionRule("a list of texts that are not blank", _are_texts),
    "case": _OptionRule("upper, lower or title", _is_case),
}


def _words(answer: str) -> int:
    return len(_WORD.findall(answer))


def _sentences(answer: str) -> int:
    """Parts that end with a stop before white space, or where the text ends, and that hold a word."""
    return sum(_WORD.search(part) is not None for part in _SENTENCE_END.split(answer))


def _lines(answer: str) -> int:
    return sum(bool(line.strip()) for line in answer.splitlines())


def _paragraphs(answer: str) -> int:
    return sum(bool(part.strip()) for part in _BLANK_LINES.split(answer))


def _occurrences(answer: str, phrase: str) -> int:
    """How often a phrase stands in the answer as whole words, in upper or lower case."""
    return len(re.findall(rf"(?<!\w){re.escape(phrase.strip())}(?!\w)", answer, re.IGNORECASE))


def _within(count: int, options: Options) -> bool:
    return bool(options.get("min", 0) <= count <= options.get("max", count))


def _case(answer: str, options: Options) -> bool:
    if options["case"] == "title":
        words = _WORD.findall(answer)
        return bool(words) and not any(word[0].islower() for word in words)
    return answer.isupper() if options["case"] == "upper" else answer.islower()


def _json(answer: str, _: Options) -> bool:
    try:
        return isinstance(json.loads(answer), dict | list)
    except (ValueError, RecursionError):
        return False


def _includes(answer: str, options: Options) -> bool:
    return all(_occurrences(answer, word) for word in options["words"])


def _excludes(answer: str, options: Options) -> bool:
    return not any(_occurrences(answer, word) for word in options["words"])


def _frequency(answer: str, options: Options) -> bool:
    return _within(_occurrences(answer, options["word"]), options)


def _starts(answer: str, options: Options) -> bool:
    prefix: str = options["text"].strip()
    return answer.strip().startswith(prefix)


def _ends(answer: str, options: Options) -> bool:
    suffix: str = options["text"].strip()
    return answer.strip().endswith(suffix)


def _bullets(answer: str, options: Options) -> bool:
    count: int = options["count"]
    return sum(_BULLET.match(line) is not None for line in answer.splitlines()) == count


def _quoted(answer: str, _: Options) -> bool:
    return re.fullmatch(r'"[^"]+"', answer.strip()) is not None


def _no_commas(answer: str, _: Options) -> bool:
    return "," not in answer


def _counted(count: Callable[[str], int]) -> Kind:
    def met(answer: str, options: Options) -> bool:
        return _within(count(answer), options)

    return Kind(("min", "max"), met)


KINDS: dict[str, Kind] = {
    "words": _counted(_words),
    "sentences": _counted(_sentences),
    "lines": _counted(_lines),
    "paragraphs": _counted(_paragraphs),
    "characters": _counted(len),
    "frequency": Kind(("word", "min", "max"), _frequency),
    "include": Kind(("words",), _includes),
    "exclude": Kind(("words",), _excludes),
    "case": Kind(("case",), _case),
    "start": Kind(("text",), _starts),
    "end": Kind(("text",), _ends),
    "bullets": Kind(("count",), _bullets),
    "json": Kind((), _json),
    "quoted": Kind((), _quoted),
    "no_commas": Kind((), _no_commas),
}
"""Name to kind. Words and phrases count only whole, and in upper or lower case alike; `start`, `end` and
`case` heed case; a bullet is a line that begins with -, * or •; `json` is an object or a list with nothing
around it; `quoted` is all in double quotes."""


def _all_met(reply: Reply) -> float:
    return float(_share_met(reply) == 1)


def _share_met(reply: Reply) -> float:
    text = reply.metadata.get("constraints")
    if text is None:
        raise UserError("metadata['constraints'] is missing: a JSON list of what the answer must fulfil")
    constraints = check_constraints(text)
    return sum(constraint.met(reply.answer) for constraint in constraints) / len(constraints)


CONSTRAINTS = (
    Metric(
        "constraints_strict",
        "all constraints on the answer are met",
        _all_met,
        binary=True,
        outputs=ANSWERS,
    ),
    Metric(
        "constraints_loose",
        "share of the constraints on the answer that are met",
        _share_met,
        outputs=ANSWERS,
    ),
)
