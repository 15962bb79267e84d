"""Numbers as a table writes them: 1.234,5 kg, $1,234.50, 45 %."""

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from harness.errors import UserError
from harness.metrics.answers import DecimalMark, last_number, plain_number, written_numbers
from harness.task.metric import Metric, Reply
from harness.task.output import ANSWERS

_SPACES = " \u00a0\u2009\u202f"
"""Plain, no-break, thin, and narrow no-break."""


@dataclass(frozen=True)
class NumberFormat:
    """How the targets of a task write numbers, by which answers are read, too.

    Raises `UserError` for a mark that is neither a point nor a comma.
    """

    decimal: DecimalMark = "."
    """What stands before decimals; the other mark parts thousands."""

    unit: str = ""
    """What stands behind the number, or before it, such as kg, % or $; empty for plain numbers."""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise UserError(f"the decimal mark of a NumberFormat is '.' or ',', not {self.decimal!r}")

    def read(self, text: str) -> str:
        """The last number in a text that stands by the unit, or else the last one, written plainly; an empty
        string where there is none."""
        if not self.unit:
            return last_number(text, decimal=self.decimal)
        numbers = list(written_numbers(text, decimal=self.decimal))
        by_unit = next((number for number in reversed(numbers) if self._stands_by(number, text)), None)
        number = by_unit or (numbers[-1] if numbers else None)
        return plain_number(number, decimal=self.decimal) if number else ""

    def _stands_by(self, number: re.Match[str], text: str) -> bool:
        before, after = self._unit_before, self._unit_after
        start = number.start("digits")
        return (
            after.match(text, number.end()) is not None
            or before.search(text[max(0, start - len(self.unit) - 3) : start]) is not None
        )

    @cached_property
    def _unit_after(self) -> re.Pattern[str]:
        return re.compile(rf"[{_SPACES}]?{re.escape(self.unit)}(?![^\W\d_])")

    @cached_property
    def _unit_before(self) -> re.Pattern[str]:
        return re.compile(rf"(?<![^\W\d_]){re.escape(self.unit)}[{_SPACES}]?[-−–]?\Z")

    def write(self, number: float) -> str:
        """A number in digits, as the targets write it, without the unit."""
        return format(Decimal(repr(number)).normalize(), "f").replace(".", self.decimal)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """Whether the number is right."""
        return (
            Metric(
                "number_match",
                "the number of the answer equals that of a target",
                self._match,
                parses=self.has_number,
                binary=True,
                outputs=ANSWERS,
            ),
        )

    def has_number(self, reply: Reply) -> bool:
        """Whether the answer holds a number."""
        return self.read(reply.answer) != ""

    def _match(self, reply: Reply) -> float:
        number = self.read(reply.answer)
        expected = [target for each in reply.targets if (target := self.read(each))]
        # Decimals are exact with any number of digits; two different floats could both become infinite.
        return float(number != "" and Decimal(number) in map(Decimal, expected))


PLAIN_NUMBERS = NumberFormat()
"""Numbers with a decimal point and any unit, or none."""
