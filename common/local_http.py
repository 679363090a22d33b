"""HTTP to NNI's manager on this machine, past any proxy that the environment names."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPException
from typing import Any

TIME_LIMIT = 10.0
NO_ANSWER = (OSError, ValueError, HTTPException)
"""Exceptions of a request while the manager is busy, gone, or cut off."""

open_locally = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def get_json(url: str) -> Any:
    """The JSON content at a URL; None if the answer is empty. Raises one of ``NO_ANSWER`` if there is none."""
    with open_locally(url, timeout=TIME_LIMIT) as response:
        return json.loads(response.read() or b"null")


def put_json(url: str, content: Any, seconds: float = TIME_LIMIT) -> None:
    """PUT JSON content to a URL and wait for the answer. Raises one of ``NO_ANSWER`` if there is none in time."""
    data = json.dumps(content).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method="PUT")
    with open_locally(request, timeout=seconds) as response:
        response.read()
