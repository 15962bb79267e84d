"""What earlier starts have left in the work folder: whether it is whole, and need not be made again."""

from collections import defaultdict
from pathlib import Path

from harness.counts import agreeing, count_of
from harness.errors import UserError
from harness.foreign import naming_what_is_read
from harness.jsonl import each_jsonl
from harness.records.damaged import put_aside
from harness.records.generation import GenerationRecord
from harness.records.predictions import EngineAnswer, read_answers
from harness.records.probes import probes_beside
from harness.records.sealed import WeightsSeal, check_seal, seal_beside, seal_weights
from harness.records.store import read_record, write_record
from harness.records.training import TrainingRecord
from harness.sweep.model_files import TRAINING
from harness.workers.jobs import AskJob, FitJob
from harness.workers.listener import Listener, Note


def is_trained(fit: FitJob, tell: Listener) -> bool:
    """Whether a training's weights and its record are there, and were not cleaned away since.

    What is damaged of them is put aside, and told.
    """
    if not fit.weights.is_dir() or not _are_as_sealed(fit, tell):
        return False
    if not fit.record.exists():
        return False
    record = record_of(fit, tell)
    beside_weights = fit.weights / TRAINING
    if record is not None and beside_weights.exists():
        try:
            read_record(beside_weights, TrainingRecord)
        except UserError as fault:
            _put_aside(beside_weights, fault, fit.label, tell)
            write_record(beside_weights, record)
    return record is not None


def record_of(fit: FitJob, tell: Listener) -> TrainingRecord | None:
    """None where it is damaged: the training worker has another one beside the weights."""
    try:
        record = read_record(fit.record, TrainingRecord)
        _check_key(record, fit, fit.record)
    except UserError as fault:
        _put_aside(fit.record, fault, fit.label, tell)
        return None
    return record


def _check_key(record: TrainingRecord, fit: FitJob, path: Path) -> None:
    """Raise `UserError` where a record, and what lies at `path`, is of another training, whose folder may
    have been copied to this place."""
    if record.key != fit.key:
        raise UserError(f"{path}: it is of another training, with the key {record.key}")


def _are_as_sealed(fit: FitJob, tell: Listener) -> bool:
    seal = seal_beside(fit.weights)
    try:
        if seal.exists():
            read_record(seal, WeightsSeal)
    except UserError as fault:
        _put_aside(seal, fault, fit.label, tell)
        seal_weights(fit.weights)
    try:
        check_seal(fit.weights)
        _check_recipe(fit)
    except UserError as fault:
        _put_aside(fit.weights, fault, fit.label, tell)
        probes = probes_beside(fit.weights)
        if probes.exists():  # they are taken anew with the weights
            put_aside(probes, fault)
        return False
    return True


def _check_recipe(fit: FitJob) -> None:
    """Raise `UserError` where weights are those of another training.
    A damaged record tells nothing of them."""
    beside_weights = fit.weights / TRAINING
    if not beside_weights.exists():
        return
    try:
        record = read_record(beside_weights, TrainingRecord)
    except UserError:
        return
    _check_key(record, fit, fit.weights)


def is_answered(ask: AskJob, tell: Listener) -> bool:
    """Whether a run's answers are there, all of them, by an engine that no guard has failed.

    What is damaged of them is put aside, and told.
    """
    if not (ask.record.exists() and ask.completions.exists()):
        return False
    try:
        record = read_record(ask.record, GenerationRecord)
    except UserError as fault:
        _put_aside(ask.record, fault, ask.label, tell)
        return False
    if not all(guard.passed for guard in record.guards):
        return False
    try:
        _check_answers(ask)
    except UserError as fault:
        _put_aside(ask.completions, fault, ask.label, tell)
        return False
    return True


def _check_answers(ask: AskJob) -> None:
    """Raise `UserError` unless a run's completions answer every prompt of it, in all draws."""
    by_place: dict[int, list[EngineAnswer]] = defaultdict(list)
    with naming_what_is_read(ask.completions):
        for answer in read_answers(ask.completions):
            by_place[answer.place].append(answer)
    draws = ask.sampling.n if ask.output == "generate" else 1
    prompts = 0
    for place, row in enumerate(each_jsonl(ask.prompts)):
        prompts += 1
        if not _answer(by_place[place], row["id"], row["template"], draws=draws):
            raise UserError(f"{ask.completions}: prompt {place + 1} is not answered in it")
    if len(by_place) != prompts:
        answered = f"it answers {count_of(len(by_place), 'prompt')}"
        raise UserError(f"{ask.completions}: {answered}, and there {agreeing('are', prompts)} {prompts:,}")


def _answer(answers: list[EngineAnswer], sample: str, template: str, *, draws: int) -> bool:
    """Whether these are the answers to a prompt, or the reason why it has none."""
    if any((answer.id, answer.template) != (sample, template) for answer in answers):
        return False
    if len(answers) == 1 and answers[0].error is not None:
        return True
    drawn = sorted(answer.draw for answer in answers)
    return drawn == list(range(draws)) and all(answer.completion is not None for answer in answers)


def _put_aside(path: Path, fault: UserError, label: str, tell: Listener) -> None:
    tell(Note(f"{label}: {put_aside(path, fault)}"))
