"""The result of a comparison, independent of its format: terminal, JSON or page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import msgspec

from compiler.comparison.fields import FieldChange
from compiler.comparison.hunks import unified
from compiler.comparison.moved import Moved
from compiler.comparison.outcomes import Outcomes
from compiler.comparison.requests import Example
from compiler.comparison.templates import TemplateChange
from compiler.comparison.verdict import verdict
from compiler.keys import Json

DEPTHS = ("spec", "templates", "requests", "outcomes")


@dataclass(frozen=True)
class RequestRow:
    """The requests of one stage and scope on either side.

    `basis`: "counted", or the side whose requests are estimated because they depend on missing
    replies ("A estimated", "B estimated", or "estimated" for both); `same` to `only_b` may then be
    None. `known`: B's requests with a reply in the log or the build; `new`: those that building B
    now would send, for `usd` US dollars, between `low` and `high`. `a_input` to `b_usd`: tokens and
    US dollars of all requests of a side, with or without a reply; `tokens`: their source ("bytes",
    "observed", "declared" or "other side").
    """

    stage: str
    scope: str
    basis: str
    a: int
    b: int
    same: int | None
    changed: int | None
    only_a: int | None
    only_b: int | None
    known: int
    new: int
    tokens: str
    a_input: int
    b_input: int
    a_output: int
    b_output: int
    a_usd: float
    b_usd: float
    usd: float
    low: float
    high: float

    @property
    def counted(self) -> bool:
        """True if the requests of both sides are counted."""
        return self.basis == "counted"

    def guessed(self, side: str) -> bool:
        """Test if the requests of a side, "A" or "B", are estimated."""
        return self.basis in ("estimated", f"{side} estimated")


@dataclass(frozen=True)
class Requests:
    """The comparison of requests.

    `reasons`: of each estimated stage, the reason; `open`: estimated stages whose requests may
    differ, because their inputs, parameters or templates do.
    """

    rows: tuple[RequestRow, ...]
    examples: tuple[Example, ...]
    reasons: Mapping[str, str]
    open: tuple[str, ...] = ()

    @property
    def exact(self) -> bool:
        """True if every number is counted."""
        return all(row.counted for row in self.rows)

    def causes(self) -> dict[str, list[str]]:
        """Group the estimated stages by reason."""
        found: dict[str, list[str]] = {}
        for stage, why in self.reasons.items():
            found.setdefault(why, []).append(stage)
        return found

    @property
    def differing(self) -> int:
        """The counted requests that changed, or are in one build only."""
        return sum((r.changed or 0) + (r.only_a or 0) + (r.only_b or 0) for r in self.rows)


@dataclass(frozen=True)
class Report:
    """A comparison. A depth is None if it was not requested or not reached.

    `moved`: some of the probes in another band; `absent`: the reason of each depth that was not
    reached; `unbuilt`: by side, how to build it.
    """

    a: str
    b: str
    notices: tuple[str, ...] = ()
    fields: tuple[FieldChange, ...] | None = None
    templates: tuple[TemplateChange, ...] | None = None
    requests: Requests | None = None
    outcomes: Outcomes | None = None
    moved: tuple[Moved, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    unbuilt: Mapping[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str | None:
        """The verdict on the outcomes in words; None without outcomes."""
        return verdict(self.outcomes) if self.outcomes is not None else None

    @property
    def differs(self) -> bool:
        """True if anything that was compared differs."""
        asked = self.requests is not None and (self.requests.differing or self.requests.open)
        found = self.outcomes
        moved = found is not None and bool(
            found.flipped
            or found.only_a
            or found.only_b
            or any(shift.a != shift.b for shift in found.shifts)
            or any((each.a, each.a_planned) != (each.b, each.b_planned) for each in found.lost)
        )
        return bool(self.fields or self.templates or asked or moved)

    def data(self) -> dict[str, Json]:
        """Convert to JSON; texts become unified diffs."""
        fields = self.fields
        return {
            "a": self.a,
            "b": self.b,
            "differs": self.differs,
            "notices": [*self.notices],
            "verdict": self.verdict,
            "absent": {**self.absent},
            "unbuilt": {**self.unbuilt},
            "spec": msgspec.to_builtins(fields) if fields is not None else None,
            "templates": [_template(each) for each in self.templates]
            if self.templates is not None
            else None,
            "requests": _requests(self.requests) if self.requests is not None else None,
            "outcomes": _outcomes(self.outcomes) if self.outcomes is not None else None,
            "moved": [msgspec.to_builtins(each) for each in self.moved],
        }


def names(change: TemplateChange) -> tuple[str, str]:
    """Return the two names in the head of a template's diff."""
    return change.old or "(not read)", change.new or "(not read)"


def titles(example: Example) -> tuple[str, str]:
    """Return the two names in the head of an example's diff."""
    about = f"{example.stage}: {example.place}, sample {example.sample}"
    return f"A {about} ({example.old_key[:12]})", f"B {about} ({example.new_key[:12]})"


def _template(change: TemplateChange) -> Json:
    return {
        "name": change.name,
        "old": change.old,
        "new": change.new,
        "diff": unified(*names(change), change.hunks),
    }


def _requests(requests: Requests) -> Json:
    return {
        "exact": requests.exact,
        "differing": requests.differing,
        "new": sum(row.new for row in requests.rows),
        "usd": sum(row.usd for row in requests.rows),
        "rows": [asdict(row) for row in requests.rows],
        "reasons": {**requests.reasons},
        "open": [*requests.open],
        "examples": [
            {
                "stage": each.stage,
                "place": each.place,
                "sample": each.sample,
                "old_key": each.old_key,
                "new_key": each.new_key,
                "diff": unified(*titles(each), each.hunks),
            }
            for each in requests.examples
        ],
    }


def _outcomes(outcomes: Outcomes) -> Json:
    data: Json = msgspec.json.decode(msgspec.json.encode(outcomes))
    assert isinstance(data, dict)
    return {**data, "flipped": outcomes.flipped}
