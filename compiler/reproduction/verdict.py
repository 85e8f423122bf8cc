"""The verdict of a reproduction: verified, missing or drifted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compiler import shipped
from compiler.building.locking import slice_changes
from compiler.errors import DRIFTED, MISSING
from compiler.keys import Json, bytes_digest
from compiler.project.place import Place
from compiler.project.reporter import Reporter
from compiler.reproduction.rebuild import Missing, Rebuilt, rebuild
from compiler.rounds.locks import Lock

_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """A rebuilt round compared with its lock, whose file is `path`.

    `drifts`: differences from the lock, the likeliest cause first. `tree`: rebuilt with the
    templates of the directory; `edited`: templates whose text there differs from the lock.
    """

    lock: Lock
    path: Path
    rebuilt: Rebuilt
    missing: list[Missing]
    drifts: list[str]
    tree: bool
    edited: tuple[str, ...]

    @property
    def word(self) -> str:
        """verified, missing or drifted. Drift wins, because it explains missing replies."""
        return "drifted" if self.drifts else "missing" if self.missing else "verified"

    @property
    def code(self) -> int:
        """The exit code."""
        return {"verified": 0, "missing": MISSING, "drifted": DRIFTED}[self.word]

    def data(self) -> Json:
        """Convert to JSON."""
        return {
            "hash": self.lock.hash,
            "lock": str(self.path),
            "verdict": self.word,
            "steps": len(self.rebuilt.outputs),
            "missing": [
                {"what": m.what, "name": m.name, "step": m.where, "place": m.place}
                for m in self.missing
            ],
            "drifts": [*self.drifts],
            "tree": [*self.edited],
        }


def reproduce(
    place: Place,
    lock: Lock,
    path: Path,
    scratch: Path,
    reporter: Reporter,
    *,
    tree: bool,
    jobs: int | None,
) -> Verdict:
    """Rebuild the round of a lock in `scratch`, and compare every digest.

    `path`: of the lock; `tree`, `jobs`: as for `rebuild`.

    Raises:
        DamagedError: a stored document or reply does not have its digest.
    """
    found = rebuild(lock, place, scratch, reporter, tree=tree, jobs=jobs)
    missing, drifts = _compare(lock, found)
    verdict = Verdict(lock, path, found, missing, drifts, tree, _edited(lock, place))
    if verdict.word == "verified":
        # Restores a lost list of request keys, which `verify` and `cache push` read.
        for keys in found.requests.values():
            place.blobs.put(keys)
    return verdict


def text(verdict: Verdict) -> str:
    """Format a verdict for a terminal."""
    return "\n".join(_lines(verdict))


def _compare(lock: Lock, found: Rebuilt) -> tuple[list[Missing], list[str]]:
    """Compare a rebuilt round with its lock; return missing items and differences."""
    identity = lock.identity
    drifts = [found.spec_problem] if found.spec_problem else []
    if found.slices:
        drifts += [f"field {each}" for each in slice_changes(identity.stages, found.slices)]
    fields, changed = len(drifts), set()
    for step, keys in found.requests.items():
        was = identity.requests.get(step)
        digest = bytes_digest(keys)
        if was is None or was.digest != digest:
            before = f"{was.count:,} ({was.digest[:12]})" if was is not None else "none"
            drifts.append(f"requests of {step}: {before} -> {len(keys) // 32:,} ({digest[:12]})")
            changed.add(step)
    for step, outputs in identity.outputs.items():
        now = found.outputs.get(step)
        if now is None:
            continue
        for name in sorted(outputs.keys() | now.keys()):
            if outputs.get(name) != now.get(name):
                before, after = outputs.get(name, "none"), now.get(name, "none")
                drifts.append(f"output {name} of {step}: {before[:12]} -> {after[:12]}")
    rebuilt = found.outputs.keys() | set(found.waiting) | {m.where for m in found.missing}
    if found.outputs:
        gone = [step for step in identity.outputs if step not in rebuilt]
        drifts += [f"step {step}: not in this version" for step in gone]
    if len(drifts) > fields:
        # Other replies alone are no drift: every output may be the same.
        drifts[fields:fields] = [f"replies of {step}: {why}" for step, why in found.others.items()]
    # A request that was not sent when the round was built is not missing.
    return [each for each in found.missing if each.where not in changed], drifts


def _lines(verdict: Verdict) -> Iterator[str]:
    lock, found = verdict.lock, verdict.rebuilt
    identity = lock.identity
    yield (
        f"{verdict.word}: round {identity.round} of {identity.name}, {lock.hash[:12]}, "
        f"{len(identity.documents):,} documents"
    )
    if verdict.word == "verified":
        yield (
            f"{len(found.outputs)} steps rebuilt from {identity.asked.count:,} replies, every "
            "digest equal; no requests were sent"
        )
    if verdict.drifts:
        yield f"{len(verdict.drifts)} differences, at most {_SHOWN} shown:"
        yield from (f"  {each}" for each in verdict.drifts[:_SHOWN])
        same = not any(each.startswith("output ") for each in verdict.drifts)
        if same and found.outputs and not found.waiting and not found.missing:
            yield "  every output is still the same"
    if verdict.drifts and found.others:
        yield (
            "the round was built from other replies than the log has: reproduce it in a directory "
            f"of its own, with `probec cache pull URL {lock.hash[:12]} --dir DIR`"
        )
    if found.waiting:
        yield f"{len(found.waiting)} steps lack their inputs and could not be rebuilt"
    if verdict.missing:
        counts = Counter((m.what, m.where) for m in verdict.missing)
        for (what, where), count in counts.items():
            noun = what if count == 1 else "replies" if what == "reply" else what
            yield f"{count:,} {noun} for {where} missing:"
            own = [m for m in verdict.missing if (m.what, m.where) == (what, where)]
            for each in own[:_SHOWN]:
                yield f"  {each.name[:12]}{f'  {each.place}' if each.place else ''}"
            if count > _SHOWN:
                yield f"  and {count - _SHOWN:,} more"
        yield f"fetch what is missing with `probec cache pull URL {lock.hash[:12]}`"
    if verdict.edited and not verdict.tree:
        listed = ", ".join(verdict.edited[:_SHOWN])
        yield (
            f"templates that differ in this directory: {listed}; the lock's were used, "
            "--tree uses the directory's"
        )


def _edited(lock: Lock, place: Place) -> tuple[str, ...]:
    """List the templates whose text in the directory differs from the lock."""
    found = []
    for name, text in lock.identity.templates.items():
        path = shipped.find(place.root, name)
        if path.is_file() and path.read_bytes() != text.encode("utf-8"):
            found.append(name)
    return tuple(found)
