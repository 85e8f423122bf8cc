"""`probec rounds`: the rounds of a spec, their locks and their state."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from compiler.building import standing
from compiler.building.standing import Standing
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.keys import Json
from compiler.project import opening, place
from compiler.project.place import Place
from compiler.report.screen import Screen
from compiler.report.terminal import table
from compiler.rounds import locks
from compiler.rounds.locks import Lock

EXAMPLE = "probec rounds specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, which may be left out."""
    arguments.add_spec_arguments(parser, count="?")


def run(args: argparse.Namespace) -> Result:
    """Compare the locks with the spec, or list those of all specs.

    Opens no socket and reads no source.
    """
    if args.spec is None:
        arguments.without_spec(args)
        return _all(place.find(None, args.build_dir), args.screen)
    project = opening.project(arguments.variant(args))
    found, held = standing.rounds(project), project.held
    parts = [table(_HEADER, [_row(each) for each in found], args.screen)]
    if len(held) > 1:
        documents = sum(len(lock.identity.documents) for lock in held.values())
        disjoint = f"{len(held)} locked rounds, pairwise disjoint ({documents:,} documents in all)"
        parts.append(args.screen.wrapped(disjoint))
    data: Json = {"name": project.declared.name, "rounds": [each.data() for each in found]}
    return Result("\n\n".join(parts), data)


def _all(here: Place, screen: Screen) -> Result:
    """List the locked rounds of every dataset of a project."""
    found = [locks.read(path) for path in locks.everywhere(here.locks)]
    header = ("dataset", "round", "hash", "docs", "probes", "built", "US$")
    rows = [(lock.dataset, str(lock.identity.round), *_recorded(lock)) for lock in found]
    none = "no locked rounds here; `probec build SPEC` locks them"
    text = table(header, rows, screen) if rows else none
    data: Json = [
        {
            "dataset": lock.dataset,
            "round": lock.identity.round,
            "hash": lock.hash,
            "docs": len(lock.identity.documents),
            "probes": lock.recorded.rows,
            "built_at": lock.recorded.built_at,
            "usd": lock.recorded.usd,
        }
        for lock in found
    ]
    return Result(text, {"rounds": data})


def _recorded(lock: Lock) -> tuple[object, ...]:
    """Return the cells of a lock: hash, documents, probes, time and cost of its build."""
    recorded = lock.recorded
    built = recorded.built_at.replace("T", " ").removesuffix("Z")
    documents = len(lock.identity.documents)
    return lock.hash[:12], documents, recorded.rows, built, f"{recorded.usd:,.2f}"


_HEADER = ("round", "hash", "docs", "probes", "built", "US$", "state", "why")


def _row(each: Standing) -> Sequence[object]:
    if each.lock is None:
        return (str(each.index), "-", each.docs, None, "-", "-", each.state, each.reason)
    return (str(each.index), *_recorded(each.lock), each.state, each.reason)
