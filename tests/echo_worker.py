"""A worker process for tests: does as its job says."""

import os
import signal
import sys
import time

from harness.errors import UserError
from harness.workers.worker import Handler, Message, Report, serve


def handle(job: Message, report: Report) -> Message:
    print("libraries print to standard output")
    match job["do"]:
        case "echo":
            report({"done": 1, "total": 1})
            return {"said": job["say"], "pid": os.getpid()}
        case "user error":
            raise UserError("the model is too large")
        case "bug":
            raise RuntimeError("line one\nline two")
        case "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        case "sleep":
            report({"done": 0, "total": 1, "pid": os.getpid()})
            time.sleep(60)
    sys.exit(3)


def start() -> Handler:
    if "--broken" in sys.argv:
        raise RuntimeError("no such model")
    return handle


if __name__ == "__main__":
    serve(start)
