"""A file that somebody else made is opened only where it is an ordinary one, read in bounds, taken strictly."""

import os
import socket
import time
from pathlib import Path

import pytest

from harness.errors import UserError
from harness.foreign import (
    MOST_SETTINGS,
    ForeignFileError,
    check_keys,
    json_object,
    naming_what_is_read,
    open_regular,
    read_bounded,
    strict_toml,
)
from harness.jsonl import read_jsonl
from harness.records.result import Result
from harness.records.store import read_record
from harness.review.verdicts import REVIEWS, read_verdicts
from leaderboards.board import load_board


def a_pipe(path: Path) -> None:
    os.mkfifo(path)


def a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def a_folder(path: Path) -> None:
    path.mkdir()


def a_socket(path: Path) -> None:
    # Its name may not be long, wherever the tests lie.
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(path.parent)
        listener.bind(path.name)
        os.chdir(here)


def a_loop(path: Path) -> None:
    path.symlink_to(path.name)


def a_huge_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(8 << 30)  # it takes no disk


STRANGE = [a_pipe, a_device, a_folder, a_socket, a_loop, a_huge_file]
"""What bears a file's name and is none that can be read."""

each_strange = pytest.mark.parametrize("make", STRANGE, ids=lambda make: make.__name__)


@each_strange
def test_what_is_no_ordinary_file_is_said_at_once(tmp_path: Path, make: object) -> None:
    path = tmp_path / "file"
    make(path)  # type: ignore[operator]
    for inside in (None, tmp_path):
        with pytest.raises(
            ForeignFileError, match=r"is no ordinary file|cannot be read: |larger than 1 MB|link"
        ):
            read_bounded(path, 1 << 20, inside=inside)


@each_strange
def test_every_reader_names_what_is_no_ordinary_file(tmp_path: Path, make: object) -> None:
    for name, read in {
        "result.json": lambda path: read_record(path, Result),
        "board.toml": load_board,
        "rows.jsonl": read_jsonl,
        REVIEWS: read_verdicts,
    }.items():
        if make is a_huge_file and name == "rows.jsonl":  # which may have any size
            continue
        path = tmp_path / name
        make(path)  # type: ignore[operator]
        with pytest.raises(UserError) as raised:
            read(path)  # type: ignore[operator]
        assert str(raised.value).startswith(str(path))
        assert "\n" not in str(raised.value)


def test_a_link_is_followed_within_its_folder_and_never_out_of_it(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    (inside / "file").write_text("kept")
    outside.write_text("a secret")
    for name, target in {"near": "file", "far": outside, "round": "../outside", "twice": "far"}.items():
        (inside / name).symlink_to(target)
    assert read_bounded(inside / "near", 100, inside=inside) == b"kept"
    for name in ("far", "round", "twice"):
        with pytest.raises(ForeignFileError, match="leads out of its folder"):
            read_bounded(inside / name, 100, inside=inside)
    # A model's folder in the cache of a hub is made of such links.
    assert open_regular(inside / "far").read() == b"a secret"


def test_a_file_of_just_the_bound_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * (1 << 20))
    assert len(read_bounded(tmp_path / "file", 1 << 20)) == 1 << 20
    with pytest.raises(ForeignFileError, match="is larger than 0 MB"):
        read_bounded(tmp_path / "file", (1 << 20) - 1)


@pytest.mark.parametrize(
    ("contents", "fault"),
    [
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"a":' * 100_000, "is nested too deeply"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "is not valid JSON"),
        (b"\xff\xfe{}", "is not valid JSON"),
        ('{"a": 1}'.encode("utf-16"), "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"[]", "holds a list where a JSON object is needed"),
    ],
)
def test_json_that_is_no_object_gets_a_phrase(contents: bytes, fault: str) -> None:
    with pytest.raises(ForeignFileError, match=fault):
        json_object(contents)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": 1, "a" : 2}',
        '{"b": "\\":", "a": 1, "a"\n: 2}',
        '{"b": [{"c": {}, "a": 1, "a": 1}]}',
        '{"a": 1, "\\u0061": 2}',
    ],
)
def test_a_key_that_is_given_twice_is_refused(text: str) -> None:
    with pytest.raises(ForeignFileError, match="the key 'a' is given twice"):
        check_keys(text.encode())


def test_equal_keys_of_different_objects_and_colons_in_texts_are_no_repetition() -> None:
    check_keys(b'{"a": {"a": 1}, "b": [{"a": 1}, {"a": 1}]}')
    check_keys(b'{"a": "\\": \\":", "b": "a\\" : 1", "c" : 1}')


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a = " + "[" * 100_000, "nested too deeply"),
        ("a = " + "{ a = " * 100_000, "nested too deeply"),
        ("a = " + "9" * 5_000, "not valid TOML"),
        ("a = 0x" + "f" * 17, "'a' has more than the 64 bits"),
        ("a = [1, { b = 1e999 }]", "'a.1.b' is inf; every number must be finite"),
        ("a = -nan", "'a' is nan; every number must be finite"),
        ("a." * 50_000 + "a = 1", "a key has more than 64 parts"),
        ("[" + '"a" . ' * 50_000 + "a]", "a key has more than 64 parts"),
        ('a = "\\ud800"', "not valid TOML"),
        ("a = 1\na = 2", "not valid TOML"),
    ],
)
def test_toml_that_would_take_for_ever_or_mean_anything_is_refused_at_once(text: str, fault: str) -> None:
    started = time.process_time()
    with pytest.raises(ValueError, match=fault):
        strict_toml(text.encode())
    assert time.process_time() - started < 5


def test_a_text_with_many_full_stops_is_no_key() -> None:
    text = f'a = "{"word. " * 500}"\n"{"." * 100}" = 1\n'
    assert len(strict_toml(text.encode())) == 2
    words = "w" * MOST_SETTINGS
    assert strict_toml(f'a = "{words}"'.encode()) == {"a": words}


@pytest.mark.parametrize(
    "error",
    [OverflowError("x"), RecursionError(), MemoryError(), UnicodeError("a\nb"), KeyError("k"), IndexError()],
)
def test_whatever_a_file_raises_is_one_line_that_names_it(error: Exception) -> None:
    with pytest.raises(UserError) as raised, naming_what_is_read("the/file"):
        raise error
    assert str(raised.value).startswith(f"the/file cannot be read: {type(error).__name__}")
    assert "\n" not in str(raised.value)


def test_ctrl_c_is_no_fault_of_a_file() -> None:
    with pytest.raises(KeyboardInterrupt), naming_what_is_read("the/file"):
        raise KeyboardInterrupt
