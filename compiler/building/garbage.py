"""Unreferenced files of a build directory: used by no build and no lock."""

from __future__ import annotations

from compiler.building import receipt
from compiler.engine import sweep
from compiler.engine.lock import locked
from compiler.engine.store import Store
from compiler.engine.sweep import Sweep
from compiler.project.place import Place
from compiler.rounds import locks


def collect(place: Place, *, dry_run: bool) -> Sweep:
    """Remove unreferenced files; replies are never touched. `dry_run`: only list them."""
    store = Store(place.build)
    with locked(place.build):
        roots = [
            key
            for path in locks.everywhere(place.locks)
            for key in locks.read(path).recorded.steps.values()
        ]
        found = sweep.survey(store, roots)
        useless = receipt.useless(store.root, [path for path, _ in found.files])
        for path in receipt.everywhere(store.root):
            found.weigh(path, keep=path not in useless)
        if not dry_run:
            sweep.remove(found)
    return found
