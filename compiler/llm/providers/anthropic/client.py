"""The one door to the SDK: requests and their failures in plain values. It retries nothing.

The SDK's own retries would create a second batch when a response is lost, and its `results` would
carry the key to whatever host a server names; so bodies are sent raw and paths are derived here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from compiler.errors import PausedError, ProviderError
from compiler.keys import Json

if TYPE_CHECKING:
    from anthropic import Anthropic, APIStatusError

_CHUNK = 1 << 20
_SHORT = 4096
# Seconds for each read or write; a create of 250 MB may take minutes to be answered.
TIMEOUT = 600.0
_ACCOUNT_TYPES = ("authentication_error", "permission_error", "billing_error")
_ACCOUNT_CODES = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
_ACCOUNT_WORDS = ("credit balance is too low", "api usage limits")


class Failure(Exception):
    """A request that brought no answer.

    `status`: of the HTTP response, None without one. `sent`: whether the server may have read it.
    `wait`: seconds that the server asked to wait.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        kind: str = "",
        code: str = "",
        wait: float | None = None,
        sent: bool = True,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.wait = wait
        self.sent = sent
        self.request_id = request_id


def account_at_fault(kind: str, message: str, code: str = "", status: int | None = None) -> bool:
    """Whether the account cannot go on, rather than this request."""
    return (
        kind in _ACCOUNT_TYPES
        or code in _ACCOUNT_CODES
        or status in (401, 402, 403)
        or any(words in message.casefold() for words in _ACCOUNT_WORDS)
    )


class Client:
    """One endpoint of the Messages API. Opens nothing before the first request."""

    def __init__(self, base_url: str | None) -> None:
        self._base_url = base_url

    @cached_property
    def _sdk(self) -> Anthropic:
        from anthropic import Anthropic, AnthropicError

        try:
            return Anthropic(base_url=self._base_url, max_retries=0, timeout=TIMEOUT)
        except AnthropicError as error:
            raise PausedError(str(error), hint="set ANTHROPIC_API_KEY") from error

    def server_time(self) -> float | None:
        """What time the server has, from the date of an answer; None if it does not say."""
        value = self.get("/v1/models?limit=1").get("_date")
        return value if isinstance(value, float) else None

    def close(self) -> None:
        """Close its connections; a later request opens new ones."""
        if "_sdk" in self.__dict__:
            self._sdk.close()
            del self._sdk

    @property
    def endpoint(self) -> str:
        """Which server it is, as told or as the environment says."""
        return str(self._sdk.base_url).rstrip("/")

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """POST /v1/messages; returns the message and the request id.

        Long replies are streamed, so that no idle connection is cut while they are written; short
        ones are not, which takes the SDK less than half the work.
        """
        if json.loads(body)["max_tokens"] <= _SHORT:
            return self._short_message(body)
        with self._translated(), self._sdk.messages.stream(**json.loads(body)) as stream:
            try:
                found = stream.get_final_message()
            except AssertionError:
                # How this SDK says that no message ever started.
                raise Failure("the server's answer is no message") from None
            request_id = stream.request_id or ""
        if found.stop_reason is None:
            raise Failure("the server's answer broke off", request_id=request_id)
        return cast(dict[str, Json], found.to_dict(mode="json")), request_id

    def _short_message(self, body: bytes) -> tuple[dict[str, Json], str]:
        import httpx2

        headers = {"Content-Type": "application/json"}
        with self._translated():
            response = self._sdk.post(
                "/v1/messages",
                cast_to=httpx2.Response,
                content=body,
                options={"headers": headers},
            )
            found = self._decoded(response)
        if found.get("type") != "message" or found.get("stop_reason") is None:
            raise Failure("the server's answer is no whole message", status=None)
        return found, response.headers.get("request-id", "")

    def post(self, path: str, file: Path | None = None, size: int = 0) -> dict[str, Json]:
        """POST the bytes of a file, streamed, or nothing."""
        import httpx2

        def content(source: Path) -> Iterator[bytes]:
            with source.open("rb") as handle:
                while chunk := handle.read(_CHUNK):
                    yield chunk

        with self._translated():
            if file is None:
                return self._decoded(self._sdk.post(path, cast_to=httpx2.Response))
            headers = {"Content-Type": "application/json", "Content-Length": str(size)}
            return self._decoded(
                self._sdk.post(
                    path,
                    cast_to=httpx2.Response,
                    content=content(file),
                    options={"headers": headers},
                )
            )

    def get(self, path: str) -> dict[str, Json]:
        """GET a JSON object."""
        import httpx2

        with self._translated():
            return self._decoded(self._sdk.get(path, cast_to=httpx2.Response))

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """GET raw bytes as they come."""
        from anthropic._decoders.jsonl import JSONLDecoder

        with self._translated():
            found = self._sdk.get(path, cast_to=JSONLDecoder[object], stream=True)
            response = found.http_response
            try:
                yield response.iter_bytes(_CHUNK)
            finally:
                response.close()

    def _decoded(self, response: object) -> dict[str, Json]:
        from httpx2 import Response

        assert isinstance(response, Response)
        value = json.loads(response.content)
        if not isinstance(value, dict):
            raise Failure("the server's answer is no JSON object", status=response.status_code)
        if "date" in response.headers:
            value["_date"] = _epoch(response.headers["date"])
        return value

    @contextmanager
    def _translated(self) -> Iterator[None]:
        import httpx2
        from anthropic import APIConnectionError, APIStatusError

        try:
            yield
        except APIStatusError as error:
            raise _failure(error) from error
        except APIConnectionError as error:
            cause = error.__cause__
            sent = not isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise Failure(
                f"{type(cause or error).__name__}: {cause or error}", sent=sent
            ) from error
        except httpx2.TransportError as error:
            raise Failure(f"{type(error).__name__}: {error}") from error
        except ValueError as error:
            # JSON errors are ValueErrors, and the SDK lets them through.
            raise Failure(f"the server's answer cannot be read: {error}") from error
        except TypeError as error:
            # How this SDK says that it found no credentials anywhere.
            if "authentication" not in str(error):
                raise
            raise PausedError(
                "no API key: the environment and the profiles hold none",
                hint="set ANTHROPIC_API_KEY",
            ) from error


def may_be_served(failure: Failure) -> bool:
    """Whether the server may have done what it was asked: no answer came, or a time-out or an error
    of the server, which say nothing about what it did before.
    """
    return failure.status is None or failure.status == 408 or failure.status >= 500


def unserved(failure: Failure, endpoint: str) -> ProviderError:
    """What a user is told when the endpoint cannot be used at all."""
    if account_at_fault(failure.kind, failure.message, failure.code, failure.status):
        return PausedError(
            f"the account cannot go on: {failure.message}",
            where=endpoint,
            hint="check the key, credit and limits (`probec doctor`), then run the same command "
            "again; what was answered is kept",
        )
    return ProviderError(
        f"the API cannot be used: {failure.message}",
        where=endpoint,
        hint="check the network and base_url; what was answered is kept",
    )


def _failure(error: APIStatusError) -> Failure:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert isinstance(inner, dict)
    text = str(inner.get("message") or "") or f"HTTP {error.status_code}"
    kind = str(inner.get("type") or error.type or "")
    # An error that comes as an event of a stream has the status of its beginning.
    place = f"HTTP {error.status_code}" if error.status_code >= 400 else f"{kind} in the stream"
    return Failure(
        f"{place}: {text}" if inner else text,
        status=error.status_code,
        kind=kind,
        code=str(error.error_code or ""),
        wait=_wait(error.response.headers.get("retry-after")),
        request_id=error.request_id or "",
    )


def _wait(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        return None


def _epoch(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except ValueError:
        return None
