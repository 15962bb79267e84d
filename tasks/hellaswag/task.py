"""Choose how an everyday scene goes on: does a model know what people do next?

The data is HellaSwag (Zellers et al. 2019, arXiv 1905.07830) from the Hugging Face hub, at a pinned revision:
39,905 training rows, of which 500 are set apart as dev. The public test rows have no labels, so the 10,042
validation rows are the test. Its authors publish it under the MIT licence. An invented row of the same shape,
without its columns of origin:

    {"activity_label": "Baking bread", "ctx": "A man kneads dough on a table. he", "endings": ["puts it into a
    warm oven.", "sails it across the lake.", "reads it to the children.", "plugs it into the wall."],
    "label": "0"}

A choice is judged by its likelihood after the scene. Endings differ in length, so the board ranks by
`accuracy_norm`, where the likelihood is per byte, beside the plain `accuracy`.
"""

import re

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "Rowan/hellaswag"
REVISION = "218ec52e09a7e7462a5400043bb9a69a41d06b76"

TITLE = re.compile(r"\.?\s*\[title\]\s*")
MARKUP = re.compile(r"\s*\[(?:header|step|substeps)\]\s*")


@task
def hellaswag() -> Task:
    return Task(
        name="hellaswag",
        version=1,
        description="Choose the most plausible continuation of an everyday scene.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "continuation": "{activity}: {scene} <mask>",
                "title": "How it is done: {activity}\n\n{scene} <mask>",
                "instruction": "Below is the beginning of a description of {activity}. Finish it in the most sensible "
                "way.\n\n{scene} <mask>",
            }
        ),
        output="choice",
        metrics=("accuracy_norm", "accuracy"),
        primary_metric="accuracy_norm",
        chance=0.25,
        license="MIT",
        reference="https://arxiv.org/abs/1905.07830",
    )


def load(path: str = HUB_ID, *, dev_size: int = 500) -> Splits:
    """The pinned hub data set, or a local folder of the same layout, without rows whose endings read the
    same."""
    revision = REVISION if path == HUB_ID else None
    rows = hub_splits(path, None, revision=revision, train="train", test="validation", dev_size=dev_size)
    return Splits(
        *([row for row in split if is_a_choice(row)] for split in (rows.train, rows.dev, rows.test))
    )


def is_a_choice(row: Row) -> bool:
    """Whether all endings are different and none is blank, once the markup is gone."""
    endings = {plain(ending) for ending in row["endings"]}
    return len(endings) == len(row["endings"]) and "" not in endings


def to_sample(row: Row, index: int) -> Sample:
    choices = tuple(plain(ending) for ending in row["endings"])
    return Sample(
        id=str(index),
        fields={"activity": row["activity_label"], "scene": plain(row["ctx"])},
        target=choices[int(row["label"])],
        choices=choices,
        # Several scenes come from one video or article.
        cluster=row["source_id"],
    )


def plain(text: str) -> str:
    """A text without the markup that WikiHow left in it: `How to bake [title] Knead. [step] Use flour.`"""
    sentences = MARKUP.sub(" ", TITLE.sub(". ", text))
    return " ".join(sentences.split()).removeprefix(". ")
