"""Options that several commands share. Loads nothing, so that a command line is quickly read."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from compiler.errors import UsageError

# Starting workers takes as long as some hundred documents do.
FEW_DOCUMENTS = 2048


def add_spec_arguments(parser: argparse.ArgumentParser, metavar: str = "SPEC") -> None:
    """What every command about a spec takes. `metavar`: what else its argument may be."""
    parser.add_argument("spec", type=Path, metavar=metavar, help="a spec, such as specs/demo.yaml")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override one value, such as calibration.level=-1; part of the build's identity",
    )
    parser.add_argument(
        "--provider", metavar="NAME", help="ask this provider in all roles (extractive is free)"
    )
    parser.add_argument(
        "--source",
        metavar="FILE",
        help="rehearse on these rollouts: rounds are scaled to what the file holds",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of the project"
    )


def without_spec(args: argparse.Namespace) -> None:
    """Rows in files and locked rounds are what they are.

    Raises:
        UsageError: an option is given that varies a spec.
    """
    given = {"--set": args.overrides, "--provider": args.provider, "--source": args.source}
    for option, value in given.items():
        if value:
            raise UsageError(
                f"{option} varies a spec, and {args.spec} is none",
                hint="leave it out, or name the spec",
            )


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """How many workers, and where."""
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        metavar="N",
        help="worker processes for the local work; default: one a core from "
        f"{FEW_DOCUMENTS:,} documents on, else none; with --cluster, how many steps it is handed",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the local work on this Ray cluster, or on a `local` one; needs the extra `ray`",
    )
    parser.add_argument(
        "--exchange",
        metavar="URL",
        help="with --cluster: its machines see nothing of this one, files pass through this "
        "fsspec URL, such as s3://bucket/folder; removed from there when the build ends",
    )


def at_least_one(text: str) -> int:
    """A number of things on a command line.

    Raises:
        ArgumentTypeError: it is no whole number, or below 1.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def usd(text: str) -> float:
    """A finite amount of at least 0."""
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value
