"""Units by dimension, and the sentences that hold quantities."""

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Unit:
    """A unit, as a multiple of a reference unit of its dimension."""

    name: str
    """In the plural, as questions ask for it."""

    short: str
    factor: str
    """How many reference units make one of these: exact by definition."""

    metric: bool = True
    zero: str = "0"
    """The zero of the scale in reference units; only for temperatures."""

    def to_reference(self, amount: Fraction) -> Fraction:
        return amount * Fraction(self.factor) + Fraction(self.zero)

    def from_reference(self, amount: Fraction) -> Fraction:
        return (amount - Fraction(self.zero)) / Fraction(self.factor)


@dataclass(frozen=True)
class Setting:
    """A sentence with a gap for a quantity, and the quantities that are plausible there."""

    sentence: str
    units: tuple[str, ...]
    """The units, by `Unit.short`, that the quantity may be given in. Two joined by a plus are used together:
    `ft+in`."""

    low: int
    high: int


@dataclass(frozen=True)
class Dimension:
    """Units that convert into each other."""

    units: tuple[Unit, ...]
    settings: tuple[Setting, ...]
    hard: bool = False
    """Whether a conversion takes more than one well-known factor."""

    def unit(self, short: str) -> Unit:
        return next(unit for unit in self.units if unit.short == short)


LENGTH = Dimension(
    (
        Unit("millimetres", "mm", "0.001"),
        Unit("centimetres", "cm", "0.01"),
        Unit("metres", "m", "1"),
        Unit("kilometres", "km", "1000"),
        Unit("inches", "in", "0.0254", metric=False),
        Unit("feet", "ft", "0.3048", metric=False),
        Unit("yards", "yd", "0.9144", metric=False),
        Unit("miles", "mi", "1609.344", metric=False),
    ),
    (
        Setting("The trail around the lake is {} long.", ("km", "mi"), 2, 40),
        Setting("On day {n} the bus covered {}.", ("km", "mi"), 60, 700),
        Setting("The ferry sails {} to reach the island.", ("km", "mi"), 3, 90),
        Setting("Our table is {} wide.", ("cm", "in"), 30, 200),
        Setting("The {n} shelves are {} deep each.", ("cm", "in"), 12, 60),
        Setting("Screw {n} is {} long.", ("mm",), 12, 90),
        Setting("A swimmer has done {} so far.", ("m", "yd", "ft"), 50, 1500),
        Setting("The tower of the town hall is {} high.", ("m", "ft", "yd"), 20, 180),
        Setting("They dug a ditch of {}.", ("m", "ft", "yd"), 4, 90),
        Setting("The goalkeeper is {} tall.", ("ft+in",), 5, 6),
        Setting("Player {n} is {} tall.", ("cm",), 160, 205),
        Setting("Lane {n} of the track is marked at {}.", ("ft+in",), 8, 60),
        Setting("The curtain hangs down {}.", ("ft+in",), 3, 9),
    ),
)
MASS = Dimension(
    (
        Unit("grams", "g", "0.001"),
        Unit("kilograms", "kg", "1"),
        Unit("tonnes", "t", "1000"),
        Unit("ounces", "oz", "0.028349523125", metric=False),
        Unit("pounds", "lb", "0.45359237", metric=False),
    ),
    (
        Setting("The parcel weighs {}.", ("kg", "lb"), 2, 30),
        Setting("The dough needs {} of flour.", ("g",), 120, 900),
        Setting("For {n} pies take {} of butter.", ("oz",), 4, 32),
        Setting("All {n} sacks together weigh {}.", ("kg", "lb"), 60, 900),
        Setting("Truck {n} may carry {}.", ("t",), 2, 40),
        Setting("The lift is built for {}.", ("kg", "lb"), 300, 2000),
        Setting("The cat lost {} over the winter.", ("g",), 40, 700),
        Setting("Box {n} came in at {}.", ("kg", "lb", "lb+oz"), 3, 45),
        Setting("The newborn weighed {}.", ("lb+oz",), 5, 9),
        Setting("We picked {} of plums.", ("kg", "lb", "lb+oz"), 3, 50),
    ),
)
VOLUME = Dimension(
    (
        Unit("millilitres", "ml", "0.001"),
        Unit("litres", "l", "1"),
        Unit("cubic metres", "m3", "1000"),
        Unit("US fluid ounces", "US fl oz", "0.0295735295625", metric=False),
        Unit("US pints", "US pt", "0.473176473", metric=False),
        Unit("US gallons", "US gal", "3.785411784", metric=False),
    ),
    (
        Setting("The tank holds {}.", ("l", "US gal"), 20, 400),
        Setting("Pour {} of milk into the pan.", ("ml",), 60, 900),
        Setting("Jug {n} is filled with {} of lemonade.", ("US fl oz",), 12, 64),
        Setting("Bucket {n} still has {} in it.", ("l", "US pt"), 2, 14),
        Setting("The shower used {} of water.", ("l", "US gal"), 15, 120),
        Setting("They drank {} of tea on the way.", ("l", "US pt"), 2, 16),
        Setting("The {n} barrels take {} in all.", ("l", "US gal", "US gal+US pt"), 50, 900),
        Setting("The car was filled up with {}.", ("l", "US gal", "US gal+US pt"), 8, 60),
    ),
)
TIME = Dimension(
    (
        Unit("seconds", "s", "1"),
        Unit("minutes", "min", "60"),
        Unit("hours", "h", "3600"),
        Unit("days", "d", "86400"),
    ),
    (
        Setting("The film runs for {}.", ("h+min",), 2, 4),
        Setting("Runner {n} needed {}.", ("min", "min+s"), 11, 200),
        Setting("The flight takes {}.", ("h", "h+min"), 2, 14),
        Setting("The paint dries within {}.", ("h", "d+h"), 2, 9),
        Setting("The machine ran for {} without a stop.", ("h", "d", "d+h"), 3, 30),
        Setting("Song {n} lasts {}.", ("min+s",), 2, 11),
        Setting("Lift {n} waits for {}.", ("s",), 15, 240),
    ),
)
SPEED = Dimension(
    (
        Unit("metres per second", "m/s", "1"),
        Unit("kilometres per hour", "km/h", "5/18"),
        Unit("miles per hour", "mph", "0.44704", metric=False),
        Unit("knots", "kn", "1852/3600", metric=False),
    ),
    (
        Setting("The wind blows at {}.", ("m/s", "km/h", "mph", "kn"), 5, 45),
        Setting("The train passes town {n} at {}.", ("km/h", "mph"), 60, 180),
        Setting("A cyclist keeps up {}.", ("km/h", "mph", "m/s"), 6, 28),
        Setting("The boat makes {}.", ("kn", "km/h", "mph"), 4, 35),
        Setting("On road {n} you may drive {}.", ("km/h", "mph"), 30, 130),
    ),
    hard=True,
)
AREA = Dimension(
    (
        Unit("square metres", "m2", "1"),
        Unit("hectares", "ha", "10000"),
        Unit("square kilometres", "km2", "1000000"),
        Unit("square feet", "sq ft", "0.09290304", metric=False),
        Unit("acres", "ac", "4046.8564224", metric=False),
    ),
    (
        Setting("The flat has {}.", ("m2", "sq ft"), 35, 900),
        Setting("The orchard covers {}.", ("ha", "ac"), 2, 60),
        Setting("Field {n} measures {}.", ("ha", "ac", "m2"), 3, 800),
        Setting("The nature reserve spans {}.", ("km2", "ha", "ac"), 3, 500),
    ),
    hard=True,
)
TEMPERATURE = Dimension(
    (
        Unit("degrees Celsius", "°C", "1", zero="273.15"),
        Unit("degrees Fahrenheit", "°F", "5/9", metric=False, zero="45967/180"),
        Unit("kelvins", "K", "1"),
    ),
    (
        Setting("It was {} at noon.", ("°C", "°F"), -15, 38),
        Setting("Bake {n} loaves at {}.", ("°F",), 300, 460),
        Setting("The oven of kitchen {n} is set to {}.", ("°C",), 120, 260),
        Setting("The water in the pool has {}.", ("°F",), 62, 95),
        Setting("The sensor on shelf {n} reads {}.", ("K",), 180, 330),
    ),
    hard=True,
)

DIMENSIONS = (LENGTH, MASS, VOLUME, TIME, SPEED, AREA, TEMPERATURE)
