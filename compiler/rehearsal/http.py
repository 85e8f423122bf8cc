"""A minimal HTTP/1.1 server, which can send wrong lengths, unfinished chunks or no response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

PIECE = 1 << 18
_HEAD = 1 << 16
Framing = Literal["length", "chunked", "close"]


class BrokenRequest(Exception):
    """A request that is not HTTP or is incomplete."""


class TooLarge(Exception):
    """A body over the limit, which was read to its end."""


class Dropped(Exception):
    """The order to end the connection, by a reset or by a plain close."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__("dropped")
        self.reset = reset


@dataclass(slots=True)
class Response:
    """An HTTP response.

    `length`: the content length to announce, for the framing `length`. `whole`: False to close the
    connection where the body ends, whatever was announced.
    """

    status: int
    body: bytes | Iterable[bytes]
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    framing: Framing = "length"
    length: int | None = None
    whole: bool = True


@dataclass(slots=True)
class Request:
    """The head of a request, and a reader of its body."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    _unread: bool = True

    @property
    def keeps_alive(self) -> bool:
        """True if the client wants to reuse the connection."""
        return self.headers.get("connection", "").lower() != "close"

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body in pieces; a second call yields nothing.

        Raises:
            BrokenRequest: the body is incomplete.
        """
        if not self._unread:
            return
        self._unread = False
        if self.headers.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            if "chunked" in self.headers.get("transfer-encoding", "").lower():
                while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    async for piece in self._exactly(size):
                        yield piece
                    await self.reader.readexactly(2)
                while await self.reader.readuntil(b"\r\n") != b"\r\n":
                    pass
            else:
                async for piece in self._exactly(int(self.headers.get("content-length", "0"))):
                    yield piece
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ValueError,
            OSError,
        ) as error:
            raise BrokenRequest(str(error)) from error

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            piece = await self.reader.read(min(size, PIECE))
            if not piece:
                raise BrokenRequest(f"{size} bytes of the body are missing")
            size -= len(piece)
            yield piece

    async def body(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            TooLarge: the body has more than `limit` bytes.
        """
        pieces: list[bytes] = []
        size = 0
        async for piece in self.chunks():
            size += len(piece)
            if size <= limit:
                pieces.append(piece)
        if size > limit:
            raise TooLarge
        return b"".join(pieces)

    async def drain(self) -> None:
        """Read the rest of the body, so that the connection can be reused."""
        async for _ in self.chunks():
            pass


async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """Read the next request of a connection; None if the client closed it.

    Raises:
        BrokenRequest: the bytes are not HTTP.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial.strip():
            raise BrokenRequest("the head ends too early") from error
        return None
    except (asyncio.LimitOverrunError, OSError) as error:
        raise BrokenRequest(str(error)) from error
    if len(head) > _HEAD:
        raise BrokenRequest("the head is too long")
    first, *lines = head.decode("latin-1").strip("\r\n").split("\r\n")
    words = first.split(" ")
    if len(words) != 3:
        raise BrokenRequest(first)
    pairs = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    target = urlsplit(words[1])
    return Request(
        words[0], unquote(target.path), dict(parse_qsl(target.query)), headers, reader, writer
    )


async def send(writer: asyncio.StreamWriter, response: Response, *, head_only: bool) -> None:
    """Write a response with the framing and length that it announces, even if they are wrong."""
    headers = {"content-type": response.content_type, **response.headers}
    if isinstance(response.body, bytes):
        response.length = len(response.body) if response.length is None else response.length
    if response.framing == "length":
        headers["content-length"] = str(response.length)
    elif response.framing == "chunked":
        headers["transfer-encoding"] = "chunked"
    else:
        headers["connection"] = "close"
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace"))
    chunked = response.framing == "chunked"
    pieces = [response.body] if isinstance(response.body, bytes) else response.body
    for piece in () if head_only else pieces:
        if piece:
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await writer.drain()
    if chunked and response.whole:
        writer.write(b"0\r\n\r\n")
    await writer.drain()


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
