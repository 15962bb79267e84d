"""Standard output, kept for what the program says itself: what a plugin, a library or a process that it
starts prints goes to standard error, and cannot stand between the lines of `--json`."""

import codecs
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from harness.terminal.lasting import LastingFile, lasting
from harness.visible import visible

_stdout: TextIO | None = None
"""Where `say` writes; None: to what `sys.stdout` is then."""

_stderr: TextIO | None = None
"""Where `warn` writes; None: to what `sys.stderr` is then."""


def say(text: str = "", *, flush: bool = False) -> None:
    """Print lines for the user, or for a program that reads them."""
    print(visible(text), file=own_stdout(), flush=flush)


def warn(text: str) -> None:
    """Print a line on standard error: an error, or what is left out and why."""
    print(f"gainboard: {visible(text)}", file=own_stderr(), flush=True)


def own_stdout() -> TextIO:
    """Standard output, as `say` and consoles have it. It takes any text, whatever the locale."""
    return _stdout or sys.stdout


def own_stderr() -> TextIO:
    """Standard error, as `warn` and consoles have it. It takes any text, whatever the locale."""
    return _stderr or sys.stderr


@contextmanager
def output_kept_apart() -> Iterator[None]:
    """Until it is left, whatever writes to standard output by another way than ours reaches standard error.

    For the process as a whole: the file descriptor is another one, too, so that `os.write(1, …)`,
    libraries in C and processes that are started are kept out. Where the reader of a stream goes away,
    what is written is lost and nothing fails.
    """
    global _stdout, _stderr
    _occupy_standard_descriptors()
    formerly = _stdout, _stderr, sys.stdout, sys.stderr
    theirs = sys.stdout
    _stdout, _stderr = _own(sys.stdout, 1), _own(sys.stderr, 2)
    is_duplicate = _stdout is not theirs
    if is_duplicate:
        _point(1, at=_stderr)
        sys.stdout = _plugins_stream(1)
    else:  # it has no descriptor: somebody catches it within this process
        sys.stdout = _stderr
    if _stderr is not sys.stderr:
        sys.stderr = _plugins_stream(2)
    try:
        yield
    finally:
        for stream in (theirs, sys.stdout, sys.stderr, _stdout, _stderr):
            # Who minds that a disk is full has flushed before.
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        if is_duplicate:
            _point(1, at=_stdout)
        _stdout, _stderr, sys.stdout, sys.stderr = formerly


def _occupy_standard_descriptors() -> None:
    """Open to nothing what was closed before this process began:
    no file may come to lie where others print."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _own(stream: TextIO | None, descriptor: int) -> TextIO:
    """The stream under a descriptor that nothing else knows, so that nobody can close it or write to it."""
    if stream is None:  # it was closed before this process began
        nowhere = LastingFile(os.open(os.devnull, os.O_WRONLY))
        return lasting(nowhere, encoding="utf-8", errors=PLAINLY, line_buffering=False)
    try:
        is_standard = stream.fileno() == descriptor
    except (OSError, ValueError):
        is_standard = False
    if not is_standard:
        return stream
    stream.flush()
    return lasting(
        LastingFile(os.dup(descriptor)),
        encoding=stream.encoding,
        errors=PLAINLY,
        line_buffering=descriptor == 2 or stream.isatty(),
    )


def _plugins_stream(descriptor: int) -> TextIO:
    """What others find as `sys.stdout` or `sys.stderr`."""
    return lasting(
        LastingFile(descriptor, closefd=False),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
    )


def _point(descriptor: int, *, at: TextIO) -> None:
    with suppress(OSError, io.UnsupportedOperation):  # what is caught within this process has none
        os.dup2(at.fileno(), descriptor)


PLAINLY = "gainboard.plainly"
"""The error handler of encodings that lack a character:
it is written plainly, ✓ as +, or as a question mark."""

_PLAIN = str.maketrans(
    {
        "✓": "+", "✗": "x", "·": ".", "…": "...", "–": "-", "—": "-", "−": "-", "→": "->", "×": "x",
        "≥": ">=", "≤": "<=", "±": "+-", "⟨": "<", "⟩": ">", "‘": "'", "’": "'", "“": '"', "”": '"',
        "σ": "sigma", **{block: str(height) for height, block in enumerate("▁▂▃▄▅▆▇█", start=1)},
    }
)  # fmt: skip


def _plainly(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError), "a handler of what is written"
    plain = error.object[error.start : error.end].translate(_PLAIN)
    return plain.encode("ascii", "replace").decode(), error.end


codecs.register_error(PLAINLY, _plainly)
