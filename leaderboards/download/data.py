"""Write `data/`: the figures of the tables with their schema, a line for each run, the prices, and checksums
of it all."""

import csv
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic_core

from harness.records.result import Result
from harness.visible import visible
from leaderboards.download.figures import schema_json
from leaderboards.download.records import records
from leaderboards.gathered import Site
from leaderboards.rank.flags import troubles
from leaderboards.write.former_pages import FormerPages, PageStamp

RUNS, CHECKSUMS = "runs.jsonl", "SHA256SUMS"


def write_data(
    site: Site, folder: Path, prices: Path, former: FormerPages, digests: Mapping[str, str]
) -> None:
    """Fill a new folder. The same site gives the same bytes. `digests`: of the records of all runs, by
    key."""
    folder.mkdir()
    figures = records(site)
    _write(folder / "leaderboard.json", figures_json(figures))
    _write(folder / "leaderboard.csv", figures_csv(figures))
    _write(folder / "leaderboard.schema.json", schema_json())
    _write_runs(site.results, folder / RUNS, former, digests)
    (folder / "prices.toml").write_bytes(prices.read_bytes())
    _write(folder / CHECKSUMS, _checksums(sorted(folder.iterdir())))


def _write_runs(
    results: Sequence[Result], path: Path, former: FormerPages, digests: Mapping[str, str]
) -> None:
    """A line for each run: where its record is the one of the former site, the line that it had there."""
    href = f"{path.parent.name}/{path.name}"
    former_lines = former.lines(href)
    with path.open("wb") as file:
        file.writelines(
            former_lines.get(digests[result.key]) or _line(run_record(result)) for result in results
        )
    stat = path.stat()
    made_of = " ".join(digests[result.key] for result in results)
    former.add(href, PageStamp(made_of, stat.st_size, stat.st_mtime_ns))


def figures_json(figures: dict[str, Any]) -> str:
    """The figures as JSON, a row on a line: ASCII only, a missing value is null and never NaN."""
    return (
        "{\n" + ",\n".join(f"{_plain(name)}: {_by_line(value)}" for name, value in figures.items()) + "\n}\n"
    )


def _by_line(value: Any) -> str:
    # Not indented any further: json takes many times longer for that, and there may be ten thousand rows.
    return (
        "[\n" + ",\n".join(map(_plain, value)) + "\n]" if isinstance(value, list) and value else _plain(value)
    )


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False)


def figures_csv(figures: dict[str, Any]) -> str:
    """Rows, then cells, as a spreadsheet may open them."""
    buffer = io.StringIO()
    writer, names = csv.writer(buffer, lineterminator="\n"), list(figures["rows"][0])
    writer.writerow(names)
    writer.writerows(
        [_cell(value) if isinstance(value, str) else value for value in map(row.get, names)]
        for row in (*figures["rows"], *figures["cells"])
    )
    return visible(buffer.getvalue())


def run_record(result: Result) -> dict[str, Any]:
    """What is worth knowing of one run beside its page: what it was, what it scored, took and was made
    with."""
    run = result.run
    return {
        "key": result.key,
        "folder": "/".join(run.place),
        "candidate": run.candidate.name,
        "model": run.candidate.model,
        "revision": run.candidate.revision,
        "method": run.candidate.method,
        "task": run.task,
        "task_version": run.task_version,
        "seed": run.seed,
        "n_train": run.n_train,
        "num_fewshot": run.num_fewshot,
        "templates": list(run.templates),
        "chat_template_kwargs": run.candidate.chat_template_kwargs,
        "primary_metric": result.task.primary_metric,
        "metrics": {
            name: {
                "value": metric.value,
                "stderr": metric.stderr,
                "low": metric.low,
                "high": metric.high,
                "n": metric.n,
            }
            for name, metric in sorted(result.metrics.items())
        },
        "samples": result.samples,
        "overlap": result.overlap.share,
        "untrusted": result.untrusted,
        "trouble": sorted({trouble.kind for trouble in troubles(result)}),
        "cost": result.cost,
        "provenance": result.provenance,
    }


def _line(record: dict[str, Any]) -> bytes:
    """As JSON: ASCII only, and null for what is no number, as somebody else's result.json may hold."""
    try:
        return pydantic_core.to_json(record, inf_nan_mode="null", ensure_ascii=True) + b"\n"
    except (
        pydantic_core.PydanticSerializationError
    ):  # half a surrogate pair, which has no UTF-8 and is spelt out here
        return f"{json.dumps(pydantic_core.to_jsonable_python(record, inf_nan_mode='null'))}\n".encode(
            "ascii"
        )


def _checksums(paths: Iterable[Path]) -> str:
    """As `sha256sum -c` reads them."""
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in paths)


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _cell(text: str) -> str:
    """A text as a spreadsheet may open it: what would be run as a formula is quoted."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
