"""Processor time that a job of a worker may take."""

import math
import resource
import time

from harness.workers.worker import Handler, Message, Report


def within_processor_seconds(handler: Handler, seconds: float) -> Handler:
    """The handler, whose process is ended by `SIGXCPU` once one job has computed for so long.

    Unlike the clock that says nothing against a job on a busy machine.
    """

    def handle(message: Message, report: Report) -> Message:
        _bound_processor_seconds(seconds)
        return handler(message, report)

    return handle


def _bound_processor_seconds(seconds: float) -> None:
    """Bound what this process may compute from now on."""
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    bound = math.ceil(time.process_time() + seconds)
    resource.setrlimit(
        resource.RLIMIT_CPU,
        (bound if hard_limit == resource.RLIM_INFINITY else min(bound, hard_limit), hard_limit),
    )
