"""The only module that imports the HTTP library: its names, and JSON requests to any server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from ssl import SSLContext

from httpx2 import (
    Client,
    ConnectError,
    ConnectTimeout,
    HTTPError,
    InvalidURL,
    Limits,
    Response,
    Timeout,
    TimeoutException,
    TransportError,
    create_ssl_context,
)

from compiler.keys import Json
from compiler.servers.failure import Failure

__all__ = [
    "ConnectError",
    "ConnectTimeout",
    "HTTPError",
    "Response",
    "Server",
    "Timeout",
    "TimeoutException",
    "TransportError",
    "certificates",
]

# Seconds for a connection and each write; by default for each read, too, because a small machine
# may read a long prompt for minutes.
_TIMEOUT = 600.0
_SHOWN = 300


@cache
def certificates() -> SSLContext:
    """Read the trusted certificates once for all clients; it takes 25 ms."""
    return create_ssl_context()


class Server:
    """A server at an address. Safe to use from several threads.

    `patience`: seconds without a byte after which a request has timed out. `key`: sent as a bearer
    token.
    """

    def __init__(self, address: str, patience: float = _TIMEOUT, key: str | None = None) -> None:
        self.address = address.rstrip("/")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Concurrency is bounded by the threads that send.
        limits = Limits(max_connections=None, max_keepalive_connections=None)
        timeout = Timeout(_TIMEOUT, read=patience)
        self._client = Client(
            headers=headers, timeout=timeout, limits=limits, verify=certificates()
        )

    def get(self, path: str, seconds: float | None = None) -> dict[str, Json]:
        """Return the JSON object at a path. `seconds`: for the response, if not `patience`.

        Raises:
            Failure: no usable response.
        """
        return self._object("GET", path, None, seconds)

    def post(self, path: str, body: bytes) -> dict[str, Json]:
        """Send a JSON object to a path, and return the JSON object that comes back.

        Raises:
            Failure: no usable response.
        """
        return self._object("POST", path, body, None)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _object(
        self, method: str, path: str, body: bytes | None, seconds: float | None
    ) -> dict[str, Json]:
        headers = {"Content-Type": "application/json"}
        timeout = self._client.timeout if seconds is None else Timeout(seconds)
        with _translated():
            found = self._client.request(
                method, self.address + path, content=body, headers=headers, timeout=timeout
            )
        status = found.status_code
        if status >= 400:
            wait = _wait(found.headers.get("retry-after"))
            raise Failure(f"HTTP {status} at {path}: {_reason(found)}", status=status, wait=wait)
        try:
            value = json.loads(found.content)
        except ValueError as error:
            raise Failure(f"the response at {path} is not JSON: {error}", status=status) from error
        if not isinstance(value, dict):
            raise Failure(f"the response at {path} is not a JSON object", status=status)
        return value


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (HTTPError, InvalidURL) as error:
        late = isinstance(error, TimeoutException)
        sent = not isinstance(error, ConnectError | ConnectTimeout | InvalidURL)
        message = f"{type(error).__name__}: {error}"
        raise Failure(message, sent=sent, timed_out=sent and late) from error


def _reason(response: Response) -> str:
    """Return the message of an error, where these servers put it, else the text."""
    text = response.text.strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text[:_SHOWN] or "no text"
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or text
    return str(error)[:_SHOWN]


def _wait(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
