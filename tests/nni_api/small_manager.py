"""NNI's manager for tests of trials: a small local server with scripted answers, which keeps what it receives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

HANDED = {"parameter_id": 1, "parameters": {"s1l0": 4, "_uid": 1}}
OWN = {"parameter_id": 2, "parameter_source": "algorithm", "parameters": {"s1l0": 8, "_uid": 2}}
RECORD = json.dumps({"trialJobId": "Ab3dE", "status": "RUNNING", "hyperParameters": [json.dumps(OWN)]})


class Manager:
    """Answers with the next of a list, then with its last one again and again: HTTP states and texts."""

    def __init__(self) -> None:
        self.handed = [(200, json.dumps({"type": "parameter", "parameter": json.dumps(HANDED)}))]
        """What the trial's channel gives it."""
        self.answers: list[tuple[int, str]] = [(200, RECORD)]
        """What the REST interface says."""
        self.asked: list[str] = []
        """Paths of the REST interface that were asked for."""
        self.received: list[dict[str, Any]] = []
        """Commands that came through the trial's channel."""
        manager = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers = manager.handed if self.path.endswith("/local") else manager.answers
                if answers is manager.answers:
                    manager.asked.append(self.path)
                self._answer(*(answers.pop(0) if len(answers) > 1 else answers[0]))

            def do_PUT(self) -> None:
                manager.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self._answer(200, "")

            def _answer(self, status: int, body: str) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.server.server_port}"

    @contextmanager
    def at_work(self) -> Iterator[Manager]:
        """Serve within the block."""
        thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            self.server.shutdown()
            thread.join()
            self.server.server_close()
