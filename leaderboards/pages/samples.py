"""Single predictions, as far as a page shows them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.results import Result, read_predictions
from leaderboards.grid import Tone
from leaderboards.pages.context import Site
from leaderboards.text import points, shortened

SHOWN_RIGHT, SHOWN_WRONG = 3, 5
"""Sample predictions on a run's page."""


@dataclass(frozen=True)
class Sample:
    """One prediction, ready to be shown."""

    id: str
    template: str
    draw: int
    """Which of several answers to the prompt."""

    truncated: int
    """Tokens cut off the prompt."""

    prompt: str
    target: str
    answer: str
    completion: str
    """What the model wrote, where it differs from the answer taken from it."""

    score: float | None
    error: str

    @property
    def verdict(self) -> str:
        """Right or wrong, in a word; part of a score in points."""
        if self.score is None:
            return "not scored"
        return {1.0: "right", 0.0: "wrong"}.get(self.score, f"score {points(self.score)}")

    @property
    def tone(self) -> Tone:
        """How the word is set."""
        return "muted" if self.score is None else "good" if self.score == 1 else "bad" if self.score == 0 else ""


def load_samples(site: Site, result: Result) -> list[Sample]:
    """Every prediction of a run; none when the file cannot be read, which the table has said already."""
    try:
        frame = read_predictions(site.folder, result.run)
        records = frame.to_dict("records")
        return [_sample(record, f"score_{result.task.primary_metric}") for record in records]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _sample(record: dict[Any, Any], column: str) -> Sample:
    answer, completion = _words(record.get("answer")), _words(record.get("completion"))
    score = record.get(column)
    return Sample(
        id=_words(record.get("sample_id")),
        template=_words(record.get("template")),
        draw=int(record.get("draw") or 0),
        truncated=int(record.get("truncated") or 0),
        prompt=_words(record.get("prompt")),
        target=_words(record.get("target")),
        answer=answer,
        completion="" if completion.strip() == answer.strip() else completion,
        score=None if score is None or score != score else float(score),
        error=_words(record.get("error")),
    )


def _words(value: Any) -> str:
    """A field of a prediction as text; several accepted targets are joined."""
    if value is None or value != value if isinstance(value, float | None) else False:
        return ""
    if isinstance(value, str):
        return value
    return " | ".join(map(str, value)) if hasattr(value, "__iter__") else str(value)


def choose_samples(samples: Sequence[Sample]) -> list[Sample]:
    """The first few right and the first few other ones, in the order of the data set, cut to a readable length."""
    right = [sample for sample in samples if sample.score == 1.0][:SHOWN_RIGHT]
    other = [sample for sample in samples if sample.score != 1.0][:SHOWN_WRONG]
    return [_cut(sample) for sample in samples if sample in right or sample in other]


def _cut(sample: Sample) -> Sample:
    """Its texts, cut to a readable length."""
    texts: dict[str, Any] = {
        name: shortened(getattr(sample, name)) for name in ("prompt", "target", "answer", "completion", "error")
    }
    return replace(sample, **texts)


def sample_note(shown: Sequence[Sample], samples: Sequence[Sample]) -> str:
    if not samples:
        return "The predictions of this run cannot be read."
    right = sum(sample.score == 1.0 for sample in shown)
    return f"{len(shown)} of {len(samples):,}: the first {right} right ones and the first {len(shown) - right} others."
