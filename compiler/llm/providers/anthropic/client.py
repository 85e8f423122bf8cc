"""The only module that imports the SDK: requests and failures as plain values, without retries.

The SDK's own retries would create a second batch when a response is lost, and its `results` would
send the key to any host that a server names; so bodies are sent raw and paths are built here.
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
    """A request without a usable response.

    `status`: of the HTTP response, None without one. `kind`, `code`: the server's type and code of
    the error. `sent`: the server may have received the request. `wait`: seconds that the server
    asked to wait.
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

    @property
    def of_account(self) -> bool:
        """Return whether the account is at fault, not the request."""
        return account_at_fault(self.kind, self.message, self.code, self.status)


def account_at_fault(kind: str, message: str, code: str = "", status: int | None = None) -> bool:
    """Return whether an error concerns the account (key, credit, limits), not the request."""
    return (
        kind in _ACCOUNT_TYPES
        or code in _ACCOUNT_CODES
        or status in (401, 402, 403)
        or any(words in message.casefold() for words in _ACCOUNT_WORDS)
    )


class Client:
    """One endpoint of the Messages API. No connection is opened before the first request."""

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
        """Return the server's time in epoch seconds, from a response's date; None without one."""
        value = self.get("/v1/models?limit=1").get("_date")
        return value if isinstance(value, float) else None

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        if "_sdk" in self.__dict__:
            self._sdk.close()
            del self._sdk

    @property
    def endpoint(self) -> str:
        """Return the server's address, from `base_url`, the environment or the SDK's default."""
        return str(self._sdk.base_url).rstrip("/")

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """Send POST /v1/messages; return the message and the request id.

        Replies that may be long are streamed, so that no idle connection is cut while they are
        written; others are not, which takes the SDK less than half the work.

        Raises:
            Failure: no usable response.
            PausedError: there is no key.
        """
        if json.loads(body)["max_tokens"] <= _SHORT:
            return self._short_message(body)
        with self._translated(), self._sdk.messages.stream(**json.loads(body)) as stream:
            try:
                found = stream.get_final_message()
            except AssertionError:
                # Raised by the SDK when a stream ends before a message has started.
                raise Failure("the server's response is not a message") from None
            request_id = stream.request_id or ""
        if found.stop_reason is None:
            raise Failure("the server's response was cut off", request_id=request_id)
        return cast(dict[str, Json], found.to_dict(mode="json")), request_id

    def _short_message(self, body: bytes) -> tuple[dict[str, Json], str]:
        from compiler.llm.providers import web as httpx2

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
            raise Failure("the server's response is not a complete message")
        return found, response.headers.get("request-id", "")

    def post(self, path: str, file: Path | None = None, size: int = 0) -> dict[str, Json]:
        """Send POST with the bytes of a file, streamed, or no body; return the JSON object."""
        from compiler.llm.providers import web as httpx2

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
        """Return the JSON object at a path; `_date` is the response's date in epoch seconds."""
        from compiler.llm.providers import web as httpx2

        with self._translated():
            return self._decoded(self._sdk.get(path, cast_to=httpx2.Response))

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[bytes]]:
        """Open the response at a path as raw chunks of bytes."""
        from anthropic._decoders.jsonl import JSONLDecoder

        with self._translated():
            found = self._sdk.get(path, cast_to=JSONLDecoder[object], stream=True)
            response = found.http_response
            try:
                yield response.iter_bytes(_CHUNK)
            finally:
                response.close()

    def _decoded(self, response: object) -> dict[str, Json]:
        from compiler.llm.providers.web import Response

        assert isinstance(response, Response)
        value = json.loads(response.content)
        if not isinstance(value, dict):
            raise Failure("the server's response is not a JSON object", status=response.status_code)
        if "date" in response.headers:
            value["_date"] = _epoch(response.headers["date"])
        return value

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from anthropic import APIConnectionError, APIStatusError

        from compiler.llm.providers import web as httpx2

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
            # JSON errors are ValueErrors, which the SDK does not wrap.
            raise Failure(f"the server's response cannot be decoded: {error}") from error
        except TypeError as error:
            # Raised by the SDK when it finds no credentials.
            if "authentication" not in str(error):
                raise
            raise PausedError(
                "no API key in the environment or a profile",
                hint="set ANTHROPIC_API_KEY",
            ) from error


def may_be_served(failure: Failure) -> bool:
    """Return whether the server may have processed the request in spite of the failure.

    It may after a lost response, a time-out or a server error.
    """
    return failure.status is None or failure.status == 408 or failure.status >= 500


def unserved(failure: Failure, endpoint: str) -> ProviderError:
    """Return the error for an endpoint or account that cannot be used."""
    if failure.of_account:
        return PausedError(
            f"the account cannot be used: {failure.message}",
            where=endpoint,
            hint="check the key, credit and limits (`probec doctor`), then run the same command "
            "again; the replies received are kept",
        )
    return ProviderError(
        f"the API cannot be used: {failure.message}",
        where=endpoint,
        hint="check the network and base_url; the replies received are kept",
    )


def _failure(error: APIStatusError) -> Failure:
    body = error.body if isinstance(error.body, dict) else {}
    inner = body.get("error") if isinstance(body.get("error"), dict) else {}
    assert isinstance(inner, dict)
    text = str(inner.get("message") or "") or f"HTTP {error.status_code}"
    kind = str(inner.get("type") or error.type or "")
    # An error event in a stream comes with the status of the response, which is 200.
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
