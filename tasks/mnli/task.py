"""Say whether one sentence follows from another: does a model learn to tell what is meant from what is only
likely?

The data is MultiNLI (Williams et al. 2018, arXiv 1704.05426) as the GLUE benchmark has it, from the Hugging
Face hub, at a pinned revision: 392,702 training rows, of which 1,000 are set apart as dev. The public test
rows have no labels, so the 9,815 validation rows of the same genres ("matched") are the test. Most texts are
under the licence of the Open American National Corpus (OANC); the rest are fiction under CC-BY-3.0 or
CC-BY-SA-3.0, or in the public domain. An invented row of the same shape:

    {"premise": "Ann sold both her boats.", "hypothesis": "Ann has no boat left.", "label": 1, "idx": 0}
"""

from harness import PromptSet, Row, Sample, Splits, Task, hub_splits, task

HUB_ID = "nyu-mll/glue"
REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"
LABELS = ("entailment", "neutral", "contradiction")


@task
def mnli() -> Task:
    return Task(
        name="mnli",
        version=1,
        description="Say whether a premise entails a hypothesis, contradicts it, or neither.",
        data=load,
        to_sample=to_sample,
        prompts=PromptSet(
            templates={
                "plain": "Premise: {premise}\nHypothesis: {hypothesis}\nEntailment, neutral or contradiction?",
                "instruction": "Take the first sentence to be true. If the second must then be true as well, write "
                "entailment; if it cannot be true, contradiction; if it may or may not be, neutral.\n\n"
                "First: {premise}\nSecond: {hypothesis}",
                "question": 'Someone writes: "{premise}" What does this tell about the claim "{hypothesis}": entailment, '
                "neutral or contradiction?",
            }
        ),
        output="choice",
        metrics=("accuracy", "f1_macro", "mcc", "brier", "ece"),
        primary_metric="accuracy",
        chance=1 / len(LABELS),
        license="OANC AND CC-BY-3.0 AND CC-BY-SA-3.0 AND public domain",
        reference="https://arxiv.org/abs/1704.05426",
    )


def load(path: str = HUB_ID, *, dev_size: int = 1000) -> Splits:
    """The pinned hub data set, or a local folder of the same layout."""
    revision = REVISION if path == HUB_ID else None
    return hub_splits(
        path, "mnli", revision=revision, train="train", test="validation_matched", dev_size=dev_size
    )


def to_sample(row: Row, index: int) -> Sample:
    return Sample(
        id=str(index),
        fields={"premise": row["premise"].strip(), "hypothesis": row["hypothesis"].strip()},
        target=LABELS[row["label"]],
        choices=LABELS,
        cluster=row["premise"].strip(),
    )
