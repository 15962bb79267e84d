"""Analyse finished arms, and write what was found beside their runs; what was found already is not made
again."""

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harness.analysis.advice import Parts, findings_of
from harness.analysis.amounts import Amounts
from harness.analysis.arms import ArmAnswers, ArmComparison, compare
from harness.analysis.attention import look_at
from harness.analysis.boundary.boundary import boundary_of, reread
from harness.analysis.boundary.reread import RereadArm, weighed_task
from harness.analysis.choose import AnalysableArm
from harness.analysis.errors.calibration import calibration_of
from harness.analysis.errors.changes import samples_to_see
from harness.analysis.errors.confusion import confusion_of, most_frequent
from harness.analysis.errors.kinds import kinds_of
from harness.analysis.errors.labels import agreement_is_right, label_errors_of
from harness.analysis.errors.slices import slices_of, span_of
from harness.analysis.errors.wordings import wordings_of
from harness.analysis.own import own_tables
from harness.analysis.passes import Inspector
from harness.analysis.source import NOTHING, TaskSource
from harness.errors import UserError
from harness.records.analysis.attention import AttentionRecord
from harness.records.analysis.file import has_its_table, read_analysis, write_analysis
from harness.records.analysis.passes import PassRecord
from harness.records.analysis.record import (
    ANALYSED_SAMPLES,
    ANALYSIS,
    ANALYSIS_VERSION,
    AnalysedArm,
    AnalysisFinding,
    AnalysisRecord,
    digests_of,
)
from harness.records.result import Result
from harness.records.store import atomic_write
from harness.statistics import score
from harness.task.analysis import Analysis

SourceOf = Callable[[Result], TaskSource]
"""What the task of a result adds."""


def _nothing(_: Result) -> TaskSource:
    return NOTHING


@dataclass(frozen=True)
class Analysed:
    """An arm's analysis, and whether it was made now."""

    arm: AnalysableArm
    record: AnalysisRecord
    made_now: bool
    unread: str = ""
    """Why its weights were not read, in a sentence; empty where they were, or were not to be."""


def analyse_arm(
    results: Path, arm: AnalysableArm, source_of: SourceOf = _nothing, inspector: Inspector | None = None
) -> Analysed:
    """Analyse one arm, unless what lies beside its runs was made of the same predictions by the same code.

    `inspector`: reads its weights, where that is possible. Where it is not, what a former analysis of the
    same predictions read is kept. Raises `UserError` where its predictions cannot be read, or share no
    sample.
    """
    source = source_of(arm.results[0])
    made_of = digests_of(results, chain.from_iterable(arm.arms))
    made_by = f"{_code()} {_digest(source)}"
    path = results / arm.folder / ANALYSIS
    former = _former(path)
    if former is not None and former.made_of != made_of:
        former = None
    unread, read_by = _weights_to_read(arm, source, inspector)
    if former is not None and _holds(former.made_by, made_by) and read_by in ("", former.read_by):
        return Analysed(arm, former, made_now=False, unread=unread if not former.read_by else "")
    comparison = compare(results, arm.arms, fields=source.fields)
    reread_arms: Sequence[RereadArm] = ()
    looked: Looked = None, ()
    if inspector is not None and read_by:
        try:
            reread_arms = _reread(comparison, source, inspector)
            looked = _looked(comparison, source, inspector)
        except UserError as error:
            unread, read_by, reread_arms = str(error), "", ()
    record = analysis_of(comparison, source.analyses, reread_arms, looked, made_of=made_of, made_by=made_by)
    if read_by:
        record = record.model_copy(update={"read_by": read_by})
    elif former is not None and former.read_by:
        kept = ("boundary", "attention", "attention_passes", "read_by")
        record = record.model_copy(update={name: getattr(former, name) for name in kept})
        unread = ""
    _write_samples(path.with_name(ANALYSED_SAMPLES), comparison, record)
    # Last, so that its existence means that both files are of this analysis.
    record = write_analysis(path, record)
    return Analysed(arm, record, made_now=True, unread=unread)


def _weights_to_read(arm: AnalysableArm, source: TaskSource, inspector: Inspector | None) -> tuple[str, str]:
    """Why no weights are read, and the digest of what they are read with; one of both is empty."""
    if inspector is None or inspector.settings.weights == "never":
        return "", ""
    if arm.results[0].task.output == "perplexity":
        return "", ""
    if source.loaded is None:
        return "its task is not at hand, or has changed since", ""
    runs = [of_arm[0].run for of_arm in arm.arms if of_arm is arm.results or of_arm in arm.baselines[:1]]
    obstacle = next((sentence for run in runs if (sentence := inspector.obstacle(run))), "")
    return obstacle, "" if obstacle else inspector.digest(runs)


def _reread(comparison: ArmComparison, source: TaskSource, inspector: Inspector) -> Sequence[RereadArm]:
    task = weighed_task(comparison, inspector, source.loaded)
    return () if task is None else reread(comparison, task, inspector)


Looked = tuple[AttentionRecord | None, Sequence[PassRecord]]
"""Where answers look, and the passes that told it."""


def _looked(comparison: ArmComparison, source: TaskSource, inspector: Inspector) -> Looked:
    return (None, ()) if source.loaded is None else look_at(comparison, source.loaded, inspector)


def analysis_of(
    comparison: ArmComparison,
    analyses: Sequence[Analysis] = (),
    reread_arms: Sequence[RereadArm] = (),
    looked: Looked = (None, ()),
    *,
    made_of: Mapping[str, str] = MappingProxyType({}),
    made_by: str = "",
) -> AnalysisRecord:
    """All that predictions, and weights that were read anew, tell about the judged arm of a comparison."""
    slices, wordings, kinds = slices_of(comparison), wordings_of(comparison), kinds_of(comparison)
    confusion, labels = confusion_of(comparison), label_errors_of(comparison)
    calibration, boundary = calibration_of(comparison), boundary_of(comparison, reread_arms)
    judged, reference, run = comparison.judged, comparison.reference, comparison.judged.results[0].run
    tables = own_tables(comparison, analyses)
    own_findings = [
        AnalysisFinding(evidence="more", sentence=sentence)
        for sentence in chain.from_iterable(table.findings for table in tables)
    ]
    parts = Parts(
        slices=slices,
        wordings=wordings,
        kinds=kinds,
        confusion=confusion[-1] if confusion else None,
        labels=labels,
        agreement=agreement_is_right(comparison),
        calibration=calibration[-1] if calibration and calibration[-1].arm == judged.name else None,
        ids=comparison.ids,
        boundary=boundary,
        arm=judged.name,
        attention=looked[0],
        tuned=bool(judged.results[0].trainings),
        amounts=Amounts.of(comparison.card),
    )
    return AnalysisRecord(
        made_of=dict(made_of),
        made_by=made_by,
        task=run.task,
        task_version=run.task_version,
        primary_metric=comparison.card.primary_metric,
        judged=judged.name,
        reference=None if reference is None else reference.name,
        samples=len(comparison.samples),
        arms=tuple(_arm(comparison, arm) for arm in comparison.arms),
        slices=tuple(found_slice.record for found_slice in slices),
        wordings=wordings,
        kinds=kinds,
        confusion=confusion,
        labels=labels,
        calibration=calibration,
        boundary=boundary,
        attention=looked[0],
        attention_passes=tuple(looked[1]),
        to_see=samples_to_see(comparison),
        more=tuple(table.record for table in tables),
        findings=(*findings_of(parts), *own_findings),
    )


def _arm(comparison: ArmComparison, arm: ArmAnswers) -> AnalysedArm:
    estimate = score(
        arm.scores, binary=comparison.card.binary, low=comparison.low, clusters=comparison.clusters
    )
    return AnalysedArm(
        name=arm.name, label=arm.label, seeds=arm.seeds, templates=arm.templates, score=span_of(estimate)
    )


def _former(path: Path) -> AnalysisRecord | None:
    """What an earlier analysis wrote; None where there is none, or where it is damaged, changed or of another
    version."""
    if not path.is_file():
        return None
    try:
        record = read_analysis(path, inside=path.parent)
    except UserError:
        return None
    return record if has_its_table(path, record, inside=path.parent) else None


def _holds(former: str, now: str) -> bool:
    """Whether an analysis that was made by this code holds still: one that knew the fields of its samples
    says more than one made where the task is not at hand."""
    code, _, source = now.partition(" ")
    return former == now or (source == _digest(NOTHING) and former.partition(" ")[0] == code)


def _digest(source: TaskSource) -> str:
    """Changes with what the task adds."""
    digest = hashlib.sha256()
    for name in sorted(source.fields):
        digest.update(repr((name, sorted(source.fields[name].items()))).encode())
    for analysis in source.analyses:
        digest.update(repr((analysis.name, analysis.description, analysis.needs)).encode())
        digest.update(Path(inspect.getfile(analysis.make)).read_bytes())
    return digest.hexdigest()[:16]


@cache
def _code() -> str:
    """Changes with this room's code."""
    digest = hashlib.sha256(str(ANALYSIS_VERSION).encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _write_samples(path: Path, comparison: ArmComparison, record: AnalysisRecord) -> None:
    """A row per sample: its scores and most frequent answers by arm, and whether its label is suspected."""
    import pandas

    suspects = (
        {} if record.labels is None else {suspect.sample: suspect for suspect in record.labels.suspects}
    )
    columns: dict[str, list[Any]] = {
        "sample_id": list(comparison.ids),
        "target": [sample.targets[0] if sample.targets else None for sample in comparison.samples],
    }
    for arm in comparison.arms:
        columns[f"score_{arm.name}"] = arm.means.tolist()
        columns[f"answer_{arm.name}"] = most_frequent(arm)
    suggested = [suspects[name].suggested if name in suspects else None for name in comparison.ids]
    columns["suggested_label"] = suggested
    with atomic_write(path, "wb") as file:
        pandas.DataFrame(columns).to_parquet(file, index=False)
