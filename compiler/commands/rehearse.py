"""`probec rehearse`: the whole paid path against a local server, with or without faults, for $0.

The server simulates the Messages and Message Batches APIs and is answered by the embedded model.
Its replies are kept apart from the project's own: they must never be taken for paid ones.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

from compiler.building.build import make
from compiler.commands import arguments, build
from compiler.commands.result import Result
from compiler.errors import UsageError
from compiler.keys import Json
from compiler.llm.providers import BATCHED, FREE
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.project.variant import Variant
from compiler.rehearsal.process import Rehearsal
from compiler.report.terminal import table
from compiler.spec.load import Draft
from compiler.stages.context import ROLES

EXAMPLE = "probec rehearse specs/demo.yaml --faults specs/faults.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Those of a build, and what goes wrong."""
    build.add_arguments(parser)
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="a JSON list of faults; see docs/rehearsal.md"
    )
    parser.add_argument(
        "--speed", type=float, default=120.0, metavar="X", help="how fast the clock runs (120)"
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=240.0,
        metavar="SECONDS",
        help="how long a batch takes, on that clock (240)",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build against the server, then hold our ledger against the server's."""
    faults = _faults(args.faults)
    wanted = arguments.variant(args)
    draft = opening.draft(wanted)
    root = (args.build_dir or draft.root / "build") / "rehearsal"
    wanted = replace(_paid(wanted, draft, args.max_usd), build_dir=root / "build")
    with (
        Rehearsal.start(root / "server", latency=args.latency, speed=args.speed) as server,
        _key(),
    ):
        # Also when there are none: rules of an earlier rehearsal would still be in force.
        server.faults(faults)
        local = (f"models.{role}.base_url={server.base_url}" for role in ROLES)
        project = opening.project(wanted.adding(*local), root / "state")
        project.clock = SpedClock(server.now(), args.speed)
        project.wait = not args.detach
        project.locking = False
        made = make(project, reporter, args.max_usd, arguments.workers(args))
        ledger = server.ledger()
    text, data = _compare(project, ledger)
    merged = {**cast(dict[str, Json], made.data), "server": data}
    return Result(f"{made.text}\n\n{text}", merged, made.code)


class SpedClock:
    """A clock that runs as fast as the server's."""

    def __init__(self, start: float, speed: float) -> None:
        self._start = start
        self._speed = speed
        self._begun = time.monotonic()

    def now(self) -> float:
        """Epoch seconds of the rehearsal."""
        return self._start + (time.monotonic() - self._begun) * self._speed

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds of the rehearsal."""
        time.sleep(seconds / self._speed)


def _faults(path: Path | None) -> list[dict[str, Json]]:
    if path is None:
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"no list of faults: {error}", where=str(path)) from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(
            "not a JSON list of objects", where=str(path), hint="see docs/rehearsal.md"
        )
    return found


def _paid(variant: Variant, draft: Draft, max_usd: float | None) -> Variant:
    """The variant with the roles of free providers given to the batch API."""
    if draft.spec is None or draft.problems:
        return variant
    overrides: list[str] = []
    model = next(iter(draft.spec.prices), None)
    for role in ROLES:
        if getattr(draft.spec.models, role).provider not in FREE:
            continue
        if model is None:
            raise UsageError(
                f"models.{role} is free and the spec has no price of a paid model to rehearse with",
                hint="add one under prices, or set the role's provider and model",
            )
        (batched,) = BATCHED
        overrides += [f"models.{role}.provider={batched}", f"models.{role}.model={model}"]
        if max_usd is None:
            overrides.append("budget.max_usd=1000000")
    return variant.adding(*overrides)


@contextmanager
def _key() -> Iterator[None]:
    """A key for the local server, so that no real one is sent even there."""
    names = {"ANTHROPIC_API_KEY": "rehearsal", "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    dropped = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CUSTOM_HEADERS")
    before = {name: os.environ.get(name) for name in (*names, *dropped)}
    try:
        os.environ.update(names)
        for name in dropped:
            os.environ.pop(name, None)
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _compare(project: Project, ledger: dict[str, Json]) -> tuple[str, Json]:
    """The server's ledger beside ours: the same requests, the same dollars."""
    rows = [row for row in project.log.spent() if row.build == project.spec.name]
    ours = sum(row.calls for row in rows), sum(row.usd for row in rows)
    project.log.close()
    theirs = int(cast(int, ledger["requests"])), float(cast(float, ledger["usd"]))
    batches = cast(list[dict[str, Json]], ledger["batches"])
    lines = table(
        ("rehearsal ledger", "billed requests", "US$ simulated"),
        [("the server's", theirs[0], f"{theirs[1]:,.4f}"), ("ours", ours[0], f"{ours[1]:,.4f}")],
    )
    agree = theirs[0] == ours[0] and abs(theirs[1] - ours[1]) < 1e-6 * max(1.0, theirs[1])
    text = f"{lines}\n{len(batches)} batches, {ledger['messages']} live requests; " + (
        "the ledgers agree" if agree else "THE LEDGERS DIFFER"
    )
    return text, {"ledger": ledger, "agrees": agree}
