"""The control routes of the server: ledger, clock, and faults. They need no API key."""

from __future__ import annotations

import asyncio
import time

import msgspec

from compiler.keys import Json
from compiler.rehearsal import batches
from compiler.rehearsal.clock import iso
from compiler.rehearsal.errors import Refused
from compiler.rehearsal.faults import Rule
from compiler.rehearsal.http import Request, Response
from compiler.rehearsal.service import Service, json_response
from compiler.rehearsal.store import Batch

_SETTLE = 60.0


class _Append(msgspec.Struct, forbid_unknown_fields=True):
    append: list[Rule]


class _Turn(msgspec.Struct, forbid_unknown_fields=True):
    advance: float = 0.0
    speed: float | None = None


class _Foreign(msgspec.Struct, forbid_unknown_fields=True):
    n: int


async def respond(service: Service, request: Request) -> Response:
    """Answer a control call.

    Raises:
        Refused: there is no such route, or the body is invalid.
    """
    body = await request.body(16_000_000)
    try:
        match (request.method, request.path):
            case ("GET", "/_ctl/ledger"):
                return json_response(_ledger(service))
            case ("GET", "/_ctl/clock"):
                return _clock(service)
            case ("POST", "/_ctl/clock"):
                await _turn(service, msgspec.json.decode(body, type=_Turn))
                return _clock(service)
            case ("GET", "/_ctl/faults"):
                return json_response(service.faults.rules())
            case ("POST", "/_ctl/faults"):
                given = msgspec.json.decode(body, type=list[Rule] | _Append)
                old = service.faults.rules() if isinstance(given, _Append) else []
                new = given.append if isinstance(given, _Append) else given
                service.faults.replace(service.store, [*old, *new])
                return json_response(service.faults.rules())
            case ("POST", "/_ctl/add_foreign"):
                batches.add_foreign(service, msgspec.json.decode(body, type=_Foreign).n)
                return json_response({})
    except msgspec.DecodeError as error:
        raise Refused(400, str(error)) from error
    raise Refused(404, f"{request.method} {request.path}: not found")


def _clock(service: Service) -> Response:
    now = service.clock.now()
    return json_response({"now": iso(now), "seconds": now, "speed": service.clock.speed})


async def _turn(service: Service, turn: _Turn) -> None:
    service.clock.advance(turn.advance)
    if turn.speed is not None:
        service.clock.run_at(turn.speed)
    service.keep_clock()
    service.processor.wake()
    # The caller may rely on every batch that is due by now to have ended.
    moment = service.clock.now()
    deadline = time.monotonic() + _SETTLE
    while time.monotonic() < deadline and any(
        batch.due is not None and batch.due <= moment for batch in service.store.open()
    ):
        await asyncio.sleep(0.005)


def _ledger(service: Service) -> dict[str, Json]:
    totals = service.store.totals()
    ledger: dict[str, Json] = {
        name: int(totals.get(name, 0))
        for name in ("messages", "posts", "requests", "input_tokens", "output_tokens")
    }
    ledger["usd"] = totals.get("usd", 0.0)
    ledger["answered"] = {**service.store.answered()}
    ledger["batches"] = [_entry(batch) for batch in service.store.all()]
    return ledger


def _entry(batch: Batch) -> dict[str, Json]:
    return {
        "id": batch.id,
        "index": batch.own,
        "created_at": iso(batch.created),
        "n": batch.n,
        "bytes": batch.bytes,
        "body_sha256": batch.sha256,
        "foreign": batch.own is None,
        "status": batch.status,
        "counts": {**batch.counts},
        "billed_requests": 0 if batch.own is None else batch.succeeded,
    }
