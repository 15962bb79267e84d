"""What a driver and its nodes say is the same at the other end, however it is cut."""

from pathlib import Path

import pytest

from harness.driver.cluster.messages import (
    PIECE_BYTES,
    ArrivingFiles,
    JudgeQuestion,
    MessageStream,
    pieces_of_file,
    pieces_of_messages,
)


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 5 * PIECE_BYTES])
def test_files_arrive_as_they_were(tmp_path: Path, size: int) -> None:
    contents = bytes(place % 251 for place in range(size))
    (tmp_path / "sent").write_bytes(contents)
    arriving = ArrivingFiles()
    for piece in pieces_of_file(tmp_path / "sent"):
        assert not (tmp_path / "new/there").exists(), "it is there whole, or not at all"
        arriving.take(type(piece)(tmp_path / "new/there", piece.contents, piece.begins, piece.ends))
    assert (tmp_path / "new/there").read_bytes() == contents


def test_a_file_whose_rest_does_not_come_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(bytes(3 * PIECE_BYTES))
    arriving = ArrivingFiles()
    first, *_ = pieces_of_file(tmp_path / "sent")
    arriving.take(type(first)(tmp_path / "new/there", first.contents, first.begins, first.ends))
    arriving.drop()
    assert list((tmp_path / "new").iterdir()) == []


def test_a_model_file_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "sent").write_bytes(bytes(2 * PIECE_BYTES))
    (tmp_path / "there").write_text("mine")
    arriving = ArrivingFiles()
    for piece in pieces_of_file(tmp_path / "sent", once=True):
        arriving.take(type(piece)(tmp_path / "there", piece.contents, piece.begins, piece.ends, piece.once))
    assert (tmp_path / "there").read_text() == "mine"


def test_messages_are_put_together_from_pieces_of_any_length() -> None:
    messages = [JudgeQuestion("k", [{"completion": "x" * (3 * PIECE_BYTES)}]), JudgeQuestion("l", [])]
    stream = b"".join(pieces_of_messages(messages))
    heard = MessageStream()
    came = []
    for start in range(0, len(stream), 1000):
        came += heard.messages([stream[start : start + 1000]])
    assert came == messages
    assert all(len(piece) <= PIECE_BYTES for piece in pieces_of_messages(messages))
