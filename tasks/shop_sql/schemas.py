"""Twelve small databases: what they store, and the words people use for it.

Each has two tables: owners with a name (customers, authors, …) and parts that belong to them (orders, books,
…).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """A column of texts that each occur several times."""

    columns: tuple[str, ...]
    """Names the column may have."""

    noun: str
    phrases: tuple[str, ...]
    """Conditions that follow the noun of a table: customers `from {}`."""

    values: tuple[str, ...]


@dataclass(frozen=True)
class Number:
    """A column of distinct whole numbers."""

    columns: tuple[str, ...]
    noun: str
    over: tuple[str, ...]
    """Conditions such as: customers `older than {}`."""

    under: tuple[str, ...]
    low: int
    high: int
    adds_up: bool = True
    """Whether a total is meaningful: that of prices is, that of ages is not."""

    most: str = "highest"
    least: str = "lowest"


@dataclass(frozen=True)
class Entity:
    """What a table holds."""

    tables: tuple[str, ...]
    """Names the table may have."""

    noun: str
    """In the plural: `customers`."""

    columns: tuple[Category | Number, ...]


@dataclass(frozen=True)
class Database:
    owner: Entity
    part: Entity
    single: str
    """An owner in the singular, as in the name of the column that refers to it."""

    link: str
    """The words between parts and owners: orders `placed by` customers."""

    @property
    def key(self) -> str:
        """The column of a part that names its owner."""
        return f"{self.single}_id"


CITIES = (
    "Oslo",
    "Lima",
    "Paris",
    "Lagos",
    "Kyoto",
    "Quito",
    "Turin",
    "Perth",
    "Delhi",
    "Porto",
    "Cairo",
    "Boston",
    "Ghent",
)
COUNTRIES = (
    "Norway",
    "Peru",
    "France",
    "Nigeria",
    "Japan",
    "Ecuador",
    "Italy",
    "India",
    "Egypt",
    "Ireland",
    "Chile",
    "Kenya",
)
SEASONS = ("spring", "summer", "autumn", "winter")
NAMES = (
    "Ada", "Amir", "Bram", "Carla", "Cem", "Dora", "Edwin", "Elif", "Femi", "Gita", "Goran", "Hanna", "Hugo", "Ines", "Ivan",
    "Jana", "Kenji", "Kofi", "Lena", "Luca", "Mara", "Milan", "Nadia", "Nils", "Olga", "Owen", "Petra", "Priya", "Quinn",
    "Ravi", "Rosa", "Sven", "Tara", "Theo", "Uma", "Vera", "Vito", "Wim", "Yara", "Zoe",
)  # fmt: skip

AGE = Number(
    ("age", "years"), "age", ("older than {}", "over {} years of age"), ("younger than {}", "under {} years of age"), 20, 70,
    adds_up=False,
)  # fmt: skip
CITY = Category(("city", "town", "home"), "city", ("from {}", "living in {}", "who live in {}"), CITIES)
COUNTRY = Category(
    ("country", "nation", "origin"), "country", ("from {}", "born in {}", "who come from {}"), COUNTRIES
)
SALARY = Number(
    ("salary", "pay", "wage"), "salary", ("earning more than {}", "with a salary above {}"),
    ("earning less than {}", "with a salary below {}"), 1800, 5200,
)  # fmt: skip
PRICE = Number(
    ("price", "amount", "euros"), "price", ("at more than {} euros", "with a price above {}"),
    ("at less than {} euros", "with a price below {}"), 10, 400,
)  # fmt: skip
YEAR = Number(
    ("year", "year_made"), "year", ("from after {}", "made after {}"), ("from before {}", "made before {}"), 1950, 2020,
    adds_up=False, most="latest", least="earliest",
)  # fmt: skip
SEASON = Category(("season", "part_of_year"), "season", ("in {}", "of the {} season"), SEASONS)


def _kind(columns: tuple[str, ...], noun: str, *values: str) -> Category:
    return Category(
        columns, noun, (f"of the {noun} {{}}", f"whose {noun} is {{}}", f"with the {noun} {{}}"), values
    )


def _amount(columns: tuple[str, ...], noun: str, unit: str, low: int, high: int) -> Number:
    """A number that is counted in some unit, such as pages."""
    over = (f"with more than {{}} {unit}", f"of over {{}} {unit}")
    under = (f"with fewer than {{}} {unit}", f"of under {{}} {unit}")
    return Number(columns, noun, over, under, low, high)


DATABASES = (
    Database(
        owner=Entity(
            ("customers", "clients", "buyers"),
            "customers",
            (CITY, AGE, _kind(("status", "level"), "status", "gold", "silver", "basic", "new")),
        ),
        part=Entity(
            ("orders", "purchases", "sales"),
            "orders",
            (
                PRICE,
                _kind(("channel", "via"), "channel", "web", "phone", "store", "letter"),
                _amount(("items", "pieces"), "number of items", "items", 1, 40),
            ),
        ),
        single="customer",
        link="placed by",
    ),
    Database(
        owner=Entity(
            ("authors", "writers"),
            "authors",
            (
                COUNTRY,
                AGE,
                _kind(("language", "tongue"), "language", "English", "French", "Hindi", "Arabic", "Spanish"),
            ),
        ),
        part=Entity(
            ("books", "titles", "publications"),
            "books",
            (
                _amount(("pages", "length"), "number of pages", "pages", 60, 900),
                _kind(("genre", "kind"), "genre", "crime", "poetry", "travel", "history"),
                YEAR,
            ),
        ),
        single="author",
        link="written by",
    ),
    Database(
        owner=Entity(
            ("doctors", "physicians", "staff"),
            "doctors",
            (
                _kind(("department", "ward"), "department", "surgery", "cardiology", "radiology", "oncology"),
                SALARY,
                CITY,
            ),
        ),
        part=Entity(
            ("visits", "appointments", "consultations"),
            "visits",
            (
                _amount(("minutes", "duration"), "number of minutes", "minutes", 5, 90),
                SEASON,
                _kind(("reason", "cause"), "reason", "checkup", "fever", "injury", "vaccine"),
            ),
        ),
        single="doctor",
        link="handled by",
    ),
    Database(
        owner=Entity(
            ("teachers", "instructors", "lecturers"),
            "teachers",
            (
                _kind(("subject", "field"), "subject", "music", "biology", "history", "physics", "Latin"),
                AGE,
                SALARY,
            ),
        ),
        part=Entity(
            ("courses", "classes", "lessons"),
            "courses",
            (
                _kind(("level", "grade"), "level", "beginner", "middle", "advanced"),
                _amount(("hours", "duration"), "number of hours", "hours", 10, 120),
                _amount(("students", "seats"), "number of students", "students", 3, 80),
            ),
        ),
        single="teacher",
        link="taught by",
    ),
    Database(
        owner=Entity(
            ("hotels", "houses", "inns"),
            "hotels",
            (
                Category(("city", "place", "location"), "city", ("in {}", "located in {}"), CITIES),
                _amount(("rooms", "size"), "number of rooms", "rooms", 8, 300),
                _kind(("style", "category"), "style", "family", "luxury", "budget", "spa"),
            ),
        ),
        part=Entity(
            ("bookings", "reservations", "stays"),
            "bookings",
            (_amount(("nights", "length"), "number of nights", "nights", 1, 40), PRICE, SEASON),
        ),
        single="hotel",
        link="at",
    ),
    Database(
        owner=Entity(
            ("mechanics", "workers", "fitters"),
            "mechanics",
            (AGE, _kind(("shift", "working_time"), "shift", "early", "late", "night"), SALARY),
        ),
        part=Entity(
            ("repairs", "jobs", "fixes"),
            "repairs",
            (
                PRICE,
                _kind(("component", "broken_part"), "component", "brake", "engine", "clutch", "window"),
                _amount(("hours", "effort"), "number of hours", "hours", 1, 45),
            ),
        ),
        single="mechanic",
        link="done by",
    ),
    Database(
        owner=Entity(
            ("farmers", "growers", "producers"),
            "farmers",
            (
                _kind(("region", "area"), "region", "north", "south", "east", "west"),
                _amount(("hectares", "land"), "number of hectares", "hectares", 5, 250),
                AGE,
            ),
        ),
        part=Entity(
            ("harvests", "yields", "crops"),
            "harvests",
            (
                _kind(("plant", "sort"), "plant", "wheat", "maize", "barley", "beans"),
                _amount(("tonnes", "weight"), "number of tonnes", "tonnes", 2, 95),
                YEAR,
            ),
        ),
        single="farmer",
        link="brought in by",
    ),
    Database(
        owner=Entity(
            ("coaches", "trainers"),
            "coaches",
            (COUNTRY, SALARY, _kind(("sport", "discipline"), "sport", "hockey", "rowing", "judo", "tennis")),
        ),
        part=Entity(
            ("players", "athletes", "members"),
            "players",
            (_amount(("points", "score"), "number of points", "points", 1, 150), AGE, CITY),
        ),
        single="coach",
        link="trained by",
    ),
    Database(
        owner=Entity(
            ("pilots", "captains", "crew"),
            "pilots",
            (
                Category(("base", "home_airport"), "base", ("based in {}", "with {} as their base"), CITIES),
                _amount(("flight_hours", "experience"), "number of flight hours", "flight hours", 200, 9000),
                AGE,
            ),
        ),
        part=Entity(
            ("flights", "trips", "routes"),
            "flights",
            (
                Category(("destination", "goal"), "destination", ("to {}", "bound for {}"), COUNTRIES),
                _amount(("distance", "kilometres"), "distance", "kilometres", 200, 9900),
                _amount(("passengers", "travellers"), "number of passengers", "passengers", 10, 340),
            ),
        ),
        single="pilot",
        link="flown by",
    ),
    Database(
        owner=Entity(
            ("directors", "filmmakers"),
            "directors",
            (COUNTRY, AGE, _kind(("school", "training"), "school", "Arts", "Drama", "Media", "Film")),
        ),
        part=Entity(
            ("films", "movies", "pictures"),
            "films",
            (
                _kind(("genre", "type"), "genre", "comedy", "western", "thriller", "drama"),
                _amount(("minutes", "runtime"), "number of minutes", "minutes", 60, 210),
                YEAR,
            ),
        ),
        single="director",
        link="shot by",
    ),
    Database(
        owner=Entity(
            ("artists", "painters", "creators"),
            "artists",
            (COUNTRY, _kind(("style", "movement"), "style", "cubist", "realist", "abstract", "baroque"), AGE),
        ),
        part=Entity(
            ("works", "paintings", "exhibits"),
            "works",
            (PRICE, _kind(("medium", "technique"), "medium", "oil", "chalk", "ink", "pastel"), YEAR),
        ),
        single="artist",
        link="created by",
    ),
    Database(
        owner=Entity(
            ("cooks", "chefs", "kitchen_staff"),
            "cooks",
            (CITY, SALARY, _kind(("cuisine", "tradition"), "cuisine", "Thai", "Greek", "Mexican", "Persian")),
        ),
        part=Entity(
            ("dishes", "meals", "recipes"),
            "dishes",
            (
                _kind(("course", "type"), "course", "starter", "main", "dessert", "side"),
                PRICE,
                _amount(("calories", "energy"), "number of calories", "calories", 90, 1400),
            ),
        ),
        single="cook",
        link="invented by",
    ),
)
