"""Compose a request, constraints that a program can verify, and an answer that meets them all."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness import Row

from .topics import CLOSERS, OPENERS, REQUESTS, TOPICS

ASPECTS = ("frame", "frame", "case", "length", "length", "words", "words", "commas")
"""What constraints are about, the more informative ones more often. A request has at most one per aspect, so
that its constraints never contradict each other."""

LISTS = ("bullets", "lines", "json")
"""Frames whose parts stand apart, so that their sentences are not counted."""

FRAMES = ("start", "end", "paragraphs", "quoted", *LISTS)
CASES: dict[str, Callable[[str], str]] = {"upper": str.upper, "lower": str.lower, "title": str.title}
TIMES = ("never", "once", "twice", "three times", "four times", "five times")

WORDINGS: dict[str, tuple[str, ...]] = {
    "start": ('Begin your answer with "{text}"', 'The first words must be "{text}"', 'Start with: "{text}"'),
    "end": ('End with "{text}"', 'The last words must be "{text}"', 'Finish your answer with: "{text}"'),
    "bullets": ("Answer with {count} bullet points.", "Make a list of {count} lines that start with a dash."),
    "lines": (
        "Write {count} lines.",
        "Put your answer on {count} lines.",
        "Your answer must have {count} lines.",
    ),
    "paragraphs": (
        "Write {count} paragraphs with a blank line between them.",
        "Split your answer into {count} paragraphs.",
    ),
    "quoted": (
        "Put double quotes around your whole answer.",
        "Wrap the entire answer in double quotation marks.",
    ),
    "json": (
        "Reply with a JSON list of sentences.",
        "The answer must be a JSON list of texts, and nothing else.",
    ),
    "upper": (
        "Use capital letters only.",
        "Write everything in upper case.",
        "Small letters are not allowed.",
    ),
    "lower": (
        "Use small letters only.",
        "Write everything in lower case.",
        "Avoid capital letters altogether.",
    ),
    "title": ("Begin every word with a capital letter.", "Write Every Word With A Capital Letter."),
    "exact words": (
        "Use exactly {count} words.",
        "Your answer must have {count} words, no more and no less.",
    ),
    "words": (
        "Use {low} to {high} words.",
        "Your answer should have at least {low} and at most {high} words.",
    ),
    "sentences": ("Use exactly {count} sentences.", "The number of sentences must be {count}."),
    "characters": (
        "Use {low} to {high} characters.",
        "Keep it between {low} and {high} characters, spaces included.",
    ),
    "include": ("Use the words {both}.", "Make sure that {both} occur.", "Mention {both}."),
    "exclude": ("Do not use the words {both}.", "The words {both} are forbidden.", "Avoid {both}."),
    "frequency": (
        "Use the word {word} exactly {times}.",
        "The word {word} must occur {times}, neither more nor less.",
    ),
    "commas": ("Do not use any commas.", "Write without commas.", "Commas are not allowed."),
}


@dataclass(frozen=True)
class Rule:
    """A constraint, in words and as the metrics read it."""

    text: str
    constraint: dict[str, Any]


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A request with one to three constraints, which is its difficulty, and an answer that meets them.

    The answer comes first and its constraints are read off it, so that every request can be met.
    """
    difficulty = 1 + index % 3
    aspects = _aspects(generator, difficulty)
    topic = generator.choice(tuple(TOPICS))
    case = generator.choice(tuple(CASES)) if "case" in aspects else None
    frame = _frame(generator, aspects)
    statements = _statements(generator, topic, frame=frame, commas="commas" not in aspects)
    if case is not None:
        statements = [CASES[case](statement) for statement in statements]
    answer = _join(statements, frame)
    rules = []
    if frame is not None:
        rules.append(_frame_rule(generator, frame, statements))
    if case is not None:
        rules.append(_rule(generator, case, {"kind": "case", "case": case}))
    if "length" in aspects:
        rules.append(_length_rule(generator, answer, sentences=None if frame in LISTS else len(statements)))
    if "words" in aspects:
        rules.append(_words_rule(generator, answer, topic))
    if "commas" in aspects:
        rules.append(_rule(generator, "commas", {"kind": "no_commas"}))
    generator.shuffle(rules)
    return {
        "request": generator.choice(REQUESTS).format(topic=topic),
        "rules": " ".join(rule.text for rule in rules),
        "constraints": [rule.constraint for rule in rules],
        "answer": answer,
        "difficulty": difficulty,
    }


def _aspects(generator: random.Random, count: int) -> set[str]:
    aspects: set[str] = set()
    while len(aspects) < count:
        # Many texts have no commas anyway, so this constraint alone would ask for little.
        aspects.add(generator.choice(ASPECTS if aspects else ASPECTS[:-1]))
    return aspects


def _frame(generator: random.Random, aspects: set[str]) -> str | None:
    if "frame" not in aspects:
        return None
    return generator.choice([frame for frame in FRAMES if frame != "json" or "commas" not in aspects])


def _statements(generator: random.Random, topic: str, *, frame: str | None, commas: bool) -> list[str]:
    """Two to four sentences; the frames `start` and `end` replace one of them by a set phrase."""
    allowed = [statement for statement in TOPICS[topic] if commas or "," not in statement]
    statements = generator.sample(allowed, generator.randint(2, 4))
    if frame == "start":
        statements[0] = generator.choice(OPENERS)
    if frame == "end":
        statements[-1] = generator.choice(CLOSERS)
    return statements


def _join(statements: Sequence[str], frame: str | None) -> str:
    if frame == "bullets":
        return "\n".join(f"- {statement}" for statement in statements)
    if frame == "json":
        return json.dumps(statements)
    text = {"lines": "\n", "paragraphs": "\n\n"}.get(frame or "", " ").join(statements)
    return f'"{text}"' if frame == "quoted" else text


def _rule(generator: random.Random, wording: str, constraint: dict[str, Any], **values: object) -> Rule:
    return Rule(generator.choice(WORDINGS[wording]).format(**values), constraint)


def _frame_rule(generator: random.Random, frame: str, statements: Sequence[str]) -> Rule:
    count = len(statements)
    if frame in ("start", "end"):
        text = statements[0 if frame == "start" else -1]
        return _rule(generator, frame, {"kind": frame, "text": text}, text=text)
    if frame == "bullets":
        return _rule(generator, frame, {"kind": frame, "count": count}, count=count)
    if frame in ("lines", "paragraphs"):
        return _rule(generator, frame, {"kind": frame, "min": count, "max": count}, count=count)
    return _rule(generator, frame, {"kind": frame})


def _length_rule(generator: random.Random, answer: str, *, sentences: int | None) -> Rule:
    """How long the answer is, exactly or within narrow bounds; `sentences` is None if they are not
    counted."""
    wording = generator.choice(("exact words", "words", "characters", "sentences" if sentences else "words"))
    if wording == "sentences":
        return _rule(
            generator, wording, {"kind": wording, "min": sentences, "max": sentences}, count=sentences
        )
    if wording == "characters":
        low, high = len(answer) // 10 * 10, len(answer) // 10 * 10 + 20
        return _rule(generator, wording, {"kind": wording, "min": low, "max": high}, low=low, high=high)
    count = len(_words(answer))
    if wording == "exact words":
        return _rule(generator, wording, {"kind": "words", "min": count, "max": count}, count=count)
    low, high = count - generator.randint(0, 2), count + generator.randint(1, 2)
    return _rule(generator, wording, {"kind": wording, "min": low, "max": high}, low=low, high=high)


def _words_rule(generator: random.Random, answer: str, topic: str) -> Rule:
    """Which words of the topic the answer contains, does not contain, or contains how often."""
    words = _words(answer.lower())
    topic_words = _words(" ".join(TOPICS[topic]).lower())
    used = sorted({word for word in words if len(word) > 3})
    unused = sorted({word for word in topic_words if len(word) > 3 and word not in words})
    wording = generator.choice(("include", "include", "exclude", "frequency"))
    if wording == "frequency":
        word = generator.choice(
            [word for word in sorted(set(words)) if len(word) > 2 and words.count(word) < len(TIMES)]
        )
        count = words.count(word)
        constraint = {"kind": wording, "word": word, "min": count, "max": count}
        return _rule(generator, wording, constraint, word=word, times=TIMES[count])
    pair = generator.sample(used if wording == "include" else unused, 2)
    return _rule(generator, wording, {"kind": wording, "words": pair}, both=" and ".join(pair))


def _words(text: str) -> list[str]:
    return re.findall(r"[a-zA-Z]+", text)
