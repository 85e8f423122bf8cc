"""`probec cache`: share rounds and their replies, or free disk space. Never deletes a reply."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from compiler.building import backup, garbage, recovery
from compiler.building.backup import Backup
from compiler.building.recovery import Recovered
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.lock import locked
from compiler.engine.remote import Remote
from compiler.engine.sweep import Sweep
from compiler.errors import UsageError
from compiler.keys import Json
from compiler.project import place as places
from compiler.project.reporter import Reporter
from compiler.report.numbers import size
from compiler.reproduction import transfer
from compiler.reproduction.chunks import Moved
from compiler.rounds import locks

EXAMPLE = "probec cache push s3://bucket/probec db0ed9"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action, the URL and the rounds."""
    parser.add_argument(
        "action",
        choices=("push", "pull", "backup", "recover", "gc"),
        help="push, pull: rounds with all that they need; backup: copy everything that was paid "
        "for; recover: bring replies of archived batches back into the log; gc: remove files that "
        "nothing uses",
    )
    parser.add_argument(
        "url",
        nargs="?",
        metavar="URL",
        help="push, pull: a directory or any fsspec URL; backup: a directory",
    )
    parser.add_argument(
        "hashes", nargs="*", metavar="HASH", help="push, pull: the rounds; default: all"
    )
    arguments.add_place_arguments(parser)
    parser.add_argument(
        "--accept-loss",
        action="store_true",
        help="recover: use the log again although committed replies stay lost",
    )
    parser.add_argument("--dry-run", action="store_true", help="gc: list what would be removed")


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Push, pull or collect garbage."""
    if args.action == "gc":
        if args.url is not None:
            raise UsageError("gc takes no URL", hint="leave it out: probec cache gc")
        place = places.find(args.dir, args.build_dir)
        return _gc(garbage.collect(place, dry_run=args.dry_run), dry_run=args.dry_run)
    if args.accept_loss and args.action != "recover":
        raise UsageError("--accept-loss goes with recover", hint="leave it out")
    if args.action == "recover" and not args.url and not args.dry_run:
        place = places.find(args.dir, args.build_dir)
        return _recovered(recovery.recover(place, accept_loss=args.accept_loss))
    if args.action == "recover":
        raise UsageError("recover takes no URL and no --dry-run", hint="probec cache recover")
    if args.action == "backup" and args.url and not args.hashes and not args.dry_run:
        return _backup(backup.make(places.find(args.dir, args.build_dir), Path(args.url)))
    if args.action == "backup":
        raise UsageError("backup takes one directory", hint="probec cache backup DIR")
    if args.dry_run:
        raise UsageError("--dry-run needs the action gc", hint="leave it out")
    if not args.url:
        raise UsageError(f"{args.action} needs a URL", hint=EXAMPLE)
    place = places.find(args.dir, args.build_dir, make=args.action == "pull")
    if locks.HASH.fullmatch(args.url) and not Path(args.url).exists():
        raise UsageError(
            f"{args.url} looks like the hash of a round, not a URL",
            hint=f"name the URL first: {EXAMPLE}; write a directory of that name as ./{args.url}",
        )
    if args.action == "push":
        chosen = transfer.chosen(place, args.hashes)
        moved = transfer.push(place, Remote(args.url), chosen, reporter.notice)
        return _moved("pushed", args.url, moved)
    remote = Remote(args.url)
    hashes = transfer.wanted(remote, args.hashes)
    with locked(place.build):
        moved = transfer.pull(place, remote, hashes, reporter.notice)
    return _moved("pulled", args.url, moved)


def _moved(verb: str, url: str, moved: Moved) -> Result:
    text = (
        f"{verb} {len(moved.rounds)} rounds, {url}: {moved.files} files with {size(moved.bytes)} "
        f"transferred, {moved.there} already present"
    )
    if verb == "pulled":
        text += f"\n{moved.replies:,} new replies, {moved.known:,} already in the log"
        text += f", {moved.mended:,} damaged replies replaced" if moved.mended else ""
        text += "".join(f"\n{each.text(url)}" for each in moved.conflicts)
    data: Json = {
        "rounds": [*moved.rounds],
        "files": moved.files,
        "bytes": moved.bytes,
        "there": moved.there,
        "replies": moved.replies,
        "known": moved.known,
        "mended": moved.mended,
        "conflicts": [
            {
                "hash": each.lock.hash,
                "keys": [*each.keys],
                "rounds": [other.hash for other in each.here],
                "resent": each.resent,
            }
            for each in moved.conflicts
        ],
    }
    return Result(text, data, 1 if moved.conflicts else 0)


def _backup(made: Backup) -> Result:
    text = (
        f"backup in {made.folder}: {made.replies:,} replies, {made.batches:,} batches, "
        f"{made.files:,} files with {size(made.bytes)}"
    )
    data: Json = {
        "folder": str(made.folder),
        "replies": made.replies,
        "batches": made.batches,
        "files": made.files,
        "bytes": made.bytes,
        "replaced": made.replaced,
    }
    return Result(f"{text}; the earlier one was replaced" if made.replaced else text, data)


def _recovered(found: Recovered) -> Result:
    lines = [
        f"{found.batches:,} archived batches: {found.recovered:,} replies recovered, "
        f"{found.known:,} known, {found.unreadable:,} unreadable"
    ]
    if found.unmapped:
        lines.append(
            f"{found.unmapped:,} batches archived by an earlier version do not say which requests "
            "they answer"
        )
    if found.missing:
        lines.append(
            f"{found.missing:,} committed replies are still missing: `probec cache pull`, or "
            "`probec cache recover --accept-loss` to go on without them"
        )
    return Result("\n".join(lines), {**msgspec.to_builtins(found)})


def _gc(found: Sweep, *, dry_run: bool) -> Result:
    verb = "would be removed" if dry_run else "removed"
    text = (
        f"{len(found.files):,} files with {size(found.bytes)} {verb}; {found.kept_files:,} with "
        f"{size(found.kept_bytes)} kept, used by a build or a lock; replies are never touched"
    )
    data: Json = {
        "removed": [str(path) for path, _ in found.files],
        "bytes": found.bytes,
        "kept_files": found.kept_files,
        "kept_bytes": found.kept_bytes,
        "dry_run": dry_run,
    }
    return Result(text, data)
