"""`probec verify-rows`: run every check on any probe parquet, ours or a published one."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.checking import files
from compiler.commands.result import Result

EXAMPLE = "probec verify-rows build/datasets/demo --tokenizer specs/data/bpe-8k.json.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to verify."""
    parser.add_argument("path", type=Path, metavar="FILE|DIR", help="a parquet file or a dataset")
    parser.add_argument(
        "--tokenizer",
        action="append",
        default=[],
        metavar="NAME",
        help="the source model's, for token boundaries; again for others that lens atoms are "
        "counted by",
    )


def run(args: argparse.Namespace) -> Result:
    """Exit 1 when a row breaks a check that is an error."""
    report = files.check(args.path, args.tokenizer)
    return Result(files.text(report), files.data(report), 1 if report.errors else 0)
