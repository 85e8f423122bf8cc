"""A rehearsal: a build against a local server that simulates the API, and the ledgers of both.

Its replies are stored apart from the project's own, so that they are never taken for paid ones.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from compiler.errors import UsageError, nearest_file
from compiler.keys import Json
from compiler.llm.providers import BATCHED, FREE
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.rehearsal.clock import SpedClock
from compiler.rehearsal.process import Rehearsal, Rules
from compiler.report.terminal import table
from compiler.spec.declared import of_probes
from compiler.spec.load import Draft
from compiler.spec.paid import ROLES


@dataclass(frozen=True)
class Ledgers:
    """The server's ledger in full, and billed requests and US dollars by the project's ledger."""

    server: dict[str, Json]
    requests: int
    usd: float

    @property
    def billed(self) -> tuple[int, float]:
        """Requests and US dollars that the server billed."""
        return cast(int, self.server["requests"]), float(cast(float, self.server["usd"]))

    @property
    def agree(self) -> bool:
        """True if both ledgers have the same requests and US dollars."""
        requests, usd = self.billed
        return requests == self.requests and abs(usd - self.usd) < 1e-6 * max(1.0, usd)

    def data(self) -> Json:
        """Convert to JSON."""
        return {"ledger": self.server, "agrees": self.agree}


@contextmanager
def opened(
    variant: Variant, max_usd: float | None, rules: Rules, *, latency: float, speed: float
) -> Iterator[tuple[Project, Rehearsal]]:
    """Start a server, and open the project with every role's requests directed to it.

    `max_usd`: the ceiling of the command line, if there is one; `latency`: seconds that a batch
    takes on the server's clock, which runs `speed` times as fast as real time.

    Raises:
        UsageError: the spec is not one of probes, or has no priced model.
    """
    draft, asked = opening.draft(variant), variant
    if draft.spec is not None:
        of_probes(draft.spec)
    root = (variant.build_dir or draft.root / "build") / "rehearsal"
    variant = replace(_paid(variant, draft, max_usd), build_dir=root / "build")
    with Rehearsal.start(root / "server", latency=latency, speed=speed) as server, _key():
        # Even an empty list must be set: rules of an earlier rehearsal would stay in force.
        server.faults(rules)
        local = (f"models.{role}.base_url={server.base_url}" for role in ROLES)
        project = opening.project(variant.adding(*local), root / "state")
        project.clock = SpedClock(server.now(), speed)
        project.locking = False
        # The server's address and the paid providers are those of every rehearsal.
        project.variation = opening.variation(asked)
        project.command = opening.command(asked, "rehearse")
        yield project, server


def faults(path: Path | None) -> list[dict[str, Json]]:
    """Read the fault rules in a file; none without a file. The server checks their fields.

    Raises:
        UsageError: the file cannot be read, or is not a JSON list of objects.
    """
    if path is None:
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(
            f"the list of faults cannot be read: {why}",
            where=str(path),
            hint=f"{'' if path.exists() else nearest_file(path)}see docs/rehearsal.md",
        ) from error
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise UsageError(
            "faults must be a JSON list of objects", where=str(path), hint="see docs/rehearsal.md"
        )
    return found


def compare(project: Project, ledger: dict[str, Json]) -> Ledgers:
    """Compare the server's ledger with the project's; close the project's log."""
    rows = project.spent()
    project.log.close()
    return Ledgers(ledger, sum(row.calls for row in rows), sum(row.usd for row in rows))


def text(found: Ledgers) -> str:
    """Format both ledgers for a terminal."""
    requests, usd = found.billed
    lines = table(
        ("rehearsal ledger", "billed requests", "US$ simulated"),
        [
            ("server", requests, f"{usd:,.4f}"),
            ("project", found.requests, f"{found.usd:,.4f}"),
        ],
    )
    batches = len(cast(list[Json], found.server["batches"]))
    return f"{lines}\n{batches} batches, {found.server['messages']} live requests; " + (
        "the ledgers agree" if found.agree else "THE LEDGERS DIFFER"
    )


def _paid(variant: Variant, draft: Draft, max_usd: float | None) -> Variant:
    """Give the roles of free providers to the batch provider."""
    if draft.spec is None or draft.problems:
        return variant
    overrides: list[str] = []
    model = next(iter(draft.spec.prices), None)
    for role in ROLES:
        if getattr(draft.spec.models, role).provider not in FREE:
            continue
        if model is None:
            raise UsageError(
                f"models.{role} is free, and the spec has no priced model to rehearse it with",
                hint="add a model under prices, or set the role's provider and model",
            )
        (batched,) = BATCHED
        overrides += [f"models.{role}.provider={batched}", f"models.{role}.model={model}"]
        if max_usd is None:
            overrides.append("budget.max_usd=1000000")
    return variant.adding(*overrides)


@contextmanager
def _key() -> Iterator[None]:
    """Replace the API key by a dummy, so that no real key is sent to the local server."""
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
