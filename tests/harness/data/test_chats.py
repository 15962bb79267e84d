"""Chat files are read line by line in every common form, and what cannot be read is told with its line."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harness.data.chats import chat_sample, chat_splits, looks_like_chats, read_chats
from harness.errors import UserError
from harness.task import Sample
from harness.task.tool_calls import ToolCall, calls_text

SYSTEM = {"role": "system", "content": "Be brief."}
ASKED = {"role": "user", "content": "How cold is it in Oslo?"}
CALL = {"id": "x1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
CALLING = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "x1", "content": "-3"}
ANSWER = {"role": "assistant", "content": "Minus three."}
FUNCTION = {
    "name": "get_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
TOOL = {"type": "function", "function": FUNCTION}


def written(folder: Path, *rows: Any, name: str = "chats.jsonl") -> Path:
    path = folder / name
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def samples(path: Path, **options: Any) -> list[Sample]:
    """Of the first conversation, in the order of its turns."""
    from harness.data.chats import chat_rows

    turns = options.pop("turns", "last")
    chat = read_chats(path, **options).chats[0]
    return [chat_sample(row) for row in chat_rows(chat, turns)]


def sample(folder: Path, row: Any, **options: Any) -> Sample:
    return samples(written(folder, row), **options)[-1]


def said(sample: Sample) -> list[tuple[str, str]]:
    return [(turn["role"], turn["content"]) for turn in sample.messages]


FORMS: dict[str, tuple[dict[str, Any], list[tuple[str, str]], str]] = {
    "messages": ({"messages": [SYSTEM, ASKED, ANSWER]}, [("system", "Be brief.")], "Minus three."),
    "a developer's turn": (
        {"messages": [{"role": "developer", "content": "Be brief."}, ASKED, ANSWER]},
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "parts": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "How cold is it in Oslo?"}]},
                {"role": "assistant", "content": [{"type": "text", "text": "Minus three."}]},
            ]
        },
        [],
        "Minus three.",
    ),
    "ShareGPT": (
        {
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": "How cold is it in Oslo?"},
                {"from": "gpt", "value": "Minus three."},
            ]
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "ShareGPT with a column for the system": (
        {
            "conversations": [
                {"from": "human", "value": "How cold is it in Oslo?"},
                {"from": "gpt", "value": "Minus three."},
            ],
            "system": "Be brief.",
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "Alpaca": (
        {"instruction": "How cold is it in Oslo?", "input": "", "output": "Minus three."},
        [],
        "Minus three.",
    ),
    "Alpaca with all columns": (
        {
            "instruction": "How cold is it",
            "input": "in Oslo?",
            "output": "Minus three.",
            "system": "Be brief.",
            "history": [["Hello", "Hi"]],
        },
        [("system", "Be brief."), ("user", "Hello"), ("assistant", "Hi")],
        "Minus three.",
    ),
    "prompt and completion": (
        {"prompt": "How cold is it in Oslo?", "completion": " Minus three."},
        [],
        "Minus three.",
    ),
    "prompt and completion as turns": (
        {"prompt": [SYSTEM, ASKED], "completion": [ANSWER]},
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "contents": (
        {
            "systemInstruction": {"role": "system", "parts": [{"text": "Be brief."}]},
            "contents": [
                {"role": "user", "parts": [{"text": "How cold is it in Oslo?"}]},
                {"role": "model", "parts": [{"text": "Minus three."}]},
            ],
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "contents without roles, as Python writes them": (
        {
            "system_instruction": "Be brief.",
            "contents": [
                {"parts": [{"text": "How cold is it in Oslo?"}]},
                {"role": "model", "parts": [{"text": "Minus three."}]},
            ],
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "parts without a type, and a list of system lines": (
        {
            "schemaVersion": "bedrock-conversation-2024",
            "system": [{"text": "Be brief."}],
            "messages": [
                {"role": "user", "content": [{"text": "How cold is it in Oslo?"}]},
                {"role": "assistant", "content": [{"text": "Minus three."}]},
            ],
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "roles with capitals": (
        {
            "messages": [
                {"role": "System", "content": "Be brief."},
                {"role": "User", "content": "How cold is it in Oslo?"},
                {"role": "Chatbot", "content": "Minus three."},
            ]
        },
        [("system", "Be brief.")],
        "Minus three.",
    ),
    "turns as JSON": ({"messages": json.dumps([ASKED, ANSWER])}, [], "Minus three."),
    "options of a service": (
        {"messages": [ASKED, ANSWER], "parallel_tool_calls": False, "tools": None},
        [],
        "Minus three.",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_is_read(tmp_path: Path, form: str) -> None:
    row, before, target = FORMS[form]
    read = sample(tmp_path, row)
    question = "How cold is it\n\nin Oslo?" if "all columns" in form else "How cold is it in Oslo?"
    assert (said(read), read.target) == ([*before, ("user", question)], target)
    assert read.fields == {"text": question}
    assert looks_like_chats(tmp_path / "chats.jsonl")


def test_calls_functions_and_results_are_read(tmp_path: Path) -> None:
    turns = [ASKED, CALLING, RESULT, ANSWER]
    row = {"messages": turns, "tools": [TOOL]}
    first, last = samples(written(tmp_path, row), turns="all")
    assert first.target == calls_text("", [ToolCall("get_weather", {"city": "Oslo"})])
    assert first.tools == last.tools == (TOOL,)
    assert last.messages[1]["tool_calls"][0]["function"]["arguments"] == {"city": "Oslo"}
    assert last.messages[2] == {"role": "tool", "content": "-3", "tool_call_id": "call00001"}
    assert (last.fields, last.cluster, first.cluster) == ({"text": ""}, "1", "1")
    as_share_gpt = {
        "conversations": [
            {"from": "human", "value": ASKED["content"]},
            {"from": "function_call", "value": json.dumps(CALL["function"])},
            {"from": "observation", "value": "-3"},
            {"from": "gpt", "value": "Minus three."},
        ],
        "tools": json.dumps([FUNCTION]),
    }
    assert samples(written(tmp_path, as_share_gpt), turns="all") == [first, last]
    legacy = {
        "messages": [
            ASKED,
            {"role": "assistant", "content": None, "function_call": CALL["function"]},
            {"role": "function", "content": "-3"},
            ANSWER,
        ],
        "functions": [FUNCTION],
    }
    assert samples(written(tmp_path, legacy), turns="all") == [first, last]


def test_turns_of_weight_0_and_what_follows_the_last_answer_are_no_targets(tmp_path: Path) -> None:
    kept, context = {**ANSWER, "weight": 1}, {**ANSWER, "weight": 0}
    row = {"messages": [ASKED, context, ASKED, kept, ASKED, context, ASKED]}
    (read,) = samples(written(tmp_path, row), turns="all")
    assert len(read.messages) == 3
    assert "weight" not in read.messages[1]
    (note,) = read_chats(tmp_path / "chats.jsonl").notes
    assert note.startswith("1 of 1 conversation (the first is 1) does not end with the assistant's turn")


def test_two_turns_of_the_assistant_in_a_row_are_both_read(tmp_path: Path) -> None:
    first, second = samples(written(tmp_path, {"messages": [ASKED, ANSWER, ANSWER]}), turns="all")
    assert (len(first.messages), len(second.messages), second.fields["text"]) == (1, 2, "")


def test_calls_and_results_in_contents_are_those_of_messages(tmp_path: Path) -> None:
    call = {"functionCall": {"name": "get_weather", "args": {"city": "Oslo"}}}
    result = {"functionResponse": {"name": "get_weather", "response": {"degrees": -3}}}
    row = {
        "contents": [
            {"role": "user", "parts": [{"text": ASKED["content"]}]},
            {"role": "model", "parts": [call]},
            {"role": "function", "parts": [result]},
            {"role": "model", "parts": [{"text": "Minus three."}]},
        ],
        "tools": [{"functionDeclarations": [FUNCTION]}],
    }
    as_messages = {
        "messages": [ASKED, CALLING, RESULT | {"content": '{"degrees": -3}'}, ANSWER],
        "tools": [TOOL],
    }
    read, expected = (read_chats(written(tmp_path, one)).chats[0].conversation for one in (row, as_messages))
    assert read == expected


def test_targets_are_answers_without_their_thoughts(tmp_path: Path) -> None:
    thinking = {"role": "assistant", "content": "<think>\nCold.\n</think>\n\nMinus three."}
    assert sample(tmp_path, {"messages": [ASKED, thinking]}).target == "Minus three."
    assert "thoughts" in read_chats(tmp_path / "chats.jsonl").notes[0]


def test_the_chosen_answer_is_read_on_request_alone(tmp_path: Path) -> None:
    preferred = {
        "input": {"messages": [ASKED]},
        "preferred_output": [ANSWER],
        "non_preferred_output": [ANSWER],
    }
    for row in (
        {"prompt": ASKED["content"], "chosen": "Minus three.", "rejected": "Warm."},
        {"chosen": [ASKED, ANSWER], "rejected": [ASKED, ANSWER]},
        {"prompt": [ASKED], "chosen": [ANSWER], "rejected": [ANSWER]},
        preferred,
    ):
        with pytest.raises(UserError, match="preference data; --chosen reads the chosen ones"):
            sample(tmp_path, row)
        assert sample(tmp_path, row, chosen=True).target == "Minus three."


FAULTS: dict[str, tuple[Any, str]] = {
    "an unknown role": (
        {"messages": [{"role": "bot", "content": "a"}]},
        "turn 1 has the role 'bot'; there are system, developer, user, assistant and tool",
    ),
    "an unknown speaker": (
        {"conversations": [{"from": "bing", "value": "a"}]},
        "turn 1 has the role 'bing'; there are system, human, gpt, function_call and observation",
    ),
    "two system lines": ({"messages": [SYSTEM, SYSTEM, ASKED, ANSWER]}, "turn 2 is a second system line"),
    "no answer": ({"messages": [ASKED]}, "no turn is the assistant's, so there is no answer to learn"),
    "no weight": (
        {"messages": [ASKED, {**ANSWER, "weight": 0}]},
        "every turn of the assistant has weight 0",
    ),
    "half a weight": (
        {"messages": [ASKED, {**ANSWER, "weight": 0.5}]},
        "turn 2 has the weight 0.5; 0 and 1 are allowed",
    ),
    "nothing asked": ({"messages": [ANSWER]}, "no turn of the assistant answers another turn"),
    "an empty answer": (
        {"messages": [ASKED, {"role": "assistant", "content": " "}]},
        "no turn of the assistant answers another turn with a text or a call",
    ),
    "no content": (
        {"messages": [{"role": "user", "content": None}, ANSWER]},
        "turn 1 has no content; only a turn with tool_calls may lack it",
    ),
    "contents that are none": ({"contents": "Hello"}, "contents is a text that is no JSON list"),
    "an image in contents": (
        {"contents": [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "a"}}]}]},
        "turn 1 holds a part of the type 'inlineData'; only texts can be read",
    ),
    "a turn of contents without parts": (
        {"contents": [{"role": "user"}]},
        "turn 1 has no content",
    ),
    "an image": (
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "a"}}]},
                ANSWER,
            ]
        },
        "turn 1 holds a part of the type 'image_url'; only texts can be read, no images, sound or files",
    ),
    "sound": ({"messages": [ASKED, {"role": "assistant", "audio": {"id": "a"}}]}, "turn 2 holds sound"),
    "a number as content": (
        {"messages": [{"role": "user", "content": 3}, ANSWER]},
        "turn 1 has a number as its",
    ),
    "a turn that is a text": ({"messages": ["Hello"]}, "turn 1 is a text, expected an object"),
    "messages that are none": ({"messages": {"role": "user"}}, "messages is an object, expected a list"),
    "broken arguments": (
        {"messages": [ASKED, {**CALLING, "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
        "turn 2 calls 'f' with arguments that are no JSON object",
    ),
    "a call without a name": (
        {"messages": [ASKED, {**CALLING, "tool_calls": [{"function": {}}]}]},
        "turn 2 has a call 1 without a name",
    ),
    "a result of nothing": (
        {"messages": [ASKED, CALLING, {**RESULT, "tool_call_id": "x9"}, ANSWER]},
        "turn 3 answers the call 'x9', which no turn before it makes; there are 'x1'",
    ),
    "a tool without a name": (
        {"messages": [ASKED, ANSWER], "tools": [{"type": "x"}]},
        "tool 1 is no function",
    ),
    "another row": (
        {"text": "a", "label": "b"},
        "it has text, label and no conversation; give each row messages",
    ),
    "a list": ("[1, 2]", "not a JSON object, but [1, 2]"),
    "cut in the middle": ('{"messages": [{"role": "user", "cont', "it is cut off"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_row_that_cannot_be_read_is_told_with_its_line(tmp_path: Path, fault: str) -> None:
    row, says = FAULTS[fault]
    path = written(tmp_path, {"messages": [ASKED, ANSWER]}, row)
    with pytest.raises(UserError) as refused:
        read_chats(path)
    assert str(refused.value).startswith(f"{path}: 1 of 2 rows cannot be read: line 2: ")
    assert says in str(refused.value)
    kept = read_chats(path, skip_faulty=True)
    assert [chat.identity for chat in kept.chats] == ["1"]
    assert kept.notes[0].startswith("1 row is left out: line 2: ")


def test_all_faulty_rows_are_counted_and_the_first_told(tmp_path: Path) -> None:
    rows = [{"messages": [ASKED, ANSWER]}, *[{"messages": [ASKED]}] * 7]
    with pytest.raises(
        UserError,
        match=r"7 of 8 rows cannot be read: line 2, line 3, line 4 and 4 more: no turn is the assistant's",
    ):
        read_chats(written(tmp_path, *rows))


def test_a_file_without_a_conversation_says_what_one_is(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no conversation; give each row messages, conversations"):
        read_chats(written(tmp_path, ""))


def test_other_files_hold_the_same_conversations(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    plain = {"messages": [ASKED, ANSWER]}
    calling = {"messages": [ASKED, CALLING, RESULT, ANSWER], "tools": [TOOL]}
    expected = [chat.conversation for chat in read_chats(written(tmp_path, plain, calling)).chats]
    lines = (tmp_path / "chats.jsonl").read_bytes()
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines))
    (tmp_path / "bom.jsonl").write_bytes(b"\xef\xbb\xbf" + lines)
    (tmp_path / "lines.json").write_bytes(lines)
    (tmp_path / "list.json").write_text(json.dumps([plain, calling], indent=1))
    parquet.write_table(pyarrow.Table.from_pylist([plain | {"tools": None}, calling]), tmp_path / "a.parquet")
    for name in ("a.jsonl.gz", "bom.jsonl", "lines.json", "list.json", "a.parquet"):
        assert [chat.conversation for chat in read_chats(tmp_path / name).chats] == expected, name
        assert looks_like_chats(tmp_path / name)
    (tmp_path / "t.csv").write_text("text,label\na,b\n")
    (tmp_path / "alpaca.csv").write_text("instruction,input,output\nSay a word.,,lamp\n")
    assert not looks_like_chats(tmp_path / "t.csv")
    assert read_chats(tmp_path / "alpaca.csv").chats[0].conversation.turns[1]["content"] == "lamp"


def test_a_conversation_and_a_group_stay_in_one_split(tmp_path: Path) -> None:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"Question {number}"},
                {"role": "assistant", "content": f"Answer {number}"},
                {"role": "user", "content": "And?"},
                {"role": "assistant", "content": f"More {number}"},
            ],
            "person": f"p{number // 3}",
        }
        for number in range(60)
    ]
    path = written(tmp_path, *rows)
    for group, key in ((None, "id"), ("person", "conversation")):
        splits = chat_splits(path, turns="all", group=group)
        parts = [
            {row[key].partition(".")[0] for row in rows} for rows in (splits.train, splits.dev, splits.test)
        ]
        assert sum(map(len, parts)) == len(parts[0] | parts[1] | parts[2])
        assert len(splits.train) + len(splits.dev) + len(splits.test) == 120
    assert len(chat_splits(path).test) == 6
    with pytest.raises(
        UserError,
        match="60 of 60 rows cannot be read: line 1, line 2, line 3 and 57 more: its 'who' is missing or empty",
    ):
        chat_splits(path, group="who")
