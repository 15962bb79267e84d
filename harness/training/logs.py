"""Have experiment trackers write beside the weights, and say in a sentence which of them is missing."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError, suggest


@contextmanager
def logging_to(folder: Path, trackers: Sequence[str]) -> Iterator[None]:
    """While a training runs. Raises `UserError` for a tracker that is missing; a place that the environment
    names stays."""
    if not trackers:
        yield
        return
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for tracker in trackers:
        if tracker not in INTEGRATION_TO_CALLBACK:
            known = sorted(INTEGRATION_TO_CALLBACK)
            raise UserError(
                f"report_to: tracker '{tracker}' not found.{suggest(tracker, known)} There are {', '.join(known)}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    places = {
        "TENSORBOARD_LOGGING_DIR": str(folder),
        "TRACKIO_DIR": str(folder),
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": "gainboard",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder.resolve() / 'mlflow.db'}",
        "MLFLOW_EXPERIMENT_NAME": "gainboard",
    }
    ours = {name: value for name, value in places.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    except (ImportError, RuntimeError) as error:
        reason = str(error)
        missing = next((tracker for tracker in trackers if tracker.lower() in reason.lower()), None)
        if missing is None or "install" not in reason:
            raise
        raise UserError(
            f"report_to = '{missing}' needs a package that is not installed here; pip install {missing}"
        ) from None
    finally:
        if "wandb" in sys.modules and sys.modules["wandb"].run is not None:
            sys.modules["wandb"].finish()  # or the next training would go on with this one's run
        for name in ours:
            del os.environ[name]
