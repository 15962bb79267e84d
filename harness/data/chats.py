"""Read chat files, what fine-tuning services and trainers take, as the rows and splits of a task."""

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.counts import agreeing, count_of
from harness.data.chat_forms import (
    FORMS,
    Conversation,
    FaultyConversation,
    form_of,
    read_conversation,
    without_thought,
)
from harness.data.splits import cut_rows
from harness.data.tables import as_text, kind_of, table_rows, text_of
from harness.errors import UserError
from harness.task import Row, Sample, Splits
from harness.task.conversation import turn_text
from harness.task.tool_calls import as_call, calls_text

Turns = Literal["last", "all"]
"""Which of the assistant's turns are targets: the last of each conversation, or every one."""

TOLD = 3
"""Reasons that are told, and faulty rows for each; the others are counted."""

RECURRING = 3
"""Conversations per different last answer, on average, from which on the splits balance these."""

OF_EACH = 0.1
"""Share of the conversations that is cut for dev, and for test."""

LOOKED_AT = 10
"""Rows by which a file is recognised: the first may be the faulty one."""


@dataclass(frozen=True)
class ReadChat:
    """One conversation with the names that its file gives it."""

    identity: str
    """The line or the row that it stands in."""

    conversation: Conversation
    group: str
    """What it shares with others; of a file without such a column its own identity."""


class FaultyRow(NamedTuple):
    """A row that cannot be read."""

    place: str
    """`line 3`, `row 3`."""

    reason: str


@dataclass(frozen=True)
class Chats:
    """The conversations of a file."""

    chats: list[ReadChat]
    faults: list[FaultyRow] = field(default_factory=list)
    """The rows that were left out."""

    @property
    def notes(self) -> list[str]:
        """What a reader should know: what was left out of which rows."""
        left_out = f"{count_of(len(self.faults), 'row')} {agreeing('are', len(self.faults))} left out"
        notes = [f"{left_out}: {_told(self.faults)}"] if self.faults else []
        ending = [chat.identity for chat in self.chats if chat.conversation.turns[-1]["role"] != "assistant"]
        if ending:
            notes.append(
                f"{len(ending):,} of {count_of(len(self.chats), 'conversation')} (the first is {ending[0]}) "
                f"{agreeing('do', len(ending))} not end with the assistant's turn: "
                "what follows its last one is left out"
            )
        thinking = sum(any(map(_thinks, chat.conversation.turns)) for chat in self.chats)
        if thinking:
            hold = f"{count_of(thinking, 'conversation')} {agreeing('hold', thinking)}"
            notes.append(f"{hold} thoughts (<think>): targets are the answers without them")
        unread = sorted(frozenset[str]().union(*(chat.conversation.unread for chat in self.chats)))
        if unread:
            notes.append(f"not read: {', '.join(unread[:8])}{' …' if len(unread) > 8 else ''}")
        return notes


def looks_like_chats(path: Path, *, sheet: str | None = None) -> bool:
    """Whether one of the first rows of a file holds a conversation. False for what cannot be read as a table,
    which reading it as one tells."""
    try:
        rows = islice(_rows(path, sheet), LOOKED_AT)
        return any(isinstance(row, Mapping) and form_of(_filled(row)) is not None for _, row in rows)
    except UserError:
        return False


def read_chats(
    path: Path,
    *,
    group: str | None = None,
    chosen: bool = False,
    skip_faulty: bool = False,
    sheet: str | None = None,
) -> Chats:
    """Every conversation of a file: JSON Lines, JSON, Parquet, or any other table, also compressed.

    `group`: a key of the rows; conversations with the same value are no independent draws. `chosen`: of two
    answers of which one is preferred, read that one. Raises `UserError` that counts the rows which cannot be
    read and tells the first, unless they are to be skipped.
    """
    chats: list[ReadChat] = []
    faults: list[FaultyRow] = []
    for place, row in _rows(path, sheet):
        try:
            if isinstance(row, str):
                raise FaultyConversation(row)
            if not isinstance(row, Mapping):
                raise FaultyConversation(f"expected an object with {FORMS}")
            conversation = read_conversation(row, chosen=chosen)
            _last_target(conversation)
            identity = place.rpartition(" ")[2]
            chats.append(ReadChat(identity, conversation, _group(row, group) or identity))
        except FaultyConversation as error:
            faults.append(FaultyRow(place, str(error)))
    if faults and not skip_faulty:
        raise UserError(
            f"{path}: {len(faults):,} of {count_of(len(faults) + len(chats), 'row')} cannot be read: "
            f"{_told(faults)}. Correct them, or leave them out with --skip-faulty"
        )
    if not chats:
        why = f": {_told(faults)}" if faults else f"; give each row {FORMS}"
        raise UserError(f"{path}: no conversation{why}")
    return Chats(chats, faults)


def chat_splits(
    path: Path,
    *,
    turns: Turns = "last",
    group: str | None = None,
    dev: float | Path = OF_EACH,
    test: float | Path = OF_EACH,
    chosen: bool = False,
    skip_faulty: bool = False,
    sheet: str | None = None,
) -> Splits:
    """Cut a chat file into train, dev and test, the same on every machine; `chat_sample` makes samples of its
    rows.

    `dev` and `test` are shares of its conversations, or files of their own. A conversation is never in two
    splits, nor are two of one file that ask the same before their last answer, nor those of one `group`.
    `turns`: the last of the assistant's turns in each conversation is its target, or "all" of them are, a
    sample each. Those of weight 0 are none. Raises `UserError` as `read_chats` does.
    """

    def read(file: Path) -> Chats:
        return read_chats(file, group=group, chosen=chosen, skip_faulty=skip_faulty, sheet=sheet)

    return cut_chats(
        read(path),
        turns,
        dev=read(dev) if isinstance(dev, Path) else dev,
        test=read(test) if isinstance(test, Path) else test,
        where=str(path),
    )


def cut_chats(
    chats: Chats,
    turns: Turns,
    *,
    dev: float | Chats = OF_EACH,
    test: float | Chats = OF_EACH,
    where: str = "conversations",
) -> Splits:
    """As `chat_splits` cuts a file's conversations. What conversations of their own for dev or test share
    with those that are trained on is a remark."""
    conversations = [_whole(place, chat) for place, chat in enumerate(chats.chats)]
    group = "group" if any(chat.group != chat.identity for chat in chats.chats) else None
    # Answers that do not recur are no labels, of which each split should have its share.
    recurring = RECURRING * len({row["target"] for row in conversations}) <= len(conversations)
    cut = cut_rows(
        conversations,
        input_column="asked",
        target_column="target",
        group=group,
        stratify=recurring,
        dev=None if isinstance(dev, Chats) else dev,
        test=None if isinstance(test, Chats) else test,
        where=where,
    )
    trained = {row["asked"] for row in cut.train}
    remarks: list[str] = []

    def expand(rows: Sequence[Row]) -> list[Row]:
        return [*chain.from_iterable(chat_rows(chats.chats[row["place"]], turns) for row in rows)]

    def own(split: str, given: Chats) -> list[Row]:
        remarks.extend(_shared(split, given, trained))
        return [*chain.from_iterable(chat_rows(_of_split(split, chat), turns) for chat in given.chats)]

    return Splits(
        expand(cut.train),
        own("dev", dev) if isinstance(dev, Chats) else expand(cut.dev),
        own("test", test) if isinstance(test, Chats) else expand(cut.test),
        tuple(remarks),
    )


def _of_split(split: str, chat: ReadChat) -> ReadChat:
    """A conversation of a file of its own, named so that none of another file has its name."""
    identity = f"{split} {chat.identity}"
    return replace(chat, identity=identity, group=identity if chat.group == chat.identity else chat.group)


def _shared(split: str, given: Chats, trained: Set[str]) -> list[str]:
    """How many conversations of a split ask what one that is trained on asks."""
    alike = [chat for place, chat in enumerate(given.chats) if _whole(place, chat)["asked"] in trained]
    if not alike:
        return []
    return [
        f"{len(alike):,} of {count_of(len(given.chats), f'{split} conversation')} (the first is "
        f"{alike[0].identity}) {agreeing('ask', len(alike))} what one that is trained on asks, so their "
        "answers can be memorised; remove them from one of the two files"
    ]


def chat_rows(chat: ReadChat, turns: Turns) -> list[Row]:
    """A row for each sample of a conversation: what stands before a target, and the target."""
    conversation = chat.conversation
    places = _targets(conversation)
    chosen = places if turns == "all" else places[-1:]
    return [
        {
            "id": f"{chat.identity}.{number}" if turns == "all" else chat.identity,
            "conversation": chat.group,
            "messages": conversation.turns[:place],
            "tools": conversation.tools,
            "target": _target(conversation.turns[place]),
        }
        for number, place in enumerate(chosen, 1)
    ]


def chat_sample(row: Row, *, target: str | None = None, choices: tuple[str, ...] = ()) -> Sample:
    """The sample of a row of `chat_splits`. `target`: the row's in another form. `choices`: of a task whose
    answers are labels."""
    last = row["messages"][-1]
    return Sample(
        id=row["id"],
        fields={"text": last["content"] if last["role"] == "user" else ""},
        target=row["target"] if target is None else target,
        choices=choices,
        messages=tuple(row["messages"]),
        tools=tuple(row["tools"]),
        cluster=row["conversation"],
    )


# Rows of files


def _rows(path: Path, sheet: str | None) -> Iterator[tuple[str, Any]]:
    """Each row with its place in words; a text in its place says why it cannot be read."""
    kind = kind_of(path)
    if path.is_file() and kind in (".jsonl", ".ndjson", ".json"):
        text = text_of(path)
        if kind != ".json" or _is_lines(text):
            yield from _lines(text)
            return
    for number, row in enumerate(table_rows(path, sheet=sheet), 1):
        yield f"row {number}", _dense(row) if kind in (".parquet", ".arrow", ".feather", "") else row


def _is_lines(text: str) -> bool:
    """Whether a JSON file holds an object per line, as many do whose names say otherwise."""
    first_line, _, rest = text.lstrip().partition("\n")
    return bool(rest.strip()) and isinstance(_parsed(first_line), dict)


def _lines(text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(io.StringIO(text), 1):
        if line.strip():
            yield f"line {number}", _parsed(line)


def _parsed(line: str) -> Any:
    """A line's object, or why it is none."""
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        cut = "; it is cut off" if error.pos >= len(line.rstrip()) or "Unterminated" in error.msg else ""
        return f"not valid JSON ({error.msg.removesuffix(' at')} at character {error.pos + 1}){cut}"
    except (ValueError, RecursionError) as error:
        return f"not readable as JSON ({error})"
    return row if isinstance(row, dict) else f"not a JSON object, but {line.strip()[:40]}"


def _dense(value: Any) -> Any:
    """A nested value without the nulls that columns of one type fill where a row has no such key."""
    if isinstance(value, Mapping):
        return {key: _dense(part) for key, part in value.items() if part is not None}
    if isinstance(value, (list, tuple)):
        return [_dense(part) for part in value]
    return value


def _filled(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: part for key, part in row.items() if part is not None}


def _told(faults: Sequence[FaultyRow]) -> str:
    """`line 3: it is cut off; line 7, line 8 and 5 more: turn 1 has no content`: each reason once."""
    places: dict[str, list[str]] = {}
    for fault in faults:
        places.setdefault(fault.reason, []).append(fault.place)
    sentences = [f"{_first_of(rows)}: {reason}" for reason, rows in islice(places.items(), TOLD)]
    rows_of_others = sum(map(len, islice(places.values(), TOLD, None)))
    return "; ".join([*sentences, f"and {rows_of_others:,} more"] if rows_of_others else sentences)


def _first_of(places: Sequence[str]) -> str:
    rest = f" and {len(places) - TOLD:,} more" if len(places) > TOLD else ""
    return ", ".join(places[:TOLD]) + rest


def _group(row: Mapping[str, Any], key: str | None) -> str:
    if key is None:
        return ""
    try:
        group = as_text(row.get(key))
    except ValueError:
        group = ""
    if not group:
        raise FaultyConversation(f"its '{key}' is missing or empty, by which rows are to be grouped")
    return group


# Targets


def _whole(place: int, chat: ReadChat) -> Row:
    """A conversation as it is cut: by what stands before its last target."""
    turns = chat.conversation.turns
    last = _targets(chat.conversation)[-1]
    prompt = json.dumps([*map(turn_text, turns[:last]), chat.conversation.tools], sort_keys=True)
    return {"place": place, "asked": prompt, "target": _target(turns[last]), "group": chat.group}


def _targets(conversation: Conversation) -> list[int]:
    """Places of the turns that may be targets: they answer something, and say or call something."""
    places = []
    for place, turn in enumerate(conversation.turns):
        is_answer = place > 0 and conversation.turns[place - 1]["role"] != "system"
        if (
            turn["role"] == "assistant"
            and is_answer
            and place not in conversation.context_only
            and _target(turn)
        ):
            places.append(place)
    return places


def _last_target(conversation: Conversation) -> int:
    places = _targets(conversation)
    if not places:
        raise FaultyConversation("no turn of the assistant answers another turn with a text or a call")
    return places[-1]


def _target(turn: Mapping[str, Any]) -> str:
    """An assistant's turn as the text that is judged and trained on."""
    calls: Iterable[Any] = map(as_call, turn.get("tool_calls") or ())
    return calls_text(without_thought(turn["content"]).strip(), [call for call in calls if call is not None])


def _thinks(turn: Mapping[str, Any]) -> bool:
    content: str = turn["content"]
    return turn["role"] == "assistant" and without_thought(content) != content
