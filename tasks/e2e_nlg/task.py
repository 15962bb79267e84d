"""Describe a restaurant in one or two sentences, given its attributes: does a model say all of them, and
nothing else?

The data is that of the E2E NLG challenge (Novikova et al. 2017, arXiv 1706.09254) from the Hugging Face hub,
at a pinned revision: 42,061 training rows over 4,862 restaurants, 4,672 dev rows over 547 and 4,693 test rows
over 630, no restaurant in two splits. The licence is CC-BY-SA-4.0. An invented row of the same shape:

    {"meaning_representation": "name[The Oak], eatType[pub], area[riverside]", "human_reference": "The Oak is
    a pub by the river."}

Every restaurant was described by several people. In train each description is a row; in dev and test a
restaurant is one row with all its descriptions, and a model's is compared with every one of them.
"""

import re
from collections.abc import Sequence

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "tuetschek/e2e_nlg"
# A commit of the branch where the hub keeps its own Parquet conversion: the main branch holds a loading
# script only.
REVISION = "5061e4307d2e553f9b51ccb73998d7039fe6ed90"

ATTRIBUTE = re.compile(r"([^\[\],]+)\[([^\]]*)\]")


@task
def e2e_nlg() -> Task:
    return Task(
        name="e2e_nlg",
        version=1,
        description="Describe a restaurant in a sentence or two, given its attributes.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "Describe this restaurant.\n{attributes}",
                "instruction": "Write one or two fluent English sentences that tell everything in this list about a "
                "restaurant, and nothing that is not in it.\n\n{attributes}",
                "role": "You write entries for a city guide. Turn these notes into a short text.\n\nNotes:\n{attributes}",
            },
            marker="Description:",
            demonstrations="random",
        ),
        output="generate",
        metrics=("bleu", "rougeL", "chrf", "ter"),
        primary_metric="bleu",
        extract=first_paragraph,
        max_tokens=96,
        license="CC-BY-SA-4.0",
        reference="https://arxiv.org/abs/1706.09254",
    )


def load(path: str = HUB_ID) -> Splits:
    """The pinned hub data set, or a local folder of the same layout; in dev and test with all references of a
    restaurant in one row."""
    revision = REVISION if path == HUB_ID else None
    rows = hub_splits(path, None, revision=revision, train="train", test="test", dev="validation")
    return Splits(train=rows.train, dev=gathered(rows.dev), test=gathered(rows.test))


def gathered(rows: Sequence[Row]) -> list[Row]:
    """One row per meaning representation, whose `human_reference` lists all texts written for it."""
    references: dict[str, list[str]] = {}
    for row in rows:
        references.setdefault(row["meaning_representation"], []).append(row["human_reference"])
    return [
        {"meaning_representation": meaning, "human_reference": texts} for meaning, texts in references.items()
    ]


def to_sample(row: Row, index: int) -> Sample:
    written = row["human_reference"]
    texts = [written] if isinstance(written, str) else written
    return Sample(
        id=str(index),
        fields={"attributes": listed(row["meaning_representation"])},
        target=tuple(dict.fromkeys(text.strip() for text in texts)),
    )


def listed(meaning: str) -> str:
    """`name[The Oak], eatType[pub]` as lines: `name: The Oak` and `eatType: pub`."""
    return "\n".join(f"{name.strip()}: {value}" for name, value in ATTRIBUTE.findall(meaning))


def first_paragraph(completion: str) -> str:
    """The first paragraph, on one line; what follows it is another text."""
    return " ".join(completion.strip().partition("\n\n")[0].split())
