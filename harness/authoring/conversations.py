"""Write a task plugin from a chat file: `gainboard new NAME --from chats.jsonl [--turns all]`.

Earlier turns are what models read, and a turn of the assistant is what they are to answer.
"""

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.authoring.answer_shapes import AnswerKind, Shape, literal
from harness.authoring.answers import answer_kind
from harness.authoring.examples import EXAMPLES
from harness.authoring.given_tables import COPIED
from harness.authoring.scaffold import NewTask, check_name, example_line
from harness.authoring.task_source import source_of
from harness.data.chat_records import chat_record
from harness.data.chats import Chats, Turns, cut_chats, read_chats
from harness.errors import UserError, naming_what_is_written
from harness.plan.power import power_of
from harness.plugins.registry import find_plugins, load_task
from harness.task import Splits
from harness.task.tool_calls import BEGIN, read_turn

NEXT_TURN = "\nUser:"
"""What a model without a chat template may write after its answer: the next turn of the plain rendering."""


@dataclasses.dataclass(frozen=True)
class ChatOptions:
    """How a chat file is read."""

    turns: Turns = "last"
    group: str | None = None
    chosen: bool = False
    skip_faulty: bool = False

    @property
    def written(self) -> str:
        """Those that are not as usual, as arguments of `chat_splits`."""
        usual = ChatOptions()
        return "".join(
            f", {name}={literal(option) if isinstance(option, str) else option}"
            for name, option in vars(self).items()
            if option != getattr(usual, name)
        )


def new_chat_task(
    name: str,
    folder: Path,
    *,
    source: Path,
    options: ChatOptions,
    sheet: str | None = None,
    shape: Shape | None = None,
) -> NewTask:
    """Write the task `name` from the conversations of a file, as `new_task` does from a table.

    Raises `UserError` for a name that is taken or no identifier, and for faults of the file, before anything
    is written.
    """
    check_name(name, folder)
    chats = read_chats(
        source, group=options.group, chosen=options.chosen, skip_faulty=options.skip_faulty, sheet=sheet
    )
    splits = cut_chats(chats, options.turns, where=str(source))
    kind = chat_answer_kind(_targets(splits), shape)
    written = folder / name
    with naming_what_is_written(written.parent):
        written.mkdir(parents=True)
    try:
        data = _write_data(written, source, chats, options)
        if data.suffix != source.suffix:
            # What was rewritten has neither faulty rows nor a choice of answers any more.
            options = dataclasses.replace(options, chosen=False, skip_faulty=False)
        (written / "task.py").write_text(_task_source(name, data.name, kind, options), encoding="utf-8")
        task = load_task(name, find_plugins([folder], entry_points=False))
        lines = (example_line(task, index, row) for index, row in enumerate(splits.test[:3]))
        examples = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (written / EXAMPLES).write_text(examples, encoding="utf-8")
    except BaseException:
        shutil.rmtree(written)  # a half-written task would block the next attempt
        raise
    power = power_of([row["conversation"] for row in splits.test])
    return NewTask(written, _decision(chats, splits, kind, options.turns), power)


def chat_answer_kind(targets: Sequence[str], shape: Shape | None = None) -> AnswerKind:
    """What the assistant's turns are, and so how they are judged: calls by name and arguments, and others
    like the targets of a table."""
    calling = sum(BEGIN in target and bool(read_turn(target).calls) for target in targets)
    if calling and shape is None:
        all_call = calling == len(targets)
        kind = answer_kind(targets, "text")
        return dataclasses.replace(
            kind,
            description="Call the right functions." if all_call else "Call the right functions, and answer.",
            metrics=("tool_call_match", "tool_call_f1") if all_call else ("turn_f1", "tool_call_match"),
            settings=(f"max_tokens={_room(targets)}", f"stop=({literal(NEXT_TURN)},)"),
            says=f"{calling:,} of {len(targets):,} targets call functions: judged by names and arguments",
        )
    kind = answer_kind(targets, shape)
    if kind.shape == "choice" and _begins_another(kind.choices):
        kind = answer_kind(targets, "text")  # a label that begins another would never be the less likely one
    descriptions = {"text": "Write the assistant's turn.", "choice": "Choose the assistant's answer."}
    return dataclasses.replace(kind, description=descriptions.get(kind.shape, kind.description))


def _room(targets: Sequence[str]) -> int:
    """Tokens for the longest target: JSON takes as many as it has characters where a vocabulary has no words
    for it, and each template puts marks of its own around calls."""
    longest = max(len(target.encode()) for target in targets)
    return 16 * math.ceil((longest + 16) / 16)


def _begins_another(choices: Sequence[str]) -> bool:
    return any(longer.startswith(label) for label, longer in itertools.permutations(choices, 2))


def _targets(splits: Splits) -> list[str]:
    return [row["target"] for row in (*splits.train, *splits.dev, *splits.test)]


def _write_data(folder: Path, source: Path, chats: Chats, options: ChatOptions) -> Path:
    """The file beside `task.py`: as it is where that is a plain one, else its conversations as JSON Lines."""
    if source.is_file() and source.suffix.lower() in COPIED:
        return Path(shutil.copyfile(source, folder / f"data{source.suffix}"))
    path = folder / "data.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for chat in chats.chats:
            conversation = chat.conversation
            record: dict[str, Any] = chat_record(
                conversation.turns, conversation.tools, context_only=conversation.context_only
            )
            if options.group is not None:
                record[options.group] = chat.group
            file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return path


def _decision(chats: Chats, splits: Splits, kind: AnswerKind, turns: Turns) -> str:
    samples = len(splits.train) + len(splits.dev) + len(splits.test)
    which = "each turn of the assistant" if turns == "all" else "the last turn of the assistant"
    judged = ", ".join(kind.metrics)
    says = kind.says or {"choice": "labels to be chosen", "json": "judged by their fields"}.get(
        kind.shape, "answers to be written"
    )
    summary = f"{len(chats.chats):,} conversations, {samples:,} samples ({which}): {says} ({judged})"
    return "\n".join([summary, *(f"  {note}" for note in chats.notes)])


def _task_source(name: str, file_name: str, kind: AnswerKind, options: ChatOptions) -> str:
    sample = ["row"]
    if kind.read_by:
        sample.append(f'target={kind.read_by}(row["target"])')  # in the form that answers are put into
    if kind.output == "choice":
        sample.append("choices=CHOICES")
    return source_of(
        name,
        kind,
        imports=("chat_sample", "chat_splits"),
        constants=[f'DATA = Path(__file__).parent / "{file_name}"'],
        prompts=[
            "# The conversation as it stands. Words around {text} stand around its last turn.",
            'templates={"conversation": "{text}"},',
            'marker="",',
        ],
        load=[
            '"""A tenth of the conversations each for dev and test, the same ones every time."""',
            f"return chat_splits(DATA{options.written})",
        ],
        to_sample=[f"return chat_sample({', '.join(sample)})"],
    )


def refuse_columns(source: Path, **columns: str | None) -> None:
    """Raises `UserError` for columns of a table that are named beside a chat file."""
    named = [f"--{name}" for name, column in columns.items() if column is not None]
    if named:
        raise UserError(
            f"{source} is read as conversations, which have no columns: leave {' and '.join(named)} out, or "
            "leave out --from-chat to read it as a table"
        )
