"""Verbs that turn results into something to read elsewhere: publish, export, import, preview."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from harness.cli.next_step import print_next
from harness.cli.verb import (
    DEFAULT_PORT,
    DONE,
    AddVerb,
    add_prices,
    add_publish_options,
    add_results,
    add_tasks_dir,
    board_file,
    plugins_for,
    positive,
)
from harness.counts import count_of
from harness.errors import UserError
from harness.task.step import SPLITS
from harness.terminal.output import own_stderr, say, warn

if TYPE_CHECKING:
    from leaderboards import Published

EXPORT_FORMATS = ("csv", "json", "parquet", "every-eval-ever", "model-index", "messages")
"""Of a board, but for the last, which is of a task."""

LAST_PORT = 65535

MOST_PROCESSES = 4
"""Processes that publish unless told otherwise. More would wait for the main one, which reads and ranks."""


def add_verbs(add_verb: AddVerb) -> None:
    """Add the verbs of this file to the parser."""
    parser = add_verb("publish", _publish, "build the static leaderboard site from results")
    add_results(parser)
    text = (
        "a board file or a shipped board's name; several get a folder each, and a front page that lists them"
    )
    parser.add_argument("--board", action="append", default=[], metavar="FILE", help=text)
    text = "say what was published, and what has changed, for scripts"
    parser.add_argument("--json", action="store_true", help=text)
    text = "processes (default: one per core, at most 4)"
    parser.add_argument("--workers", type=positive, metavar="N", help=text)
    text = "keep nothing for the next time, and use nothing kept"
    parser.add_argument("--no-cache", action="store_true", help=text)
    add_publish_options(parser)

    text = "export a board's results, a task's samples, or tuned weights, for other programs"
    parser = add_verb("export", _export, text)
    text = (
        "a format of a table, or of records per model; messages: a task's samples for a fine-tuning service"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--format", choices=EXPORT_FORMATS, help=text)
    text = "tuned weights as a folder that transformers and vLLM load; adapters are merged into their base"
    what.add_argument("--weights", metavar="RUN|CANDIDATE", help=text)
    add_results(parser)
    parser.add_argument("--board", metavar="FILE", help="a board file, or the name of a shipped board")
    text = "a file, or a folder for records or weights (default: by what is exported)"
    parser.add_argument("--out", type=Path, metavar="PATH", help=text)
    add_prices(parser)
    text = "of messages and weights: the task"
    parser.add_argument("--task", metavar="NAME", help=text)
    text = "of messages: which samples (default: train)"
    parser.add_argument("--split", choices=SPLITS, help=text)
    text = "of messages: the wording (default: the task's first)"
    parser.add_argument("--template", metavar="NAME", help=text)
    parser.add_argument("--adapter", action="store_true", help="of weights: leave an adapter as it is")
    text = "of weights: where they are (default: work)"
    parser.add_argument("--work", type=Path, metavar="DIR", help=text)
    parser.add_argument("--json", action="store_true", help="of weights: for scripts")
    add_tasks_dir(parser)

    parser = add_verb("import", _import, "import results of lm-evaluation-harness")
    text = "results_*.json, or a folder that holds some"
    parser.add_argument("source", type=Path, metavar="FILE_OR_FOLDER", help=text)
    text = "what to call the model (default: the end of its own name)"
    parser.add_argument("--candidate", metavar="NAME", help=text)
    parser.add_argument("--json", action="store_true", help="for scripts")
    add_results(parser)

    parser = add_verb("preview", _preview, "serve a published site on this machine")
    parser.add_argument("--site", type=Path, default=Path("site"), metavar="DIR", help="default: site")
    text = f"default: {DEFAULT_PORT}, or the next one that is free"
    parser.add_argument("--port", type=_port, metavar="N", help=text)
    parser.add_argument("--open", action="store_true", help="open it in the browser")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port, a number from 0 to {LAST_PORT}")
    return int(text)


def _publish(options: argparse.Namespace) -> int:
    from dataclasses import asdict

    from harness.sweep.cache import cache_folder
    from leaderboards import Means, publish, publish_boards
    from leaderboards.write.processes import Counter, tell_nobody

    means = Means(
        processes=options.workers or min(os.cpu_count() or 1, MOST_PROCESSES),
        cache=None if options.no_cache else cache_folder(),
        tell=tell_nobody if options.json else Counter(own_stderr()),
    )
    boards = [board_file(name, "board.toml") for name in options.board]
    if len(boards) > 1:
        site = publish_boards(
            options.results, options.out, boards, prices=options.prices, url=options.url, means=means
        )
        if options.json:
            say(json.dumps(asdict(site), indent=2, default=os.fspath))
            return DONE
        for name, published in site.boards.items():
            say(f"\n{name}: {published.verdict}")
        made = f"{count_of(site.pages, 'page')}, {count_of(len(site.boards), 'board')}"
        say(f"\n{made}. Open {os.fspath(site.index)}")
        print_next_preview(options.out)
        return DONE
    board = boards[0] if boards else None
    published = publish(
        options.results, options.out, board=board, prices=options.prices, url=options.url, means=means
    )
    if options.json:
        say(json.dumps(asdict(published), indent=2, default=os.fspath))
    else:
        print_published(published)
        print_next_preview(options.out)
    return DONE


def print_published(published: "Published") -> None:
    """Print the verdict of a board, where its site is, and what a reader should know of it."""
    say(f"\n{published.verdict}\n")
    made = f"{count_of(published.pages, 'page')} from {count_of(published.runs, 'run')}"
    say(f"{made}. Open {os.fspath(published.index)}")
    if published.untrusted:
        say(
            f"Untrusted and kept out of the ranking: {published.untrusted}. The first page says which "
            "runs, and why."
        )
    if published.changed:
        say(f"Changed since it was last published: {len(published.changed)}. history.html says what.")


def print_next_preview(site: Path) -> None:
    """Print the command that shows a site."""
    folder = [] if site == Path("site") else ["--site", os.fspath(site)]
    print_next("preview", *folder, "--open")


def _export(options: argparse.Namespace) -> int:
    for_weights = options.adapter or options.work or options.json
    for_messages = options.split or options.template
    if options.weights is not None:
        if for_messages or options.board or options.prices:
            raise UserError("--board, --prices, --split and --template are not for --weights; leave them out")
        from harness.cli.weights import export_weights

        return export_weights(options)
    if for_weights:
        raise UserError("--adapter, --work and --json are for --weights RUN; leave them out")
    if options.format == "messages":
        return _export_messages(options)
    if options.task or for_messages:
        raise UserError("--task, --split and --template are for --format messages; leave them out")
    from leaderboards.download.exports import export

    board = board_file(options.board, "board.toml") if options.board else None
    written = export(options.results, options.format, board=board, prices=options.prices, out=options.out)
    say(f"{written.what} in {os.fspath(written.path)}")
    return DONE


def _export_messages(options: argparse.Namespace) -> int:
    from harness.authoring.messages import export_messages
    from harness.data.dataset import load_dataset
    from harness.plugins.registry import load_task

    if not options.task:
        raise UserError("--format messages writes the samples of a task; name it with --task NAME")
    task = load_task(options.task, plugins_for(options, [options.task]))
    split = options.split or "train"
    out = options.out or Path(f"{options.task.rpartition(':')[2]}-{split}.jsonl")
    count = export_messages(task, load_dataset(task), split=split, out=out, template=options.template)
    warning = "; what is trained on them cannot be scored here" if split == "test" else ""
    say(f"{count_of(count, 'conversation')} of {split} in {os.fspath(out)}{warning}")
    return DONE


def _import(options: argparse.Namespace) -> int:
    from leaderboards.elsewhere.lm_eval import import_results, import_sentence

    outcome = import_results(options.source, options.results, candidate=options.candidate)
    for note in outcome.notes:
        warn(note)
    if options.json:
        added = [os.fspath(options.results / imported.folder) for imported in outcome.added]
        unchanged = [os.fspath(options.results / imported.folder) for imported in outcome.unchanged]
        say(json.dumps({"added": added, "unchanged": unchanged, "notes": outcome.notes}, indent=2))
    else:
        say(import_sentence(outcome, options.results))
    return DONE


def _preview(options: argparse.Namespace) -> int:
    if not (options.site / "index.html").is_file():
        raise UserError(f"{options.site} holds no index.html; `gainboard publish` builds a site")
    from harness.cli.preview import open_server

    with open_server(options.site, options.port) as server:
        address = f"http://127.0.0.1:{server.server_port}/"
        say(f"{address} shows {options.site}; Ctrl-C ends it", flush=True)
        if options.open:
            import webbrowser

            webbrowser.open(address)
        server.serve_forever()
    return DONE
