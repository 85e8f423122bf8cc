"""The Messages API: the pure wire form, and a live transport with bounded concurrency.

`temperature` is never sent: the current API version refuses sampling parameters, and 1.0 is its
own default. The SDK loads when the first request is sent, and does no retry of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from time import sleep
from typing import TYPE_CHECKING

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Outcome, Reply, Request

if TYPE_CHECKING:
    from anthropic import Anthropic

_ATTEMPTS = 5
_WAIT_CAP = 60.0
_STOPS = {"max_tokens": Outcome.TRUNCATED, "refusal": Outcome.REFUSED}


def messages_body(request: Request) -> dict[str, Json]:
    """The body of POST /v1/messages for a request."""
    body: dict[str, Json] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "system": request.system,
        "messages": [{"role": "user", "content": request.user}],
    }
    if request.thinking_tokens is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": request.thinking_tokens}
    return body


class Live:
    """One HTTP request per call, `concurrency` at a time."""

    name = "anthropic"
    free = False

    def __init__(self, base_url: str | None, concurrency: int) -> None:
        self._base_url = base_url
        self._concurrency = concurrency

    def encode(self, request: Request) -> dict[str, Json]:
        """The Messages API body."""
        return messages_body(request)

    def ask(self, calls: Sequence[Call], deliver: Callable[[Call, Reply], None]) -> None:
        """Send every call; replies are delivered from this thread as they come in."""
        client = _client(self._base_url)
        with ThreadPoolExecutor(self._concurrency) as pool:
            futures: dict[Future[Reply], Call] = {
                pool.submit(_send, client, call.body): call for call in calls
            }
            try:
                for future in as_completed([*futures]):
                    deliver(futures[future], future.result())
                    del futures[future]
            except BaseException:
                # What is in flight is paid for: let it arrive and keep it, start nothing more.
                pool.shutdown(wait=True, cancel_futures=True)
                for future, sent in futures.items():
                    if future.done() and not future.cancelled() and future.exception() is None:
                        deliver(sent, future.result())
                raise


class Batch:
    """The Message Batches API. It encodes and prices; this version does not submit."""

    name = "anthropic-batch"
    free = False

    def encode(self, request: Request) -> dict[str, Json]:
        """The `params` of one batched request: the same body as live, so the same key."""
        return messages_body(request)

    def ask(self, calls: Sequence[Call], deliver: Callable[[Call, Reply], None]) -> None:
        """Refuse: without a journal of what was submitted, a crash could pay twice."""
        raise ProviderError(
            f"{len(calls)} requests are not in the response log, and this version does not submit "
            "batches yet",
            hint="--provider extractive rehearses for free, --provider anthropic sends live",
        )


def _client(base_url: str | None) -> Anthropic:
    from anthropic import Anthropic, AnthropicError

    try:
        return Anthropic(base_url=base_url, max_retries=0, timeout=1200.0)
    except AnthropicError as error:
        raise ProviderError(str(error), hint="set ANTHROPIC_API_KEY") from error


def _send(client: Anthropic, body: bytes) -> Reply:
    """One call, tried again only when the server said that it did not serve it."""
    from anthropic import APIConnectionError, APIStatusError

    wait = 1.0
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _receive(client, body)
        except APIStatusError as error:
            if error.status_code in (401, 403):
                raise ProviderError(
                    f"the API refused the credentials: {error.status_code}",
                    hint="check ANTHROPIC_API_KEY",
                ) from error
            if error.status_code not in (429, 503, 529) or attempt == _ATTEMPTS:
                return _failed(f"HTTP {error.status_code}: {error.message}", error.request_id)
            after = error.response.headers.get("retry-after", "")
            wait = min(_WAIT_CAP, float(after) if after.isdigit() else wait * 2)
        except TypeError as error:
            # How this SDK says that it found no credentials anywhere.
            if "authentication" not in str(error):
                raise
            raise ProviderError(
                "no API key: the environment and the profiles hold none",
                hint="set ANTHROPIC_API_KEY",
            ) from error
        except APIConnectionError as error:
            raise ProviderError(
                f"the API cannot be reached: {error}",
                hint="check the network and base_url; what was answered is kept",
            ) from error
        sleep(wait)
    raise AssertionError("unreachable: the last attempt returns or raises")


def _receive(client: Anthropic, body: bytes) -> Reply:
    # Streamed, because the SDK refuses to wait unstreamed for large max_tokens.
    with client.messages.stream(**json.loads(body)) as stream:
        message = stream.get_final_message()
    text = "".join(block.text for block in message.content if block.type == "text")
    stop = str(message.stop_reason)
    return Reply(
        _STOPS.get(stop, Outcome.OK),
        text,
        message.model,
        stop,
        message.usage.input_tokens,
        message.usage.output_tokens,
        message.id,
        "",
    )


def _failed(error: str, request_id: str | None) -> Reply:
    return Reply(Outcome.ERRORED, "", "", "", 0, 0, request_id or "", error)
