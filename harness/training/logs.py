"""Let experiment trackers write beside the weights, and name a tracker that is not installed."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.errors import UserError, suggest


@contextmanager
def logging_to(folder: Path, trackers: Sequence[str]) -> Iterator[None]:
    """Have the trackers write below `folder` while a training runs; what the environment sets already stays.

    Raises `UserError` for a tracker that is unknown or not installed.
    """
    if not trackers:
        yield
        return
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    for tracker in trackers:
        if tracker not in INTEGRATION_TO_CALLBACK:
            names = sorted(INTEGRATION_TO_CALLBACK)
            raise UserError(
                f"report_to: tracker '{tracker}' not found.{suggest(tracker, names)} "
                f"There are {', '.join(names)}"
            )
    folder.mkdir(parents=True, exist_ok=True)
    variables = {
        "TENSORBOARD_LOGGING_DIR": str(folder),
        "TRACKIO_DIR": str(folder),
        "WANDB_DIR": str(folder),
        "WANDB_PROJECT": "gainboard",
        "MLFLOW_TRACKING_URI": f"sqlite:///{folder.resolve() / 'mlflow.db'}",
        "MLFLOW_EXPERIMENT_NAME": "gainboard",
    }
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
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
        for name in added:
            del os.environ[name]
