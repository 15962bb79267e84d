"""What a driver and a node of its cluster tell each other: messages and files, as one stream of bytes in each
direction.

The stream is cut into pieces that Ray sends along with a call. They never lie in its object store, so a full
one stops nothing, and nothing that is under way is lost with a node's.
"""

import pickle
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from harness.records.store import atomic_write
from harness.workers.listener import JobFailure

PIECE_BYTES = 48 << 10
"""Ray keeps arguments and answers of up to 100 KiB out of its object store,
and two pieces may come together."""

_LENGTH_BYTES = 8


@dataclass(frozen=True)
class FilePiece:
    """A part of a file; the parts of one follow each other."""

    path: Path
    """Absolute: a file has the same place everywhere."""

    contents: bytes
    begins: bool
    ends: bool
    once: bool = False
    """Whether a file that is there is left as it is."""


@dataclass(frozen=True)
class WaveBegins:
    """To a node: all files of a wave are there."""

    wave: dict[str, Any]


@dataclass(frozen=True)
class WaveEnds:
    """From a node: the wave is done, all its files have come."""

    failures: list[JobFailure]


@dataclass(frozen=True)
class WaveRefused:
    """From a node: it does not work on the wave."""

    error: Exception


@dataclass(frozen=True)
class ModelMissing:
    """From a node: it does not have the base model."""

    sentence: str


@dataclass(frozen=True)
class JudgeQuestion:
    """From a node: a training wants its answers on dev judged."""

    key: str
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class JudgeAnswer:
    """To a node: the task's metric of these answers, or why there is none."""

    verdict: dict[str, Any] | Exception


def pieces_of_messages(messages: Iterable[object]) -> Iterator[bytes]:
    """Messages as a part of the stream."""
    for message in messages:
        pickled = pickle.dumps(message)
        framed = len(pickled).to_bytes(_LENGTH_BYTES, "big") + pickled
        for start in range(0, len(framed), PIECE_BYTES):
            yield framed[start : start + PIECE_BYTES]


def pieces_of_file(path: Path, *, once: bool = False) -> Iterator[FilePiece]:
    """A file as messages, each of hardly more than a piece.
    Nobody may write to it meanwhile; it may be replaced."""
    with path.open("rb") as file:
        begins, contents = True, file.read(PIECE_BYTES)
        while begins or contents:
            following = file.read(PIECE_BYTES)
            yield FilePiece(path, contents, begins=begins, ends=not following, once=once)
            begins, contents = False, following


class MessageStream:
    """The receiving end of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def messages(self, pieces: Iterable[bytes]) -> Iterator[Any]:
        """The messages that are whole with these pieces."""
        for piece in pieces:
            self._buffer += piece
        while len(self._buffer) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if len(self._buffer) < end:
                return
            # Whoever can write to this stream runs code here anyway: Ray unpickles what its nodes answer.
            message = pickle.loads(self._buffer[_LENGTH_BYTES:end])
            del self._buffer[:end]
            yield message


class ArrivingFiles:
    """Writes files that come in pieces: each is there whole, or not at all."""

    def __init__(self) -> None:
        self._writing = ExitStack()
        self._file: IO[bytes] | None = None

    def take(self, piece: FilePiece) -> None:
        """Write a piece. Raises `OSError` where its file cannot be written."""
        if piece.begins and not (piece.once and piece.path.exists()):
            self._file = self._writing.enter_context(atomic_write(piece.path, "wb"))
        if self._file is None:
            return
        self._file.write(piece.contents)
        if piece.ends:
            self._file = None
            self._writing.close()

    def drop(self) -> None:
        """The rest of a file will not come."""
        self._file = None
        with suppress(EOFError):
            self._writing.__exit__(EOFError, EOFError(), None)
