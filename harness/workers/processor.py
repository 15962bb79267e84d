"""Processor time that a job of a worker may take."""

import math
import resource
import time


def bound_processor_seconds(seconds: float) -> None:
    """Have this process ended by `SIGXCPU` once it has computed for `seconds` more. Called before each job,
    it bounds that job alone.

    Unlike the clock it says nothing against a job on a busy machine.
    """
    _, hard_limit = resource.getrlimit(resource.RLIMIT_CPU)
    bound = math.ceil(time.process_time() + seconds)
    resource.setrlimit(
        resource.RLIMIT_CPU,
        (bound if hard_limit == resource.RLIM_INFINITY else min(bound, hard_limit), hard_limit),
    )
