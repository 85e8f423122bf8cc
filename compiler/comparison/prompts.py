"""The comparison of one request with the same request of another side."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass, replace

from compiler.building import prompt
from compiler.building.prompt import Prompt
from compiler.comparison import bodies
from compiler.comparison.hunks import hunks, unified
from compiler.comparison.sides import is_directory, label, open_side
from compiler.errors import ProbecError
from compiler.keys import Json
from compiler.project.variant import Variant


@dataclass(frozen=True)
class PromptChange:
    """Two prompts. `side`: the label of the other; `diff`: of their bodies, "" if equal."""

    own: Prompt
    other: Prompt
    side: str
    diff: str

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        other: Json = {
            "side": self.side,
            "key": self.other.key,
            "body": json.loads(self.other.body),
        }
        return {**self.own.data(), "against": other, "diff": self.diff}


def against(
    own: Prompt, variant: Variant, name: str, doc_id: str | None, slot: int | None
) -> PromptChange:
    """Compare a prompt of `variant` with that of the side that `name` names.

    Raises:
        UsageError: `name` names no side, or the side has no such document, slot or role.
        ProbecError: the other request depends on steps that are not built.
    """
    spec = str(variant.path)
    # Overrides apply to a prompt directory, which borrows the spec; not to a side of its own.
    overrides = variant.overrides if is_directory(name, spec) else ()
    with ExitStack() as stack:
        side = open_side(stack, name, replace(variant, overrides=()), overrides)
        try:
            other = prompt.find(side.project, own.role, doc_id, slot)
        except ProbecError as error:
            error.where = error.where or side.label
            raise
    found = hunks(bodies.text(own.body), bodies.text(other.body))
    heads = f"{label(spec, variant.overrides)} ({own.key[:12]})", f"{side.label} ({other.key[:12]})"
    return PromptChange(own, other, side.label, unified(*heads, found) if found else "")


def text(change: PromptChange) -> str:
    """Format the difference for a terminal."""
    return change.diff or f"the same request, key of sample 0: {change.own.key}"
