"""`probec verify-rows`: every check on a probe parquet, built here or published."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import folder
from compiler.checking import files
from compiler.commands.result import Result
from compiler.keys import Json

EXAMPLE = "probec verify-rows build/datasets/demo --tokenizer specs/data/bpe-8k.json.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file and the tokenizers."""
    parser.add_argument("path", type=Path, metavar="FILE|DIR", help="a parquet file or a dataset")
    parser.add_argument(
        "--tokenizer",
        action="append",
        default=[],
        metavar="NAME",
        help="the source model's tokenizer, for token boundaries; repeat it for those that lens "
        "atoms are counted by",
    )


def run(args: argparse.Namespace) -> Result:
    """Check the rows. Exit 1 if a row breaks a rule whose severity is error."""
    report = files.check(args.path, args.tokenizer)
    lines = [files.text(report)]
    origin, other = folder.origin(args.path), folder.unlike_stamp(args.path)
    if origin is not None and other is None:
        lines.append(f"these are the files of `{origin}`, as installed")
    if other is not None:
        lines.append(other)
    notices: list[Json] = [other] if other is not None else []
    data = {**files.data(report), "build": origin, "notices": notices}
    return Result("\n\n".join(lines), data, 1 if report.errors else 0)
