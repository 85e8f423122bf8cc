"""`probec verify-rows`: every check on a parquet of probes or rollouts, built or published."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import folder
from compiler.checking import files
from compiler.checking.rollouts import RolloutReport
from compiler.commands.result import Result
from compiler.dataset import located
from compiler.keys import Json

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
    lines = [
        report.text(args.screen)
        if isinstance(report, RolloutReport)
        else files.text(report, args.screen)
    ]
    origin, other = folder.origin(path), folder.unlike_stamp(path)
    if origin is not None and other is None:
        lines.append(f"these are the files of `{origin}`, as installed")
    if other is not None:
        lines.append(other)
    notices: list[Json] = [other] if other is not None else []
    found = report.data() if isinstance(report, RolloutReport) else files.data(report)
    data = {**found, "build": origin, "notices": notices}
    return Result("\n\n".join(lines), data, 1 if report.errors else 0)
