"""`probec stats`: the numbers of a built dataset, or of any probe parquet."""

from __future__ import annotations

import argparse

import msgspec

from compiler.building import folder
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset import stated
from compiler.errors import SourceError, UsageError
from compiler.project import opening, place
from compiler.report.tables import everything
from compiler.rounds import locks
from compiler.spec.scoring import Bands
from compiler.statistics import measured
from compiler.statistics.stats import Stats

EXAMPLE = "probec stats specs/demo.yaml --json"
_SPECS = (".yaml", ".yml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones; the bands that a bare file does not state."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR|ROUND")
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Print them; of a spec only when its build is up to date."""
    if args.spec.suffix in _SPECS:
        found = _of_spec(args)
    elif locks.HASH.fullmatch(str(args.spec)) and not args.spec.exists():
        found = _of_round(args)
    else:
        found = _of_file(args)
    return Result(everything(found), msgspec.to_builtins(found))


def _of_spec(args: argparse.Namespace) -> Stats:
    arguments.without_bands(args)
    project = opening.project(arguments.variant(args))
    graph = project.planned()
    return folder.stats(project.store, graph)


def _of_round(args: argparse.Namespace) -> Stats:
    """The installed rows of a locked round, under the bands of its lock."""
    arguments.without_bands(args)
    arguments.without_spec(args)
    where = place.find(None, args.build_dir)
    lock, _ = where.lock(str(args.spec))
    identity = lock.identity
    installed = folder.installed_round(where.build, identity.name, identity.round)
    rows = identity.outputs.get(f"publish {identity.round}", {}).get("rows")
    if installed is None or installed[1] != rows:
        other = "is not installed" if installed is None else "is installed in another version"
        raise UsageError(
            f"round {identity.round} of {identity.name} {other}",
            where=str(where.build / "datasets" / identity.name),
            hint="build its spec, or `probec reproduce` it with --keep",
        )
    stated = Bands.model_validate(identity.spec["scoring"]["bands"])  # type: ignore[index]
    return measured.stats(installed[0], stated.hard, stated.easy)


def _of_file(args: argparse.Namespace) -> Stats:
    arguments.without_spec(args)
    found = measured.stats(args.spec, *stated.bands_of(args.spec, args.hard, args.easy))
    if not found.probes:
        raise SourceError("no probes in it", where=str(args.spec), hint="name a file that has rows")
    return found
