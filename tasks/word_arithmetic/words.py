"""The words and sentence patterns of the problems."""

PEOPLE = (
    "Ada", "Amir", "Bella", "Boris", "Carla", "Chen", "Dana", "Dario", "Elena", "Emil", "Farah", "Felix", "Grace", "Gustav",
    "Hanna", "Hugo", "Iris", "Isak", "Jana", "Jonas", "Katya", "Kofi", "Laila", "Leon", "Marta", "Mateo", "Nina", "Noah",
    "Olive", "Oscar", "Paula", "Pedro", "Rania", "Robin", "Sara", "Simon", "Tara", "Theo", "Ulla", "Umar", "Vida", "Vito",
    "Wendy", "Yasmin", "Yann", "Zara",
)  # fmt: skip

ITEMS = (
    "apples", "badges", "balloons", "beads", "biscuits", "bolts", "books", "bottles", "bricks", "bulbs", "buttons", "cards",
    "candles", "carrots", "chairs", "chestnuts", "coins", "crayons", "cups", "eggs", "envelopes", "figs", "flowers", "forks",
    "lemons", "magnets", "marbles", "masks", "muffins", "nails", "olives", "onions", "oranges", "pancakes", "peaches",
    "pebbles", "pencils", "photos", "plates", "plums", "posters", "ribbons", "rolls", "screws", "seeds", "shells", "spoons",
    "stamps", "stickers", "tickets", "tiles", "tomatoes", "towels", "tulips", "walnuts", "whistles",
)  # fmt: skip

CONTAINERS = (
    "bags", "baskets", "boxes", "bundles", "cartons", "cases", "crates", "drawers", "jars", "packets", "sacks", "trays",
)  # fmt: skip
COLOURS = ("red", "blue", "green", "yellow", "white", "black", "silver", "brown", "grey", "purple")
DAYS = (
    "On Monday",
    "The next day",
    "On Friday",
    "After lunch",
    "Later",
    "In the evening",
    "A week later",
    "Then",
)

NUMBER_WORDS = {
    2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight", 9: "nine", 10: "ten", 11: "eleven",
    12: "twelve",
}  # fmt: skip

# Beginnings: what there is before anything happens.
HAVE = (
    "{person} has {a} {items}.",
    "There are {a} {items} on {person}'s table.",
    "{person} owns {a} {items}.",
    "{person} starts the week with {a} {items}.",
    "In {person}'s cupboard there are {a} {items}.",
    "{person} has collected {a} {items}.",
)
PACKS = (
    "{person} buys {a} {containers} with {b} {items} each.",
    "{person} fills {a} {containers} with {b} {items} each.",
    "There are {a} {containers} in {person}'s shop, and each holds {b} {items}.",
    "{person} has {a} {containers} of {b} {items}.",
    "Each of {person}'s {a} {containers} holds {b} {items}.",
)
TWO_KINDS = (
    "{person} has {a} {colour} and {b} {colour_2} {items}.",
    "{person} keeps {a} {colour} {items} and {b} {colour_2} ones.",
    "{person} got {a} {colour} {items} from an aunt and {b} {colour_2} ones from an uncle.",
    "On {person}'s shelf lie {a} {colour} {items}, and beside them {b} {colour_2} ones.",
)
DAILY = (
    "{person} collects {b} {items} a day for {a} days.",
    "For {a} days {person} sets {b} {items} aside each day.",
    "Every day {person} gets {b} {items}, and this goes on for {a} days.",
    "{person} works {a} days and makes {b} {items} on each of them.",
)

# What happens next.
GAIN = (
    "{day}, {person} gets {a} more {items}.",
    "{day}, {friend} gives {person} another {a} {items}.",
    "{day}, {a} more {items} are added.",
    "{day}, {person} finds {a} {items} in a drawer and adds them.",
    "{day}, {person} buys another {a} {items}.",
)
LOSE = (
    "{day}, {person} gives {a} {items} to {friend}.",
    "{day}, {a} of the {items} get lost.",
    "{day}, {person} sells {a} {items}.",
    "{day}, {friend} borrows {a} of the {items}.",
    "{day}, {a} {items} turn out to be broken and are thrown away.",
    "{day}, {person} uses {a} {items}.",
)
GAIN_PACKS = (
    "{day}, {person} gets {a} more {containers}, each with {b} {items}.",
    "{day}, {friend} brings {a} {containers} with {b} {items} in each and leaves them with {person}.",
    "{day}, {person} adds {a} {containers} of {b} {items}.",
)
LOSE_PACKS = (
    "{day}, {person} gives {b} {items} to each of {a} neighbours.",
    "{day}, {a} guests take {b} {items} each.",
    "{day}, {person} sells {a} {containers} with {b} of the {items} in each.",
)
GROW = (
    "{day}, the number of {items} has grown to {times} what it was.",
    "{day}, {person} has {times} as many {items} as before.",
    "{day}, {person} counts the {items} again and finds {times} as many.",
)
PART_GOES = (
    "{day}, {person} gives {part} of the {items} to {friend}.",
    "{day}, {part} of the {items} are sold.",
    "{day}, {person} loses {part} of the {items}.",
    "{day}, {friend} takes {part} of the {items} home.",
)

# What is asked.
HOW_MANY = (
    "How many {items} does {person} have now?",
    "How many {items} are there in the end?",
    "What is the number of {items} after all this?",
    "With how many {items} does {person} end up?",
)
SHARE = (
    "{person} shares the {items} equally among {a} friends. How many {items} does each friend get?",
    "The {items} are put into {a} {containers}, the same number in each. How many are in each of them?",
    "{a} children share all of the {items} evenly. How many does one child get?",
)
GROUP = (
    "{person} puts the {items} into {containers} of {a}. How many {containers} does that take?",
    "{a} {items} fit into one of the {containers}. How many {containers} can {person} fill?",
    "If {person} uses {a} {items} a day, for how many days do they last?",
)
PRICE = (
    "{person} sells all the {items} at {a} euros each. How many euros does that make?",
    "One of the {items} is worth {a} euros. How many euros are all of them worth?",
    "At {a} euros apiece, how many euros does {person} get for all the {items}?",
)
MORE_THAN = (
    "{friend} has {a} {items} more than {person} has now. How many {items} does {friend} have?",
    "{person} now has {a} {items} fewer than {friend}. How many does {friend} have?",
)
FEWER_THAN = (
    "{friend} has {a} {items} fewer than {person} has now. How many {items} does {friend} have?",
    "{person} now has {a} {items} more than {friend}. How many does {friend} have?",
)
MISSING = (
    "{person} needs {a} {items} for a party. How many are still missing?",
    "How many more {items} does {person} need to have {a}?",
    "{person} would like to have {a} {items}. How many more does that take?",
)
TOGETHER = (
    "{friend} has {a} {items} more than {person} has now. How many {items} do the two have together?",
    "{person} now has {a} {items} fewer than {friend}. How many do {person} and {friend} have in all?",
)

# Numbers that do not matter.
DISTRACTORS = (
    "{other} is {n} years old.",
    "{other} lives at number {n}.",
    "{other} has {n} {other_items}.",
    "It is {n} kilometres to the next town.",
    "{other} has been up for {n} hours.",
    "The bus leaves in {n} minutes.",
    "There are {n} {other_items} in the room next door.",
    "{other} paid {n} euros for a new bag.",
    "The street has {n} houses.",
    "{other} is reading page {n} of a novel.",
    "Outside it is {n} degrees.",
)

# The steps of the solution; {x} is the number before the step, {y} the one after.
TELL_START = (
    "At first: {sum} {items}.",
    "{person} begins with {sum} {items}.",
    "To begin with there are {sum} {items}.",
)
TELL_PACKS = ("The {containers} hold {sum} {items}.", "In the {containers}: {sum} {items}.")
TELL_NOW = ("Now there are {sum} {items}.", "That makes {sum} {items}.", "Then there are {sum} {items}.")
TELL_LEFT = ("There are {sum} {items} left.", "That leaves {sum} {items}.")
TELL_GOES = ("What goes away: {sum} {items}.", "{sum} {items} go away.")
