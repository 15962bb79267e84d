"""The reasoning tasks are right, graded and short, and matching words does not solve them."""

import dataclasses
import itertools
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import pytest

from harness.data.dataset import Dataset, load_dataset
from harness.metrics import answer_of, find_metric
from harness.plugins.registry import find_plugins, load_task
from harness.task import Reply, Sample, Splits, Task
from harness.task.prompts import render

PLUGINS = find_plugins(entry_points=False)
WRITTEN = ("story_qa", "shop_sql", "word_arithmetic")
NAMES = (*WRITTEN, "logic_choice")
GRADES = {"story_qa": 3, "shop_sql": 3, "word_arithmetic": 4, "logic_choice": 3}
MOST_TOKENS = {"story_qa": 400, "shop_sql": 700, "word_arithmetic": 400, "logic_choice": 400}
BOUNDS = {"story_qa": 0.2, "shop_sql": 0.2, "word_arithmetic": 0.1}
"""What the nearest training sample's answer may score at most; a perfect model scores 1."""


@cache
def the_task(name: str) -> Task:
    return load_task(name, PLUGINS)


@cache
def the_rows(name: str) -> Splits:
    return the_task(name).data()


@cache
def the_data(name: str) -> Dataset:
    return load_dataset(dataclasses.replace(the_task(name), data=lambda: the_rows(name)))


def all_rows(name: str) -> list[Mapping[str, Any]]:
    splits = the_rows(name)
    return [*splits.train, *splits.dev, *splits.test]


def all_samples(name: str) -> list[Sample]:
    data = the_data(name)
    return [*data.train, *data.dev, *data.test]


def question(sample: Sample) -> str:
    return " ".join(sample.fields.values())


def score(name: str, completions: Sequence[str]) -> float:
    """What these completions of the test samples score on the primary metric."""
    task = the_task(name)
    metric = find_metric(task.primary_metric)
    assert metric.score is not None
    scores = [
        metric.score(
            Reply(
                answer_of(task, completion), sample.targets, choices=sample.choices, metadata=sample.metadata
            )
        )
        for sample, completion in zip(the_data(name).test, completions, strict=True)
    ]
    return sum(scores) / len(scores)


def nearest_answers(name: str) -> list[str]:
    """For every test sample the answer of the training sample whose words are most like its own."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    data = the_data(name)
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))
    known = vectorizer.fit_transform([question(sample) for sample in data.train])
    asked = vectorizer.transform([question(sample) for sample in data.test])
    best = (asked @ known.T).toarray().argmax(axis=1)
    return [data.train[index].targets[0] for index in best]


@pytest.mark.parametrize("name", NAMES)
def test_every_difficulty_is_as_frequent_as_the_others(name: str) -> None:
    data = the_data(name)
    for samples in (data.train, data.dev, data.test):
        counts = Counter(sample.metadata["difficulty"] for sample in samples)
        assert set(counts) == {str(grade + 1) for grade in range(GRADES[name])}
        assert min(counts.values()) >= 0.8 * max(counts.values())


@pytest.mark.parametrize("name", NAMES)
def test_prompts_fit_into_small_contexts(name: str) -> None:
    task = the_task(name)
    for sample, template in itertools.product(all_samples(name), task.prompts.templates):
        prompt = render(task.prompts, sample, template=template).text
        # English takes more than four characters a token in byte-pair vocabularies; three leaves room for
        # small ones.
        assert len(f"{prompt} {sample.targets[0]}") / 3 <= MOST_TOKENS[name]
        assert len(question(sample).split()) <= 150


@pytest.mark.parametrize("name", WRITTEN)
def test_the_target_scores_1(name: str) -> None:
    assert score(name, [sample.targets[0] for sample in the_data(name).test]) == 1


@pytest.mark.parametrize("name", WRITTEN)
def test_the_answer_of_the_nearest_training_sample_is_mostly_wrong(name: str) -> None:
    assert score(name, nearest_answers(name)) <= BOUNDS[name]


@pytest.mark.parametrize("name", WRITTEN)
def test_the_most_frequent_answer_is_mostly_wrong(name: str) -> None:
    (answer, _), *_ = Counter(sample.targets[0] for sample in the_data(name).train).most_common(1)
    assert score(name, [answer] * len(the_data(name).test)) <= 0.1


# story_qa: read the story again, sentence by sentence, with patterns of our own.

PLACE = r"(?:the )?(?P<place>[a-z ]+?)"
THING = r"the (?P<thing>[a-z]+)"
SETTINGS = (
    rf"(?P<person>[A-Z]\w+) was in {PLACE}",
    rf"(?P<person>[A-Z]\w+) had been in {PLACE} since early morning",
    rf"The day began with (?P<person>[A-Z]\w+) in {PLACE}",
    rf"In {PLACE} sat (?P<person>[A-Z]\w+)",
    rf"At first, (?P<person>[A-Z]\w+) was in {PLACE}",
    rf"The (?P<thing>[a-z]+) was in {PLACE}",
    rf"In {PLACE} lay {THING}",
    rf"Somebody had left {THING} in {PLACE}",
    rf"The (?P<thing>[a-z]+) could be found in {PLACE}",
    rf"(?P<person>[A-Z]\w+) carried {THING}",
    rf"(?P<person>[A-Z]\w+) had {THING} from the start",
    r"The (?P<thing>[a-z]+) was with (?P<person>[A-Z]\w+)",
)
OPENER = re.compile(r"^(?:Then|Next,|After that,|A little later,|Soon after,|Before long,) ")
IDLE = re.compile(r"(?:hummed|talked|checked|dreamed|told|thought|asked|said|wrote|wondered) ")
MOVED = re.compile(
    rf"(?:went to|walked over to|hurried to|ran to|moved on to|strolled to|came to|entered|stepped into|arrived in) {PLACE}"
)
GAVE = re.compile(
    rf"(?:gave|handed) {THING} to (?P<other>\w+)|(?:passed|handed) (?P<other2>[A-Z]\w+) the (?P<thing2>\w+)"
    r"|let (?P<other3>\w+) have the (?P<thing3>\w+)|entrusted (?P<other4>\w+) with the (?P<thing4>\w+)"
)
TOOK = re.compile(rf"(?:picked up|took|grabbed|got hold of|collected|lifted) {THING}(?: off the floor)?")
PUT_DOWN = re.compile(r"(?:put down|left|set|dropped|laid|had no more use for) the (?P<thing>[a-z]+)(?: .*)?")


class Reader:
    """What a careful reader knows at the end of a story."""

    def __init__(self, story: str) -> None:
        self.places: dict[str, list[str]] = {}
        self.owners: dict[str, list[str]] = {}
        self.holder: dict[str, str] = {}
        self.gifts: list[tuple[str, str, str]] = []
        for sentence in story.rstrip(".").split(". "):
            self.read(sentence)

    def read(self, sentence: str) -> None:
        for setting in SETTINGS:
            match = re.fullmatch(setting, sentence)
            if match:
                self.set_up(**match.groupdict())
                return
        person, _, actions = OPENER.sub("", sentence).partition(" ")
        for action in re.split(r", then | and after that | and ", actions):
            self.act(person, action)

    def set_up(self, person: str | None = None, thing: str | None = None, place: str | None = None) -> None:
        if thing is None:
            assert person is not None and place is not None
            self.places[person] = [place]
            return
        self.places[thing] = [place] if place else list(self.places[person or ""])
        self.owners[thing] = [person] if person else []
        if person:
            self.holder[thing] = person

    def act(self, person: str, action: str) -> None:
        if match := MOVED.fullmatch(action):
            for name in (person, *(thing for thing, holder in self.holder.items() if holder == person)):
                self.places[name].append(match["place"])
        elif match := GAVE.fullmatch(action):
            thing, receiver = (
                next(text for key, text in match.groupdict().items() if key.startswith(part) and text)
                for part in ("thing", "other")
            )
            assert self.holder[thing] == person and self.places[person][-1] == self.places[receiver][-1]
            self.holder[thing] = receiver
            self.owners[thing].append(receiver)
            self.gifts.append((person, thing, receiver))
        elif match := TOOK.fullmatch(action):
            thing = match["thing"]
            assert thing not in self.holder and self.places[person][-1] == self.places[thing][-1]
            self.holder[thing] = person
            self.owners[thing].append(person)
        elif match := PUT_DOWN.fullmatch(action):
            assert self.holder.pop(match["thing"]) == person
        else:
            assert IDLE.match(action), f"'{action}' was not understood"

    def people(self, place: str) -> list[str]:
        return [name for name in self.places if name not in self.owners and self.places[name][-1] == place]


def before(items: list[str], item: str) -> str:
    assert items.count(item) == 1
    return items[items.index(item) - 1]


def giver(reader: Reader, thing: str, recipient: str) -> str:
    (name,) = [name for name, gift, receiver in reader.gifts if (gift, receiver) == (thing, recipient)]
    return name


def companion(reader: Reader, thing: str) -> str:
    holder = reader.holder[thing]
    (name,) = set(reader.people(reader.places[holder][-1])) - {holder}
    return name


def number(count: int) -> str:
    return ("none", "one", "two", "three", "four")[count]


Named = Sequence[str]
ANSWERS: dict[str, Callable[[Reader, Named, Named, Named], str]] = {
    "where_person": lambda reader, people, things, places: reader.places[people[0]][-1],
    "who_holds": lambda reader, people, things, places: reader.holder[things[0]],
    "what_is_held": lambda reader, people, things, places: next(
        thing for thing, holder in reader.holder.items() if holder == people[0]
    ),
    "where_thing": lambda reader, people, things, places: reader.places[things[0]][-1],
    "person_before": lambda reader, people, things, places: before(reader.places[people[0]], places[0]),
    "who_gave": lambda reader, people, things, places: giver(reader, things[0], people[0]),
    "count_people": lambda reader, people, things, places: number(len(reader.people(places[0]))),
    "count_held": lambda reader, people, things, places: number(
        list(reader.holder.values()).count(people[0])
    ),
    "where_handed_thing": lambda reader, people, things, places: reader.places[things[0]][-1],
    "thing_before": lambda reader, people, things, places: before(reader.places[things[0]], places[0]),
    "who_before": lambda reader, people, things, places: before(reader.owners[things[0]], people[0]),
    "companion": lambda reader, people, things, places: companion(reader, things[0]),
    "where_giver": lambda reader, people, things, places: reader.places[giver(reader, things[0], people[0])][
        -1
    ],
    "count_places": lambda reader, people, things, places: number(len(set(reader.places[things[0]]))),
}
"""The answer to each kind of question, from the reader and who, what and which places the question names."""


def test_every_story_read_again_gives_the_answer() -> None:
    for row in all_rows("story_qa"):
        reader = Reader(row["story"])
        asked = row["question"]
        people = [
            name for name in reader.places if name not in reader.owners and re.search(rf"\b{name}\b", asked)
        ]
        things = [name for name in reader.owners if re.search(rf"\bthe {name}\b", asked)]
        visited = sorted({place for stays in reader.places.values() for place in stays})
        places = [name for name in visited if re.search(rf"\bthe {name}\b", asked)]
        assert ANSWERS[row["kind"]](reader, people, things, places) == row["answer"], row


def test_the_last_mentioned_place_person_or_thing_is_mostly_not_the_answer() -> None:
    rows = the_rows("story_qa")
    vocabulary = {
        kind: sorted({row["answer"] for row in rows.train if row["kind"] == kind}) for kind in ANSWERS
    }

    def last_mentioned(kind: str, story: str) -> str:
        """Of all answers that this kind of question has had, the one that comes last in the story."""
        return max(vocabulary[kind], key=story.rfind)

    assert (
        sum(last_mentioned(row["kind"], row["story"]) == row["answer"] for row in rows.test) / len(rows.test)
        <= 0.4
    )


# shop_sql: the accepted queries run, and say what the question and the schema say.


def test_every_accepted_query_returns_something_from_its_database() -> None:
    for row in all_rows("shop_sql"):
        connection = sqlite3.connect(":memory:")
        connection.executescript(row["database"])
        assert connection.execute(row["query"]).fetchall()
        connection.close()


def test_a_query_uses_only_tables_and_columns_that_the_model_is_shown() -> None:
    keywords = {
        "SELECT", "DISTINCT", "FROM", "JOIN", "ON", "WHERE", "AND", "OR", "NOT", "IN", "GROUP", "BY", "HAVING", "ORDER",
        "DESC", "LIMIT", "COUNT", "SUM", "AVG", "MIN", "MAX",
    }  # fmt: skip
    for row in all_rows("shop_sql"):
        shown = set(re.findall(r"\w+", row["schema"]))
        unquoted = re.sub(r"'[^']*'", "", row["query"])
        assert set(re.findall(r"[A-Za-z_]+", unquoted)) <= shown | keywords


def test_the_shown_schema_is_that_of_the_database() -> None:
    for row in all_rows("shop_sql"):
        connection = sqlite3.connect(":memory:")
        connection.executescript(row["database"])
        for line in row["schema"].split("\n"):
            table, _, columns = line.rstrip(")").partition("(")
            assert [
                column[1] for column in connection.execute(f"PRAGMA table_info({table})")
            ] == columns.split(", ")
        connection.close()


def test_every_value_in_a_query_is_in_its_question() -> None:
    for row in all_rows("shop_sql"):
        for value in re.findall(r"'([^']*)'|(?<=[<>=] )(\d+)", row["query"]):
            assert "".join(value) in row["question"]


def test_a_query_with_its_comparisons_turned_round_is_told_from_the_right_one_by_the_rows() -> None:
    turned = {"<": ">", ">": "<", "MAX": "MIN", "MIN": "MAX", "AND": "OR", "OR": "AND", " DESC": ""}
    pattern = re.compile(r"[<>]|\b(?:MAX|MIN|AND|OR)\b| DESC")
    samples = the_data("shop_sql").test
    changed = [pattern.sub(lambda found: turned[found[0]], sample.targets[0]) for sample in samples]
    same = sum(query == sample.targets[0] for query, sample in zip(changed, samples, strict=True))
    assert score("shop_sql", changed) <= same / len(samples) + 0.05


def test_every_subject_and_kind_of_query_occurs_in_test() -> None:
    rows = the_rows("shop_sql").test
    assert len({row["kind"] for row in rows}) == 18
    assert len({row["schema"].split("(")[0] for row in rows}) >= 24


# word_arithmetic: calculate again.

EQUATION = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")
WORDS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10, "eleven": 11,
    "twelve": 12, "twice": 2, "half": 2, "third": 3, "quarter": 4, "fifth": 5,
}  # fmt: skip


def numbers_of(text: str) -> list[int]:
    words = re.findall(r"\w+", text.lower())
    return [
        int(word) if word.isdecimal() else WORDS[word] for word in words if word.isdecimal() or word in WORDS
    ]


def equations(answer: str) -> list[tuple[int, int, int]]:
    """Left, right and result of every step, each found right."""
    steps = []
    for left, sign, right, result in EQUATION.findall(answer):
        a, b = int(left), int(right)
        assert {"+": a + b, "-": a - b, "*": a * b, "/": a / b}[sign] == int(result)
        steps.append((a, b, int(result)))
    return steps


def test_every_step_is_calculated_right_and_the_last_one_is_the_answer() -> None:
    for row in all_rows("word_arithmetic"):
        steps = equations(row["answer"])
        assert row["answer"].endswith(f"\n#### {steps[-1][2]}")
        assert len(steps) == row["difficulty"] == row["answer"].count("\n")


def test_a_step_starts_from_the_question_or_from_an_earlier_step() -> None:
    for row in all_rows("word_arithmetic"):
        known = set(numbers_of(row["question"]))
        for left, right, result in equations(row["answer"]):
            assert {left, right} <= known, row
            known.add(result)


def test_every_result_but_the_last_is_used() -> None:
    for row in all_rows("word_arithmetic"):
        steps = equations(row["answer"])
        for index, (_, _, result) in enumerate(steps[:-1]):
            assert any(result in (left, right) for left, right, _ in steps[index + 1 :]), row


def test_most_problems_hold_a_number_that_does_not_matter() -> None:
    rows = all_rows("word_arithmetic")
    needed = [{number for step in equations(row["answer"]) for number in step[:2]} for row in rows]
    idle = sum(bool(set(numbers_of(row["question"])) - used) for row, used in zip(rows, needed, strict=True))
    assert idle / len(rows) >= 0.6


# logic_choice: go through all worlds, with a judge of our own.


def world_allows(world: Sequence[int], fact: Sequence[Any]) -> bool:
    name, first, *rest = fact
    ends = {0, len(world) - 1}
    verdicts: dict[str, Callable[[], bool]] = {
        "above": lambda: world.index(first) > world.index(rest[0]),
        "beside": lambda: {world.index(first) + 1, world.index(first) - 1} >= {world.index(rest[0])},
        "apart": lambda: not world_allows(world, ["beside", first, *rest]),
        "end": lambda: world.index(first) in ends,
        "inner": lambda: world.index(first) not in ends,
        "at": lambda: world[rest[0]] == first,
        "off": lambda: world[rest[0]] != first,
        "either": lambda: first in (world[rest[0]], world[rest[1]]),
    }
    return verdicts[name]()


def truths_allow(world: Sequence[int], fact: Sequence[Any]) -> bool:
    name, first, *rest = fact
    one, two = bool(world[first]), bool(world[rest[0]]) if rest else False
    return {"yes": one, "no": not one, "if": not one or two, "nand": not (one and two), "or": one or two}[
        str(name)
    ]


def proved_label(formal: Mapping[str, Any]) -> str:
    """Which values the statement takes in the worlds where all premises hold. An order is read as things by
    place."""
    candidates: Iterable[Sequence[int]]
    if formal["kind"] == "order":
        candidates, allows = itertools.permutations(range(formal["size"])), world_allows
    else:
        candidates, allows = itertools.product((1, 0), repeat=formal["size"]), truths_allow
    left = [world for world in candidates if all(allows(world, fact) for fact in formal["premises"])]
    values = {allows(world, formal["statement"]) for world in left}
    return "unknown" if len(values) == 2 else str(*values).lower()


def test_every_label_is_proved_by_going_through_all_worlds() -> None:
    for row in all_rows("logic_choice"):
        assert proved_label(row["formal"]) == row["label"], row


def test_a_puzzle_is_settled_by_as_many_premises_as_its_difficulty_says_and_not_by_fewer() -> None:
    for row in the_rows("logic_choice").test:
        depth = row["difficulty"] + (row["formal"]["kind"] == "truth")
        for count in (depth - 1, depth):
            labels = {
                proved_label(row["formal"] | {"premises": chosen})
                for chosen in itertools.combinations(row["formal"]["premises"], count)
            }
            assert (labels == {"unknown"}) == (count < depth or row["label"] == "unknown"), row


SCALES = (
    ("taller", "shorter", "tall"), ("older", "younger", "old"), ("faster", "slower", "fast"), ("richer", "poorer", "rich"),
    ("stronger", "weaker", "strong"), ("louder", "quieter", "loud"), ("heavier", "lighter", "heavy"),
    ("bigger", "smaller", "big"), ("colder", "warmer", "cold"), ("larger", "smaller", "large"),
    ("thicker", "thinner", "thick"), ("dearer", "cheaper", "dear"), ("newer", "older", "new"), ("after", "before", "late"),
)  # fmt: skip
"""What puts the first thing above the second, what puts it below, and the quality compared."""
COMPARISONS = (
    r"(?P<a>.+) is (?P<word>\w+) than (?P<b>.+)",
    r"(?P<b>.+) is not as (?P<word>\w+) as (?P<a>.+)",
    r"compared with (?P<b>.+), (?P<a>.+) is (?P<word>\w+)",
    r"of (?P<b>.+) and (?P<c>.+), the (?P<word>\w+) one is (?P<a>.+)",
)
LATER = (
    r"(?P<a>.+) (?:arrived|leaves) after (?P<b>.+)",
    r"(?P<b>.+) (?:arrived|leaves) before (?P<a>.+)",
    r"(?P<a>.+) (?:came|departs) later than (?P<b>.+)",
    r"(?P<b>.+) (?:was there|departs) earlier than (?P<a>.+)",
    r"when (?P<a>.+) (?:arrived|leaves), (?P<b>.+) (?:was already there|has already left)",
    r"when (?P<b>.+) (?:arrived|leaves), (?P<a>.+) (?:was not there yet|is still waiting)",
)


def compared(sentence: str) -> tuple[str, str, str]:
    """The word of a comparison, the thing it is said of, and the other."""
    for pattern in LATER:
        if found := re.fullmatch(pattern, sentence):
            return "after", found["a"], found["b"]
    for pattern in COMPARISONS:
        if found := re.fullmatch(pattern, sentence):
            groups = found.groupdict()
            other = groups["c"] if groups["b"] == groups["a"] else groups["b"]
            return groups["word"], groups["a"], other
    raise AssertionError(f"'{sentence}' was not understood")


def test_comparisons_read_again_give_the_label() -> None:
    for row in all_rows("logic_choice"):
        if row["family"] != "scale":
            continue
        *premises, statement = (
            compared(sentence)
            for sentence in f"{row['premises']} {row['statement']}".lower().rstrip(".").split(". ")
        )
        words = {word for word, _, _ in (*premises, statement)}
        # "Older" is more of an age and less of a newness; which of the two is meant makes no difference to
        # the label.
        more, _, quality = next(scale for scale in SCALES if words <= set(scale))
        above = {(a, b) if word in (more, quality) else (b, a) for word, a, b in premises}
        for _ in premises:
            above |= {(a, d) for (a, b), (c, d) in itertools.product(above, above) if b == c}
        word, a, b = statement
        asked = (a, b) if word in (more, quality) else (b, a)
        label = "true" if asked in above else "false" if asked[::-1] in above else "unknown"
        assert label == row["label"], row


def test_labels_families_and_difficulties_are_balanced_together() -> None:
    rows = the_rows("logic_choice").train
    counts = Counter((row["label"], row["family"], row["difficulty"]) for row in rows)
    assert len(counts) == 45
    assert max(counts.values()) - min(counts.values()) <= 3


def test_a_statement_is_never_one_of_the_premises_word_for_word() -> None:
    assert not any(row["statement"] in row["premises"] for row in all_rows("logic_choice"))


def test_a_bag_of_words_classifier_hardly_beats_chance_on_logic() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    data = the_data("logic_choice")
    # Words of the statement are told from those of the premises, which helps the classifier.
    vectorizer = TfidfVectorizer(ngram_range=(1, 2))

    def marked(sample: Sample) -> str:
        statement = " ".join(f"said_{word}" for word in re.findall(r"\w+", sample.fields["statement"]))
        return f"{sample.fields['premises']} {statement}"

    classifier = LogisticRegression(max_iter=1000).fit(
        vectorizer.fit_transform([marked(sample) for sample in data.train]),
        [sample.target for sample in data.train],
    )
    chosen = classifier.predict(vectorizer.transform([marked(sample) for sample in data.test]))
    assert score("logic_choice", list(chosen)) <= 0.5
