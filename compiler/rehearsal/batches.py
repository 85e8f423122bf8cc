"""The routes of the Message Batches API."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import msgspec

from compiler.keys import Json
from compiler.rehearsal import bodies
from compiler.rehearsal.clock import iso
from compiler.rehearsal.errors import Refused, html_response
from compiler.rehearsal.faults import Actions
from compiler.rehearsal.http import Request, Response
from compiler.rehearsal.processing import body_path, results_path
from compiler.rehearsal.results import results_response
from compiler.rehearsal.service import Service, json_response
from compiler.rehearsal.store import Batch

ROOT = "/v1/messages/batches"


async def create(service: Service, request: Request, fault: Actions) -> Response:
    """Create a batch: spool the body, run the synchronous checks, commit.

    Raises:
        Refused: the body is not a valid batch, or the queue is full.
    """
    spool = service.state / "incoming" / uuid4().hex
    try:
        sha, size = await _spool(request, spool, service.limits.max_bytes)
        if size > service.limits.max_bytes:
            return html_response(413)
        n = await asyncio.to_thread(_count, spool, service.limits.max_requests)
        queued = service.store.queued()
        if queued + n > service.limits.queue:
            raise Refused(
                429,
                f"this request would exceed the limit of {service.limits.queue} batch requests "
                f"in processing: {queued} are in it",
                headers={"retry-after": "60"},
            )
        batch = _new(service, fault, n, size, sha, request.headers["anthropic-version"])
        spool.rename(body_path(service.state, batch))
        with service.store.transaction():
            if fault.foreign is not None:
                service.store.insert(_foreign(batch, fault.foreign.n or n))
                batch = replace(batch, seq=batch.seq + 1)
            service.store.insert(batch)
    finally:
        spool.unlink(missing_ok=True)
    service.processor.wake()
    return json_response(_wire(service, request, batch))


def add_foreign(service: Service, n: int) -> None:
    """Create a batch of another customer."""
    ours = _new(service, Actions(), n, 0, "", "")
    service.store.insert(_foreign(ours, n))
    service.processor.wake()


async def _spool(request: Request, path: Path, limit: int) -> tuple[str, int]:
    sha = hashlib.sha256()
    size = 0
    with path.open("wb") as file:
        async for piece in request.chunks():
            size += len(piece)
            if size <= limit:
                sha.update(piece)
                file.write(piece)
    return sha.hexdigest(), size


def _count(path: Path, limit: int) -> int:
    n = 0
    try:
        for _ in bodies.split(path):
            n += 1
            if n > limit:
                raise Refused(400, f"requests: List should have at most {limit} items")
    except bodies.Malformed as error:
        raise Refused(400, str(error)) from error
    if n == 0:
        raise Refused(400, "requests: List should have at least 1 item after validation, not 0")
    return n


def _new(service: Service, fault: Actions, n: int, size: int, sha: str, version: str) -> Batch:
    now = service.clock.now()
    slow = fault.slow
    return Batch(
        seq=service.store.next_seq(),
        id="msgbatch_01" + uuid4().hex[:22],
        own=service.store.own_count(),
        version=version,
        n=n,
        bytes=size,
        sha256=sha,
        created=now,
        visible=now + fault.hide,
        latency=service.limits.latency if isinstance(slow, msgspec.UnsetType) else slow,
        cancel=None,
        ended=None,
        status="in_progress",
        succeeded=0,
        errored=0,
        canceled=0,
        expired=0,
    )


def _foreign(ours: Batch, n: int) -> Batch:
    return replace(
        ours,
        id="msgbatch_01" + uuid4().hex[:22],
        own=None,
        n=n,
        bytes=0,
        sha256="",
        visible=ours.created,
    )


def retrieve(service: Service, request: Request, batch: Batch, fault: Actions) -> Response:
    """Return one batch."""
    return json_response({**_wire(service, request, batch), **fault.fields})


def listing(service: Service, request: Request, fault: Actions) -> Response:
    """Return a page of the list of batches.

    Raises:
        Refused: the limit or a cursor is invalid.
    """
    if fault.empty_has_more:
        return json_response({"data": [], "has_more": True, "first_id": None, "last_id": None})
    text = request.query.get("limit", "20")
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise Refused(400, "limit: Input should be between 1 and 1000")
    limit = int(text)
    bound, seq = "all", 0
    for name, side in (("before_id", "newer"), ("after_id", "older")):
        cursor = request.query.get(name)
        if cursor and not (fault.ignore_after_id and name == "after_id"):
            bound, seq = side, _known(service, cursor, 400).seq
    found = service.store.page(service.clock.now(), bound, seq, limit + 1)
    more = len(found) > limit
    found = found[-limit:] if bound == "newer" else found[:limit]
    return json_response(
        {
            "data": [_wire(service, request, batch) for batch in found],
            "has_more": more,
            "first_id": found[0].id if found else None,
            "last_id": found[-1].id if found else None,
        }
    )


def cancel(service: Service, request: Request, batch: Batch) -> Response:
    """Cancel a batch; requests that were already answered keep their results.

    Raises:
        Refused: the batch has ended.
    """
    if batch.ended is not None:
        raise Refused(400, f"Batch {batch.id} cannot be canceled: it has ended")
    if batch.cancel is None:
        batch = replace(batch, cancel=service.clock.now(), status="canceling")
        service.store.update(batch)
        service.processor.wake()
    return json_response(_wire(service, request, batch))


def delete(service: Service, batch: Batch) -> Response:
    """Delete an ended batch.

    Raises:
        Refused: the batch has not ended.
    """
    if batch.ended is None:
        raise Refused(400, f"Batch {batch.id} cannot be deleted: it has not ended")
    service.store.update(replace(batch, status="deleted"))
    for path in (body_path(service.state, batch), results_path(service.state, batch)):
        path.unlink(missing_ok=True)
    return json_response({"id": batch.id, "type": "message_batch_deleted"})


def results(service: Service, batch: Batch, fault: Actions) -> Response:
    """Return the results of an ended batch.

    Raises:
        Refused: the batch has not ended, or is archived.
    """
    if batch.ended is None:
        raise Refused(404, f"Batch {batch.id} has no results yet")
    if service.clock.now() >= batch.archived:
        raise Refused(404, f"Batch {batch.id} is archived: its results are no longer available")
    return results_response(results_path(service.state, batch), fault)


def _known(service: Service, batch_id: str, status: int) -> Batch:
    batch = service.store.find(batch_id)
    if batch is None:
        raise Refused(status, f"Message batch {batch_id} not found")
    return batch


def find(service: Service, batch_id: str) -> Batch:
    """Return a batch by its id.

    Raises:
        Refused: no such batch exists.
    """
    return _known(service, batch_id, 404)


def _wire(service: Service, request: Request, batch: Batch) -> dict[str, Json]:
    now = service.clock.now()
    archived = batch.archived if now >= batch.archived else None
    there = batch.ended is not None and archived is None
    host = request.headers.get("host", "127.0.0.1")
    return {
        "id": batch.id,
        "type": "message_batch",
        "processing_status": batch.status,
        "request_counts": {**batch.counts},
        "created_at": iso(batch.created),
        "expires_at": iso(batch.expires),
        "ended_at": iso(batch.ended),
        "cancel_initiated_at": iso(batch.cancel),
        "archived_at": iso(archived),
        "results_url": f"http://{host}{ROOT}/{batch.id}/results" if there else None,
    }
