"""Walk all tasks that come with lm-evaluation-harness, without their data: which are used, and why the others are not.

    python tests/lm_eval_walk.py [N]     # all, or N of them that are drawn

It takes a minute of one core for all 13,000, and asks no hub. A task whose own code is not done after two minutes is
refused like any other. It fails where a task is neither used nor refused in a sentence.
"""

import os
import random
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Self

from harness.errors import UserError
from harness.plugins.lm_eval import library


@dataclass(frozen=True)
class Finding:
    """What is made of a task."""

    task: str
    reason: str | None
    """Why it is refused; None where it is used."""

    in_a_sentence: bool = True
    """False where what was raised is no `UserError`."""

    @property
    def kind(self) -> str:
        """The reason without what is the task's own."""
        reason = self.reason or "used"
        return re.sub(r"'[^']*'|(?<=of \")[^\"]*", "…", reason.partition(";")[0])[:100]

    @classmethod
    def of(cls, task: str) -> Self:
        """What is made of a task of that name."""
        try:
            return cls(task, reason_of(task))
        except Exception as error:
            return cls(task, f"raised {type(error).__name__}: {error}", in_a_sentence=False)


def task_names() -> list[str]:
    """The names of all tasks, without groups and tags."""
    library.prepare()
    entries = library._manager(()).task_index.items()
    return sorted(name for name, entry in entries if entry.kind.name in ("TASK", "PY_TASK"))


def reason_of(name: str) -> str | None:
    """Why a task is refused, as far as that is known without its data; None where it is not."""
    try:
        library.declared(name, ())
    except UserError as error:
        return str(error)
    return None


def findings(names: Iterable[str]) -> Iterator[Finding]:
    """What is made of each task."""
    for name in names:
        yield Finding.of(name)


def main(count: int | None) -> int:
    """Print how many tasks are used, and the others by reason, most frequent first. Return the exit code."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    names = task_names()
    walked = sorted(findings(random.Random(0).sample(names, count or len(names))), key=lambda each: each.kind)
    kinds = [list(group) for _, group in groupby(walked, key=lambda each: each.kind)]
    for kind in sorted(kinds, key=len, reverse=True):
        print(f"{len(kind):6,} {len(kind) / len(walked):6.1%}  {kind[0].kind}  (such as {kind[0].task})")
    used = sum(finding.reason is None for finding in walked)
    faults = sum(not finding.in_a_sentence for finding in walked)
    print(
        f"{len(walked):6,} tasks: {used:,} used ({used / len(walked):.1%}), "
        f"{len(walked) - used - faults:,} refused in a sentence, {faults:,} otherwise"
    )
    return min(faults, 1)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else None))
