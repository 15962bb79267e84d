"""Write recipes whose later sentences agree with the earlier ones."""

import random
from dataclasses import dataclass

from harness import Row


@dataclass(frozen=True)
class Food:
    """Something to cook, in the words that recipes use for it."""

    name: str
    """As in "600 g of carrots"; later sentences call it "the carrots"."""

    grams: int
    """Per person."""

    prepare: str
    """The first step: "peel {food} and cut {it} into slices"."""

    minutes: int
    """Cooking time."""

    plural: bool = True

    @property
    def preparation(self) -> str:
        return self.prepare.format(food=f"the {self.name}", it="them" if self.plural else "it")


FOODS = (
    Food("carrots", 150, "peel {food} and cut {it} into slices", 20),
    Food("potatoes", 200, "peel {food} and cut {it} into cubes", 25),
    Food("red lentils", 70, "rinse {food} in a sieve", 15),
    Food("pumpkin", 200, "remove the seeds and dice {food}", 25, plural=False),
    Food("leeks", 150, "wash {food} well and cut {it} into rings", 15),
    Food("mushrooms", 120, "wipe {food} with a cloth and slice {it}", 10),
    Food("cauliflower", 180, "break {food} into small florets", 20, plural=False),
    Food("white beans", 120, "drain {food} and rinse {it}", 15),
    Food("tomatoes", 200, "quarter {food}", 20),
    Food("spinach", 150, "pick {food} over and chop {it} roughly", 5, plural=False),
    Food("chicken", 160, "cut {food} into strips and salt {it}", 15, plural=False),
    Food("cod", 170, "pat {food} dry and cut {it} into pieces", 10, plural=False),
    Food("beetroot", 160, "peel {food} and grate {it}", 30, plural=False),
    Food("peas", 120, "shell {food}", 10),
    Food("aubergines", 180, "cut {food} into finger-wide slices and salt {it}", 25),
    Food("chickpeas", 110, "drain {food} and shake {it} dry", 15),
)
AROMATICS = (
    "onions",
    "shallots",
    "cloves of garlic",
    "sticks of celery",
    "red onions",
    "spring onions",
    "small chillies",
)
FATS = ("butter", "olive oil", "rapeseed oil", "lard", "sesame oil")
SPICES = (
    "cumin",
    "paprika",
    "nutmeg",
    "curry powder",
    "thyme",
    "ginger",
    "cinnamon",
    "fennel seed",
    "chilli",
    "saffron",
)
HERBS = ("parsley", "dill", "coriander", "basil", "chives", "mint", "chervil", "tarragon")
TOPPINGS = (
    "sour cream",
    "toasted almonds",
    "grated cheese",
    "yoghurt",
    "roasted seeds",
    "lemon juice",
    "fried breadcrumbs",
)
SIDES = ("rice", "dark bread", "couscous", "flatbread", "noodles", "a green salad", "polenta", "bulgur")

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


@dataclass(frozen=True)
class Dish:
    """A kind of dish and how it is cooked, with several wordings of every step."""

    name: str
    vessel: str
    portion: str
    """What one person gets, such as `bowl`."""

    cook: tuple[str, ...]
    finish: tuple[str, ...]


DISHES = (
    Dish(
        "soup",
        "pot",
        "bowl",
        (
            "Add the {first} and the {second}, pour in {liquid} ml of stock and let it simmer for {minutes} minutes.",
            "Now the {first} and the {second} go in, together with {liquid} ml of stock; they simmer for {minutes} minutes.",
            "Cover the {first} and the {second} with {liquid} ml of stock and cook them gently for {minutes} minutes.",
        ),
        (
            "Blend the soup until it is smooth.",
            "Mash a part of it, so that the soup thickens.",
            "Skim the soup and taste it.",
        ),
    ),
    Dish(
        "stew",
        "casserole",
        "deep plate",
        (
            "Stir in the {first} and the {second}, add {liquid} ml of water and stew everything for {minutes} minutes.",
            "Put in the {first}, then the {second}, then {liquid} ml of cider, and let it bubble for {minutes} minutes.",
            "With {liquid} ml of passata, the {first} and the {second} are done after {minutes} minutes under a lid.",
        ),
        (
            "Let the stew rest off the heat with the lid on.",
            "Stir a spoonful of flour into the stew.",
            "Taste the stew for salt.",
        ),
    ),
    Dish(
        "bake",
        "frying pan",
        "plate",
        (
            "Layer the {first} and the {second} in a dish with {liquid} ml of cream and bake them for {minutes} minutes.",
            "Fill a dish with the {first}, the {second} and {liquid} ml of milk, and bake it for {minutes} minutes.",
            "Spread the {first} in a tin, the {second} on top, then {liquid} ml of cream; the oven needs {minutes} minutes.",
        ),
        (
            "The bake is ready when its top is brown.",
            "Let the bake cool a little, or it will fall apart.",
            "Test the bake with a fork.",
        ),
    ),
    Dish(
        "curry",
        "wok",
        "bowl",
        (
            "Toss in the {first} and the {second}, add {liquid} ml of coconut milk and cook it for {minutes} minutes.",
            "Turn the {first} and the {second} over and cook them in {liquid} ml of coconut milk for {minutes} minutes.",
            "Pour {liquid} ml of coconut milk over the {first} and the {second}, and give them {minutes} minutes.",
        ),
        (
            "Squeeze half a lime over the curry.",
            "The curry should be thick but not dry.",
            "A pinch of sugar rounds the curry off.",
        ),
    ),
)

NEEDS = (
    "For {people} people you need {amounts}.",
    "This serves {people}. Have ready: {amounts}.",
    "{People} people are fed by {amounts}.",
)
PREPARE = (
    "First {prepare_first}. Then {prepare_second}.",
    "Before you heat anything, {prepare_first}, and {prepare_second}.",
    "Begin with the {second}: {prepare_second}. After that, {prepare_first}.",
)
FRY = (
    "Chop the {aromatics} and fry them in {fat} with the {spice} for {fry} minutes.",
    "Heat the {fat} in the {vessel}, add the chopped {aromatics} and the {spice}, and wait {fry} minutes.",
    "In the {vessel}, let the {aromatics} and the {spice} sweat in {fat} for {fry} minutes.",
)
ASIDE = (
    "Set half of the {herb} aside.",
    "Chop the {herb} and keep half of it for the end.",
    "Half of the {herb} goes in now.",
)
TOTAL = (
    "From the first flame it takes {total} minutes.",
    "All in all the heat is on for {total} minutes.",
    "That makes {total} minutes at the stove.",
)
SERVE = (
    "Serve it in {people} {portions} with {side}.",
    "Divide the {dish} among {people} {portions} and put {side} on the table.",
    "There is enough for {people} {portions}; {side} goes well with it.",
)
SCATTER = (
    "The rest of the {herb} comes on top.",
    "Scatter the other half of the {herb} over it.",
    "Do not forget the {herb} you kept.",
)
TOP = (
    "Top each {portion} with {topping}.",
    "Every {portion} gets some {topping}.",
    "Finish each {portion} with {topping}.",
)
REMAINS = (
    "What is left of the {dish} keeps for {days} days.",
    "The {dish} tastes even better on the next day.",
    "Leftovers of the {first} and the {second} can be fried in {fat} the next day.",
)


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A recipe. Difficulty 1: without herbs; 2: with herbs, half of them kept for the end; 3: also with a
    finish and leftovers."""
    difficulty = 1 + index % 3
    dish = generator.choice(DISHES)
    steps = [NEEDS, PREPARE, FRY, dish.cook, TOTAL, SERVE]
    if difficulty >= 2:
        steps = [NEEDS, PREPARE, FRY, ASIDE, dish.cook, TOTAL, SERVE, SCATTER]
    if difficulty == 3:
        steps = [NEEDS, PREPARE, FRY, ASIDE, dish.cook, dish.finish, SERVE, SCATTER, TOP, REMAINS]
    words = _words(generator, dish, herbs=difficulty >= 2)
    sentences = [generator.choice(wordings).format(**words) for wordings in steps]
    title = f"{dish.name.capitalize()} of {words['first']} and {words['second']} with {words['spice']}"
    return {"text": f"{title}. {' '.join(sentences)}", "difficulty": difficulty}


def _words(generator: random.Random, dish: Dish, *, herbs: bool) -> dict[str, object]:
    """What stays the same throughout a recipe; amounts depend on the number of people."""
    food, second_food = generator.sample(FOODS, 2)
    people, fry = generator.randint(2, 8), generator.randint(3, 8)
    minutes = max(food.minutes, second_food.minutes)
    aromatics, fat, spice, herb, topping, side = (
        generator.choice(kinds) for kinds in (AROMATICS, FATS, SPICES, HERBS, TOPPINGS, SIDES)
    )
    amounts = [f"{each.grams * people} g of {each.name}" for each in (food, second_food)]
    amounts += [f"{1 + people // 2} {aromatics}", fat, *([f"a bunch of {herb}"] if herbs else [])]
    generator.shuffle(amounts)
    return {
        "amounts": f"{', '.join(amounts)} and some {spice}",
        "people": NUMBERS[people], "People": NUMBERS[people].capitalize(), "days": NUMBERS[generator.randint(2, 4)],
        "first": food.name, "prepare_first": food.preparation,
        "second": second_food.name, "prepare_second": second_food.preparation,
        "dish": dish.name, "vessel": dish.vessel, "portion": dish.portion, "portions": f"{dish.portion}s",
        "liquid": 50 * people * generator.randint(2, 5), "minutes": minutes, "fry": fry, "total": minutes + fry,
        "aromatics": aromatics, "fat": fat, "spice": spice, "herb": herb, "topping": topping, "side": side,
    }  # fmt: skip
