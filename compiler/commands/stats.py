"""`probec stats`: the statistics of a built dataset, or of any probe parquet."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import SourceError
from compiler.spec.root import SUFFIXES

if TYPE_CHECKING:
    from compiler.report.screen import Screen
    from compiler.report.tree import Section
    from compiler.statistics.stats import Stats

EXAMPLE = "probec stats specs/demo.yaml --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR|ROUND")
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Print the statistics. A spec must be built and up to date."""
    from compiler.building import finished, folder
    from compiler.checking import rollouts
    from compiler.report import rollouts as page
    from compiler.report.sections import sections

    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        build = finished.build(arguments.variant(args))
        made = build.project.kind.sections(build.result)
        return _shown(made, build.result, build.mismatch, args.screen)
    rolled = rollouts.stated(args.spec)
    if rolled is not None:
        arguments.without_bands(args)
        arguments.without_spec(args)
        return _shown(page.sections(rolled), rolled, folder.unlike_stamp(args.spec), args.screen)
    found, notice = _stats(args)
    return _shown(sections(found), found, notice, args.screen)


def _shown(found: tuple[Section, ...], stats: object, notice: str | None, screen: Screen) -> Result:
    import msgspec

    from compiler.report import terminal

    parts = [terminal.render(table, screen) for each in found for table in each.tables]
    data = msgspec.to_builtins(stats)
    if notice is not None:
        parts.append(notice)
        data["notices"] = [notice]
    return Result("\n\n".join(parts), data)


def _stats(args: argparse.Namespace) -> tuple[Stats, str | None]:
    """Return the statistics, and a notice where installed files are of another build."""
    from compiler.building import finished, folder
    from compiler.dataset import stated
    from compiler.rounds import locks
    from compiler.statistics import measured

    if locks.HASH.fullmatch(str(args.spec)) and not args.spec.exists():
        arguments.without_bands(args)
        arguments.without_spec(args)
        return finished.round_stats(str(args.spec), args.build_dir), None
    arguments.without_spec(args)
    found = measured.stats(args.spec, *stated.bands_of(args.spec, args.hard, args.easy))
    if not found.probes:
        raise SourceError("the file has no probes", where=str(args.spec), hint="name one with rows")
    return found, folder.unlike_stamp(args.spec)
