"""Write the page on which people review a prompt set: one file, complete in itself, that gives their verdicts
back."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from harness.counts import count_of
from harness.records.store import atomic_write
from leaderboards.text import slug
from leaderboards.write.rendering import rendered

_PACKAGE = Path(__file__).parents[1]

_TONES = {"accepted": "good", "rejected": "bad"}
_SAID = {"accept": "accepted", "reject": "rejected", "fix": "to be fixed"}


@dataclass(frozen=True)
class Said:
    """A verdict that was given."""

    text: str
    """`accepted by ada on 2026-01-31`, marked where it was of an earlier wording."""

    note: str


@dataclass(frozen=True)
class ReviewedPrompt:
    """One prompt with its answer in place."""

    item: str
    template: str
    sample: str
    few_shot: bool
    status: str
    tone: str
    disputed: bool
    text: str
    """Up to the answer."""

    target: str
    after: str
    also: tuple[str, ...]
    """Other accepted answers."""

    choices: tuple[str, ...]
    said: tuple[Said, ...]


@dataclass(frozen=True)
class Wording:
    """One template with its prompts."""

    name: str
    template: str
    prompts: tuple[ReviewedPrompt, ...]

    @property
    def count(self) -> str:
        """`6 prompts`."""
        return count_of(len(self.prompts), "prompt")


@dataclass(frozen=True)
class ReviewPage:
    """Everything the page says."""

    task: str
    version: int
    description: str
    summary: str
    reviewed: int
    """Prompts with a verdict that holds, in percent."""

    total: int
    file: str
    """What the verdicts are downloaded as."""

    wordings: tuple[Wording, ...]


def write_review(path: Path, record: Mapping[str, Any]) -> None:
    """Write the page of a review, given as what `harness.review.review.state_record` returns."""
    style = _source("static/site.css") + _source("templates/review.css")
    script = _source("templates/review.js")
    values = {
        "page": _page(record),
        "style": Markup(style),
        "script": Markup(script),
        # The policy lets in these two texts and no other.
        "style_hash": _policy_hash(style),
        "script_hash": _policy_hash(script),
    }
    # Whole, for nobody can judge a prompt by its beginning.
    text = rendered("review.html", values, uncut=True)
    with atomic_write(path) as file:
        file.write(text)


def _source(name: str) -> str:
    return (_PACKAGE / name).read_text(encoding="utf-8")


def _policy_hash(text: str) -> str:
    """A text as a content security policy names it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _page(record: Mapping[str, Any]) -> ReviewPage:
    prompts = [_prompt(item) for item in record["items"]]
    return ReviewPage(
        task=record["task"],
        version=record["version"],
        description=record["description"],
        summary=record["summary"],
        reviewed=round(100 * (record["reviewed"] or 0)),
        total=len(prompts),
        file=f"{slug(record['task'])}-reviews.jsonl",
        wordings=tuple(
            Wording(name, template, tuple(prompt for prompt in prompts if prompt.template == name))
            for name, template in record["templates"].items()
        ),
    )


def _prompt(item: Mapping[str, Any]) -> ReviewedPrompt:
    return ReviewedPrompt(
        item=item["item"],
        template=item["template"],
        sample=item["sample"],
        few_shot=item["few_shot"],
        status=item["status"],
        tone=_TONES.get(item["status"], "muted"),
        disputed=item["disputed"],
        text=item["prompt"] + item["before"],
        target=item["targets"][0],
        after=item["after"],
        also=tuple(item["targets"][1:]),
        choices=tuple(item["choices"]),
        said=(*_said(item["verdicts"], ""), *_said(item["earlier"], ", before an edit")),
    )


def _said(verdicts: Sequence[Mapping[str, Any]], when: str) -> list[Said]:
    return [
        Said(
            f"{_SAID[verdict['verdict']]} by {verdict['reviewer']} on {verdict['reviewed_at']}{when}",
            verdict["note"],
        )
        for verdict in verdicts
    ]
