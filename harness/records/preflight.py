"""Facts of a candidate's tokenizer, chat template and size that were noticed before anything was trained."""

from typing import Literal

from harness.records.fields import record_part

Severity = Literal["refuse", "warn", "note"]
"""`refuse`: its scores would be wrong or missing. `warn`: they need explaining. `note`: worth knowing."""


@record_part
class PreflightFinding:
    """One sentence about one candidate."""

    severity: Severity
    fact: str
    """The kind of fact, such as `end_of_answer`."""

    candidate: str
    task: str = ""
    """Empty for what concerns all of the candidate's runs."""

    sentence: str
    """What, where, and what to do."""

    @property
    def place(self) -> str:
        """`candidate 'toy', task 'boolq'`."""
        task = f", task '{self.task}'" if self.task else ""
        return f"candidate '{self.candidate}'{task}"
