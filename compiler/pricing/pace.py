"""The pace of a source model: requests per second in the last build, for the hours of a plan."""

from __future__ import annotations

from pathlib import Path

import msgspec

from compiler.engine.store import write_atomic
from compiler.pricing.estimate import Quote
from compiler.project.project import Project

_FOLDER = "pace"


class _Pace(msgspec.Struct, frozen=True):
    calls: int
    seconds: float


def save(project: Project, calls: int, seconds: float) -> None:
    """Keep the pace of a build that sent this number of requests; nothing if it sent none."""
    if calls > 0 and seconds > 0:
        write_atomic(_path(project), msgspec.json.encode(_Pace(calls, seconds)) + b"\n")


def text(project: Project, costs: Quote) -> str:
    """Describe how long the new requests of a plan will take; "" without any."""
    calls = sum(each.calls for each in costs.estimates)
    if not calls:
        return ""
    try:
        known = msgspec.json.decode(_path(project).read_bytes(), type=_Pace)
    except (OSError, msgspec.DecodeError):
        return "hours: unknown before the first requests; build a few documents to measure them"
    pace = known.calls / known.seconds
    hours = calls / pace / 3600
    return f"hours: about {hours:,.1f}, at the {pace:,.2f} requests/s of the last build"


def _path(project: Project) -> Path:
    return project.store.root / _FOLDER / f"{project.declared.name}.json"
