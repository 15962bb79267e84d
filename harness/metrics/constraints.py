"""Metrics of instruction following: constraints on an answer's form that a program can verify.

After IFEval (Zhou et al. 2023, arXiv 2311.07911). A sample names its constraints in
`metadata["constraints"]`, a JSON list of objects such as `{"kind": "words", "min": 3, "max": 8}`; `KINDS`
says what each kind takes.
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
# The look-behind lets a long run of stops be tried once, not from each of its characters.
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]]*+(?=\s|\Z)")
_BULLET = re.compile(r"\s*[-*•]\s+\S")
_BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Kind:
    """One kind of constraint."""

    options: tuple[str, ...]
    """What it takes, all of it required; of `min` and `max` one is enough."""

    met: Callable[[str, Options], bool]


@dataclass(frozen=True)
class Constraint:
    """One requirement of a sample."""

    kind: Kind
    options: Options

    def met(self, answer: str) -> bool:
        """Whether `answer` fulfils it. An empty answer fulfils nothing, not even "no commas"."""
        return bool(answer.strip()) and self.kind.met(answer, self.options)


def check_constraints(text: str) -> list[Constraint]:
    """Read `metadata["constraints"]`; a `UserError` says which constraint is malformed, and how."""
    try:
        items = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"metadata['constraints'] is no JSON: {error}") from error
    if not isinstance(items, list) or not items:
        raise UserError("metadata['constraints'] must be a JSON list of at least one constraint")
    return [_constraint(item, f"constraint {number}") for number, item in enumerate(items, start=1)]


def _constraint(item: object, where: str) -> Constraint:
    if not isinstance(item, dict) or not isinstance(item.get("kind"), str):
        raise UserError(f'{where} must be an object such as {{"kind": "no_commas"}}')
    name = item["kind"]
    if name not in KINDS:
        raise UserError(
            f"{where}: kind '{name}' not found.{suggest(name, KINDS)} Allowed: {', '.join(sorted(KINDS))}"
        )
    kind, options = KINDS[name], {option: value for option, value in item.items() if option != "kind"}
    for option in options:
        if option not in kind.options:
            raise UserError(
                f"{where} ({name}): option '{option}' is unknown. Allowed: {', '.join(kind.options) or 'none'}"
            )
    bounds = {"min", "max"} & set(kind.options)
    for option in kind.options:
        if option not in options and option not in bounds:
            raise UserError(f"{where} ({name}): '{option}' is missing")
    if bounds and not bounds & set(options):
        raise UserError(f"{where} ({name}): 'min' or 'max' is missing")
    for option, value in options.items():
        if not _VALID[option].accepts(value):
            raise UserError(f"{where} ({name}): '{option}' must be {_VALID[option].wanted}, not {value!r}")
    if options.get("min", 0) > options.get("max", float("inf")):
        raise UserError(f"{where} ({name}): 'min' is above 'max'")
    return Constraint(kind, options)


@dataclass(frozen=True)
class _Valid:
    """What an option's value must be."""

    wanted: str
    accepts: Callable[[Any], bool]


def _is_count(value: object) -> bool:
    return type(value) is int and value >= 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


_VALID = {
    **dict.fromkeys(("min", "max", "count"), _Valid("a whole number from 0", _is_count)),
    **dict.fromkeys(("text", "word"), _Valid("a text that is not blank", _is_text)),
    "words": _Valid("a list of texts that are not blank", _are_texts),
    "case": _Valid("upper, lower or title", lambda value: value in ("upper", "lower", "title")),
}


def _words(answer: str) -> int:
    return len(_WORD.findall(answer))


def _sentences(answer: str) -> int:
    """Parts that end with a stop before white space, or with the text, and hold a word."""
    return sum(_WORD.search(part) is not None for part in _SENTENCE_END.split(answer))


def _lines(answer: str) -> int:
    return sum(bool(line.strip()) for line in answer.splitlines())


def _paragraphs(answer: str) -> int:
    return sum(bool(part.strip()) for part in _BLANK_LINES.split(answer))


def _occurrences(answer: str, phrase: str) -> int:
    """How often a word or phrase stands in the answer as a whole, in any case."""
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


def _counted(count: Callable[[str], int]) -> Kind:
    return Kind(("min", "max"), lambda answer, options: _within(count(answer), options))


KINDS: dict[str, Kind] = {
    "words": _counted(_words),
    "sentences": _counted(_sentences),
    "lines": _counted(_lines),
    "paragraphs": _counted(_paragraphs),
    "characters": _counted(len),
    "frequency": Kind(
        ("word", "min", "max"),
        lambda answer, options: _within(_occurrences(answer, options["word"]), options),
    ),
    "include": Kind(
        ("words",), lambda answer, options: all(_occurrences(answer, word) for word in options["words"])
    ),
    "exclude": Kind(
        ("words",), lambda answer, options: not any(_occurrences(answer, word) for word in options["words"])
    ),
    "case": Kind(("case",), _case),
    "start": Kind(("text",), lambda answer, options: answer.strip().startswith(options["text"].strip())),
    "end": Kind(("text",), lambda answer, options: answer.strip().endswith(options["text"].strip())),
    "bullets": Kind(
        ("count",),
        lambda answer, options: sum(map(bool, map(_BULLET.match, answer.splitlines()))) == options["count"],
    ),
    "json": Kind((), _json),
    "quoted": Kind((), lambda answer, _: re.fullmatch(r'"[^"]+"', answer.strip()) is not None),
    "no_commas": Kind((), lambda answer, _: "," not in answer),
}
"""Name to kind. Words and phrases are found as wholes and in any case; `start`, `end` and `case` heed case; a
bullet is a line that begins with -, * or •; `json` is an object or a list, and nothing around it; `quoted` is
all in double quotes."""


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
        lambda r: float(_share_met(r) == 1),
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
