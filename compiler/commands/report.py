"""`probec report`: a self-contained HTML page of a dataset's plots, tables and documents."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import folder, page
from compiler.building.page import Page, RolloutsPage
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.spec.root import SUFFIXES

EXAMPLE = "probec report specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, the output, the number of documents, and the bands."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"default: {folder.PAGE} in the dataset's directory",
    )
    parser.add_argument(
        "--sample", type=int, default=6, metavar="N", help="documents to show in full (default: 6)"
    )
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Write the page. A spec must be built and up to date."""
    if args.sample < 0:
        raise UsageError(f"--sample {args.sample} is negative", hint="name 0 or more documents")
    found = _page(args)
    text, documents = found.render(args.sample)
    written = text.encode("utf-8")
    write_atomic(found.out, written, "--out")
    return Result(
        f"report: {folder.shown(found.out)} "
        f"({len(written) / 1e6:.2f} MB; documents in full: {len(documents)})",
        {"report": found.out.as_posix(), "bytes": len(written), "documents": [*documents]},
    )


def _page(args: argparse.Namespace) -> Page | RolloutsPage:
    if args.spec.suffix in SUFFIXES:
        arguments.without_bands(args)
        return page.of_spec(arguments.variant(args), args.out)
    arguments.without_spec(args)
    return page.of_rows(args.spec, args.out, args.hard, args.easy)
