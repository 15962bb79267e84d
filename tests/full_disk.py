"""A sweep whose work folder is a small disk of its own, in a process of its own: the disk ends with it.

`unshare -rm python -m full_disk FOLDER SIZE` mounts a disk of that size (as `mount` writes it) at FOLDER/work, runs the
sweep there, and once more when there is room; it prints what the first start ended with, and how many runs had a
result then, and how many the second start found done and finished.
"""

import json
import subprocess
import sys
from pathlib import Path

import shared_results

from harness.driver import loop
from harness.errors import UserError
from harness.records.result import RESULT


def main(folder: Path, size: str) -> None:
    """Run it twice."""
    for function, answer in shared_results.NOTHING_LOADED.items():
        setattr(loop, function, answer)
    disk = folder / "work"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=True)
    said = ""
    try:
        shared_results.run(folder, disk.name, "a")
    except UserError as error:
        said = str(error)
    finished = len(list(folder.glob(f"results/**/{RESULT}")))
    subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
    again = shared_results.run(folder, disk.name, "a")
    print(json.dumps([said, finished, again.already_done, len(again.finished), len(again.failed)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
