"""`probec stats`: the statistics of a built dataset, or of any probe parquet."""

from __future__ import annotations

import argparse

import msgspec

from compiler.building import finished, folder
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset import stated
from compiler.errors import SourceError
from compiler.report import terminal
from compiler.report.sections import sections
from compiler.rounds import locks
from compiler.spec.root import SUFFIXES
from compiler.statistics import measured
from compiler.statistics.stats import Stats

EXAMPLE = "probec stats specs/demo.yaml --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR|ROUND")
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Print the statistics. A spec must be built and up to date."""
    found, notice = _stats(args)
    parts = [
        terminal.render(table, args.screen) for each in sections(found) for table in each.tables
    ]
    data = msgspec.to_builtins(found)
    if notice is not None:
        parts.append(notice)
        data["notices"] = [notice]
    return Result("\n\n".join(parts), data)


def _stats(args: argparse.Namespace) -> tuple[Stats, str | None]:
    """Return the statistics, and a notice where installed files are of another build."""
    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        build = finished.build(arguments.variant(args))
        return build.stats, build.mismatch
    if locks.HASH.fullmatch(str(args.spec)) and not args.spec.exists():
        arguments.without_bands(args)
        arguments.without_spec(args)
        return finished.round_stats(str(args.spec), args.build_dir), None
    arguments.without_spec(args)
    found = measured.stats(args.spec, *stated.bands_of(args.spec, args.hard, args.easy))
    if not found.probes:
        raise SourceError("the file has no probes", where=str(args.spec), hint="name one with rows")
    return found, folder.unlike_stamp(args.spec)
