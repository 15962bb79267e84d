"""Steps that add training samples: copies in another wording, with other names, or with typing errors."""

import dataclasses
import itertools
import random
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from harness.counts import count_of
from harness.errors import UserError, suggest
from harness.task import Sample
from harness.task.step import TRAIN_ONLY, Step

SHORTEST_WORD = 4
"""Letters of the shortest word that `noise` mistypes: an error in a shorter one too often makes another
word."""


def paraphrase(field: str, templates: Sequence[str], *, splits: Sequence[str] = TRAIN_ONLY) -> Step:
    """Add a copy of every sample for each template, a wording of `field` such as `"{text} Thanks!"`.

    The right answer must stay right in every wording. Raises `UserError` for a template that does not name
    the field, or names another.
    """
    if isinstance(templates, str) or not templates:
        example = f"{{{field}}} Thanks!"
        raise UserError(
            f"paraphrase of '{field}': templates is {templates!r}; give a list, such as ['{example}']"
        )
    for template in templates:
        _check_wording(field, template)

    def apply(samples: list[Sample], _: random.Random) -> list[Sample]:
        copies = []
        for sample in samples:
            text = _text(sample, field)
            copies += [
                _with_text(sample, field, template.format_map({field: text})) for template in templates
            ]
        return _with_copies(samples, copies, "paraphrase")

    count = count_of(len(templates), "template")
    return Step(f"paraphrase({field}, {count})", apply, tuple(splits))


def _check_wording(field: str, template: str) -> None:
    subject = f"paraphrase of '{field}': template {template!r}"
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(template) if name is not None}
    except ValueError as error:
        raise UserError(
            f"{subject} is not a format string: {error} (a brace that is meant is doubled)"
        ) from None
    if fields != {field}:
        raise UserError(f"{subject} must name {{{field}}}, and no other field")


def swap_entities(
    groups: Mapping[str, Sequence[str]], *, share: float = 0.5, splits: Sequence[str] = TRAIN_ONLY
) -> Step:
    """Add copies of a `share` of the samples that name an entity, with names of its group exchanged.

    `groups` maps a kind of entity to its names. Names match as whole words in the same case, and are
    exchanged alike in fields and targets. A name in a choice is left alone, so choices stay as they are; so
    is a name that the sample also has in another form (in another case, or inside a word), because the answer
    could not follow. This suits tasks whose answers repeat a name or do not depend on it, not those that sort
    or spell names or ask for facts about them.
    """
    kinds = {kind: tuple(dict.fromkeys(names)) for kind, names in groups.items()}
    _check_groups(kinds)
    _check_share("swap_entities", "share", share)
    # The longest come first, so that "Ann Lee" is not read as "Ann".
    names = sorted(itertools.chain.from_iterable(kinds.values()), key=len, reverse=True)
    pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})(?!\w)")

    def apply(samples: list[Sample], draws: random.Random) -> list[Sample]:
        eligible = []
        for sample in samples:
            exchange = _exchange(sample, kinds, pattern, draws)
            if exchange:
                eligible.append((sample, exchange))
        drawn = sorted(draws.sample(range(len(eligible)), round(share * len(eligible))))
        return _with_copies(samples, [_renamed(*eligible[index], pattern) for index in drawn], "swap")

    return Step(f"swap_entities({', '.join(kinds)}, share={share:g})", apply, tuple(splits))


def _check_groups(kinds: Mapping[str, Sequence[str]]) -> None:
    if not kinds:
        raise UserError("swap_entities: no groups; give at least one, such as {'city': ['Paris', 'Rome']}")
    owners: dict[str, str] = {}
    for kind, names in kinds.items():
        if len(names) < 2:
            raise UserError(
                f"swap_entities: group '{kind}' has {count_of(len(names), 'name')}; to exchange "
                "them takes at least two"
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
    """Each name of this sample that may be exchanged → the one that takes its place: always another, and a
    different one for each."""
    text = "\n".join([*sample.fields.values(), *sample.targets])
    occurrences = Counter(pattern.findall(text))
    if not occurrences:
        return {}
    # A name that occurs more often when case and word borders are ignored also has another form.
    folded = text.casefold()
    fixed = {name for name, count in occurrences.items() if folded.count(name.casefold()) > count}
    fixed |= set(pattern.findall("\n".join(sample.choices)))
    exchange: dict[str, str] = {}
    for names in kinds.values():
        pool = [name for name in names if name not in fixed]
        if len(pool) < 2 or occurrences.keys().isdisjoint(pool):
            continue
        # The whole group is rotated: every name becomes another, and no two names become the same.
        shift = draws.randrange(1, len(pool))
        for place, name in enumerate(pool):
            if name in occurrences:
                exchange[name] = pool[(place + shift) % len(pool)]
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
    """Add a copy of every sample with typing errors in a share `rate` of the words of `field`: letters
    swapped, dropped or doubled.

    The first letter of a word stays, and so do words of fewer than four letters, words with digits, and every
    word that a target or a choice contains, because an error in one choice would set it apart. A sample in
    which no error happens to fall gets no copy.
    """
    _check_share("noise", "rate", rate)

    def apply(samples: list[Sample], draws: random.Random) -> list[Sample]:
        copies = []
        for sample in samples:
            text = _mistyped(sample, field, rate, draws)
            if text != sample.fields[field]:
                copies.append(_with_text(sample, field, text))
        return _with_copies(samples, copies, "noise")

    return Step(f"noise({field}, rate={rate:g})", apply, tuple(splits))


def _mistyped(sample: Sample, field: str, rate: float, draws: random.Random) -> str:
    answers = "\n".join([*sample.targets, *sample.choices]).casefold()

    def retype(match: re.Match[str]) -> str:
        word = match[0]
        if len(word) < SHORTEST_WORD or not word.isalpha() or word.casefold() in answers:
            return word
        return _slip(word, draws) if draws.random() < rate else word

    return re.sub(r"\w+", retype, _text(sample, field))


def _slip(word: str, draws: random.Random) -> str:
    """The word with two neighbouring letters swapped, or with one of them dropped or doubled."""
    place = draws.randrange(1, len(word) - 1)
    before, letter, following, after = word[:place], word[place], word[place + 1], word[place + 2 :]
    dropped = before + following + after
    doubled = before + letter + letter + following + after
    slips = [dropped, doubled]
    if letter != following:  # two equal letters would look the same when swapped
        slips.append(before + following + letter + after)
    return draws.choice(slips)


def _text(sample: Sample, field: str) -> str:
    if field not in sample.fields:
        fields = ", ".join(sorted(sample.fields)) or "none"
        raise UserError(
            f"sample '{sample.id}' has no field '{field}'; it has {fields}.{suggest(field, sample.fields)}"
        )
    return sample.fields[field]


def _with_text(sample: Sample, field: str, text: str) -> Sample:
    return dataclasses.replace(sample, fields={**sample.fields, field: text})


def _with_copies(samples: Sequence[Sample], copies: Iterable[Sample], kind: str) -> list[Sample]:
    """The samples, then their changed copies under new ids: `12~noise1`, or the next number that is free."""
    used_ids = {sample.id for sample in samples}
    renamed = []
    for copy in copies:
        ids = (f"{copy.id}~{kind}{number}" for number in itertools.count(1))
        new_id = next(name for name in ids if name not in used_ids)
        used_ids.add(new_id)
        renamed.append(dataclasses.replace(copy, id=new_id, copy_of=copy.copy_of or copy.id))
    return [*samples, *renamed]


def _check_share(step: str, name: str, share: float) -> None:
    if not 0 < share <= 1:
        raise UserError(f"{step}: {name} is {share:g}; it must be above 0 and at most 1")
