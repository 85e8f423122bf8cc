"""The only module that imports the SDK: requests and failures as plain values, without retries.

The SDK's own retries would create a second batch when a response is lost, and its `results` would
send the key to any host that a server names; so bodies are sent raw and paths are built here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from compiler.errors import PausedError
from compiler.keys import Json
from compiler.servers import stream
from compiler.servers.failure import Failure

if TYPE_CHECKING:
    from anthropic import Anthropic, APIStatusError

_CHUNK = 1 << 20
# Replies of at most this number of tokens are not streamed.
_SHORT = 256
# Seconds for each read or write; a create of 250 MB may take minutes to be answered.
TIMEOUT = 600.0


class _Limited(msgspec.Struct):
    """The part of a request's body that decides if its reply is streamed."""

    max_tokens: int


_LIMIT = msgspec.json.Decoder(_Limited)


class Client:
    """One endpoint of the Messages API. No connection is opened before the first request.

    `patience`: seconds without a byte after which a request to `message` has timed out.
    """

    def __init__(self, base_url: str | None, patience: float = TIMEOUT) -> None:
        self._base_url = base_url
        self.patience = patience
        self._opening = Lock()
        self._opened: Anthropic | None = None

    @property
    def _sdk(self) -> Anthropic:
        # Since Python 3.12, threads that read a cached property at once would open one client each.
        with self._opening:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> Anthropic:
        from anthropic import Anthropic, AnthropicError, DefaultHttpxClient

        from compiler.servers import web as httpx2

        try:
            return Anthropic(
                base_url=self._base_url,
                max_retries=0,
                timeout=TIMEOUT,
                http_client=DefaultHttpxClient(verify=httpx2.certificates()),
            )
        except AnthropicError as error:
            raise PausedError(str(error), hint="set ANTHROPIC_API_KEY") from error

    def server_time(self) -> float | None:
        """Return the server's time in epoch seconds, from a response's date; None without one."""
        value = self.get("/v1/models?limit=1").get("_date")
        return value if isinstance(value, float) else None

    def close(self) -> None:
        """Close the connections; a later request opens new ones."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    @property
    def endpoint(self) -> str:
        """Return the server's address, from `base_url`, the environment or the SDK's default."""
        return str(self._sdk.base_url).rstrip("/")

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """Send POST /v1/messages; return the message and the request id.

        Replies that may be long are streamed, so that no idle connection is cut while they are
        written and a time-out concerns the gap between two events; the others are not, which is
        less work. A server that does not stream may send the message at once.

        Raises:
            Failure: no usable response.
            PausedError: there is no key.
        """
        from anthropic._decoders.jsonl import JSONLDecoder

        from compiler.servers import web as httpx2

        patience = httpx2.Timeout(TIMEOUT, read=self.patience)
        short = _LIMIT.decode(body).max_tokens <= _SHORT
        content = body if short else body[:-1] + b',"stream":true}'
        with self._translated():
            sent = self._sdk.post(
                "/v1/messages",
                cast_to=JSONLDecoder[object],
                content=content,
                options={"headers": {"Content-Type": "application/json"}, "timeout": patience},
                stream=True,
            )
            response = sent.http_response
            try:
                if "event-stream" in response.headers.get("content-type", ""):
                    chunks = response.iter_bytes()
                    found = stream.message(chunks)
                    # Only a response that was read to its end leaves its connection open for the
                    # next request; the message is complete without the rest.
                    with suppress(httpx2.HTTPError):
                        deque(chunks, maxlen=0)
                else:
                    response.read()
                    found = self._decoded(response)
            finally:
                response.close()
        if found.get("type") != "message" or found.get("stop_reason") is None:
            raise Failure("the server's response is not a complete message")
        return found, response.headers.get("request-id", "")

    def post(self, path: str) -> dict[str, Json]:
        """Send POST without a body; return the JSON object."""
        from compiler.servers import web as httpx2

        with self._translated():
            return self._decoded(self._sdk.post(path, cast_to=httpx2.Response))

    def send(self, path: str, file: Path, size: int) -> dict[str, Json]:
        """Send POST with the bytes of a file, streamed; return the JSON object.

        A server that got only a part of the body cannot have processed it.
        """
        from compiler.servers import web as httpx2

        handed_over = False

        def content() -> Iterator[bytes]:
            nonlocal handed_over
            with file.open("rb") as handle:
                while chunk := handle.read(_CHUNK):
                    yield chunk
            # Asked for more, so the last chunk was handed over to the operating system.
            handed_over = True

        headers = {"Content-Type": "application/json", "Content-Length": str(size)}
        try:
            with self._translated():
                return self._decoded(
                    self._sdk.post(
                        path,
                        cast_to=httpx2.Response,
                        content=content(),
                        options={"headers": headers},
                    )
                )
        except Failure as failure:
            failure.sent = failure.sent and handed_over
            raise

    def get(self, path: str) -> dict[str, Json]:
        """Return the JSON object at a path; `_date` is the response's date in epoch seconds."""
        from compiler.servers import web as httpx2

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
        from compiler.servers.web import Response

        assert isinstance(response, Response)
        value = stream.decoded(response.content)
        if not isinstance(value, dict):
            raise Failure("the server's response is not a JSON object", status=response.status_code)
        if "date" in response.headers:
            value["_date"] = _epoch(response.headers["date"])
        return value

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from anthropic import APIConnectionError, APIStatusError

        from compiler.servers import web as httpx2

        try:
            yield
        except APIStatusError as error:
            raise _failure(error) from error
        except APIConnectionError as error:
            cause = error.__cause__
            sent = not isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout)
            raise Failure(
                f"{type(cause or error).__name__}: {cause or error}",
                sent=sent,
                timed_out=sent and isinstance(cause, httpx2.TimeoutException),
            ) from error
        except httpx2.TransportError as error:
            late = isinstance(error, httpx2.TimeoutException)
            raise Failure(f"{type(error).__name__}: {error}", timed_out=late) from error
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
        code=str(error.error_code or ""),  # pyrefly: ignore[unnecessary-type-conversion]
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
