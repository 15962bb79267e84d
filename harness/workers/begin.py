"""Begin a worker that ends when its driver does: `python -P begin.py DRIVER MODULE ARGUMENT…`.

It is run as a file: to import it as a module would import the package first. The watch must begin before
anything that takes time, for a driver may be killed while its workers load their libraries.
"""

import os
import runpy
import select
import signal
import sys
import time

SECONDS_BETWEEN_LOOKS = 0.5
"""Where the system tells nobody of the end of a process."""


def end_with(driver: int) -> None:
    """End this process, and all that it starts, once the driver is gone, however either of them goes.

    A process of its own watches over that, which nothing that is imported or computed here holds up. It kills
    the group of this process, which the driver made the first of a new session: an engine's own processes
    belong to it, and do not outlive the engine either.
    """
    worker, group = os.getpid(), os.getpgrp()
    if os.fork():
        return
    try:
        # The pipes to the driver are the worker's: whoever reads them must learn of its end from it alone.
        os.closerange(0, os.sysconf("SC_OPEN_MAX"))
        _wait_for_the_first(driver, worker)
    finally:
        os.killpg(group, signal.SIGKILL)  # this process, too


def _wait_for_the_first(driver: int, worker: int) -> None:
    """Return when the driver, or the worker, which is the parent of this process, has ended."""
    if hasattr(os, "pidfd_open"):
        try:
            ends = select.poll()
            for process in (driver, worker):
                ends.register(os.pidfd_open(process), select.POLLIN)
            ends.poll()
        except ProcessLookupError:
            return
        except OSError:  # an old kernel
            pass
        else:
            return
    while os.getppid() == worker and _is_there(driver):
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Be `python -m MODULE ARGUMENT…`, as long as the driver lives."""
    driver, module, *arguments = sys.argv[1:]
    end_with(int(driver))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
