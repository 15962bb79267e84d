"""What customers and agents say about the slots of a booking."""

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
CITIES = (
    "Oslo", "Lima", "Paris", "Lagos", "Kyoto", "Quito", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston", "Ghent",
    "Malmo", "Leeds", "Accra", "Hanoi", "Bergen", "Denver", "Zagreb", "Split", "Basel", "Graz", "Tampere",
)  # fmt: skip
NUMBERS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)

SERVICES: dict[str, dict[str, str]] = {
    "table": {"day": "day", "time": "time", "people": "people"},
    "room": {"city": "city", "day": "day", "nights": "nights", "people": "people"},
    "train": {"from": "city", "to": "city", "day": "day", "time": "time"},
    "tour": {"city": "city", "day": "day", "time": "time", "people": "people"},
}
"""Service → slot → kind of value."""

OPENINGS: dict[str, tuple[str, ...]] = {
    "table": (
        "I would like to book a table.",
        "Could I have a table on {day}?",
        "We are {people} and want to eat out on {day}.",
        "A table at {time}, please.",
        "Is there a table for {people}?",
        "Please keep a table for {people}, {day} at {time}.",
    ),
    "room": (
        "I need a room.",
        "Do you have a room in {city}?",
        "I am looking for a hotel in {city}, {people} of us.",
        "We want to stay for {nights} from {day}.",
        "A room from {day}, please.",
        "Please book a hotel in {city} for {people}, {nights}.",
    ),
    "train": (
        "I want to go by train.",
        "A ticket to {to}, please.",
        "When is there a train from {from} to {to}?",
        "I have to be in {to} on {day}, by train.",
        "Is there a train at {time} on {day}?",
        "I leave {from} on {day} and need a train.",
    ),
    "tour": (
        "We would like a guided tour.",
        "Are there tours of {city}?",
        "A tour for {people}, please.",
        "On {day} we want to see {city} with a guide.",
        "Could a guide meet {people} of us at {time}?",
        "Please book a tour of {city} on {day}.",
    ),
}
NEXT_OPENINGS = (
    "And I need a {service} as well.",
    "Good. Then there is a {service} to book.",
    "That is all for the {first}. Now a {service}, please.",
    "Could you also find me a {service}?",
)

QUESTIONS: dict[str, tuple[str, ...]] = {
    "day": ("For which day?", "Which day suits you?", "When shall I book it?"),
    "time": ("At what time?", "Which time do you prefer?", "At which hour?"),
    "people": ("How many people?", "How many of you are there?", "For how many?"),
    "nights": ("For how many nights?", "How long will you stay?"),
    "city": ("In which city?", "Which city, please?"),
    "from": ("Where do you leave from?", "From which station?"),
    "to": ("Where do you want to go?", "And the destination?"),
}
"""By slot if it has questions of its own, else by kind of value."""

ANSWERS = (
    "{value}.",
    "{value}, please.",
    "Let us say {value}.",
    "I think {value} is best.",
    "Make it {value}.",
    "{value} would do.",
)
DISTRACTED = (
    "Last time it was {other}, now {value}.",
    "My sister wanted {other}, but I prefer {value}.",
    "Not {other}, please. {value}.",
    "{value}. The {other} from your advertisement does not suit me.",
    "We talked about {other} at home and agreed on {value}.",
    "{value}, although {other} would have been nice.",
)
CORRECTIONS = (
    "Sorry, not {other}. It has to be {value}.",
    "Wait, I said {other}. I meant {value}.",
    "Oh, {other} does not work after all. Can you change it to {value}?",
    "My mistake: {value}, and not {other}.",
    "Please change {other} to {value}.",
)
OFFERS = (
    "I can offer {first} or {second}.",
    "There is {first} and there is {second}.",
    "Only {first} and {second} are left.",
)
CHOICES = (
    ("The first one, please.", "The second one, please."),
    ("Then the former.", "Then the latter."),
    ("What you named first.", "What you named last."),
)

REFERENCES: dict[str, tuple[tuple[str, int], ...]] = {
    "day": (
        ("The same day as the {first}.", 0),
        ("The day after the {first}.", 1),
        ("One day before the {first}.", -1),
    ),
    "time": (
        ("The same time as the {first}.", 0),
        ("An hour after the {first}.", 60),
        ("Two hours before the {first}.", -120),
    ),
    "people": (
        ("As many as for the {first}.", 0),
        ("One more than for the {first}.", 1),
        ("Two more than for the {first}.", 2),
    ),
    "city": (("The same city as the {first}.", 0), ("There, too.", 0)),
}
"""How the second booking refers to a slot of the first, and by how much its value differs."""

ACKNOWLEDGEMENTS = ("", "", "Fine.", "All right.", "Of course.", "Noted.", "Thank you.")
CLOSINGS = ("Is that all?", "Anything else?", "I have noted it. What else can I do?")
