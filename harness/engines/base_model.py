"""The base model of a worker: what libraries load for it, held to what it was when its sweep was planned."""

from collections.abc import Callable

from harness.engines.gguf import local_model
from harness.sweep.models import check_unchanged, fingerprint, model_kind


class BaseModel:
    """A model that is loaded, often more than once, while its files may be written to."""

    def __init__(
        self, model: str, revision: str | None, planned: str | None, say: Callable[[str], None]
    ) -> None:
        """`planned`: its fingerprint when the sweep was planned; None where nothing
        was. `say` hears what takes a while.

        Raises `UserError` where it is another model by now, or a GGUF file that cannot be converted.
        """
        self._held = [(model, revision, planned)]
        self.check()
        self.path = local_model(model, say)
        """The folder or hub id that libraries load."""

        self.revision = revision
        if model_kind(model) == "gguf":
            self._held.append((self.path, None, fingerprint(self.path, None)))

    def check(self) -> None:
        """Raise `UserError` when it has changed: called before and after every time that it is loaded."""
        for model, revision, planned in self._held:
            check_unchanged(model, revision, planned)
