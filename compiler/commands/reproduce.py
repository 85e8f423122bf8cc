"""`probec reproduce`: rebuild a round from its lock and the response log alone, and compare."""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compiler.building.locking import slice_changes
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import DRIFTED, MISSING, UsageError
from compiler.keys import Json, bytes_digest
from compiler.project import place as places
from compiler.project.place import Place
from compiler.project.reporter import Reporter
from compiler.reproduction.replaying import Missing, Rebuilt, rebuild
from compiler.rounds.locks import Lock

EXAMPLE = "probec reproduce bbc550"
_SHOWN = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which round, where, and with whose templates."""
    parser.add_argument("hash", metavar="HASH", help="a round's hash, or the start of it")
    arguments.add_place_arguments(parser)
    parser.add_argument(
        "--tree",
        action="store_true",
        help="use the prompts and templates of the directory instead of those in the lock",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="rebuild in this directory, which must be empty or new, and leave it there",
    )


@dataclass(frozen=True)
class Verdict:
    """`drifts`: what came out differently and what moved, the likeliest cause first."""

    missing: list[Missing]
    drifts: list[str]

    @property
    def word(self) -> str:
        """verified, missing or drifted. What moved explains replies that are not there."""
        return "drifted" if self.drifts else "missing" if self.missing else "verified"


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Rebuild, compare every digest, and say which of the three it is."""
    place = places.find(args.dir, args.build_dir)
    lock, path = place.lock(args.hash)
    with _scratch(args.keep) as scratch:
        found = rebuild(lock, place, scratch, reporter, tree=args.tree)
    verdict = judge(lock, found)
    if verdict.word == "verified":
        # A list of keys that was lost is written again: `verify` and `cache push` read it.
        for keys in found.requests.values():
            place.blobs.put(keys)
    data: dict[str, Json] = {
        "hash": lock.hash,
        "lock": str(path),
        "verdict": verdict.word,
        "steps": len(found.outputs),
        "missing": [
            {"what": m.what, "name": m.name, "step": m.where, "place": m.place}
            for m in verdict.missing
        ],
        "drifts": [*verdict.drifts],
        "tree": [*_edited(lock, place)],
    }
    code = {"verified": 0, "missing": MISSING, "drifted": DRIFTED}[verdict.word]
    return Result("\n".join(_lines(lock, found, verdict, place, tree=args.tree)), data, code)


@contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise UsageError(
                "a round is rebuilt in an empty directory",
                where=str(keep),
                hint="name one that does not exist: what is there would be written over",
            )
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="probec-") as folder:
        yield Path(folder).resolve()


def judge(lock: Lock, found: Rebuilt) -> Verdict:
    """Hold a rebuilt round against its lock."""
    identity = lock.identity
    drifts = [found.spec_problem] if found.spec_problem else []
    if found.slices:
        drifts += [f"field {each}" for each in slice_changes(identity.stages, found.slices)]
    changed = set()
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
        drifts += [f"step {step}: this version has none" for step in gone]
    # What was never asked when the round was built is not missing.
    return Verdict([each for each in found.missing if each.where not in changed], drifts)


def _lines(
    lock: Lock, found: Rebuilt, verdict: Verdict, place: Place, *, tree: bool
) -> Iterator[str]:
    identity = lock.identity
    yield (
        f"{verdict.word}: round {identity.round} of {identity.name}, {lock.hash[:12]}, "
        f"{len(identity.documents):,} documents"
    )
    if verdict.word == "verified":
        yield (
            f"{len(found.outputs)} steps rebuilt from {identity.asked.count:,} replies, every "
            "digest equal; nobody was asked"
        )
    if verdict.drifts:
        yield f"{len(verdict.drifts)} differences, the first of them:"
        yield from (f"  {each}" for each in verdict.drifts[:_SHOWN])
        same = not any(each.startswith("output ") for each in verdict.drifts)
        if same and found.outputs and not found.waiting and not found.missing:
            yield "  every output is the same all the same"
    if found.waiting:
        yield f"{len(found.waiting)} steps lack their inputs and could not be rebuilt"
    if verdict.missing:
        counts = Counter((m.what, m.where) for m in verdict.missing)
        for (what, where), count in counts.items():
            noun = what if count == 1 else "replies" if what == "reply" else what
            yield f"{count:,} {noun} for {where} not here:"
            own = [m for m in verdict.missing if (m.what, m.where) == (what, where)]
            for each in own[:_SHOWN]:
                yield f"  {each.name[:12]}{f'  {each.place}' if each.place else ''}"
            if count > _SHOWN:
                yield f"  and {count - _SHOWN:,} more"
        yield f"bring them with `probec cache pull URL {lock.hash[:12]}`"
    edited = _edited(lock, place)
    if edited and not tree:
        yield (
            f"templates that this directory has otherwise: {', '.join(edited[:_SHOWN])}; the "
            "lock's were used, --tree uses the directory's"
        )


def _edited(lock: Lock, place: Place) -> list[str]:
    """Templates that the directory has with another text."""
    found = []
    for name, text in lock.identity.templates.items():
        path = place.root / name
        if path.is_file() and path.read_bytes() != text.encode("utf-8"):
            found.append(name)
    return found
