"""Serve a published site on this machine, and nothing else: to no other machine, and no other file.

A site may have come from anywhere, so no link in it is followed out of it. And a page of the web may have its
own name lead to this machine (DNS rebinding) in order to read the site: requests by such a name are refused.
"""

import os
import stat
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.cli.verb import DEFAULT_PORT, PORTS_TRIED
from harness.errors import UserError

OWN_NAMES = ("127.0.0.1", "::1", "localhost")
INDEXES = ("index.html", "index.htm")
"""What is shown in place of the list of a folder."""


def open_server(site: Path, port: int | None) -> ThreadingHTTPServer:
    """A server of a folder on one port, or on the first free one when it does not matter which. Raises
    `UserError` where there is none."""
    handler = partial(_SiteHandler, directory=os.fspath(site))
    ports = range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED) if port is None else [port]
    for candidate in ports:
        try:
            return ThreadingHTTPServer(("127.0.0.1", candidate), handler)
        except OSError as error:
            if candidate == ports[-1]:
                raise UserError(
                    f"port {candidate} cannot be opened: {error.strerror}; name another with --port N"
                ) from None
    raise AssertionError("there is a port to try")


class _SiteHandler(SimpleHTTPRequestHandler):
    def send_head(self) -> Any:
        """What is asked for, or why not."""
        if not self._asks_this_machine():
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This preview answers to 127.0.0.1 only")
            return None
        place = Path(self.translate_path(self.path))
        asked = [place, *(place / index for index in INDEXES if os.path.lexists(place / index))]
        if not all(map(self._may_show, asked)):
            self.send_error(HTTPStatus.NOT_FOUND, "File not found")
            return None
        return super().send_head()

    def _asks_this_machine(self) -> bool:
        host = self.headers.get("Host")
        try:
            return host is None or urlsplit(f"//{host}").hostname in OWN_NAMES
        except ValueError:
            return False

    def _may_show(self, path: Path) -> bool:
        """Whether a file or a folder lies in the site, all links followed."""
        try:
            target = path.resolve(strict=True)
            mode = target.stat().st_mode
        except (OSError, ValueError):  # nothing there, or a name that no file can have
            return False
        within = target.is_relative_to(Path(self.directory).resolve())
        return within and (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
