"""The only module that imports the HTTP library: its names, and JSON requests to any server."""

from __future__ import annotations

import json
from collections.abc import Mapping

from httpx2 import (
    Client,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    Response,
    Timeout,
    TimeoutException,
    TransportError,
)

from compiler.keys import Json

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "Refused",
    "Response",
    "Server",
    "Timeout",
    "TimeoutException",
    "TransportError",
]

# Seconds for one response; a small machine may read a long prompt for minutes.
_TIMEOUT = 600.0
_SHOWN = 200


class Refused(Exception):
    """A request without a usable response. `status`: of the HTTP response, None without one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Server:
    """A server at an address. Safe to use from several threads."""

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._client = Client(timeout=_TIMEOUT)

    def get(self, path: str) -> Mapping[str, Json]:
        """Return the JSON object at a path.

        Raises:
            Refused: no usable response.
        """
        return self._object("GET", path, None)

    def post(self, path: str, body: Mapping[str, Json]) -> Mapping[str, Json]:
        """Send a JSON object to a path, and return the JSON object that comes back.

        Raises:
            Refused: no usable response.
        """
        return self._object("POST", path, json.dumps(body).encode("utf-8"))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _object(self, method: str, path: str, content: bytes | None) -> Mapping[str, Json]:
        headers = {"Content-Type": "application/json"}
        try:
            found = self._client.request(
                method, self.address + path, content=content, headers=headers
            )
        except HTTPError as error:
            raise Refused(f"{type(error).__name__}: {error}") from error
        if found.status_code >= 400:
            text = found.text.strip()[:_SHOWN]
            raise Refused(f"HTTP {found.status_code} at {path}: {text}", found.status_code)
        try:
            value = json.loads(found.content)
        except ValueError as error:
            raise Refused(
                f"the response at {path} is not JSON: {error}", found.status_code
            ) from error
        if not isinstance(value, dict):
            raise Refused(f"the response at {path} is not a JSON object", found.status_code)
        return value
