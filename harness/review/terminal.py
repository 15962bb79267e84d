"""Review a prompt set in the terminal: one prompt after another, each verdict saved as it is given."""

import getpass
import sys
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Literal

from harness.errors import UserError
from harness.review.items import ReviewItem
from harness.review.review import Review
from harness.review.state import ItemState
from harness.review.verdicts import Opinion, PromptVerdict, add_verdicts, judge

if TYPE_CHECKING:
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text


Ask = Callable[[str], str]
"""Shows a question and returns the line that was typed."""

Visible = Callable[[str], str]
"""Spells out the characters that could steer a terminal: prompts hold text that others wrote."""

COLOURS = {"accepted": "green", "rejected": "red", "to fix": "yellow", "stale": "magenta", "open": "dim"}
KEYS: dict[str, Opinion] = {"a": "accept", "r": "reject", "f": "fix"}
KEYS_QUESTION = "[a]ccept, [r]eject, [f]ix, [s]kip, [q]uit: "
NOTE_QUESTIONS: dict[Opinion, str] = {"reject": "What is wrong? ", "fix": "How should it be worded? "}


def login_name() -> str:
    """Who is logged in. Raises `UserError` where the machine cannot tell."""
    try:
        return getpass.getuser()
    except (ImportError, KeyError, OSError):
        raise UserError("who reviews is not known on this machine; say it with --reviewer NAME") from None


def keyboard(console: "Console") -> Ask:
    """Questions to the person at the terminal. Raises `UserError` when there is none."""
    if not sys.stdin.isatty():
        raise UserError(
            "a review needs a terminal to answer in; --html FILE writes the prompts as a page instead, "
            "and --import FILE "
            "takes the verdicts that the page lets you download"
        )
    return lambda question: console.input(question, markup=False)


def interview(
    review: Review, *, reviewer: str, on: date, console: "Console", ask: Ask, visible: Visible
) -> int:
    """Go through the prompts that this person has not judged, beginning with those that nobody has; return
    how many were judged.

    Every verdict is on disk before the next prompt is shown, so an end at any moment loses none.
    """
    unread = [prompt for prompt in review.state.items if not prompt.judged_by(reviewer)]
    prompts = [prompt for prompt in unread if not prompt.verdicts]
    prompts += [prompt for prompt in unread if prompt.verdicts]
    console.print(f"{review.task.name}: {review.state.summary}", markup=False, highlight=False)
    judged = 0
    for number, prompt in enumerate(prompts, 1):
        # With soft wrapping a panel would cut off what is wider than itself, and nothing may be missing here.
        console.print(_panel(prompt, f"{number} of {len(prompts)}", visible), soft_wrap=False)
        answer = _ask_verdict(prompt.item, reviewer, on, ask)
        if answer == "quit":
            break
        if isinstance(answer, PromptVerdict):
            add_verdicts(review.path, [answer])
            judged += 1
    left = len(prompts) - judged
    console.print(
        f"{judged} judged, {left} left; verdicts are in {review.path}", markup=False, highlight=False
    )
    return judged


def _ask_verdict(
    item: ReviewItem, reviewer: str, on: date, ask: Ask
) -> PromptVerdict | Literal["skip", "quit"]:
    """The verdict that was typed, or the wish to skip or to quit. Anything else, and an empty note, is
    asked for again."""
    try:
        while True:
            key = ask(KEYS_QUESTION).strip().lower()[:1]
            if key == "s":
                return "skip"
            if key == "q":
                return "quit"
            if key not in KEYS:
                continue
            opinion = KEYS[key]
            note = ask(NOTE_QUESTIONS[opinion]).strip() if opinion in NOTE_QUESTIONS else ""
            if note or opinion == "accept":
                return judge(item, opinion, note=note, reviewer=reviewer, on=on)
    except EOFError:
        return "quit"


def _panel(prompt: ItemState, title: str, visible: Visible) -> "Panel":
    """A prompt with its answer in place, its choices, and what was said of it."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    item = prompt.item
    text = Text(visible(item.rendered.text + item.rendered.before))
    text.append(visible(item.targets[0]), style="bold green")
    text.append(visible(item.rendered.after))
    parts = [text]
    if len(item.targets) > 1:
        parts.append(_line("also accepted", " | ".join(item.targets[1:]), visible))
    if item.choices:
        parts.append(_line("choices", " | ".join(item.choices), visible))
    parts += [_line("now", _sentence(verdict), visible) for verdict in prompt.verdicts]
    parts += [_line("before an edit", _sentence(verdict), visible) for verdict in prompt.earlier]
    return Panel(
        Group(*parts),
        title=Text(visible(f"{title} · {item.place}")),
        subtitle=Text(prompt.status, style=COLOURS[prompt.status]),
    )


def _line(term: str, text: str, visible: Visible) -> "Text":
    from rich.text import Text

    return Text.assemble((f"\n{term}: ", "dim"), visible(text))


def _sentence(verdict: PromptVerdict) -> str:
    note = f": {verdict.note}" if verdict.note else ""
    return f"{verdict.verdict} by {verdict.reviewer} on {verdict.reviewed_at}{note}"


def show_state(review: Review, *, console: "Console", visible: Visible) -> None:
    """Print a line for each prompt: its status, and who said what."""
    from rich.table import Table
    from rich.text import Text

    table = Table("prompt", "status", "verdicts", box=None, header_style="bold")
    for prompt in review.state.items:
        status = f"{prompt.status}, disputed" if prompt.disputed else prompt.status
        sentences = [_sentence(verdict) for verdict in prompt.verdicts]
        sentences += [f"before an edit: {_sentence(verdict)}" for verdict in prompt.earlier]
        table.add_row(
            Text(visible(str(prompt.item.place))),
            Text(status, style=COLOURS[prompt.status]),
            Text(visible("\n".join(sentences))),
        )
    console.print(table, soft_wrap=False)
    console.print(f"\n{review.state.summary}", markup=False, highlight=False)
