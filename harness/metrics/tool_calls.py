"""Metrics of answers that call functions: judged by names and arguments, whatever form a model writes them
in."""

from collections.abc import Sequence

from harness.metrics.matching import best, token_f1
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS
from harness.task.tool_calls import ToolCall, argument_texts, read_turn, same_calls


def _match(answer: str, target: str) -> float:
    return float(same_calls(read_turn(answer).calls, read_turn(target).calls))


def _f1(answer: str, target: str) -> float:
    """F1 over names and arguments, each call paired with one of the same name so that most agree."""
    called, expected = read_turn(answer).calls, read_turn(target).calls
    if not called or not expected:
        return float(called == expected == ())
    return 2 * _shared(called, expected) / (_parts(called) + _parts(expected))


def _parts(calls: Sequence[ToolCall]) -> int:
    """A call counts one for its name and one for each argument."""
    return sum(1 + len(call.arguments) for call in calls)


def _shared(called: Sequence[ToolCall], expected: Sequence[ToolCall]) -> int:
    """The most parts that a pairing of the calls leaves in common."""
    import numpy
    from scipy.optimize import linear_sum_assignment

    shared = numpy.array([[_in_common(call, expected_call) for expected_call in expected] for call in called])
    rows, columns = linear_sum_assignment(shared, maximize=True)
    return int(shared[rows, columns].sum())


def _in_common(call: ToolCall, expected_call: ToolCall) -> int:
    if call.name != expected_call.name:
        return 0
    return 1 + len(argument_texts(call).items() & argument_texts(expected_call).items())


def _turn_f1(answer: str, target: str) -> float:
    """Of calls where the target makes some, and else of words; a call where none is right is wrong."""
    if read_turn(target).calls:
        return _f1(answer, target)
    return 0.0 if read_turn(answer).calls else token_f1(answer, target)


def _has_form(reply: Reply) -> bool:
    """Whether an answer calls something where the target does, and else says something."""
    calls = any(read_turn(target).calls for target in reply.targets)
    return bool(read_turn(reply.answer).calls) if calls else bool(reply.answer.strip())


TOOL_CALLS = (
    Metric(
        "tool_call_match",
        "the functions of a target are called with its arguments, in any order, and no others",
        best(_match),
        parses=_has_form,
        binary=True,
        outputs=ANSWERS,
    ),
    Metric(
        "tool_call_f1",
        "F1 over the names and arguments of the functions called",
        best(_f1),
        parses=_has_form,
        outputs=ANSWERS,
    ),
    Metric(
        "turn_f1",
        "tool_call_f1 where the target calls functions, and token_f1 where it is a text",
        best(_turn_f1),
        parses=_has_form,
        outputs=ANSWERS,
    ),
)
