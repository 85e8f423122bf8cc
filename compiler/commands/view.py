"""`probec view`: the rows of a dataset in a browser, for any size. Needs the extra `view`."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import finished
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset import stated
from compiler.dataset.rows import files
from compiler.evaluation import record, scores
from compiler.project.reporter import Reporter
from compiler.project.variant import Variant
from compiler.spec.root import SUFFIXES
from compiler.viewing import server
from compiler.viewing.table import Beside, Table

EXAMPLE = "probec view specs/demo.yaml --port 8000"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, what to show beside it, the port, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR")
    parser.add_argument(
        "--beside",
        action="append",
        type=Path,
        default=[],
        metavar="SPEC|DIR",
        help="scores to show beside: another build of the same documents, or an evaluation's "
        "directory; repeatable, the first is compared",
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="default: any that is free"
    )
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Serve the rows until Ctrl-C."""
    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        build = finished.build(arguments.variant(args))
        found, name = build.files, build.project.dataset
        bands = build.project.spec.scoring.bands
        limits = bands.hard, bands.easy
    else:
        arguments.without_spec(args)
        found, name = files(args.spec), args.spec.resolve().name
        limits = stated.bands_of(args.spec, args.hard, args.easy)
    beside = [each for path in args.beside for each in _beside(path, args.build_dir)]
    table = Table(found, limits, beside)
    server.serve(
        server.application(table, name),
        args.port,
        lambda address: reporter.notice(f"{name}: {address} (Ctrl-C ends it)"),
    )
    return Result(f"the view of {name} has ended", {"dataset": name})


def _beside(path: Path, build_dir: Path | None) -> list[Beside]:
    """Find the scores of a build, or of each method of an evaluation."""
    if path.suffix in SUFFIXES:
        build = finished.build(Variant(path, build_dir=build_dir))
        return [Beside(build.project.dataset, tuple(build.files), "rows")]
    file = path / record.SCORES if (path / record.SCORES).is_file() else path
    if file.name == record.SCORES:
        rows = scores.read(file)
        methods = rows.method.occurring(rows.kind.among(("method",)))
        return [Beside(each, (file,), "method") for each in methods]
    return [Beside(path.resolve().name, tuple(files(path)), "rows")]


def _port(text: str) -> int:
    """Parse a port number.

    Raises:
        ArgumentTypeError: it is not one.
    """
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to 65535")
    return int(text)
