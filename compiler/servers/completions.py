"""The client of a server of completions. The HTTP library is loaded by the first request."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TYPE_CHECKING

from compiler.keys import Json
from compiler.servers.failure import Failure

if TYPE_CHECKING:
    from compiler.servers.web import Server

# Where servers describe themselves: vLLM, llama.cpp, SGLang.
_ACCOUNTS = ("/version", "/props", "/get_server_info")
_ACCOUNT_SECONDS = 10.0
_SHOWN = 4000


class Client:
    """One server. No connection is opened before the first request.

    `base_url`: its address up to and with `/v1`. `patience`: seconds without a byte after which a
    request has timed out. `key`: sent as a bearer token.
    """

    def __init__(self, base_url: str | None, patience: float, key: str | None) -> None:
        self.endpoint = (base_url or "").rstrip("/")
        self.patience = patience
        self._key = key

    @cached_property
    def _server(self) -> Server:
        from compiler.servers.web import Server

        root = self.endpoint.removesuffix("/v1")
        return Server(root, self.patience, self._key)

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if "_server" in self.__dict__:
            self._server.close()
            del self._server

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """Send POST /completions; return the completion and its id.

        Raises:
            Failure: no usable response.
        """
        found = self._server.post(f"{self._below}/completions", body)
        if not isinstance(found.get("choices"), list):
            raise Failure("the server's response is not a completion", status=200)
        return found, str(found.get("id", ""))

    def models(self) -> dict[str, Json]:
        """Return the server's list of models.

        Raises:
            Failure: no usable response.
        """
        return self._server.get(f"{self._below}/models")

    def account(self) -> dict[str, str]:
        """Return the server's account of itself, as JSON by path; {} if it gives none."""
        found: dict[str, str] = {}
        for path in (*_ACCOUNTS, f"{self._below}/models"):
            try:
                value = self._server.get(path, _ACCOUNT_SECONDS)
            except Failure:
                continue  # the path is another server's
            found[path] = json.dumps(value, sort_keys=True)[:_SHOWN]
        return found

    @property
    def _below(self) -> str:
        return "/v1" if self.endpoint.endswith("/v1") else ""
