"""The Message Batches API as a batch endpoint: each response mapped to its meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import cast

import msgspec

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.batches.api import Line, NotThere, Refused, Remote, Uncertain, Unreachable
from compiler.llm.batches.clock import Clock
from compiler.llm.patience import watched
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.client import Client
from compiler.servers.failure import (
    Failure,
    account_at_fault,
    may_be_served,
    unserved,
)

_PATH = "/v1/messages/batches"
_TRANSIENT = ("api_error", "overloaded_error", "timeout_error", "rate_limit_error")
_PAGE = 100
# More pages than any account fills in the searched time: a longer list does not end.
_PAGES = 1000


class Endpoint:
    """The Message Batches API of a client's server; implements `BatchApi`.

    `notice`: called while a response is waited for, from another thread; None for never.
    """

    def __init__(
        self, client: Client, clock: Clock, notice: Callable[[str], None] | None = None
    ) -> None:
        self._client = client
        self._clock = clock
        self._notice = notice
        self._skew = 0.0

    @property
    def endpoint(self) -> str:
        """Return the server's address."""
        return self._client.endpoint

    def create(self, body: Path, size: int) -> Remote:
        """Send the sealed bytes in one POST.

        Raises:
            Refused, Uncertain: as in `BatchApi`.
            ProviderError: the API refused the body; nothing was billed.
        """
        try:
            with watched(f"{self.endpoint} to accept a batch of {size:,} bytes", self._notice):
                return self._remote(self._client.send(_PATH, body, size))
        except Unreachable as error:
            raise Uncertain(str(error)) from error
        except Failure as failure:
            if failure.of_account:
                raise unserved(failure, self.endpoint) from failure
            status = failure.status
            if status is None and not failure.sent:
                raise Refused(failure.message) from failure
            if status is None or may_be_served(failure):
                raise Uncertain(failure.message) from failure
            if status == 413:
                raise Refused(failure.message, too_large=True) from failure
            if status == 429:
                raise Refused(failure.message, failure.wait or 60.0) from failure
            if 400 <= status < 500:
                raise ProviderError(
                    f"the API refused a batch: {failure.message}",
                    hint="nothing was billed for it; run `probec doctor`",
                ) from failure
            raise Uncertain(failure.message) from failure

    def retrieve(self, batch_id: str) -> Remote:
        """Return the current state of a batch."""
        return self._remote(self._asked(f"{_PATH}/{batch_id}"))

    def list(self, since: float) -> Sequence[Remote]:
        """Return the batches created since a time, newest first.

        Pages are read until one has only older or only repeated batches. A list of more than
        `_PAGES` pages raises Unreachable, since the batch that is searched for may be on the next.
        """
        found: dict[str, Remote] = {}
        after = ""
        for _ in range(_PAGES):
            path = f"{_PATH}?limit={_PAGE}" + (f"&after_id={after}" if after else "")
            try:
                page = self._asked(path)
            except NotThere as error:
                raise Unreachable(f"not found: {error}") from error
            self._measure(page)
            data = page.get("data")
            batches = [self._remote(each) for each in data] if isinstance(data, list) else []
            if not batches and page.get("has_more"):
                raise Unreachable("a page of the batch list is empty, but is not the last")
            new = [each for each in batches if each.id not in found]
            found.update((each.id, each) for each in new)
            old = all(each.created_at < since for each in new)
            if old or not page.get("has_more"):
                return [each for each in found.values() if each.created_at >= since]
            after = new[-1].id
        raise Unreachable(f"it does not end after {len(found):,} batches of that time")

    def download(self, batch_id: str, path: Path) -> None:
        """Stream the raw results to a file; the path is built here, not taken from the server."""
        try:
            with (
                watched(f"the results of batch {batch_id}", self._notice),
                self._client.stream(f"{_PATH}/{batch_id}/results") as chunks,
                path.open("wb") as file,
            ):
                for chunk in chunks:
                    file.write(chunk)
        except Failure as failure:
            raise self._unanswered(failure) from failure

    def first_line(self, batch_id: str) -> bytes:
        """Return the first line of the results."""
        head = b""
        try:
            with self._client.stream(f"{_PATH}/{batch_id}/results") as chunks:
                for chunk in chunks:
                    head += chunk
                    if b"\n" in head:
                        break
        except Failure as failure:
            raise self._unanswered(failure) from failure
        return head.partition(b"\n")[0].strip()

    def cancel(self, batch_id: str) -> None:
        """Cancel a batch; 400 and 409 mean that it has ended."""
        try:
            self._client.post(f"{_PATH}/{batch_id}/cancel")
        except Failure as failure:
            if failure.status not in (400, 409):
                raise self._unanswered(failure) from failure

    def peek(self, line: bytes) -> tuple[str, str] | None:
        """Return the custom id of one result and the server's term for its kind, or None."""
        found = _result(line)
        return None if found is None else (found[0], str(found[1].get("type", "")))

    @staticmethod
    def parse(line: bytes) -> Line | None:
        """Parse one result; its error type is read where the API puts it, else where mocks do."""
        found = _result(line)
        if found is None:
            return None
        custom_id, result = found
        kind = str(result.get("type", ""))
        message = result.get("message")
        if kind == "succeeded" and isinstance(message, dict):
            reply = wire.reply(message, str(message.get("id", "")))
            return Line(custom_id, kind, reply, "", "", account=False, transient=False)
        error = result.get("error")
        error = error if isinstance(error, dict) else {}
        inner = error.get("error")
        flat = not isinstance(inner, dict)
        inner = error if flat else cast(dict[str, Json], inner)
        error_type, text = str(inner.get("type", "")), str(inner.get("message", ""))
        if flat and error_type == "error":
            error_type = ""
        return Line(
            custom_id,
            kind,
            None,
            error_type,
            text,
            account=kind == "errored" and account_at_fault(error_type, text),
            transient=error_type in _TRANSIENT,
        )

    def _asked(self, path: str) -> dict[str, Json]:
        try:
            with watched(f"{self.endpoint} to answer GET {path.partition('?')[0]}", self._notice):
                return self._client.get(path)
        except Failure as failure:
            raise self._unanswered(failure) from failure

    def _unanswered(self, failure: Failure) -> Exception:
        if failure.status == 404:
            return NotThere(failure.message)
        if failure.of_account:
            return unserved(failure, self.endpoint)
        return Unreachable(failure.message, failure.wait)

    def _remote(self, value: object) -> Remote:
        if not isinstance(value, dict) or not isinstance(value.get("id"), str):
            raise Unreachable("the server's response is not a batch")
        self._measure(value)
        counts = value.get("request_counts")
        counts = counts if isinstance(counts, dict) else {}
        created = self._time(value.get("created_at")) or self._clock.now()
        return Remote(
            value["id"],
            str(value.get("processing_status", "")),
            created,
            self._time(value.get("expires_at")) or created + 86400.0,
            value.get("archived_at") is not None,
            # pyrefly: ignore[unnecessary-type-conversion] - a bool becomes an int
            {str(k): int(v) for k, v in counts.items() if isinstance(v, int)},
        )

    def _measure(self, answer: dict[str, Json]) -> None:
        """Record how far the server's clock is ahead of ours, from the date of a response."""
        date = answer.get("_date")
        if isinstance(date, float):
            self._skew = date - self._clock.now()

    def _time(self, value: object) -> float | None:
        """Convert a server time to epoch seconds on this machine's clock; None if invalid."""
        if not isinstance(value, str):
            return None
        try:
            return datetime.fromisoformat(value).timestamp() - self._skew
        except ValueError:
            return None


def _result(line: bytes) -> tuple[str, dict[str, Json]] | None:
    """Return the custom id and the result of a line, or None if it is not one of a batch."""
    try:
        value = _decoded(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("custom_id"), str):
        return None
    result = value.get("result")
    return value["custom_id"], result if isinstance(result, dict) else {}


def _decoded(line: bytes) -> object:
    """Decode a line of JSON. The fast decoder rejects lone surrogates, which models may write."""
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return json.loads(line)
