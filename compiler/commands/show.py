"""`probec show`: rows in the terminal, from a build or from any probe parquet."""

from __future__ import annotations

import argparse
from functools import partial

import msgspec

from compiler.building import finished, folder
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset import rows, selection, stated
from compiler.dataset.selection import Selection
from compiler.errors import UsageError
from compiler.report import probe
from compiler.spec.root import SUFFIXES

EXAMPLE = "probec show specs/demo.yaml --scope sentence --sort score -n 5"
_ROWS = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, the conditions on rows, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR")
    parser.add_argument("ids", nargs="*", metavar="ID", help="probe ids, or their first characters")
    parser.add_argument("--target", choices=("prefix", "suffix"), help="rows about this side")
    several = partial(parser.add_argument, action="append", default=[])
    several("--scope", metavar="NAME", help="rows of this scope; repeatable")
    several("--band", choices=selection.BANDS, help="rows in this band; repeatable")
    several("--round", type=int, metavar="N", help="rows of this round; repeatable")
    several("--flag", metavar="ID", help="rows with this warning, such as V14; repeatable")
    parser.add_argument(
        "--sort",
        choices=("score",),
        help="by the maximum blind score, lowest first; default: the order of the rows",
    )
    parser.add_argument("--reverse", action="store_true", help="with --sort: highest first")
    parser.add_argument(
        "-n",
        dest="count",
        type=arguments.at_least_one,
        metavar="N",
        help=f"rows to show; default: {_ROWS}, or all with an ID",
    )
    parser.add_argument(
        "--around",
        type=arguments.at_least_one,
        default=probe.AROUND,
        metavar="CHARS",
        help=f"text to show on either side of split and atom; default: {probe.AROUND}",
    )
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Print the rows. A spec must be built and up to date."""
    if args.reverse and args.sort is None:
        raise UsageError("--reverse needs --sort", hint="add --sort score")
    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        build = finished.build(arguments.variant(args))
        files, notice = build.files, None
        bands = (build.stats.hard_below, build.stats.easy_from)
    else:
        arguments.without_spec(args)
        files, notice = rows.files(args.spec), folder.unlike_stamp(args.spec)
        bands = stated.bands_of(args.spec, args.hard, args.easy)
    count = args.count or (None if args.ids else _ROWS)
    found = selection.select(files, _wanted(args), bands, count)
    parts = [probe.text(row, bands, args.screen, args.around) for row in found.rows]
    of = f"{len(found.rows):,} of {found.matching:,} matching rows"
    parts.append(f"{of if found.matching else 'no row matches'}, {found.total:,} in all")
    notices = [notice] if notice is not None else []
    data = {
        "rows": [{"probe_id": row.key, **row.values} for row in found.rows],
        "matching": found.matching,
        "total": found.total,
        "notices": notices,
    }
    return Result("\n\n".join([*parts, *notices]), msgspec.to_builtins(data))


def _wanted(args: argparse.Namespace) -> Selection:
    return Selection(
        tuple(args.ids),
        tuple(args.scope),
        (args.target,) if args.target else (),
        tuple(args.band),
        tuple(args.round),
        tuple(args.flag),
        args.sort == "score",
        args.reverse,
    )
