"""Steps that add training samples: copies in another wording, with other names, or with typing slips."""

import dataclasses
import itertools
import random
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UserError, suggest
from harness.task import Sample
from harness.task.step import TRAIN_ONLY, Step

SHORTEST_WORD = 4
"""Letters of the shortest word that `noise` mistypes: a slip in a shorter one makes another word too
easily."""


def paraphrase(field: str, templates: Sequence[str], *, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Add a copy of every sample for each template, a wording of `field` such as `"{text} Thanks!"`.

    The wordings must leave the right answer right. Raises `UserError` for a template that does not name the
    field, or names another.
    """
    if isinstance(templates, str) or not templates:
        raise UserError(
            f"paraphrase of '{field}': templates is {templates!r}; give a list, such as ['{{{field}}} Thanks!']"
        )
    for template in templates:
        _check_wording(field, template)

    def apply(samples: list[Sample], _: random.Random) -> list[Sample]:
        copies = [
            _with_text(sample, field, template.format_map({field: _text(sample, field)}))
            for sample in samples
            for template in templates
        ]
        return _with_copies(samples, copies, "paraphrase")

    count = "1 template" if len(templates) == 1 else f"{len(templates)} templates"
    return Step(f"paraphrase({field}, {count})", apply, tuple(splits))


def _check_wording(field: str, template: str) -> None:
    where = f"paraphrase of '{field}': template {template!r}"
    try:
        named = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UserError(
            f"{where} is not a format string: {error} (a brace that is meant is doubled)"
        ) from None
    if named != {field}:
        raise UserError(f"{where} must name {{{field}}}, and no other field")


def swap_entities(
    groups: Mapping[str, Sequence[str]], *, share: float = 0.5, splits: Sequence[str] = TRAIN_ONLY
) -> Step:
    """Add copies of a `share` of the samples that name an entity, with others of its group in the entity's
    place.

    `groups` is a kind of entity to its names. Names are found as whole words in the same case, and exchanged
    alike in fields and targets. A name that stands in a choice is left alone, so choices stay as they are; so
    is one that the sample also has in another form (another case, or within a word), for its answer could not
    follow. This is only for tasks whose answers repeat a name or have nothing to do with it, not for those
    that sort or spell names or ask what is known of them.
    """
    kinds = {kind: tuple(dict.fromkeys(names)) for kind, names in groups.items()}
    _check_groups(kinds)
    _check_share("swap_entities", "share", share)
    # The longest first, so that "Ann Lee" is not found as "Ann".
    names = sorted((name for names in kinds.values() for name in names), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")

    def apply(samples: list[Sample], draws: random.Random) -> list[Sample]:
        pairs = [(sample, _exchange(sample, kinds, pattern, draws)) for sample in samples]
        open_to_it = [(sample, other) for sample, other in pairs if other]
        drawn = sorted(draws.sample(range(len(open_to_it)), round(share * len(open_to_it))))
        return _with_copies(samples, [_renamed(*open_to_it[place], pattern) for place in drawn], "swap")

    return Step(f"swap_entities({', '.join(kinds)}, share={share:g})", apply, tuple(splits))


def _check_groups(kinds: Mapping[str, Sequence[str]]) -> None:
    if not kinds:
        raise UserError("swap_entities: no groups; give at least one, such as {'city': ['Paris', 'Rome']}")
    owners: dict[str, str] = {}
    for kind, names in kinds.items():
        if len(names) < 2:
            raise UserError(
                f"swap_entities: group '{kind}' has {len(names)} names; to exchange them takes at least two"
            )
        for name in names:
            if not name.strip():
                raise UserError(f"swap_entities: group '{kind}' has an empty name; remove it")
            if name in owners:
                raise UserError(
                    f"swap_entities: '{name}' is in the groups '{owners[name]}' and '{kind}'; keep it in one"
                )
            owners[name] = kind


def _exchange(
    sample: Sample, kinds: Mapping[str, Sequence[str]], pattern: re.Pattern[str], draws: random.Random
) -> dict[str, str]:
    """Each name that may be exchanged in this sample → the one that takes its place: never itself, no two the
    same."""
    text = "\n".join([*sample.fields.values(), *sample.targets])
    found = Counter(pattern.findall(text))
    if not found:
        return {}
    folded = text.casefold()
    fixed = {name for name, count in found.items() if folded.count(name.casefold()) > count}
    fixed |= set(pattern.findall("\n".join(sample.choices)))
    exchange: dict[str, str] = {}
    for names in kinds.values():
        pool = [name for name in names if name not in fixed]
        if len(pool) < 2 or found.keys().isdisjoint(pool):
            continue
        # One turn of the whole group: each name gets another, and two names of a sample never become one.
        turn = draws.randrange(1, len(pool))
        exchange |= {
            name: pool[(place + turn) % len(pool)] for place, name in enumerate(pool) if name in found
        }
    return exchange


def _renamed(sample: Sample, exchange: Mapping[str, str], pattern: re.Pattern[str]) -> Sample:
    def rename(text: str) -> str:
        return pattern.sub(lambda match: exchange.get(match[0], match[0]), text)

    targets = tuple(rename(target) for target in sample.targets)
    fields = {name: rename(text) for name, text in sample.fields.items()}
    return dataclasses.replace(
        sample, fields=fields, target=targets[0] if isinstance(sample.target, str) else targets
    )


def noise(field: str, *, rate: float = 0.05, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Add a copy of every sample in which slips of typing fall, at `rate` of the words of `field`: letters
    swapped, dropped or doubled.

    The first letter of a word stays, and so do words of fewer than four letters, words with digits, and every
    word that a target or a choice contains: a slip in one choice would tell it from the others. A sample
    without a slip has no copy.
    """
    _check_share("noise", "rate", rate)

    def apply(samples: list[Sample], draws: random.Random) -> list[Sample]:
        copies = [_with_text(sample, field, _mistyped(sample, field, rate, draws)) for sample in samples]
        return _with_copies(
            samples,
            [copy for copy, sample in zip(copies, samples, strict=True) if copy.fields != sample.fields],
            "noise",
        )

    return Step(f"noise({field}, rate={rate:g})", apply, tuple(splits))


def _mistyped(sample: Sample, field: str, rate: float, draws: random.Random) -> str:
    answers = "\n".join([*sample.targets, *sample.choices]).casefold()

    def retype(match: re.Match[str]) -> str:
        word = match[0]
        if (
            len(word) < SHORTEST_WORD
            or not word.isalpha()
            or word.casefold() in answers
            or draws.random() >= rate
        ):
            return word
        return _slip(word, draws)

    return re.sub(r"\w+", retype, _text(sample, field))


def _slip(word: str, draws: random.Random) -> str:
    place = draws.randrange(1, len(word) - 1)
    before, one, two, after = word[:place], word[place], word[place + 1], word[place + 2 :]
    # Two equal letters would look the same when swapped.
    slips = [before + two + after, before + one + one + two + after] + [before + two + one + after] * (
        one != two
    )
    return draws.choice(slips)


def _text(sample: Sample, field: str) -> str:
    if field not in sample.fields:
        known = ", ".join(sorted(sample.fields)) or "none"
        raise UserError(
            f"sample '{sample.id}' has no field '{field}'; it has {known}.{suggest(field, sample.fields)}"
        )
    return sample.fields[field]


def _with_text(sample: Sample, field: str, text: str) -> Sample:
    return dataclasses.replace(sample, fields={**sample.fields, field: text})


def _with_copies(samples: Sequence[Sample], copies: Iterable[Sample], kind: str) -> list[Sample]:
    """The samples, then their changed copies under ids of their own: `12~noise1`, or the next number that is
    free."""
    taken = {sample.id for sample in samples}
    named = []
    for copy in copies:
        ids = (f"{copy.id}~{kind}{number}" for number in itertools.count(1))
        own = next(name for name in ids if name not in taken)
        taken.add(own)
        named.append(dataclasses.replace(copy, id=own, copy_of=copy.copy_of or copy.id))
    return [*samples, *named]


def _check_share(step: str, name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise UserError(f"{step}: {name} is {share:g}; it must be above 0 and at most 1")
