"""Write a task plugin from a chat file: `gainboard new NAME --from chats.jsonl [--turns all]`.

Earlier turns are what models read, and a turn of the assistant is what they are to answer.
"""

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.authoring.answer_shapes import AnswerKind, Shape, literal
from harness.authoring.answers import PlaceOf, answer_kind, row_of
from harness.authoring.examples import EXAMPLES
from harness.authoring.given_tables import COPIED, files_by_split, shares_of
from harness.authoring.scaffold import NewTask, check_name, example_line
from harness.authoring.task_source import CONSTANTS, source_of, split_arguments, what_is_cut
from harness.counts import count_of
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
    dev: Path | None = None,
    test: Path | None = None,
    sheet: str | None = None,
    shape: Shape | None = None,
) -> NewTask:
    """Write the task `name` from the conversations of a file, as `new_task` does from a table; `dev` and
    `test` are files of their own, else cut from it.

    Raises `UserError` for a name that is taken or no identifier, and for faults of the files, before anything
    is written.
    """
    check_name(name, folder)
    files = files_by_split(source, dev=dev, test=test)
    chats = {
        split: read_chats(
            file, group=options.group, chosen=options.chosen, skip_faulty=options.skip_faulty, sheet=sheet
        )
        for split, file in files.items()
    }
    shares = shares_of(len(chats["train"].chats), given=chats)
    parts: dict[str, float | Chats] = {**shares, **chats}
    splits = cut_chats(chats["train"], options.turns, dev=parts["dev"], test=parts["test"], where=str(source))
    rows = [*splits.train, *splits.dev, *splits.test]
    kind = chat_answer_kind(
        [row["target"] for row in rows], shape, place_of=lambda index: f"conversation {rows[index]['id']}"
    )
    written = folder / name
    with naming_what_is_written(written.parent):
        written.mkdir(parents=True)
    try:
        if all(file.is_file() and file.suffix.lower() in COPIED for file in files.values()):
            names = _copy(written, files)
        else:
            names = _rewrite(written, chats, options)
            # What was rewritten has neither faulty rows nor a choice of answers any more.
            options = dataclasses.replace(options, chosen=False, skip_faulty=False)
        (written / "task.py").write_text(_task_source(name, names, shares, kind, options), encoding="utf-8")
        task = load_task(name, find_plugins([folder], entry_points=False))
        lines = (example_line(task, index, row) for index, row in enumerate(splits.test[:3]))
        examples = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (written / EXAMPLES).write_text(examples, encoding="utf-8")
    except BaseException:
        shutil.rmtree(written)  # a half-written task would block the next attempt
        raise
    power = power_of([row["conversation"] for row in splits.test])
    sizes = f"{len(splits.train):,} train, {len(splits.dev):,} dev, {len(splits.test):,} test samples"
    remarks = (*kind.remarks, sizes, *splits.remarks)
    return NewTask(written, _decision(list(chats.values()), splits, kind, options.turns), power, remarks)


def chat_answer_kind(
    targets: Sequence[str], shape: Shape | None = None, *, place_of: PlaceOf = row_of
) -> AnswerKind:
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
    kind = answer_kind(targets, shape, place_of=place_of)
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


def _stem(split: str, files: Collection[str]) -> str:
    return "data" if len(files) == 1 else split


def _copy(folder: Path, files: Mapping[str, Path]) -> dict[str, str]:
    """Put the files beside `task.py` as they are. Returns their names by split."""
    names = {split: f"{_stem(split, files)}{file.suffix}" for split, file in files.items()}
    for split, file in files.items():
        shutil.copyfile(file, folder / names[split])
    return names


def _rewrite(folder: Path, chats: Mapping[str, Chats], options: ChatOptions) -> dict[str, str]:
    """Put the conversations beside `task.py` as JSON Lines, which anybody can read. Returns their names by
    split."""
    names = {split: f"{_stem(split, chats)}.jsonl" for split in chats}
    for split, read in chats.items():
        with (folder / names[split]).open("w", encoding="utf-8") as file:
            for chat in read.chats:
                conversation = chat.conversation
                record: dict[str, Any] = chat_record(
                    conversation.turns, conversation.tools, context_only=conversation.context_only
                )
                if options.group is not None:
                    record[options.group] = chat.group
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
    return names


def _decision(chats: Sequence[Chats], splits: Splits, kind: AnswerKind, turns: Turns) -> str:
    samples = len(splits.train) + len(splits.dev) + len(splits.test)
    which = "each turn of the assistant" if turns == "all" else "the last turn of the assistant"
    judged = ", ".join(kind.metrics)
    says = kind.says or {"choice": "labels to be chosen", "json": "judged by their fields"}.get(
        kind.shape, "answers to be written"
    )
    count = sum(len(read.chats) for read in chats)
    summary = f"{count_of(count, 'conversation')}, {count_of(samples, 'sample')} ({which}): {says} ({judged})"
    return "\n".join([summary, *(f"  {note}" for read in chats for note in read.notes)])


def _task_source(
    name: str,
    files: Mapping[str, str],
    shares: Mapping[str, float],
    kind: AnswerKind,
    options: ChatOptions,
) -> str:
    """`files`: names of the files beside `task.py` by split; `shares`: what is cut for the others."""
    sample = ["row"]
    if kind.read_by:
        sample.append(f'target={kind.read_by}(row["target"])')  # in the form that answers are put into
    if kind.output == "choice":
        sample.append("choices=CHOICES")
    arguments = ", ".join(["DATA", *split_arguments(files, shares)])
    return source_of(
        name,
        kind,
        imports=("chat_sample", "chat_splits"),
        constants=[f'{CONSTANTS[split]} = Path(__file__).parent / "{file}"' for split, file in files.items()],
        prompts=[
            "# The conversation as it stands. Words around {text} stand around its last turn.",
            'templates={"conversation": "{text}"},',
            'marker="",',
        ],
        load=[
            f'"""{what_is_cut(shares, parts="conversations", given="file")}"""',
            f"return chat_splits({arguments}{options.written})",
        ],
        to_sample=[f"return chat_sample({', '.join(sample)})"],
    )


def refuse_columns(source: Path, **columns: object) -> None:
    """Raises `UserError` for columns of a table that are named beside a chat file."""
    named = [f"--{name}" for name, column in columns.items() if column]
    if named:
        raise UserError(
            f"{source} is read as conversations, which have no columns: leave {' and '.join(named)} out, or "
            "leave out --from-chat to read it as a table"
        )
