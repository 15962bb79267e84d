"""What can be asked of a database, by difficulty: questions in plain words, and the queries that answer
them."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from .instances import Column, Instance, Table
from .schemas import Category, Number


@dataclass(frozen=True)
class Question:
    text: str
    query: str


@dataclass(frozen=True)
class Filter:
    """A condition on a table, in words that follow its noun and in SQL."""

    phrase: str
    condition: str


Ask = Callable[[Instance, random.Random], Question | None]
"""Asks a question about a database; None if its columns do not allow it."""

COUNTS = ("two", "three", "four", "five")


def count_filtered(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    chosen = _filter(generator, generator.choice(table.columns))
    return _count(generator, f"{table.noun} {chosen.phrase}", f"{table.name} WHERE {chosen.condition}")


def list_filtered(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    chosen = _filter(generator, generator.choice(table.columns))
    return _list(generator, instance, table, chosen.phrase, f"WHERE {chosen.condition}")


def aggregate(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    word, call = _aggregate(generator, generator.choice(table.numbers))
    return _ask_value(generator, f"{word} of all {table.noun}", f"SELECT {call} FROM {table.name}")


def value_of(instance: Instance, generator: random.Random) -> Question | None:
    column = generator.choice(instance.owners.columns)
    name = generator.choice(instance.names)
    wordings = (
        "What is the {0} of {1}?",
        "Look up the {0} of {1}.",
        "Which {0} does {1} have?",
        "Tell me the {0} of {1}.",
    )
    return Question(
        generator.choice(wordings).format(column.about.noun, name),
        f"SELECT {column.name} FROM {column.table} WHERE name = '{name}'",
    )


def count_two_filters(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    phrase, condition = _two_filters(generator, table)
    return _count(generator, f"{table.noun} {phrase}", f"{table.name} WHERE {condition}")


def list_two_filters(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    phrase, condition = _two_filters(generator, table)
    return _list(generator, instance, table, phrase, f"WHERE {condition}")


def count_by_group(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    column = generator.choice(table.categories)
    wordings = (
        "How many {1} are there for each {0}? Show the {0}, then the number.",
        "List every {0} with its number of {1}.",
        "Count the {1} by {0} and show both, the {0} first.",
        "Give each {0} together with the number of {1} it has.",
    )
    return Question(
        generator.choice(wordings).format(column.about.noun, table.noun),
        f"SELECT {column.name}, COUNT(*) FROM {table.name} GROUP BY {column.name}",
    )


def aggregate_filtered(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    number = generator.choice(table.numbers)
    filterable = [column for column in table.columns if column is not number]
    chosen = _filter(generator, generator.choice(filterable))
    word, call = _aggregate(generator, number)
    return _ask_value(
        generator,
        f"{word} of the {table.noun} {chosen.phrase}",
        f"SELECT {call} FROM {table.name} WHERE {chosen.condition}",
    )


def top(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    column = generator.choice(table.numbers)
    assert isinstance(column.about, Number)
    extreme, order = generator.choice(((column.about.most, " DESC"), (column.about.least, "")))
    number = generator.randrange(len(COUNTS))
    wordings = (
        "Give the {3} of the {0} {1} with the {2}, beginning with the {4} one.",
        "Which {0} {1} have the {2}? Show the {3}, the {4} first.",
        "Show the {3} of the top {0} {1} by {2}, the {4} one at the top.",
    )
    words = (
        COUNTS[number],
        table.noun,
        f"{extreme} {column.about.noun}",
        _label_words(instance, table),
        extreme,
    )
    return Question(
        generator.choice(wordings).format(*words),
        f"SELECT {_label(instance, table)} FROM {table.name} ORDER BY {column.name}{order} LIMIT {number + 2}",
    )


def count_distinct(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    column = generator.choice(table.categories)
    filterable = [candidate for candidate in table.columns if candidate is not column]
    chosen = _filter(generator, generator.choice(filterable))
    wordings = (
        "How many different values of {0} do the {1} have?",
        "Count the distinct values of {0} among the {1}.",
        "Among the {1}, how many different values of {0} occur?",
    )
    return Question(
        generator.choice(wordings).format(column.about.noun, f"{table.noun} {chosen.phrase}"),
        f"SELECT COUNT(DISTINCT {column.name}) FROM {table.name} WHERE {chosen.condition}",
    )


def join_count(instance: Instance, generator: random.Random) -> Question | None:
    phrase, condition = _joined_filter(instance, generator)
    return _count(generator, phrase, f"{instance.joined} WHERE {condition}")


def join_aggregate(instance: Instance, generator: random.Random) -> Question | None:
    phrase, condition = _joined_filter(instance, generator)
    word, call = _aggregate(generator, generator.choice(instance.parts.numbers), qualified=True)
    return _ask_value(
        generator, f"{word} of the {phrase}", f"SELECT {call} FROM {instance.joined} WHERE {condition}"
    )


def owners_of_parts(instance: Instance, generator: random.Random) -> Question | None:
    chosen = _filter(generator, generator.choice(instance.parts.columns), qualified=True)
    wordings = (
        "Which {0} have {1} {2}? Show each name once.",
        "Name every one of the {0} that has {1} {2}, without repeating a name.",
        "List the names, each once, of all {0} with {1} {2}.",
    )
    return Question(
        generator.choice(wordings).format(instance.owners.noun, instance.parts.noun, chosen.phrase),
        f"SELECT DISTINCT {instance.owners.name}.name FROM {instance.joined} WHERE {chosen.condition}",
    )


def parts_by_owner(instance: Instance, generator: random.Random) -> Question | None:
    at_least = generator.randint(2, 4)
    wordings = (
        "Which {0} have at least {2} {1}? Show the name and the number of {1}.",
        "Name all {0} with {2} or more {1}, and how many each of them has.",
        "List the names of {0} that have no fewer than {2} {1}, followed by the number of {1}.",
    )
    return Question(
        generator.choice(wordings).format(instance.owners.noun, instance.parts.noun, at_least),
        f"SELECT {instance.owners.name}.name, COUNT(*) FROM {instance.joined} "
        f"GROUP BY {instance.owners.name}.id HAVING COUNT(*) >= {at_least}",
    )


def group_over_join(instance: Instance, generator: random.Random) -> Question | None:
    group = generator.choice(instance.owners.categories)
    word, call = _aggregate(generator, generator.choice(instance.parts.numbers), qualified=True)
    wordings = (
        "For each {0} of the {1}, what is the {2} of their {3}? Show the {0}, then the value.",
        "Show every {0} of the {1} that have {3}, followed by the {2} of these {3}.",
        "Group the {3} by the {0} of their {1} and give the {0} and the {2}.",
    )
    words = (group.about.noun, instance.owners.noun, word, instance.parts.noun)
    return Question(
        generator.choice(wordings).format(*words),
        f"SELECT {group.path}, {call} FROM {instance.joined} GROUP BY {group.path}",
    )


def top_owner(instance: Instance, generator: random.Random) -> Question | None:
    """The owner with the largest total, if no two share it."""
    summable = [
        column
        for column in instance.parts.numbers
        if isinstance(column.about, Number) and column.about.adds_up
    ]
    if not summable:
        return None
    column = generator.choice(summable)
    totals: Counter[int] = Counter()
    for owner, value in zip(instance.belongs_to, column.values, strict=True):
        totals[owner] += int(value)
    (_, first), (_, second) = totals.most_common(2)
    if first == second:
        return None
    wordings = (
        "Who of the {0} has the highest total {1} over all their {2}?",
        "Name the one of the {0} whose {2} have the largest total {1}.",
        "Add up the {1} of the {2} for each of the {0}: who comes first? Give the name.",
    )
    return Question(
        generator.choice(wordings).format(instance.owners.noun, column.about.noun, instance.parts.noun),
        f"SELECT {instance.owners.name}.name FROM {instance.joined} "
        f"GROUP BY {instance.owners.name}.id ORDER BY SUM({column.path}) DESC LIMIT 1",
    )


def above_average(instance: Instance, generator: random.Random) -> Question | None:
    table = _table(instance, generator)
    column = generator.choice(table.numbers)
    word, sign = generator.choice((("above", ">"), ("below", "<")))
    phrase = f"whose {column.about.noun} is {word} the average {column.about.noun} of all {table.noun}"
    return _list(
        generator,
        instance,
        table,
        phrase,
        f"WHERE {column.name} {sign} (SELECT AVG({column.name}) FROM {table.name})",
    )


def owners_without(instance: Instance, generator: random.Random) -> Question | None:
    chosen = _filter(generator, generator.choice(instance.parts.columns))
    wordings = (
        "Which {0} have no {1} {2}? Give their names.",
        "Name all {0} without any {1} {2}.",
        "List the names of the {0} that do not have a single one of the {1} {2}.",
    )
    return Question(
        generator.choice(wordings).format(instance.owners.noun, instance.parts.noun, chosen.phrase),
        f"SELECT name FROM {instance.owners.name} WHERE id NOT IN "
        f"(SELECT {instance.database.key} FROM {instance.parts.name} WHERE {chosen.condition})",
    )


def _table(instance: Instance, generator: random.Random) -> Table:
    return generator.choice((instance.owners, instance.parts))


def _filter(generator: random.Random, column: Column, *, qualified: bool = False) -> Filter:
    """A condition that some rows meet and others do not, as far as the values allow."""
    path = column.path if qualified else column.name
    if isinstance(column.about, Category):
        value = generator.choice(column.values)
        return Filter(generator.choice(column.about.phrases).format(value), f"{path} = '{value}'")
    ordered = sorted(column.values)
    threshold = generator.choice(ordered[len(ordered) // 4 : -len(ordered) // 4])
    phrases, sign = generator.choice(((column.about.over, ">"), (column.about.under, "<")))
    return Filter(generator.choice(phrases).format(threshold), f"{path} {sign} {threshold}")


def _two_filters(generator: random.Random, table: Table) -> tuple[str, str]:
    """Words and SQL for two conditions on one table."""
    left, right = (_filter(generator, column) for column in generator.sample(table.columns, 2))
    if generator.random() < 0.5:
        return f"{left.phrase} and {right.phrase}", f"{left.condition} AND {right.condition}"
    return f"either {left.phrase} or {right.phrase}, or both", f"{left.condition} OR {right.condition}"


def _joined_filter(instance: Instance, generator: random.Random) -> tuple[str, str]:
    """Words and SQL for the parts of certain owners, or in half of the cases for certain parts of these."""
    owner = _filter(generator, generator.choice(instance.owners.columns), qualified=True)
    owners = f"{instance.database.link} {instance.owners.noun} {owner.phrase}"
    if generator.random() < 0.5:
        return f"{instance.parts.noun} {owners}", owner.condition
    part = _filter(generator, generator.choice(instance.parts.columns), qualified=True)
    return f"{instance.parts.noun} {part.phrase} {owners}", f"{owner.condition} AND {part.condition}"


def _aggregate(generator: random.Random, column: Column, *, qualified: bool = False) -> tuple[str, str]:
    """Words and SQL for an aggregate of a column: `highest age`, `MAX(age)`."""
    about, path = column.about, column.path if qualified else column.name
    assert isinstance(about, Number)
    options = [("average", "AVG"), (about.most, "MAX"), (about.least, "MIN")]
    if about.adds_up:
        options.append(("total", "SUM"))
    word, function = generator.choice(options)
    return f"{word} {about.noun}", f"{function}({path})"


def _count(generator: random.Random, things: str, source: str) -> Question:
    wordings = (
        "How many {} are there?",
        "Count the {}.",
        "What is the number of {}?",
        "I would like to know how many {} we have.",
        "Tell me the number of {}.",
    )
    return Question(generator.choice(wordings).format(things), f"SELECT COUNT(*) FROM {source}")


def _list(generator: random.Random, instance: Instance, table: Table, phrase: str, clauses: str) -> Question:
    wordings = (
        "Give the {0} of all {1}.",
        "List the {0} of the {1}.",
        "Show me the {0} of every one of the {1}.",
        "I need the {0} of the {1}.",
        "What are the {0} of the {1}?",
    )
    return Question(
        generator.choice(wordings).format(_label_words(instance, table), f"{table.noun} {phrase}"),
        f"SELECT {_label(instance, table)} FROM {table.name} {clauses}",
    )


def _ask_value(generator: random.Random, value: str, query: str) -> Question:
    wordings = (
        "What is the {}?",
        "Find the {}.",
        "Give me the {}.",
        "Calculate the {}.",
        "I need to know the {}.",
    )
    return Question(generator.choice(wordings).format(value), query)


def _label(instance: Instance, table: Table) -> str:
    """The column that identifies a row."""
    return "name" if table is instance.owners else "id"


def _label_words(instance: Instance, table: Table) -> str:
    return "names" if table is instance.owners else "ids"


QUESTIONS: dict[int, tuple[Ask, ...]] = {
    1: (count_filtered, list_filtered, aggregate, value_of),
    2: (count_two_filters, list_two_filters, count_by_group, aggregate_filtered, top, count_distinct),
    3: (
        join_count,
        join_aggregate,
        owners_of_parts,
        parts_by_owner,
        group_over_join,
        top_owner,
        above_average,
        owners_without,
    ),
}
"""By difficulty: one clause; several clauses on one table; both tables or a nested query."""
