"""Numbers, names and foreign text in the form the pages show them."""

import hashlib
import itertools
import math
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.records.scores import MetricCard, TaskCard
from harness.statistics import Estimate
from harness.sweep.methods import METHOD_TABLE, TUNERS
from harness.sweep.run import Run
from harness.task.metric import Scale
from harness.visible import visible

MISSING = "–"
MINUS = "−"
LONGEST_TEXT = 1200
"""Characters of a prompt or an answer that a page shows."""

LONGEST_SHOWN = 5_000
"""Characters of any text on a page: far more than its own words and the paths of its charts have."""

LONGEST_REASON = 400
"""Characters of why something went wrong, where many such stand together."""

LONGEST_SETTING = 200
"""Characters of a setting."""

SHORTEST_NAME = 8
"""Characters of a model's name that a chart does not go below to show its method."""


def method_name(*runs: Run) -> str:
    """`LoRA r16`, `few-shot tuning r8, 32 samples`, `vote of 3`: the method of a candidate, with the rank of
    its adapter.

    Where the runs of a candidate differ in that, from the least to the most: `LoRA r8–16`.
    """
    run = runs[0]
    method = run.candidate.method
    row = METHOD_TABLE[method]
    name = row.label
    if run.members:
        return f"{name} of {span(len(member_run.members) for member_run in runs)}"
    if not run.stages:
        return name
    if method not in TUNERS:
        # An adapter goes without saying.
        name = f"{name} {TUNERS[run.stages[-1].tuner].short}".rstrip()
    ranks = [
        member_run.training.r
        for member_run in runs
        if member_run.training is not None and member_run.training.r is not None
    ]
    if ranks:
        name += f" r{span(ranks)}"
    if "few_shot_tuning" in row.stages:
        name += f", {span(member_run.budget or 0 for member_run in runs)} samples"
    return name


def span(numbers: Iterable[int]) -> str:
    """`16`, or `8–16`."""
    values = set(numbers)
    smallest, largest = min(values), max(values)
    return f"{smallest:,}" if smallest == largest else f"{smallest:,}–{largest:,}"


def points(value: float, *, sign: bool = False) -> str:
    """A score or a gain on the scale of 0 to 100, with a true minus."""
    rounded = round(100 * value, 1) + 0.0  # + 0.0 turns −0.0 into 0.0
    digits = f"{abs(rounded):.1f}"
    if rounded < 0:
        return MINUS + digits
    return f"+{digits}" if sign and rounded > 0 else digits


SHARES = Scale()


@dataclass(frozen=True)
class Unit:
    """How what boards compare, on a scale of 0 to 1, is written: in points, or in the unit of a metric that
    has other ends. A score is then a value of that metric; a gain is how much better it is, so that more is
    always better."""

    scale: Scale = SHARES
    noun: str = "points"
    """What follows an amount in a sentence: `0.42 mae`."""

    @classmethod
    def of(cls, card: TaskCard) -> "Unit":
        """That of a task's primary metric."""
        scale = card.metrics[card.primary_metric].scale
        return cls() if scale.is_share else cls(scale, card.primary_metric)

    @property
    def is_points(self) -> bool:
        """Whether there is no unit but points."""
        return self.scale.is_share

    @property
    def whole(self) -> float:
        """What the whole scale is in the unit."""
        return 100.0 if self.is_points else abs(self.scale.best - self.scale.worst)

    @property
    def decimals(self) -> int:
        """So many that a thousandth of the scale shows."""
        return max(0, round(3 - math.log10(self.whole)))

    @property
    def steps(self) -> float:
        """How many steps of the last digit that shows the whole scale has."""
        return self.whole * 10.0**self.decimals

    def tick(self, share: float, *, sign: bool = False) -> str:
        """A round score or gain at an axis, without the zeros at its end."""
        integer_part, point, decimals = self.write(share, sign=sign).partition(".")
        return f"{integer_part}{point}{decimals}".rstrip("0").rstrip(".") if point else integer_part

    def width(self, share: float) -> str:
        """A distance between two scores, without a sign."""
        return self.write(share, sign=True).lstrip("+")

    def amount(self, share: float) -> str:
        """A gain as part of a sentence: `3.0 points`, `0.30 mae`."""
        return f"{self.width(share)} {self.noun}"

    def write(self, share: float, *, sign: bool = False) -> str:
        """A score, or with a sign a gain."""
        if self.is_points:
            return points(share, sign=sign)
        number = round(share * self.whole if sign else self.scale.value(share), self.decimals) + 0.0
        digits = f"{abs(number):,.{self.decimals}f}"
        if number < 0:
            return MINUS + digits
        return f"+{digits}" if sign and number > 0 else digits


POINTS = Unit()


def interval(estimate: Estimate, *, sign: bool = False, unit: Unit = POINTS) -> str:
    """The 95 % interval, without brackets, the smaller number first. Signed ends are joined by `to`, where a
    dash could be read as a minus."""
    ends = [unit.write(end, sign=sign) for end in (estimate.low, estimate.high)]
    falls = unit.scale.best < unit.scale.worst and not sign
    low, high = reversed(ends) if falls else ends
    return f"{low} to {high}" if sign or low.startswith(MINUS) else f"{low}–{high}"


def with_interval(estimate: Estimate, *, sign: bool = False, unit: Unit = POINTS) -> str:
    """`71.2 (69.8–72.6)`."""
    return f"{unit.write(estimate.value, sign=sign)} ({interval(estimate, sign=sign, unit=unit)})"


def usd(amount: float | None) -> str:
    """Dollars to two significant digits, as no measured cost has more: `$1,200`, `$290`, `$1.20`, `$0.04`,
    `$0.00013`."""
    if amount is None:
        return MISSING
    if amount == 0:
        return "$0"
    if amount < 1e-7:
        return "< $0.0000001"
    rounded = float(f"{amount:.1e}")
    if rounded >= 10:
        return f"${rounded:,.0f}"
    return f"${rounded:.{max(2, 1 - int(f'{rounded:e}'.partition('e')[2]))}f}"


def round_usd(amount: float) -> str:
    """Dollars that somebody wrote, to the cent, and without cents where there are none: `$10`, `$1.50`,
    `$1,125`."""
    if amount < 0.095:
        return usd(amount)
    return f"${amount:,.0f}" if amount >= 999.995 else f"${amount:.2f}".removesuffix(".00")


def signed_usd(amount: float) -> str:
    """`+$12.30`, `−$4.00`: a difference of dollars."""
    if amount == 0:
        return "$0"
    return f"{'+' if amount > 0 else MINUS}{usd(abs(amount))}"


def plain_usd(amount: float) -> str:
    """`$12`, `−$4.00`: dollars that may be less than none."""
    return f"{MINUS if amount < 0 else ''}{usd(abs(amount))}"


def percent(share: float) -> str:
    """`84 %`; a share counted over draws is never said to be none or all."""
    if share < 0.01:
        return "< 1 %"
    return "> 99 %" if share > 0.99 else f"{100 * share:.0f} %"


def p_value(p: float) -> str:
    """`0.03`, `< 0.001`: a p-value with the digits that matter."""
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def volume(requests: float) -> str:
    """A number of requests to three digits: `22,500`, `1.2 million`."""
    rounded = float(f"{requests:.3g}")
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if rounded >= size:
            return f"{rounded / size:.3g} {word}"
    return f"{rounded:,.0f}"


def from_volume(requests: float) -> str:
    """A break-even volume: `22,500`, and `at once` where there is nothing to pay back."""
    return volume(requests) if requests else "at once"


def duration(seconds: float | None) -> str:
    """`0.8 s`, `45 s`, `3.2 min`, `1.5 h`."""
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / 3600:,.1f} h"


def quantity(value: float | None) -> str:
    """`612`, `18.4k`, `5.8M`, `8.0B`: a count of anything, to about three digits."""
    if value is None:
        return MISSING
    rounded = float(f"{value:.3g}")
    for size, unit in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if rounded >= size:
            return f"{rounded / size:.3g}{unit}"
    return f"{rounded:.3g}"


def scientific(value: float) -> str:
    """`0.83`, `2e-4`: a number of any size to three digits."""
    if value == 0 or 0.001 <= abs(value) < 1e6:
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    digits, _, power = f"{value:.2e}".partition("e")
    return f"{digits.rstrip('0').rstrip('.')}e{int(power)}"


def setting_text(value: object) -> str:
    """The value of a training setting."""
    if value is None:
        return MISSING
    if isinstance(value, float):
        return scientific(value)
    if isinstance(value, list | tuple):
        return shortened(", ".join(map(str, value)), LONGEST_SETTING)
    return shortened(str(value), LONGEST_SETTING)


def in_units(card: MetricCard | None, value: float | None) -> str:
    """A metric in points where it ends at 1, else in its own unit."""
    if value is None:
        return "no end"
    if card is None or (card.scale.is_share and card.high != 1.0):
        return f"{value:.4g}"
    return points(value) if card.high == 1.0 else Unit(card.scale).write(card.scale.share(value))


def flops(value: float) -> str:
    """`5.8e17`, or a dash where nothing was trained."""
    return f"{value:.1e}".replace("e+0", "e").replace("e+", "e") if value else MISSING


def size_of_memory(size: int) -> str:
    """`2.1 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def shown(text: str) -> str:
    """Any text as a page has it: whatever it holds, it is readable and in bounds."""
    return visible(shortened(text, LONGEST_SHOWN))


def shortened(text: str, limit: int = LONGEST_TEXT) -> str:
    """The start of a long text, with its full length stated."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]} … [the first {limit:,} of {len(text):,} characters]"


def opening(text: str, limit: int) -> str:
    """The first words of a text, on one line."""
    line = " ".join(text[: 4 * limit].split())
    if len(line) <= limit and len(text) <= 4 * limit:
        return line
    words = line[: limit - 1].rpartition(" ")[0] or line[: limit - 1]
    return f"{words}…"


def candidate_label(name: str, method_name: str) -> str:
    """`small · LoRA r16`: how people read a candidate."""
    return f"{name} · {method_name}"


def chart_label(name: str, method_name: str, limit: int) -> str:
    """A candidate's label with room in a chart: of a long one the model is cut, not the method that tells its
    rows apart."""
    label = candidate_label(name, method_name)
    if letters_wide(label) <= limit:
        return label
    ending = candidate_label("…", method_name)
    room = limit - letters_wide(ending)
    if room < SHORTEST_NAME:
        return f"{_start_of(label, limit - letters_wide('…'))}…"
    return f"{_start_of(name, room)}{ending}"


def letters_wide(text: str) -> float:
    """About how wide a text is as the pages show it, in letters of a chart's usual width."""
    return sum(map(_letter_wide, visible(text)))


def _letter_wide(letter: str) -> float:
    if unicodedata.category(letter) in _WITHOUT_WIDTH:
        return 0.0
    if letter in _WIDEST or unicodedata.east_asian_width(letter) in "WF":
        return 2.0
    if letter in _NARROW:
        return 0.6
    return 1.4 if letter.isupper() or letter == "w" else 1.1


_WITHOUT_WIDTH = {"Mn", "Me", "Cf"}
_WIDEST = set("MWm…@%")
_NARROW = set("IJfijlrt .,:;'|!()[]/-·")


def _start_of(text: str, room: float) -> str:
    """As much of a text as is no wider than so many letters."""
    ends = itertools.accumulate(map(letters_wide, text))
    return text[: sum(end <= room for end in ends)].rstrip("-._ ")


def slug(name: str) -> str:
    """A file name for anything: letters, digits, dot, dash and underscore. A changed name gets a hash, so
    none collide."""
    cleaned = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:80] or "page"
    return cleaned if cleaned == name else _hashed(cleaned, name)


def page_slug(name: str) -> str:
    """A file name in a site, which may lie where capitals do not count: a name that has some gets a hash,
    too."""
    plain = slug(name)
    return _hashed(plain, name) if plain == name != name.lower() else plain


def _hashed(cleaned: str, name: str) -> str:
    return f"{cleaned}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def without_folder(message: str, folder: Path) -> str:
    """A message with its paths as seen from the folder. A path begins where the message does, or after a
    space or quote."""
    return re.sub(rf"""(?<![^\s"'(]){re.escape(f"{folder}/")}""", "", message)
