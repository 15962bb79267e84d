"""Ask a model hub once whether it has a model that is not on this machine."""

from collections.abc import Iterator
from typing import Any

from harness.errors import one_line
from harness.preflight.job import Remark
from harness.records.preflight import Severity

SECONDS = 5.0
"""After which a hub that says nothing counts as out of reach."""


def reach(model: str, revision: str | None, *, downloads: bool) -> Iterator[Remark]:
    """Whether a hub model can be downloaded: nothing to say, or why not.

    `downloads`: whether it is to be, so that a hub out of reach is a reason not to begin.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    place = f"{model} at {revision}"
    severity: Severity = "refuse"
    try:
        info = HfApi().model_info(model, revision=revision, timeout=SECONDS)
    except GatedRepoError:
        sentence = f"{model} is only given to whom its authors admit: ask for access on its page, and log in"
    except RevisionNotFoundError:
        sentence = f"the hub has {model}, but no revision {revision}; take a commit from its page"
    except RepositoryNotFoundError:
        sentence = f"the hub has no model {model}, or none that may be seen without logging in"
    except OfflineModeIsEnabled:
        sentence = (
            f"{place} is not on this machine, and HF_HUB_OFFLINE forbids downloads; unset it, or put the "
            "model into the cache"
        )
    except Exception as error:  # of whichever client the hub's library uses
        sentence = f"{place} is not on this machine, and the hub is out of reach: {one_line(error)[:200]}"
        severity = "refuse" if downloads else "warn"
    else:
        sentence = _without_weights(info)
    if sentence:
        yield Remark(severity=severity, fact="reach", sentence=sentence)


def _without_weights(info: Any) -> str:
    """Why a model that the hub has cannot be used: its files lack something; empty where they do not."""
    names = [file.rfilename for file in info.siblings or ()]
    if not any(name.endswith(".safetensors") for name in names):
        return f"{info.id} has no *.safetensors weights on the hub; take a revision that has"
    return "" if "config.json" in names else f"{info.id} has no config.json on the hub"
