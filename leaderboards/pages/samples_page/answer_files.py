"""What the arms of a task answered, a file each, from which the script of its sample pages shows any of them.

Texts and scores leave Python as they are shown. The script chooses, classes samples by two scores, and fills
in; it computes no statistics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.records.result import Result
from harness.records.scores import TaskCard
from harness.visible import visible
from leaderboards.gathered import Site
from leaderboards.links import row_slug
from leaderboards.pages.parts.heads import compared_rows
from leaderboards.pages.parts.samples import ANSWERED
from leaderboards.pages.parts.scripts import script_call
from leaderboards.pages.parts.stamps import Stamp, answers_per_sample, stamp_of
from leaderboards.pages.samples_page.arms import Answer, Arms, default_rows, headline_baseline, read_answers
from leaderboards.rank.baselines import Key
from leaderboards.rank.changes import mean_scores
from leaderboards.rank.tables import Row
from leaderboards.text import page_slug, shortened
from leaderboards.write.rendering import as_bytes
from leaderboards.write.score_reader import Stamps

MOST_ANSWERS = 20_000
"""Answers to the samples of a task, over arms and seeds, that the pages can show;
the best arms come first."""

LONGEST_ANSWER = 600
"""Characters of an answer."""

CUTS = (LONGEST_ANSWER, 300, 150, 75)
"""Characters of each answer of a file, so that it is no larger than `LARGEST_FILE` if that can be."""

LARGEST_FILE = 1024 * 1024
"""Bytes."""


def answers_folder(task: str) -> str:
    """Where the answers to a task's samples lie."""
    return f"answers/{page_slug(task)}"


def arms_with_answers(site: Site, task: str) -> tuple[Row, ...]:
    """The arms whose answers the sample pages of a task can show, in the order of the ranking: those that
    they open with, and the best others as long as `MOST_ANSWERS` lasts."""
    first = [row for row in default_rows(site, task).values() if row is not None]
    baseline = headline_baseline(site)
    others = [*([baseline] if baseline else []), *compared_rows(site)]
    rows = list({row.key: row for row in (*first, *others) if task in row.cells}.values())
    taken, answers = set(), 0
    for place, row in enumerate(rows):
        answers += len(_told_apart(row, task)) * row.cells[task].total
        if place >= len(first) and answers > MOST_ANSWERS:
            break
        taken.add(row.key)
    return tuple(row for row in site.table.rows if row.key in taken)


def keys_with_answers(site: Site, task: str) -> frozenset[Key]:
    """Those arms, by what tells rows apart."""
    return frozenset(row.key for row in arms_with_answers(site, task))


def _told_apart(row: Row, task: str) -> tuple[Result, ...]:
    """The runs of an arm whose answers differ."""
    cell = row.cells[task]
    return cell.results[:1] if cell.same_for_every_seed else cell.results


def list_of_arms(arms: Arms, rows: Sequence[Row], starts: Sequence[int]) -> dict[str, str]:
    """By its address, the file that lists the arms. `starts`: the first sample of each page."""
    listed = {
        "rows": [
            {
                "row": row_slug(row),
                "label": visible(row.label),
                "seeds": [result.run.seed for result in _told_apart(row, arms.task)],
            }
            for row in rows
        ],
        "starts": list(starts),
        "samples": len(arms.ids),
        "graded": arms.graded,
        "parts": arms.of_parts,
        "shown": _shown(arms),
    }
    return {f"{answers_folder(arms.task)}/rows.js": script_call("gainboardArms", listed)}


def _shown(arms: Arms) -> dict[str, str]:
    """The arms that the pages open with, by their part: a baseline, the judged one, and perhaps a third."""
    assert arms.pair is not None, "there are two arms to choose from"
    parts = {"against": arms.pair[0], "judged": arms.pair[1]}
    for arm in arms.present:
        if arm not in arms.pair:
            parts["also"] = arm
    return {part: row_slug(arm.row) for part, arm in parts.items() if arm.row is not None}


def answer_files(arms: Arms, rows: Sequence[Row]) -> list["AnswerFile"]:
    """The answers of each arm."""
    return [_arm_answers(arms, row) for row in rows]


def _arm_answers(arms: Arms, row: Row) -> "AnswerFile":
    cell = row.cells[arms.task]
    means = mean_scores(cell)
    return AnswerFile(
        row_slug(row),
        arms.card,
        arms.ids,
        [means.get(sample) for sample in arms.ids],
        answers_per_sample(cell),
        cell.results[0].run.generation.n,
        _told_apart(row, arms.task),
    )


@dataclass(frozen=True)
class AnswerFile:
    """The file of all that an arm answered."""

    row: str
    """The arm, as it is called in addresses."""

    card: TaskCard
    ids: Sequence[str]
    """Every sample, in the order of the data set."""

    scores: Sequence[float | None]
    """Of each sample, the mean over all answers to it."""

    count: int
    """Answers to a sample, over seeds, wordings and draws."""

    draws: int
    results: tuple[Result, ...]
    """The runs whose answers differ."""

    @property
    def href(self) -> str:
        """Where it lies, from the folder of the board."""
        return f"{answers_folder(self.card.name)}/{self.row}.js"

    def made_of(self, stamps: Stamps) -> bytes:
        """All that its text depends on."""
        of_runs = [(stamps.digests[result.key], stamps.of(result.run.place)) for result in self.results]
        return as_bytes((self.card, self.ids, self.scores, self.count, self.draws, of_runs))

    def text(self, results: Path) -> str:
        """A script of all answers, each cut so that the file is not too large."""
        runs = [(result, read_answers(results, result, ANSWERED)) for result in self.results]
        stamps: dict[Stamp, int] = {}
        every_run = {
            "scores": self.scores,
            "stamps": [
                stamps.setdefault(stamp_of(self.card, score, self.count), len(stamps))
                for score in self.scores
            ],
        }
        text = ""
        for longest in CUTS:
            records = [self._run_record(result, answers, stamps, longest) for result, answers in runs]
            arm_record = {
                "row": self.row,
                "all": every_run,
                "runs": records,
                "stamps": [list(stamp) for stamp in stamps],
                "draws": self.draws,
            }
            text = script_call("gainboardAnswers", arm_record)
            if len(text) <= LARGEST_FILE:
                break
        return text

    def _run_record(
        self, result: Result, answers: Mapping[str, Answer], stamps: dict[Stamp, int], longest: int
    ) -> dict[str, Any]:
        """What one run answered to each sample, in the order of the data set."""
        scores, marks, texts, more = [], [], [], {}
        for place, sample in enumerate(self.ids):
            answer = answers.get(sample)
            score = None if answer is None or answer.score is None else round(answer.score, 12)
            stamp = (
                Stamp("not asked", "muted") if answer is None else stamp_of(self.card, score, answer.draws)
            )
            scores.append(score)
            marks.append(stamps.setdefault(stamp, len(stamps)))
            texts.append(None if answer is None else visible(shortened(answer.sample.answer, longest)))
            if answer is not None and (besides := _besides(answer, longest)):
                more[str(place)] = besides
        return {"seed": result.run.seed, "scores": scores, "stamps": marks, "answers": texts, "more": more}


def _besides(answer: Answer, longest: int) -> dict[str, str]:
    """What is shown besides an answer, as far as it is there."""
    texts = {
        "completion": answer.sample.completion,
        "thought": answer.sample.thought,
        "error": answer.sample.error,
    }
    return {name: visible(shortened(text, longest)) for name, text in texts.items() if text}
