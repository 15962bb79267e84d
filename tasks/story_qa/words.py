"""The words and sentence patterns of the stories."""

PEOPLE = (
    "Ada", "Amir", "Bram", "Carmen", "Chiara", "Deniz", "Dora", "Edwin", "Elif", "Femi", "Fiona", "Gita", "Goran", "Greta",
    "Hassan", "Henry", "Ines", "Ivan", "Jamal", "Joao", "Kaja", "Kenji", "Lena", "Luca", "Mei", "Milan", "Nadia", "Nils",
    "Olga", "Owen", "Petra", "Priya", "Quentin", "Rosa", "Ravi", "Selma", "Sven", "Tariq", "Tilda", "Uma", "Ursula",
    "Vera", "Victor", "Wanda", "Wim", "Yara", "Yusuf", "Zoe",
)  # fmt: skip

PLACES = (
    "attic", "bakery", "ballroom", "barn", "bathroom", "boat house", "cellar", "chapel", "cinema", "classroom", "courtyard",
    "dining room", "gallery", "garage", "garden", "greenhouse", "hallway", "kitchen", "laboratory", "laundry", "library",
    "lighthouse", "lobby", "museum", "office", "pantry", "park", "post office", "stable", "studio", "swimming hall",
    "theatre", "tool shed", "tower", "town hall", "train station", "waiting room", "workshop",
)  # fmt: skip
"""All of them fit after "in the" and "to the"."""

THINGS = (
    "accordion", "basket", "bell", "blanket", "camera", "candle", "chessboard", "coat", "compass", "drum", "envelope",
    "flute", "globe", "guitar", "hammer", "hat", "helmet", "kettle", "key", "kite", "ladder", "lantern", "ledger", "letter",
    "map", "medal", "mirror", "newspaper", "parcel", "pillow", "pumpkin", "radio", "ring", "rope", "suitcase", "teapot",
    "telescope", "torch", "trophy", "umbrella", "vase", "violin",
)  # fmt: skip

BEGIN_PERSON = (
    "{person} was in the {place}.",
    "{person} had been in the {place} since early morning.",
    "The day began with {person} in the {place}.",
    "In the {place} sat {person}.",
    "At first, {person} was in the {place}.",
)
BEGIN_THING = (
    "The {thing} was in the {place}.",
    "In the {place} lay the {thing}.",
    "Somebody had left the {thing} in the {place}.",
    "The {thing} could be found in the {place}.",
)
BEGIN_HELD = (
    "{person} carried the {thing}.",
    "{person} had the {thing} from the start.",
    "The {thing} was with {person}.",
)

MOVE = (
    "went to the {place}",
    "walked over to the {place}",
    "hurried to the {place}",
    "ran to the {place}",
    "moved on to the {place}",
    "strolled to the {place}",
    "came to the {place}",
    "entered the {place}",
    "stepped into the {place}",
    "arrived in the {place}",
)
TAKE = (
    "picked up the {thing}",
    "took the {thing}",
    "grabbed the {thing}",
    "got hold of the {thing}",
    "collected the {thing}",
    "lifted the {thing} off the floor",
)
DROP = (
    "put down the {thing}",
    "left the {thing} there",
    "set the {thing} down",
    "dropped the {thing}",
    "laid the {thing} on a table there",
    "had no more use for the {thing} so it stayed there",
)
GIVE = (
    "gave the {thing} to {other}",
    "handed the {thing} to {other}",
    "passed {other} the {thing}",
    "handed {other} the {thing}",
    "let {other} have the {thing}",
    "entrusted {other} with the {thing}",
)
IDLE = (
    "hummed a tune",
    "talked about the weather",
    "checked the time",
    "dreamed of the {place}",
    "told a story about the {place}",
    "thought of going to the {place} but stayed",
    "asked who had seen the {thing}",
    "said nothing about the {thing}",
    "wrote a note about {other}",
    "wondered what {other} was doing",
)
"""What changes nothing, although it may mention anyone and anything."""

OPENERS = (
    "",
    "",
    "",
    "",
    "Then ",
    "Next, ",
    "After that, ",
    "A little later, ",
    "Soon after, ",
    "Before long, ",
)
JOINTS = (" and ", ", then ", " and after that ")

NUMBERS = ("none", "one", "two", "three", "four", "five", "six")
ALSO_NUMBERS = {
    "none": ("zero", "0"),
    **{word: (str(number),) for number, word in enumerate(NUMBERS) if number},
}
"""What is accepted besides the word."""
