"""A hub is asked once whether it has a model, and its answer is a sentence."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from harness.preflight import reach as reaching
from harness.preflight.reach import reach

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the train extra")

COMMIT = "a" * 40


class Hub(BaseHTTPRequestHandler):
    """Knows models by their names' last parts."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = self.path.split("/")[4]
        status, headers, body = 200, {}, {}
        if name == "good":
            body = model("config.json", "model.safetensors")
        elif name == "pickled":
            body = model("config.json", "pytorch_model.bin")
        elif name == "bare":
            body = model("model.safetensors")
        elif name == "slow":
            time.sleep(1)
        else:
            status = {"gated": 403, "absent": 401, "rewritten": 404}.get(name, 500)
            code = {"gated": "GatedRepo", "absent": "RepoNotFound", "rewritten": "RevisionNotFound"}.get(name)
            headers = {"X-Error-Code": code} if code else {}
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        with suppress(BrokenPipeError):  # of whoever waited for the slow one
            self.wfile.write(json.dumps(body).encode())

    def log_message(self, *_: object) -> None:
        pass


def model(*files: str) -> dict[str, object]:
    return {"id": "x/good", "sha": COMMIT, "siblings": [{"rfilename": file} for file in files]}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The addresses that were asked for, of a hub on this machine."""
    monkeypatch.setattr(Hub, "asked", [], raising=False)
    monkeypatch.setattr(reaching, "SECONDS", 0.4)
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield Hub.asked
        server.shutdown()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gated", "x/gated is only given to whom its authors admit: ask for access on its page, and log in"),
        ("absent", "the hub has no model x/absent, or none that may be seen without logging in"),
        ("rewritten", f"the hub has x/rewritten, but no revision {COMMIT}; take a commit from its page"),
        ("pickled", "x/good has no *.safetensors weights on the hub; take a revision that has"),
        ("bare", "x/good has no config.json on the hub"),
        ("slow", f"x/slow at {COMMIT} is not on this machine, and the hub is out of reach: ReadTimeout"),
        (
            "broken",
            f"x/broken at {COMMIT} is not on this machine, and the hub is out of reach: HfHubHTTPError",
        ),
    ],
)
def test_a_model_that_the_hub_does_not_give_is_refused(hub: list[str], name: str, says: str) -> None:
    (remark,) = reach(f"x/{name}", COMMIT, downloads=True)
    assert (remark.severity, remark.fact) == ("refuse", "reach")
    assert remark.sentence.startswith(says)
    assert hub == [f"/api/models/x/{name}/revision/{COMMIT}"]


def test_a_model_that_the_hub_has_is_fine(hub: list[str]) -> None:
    assert list(reach("x/good", COMMIT, downloads=True)) == []


def test_no_hub_is_asked_where_that_is_forbidden(hub: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    (remark,) = reach("x/good", COMMIT, downloads=True)
    assert "HF_HUB_OFFLINE forbids downloads" in remark.sentence and hub == []


def test_a_check_without_a_network_only_warns(hub: list[str]) -> None:
    (slow,) = reach("x/slow", COMMIT, downloads=False)
    (absent,) = reach("x/absent", COMMIT, downloads=False)
    assert (slow.severity, absent.severity) == ("warn", "refuse")
