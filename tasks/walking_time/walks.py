"""Compose walks, and time them."""

import random

from harness import Row

GROUNDS = {
    "on gravel": 1.0,
    "along a road": 1.0,
    "through woods": 1.2,
    "in sand": 1.3,
    "across a bog": 1.5,
    "over scree": 1.6,
}
"""Ground to how many times as long as on a path it takes."""

KILOMETRES_AN_HOUR, METRES_AN_HOUR = 5.0, 600.0
LONGEST = 12.0
"""Hours that no walk reaches."""

STARTS = ("First", "From the hut", "From the bridge", "In the morning", "From the station", "Down the lane")
NEXT = (
    "then",
    "after that",
    "from there",
    "next",
    "past the mill",
    "beyond the farm",
    "at the fork left",
    "later",
)
PLACES = ("a chapel", "a spring", "the lake", "a bench", "the ridge", "an old wall", "the ford", "a barn")


def compose(generator: random.Random, index: int, split: str) -> Row:
    """One walk with its time, by as many stretches as its difficulty says, and one more."""
    difficulty = 1 + index % 3
    hours = 0.0
    parts = []
    for place in range(difficulty + 1):
        kilometres, ground = generator.randint(2, 14) / 2, generator.choice(sorted(GROUNDS))
        climb = generator.choice((0, 0, generator.randint(5, 40) * 10))
        hours += kilometres / KILOMETRES_AN_HOUR * GROUNDS[ground] + climb / METRES_AN_HOUR
        begin = generator.choice(STARTS if place == 0 else NEXT)
        up = f", {climb} m up" if climb else ""
        parts.append(f"{begin.capitalize()} {kilometres:g} km {ground}{up}, to {generator.choice(PLACES)}.")
    if difficulty > 1:
        minutes = generator.randint(1, 9) * 5
        hours += minutes / 60
        parts.append(f"A rest of {minutes} minutes.")
    hours = min(hours, LONGEST)
    return {"text": " ".join(parts), "hours": f"{hours:.2f}", "difficulty": difficulty}
