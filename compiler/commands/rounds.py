"""`probec rounds`: the rounds of a spec, with their locks and how they stand."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.building.locking import slice_changes
from compiler.building.slices import slices
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset.located import Located
from compiler.keys import Json
from compiler.probes import tokens
from compiler.probes.tokens import TokenizerFile
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.report.terminal import table
from compiler.rounds.locks import Lock, Slice

EXAMPLE = "probec rounds specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    arguments.add_spec_arguments(parser)


@dataclass(frozen=True)
class Line:
    """One round as declared, or one of its locks. `state`: see docs/rounds.md."""

    index: int
    lock: Lock | None
    docs: int
    state: str
    reason: str


def run(args: argparse.Namespace) -> Result:
    """Read the locks; opens no socket and reads no source."""
    project = opening.project(arguments.variant(args))
    lines: list[Line] = []
    held = project.held
    locks = project.rounds.all() if project.locking else []
    indices = sorted({*range(len(project.spec.rounds)), *held})
    for index in indices:
        own = [lock for lock in locks if lock.identity.round == index]
        lines += [_line(project, lock) for lock in own]
        if not own:
            docs = project.spec.rounds[index].docs
            lines.append(Line(index, None, docs, "missing", "run `probec build`"))
    documents = sum(len(lock.identity.documents) for lock in held.values())
    parts = [table(_HEADER, [_row(line) for line in lines])]
    if len(held) > 1:
        parts.append(f"{len(held)} locked rounds share no document ({documents:,} in all)")
    return Result("\n\n".join(parts), {"name": project.spec.name, "rounds": [*map(_data, lines)]})


_HEADER = ("round", "hash", "docs", "probes", "built", "US$", "state", "why")


def _row(line: Line) -> Sequence[object]:
    if line.lock is None:
        return (line.index, "-", line.docs, None, "-", "-", line.state, line.reason)
    recorded = line.lock.recorded
    built = recorded.built_at.replace("T", " ").removesuffix("Z")
    return (
        *(line.index, line.lock.hash[:12], line.docs, recorded.rows, built),
        *(f"{recorded.usd:,.2f}", line.state, line.reason),
    )


def _data(line: Line) -> Json:
    recorded = line.lock.recorded if line.lock else None
    return {
        "round": line.index,
        "hash": line.lock.hash if line.lock else None,
        "docs": line.docs,
        "probes": recorded.rows if recorded else None,
        "built_at": recorded.built_at if recorded else None,
        "usd": recorded.usd if recorded else None,
        "batches": [*recorded.batches] if recorded else [],
        "state": line.state,
        "reason": line.reason,
    }


def _line(project: Project, lock: Lock) -> Line:
    docs = len(lock.identity.documents)
    index = lock.identity.round
    if index >= len(project.spec.rounds):
        return Line(index, lock, docs, "stale", "the spec has no such round")
    if project.spec.rounds[index].docs != docs:
        reason = f"docs: {docs} -> {project.spec.rounds[index].docs}"
        return Line(index, lock, docs, "stale", reason)
    moved = slice_changes(lock.identity.stages, _now(project, lock))
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        return Line(index, lock, docs, "stale", f"{moved[0]}{more}")
    steps = lock.recorded.steps
    if all(project.store.manifest(key) is not None for key in steps.values()):
        return Line(index, lock, docs, "built", "")
    return Line(index, lock, docs, "locked", "not in the build directory")


def _now(project: Project, lock: Lock) -> dict[str, Slice]:
    """What the spec and this version make of a round, with the source as it was locked."""
    files: dict[str, TokenizerFile] = {}
    for name, use in lock.identity.tokenizers.items():
        here = tokens.find(name, project.root, online=False)
        # One that is not on this machine cannot have changed here.
        files[name] = here or TokenizerFile(name, Path(f"absent{use.suffix}"), use.digest)
    drawn = lock.identity.source
    located = Located(project.spec.source.path, (), drawn.digest, drawn.revision)
    project.tokenizers = files
    context = project.context(Silent(), located=located)
    return slices(project.graph(context).stages)
