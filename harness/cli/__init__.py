"""The command line: `gainboard VERB`. A file for each family of verbs; each verb calls one function.

Importing this loads nothing heavy: a verb imports what it needs when it is called.
"""

import argparse
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from harness.cli import analysis, authoring, publishing, results, sweeps
from harness.cli.next_step import program
from harness.cli.stopping import Stopped, stoppable
from harness.cli.verb import DONE, INTERRUPTED, USER_MUST_FIX, Verb
from harness.errors import UserError
from harness.terminal.output import output_kept_apart, own_stderr, own_stdout, say, warn

FAMILIES = (sweeps, authoring, results, analysis, publishing)
"""In the order in which `gainboard --help` lists their verbs."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and exit with its code."""
    options = build_parser().parse_args(arguments)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    process_ends = arguments is None
    with output_kept_apart(), _warnings_as_sentences(), stoppable(process_ends=process_ends):
        code = _exit_code(options)
    raise SystemExit(code)


def _exit_code(options: argparse.Namespace) -> int:
    """Do what the options say; what the user must know of a failure is one sentence."""
    try:
        code: int = options.verb(options)
        own_stdout().flush()  # here, where a full disk can be told of, and not at exit
        return code
    except UserError as error:
        warn(str(error))
        return USER_MUST_FIX
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        place = f"{error.filename}: " if error.filename else ""
        warn(f"{place}{error.strerror}")
        return USER_MUST_FIX
    except KeyboardInterrupt as stop:
        print(file=own_stderr())  # behind the ^C
        warn(
            "stopped. What was finished is kept; the same command goes on from here: "
            f"{program()} {shlex.join(options.arguments)}"
        )
        return stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED


@contextmanager
def _warnings_as_sentences() -> Iterator[None]:
    """Print warnings as we print errors: without the line of code that they came from."""
    formerly = warnings.showwarning
    warnings.showwarning = lambda message, *_, **__: warn(str(message))
    try:
        yield
    finally:
        warnings.showwarning = formerly


def build_parser() -> argparse.ArgumentParser:
    """The parser of all verbs; what it returns holds the verb's function as `verb`."""
    parser = argparse.ArgumentParser(
        prog="gainboard",
        description="Which language model to fine-tune, with which recipe, and is it worth the cost?",
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(title="verbs", required=True, metavar="VERB")

    def add_verb(name: str, function: Verb, text: str) -> argparse.ArgumentParser:
        verb_parser = verbs.add_parser(name, help=text, description=text)
        verb_parser.set_defaults(verb=function)
        return verb_parser

    for family in FAMILIES:
        family.add_verbs(add_verb)
    return parser


class _Version(argparse.Action):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, help="show the version and exit", **kwargs)

    def __call__(self, *_: Any) -> None:
        from harness.records.provenance import version

        say(f"gainboard {version('gainboard') or 'not installed'}")
        raise SystemExit(DONE)
