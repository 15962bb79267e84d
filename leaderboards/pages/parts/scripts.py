"""Data for the scripts of pages, as scripts: pages that are opened from a disk may not read files, only run
them."""

import json


def script_call(function: str, data: object) -> str:
    """A script that hands data to a function of a page: nothing in it can end the script or start a tag."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return f"{function}({text.replace('<', chr(92) + 'u003c')});\n"
