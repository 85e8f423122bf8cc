"""The state of a project's rounds against their locks: built, locked, stale or missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compiler.building.locking import slice_changes
from compiler.dataset.located import Located
from compiler.keys import Json
from compiler.probes import tokens
from compiler.probes.tokens import TokenizerFile
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.project.slices import slices
from compiler.rounds.locks import Lock, Slice


@dataclass(frozen=True)
class Standing:
    """The state of a declared round without a lock, or of one lock. `state`: see docs/rounds.md."""

    index: int
    lock: Lock | None
    docs: int
    state: str
    reason: str

    def data(self) -> Json:
        """Convert to JSON."""
        lock = self.lock
        recorded = lock.recorded if lock is not None else None
        return {
            "round": self.index,
            "hash": lock.hash if lock is not None else None,
            "docs": self.docs,
            "probes": recorded.rows if recorded else None,
            "built_at": recorded.built_at if recorded else None,
            "usd": recorded.usd if recorded else None,
            "batches": [*recorded.batches] if recorded else [],
            "state": self.state,
            "reason": self.reason,
        }


def rounds(project: Project) -> list[Standing]:
    """Compare every declared or locked round with the spec; opens no socket and reads no source."""
    found: list[Standing] = []
    locks = project.locks() if project.locking else []
    for index in sorted({*range(len(project.declared.rounds)), *project.held}):
        own = [lock for lock in locks if lock.identity.round == index]
        found += [_standing(project, lock) for lock in own]
        if not own:
            docs = project.declared.rounds[index].docs
            found.append(Standing(index, None, docs, "missing", "run `probec build`"))
    return found


def _standing(project: Project, lock: Lock) -> Standing:
    docs = len(lock.identity.documents)
    index = lock.identity.round
    if index >= len(project.declared.rounds):
        return Standing(index, lock, docs, "stale", "the spec has no such round")
    if project.declared.rounds[index].docs != docs:
        reason = f"docs: {docs} -> {project.declared.rounds[index].docs}"
        return Standing(index, lock, docs, "stale", reason)
    moved = slice_changes(lock.identity.stages, _now(project, lock))
    if moved:
        more = f" and {len(moved) - 1} more" if len(moved) > 1 else ""
        return Standing(index, lock, docs, "stale", f"{moved[0]}{more}")
    steps = lock.recorded.steps
    if all(project.store.manifest(key) is not None for key in steps.values()):
        return Standing(index, lock, docs, "built", "")
    return Standing(index, lock, docs, "locked", "not in the build directory")


def _now(project: Project, lock: Lock) -> dict[str, Slice]:
    """Return the slices of this spec and version, with the source that the round was drawn from."""
    files: dict[str, TokenizerFile] = {}
    for name, use in lock.identity.tokenizers.items():
        here = tokens.find(name, project.root, online=False)
        # A tokenizer that is not on this machine is taken to be the locked one.
        files[name] = here or TokenizerFile(name, Path(f"absent{use.suffix}"), use.digest, b"")
    drawn = lock.identity.source
    located = Located(project.declared.source.path, (), drawn.digest, drawn.revision)
    project.tokenizers = files
    context = project.context(Silent(), located=located)
    return slices(project.graph(context).stages)
