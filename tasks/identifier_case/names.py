"""Compose identifiers and write them in every style."""

import random
from collections.abc import Callable, Sequence

from harness import Row

VERBS = (
    "add", "build", "cancel", "check", "clear", "close", "collect", "compare", "copy", "count", "create", "delete", "draw",
    "export", "fetch", "filter", "find", "format", "import", "list", "load", "lock", "merge", "move", "open", "parse",
    "print", "read", "refresh", "remove", "rename", "render", "reset", "resize", "restore", "save", "scan", "send", "show",
    "sort", "split", "start", "stop", "store", "sync", "test", "track", "update", "upload", "validate", "watch", "write",
)  # fmt: skip
ADJECTIVES = (
    "active", "blank", "busy", "cached", "clean", "daily", "default", "empty", "expired", "external", "fast", "final",
    "first", "free", "full", "global", "hidden", "internal", "large", "last", "local", "lost", "main", "missing", "new",
    "next", "old", "optional", "pending", "private", "public", "random", "recent", "remote", "safe", "secret", "shared",
    "short", "silent", "sorted", "stale", "static", "strict", "total", "unique", "unread", "valid", "visible", "weekly",
)  # fmt: skip
NOUNS = (
    "account", "alarm", "answer", "batch", "branch", "button", "cart", "column", "counter", "customer", "device", "draft",
    "email", "entry", "error", "event", "field", "file", "folder", "friend", "header", "image", "index", "invoice", "item",
    "key", "label", "letter", "limit", "line", "log", "map", "member", "menu", "message", "model", "number", "order",
    "page", "parcel", "password", "path", "photo", "price", "query", "queue", "record", "report", "request", "result",
    "room", "route", "row", "score", "server", "session", "shape", "signal", "state", "table", "task", "theme", "ticket",
    "title", "token", "user", "value", "window", "word", "zone",
)  # fmt: skip
ACRONYMS = (
    "api",
    "csv",
    "dns",
    "ftp",
    "gps",
    "html",
    "http",
    "json",
    "pdf",
    "sms",
    "sql",
    "tcp",
    "url",
    "usb",
    "xml",
)

Words = Sequence[str]
"""A name in parts: lower-case words, acronyms and numbers."""


def capital(word: str) -> str:
    return word[:1].upper() + word[1:]


def loud(word: str) -> str:
    """The word, in capitals if it is an acronym."""
    return word.upper() if word in ACRONYMS else word


STYLES: dict[str, Callable[[Words], str]] = {
    "snake_case": lambda words: "_".join(words),
    "kebab-case": lambda words: "-".join(words),
    "dot.case": lambda words: ".".join(words),
    "CONSTANT_CASE": lambda words: "_".join(words).upper(),
    "camelCase": lambda words: words[0] + "".join(map(capital, words[1:])),
    "PascalCase": lambda words: "".join(map(capital, words)),
    "Title Case": lambda words: " ".join(capital(loud(word)) for word in words),
    "Sentence case": lambda words: capital(" ".join(map(loud, words))),
}
"""The styles to write a name in. Acronyms are in capitals where words stand apart, and ordinary words in
code."""

SOURCES: dict[int, tuple[Callable[[Words], str], ...]] = {
    1: (lambda words: " ".join(words), STYLES["snake_case"], STYLES["kebab-case"], STYLES["Title Case"]),
    2: (
        STYLES["camelCase"],
        STYLES["PascalCase"],
        STYLES["CONSTANT_CASE"],
        lambda words: " ".join(words).upper(),
        lambda words: "::".join(words),
    ),
    3: (
        lambda words: "".join(capital(loud(word)) for word in words),
        lambda words: f"{STYLES['camelCase'](words[:2])} {STYLES['kebab-case'](words[2:])}",
        lambda words: f"{STYLES['kebab-case'](words[:2])}_{STYLES['PascalCase'](words[2:])}",
        lambda words: " - ".join(map(loud, words)),
    ),
}
"""The styles a name is given in, by difficulty: with plain gaps; with none or unusual ones; in a mixture."""


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A name and the style to write it in; rows take the styles in turn."""
    style = tuple(STYLES)[index % len(STYLES)]
    difficulty = generator.choice(tuple(SOURCES))
    words = _words(generator, difficulty)
    text = generator.choice(SOURCES[difficulty])(words)
    answer = STYLES[style](words)
    if answer == text:
        return compose(generator, index, split)
    return {"text": text, "style": style, "answer": answer, "difficulty": difficulty}


def _words(generator: random.Random, difficulty: int) -> list[str]:
    """Two to six words, from difficulty 2 on perhaps with a number, at 3 with an acronym."""
    words = generator.sample(ADJECTIVES, generator.randint(0, 2)) + generator.sample(
        NOUNS, generator.randint(1, 2)
    )
    if generator.random() < 0.7 or len(words) < 3:
        words.insert(0, generator.choice(VERBS))
    if difficulty == 3:
        words.insert(generator.randint(1, len(words) - 1), generator.choice(ACRONYMS))
    if difficulty >= 2 and generator.random() < 0.5:
        words.append(str(generator.randint(2, 999)))
    return words
