"""The server: connections, routing, authentication, and transport faults of a call."""

from __future__ import annotations

import asyncio
import signal
import socket
import struct
from collections.abc import Callable

import msgspec

from compiler.rehearsal import batches, control, messages
from compiler.rehearsal.clock import http_date
from compiler.rehearsal.errors import Refused, error_response, html_response, new_request_id
from compiler.rehearsal.faults import Actions
from compiler.rehearsal.http import (
    BrokenRequest,
    Dropped,
    Request,
    Response,
    TooLarge,
    receive,
    send,
)
from compiler.rehearsal.service import Service

# In bytes: how much of a body is buffered before it is read.
_BUFFER = 1 << 20


class _Call:
    """A routed call. `at`: its kind in fault rules; `target`: the id of its batch or model."""

    def __init__(self, at: str, target: str = "") -> None:
        self.at = at
        self.target = target


async def serve(service: Service, host: str, port: int, ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; `ready` is called with the port."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _converse(service, reader, writer)

    server = await asyncio.start_server(connected, host, port, limit=_BUFFER, backlog=1024)
    service.processor.start()
    ready(server.sockets[0].getsockname()[1])
    await stop.wait()
    server.close()


async def _converse(
    service: Service, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    try:
        while (request := await receive(reader, writer)) is not None:
            response = await _respond(service, request)
            await send(writer, response, head_only=request.method == "HEAD")
            if not response.whole or response.framing == "close" or not request.keeps_alive:
                break
    except Dropped as drop:
        if drop.reset:
            # With a linger of 0 the close is a reset even if all received bytes were read.
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
    except (BrokenRequest, OSError, asyncio.CancelledError):
        # No client is left to answer.
        pass
    finally:
        writer.close()


async def _respond(service: Service, request: Request) -> Response:
    request_id = new_request_id()
    try:
        if request.path.startswith("/_ctl/"):
            response = await control.respond(service, request)
        else:
            response = await _answer(service, request, request_id)
    except Refused as refused:
        response = error_response(refused.status, refused.message, request_id, refused.headers)
    except TooLarge:
        response = error_response(413, "Request exceeds the maximum size", request_id)
    await request.drain()
    response.headers.setdefault("request-id", request_id)
    response.headers.setdefault("date", http_date(service.clock.now()))
    return response


async def _answer(service: Service, request: Request, request_id: str) -> Response:
    bearer = request.headers.get("authorization", "").partition(" ")[2].strip()
    if not request.headers.get("x-api-key") and not bearer:
        raise Refused(401, "x-api-key header is required")
    if not request.headers.get("anthropic-version"):
        raise Refused(400, "anthropic-version: header is required")
    call = _route(request)
    fault = _fault(service, call)
    await asyncio.sleep(fault.delay)
    if fault.drop == "before_read":
        raise Dropped(reset=True)
    if fault.status is not None and not fault.commit:
        return _failure(fault, fault.status, request_id)
    response = await _commit(service, request, call, fault)
    if fault.drop is not None:
        raise Dropped(reset=False)
    if fault.hang is not None:
        # Read first, because a client that still writes the body is not waiting yet.
        await request.drain()
        await asyncio.sleep(fault.hang)
        if fault.then == "drop":
            raise Dropped(reset=False)
    if fault.status is not None:
        return _failure(fault, fault.status, request_id)
    response.headers.update(fault.headers)
    return response


def _fault(service: Service, call: _Call) -> Actions:
    if call.at == "create":
        service.store.add("posts", 1)
        index: int | None = service.store.own_count()
    else:
        batch = service.store.find(call.target) if call.target else None
        index = batch.own if batch is not None else None
    return service.faults.take(service.store, call.at, index)


def _failure(fault: Actions, status: int, request_id: str) -> Response:
    if fault.html is not None:
        response = html_response(status, fault.html)
    elif fault.json is not None:
        response = Response(status, msgspec.json.encode(fault.json))
    else:
        response = error_response(status, "injected", request_id)
    response.headers.update(fault.headers)
    return response


def _route(request: Request) -> _Call:
    match (request.method, *request.path.strip("/").split("/")):
        case ("POST", "v1", "messages"):
            return _Call("messages")
        case ("POST", "v1", "messages", "count_tokens"):
            return _Call("count_tokens")
        case ("GET", "v1", "models", *rest) if len(rest) < 2:
            return _Call("models", *rest)
        case ("POST", "v1", "messages", "batches"):
            return _Call("create")
        case ("GET", "v1", "messages", "batches"):
            return _Call("list")
        case ("GET", "v1", "messages", "batches", batch_id):
            return _Call("retrieve", batch_id)
        case ("DELETE", "v1", "messages", "batches", batch_id):
            return _Call("delete", batch_id)
        case ("POST", "v1", "messages", "batches", batch_id, "cancel"):
            return _Call("cancel", batch_id)
        case ("GET", "v1", "messages", "batches", batch_id, "results"):
            return _Call("results", batch_id)
    raise Refused(404, f"{request.method} {request.path}: not found")


async def _commit(service: Service, request: Request, call: _Call, fault: Actions) -> Response:
    match call.at:
        case "messages":
            return await messages.create(service, request)
        case "count_tokens":
            return await messages.count_tokens(service, request)
        case "models" if call.target:
            return messages.model(service, call.target)
        case "models":
            return messages.models(service)
        case "create":
            return await batches.create(service, request, fault)
        case "list":
            return batches.listing(service, request, fault)
    batch = batches.find(service, call.target)
    match call.at:
        case "cancel":
            return batches.cancel(service, request, batch)
        case "delete":
            return batches.delete(service, batch)
        case "results":
            return batches.results(service, batch, fault)
    return batches.retrieve(service, request, batch, fault)
