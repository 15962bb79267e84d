"""Render conversations with a tokenizer's chat template, within bounds and on the same day always."""

import datetime
import random
import resource
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType
from typing import Any

from harness.errors import UserError, one_line

TODAY = datetime.datetime(2024, 7, 26)
"""What every chat template is told of the time, so that a prompt is the same on every day. Llama 3's own
template names this date where it cannot ask for one."""

MOST_SECONDS = 2.0
"""Of computing, for one conversation; ordinary templates take a thousandth of it."""

MOST_BYTES = 2**30
"""More memory than this one conversation may not take."""

NO_ARGUMENTS: Mapping[str, Any] = MappingProxyType({})

Message = Mapping[str, Any]


class ChatTemplate:
    """A tokenizer's chat template with the arguments that it is given."""

    def __init__(self, tokenizer: Any, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> None:
        self._tokenizer, self._arguments = tokenizer, arguments
        self.told_date = False
        """Whether it has asked for the date, which is `TODAY`."""
        self.has_drawn = False
        """Whether it has drawn something by chance: the same every time."""

    def render(
        self,
        messages: Sequence[Message],
        arguments: Mapping[str, Any] = NO_ARGUMENTS,
        *,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> str:
        """A conversation as text; `arguments` are further ones. Where its final message is continued, it ends
        with that, and there is no other generation prompt. Raises `UserError` where the template fails,
        refuses the turns, or takes more than its bounds."""
        try:
            with _bounds(), self._same_draws():
                text: str = self._tokenizer.apply_chat_template(
                    messages,
                    tokenize=False,
                    add_generation_prompt=add_generation_prompt and not continue_final_message,
                    continue_final_message=continue_final_message,
                    **{**self._arguments, **arguments, "strftime_now": self._strftime_now},
                )
        except TimeoutError:
            raise _fault(f"is not done after {MOST_SECONDS:g} seconds of computing") from None
        except MemoryError:
            raise _fault(f"takes more than {MOST_BYTES >> 20:,} MiB for one") from None
        except Exception as error:  # a template is its author's code, and may raise anything
            line = getattr(error, "lineno", None)
            place = f" in line {line}" if isinstance(line, int) else ""
            raise _fault(f"raises {one_line(error)[:300]}{place}") from None
        return text

    @contextmanager
    def _same_draws(self) -> Iterator[None]:
        """Jinja's `random` and `lipsum` draw from Python's generator: it begins anew for each conversation,
        and is put back."""
        before = random.getstate()
        random.seed(0)
        begun = random.getstate()
        try:
            yield
        finally:
            self.has_drawn = self.has_drawn or random.getstate() != begun
            random.setstate(before)

    def _strftime_now(self, form: str) -> str:
        self.told_date = True
        return TODAY.strftime(form)


def _fault(failure: str) -> UserError:
    return UserError(
        f"the chat template cannot render its prompts: it {failure}; correct the template, or set chat = "
        "false for this candidate"
    )


# Bounds


@contextmanager
def _bounds() -> Iterator[None]:
    """Raise `TimeoutError` or `MemoryError` from code that takes too much of either.

    The sandbox of templates keeps them from files and functions, but not from loops without end.
    """
    with _bounded_memory(), _bounded_time():
        yield


@contextmanager
def _bounded_time() -> Iterator[None]:
    # Only the main thread is told of signals, and there workers render.
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.signal(signal.SIGVTALRM, _time_is_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, handler)


def _time_is_up(_: int, __: FrameType | None) -> None:
    raise TimeoutError


@contextmanager
def _bounded_memory() -> Iterator[None]:
    used = _address_space()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = used + MOST_BYTES
    if not used or (soft != resource.RLIM_INFINITY and soft < limit):
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _address_space() -> int:
    """Bytes of this process; 0 where the system does not tell."""
    try:
        with Path("/proc/self/statm").open("rb", buffering=0) as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0
