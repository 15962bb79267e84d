"""Where this program keeps what can be made again, but takes a while to make."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """`$GAINBOARD_CACHE`, or `gainboard` in the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "gainboard"
    return Path(os.environ.get("GAINBOARD_CACHE", default))
