"""The service object that the routes share: state, limits, clock and faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler.rehearsal.catalogue import Catalogue
from compiler.rehearsal.clock import Clock
from compiler.rehearsal.faults import Faults, decode
from compiler.rehearsal.http import Response
from compiler.rehearsal.processing import Processor
from compiler.rehearsal.store import Store


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of the API, and the latency of a batch in virtual seconds.

    `queue`: requests in open batches. `max_requests`, `max_bytes`: of one batch.
    """

    latency: float = 2.0
    queue: int = 500_000
    max_requests: int = 100_000
    max_bytes: int = 256_000_000


@dataclass(frozen=True, slots=True)
class Service:
    """The state of the server and its limits. `state`: its directory."""

    state: Path
    limits: Limits
    catalogue: Catalogue
    echo: bool
    store: Store
    clock: Clock
    faults: Faults
    processor: Processor

    @classmethod
    def open(
        cls,
        state: Path,
        limits: Limits,
        catalogue: Catalogue,
        *,
        speed: float | None,
        faults: bytes | None,
        echo: bool,
    ) -> Service:
        """Resume from a state directory, or create one. Stored faults win over `faults`."""
        for name in ("batches", "incoming"):
            (state / name).mkdir(parents=True, exist_ok=True)
        for left in (*(state / "incoming").iterdir(), *(state / "batches").glob("*.part")):
            left.unlink()
        store = Store(state / "state.sqlite")
        kept = store.get("clock")
        clock = Clock.start(1.0) if kept is None else Clock(*msgspec.json.decode(kept))
        if speed is not None:
            clock.run_at(speed)
        rules = Faults(store)
        if faults is not None and not rules.stored:
            rules.replace(store, decode(faults))
        processor = Processor(state, clock, rules, catalogue, echo=echo)
        service = cls(state, limits, catalogue, echo, store, clock, rules, processor)
        service.keep_clock()
        return service

    def keep_clock(self) -> None:
        """Store the clock, so that it continues after a restart."""
        self.store.put("clock", msgspec.json.encode(self.clock.base).decode())


def json_response(body: object) -> Response:
    """Build a response with status 200 and a JSON body."""
    return Response(200, msgspec.json.encode(body))
