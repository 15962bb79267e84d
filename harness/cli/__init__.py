"""The command line: `gainboard VERB`. A file for each family of verbs; each verb calls one function.

Importing this loads nothing heavy: a verb imports what it needs when it is called.
"""

import argparse
import shlex
import sys
import warnings
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from harness.cli import analysis, authoring, publishing, results, sweeps
from harness.cli.next_step import program
from harness.cli.stopping import Stopped, stoppable
from harness.cli.verb import DONE, INTERRUPTED, USER_MUST_FIX, Verb
from harness.errors import UserError, suggest
from harness.terminal.output import output_kept_apart, own_stderr, own_stdout, say, warn

FAMILIES = (sweeps, authoring, results, analysis, publishing)
"""In the order in which `gainboard --help` lists their verbs."""


EXAMPLES = """\
a first sweep, in order:
  gainboard quickstart                       try it: two toy models, one board
  gainboard new tickets --from tickets.csv   your table becomes a task
  gainboard check sweep.toml                 what would go wrong
  gainboard run sweep.toml --dry-run         what it would cost
  gainboard run sweep.toml                   train and score; again after a stop
  gainboard publish                          build the site
  gainboard preview --open                   look at it

`gainboard VERB --help` explains a verb.
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one verb and exit with its code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = build_parser()
    if not given:
        parser.print_help(own_stderr())
        raise SystemExit(USER_MUST_FIX)
    options = parser.parse_args(given)
    options.arguments = given
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
    parser = _Parser(
        prog="gainboard",
        description="Which language model to fine-tune, with which recipe, and is it worth the cost?",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version)
    verbs = parser.add_subparsers(
        title="verbs", required=True, metavar="VERB", parser_class=argparse.ArgumentParser
    )
    parser.verbs = verbs.choices

    def add_verb(name: str, function: Verb, text: str) -> argparse.ArgumentParser:
        verb_parser = verbs.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.")
        verb_parser.set_defaults(verb=function)
        return verb_parser

    for family in FAMILIES:
        family.add_verbs(add_verb)
    return parser


class _Parser(argparse.ArgumentParser):
    """Says of a misspelt verb which one may be meant."""

    verbs: Collection[str] = ()

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        verb = next((word for word in args or () if not word.startswith("-")), None)
        if verb is not None and verb not in self.verbs:
            hint = suggest(verb, self.verbs) or f" The verbs are {', '.join(self.verbs)}."
            self.error(f"there is no verb '{verb}'.{hint}")
        return super().parse_args(args, namespace)


class _Version(argparse.Action):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(nargs=0, help="show the version and exit", **kwargs)

    def __call__(self, *_: Any) -> None:
        from harness.records.provenance import version

        say(f"gainboard {version('gainboard') or 'not installed'}")
        raise SystemExit(DONE)
