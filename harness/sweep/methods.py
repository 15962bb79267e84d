"""The methods by which an arm gets its weights or its answers."""

from typing import Literal, get_args

Tuner = Literal["lora", "dora", "qlora", "full"]
"""What of a model is trained: an adapter beside frozen weights (low-rank; with magnitudes of its own; beside
weights of four bits), or all weights."""

Method = Literal[
    "zero_shot", "zero_shot_constrained", "few_shot", "lora", "dora", "qlora", "full", "few_shot_tuning", "multitask",
    "stages", "meta", "soup", "vote", "mean_probability",
]  # fmt: skip
"""How a candidate comes to its answers.

`zero_shot`, `few_shot`: the base as it is. `zero_shot_constrained`: the same, its written answers held to
their samples' choices, so that no form has to be learnt. `lora`, `dora`, `qlora`, `full`: tuned on the task.
`few_shot_tuning`: tuned on tens of its samples. `multitask`: one model tuned on a mixture of tasks. `stages`:
a mixture first, then the task. `meta`: meta-learnt on other tasks (Reptile), then tuned on tens of samples.
`soup`: the average of other arms' weights. `vote`, `mean_probability`: the majority, or the most probable
choice on average, of other arms' answers."""

Tuned = Literal["lora", "dora", "qlora", "full", "few_shot_tuning", "multitask", "stages", "meta"]
CandidateMethod = Literal[
    "zero_shot", "zero_shot_constrained", "few_shot", "lora", "dora", "qlora", "full", "few_shot_tuning", "multitask",
    "stages", "meta",
]  # fmt: skip
EnsembleMethod = Literal["soup", "vote", "mean_probability"]

METHODS: tuple[Method, ...] = get_args(Method)
TUNERS: tuple[Tuner, ...] = get_args(Tuner)
TUNED: tuple[Method, ...] = get_args(Tuned)
"""The methods that train weights."""

ENSEMBLES: tuple[Method, ...] = get_args(EnsembleMethod)
"""The methods that are made of other arms."""
