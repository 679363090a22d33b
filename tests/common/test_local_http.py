from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from common.local_http import NO_ANSWER, get_json


class Handler(BaseHTTPRequestHandler):
    """Answers with what the path says."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write({"/object": b'{"status": "RUNNING"}', "/cut": b'{"status": "RUN'}.get(self.path, b""))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_content_is_read_past_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert get_json(f"{url}/object") == {"status": "RUNNING"}
    assert get_json(f"{url}/empty") is None


def test_a_cut_answer_and_no_server_are_no_answer(url: str) -> None:
    for address in (f"{url}/cut", "http://127.0.0.1:9/"):
        with pytest.raises(NO_ANSWER):
            get_json(address)
