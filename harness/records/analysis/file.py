"""The file of an analysis: sealed when it is written, and shown only as long as it is what was written.

Most of what an analysis says cannot be checked against predictions without making it again, which may take a
model. So the file holds a digest of all else that it says, and that of the table of samples beside it: a part
that was damaged or edited is found out. An analysis from before carries none; of it, and of one that was
sealed anew, no more is known than that it does not contradict itself.
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from harness.errors import UserError
from harness.foreign import MOST_RECORD, json_object, naming_what_is_read, read_bounded
from harness.records.analysis.attention import AttentionRecord
from harness.records.analysis.boundary import BoundaryRecord, MapRecord
from harness.records.analysis.record import ANALYSED_SAMPLES, AnalysisRecord
from harness.records.binding import digest_of
from harness.records.store import read_record, write_record

SEAL = "seal"
"""The field of a record with the digest of all others."""


def write_analysis(path: Path, record: AnalysisRecord) -> AnalysisRecord:
    """Write an analysis with its seal, which covers the table of samples that lies there by now."""
    bound = record.model_copy(update={"table": _digest_of_table(path, inside=path.parent)})
    sealed = bound.model_copy(update={SEAL: _seal_of(bound.model_dump(mode="json"))})
    write_record(path, sealed)
    return sealed


def read_analysis(path: Path, *, inside: Path) -> AnalysisRecord:
    """Read an analysis. Raises `UserError` where it is damaged, was changed since it was written, or
    contradicts itself. `inside`: the folder that no link may lead out of."""
    record = read_record(path, AnalysisRecord, inside=inside)
    with naming_what_is_read(path):
        contents = read_bounded(path, MOST_RECORD, inside=inside)
        if record.seal and record.seal != _seal_of(json_object(contents)):
            raise UserError(f"{path} has changed since it was written: its seal is of something else")
        wrong = next(_contradictions(record), None)
        if wrong:
            raise UserError(f"{path} contradicts itself: {wrong}")
    return record


def has_its_table(path: Path, record: AnalysisRecord, *, inside: Path) -> bool:
    """Whether the table of samples beside an analysis is the one that was written with
    it; one from before does not say."""
    return not record.table or _digest_of_table(path, inside=inside) == record.table


def _digest_of_table(path: Path, *, inside: Path) -> str:
    """Empty where there is no such file."""
    try:
        return digest_of(path.with_name(ANALYSED_SAMPLES), inside=inside)
    except (OSError, UserError):
        return ""


def _seal_of(fields: dict[str, object]) -> str:
    rest = {name: part for name, part in fields.items() if name != SEAL}
    text = json.dumps(rest, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _contradictions(record: AnalysisRecord) -> Iterator[str]:
    names = [arm.name for arm in record.arms]
    if len(set(names)) < len(names):
        yield "an arm stands in it twice"
    for arm in _named_arms(record):
        if arm not in names:
            yield f"it speaks of an arm '{arm}', which it does not have"
    if not all(arm.seeds and arm.templates for arm in record.arms):
        yield "an arm has no seed or no wording"
    for kinds in record.kinds:
        if kinds.answers < max(1, kinds.wrong):
            yield f"{kinds.wrong:,} of {kinds.answers:,} answers of {kinds.arm} are wrong"
    for confusion in record.confusion:
        if not {cell.target for cell in confusion.cells} <= set(confusion.labels):
            yield f"{confusion.arm} mixes up a label that there is not"
    if record.boundary is not None:
        yield from _in_boundary(record.boundary)
    if record.attention is not None:
        yield from _in_attention(record.attention)


def _named_arms(record: AnalysisRecord) -> Iterator[str]:
    """The arms that any part of an analysis is about."""
    yield record.judged
    if record.reference is not None:
        yield record.reference
    yield from (kinds.arm for kinds in record.kinds)
    yield from (confusion.arm for confusion in record.confusion)
    yield from (calibration.arm for calibration in record.calibration)
    if record.labels is not None:
        yield from (score.arm for score in record.labels.scores)
    for change in record.to_see.changes:
        yield from (change.before, change.after)
    if record.boundary is not None:
        boundary = record.boundary
        yield from (margins.arm for margins in boundary.margins)
        yield from (plane.arm for plane in boundary.maps)
        yield from (rate.arm for rate in boundary.flip_rates)


def _in_boundary(boundary: BoundaryRecord) -> Iterator[str]:
    for margins in boundary.margins:
        ascending = all(low < high for low, high in pairwise(margins.edges))
        if not margins.classes:
            yield f"the margins of {margins.arm} are of no label"
        elif len(margins.edges) < 2 or not ascending or not margins.edges[0] < 0 < margins.edges[-1]:
            yield f"the bins of the margins of {margins.arm} do not ascend from below zero to above"
        elif any(len(margin.counts) != len(margins.edges) - 1 for margin in margins.classes):
            yield f"the margins of {margins.arm} have other counts than bins"
    for plane in boundary.maps:
        yield from _in_map(plane)


def _in_map(plane: MapRecord) -> Iterator[str]:
    if not all(low < high for low, high in zip(plane.low, plane.high, strict=True)):
        yield f"the map of {plane.arm} has no extent"
    last = len(plane.labels) - 1
    if plane.labels and not all(-1 <= mark.label <= last for mark in plane.marks):
        yield f"a mark on the map of {plane.arm} has a label that there is not"
    if not all(0 <= region.label <= last for region in plane.regions):
        yield f"a region on the map of {plane.arm} has a label that there is not"


def _in_attention(attention: AttentionRecord) -> Iterator[str]:
    for look in attention.arms:
        if any(segment.by_layer and len(segment.by_layer) != look.layers for segment in look.segments):
            yield f"the attention of {look.arm} is of other layers than it counts"
