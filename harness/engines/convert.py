"""The process that turns a GGUF file into a model folder before anything else looks at the model.

The driver starts it as `python -m harness.engines.convert --model M`. It is ready when the folder is.
"""

import argparse

from harness.engines.gguf import local_model
from harness.workers.worker import Handler, Message, Report, serve, tell_driver


def _nothing(job: Message, report: Report) -> Message:
    """There are no jobs: the start was the work."""
    return {}


def main() -> None:
    """Convert the model named on the command line, unless that was done before."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    options = parser.parse_args()

    def start() -> Handler:
        local_model(options.model, tell_driver)
        return _nothing

    serve(start)


if __name__ == "__main__":
    main()
