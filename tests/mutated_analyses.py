"""Analyses with one part changed: each is named and left out, or shown as it was written."""

import json
import random
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from explained import write_explained
from specimens import MISSING, Place, changed, parts

from harness.records.analysis.record import ANALYSIS
from leaderboards.gathered import Site, gather, read_folder
from leaderboards.pages.contents import PAGES
from leaderboards.pages.parts.kinds import PagesBySubject
from leaderboards.pages.parts.navigation import navigation
from leaderboards.rank.analyses import read_analyses
from leaderboards.write.rendering import Place as SitePlace
from leaderboards.write.rendering import Renderer

SHOWN_ON = ("why", "task")
"""Kinds of pages that show an analysis."""


@dataclass
class AnalysisOutcome:
    """What became of changed analyses."""

    tried: int = 0
    named: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    """Of each that ended publishing, what was raised."""

    altered: list[str] = field(default_factory=list)
    """Those that changed a page without being named."""

    def __str__(self) -> str:
        faults = [f"{mutation}\n    {error}" for mutation, error in self.faults.items()]
        counts = (
            f"{self.tried:,} changes, {self.named:,} named, {len(faults):,} tracebacks, {len(self.altered):,} "
            "altered a page without a word"
        )
        return "\n".join([counts, *faults, *self.altered])


class AnalysisMutation(NamedTuple):
    """One part of the analysis of a task, changed."""

    task: str
    path: Place
    value: Any

    def __str__(self) -> str:
        value = "(taken away)" if self.value is MISSING else repr(self.value)[:60]
        return f"{self.task}: {'.'.join(map(str, self.path))} = {value}"


class AnalysisBench:
    """Two analysed tasks, and the pages that show what was found."""

    def __init__(self, folder: Path, *, samples: int = 24) -> None:
        self._results, self._site_folder = folder / "analysed", folder / "analysed-site"
        write_explained(self._results, samples=samples)
        self._site = gather(read_folder(self._results))
        self._paths = {
            task: self._results / analysis.row.cells[task].results[0].run.folder.parent / ANALYSIS
            for task, analysis in self._site.analyses.items()
        }
        self._records: dict[str, dict[str, Any]] = {
            task: json.loads(path.read_text(encoding="utf-8")) for task, path in self._paths.items()
        }
        self._sound = {task: self._shown(task, self._site) for task in self._paths}

    def mutations(self, values: Sequence[Any]) -> list[AnalysisMutation]:
        """Every part of both, with each value; a part that both have is changed in the first."""
        seen: set[Place] = set()
        listed = []
        for task, record in self._records.items():
            for path in parts(record):
                if path not in seen:
                    seen.add(path)
                    listed += [AnalysisMutation(task, path, value) for value in values]
        return listed

    def read(self, mutation: AnalysisMutation, outcome: AnalysisOutcome, *, sealed: bool) -> None:
        """Publish the pages that show it. `sealed`: as it is written now; otherwise as by an older version,
        of which nobody can tell whether a number was changed."""
        task = mutation.task
        record = changed(self._records[task], mutation.path, mutation.value)
        if not sealed:
            record.pop("seal", None)
        self._paths[task].write_text(json.dumps(record), encoding="utf-8")
        outcome.tried += 1
        notes: list[str] = []
        try:
            analyses = read_analyses(self._site.table, self._results, notes)
            if task not in analyses and notes:
                outcome.named += 1
                return
            shown = self._shown(task, replace(self._site, analyses=analyses))
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            outcome.faults[str(mutation)] = (
                f"{type(error).__name__}: {str(error)[:200]} ({Path(where.filename).name}:{where.lineno})"
            )
        else:
            if sealed and shown != self._sound[task]:
                outcome.altered.append(str(mutation))
        finally:
            self._paths[task].write_text(json.dumps(self._records[task]), encoding="utf-8")

    def _shown(self, task: str, site: Site) -> list[str]:
        """The pages of a task that show its analysis."""
        shared = {
            "board": site.board, "navigation": navigation(site), "prices_as_of": "", "versions": "", "runs": 0,
        }  # fmt: skip
        renderer = Renderer(SitePlace(self._site_folder), shared)
        texts = []
        for kind in PAGES:
            if not isinstance(kind, PagesBySubject) or kind.name not in SHOWN_ON:
                continue
            for arms in kind.subjects(site):
                for page in kind.pages(site, arms) if arms.task == task else ():
                    renderer.write(kind.template, page.href, page.content)
                    texts.append(renderer.path(page.href).read_text(encoding="utf-8"))
        return texts


def analysis_outcome(
    bench: AnalysisBench, values: Sequence[Any], *, count: int, seed: int, sealed: bool
) -> AnalysisOutcome:
    """What becomes of so many, drawn from all there are."""
    listed = bench.mutations(values)
    outcome = AnalysisOutcome()
    for mutation in random.Random(seed).sample(listed, min(count, len(listed))):
        bench.read(mutation, outcome, sealed=sealed)
    return outcome
