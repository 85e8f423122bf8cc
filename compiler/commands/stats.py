"""`probec stats`: the statistics of built datasets, or of any probe parquet files."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import SourceError, UsageError
from compiler.spec.root import SUFFIXES

if TYPE_CHECKING:
    from compiler.report.tree import Section
    from compiler.statistics.stats import Stats

EXAMPLE = "probec stats specs/demo.yaml mine=build/datasets/mine"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of specs, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR|ROUND", count="+")
    arguments.add_band_arguments(parser)


@dataclass(frozen=True)
class _Found:
    """The statistics of one dataset. `notice`: why installed files are of another build."""

    sections: tuple[Section, ...]
    stats: object
    notice: str | None


def run(args: argparse.Namespace) -> Result:
    """Print the statistics; of several datasets, each table with the rows of all.

    A spec must be built and up to date.
    """
    import msgspec

    from compiler.report import terminal, tree

    found = {
        name: _of(argparse.Namespace(**{**vars(args), "spec": path}))
        for name, path in _named(args.spec).items()
    }
    data = {name: msgspec.to_builtins(each.stats) for name, each in found.items()}
    notices = {name: each.notice for name, each in found.items() if each.notice is not None}
    for name, notice in notices.items():
        data[name]["notices"] = [notice]
    if len(found) == 1:
        (one,) = found.values()
        tables = [table for section in one.sections for table in section.tables]
        told, (result,) = [*notices.values()], data.values()
    else:
        tables = [*tree.beside({name: each.sections for name, each in found.items()})]
        told, result = [f"{name}: {notice}" for name, notice in notices.items()], data
    parts = [terminal.render(table, args.screen) for table in tables]
    return Result("\n\n".join([*parts, *told]), result)


def _named(given: Sequence[tuple[str | None, Path]]) -> dict[str, Path]:
    """Name each dataset without a name by the end of its path.

    Raises:
        UsageError: two datasets have the same name.
    """
    found: dict[str, Path] = {}
    for name, path in given:
        own = name or (path.stem if path.suffix in (*SUFFIXES, ".parquet") else path.name)
        if own in found:
            hint = f"give one another name: other={path}"
            raise UsageError(f"two datasets have the name {own!r}", where=str(path), hint=hint)
        found[own] = path
    return found


def _of(args: argparse.Namespace) -> _Found:
    from compiler.building import finished, folder
    from compiler.checking import rollouts
    from compiler.report import rollouts as page
    from compiler.report.sections import sections

    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        build = finished.build(arguments.variant(args))
        return _Found(build.project.kind.sections(build.result), build.result, build.mismatch)
    rolled = rollouts.stated(args.spec)
    if rolled is not None:
        arguments.without_bands(args)
        arguments.without_spec(args)
        return _Found(page.sections(rolled), rolled, folder.unlike_stamp(args.spec))
    found, notice = _stats(args)
    return _Found(sections(found), found, notice)


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
