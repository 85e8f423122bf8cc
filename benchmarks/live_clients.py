"""Clients of live requests to compare ours with: two bare ones, and two uses of the SDK."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from compiler.keys import canonical
from compiler.llm.messages import Purpose, Request, call
from compiler.llm.providers.anthropic import wire
from compiler.llm.responses import ResponseLog
from compiler.servers import stream

CONCURRENCY = 8


def posted(body: bytes) -> bytes:
    """Return the bytes of a request."""
    return (
        b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nx-api-key: rehearsal\r\n"
        b"anthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
        b"content-length: %d\r\n\r\n%b" % (len(body), body)
    )


async def bare(url: str, bodies: list[bytes]) -> None:
    """The floor: HTTP/1.1 over kept connections, nothing parsed but where an answer ends."""
    place = urlsplit(url)
    waiting = iter(bodies)

    async def worker() -> None:
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for body in waiting:
            writer.write(posted(body))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            _, _, length = head.lower().partition(b"content-length:")
            await reader.readexactly(int(length.partition(b"\r\n")[0]))
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


async def chunks(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Yield the chunks of a response body."""
    while size := int(await reader.readline(), 16):
        yield await reader.readexactly(size)
        await reader.readline()
    await reader.readline()


async def logging(url: str, asked: list[Request], log: ResponseLog, purpose: Purpose) -> None:
    """The floor with what any client must do: hash, look up, parse, and log durably.

    One commit for as many replies as there are connections.
    """
    place = urlsplit(url)
    waiting = iter(asked)
    put = 0

    async def worker() -> None:
        nonlocal put
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        for request in waiting:
            wanted = call(canonical(wire.messages_body(request)), 0, purpose)
            if wanted.key in log:
                continue
            writer.write(posted(wanted.body[:-1] + b',"stream":true}'))
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            message = stream.message([each async for each in chunks(reader)])
            log.put(wanted.key, wire.reply(message, ""), purpose)
            put += 1
            if put % CONCURRENCY == 0:
                log.commit()
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))
    log.commit()


def without_aiohttp() -> str:
    """Return why the SDK has no aiohttp transport here; empty if it has one."""
    from anthropic import DefaultAioHttpClient

    try:
        DefaultAioHttpClient()
    except RuntimeError as error:
        return str(error)
    return ""


async def concurrent(url: str, bodies: list[bytes]) -> None:
    """Send every body by the SDK's asynchronous client over aiohttp, in one thread."""
    from anthropic import AsyncAnthropic, DefaultAioHttpClient
    from anthropic._decoders.jsonl import AsyncJSONLDecoder

    waiting = iter(bodies)
    headers = {"Content-Type": "application/json"}
    transport = DefaultAioHttpClient()
    async with AsyncAnthropic(base_url=url, max_retries=0, http_client=transport) as sdk:

        async def worker() -> None:
            for body in waiting:
                sent = await sdk.post(
                    "/v1/messages",
                    cast_to=AsyncJSONLDecoder[object],
                    content=body[:-1] + b',"stream":true}',
                    options={"headers": headers},
                    stream=True,
                )
                response = sent.http_response
                stream.message([each async for each in response.aiter_bytes()])
                await response.aclose()

        await asyncio.gather(*(worker() for _ in range(CONCURRENCY)))


def threads(send: Callable[[bytes], object], bodies: list[bytes]) -> None:
    """Send every body by a blocking call, with the provider's concurrency."""
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for _ in pool.map(send, bodies):
            pass
