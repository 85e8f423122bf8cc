"""The requests of a batch, parsed one by one, because a body of 256 MB should not be in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PIECE = 1 << 20
# A decode error this close to the end of the text so far may be due to a truncated value.
_NEAR = 16
_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")


class Malformed(Exception):
    """An invalid body of a create call; the message is the API's."""


def _constant(name: str) -> object:
    raise Malformed(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_constant)
_SPACE = " \t\n\r"


class _Text:
    """The text of a file, decoded piece by piece from a current position."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0

    def _more(self) -> bool:
        # The piece doubles each time, so that a long value is parsed only a few times.
        piece = self._file.read(max(_PIECE, len(self._text) - self._at))
        try:
            self._text = self._text[self._at :] + self._utf8.decode(piece, not piece)
        except UnicodeDecodeError as error:
            raise Malformed(f"the request body is not valid UTF-8: {error}") from error
        self._at = 0
        return bool(piece)

    def peek(self) -> str:
        """Return the next character that is not a space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in _SPACE:
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def expect(self, mark: str) -> None:
        """Consume a character.

        Raises:
            Malformed: the next character is another one.
        """
        found = self.peek()
        if found != mark:
            raise Malformed(f"the request body is not valid JSON: {mark!r} expected")
        self._at += 1

    def value(self) -> object:
        """Parse and consume the next JSON value.

        Raises:
            Malformed: it is not valid JSON.
        """
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                unfinished = error.msg.startswith("Unterminated string")
                near = error.pos > len(self._text) - _NEAR
                if not (unfinished or near) or not self._more():
                    raise Malformed("the request body is not valid JSON") from error
            except RecursionError as error:
                raise Malformed("the request body is nested too deeply") from error
            else:
                # A number at the end of the text may continue in the next piece.
                if end < len(self._text) or not self._more():
                    self._at = min(end, len(self._text))
                    return value


def items(path: Path) -> Iterator[object]:
    """Yield the elements of `requests`, in order.

    Raises:
        Malformed: the file is not a JSON object with the one field `requests`, a list.
    """
    with path.open("rb") as file:
        text = _Text(file)
        text.expect("{")
        if text.peek() == "}":
            raise Malformed("requests: Field required")
        name = text.value()
        if name != "requests":
            raise Malformed(f"{name}: Extra inputs are not permitted")
        text.expect(":")
        if text.peek() != "[":
            raise Malformed("requests: Input should be a valid list")
        text.expect("[")
        while text.peek() != "]":
            yield text.value()
            if text.peek() != "]":
                text.expect(",")
                if text.peek() == "]":
                    raise Malformed("the request body is not valid JSON")
        text.expect("]")
        text.expect("}")
        if text.peek():
            raise Malformed("the request body has data after its end")


def split(path: Path) -> Iterator[tuple[str, object]]:
    """Yield the custom id and the params of each request.

    Raises:
        Malformed: a request has another shape, an invalid id, or the id of an earlier one.
    """
    seen: set[str] = set()
    for position, item in enumerate(items(path)):
        place = f"requests.{position}"
        if not isinstance(item, dict):
            raise Malformed(f"{place}: Input should be an object")
        for name in ("custom_id", "params"):
            if name not in item:
                raise Malformed(f"{place}.{name}: Field required")
        for name in item.keys() - {"custom_id", "params"}:
            raise Malformed(f"{place}.{name}: Extra inputs are not permitted")
        custom_id = item["custom_id"]
        if not isinstance(custom_id, str) or not _ID.fullmatch(custom_id):
            raise Malformed(
                f"{place}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            )
        if custom_id in seen:
            raise Malformed(f"{place}.custom_id: {custom_id!r} is not unique within the batch")
        seen.add(custom_id)
        yield custom_id, item["params"]
