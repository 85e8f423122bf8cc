"""The HTTP client of a completion server: requests and failures as plain values, no retries."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from compiler.keys import Json
from compiler.llm.providers.anthropic.client import TIMEOUT, Failure

if TYPE_CHECKING:
    from httpx2 import Client as Http
    from httpx2 import Response

_KEY = "OPENAI_API_KEY"
# Where servers describe themselves: vLLM, llama.cpp, SGLang.
_ACCOUNTS = ("/version", "/props", "/get_server_info")
_SHOWN = 4000


class Client:
    """One server. No connection is opened before the first request.

    `base_url`: its address up to and with `/v1`. A key in OPENAI_API_KEY is sent if it is set.
    """

    def __init__(self, base_url: str | None) -> None:
        self.endpoint = (base_url or "").rstrip("/")

    @cached_property
    def _http(self) -> Http:
        import httpx2

        key = os.environ.get(_KEY)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        # Concurrency is bounded by the threads that send.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        return httpx2.Client(headers=headers, timeout=TIMEOUT, limits=limits)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if "_http" in self.__dict__:
            self._http.close()
            del self._http

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """Send POST /completions; return the completion and its id.

        Raises:
            Failure: no usable response.
        """
        with self._translated():
            response = self._http.post(
                f"{self.endpoint}/completions",
                content=body,
                headers={"Content-Type": "application/json"},
            )
            found = _decoded(response)
        if not isinstance(found.get("choices"), list):
            raise Failure("the server's response is not a completion", status=response.status_code)
        return found, str(found.get("id", ""))

    def get(self, path: str) -> dict[str, Json]:
        """Return the JSON object at a path below the base URL.

        Raises:
            Failure: no usable response.
        """
        with self._translated():
            return _decoded(self._http.get(f"{self.endpoint}{path}"))

    def account(self) -> dict[str, str]:
        """Return the server's account of itself, as JSON by path; {} if it gives none."""
        found: dict[str, str] = {}
        root = self.endpoint.removesuffix("/v1")
        places = {f"{root}{path}": path for path in _ACCOUNTS}
        places[f"{self.endpoint}/models"] = "/v1/models"
        for url, path in places.items():
            try:
                with self._translated():
                    value = _decoded(self._http.get(url, timeout=10.0))
            except Failure:
                continue  # the path is another server's
            found[path] = json.dumps(value, sort_keys=True)[:_SHOWN]
        return found

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2

        try:
            yield
        except httpx2.TransportError as error:
            sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise Failure(f"{type(error).__name__}: {error}", sent=sent) from error
        except httpx2.InvalidURL as error:
            raise Failure(f"{type(error).__name__}: {error}", sent=False) from error
        except ValueError as error:
            raise Failure(f"the server's response cannot be decoded: {error}") from error


def _decoded(response: Response) -> dict[str, Json]:
    if response.status_code >= 400:
        raise Failure(
            f"HTTP {response.status_code}: {_reason(response)}",
            status=response.status_code,
            wait=_wait(response.headers.get("retry-after")),
        )
    value = json.loads(response.content)
    if not isinstance(value, dict):
        raise Failure("the server's response is not a JSON object", status=response.status_code)
    return value


def _reason(response: Response) -> str:
    """Return the message of an error, where these servers put it, else the text."""
    text = response.text.strip()
    try:
        value = json.loads(text)
    except ValueError:
        return text[:200] or "no text"
    error = value.get("error", value) if isinstance(value, dict) else value
    if isinstance(error, dict):
        error = error.get("message") or error.get("detail") or text
    return str(error)[:300]


def _wait(value: str | None) -> float | None:
    try:
        return None if value is None else max(0.0, float(value))
    except ValueError:
        return None
