"""`probec verify-rows`: every check on a probe parquet, built here or published."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.checking import files
from compiler.commands.result import Result
from compiler.dataset import located

EXAMPLE = "probec verify-rows build/datasets/demo --tokenizer specs/data/bpe-8k.json.gz"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file and the tokenizers."""
    parser.add_argument(
        "path",
        metavar="FILE|DIR|HUB",
        help="a parquet file, a dataset directory, or hf://datasets/OWNER/NAME@REVISION",
    )
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
    on_hub = args.path.startswith("hf://")
    path = located.fetched(args.path) if on_hub else Path(args.path)
    report = files.check(path, args.tokenizer)
    return Result(files.text(report), files.data(report), 1 if report.errors else 0)
