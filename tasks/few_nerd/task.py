"""Find the named entities of a sentence and say of what type each is, as JSON.

The data is Few-NERD (Ding et al. 2021, ACL 2021.acl-long.248), sentences of the English Wikipedia, from the
Hugging Face hub, at a pinned revision and in its supervised split: 131,767 training, 18,824 dev and 37,648
test rows. The licence is CC-BY-SA-4.0. An invented row of the same shape, without its finer types (a number
is an index into `TYPES`):

    {"id": "1", "tokens": ["Ann", "Lee", "moved", "to", "Oslo", "."], "ner_tags": [7, 7, 0, 0, 4, 0]}

The answer is one JSON object from entity to type, in the order of the sentence: {"Ann Lee": "person", "Oslo":
"location"}. Neighbouring words of one type are one entity, as the data set itself has it; a name that occurs
twice is asked for once.
"""

import json
from itertools import groupby

from harness import PromptSet, Row, Sample, Splits, Task, first_json_object, hub_splits, task

HUB_ID = "DFKI-SLT/few-nerd"
REVISION = "205f3e9c9f3577ea2561d43f2f62dc249ab92d5b"
NONE = "O"
TYPES = (NONE, "art", "building", "event", "location", "organization", "other", "person", "product")


@task
def few_nerd() -> Task:
    return Task(
        name="few_nerd",
        version=1,
        description="Write the named entities of a sentence and their types as JSON.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "Write the named entities of this sentence and their types as JSON. The types are art, building, "
                "event, location, organization, person, product and other.\nSentence: {sentence}",
                "example": 'List the named entities in the form {{"Ada Byron": "person", "Turin": "location"}}. Besides '
                "these types there are art, building, event, organization, product and other. Without any entity write "
                "{{}}.\n\n{sentence}",
                "question": "{sentence}\nWhich names occur in this sentence, and is each that of a person, a location, an "
                "organization, a building, an event, a product, a work of art, or something other? Reply with one JSON "
                'object from name to type (the word for a work of art is "art").',
            },
            demonstrations="random",
        ),
        output="generate",
        metrics=("json_f1", "json_precision", "json_recall"),
        primary_metric="json_f1",
        extract=first_json_object,
        max_tokens=160,
        license="CC-BY-SA-4.0",
        reference="https://aclanthology.org/2021.acl-long.248/",
    )


def load(path: str = HUB_ID) -> Splits:
    """The pinned hub data set, or a local folder of the same layout."""
    revision = REVISION if path == HUB_ID else None
    return hub_splits(path, "supervised", revision=revision, train="train", test="test", dev="validation")


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"sentence": " ".join(row["tokens"])},
        target=json.dumps(entities(row), ensure_ascii=False),
    )


def entities(row: Row) -> dict[str, str]:
    """Text → type of each run of words that have the same type."""
    runs = groupby(zip(row["tokens"], row["ner_tags"], strict=True), key=lambda pair: pair[1])
    return {" ".join(word for word, _ in run): TYPES[tag] for tag, run in runs if TYPES[tag] != NONE}
