"""Compose logs of four kinds, and reports that say what matters in them."""

import random
from collections.abc import Callable
from dataclasses import dataclass

from harness import Row

CITIES = (
    "Oslo", "Lima", "Paris", "Lagos", "Kyoto", "Quito", "Turin", "Perth", "Delhi", "Porto", "Cairo", "Boston", "Ghent",
    "Malmo", "Leeds", "Accra", "Hanoi", "Bergen", "Denver", "Zagreb", "Basel", "Graz", "Tampere", "Bilbao",
)  # fmt: skip
NAMES = (
    "Ada", "Bram", "Chiara", "Deniz", "Elif", "Femi", "Greta", "Hassan", "Ingrid", "Joao", "Kaja", "Luca", "Mei", "Nadia",
    "Owen", "Priya", "Rosa", "Sven", "Tomas", "Uma", "Vera", "Wim", "Yara", "Zoe",
)  # fmt: skip
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
GOODS = (
    "lamps", "desks", "chairs", "mugs", "books", "shelves", "rugs", "clocks", "vases", "fans", "kettles", "plates", "towels",
    "knives", "brushes", "candles", "scarves", "blankets", "mirrors", "benches", "baskets", "bottles", "tents", "radios",
)  # fmt: skip
SERVICES = (
    "the login", "the web shop", "the mail server", "the search", "the payment page", "the photo upload", "the newsletter",
    "the booking form", "the telephone line", "the map", "the chat", "the price list",
)  # fmt: skip
FAULTS = (
    "did not answer", "was very slow", "showed error 502", "lost its data", "sent everything twice", "closed at random",
)  # fmt: skip
CAUSES = (
    "a full disk", "an expired certificate", "a broken cable", "a wrong setting", "too many visitors", "a failed update",
    "a power cut", "a lost key file", "a bug in the cache", "a blocked port",
)  # fmt: skip
CURES = (
    "restarted the server", "replaced the part", "undid the last change", "cleared the disk", "moved it to a spare machine",
    "renewed the licence", "closed the old sessions", "called the supplier",
)  # fmt: skip
REMARKS = {
    "weather": (
        "sensor cleaned",
        "battery of the rain gauge at 80 %",
        "fog lamp tested",
        "visit of a school class",
    ),
    "sales": (
        "window cleaned on Tuesday",
        "Nadia is on leave",
        "new carpet at the entrance",
        "two customers asked for maps",
    ),
    "incident": (
        "coffee machine refilled",
        "weekly report sent",
        "visitor badge returned",
        "printer on floor 2 out of paper",
    ),
    "match": (
        "yellow card for the visitors",
        "attendance announced",
        "substitution by the hosts",
        "corner for the hosts",
    ),
}
"""Remarks in a log that are not worth reporting."""


@dataclass(frozen=True)
class Draft:
    """A log, and reports of it."""

    heading: str
    lines: list[str]
    reports: list[str]
    """Reports that say the same in different words."""


def compose(generator: random.Random, index: int, split: str) -> Row:
    """A log of one of the four kinds in turn, and its reports in random order.

    Difficulty 1: a short log; 2: a longer one; 3: a longer one with remarks that do not matter.
    """
    kind = tuple(KINDS)[index % len(KINDS)]
    difficulty = generator.randint(1, 3)
    draft = KINDS[kind](generator, 4 if difficulty == 1 else generator.randint(5, 7))
    lines = list(draft.lines)
    if difficulty == 3:
        for remark in generator.sample(REMARKS[kind], 2):
            lines.insert(generator.randint(1, len(lines) - 1), f"({remark})")
    reports = generator.sample(draft.reports, len(draft.reports))
    return {"log": "\n".join((draft.heading, *lines)), "reports": reports, "difficulty": difficulty}


def weather(generator: random.Random, length: int) -> Draft:
    """The lowest and the highest temperature, the time of the highest, and how much rain fell when."""
    city, day = generator.choice(CITIES), generator.choice(DAYS)
    hours = [f"{6 + 2 * number:02d}:00" for number in range(length)]
    peak, high = generator.randrange(length), generator.randint(2, 36)
    degrees = [
        high - 2 * abs(place - peak) - (generator.randint(0, 2) if place != peak else 0)
        for place in range(length)
    ]
    begin = generator.randrange(length)
    end = min(length, begin + generator.randint(0, 3))
    rain = [generator.randint(1, 9) if begin <= place < end else 0 for place in range(length)]
    form = generator.choice(
        ("{hour} {degrees} C, rain {rain} mm", "{hour} | {degrees} | {rain}", "at {hour}: {degrees} C{wet}")
    )
    lines = [
        form.format(hour=hour, degrees=warmth, rain=fallen, wet=f" and {fallen} mm of rain" if fallen else "")
        for hour, warmth, fallen in zip(hours, degrees, rain, strict=True)
    ]
    low, fallen = min(degrees), sum(rain)
    when = f"at {hours[begin]}" if end - begin == 1 else f"from {hours[begin]} to {hours[end - 1]}"
    reports = [
        f"{city} had {low} to {high} degrees on {day}, most at {hours[peak]}. "
        + (f"{fallen} mm of rain fell {when}." if fallen else "No rain fell."),
        f"On {day} it was warmest in {city} at {hours[peak]} with {high} degrees; the low was {low}. "
        + (f"It rained {fallen} mm {when}." if fallen else "It did not rain."),
        f"{day} in {city}: {high} degrees at {hours[peak]}, {low} at the least, "
        + (f"rain {when}, {fallen} mm in all." if fallen else "and no rain."),
    ]
    return Draft(f"Weather station {city}, {day} (hour, temperature in C, rain in mm)", lines, reports)


def sales(generator: random.Random, length: int) -> Draft:
    """The total compared with the week before, what sold best, and what fell most, if anything did."""
    city, week = generator.choice(CITIES), generator.randint(2, 52)
    goods = generator.sample(GOODS, length)
    before = generator.sample(range(10, 90), length)
    now = [
        max(3, count + change)
        for count, change in zip(before, generator.sample(range(-30, 40), length), strict=True)
    ]
    best = now.index(max(now))
    now[best] += 1  # so that nothing else sold as many
    drops = [old - new for old, new in zip(before, now, strict=True)]
    worst = drops.index(max(drops))
    if drops[worst] > 0:
        before[worst] += 1  # so that nothing else fell as much
    form = generator.choice(
        ("{item}: {now} (week before: {old})", "{item} {old} -> {now}", "{old} {item} before, {now} now")
    )
    lines = [
        form.format(item=item, old=old, now=new) for item, old, new in zip(goods, before, now, strict=True)
    ]
    total, change = sum(now), sum(now) - sum(before)
    fell = (
        f"{goods[worst]} fell most, from {before[worst]} to {now[worst]}"
        if drops[worst] > 0
        else "nothing sold less"
    )
    trend = f"{abs(change)} {'more' if change > 0 else 'fewer'} than" if change else "as many as"
    winner, count = goods[best], now[best]
    reports = [
        f"{city} sold {total} pieces in week {week}, {trend} the week before. The best were {winner} with {count}; {fell}.",
        f"Week {week} brought {total} sales in {city}, {trend} in the last. Most were {winner} ({count}), and {fell}.",
        f"In {city} {total} things were sold in week {week}, {trend} a week ago: {winner} led with {count}, while {fell}.",
    ]
    return Draft(f"Shop {city}, sales of week {week} by product", lines, reports)


def incident(generator: random.Random, length: int) -> Draft:
    """What failed, for how long, why, and who mended it how."""
    service, fault, cause, cure = (generator.choice(words) for words in (SERVICES, FAULTS, CAUSES, CURES))
    finder, mender = generator.sample(NAMES, 2)
    minutes = [generator.randint(6 * 60, 20 * 60)]
    while len(minutes) < length:
        minutes.append(minutes[-1] + generator.randint(2, 25))
    failed_cures = generator.sample([attempt for attempt in CURES if attempt != cure], length - 3)
    events = [
        f"{service} {fault}",
        *(f"{generator.choice((finder, mender))} {attempt}, no change" for attempt in failed_cures),
        f"{finder} finds {cause}",
        f"{mender} {cure}, all is well",
    ]
    form = generator.choice(("{time} {event}", "[{time}] {event}.", "{event} ({time})"))
    lines = [form.format(time=_clock(at), event=event) for at, event in zip(minutes, events, strict=True)]
    lasted, end = minutes[-1] - minutes[0], _clock(minutes[-1])
    reports = [
        f"For {lasted} minutes {service} {fault} because of {cause}. {mender} {cure} at {end}.",
        f"{_capital(service)} {fault} until {end}, {lasted} minutes in all. The reason was {cause}, and {mender} {cure}.",
        f"Because of {cause} {service} {fault} for {lasted} minutes, until {mender} {cure} at {end}.",
    ]
    return Draft(f"Incident log, {generator.choice(DAYS)}", lines, reports)


def match(generator: random.Random, length: int) -> Draft:
    """Who won by how much, whether they came from behind, and whose goal decided it."""
    home, guest = generator.sample(CITIES, 2)
    names = generator.sample(NAMES, 6)
    players = {home: names[:3], guest: names[3:]}
    minutes = sorted(generator.sample(range(2, 91), length - 1))
    teams = [generator.choice((home, guest)) for _ in minutes]
    scorers = [generator.choice(players[team]) for team in teams]
    form = generator.choice(
        (
            "{minute}' goal for {team}: {name}",
            "{minute} {name} ({team})",
            "minute {minute}: {name} scores for {team}",
        )
    )
    lines = [
        form.format(minute=minute, team=team, name=name)
        for minute, team, name in zip(minutes, teams, scorers, strict=True)
    ]
    lines.append(generator.choice(("90 end of the match", "final whistle", "end")))
    heading = f"Match log: {home} (hosts) against {guest}"
    high, low = max(teams.count(home), teams.count(guest)), min(teams.count(home), teams.count(guest))
    if high == low:
        hero, minute = scorers[-1], minutes[-1]
        return Draft(heading, lines, [
            f"{home} and {guest} drew {high} all. {hero} equalised in minute {minute}.",
            f"There was no winner in {home}: {high} to {low} against {guest}, after {hero} scored in minute {minute}.",
            f"In minute {minute} {hero} made it {high} to {low} between {home} and {guest}, which was the final score.",
        ])  # fmt: skip
    winner, loser = (home, guest) if teams.count(home) > teams.count(guest) else (guest, home)
    decider = [place for place, team in enumerate(teams) if team == winner][low]
    hero, minute = scorers[decider], minutes[decider]
    how = "from behind" if teams[0] == loser else "at home" if winner == home else "away"
    return Draft(heading, lines, [
        f"{winner} beat {loser} {high} to {low} {how}. The deciding goal came from {hero} in minute {minute}.",
        f"{hero} decided the match in minute {minute}: {winner} won {how} against {loser} with {high} to {low}.",
        f"{loser} lost {low} to {high} to {winner}, who won {how} with the decisive goal of {hero} in minute {minute}.",
    ])  # fmt: skip


KINDS: dict[str, Callable[[random.Random, int], Draft]] = {
    "weather": weather,
    "sales": sales,
    "incident": incident,
    "match": match,
}


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
