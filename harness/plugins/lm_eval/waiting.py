"""Keep a task's own code, which lm-evaluation-harness imports to read its YAML file, from being waited for:
without end, or for a hub that cannot be asked."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.errors import UserError, authors_line

MOST_SECONDS = 120.0
"""For all that a YAML file names and its data is not: functions, what they import, metrics. The slowest
task of lm-eval's own takes ten."""

_AGAIN_SECONDS = 1.0
"""After which code that has caught the first interruption, as loops of retries do, is interrupted again."""

_OFFLINE = "HF_EVALUATE_OFFLINE"
"""What `evaluate` reads when it is imported, and all that it reads: of `HF_HUB_OFFLINE` it knows nothing."""


class _TimeIsUp(BaseException):
    """No `Exception`, which a task's code may catch."""


@contextmanager
def bounded_time() -> Iterator[None]:
    """Raise `UserError` where a task's own code is not done after `MOST_SECONDS`.

    Only the main thread can be interrupted; in another one, code is waited for.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    begun = time.monotonic()
    handler = signal.signal(signal.SIGALRM, _time_is_up)
    others_seconds, others_interval = signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS, _AGAIN_SECONDS)
    try:
        yield
    except _TimeIsUp as error:
        raise UserError(
            f"its own code is not done after {MOST_SECONDS:g} seconds{authors_line(error)}"
        ) from error
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if others_seconds:
            left = max(others_seconds - (time.monotonic() - begun), 0.001)
            signal.setitimer(signal.ITIMER_REAL, left, others_interval)


def _time_is_up(_: int, __: FrameType | None) -> None:
    raise _TimeIsUp


def keep_evaluate_offline() -> None:
    """Have the `evaluate` library ask no hub where the hub's own library may not: it would try each metric
    nine times, and wait in between."""
    from huggingface_hub import constants

    if not constants.HF_HUB_OFFLINE:
        return
    os.environ[_OFFLINE] = "1"
    if "evaluate.config" in sys.modules:  # which has read it already
        sys.modules["evaluate.config"].HF_EVALUATE_OFFLINE = True  # type: ignore[attr-defined]


MetricNamed = Callable[..., Any]
"""lm-eval's `get_metric`: the function of a name,
or None where neither it nor the `evaluate` library has one."""


def looked_for_once(get_metric: MetricNamed) -> MetricNamed:
    """`get_metric` that looks only once for what is not found: hundreds of tasks may name it."""
    missing: set[tuple[Any, ...]] = set()

    def get_unless_missing(*named: Any, **options: Any) -> Any:
        key = (*named, *sorted(options.items()))
        if key in missing:
            return None
        metric = get_metric(*named, **options)
        if metric is None:
            missing.add(key)
        return metric

    return get_unless_missing
