"""`probec rounds`: the rounds of a spec, their locks and their state."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from compiler.building import standing
from compiler.building.standing import Standing
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.keys import Json
from compiler.project import opening
from compiler.report.terminal import table

EXAMPLE = "probec rounds specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Compare the locks with the spec; opens no socket and reads no source."""
    project = opening.project(arguments.variant(args))
    found, held = standing.rounds(project), project.held
    parts = [table(_HEADER, [_row(each) for each in found])]
    if len(held) > 1:
        documents = sum(len(lock.identity.documents) for lock in held.values())
        parts.append(
            f"{len(held)} locked rounds, pairwise disjoint ({documents:,} documents in all)"
        )
    data: Json = {"name": project.declared.name, "rounds": [each.data() for each in found]}
    return Result("\n\n".join(parts), data)


_HEADER = ("round", "hash", "docs", "probes", "built", "US$", "state", "why")


def _row(each: Standing) -> Sequence[object]:
    if each.lock is None:
        return (each.index, "-", each.docs, None, "-", "-", each.state, each.reason)
    recorded = each.lock.recorded
    built = recorded.built_at.replace("T", " ").removesuffix("Z")
    return (
        *(each.index, each.lock.hash[:12], each.docs, recorded.rows, built),
        *(f"{recorded.usd:,.2f}", each.state, each.reason),
    )
