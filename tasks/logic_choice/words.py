"""The words and sentence patterns of the puzzles."""

PEOPLE = (
    "Ada", "Amir", "Bram", "Carla", "Cem", "Dora", "Edwin", "Elif", "Femi", "Gita", "Goran", "Hanna", "Hugo", "Ines", "Ivan",
    "Jana", "Kenji", "Kofi", "Lena", "Luca", "Mara", "Milan", "Nadia", "Nils", "Olga", "Owen", "Petra", "Priya", "Quinn",
    "Ravi", "Rosa", "Sven", "Tara", "Theo", "Uma", "Vera", "Vito", "Wim", "Yara", "Zoe",
)  # fmt: skip
PARCELS = tuple(
    f"the {colour} parcel" for colour in ("red", "blue", "green", "white", "black", "yellow", "brown", "grey")
)
TOWNS = (
    "Ashby",
    "Bexley",
    "Corwen",
    "Dunmore",
    "Elgin",
    "Fairford",
    "Glenrock",
    "Harlow",
    "Ilford",
    "Kelso",
    "Lydd",
)
TRAINS = tuple(f"the train to {town}" for town in TOWNS)
BOOKS = tuple(
    f"the {book}"
    for book in ("atlas", "dictionary", "novel", "cookbook", "diary", "comic", "songbook", "grammar", "guide")
)
PICTURES = tuple(
    f"the {motif} picture"
    for motif in ("harbour", "mill", "forest", "castle", "horse", "bridge", "lake", "market")
)
CARS = tuple(
    f"the {car}" for car in ("van", "taxi", "truck", "bus", "tractor", "jeep", "ambulance", "camper", "tram")
)


def _compared(higher: str, lower: str, quality: str) -> tuple[str, ...]:
    """Ways to say that `{0}` has more of a quality."""
    return (
        f"{{0}} is {higher} than {{1}}",
        f"{{1}} is {lower} than {{0}}",
        f"{{1}} is not as {quality} as {{0}}",
        f"compared with {{1}}, {{0}} is {higher}",
        f"compared with {{0}}, {{1}} is {lower}",
        f"of {{0}} and {{1}}, the {lower} one is {{1}}",
        f"of {{1}} and {{0}}, the {higher} one is {{0}}",
    )


SCALES = (
    (PEOPLE, _compared("taller", "shorter", "tall")),
    (PEOPLE, _compared("older", "younger", "old")),
    (PEOPLE, _compared("faster", "slower", "fast")),
    (PEOPLE, _compared("richer", "poorer", "rich")),
    (PEOPLE, _compared("stronger", "weaker", "strong")),
    (PEOPLE, _compared("louder", "quieter", "loud")),
    (PARCELS, _compared("heavier", "lighter", "heavy")),
    (PARCELS, _compared("bigger", "smaller", "big")),
    (TOWNS, _compared("colder", "warmer", "cold")),
    (TOWNS, _compared("larger", "smaller", "large")),
    (BOOKS, _compared("thicker", "thinner", "thick")),
    (BOOKS, _compared("dearer", "cheaper", "dear")),
    (CARS, _compared("newer", "older", "new")),
    (
        PEOPLE,
        (
            "{0} arrived after {1}",
            "{1} arrived before {0}",
            "{0} came later than {1}",
            "{1} was there earlier than {0}",
            "when {0} arrived, {1} was already there",
            "when {1} arrived, {0} was not there yet",
        ),
    ),
    (
        TRAINS,
        (
            "{0} leaves after {1}",
            "{1} leaves before {0}",
            "{0} departs later than {1}",
            "{1} departs earlier than {0}",
            "when {0} leaves, {1} has already left",
            "when {1} leaves, {0} is still waiting",
        ),
    ),
)
"""What is compared, and ways to say that `{0}` is above `{1}`."""

ROWS = (
    ("{} sit side by side on a bench, in some order.", PEOPLE, "sits"),
    ("{} stand in a row for a photo, in some order.", PEOPLE, "stands"),
    ("{} live in neighbouring houses of one street, a house each.", PEOPLE, "lives"),
    ("{} lie side by side on a table, in some order.", PARCELS, "lies"),
    ("{} stand side by side on a shelf, in some order.", BOOKS, "stands"),
    ("{} hang side by side on a wall, in some order.", PICTURES, "hangs"),
    ("{} are parked side by side, in some order.", CARS, "is parked"),
)
"""An introduction, the things in a row, and the verb for them."""

ROW_FACTS = {
    "above": (
        "{0} VERB somewhere to the right of {1}",
        "{1} VERB somewhere to the left of {0}",
        "{0} VERB further right than {1}",
        "{1} VERB further left than {0}",
        "going from left to right, {1} comes before {0}",
        "going from right to left, {0} comes before {1}",
    ),
    "beside": (
        "{0} VERB right next to {1}",
        "{0} and {1} are direct neighbours",
        "there is nothing and nobody between {0} and {1}",
    ),
    "apart": (
        "{0} and {1} are not next to each other",
        "{0} is no direct neighbour of {1}",
        "between {0} and {1} there is at least one other",
    ),
    "end": (
        "{0} VERB at one of the two ends",
        "{0} has only one direct neighbour",
        "{0} is either first or last in the row",
    ),
    "inner": (
        "{0} VERB between two others",
        "{0} has two direct neighbours",
        "{0} is neither first nor last in the row",
    ),
}

MATCHINGS = (
    (
        "{} each play another one of these instruments: {}.",
        ("{0} plays {1}", "the one who plays {1} is {0}"),
        ("{0} does not play {1}", "the one who plays {1} is not {0}"),
        ("the harp", "the flute", "the tuba", "the drums", "the cello", "the organ", "the banjo", "the oboe"),
    ),
    (
        "{} each own a different one of these animals: {}.",
        ("{0} owns {1}", "the owner of {1} is {0}"),
        ("{0} does not own {1}", "the owner of {1} is not {0}"),
        ("the cat", "the dog", "the goose", "the pony", "the parrot", "the rabbit", "the goat", "the turtle"),
    ),
    (
        "{} each wear a different hat: {}.",
        ("{0} wears {1}", "{1} is on the head of {0}"),
        ("{0} does not wear {1}", "{1} is not on the head of {0}"),
        (
            "the straw hat",
            "the top hat",
            "the beret",
            "the bowler",
            "the turban",
            "the fez",
            "the sun hat",
            "the cap",
        ),
    ),
    (
        "{} each ordered a different dish: {}.",
        ("{0} ordered {1}", "{1} is for {0}"),
        ("{0} did not order {1}", "{1} is not for {0}"),
        (
            "the soup",
            "the salad",
            "the pasta",
            "the curry",
            "the pizza",
            "the risotto",
            "the stew",
            "the pie",
        ),
    ),
    (
        "{} each drive one of these, and nobody drives the same: {}.",
        ("{0} drives {1}", "{1} belongs to {0}"),
        ("{0} does not drive {1}", "{1} does not belong to {0}"),
        CARS,
    ),
    (
        "{} each travel to a different town: {}.",
        ("{0} travels to {1}", "the one on the way to {1} is {0}"),
        ("{0} does not travel to {1}", "the one on the way to {1} is not {0}"),
        TOWNS,
    ),
    (
        "{} each teach a different subject: {}.",
        ("{0} teaches {1}", "lessons in {1} are given by {0}"),
        ("{0} does not teach {1}", "lessons in {1} are not given by {0}"),
        ("music", "biology", "history", "physics", "drawing", "Latin", "chemistry", "geography"),
    ),
    (
        "{} each have their birthday in a different month: {}.",
        ("{0} was born in {1}", "the birthday in {1} is that of {0}"),
        ("{0} was not born in {1}", "the birthday in {1} is not that of {0}"),
        ("January", "March", "April", "June", "July", "August", "October", "December"),
    ),
)
"""Ways to say who has what, ways to deny it, and the things to have."""

NOUN_PARTS = (
    (
        "b",
        "bl",
        "br",
        "d",
        "dr",
        "f",
        "fl",
        "g",
        "gr",
        "k",
        "l",
        "m",
        "n",
        "p",
        "pl",
        "r",
        "s",
        "st",
        "t",
        "tr",
        "v",
        "w",
        "z",
    ),
    ("a", "e", "i", "o", "u", "oo"),
    ("b", "bb", "d", "l", "lm", "mp", "nd", "nt", "rg", "rk", "rm", "sk", "t", "v", "x"),
    ("ack", "el", "er", "et", "ick", "in", "ip", "ler", "or", "ot", "um", "us"),
)
"""Beginnings, middles and ends of invented nouns."""

KIND_FACTS = {
    "if": (
        "every {0} is a {1}",
        "each {0} is also a {1}",
        "whatever is a {0} is a {1} too",
        "nothing but a {1} can be a {0}",
        "there is no {0} that is not a {1}",
    ),
    "nand": (
        "no {0} is a {1}",
        "a {0} is never a {1}",
        "nothing is both a {0} and a {1}",
        "whatever is a {0} is not a {1}",
    ),
    "yes": ("NAME is a {0}", "NAME is known to be a {0}", "it is true that NAME is a {0}", "one {0} is NAME"),
    "no": (
        "NAME is not a {0}",
        "NAME is known not to be a {0}",
        "it is false that NAME is a {0}",
        "NAME is no {0}",
    ),
}

CONDITIONS = (
    "the bridge is open", "the ferry is late", "the shop is crowded", "the lamp is on", "the door is locked",
    "the lake is frozen", "the road is wet", "the soup is hot", "the kitchen is clean", "the alarm is set",
    "the library is open", "the dog is asleep", "the train is full", "the garden is dry", "the tower is lit",
    "the pump is running", "the market is busy", "the gate is shut", "the boss is away", "the printer is broken",
    "the water is clear", "the museum is closed", "the fire is out", "the wind is strong", "the heating is on",
    "the pool is empty", "the bakery is open", "the lift is stuck", "the hall is dark", "the band is playing",
    "the oven is warm", "the window is open", "the cat is outside", "the phone is charged", "the bus is early",
    "the flag is up", "the field is muddy", "the harbour is calm", "the safe is locked", "the stage is ready",
)  # fmt: skip
CONDITION_FACTS = {
    "if": (
        "if {0}, then {1}",
        "{1} whenever {0}",
        "{0} only if {1}",
        "if {not_1}, then {not_0}",
        "unless {1}, {not_0}",
    ),
    "nand": (
        "if {0}, then {not_1}",
        "it never happens that {0} while {1}",
        "whenever {1}, {not_0}",
        "either {not_0} or {not_1}, or both",
    ),
    "or": (
        "{0}, or {1}, or both",
        "if {not_0}, then {1}",
        "unless {0}, {1}",
        "at least one of two things holds: {0}, or {1}",
    ),
    "yes": ("{0}", "it is the case that {0}", "right now {0}", "everyone can see that {0}"),
    "no": ("{not_0}", "it is not the case that {0}", "right now {not_0}", "everyone can see that {not_0}"),
}
