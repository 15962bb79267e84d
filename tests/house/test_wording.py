"""What readers of a site or of the terminal see is plain English: no turn of phrase that once had to be taken
out comes back, and no sentence of a page's introduction outgrows a breath."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from places import ROOT

TEMPLATES = sorted((ROOT / "leaderboards/templates").glob("*.html"))
MODULES = sorted([*(ROOT / "leaderboards").rglob("*.py"), *(ROOT / "harness/cli").rglob("*.py")])
SCRIPTS = sorted((ROOT / "leaderboards/static").glob("*.js"))

SPEAKING = sorted({*MODULES, *(ROOT / "harness").rglob("*.py")})
"""Modules whose sentences are held to a length."""

UNWANTED = {
    r"\b(?:train|fine-tune|line) a (?:task|fine-tune)\b": "“per task”, “one line per fine-tune”",
    r"\bsurely\b": "“clearly”",
    r"\b(?:first|best \w+|tuned) less (?:second|base|worst)\b": "“minus”",
    r"(?<![\d.,])1 (?:points|runs|samples|seeds|epochs)\b": "the singular",
    r"\bthe first 0\b": "leave it out",
    r"\bfour times in five\b": "“80 % of the time”",
    r"\brose for good\b": "“rose and stayed high”",
    r"\bsays? (?:little|nothing) of\b": "“about”",
    r"\bcosts so little\b": "“fits”",
    r"\bnot to be believed\b": "“untrusted”",
    r"\bhow (?:it is|they are|the numbers are) made\b": "“calculated”",
    r"(?<=[a-z,;]) {2}(?=[a-z])": "one space",
}
"""What is not written, and what is instead."""

MOST_WORDS = 25
"""Of a sentence that is shown: in a page's introductions, in what Python says on pages and in the terminal, and
in the methodology."""

Place = tuple[Path, int, str]
"""A file, a line of it, and words that are shown."""


def _of_template(path: Path) -> Iterator[Place]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith(("<svg", "<path", "{#")):
            yield path, number, re.sub(r"<[^>]*>", "", re.sub(r"{%.*?%}|{{.*?}}", "…", line))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _of_module(path: Path) -> Iterator[Place]:
    tree = _tree(path)
    unseen = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in unseen:
            yield path, node.lineno, node.value


def _of_script(path: Path) -> Iterator[Place]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        yield path, number, line.partition("//")[0]


def _found(places: Iterator[Place]) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: “{found.group()}”; write {better}"
        for path, number, words in places
        for pattern, better in UNWANTED.items()
        for found in re.finditer(pattern, words, re.IGNORECASE)
    ]


def test_no_page_and_no_message_uses_a_turn_of_phrase_that_was_taken_out() -> None:
    found = [sentence for path in TEMPLATES for sentence in _found(_of_template(path))]
    found += [sentence for path in MODULES for sentence in _found(_of_module(path))]
    found += [sentence for path in SCRIPTS for sentence in _found(_of_script(path))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "bad", ["$0.78 to train a task", "the first 0 right ones", "it surely lost", "1 points"]
)
def test_such_a_turn_is_found(bad: str) -> None:
    assert _found(iter([(ROOT / "README.md", 1, bad)]))


def _too_long(words: str) -> list[str]:
    """The sentences, and parts of sentences between colons and semicolons, that outgrow a breath."""
    return [sentence for sentence in re.split(r"[.:?;](?:\s|$)", words) if len(sentence.split()) > MOST_WORDS]


def _whole_strings(path: Path) -> Iterator[Place]:
    """What a module says in single lines, with an ellipsis for what it fills in."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.JoinedStr):
            parts = [str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values]
            yield path, node.lineno, "".join(parts)
    yield from _of_module(path)


def test_nothing_that_python_says_has_a_sentence_that_is_too_long() -> None:
    too_long = [
        f"{path.relative_to(ROOT)}:{number}: {sentence}"
        for module in SPEAKING
        for path, number, words in _whole_strings(module)
        if "\n" not in words  # patterns, styles and examples
        for sentence in _too_long(words)
    ]
    assert not too_long, "\n".join(too_long)


def test_no_entry_of_the_methodology_has_a_sentence_that_is_too_long() -> None:
    source = (ROOT / "leaderboards/templates/methodology.html").read_text(encoding="utf-8")
    entries = re.findall(r"{% call entry\(.*?%}(.*?){% endcall %}", source, flags=re.DOTALL)
    assert len(entries) > 20
    shown = [
        re.sub(r"<[^>]*>", "", re.sub(r"{%.*?%}", ". ", re.sub(r"{{.*?}}", "…", entry))) for entry in entries
    ]
    too_long = [sentence for entry in shown for sentence in _too_long(entry)]
    assert not too_long, "\n".join(too_long)


def test_a_sentence_that_is_too_long_is_found() -> None:
    assert _too_long("Short. " + "word " * 26) and not _too_long("word " * 24 + "end. " + "word " * 24)


def test_no_introduction_of_a_page_has_a_sentence_that_is_too_long() -> None:
    too_long = []
    for path in TEMPLATES:
        if path.name == "methodology.html":
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines, 1):
            for paragraph in re.findall(r'<p class="(?:lede|about)"[^>]*>(.*?)</p>', line):
                shown = re.sub(r"<[^>]*>", "", re.sub(r"{%.*?%}", ". ", re.sub(r"{{.*?}}", "…", paragraph)))
                too_long += [
                    f"{path.relative_to(ROOT)}:{number}: {sentence}" for sentence in _too_long(shown)
                ]
    assert not too_long, "\n".join(too_long)
