"""Options that several commands share. Loads nothing, so that a command line is quickly read."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from compiler.building.jobs import FEW_DOCUMENTS, Workers
from compiler.errors import UsageError
from compiler.project.variant import Variant


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


def variant(args: argparse.Namespace) -> Variant:
    """The spec and its variation, from the options of `add_spec_arguments`."""
    return Variant(args.spec, tuple(args.overrides), args.provider, args.source, args.build_dir)


def without_spec(args: argparse.Namespace) -> None:
    """Refuse options that vary a spec where rows in a file or a locked round are named.

    Raises:
        UsageError: such an option is given.
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


def workers(args: argparse.Namespace) -> Workers:
    """The options of `add_worker_arguments`."""
    return Workers(args.jobs, args.cluster, args.exchange)


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Which directory, for the commands that take a hash instead of a spec."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="a directory with build/rounds and .probec; default: the nearest at or above here",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of that directory"
    )


def add_round_arguments(parser: argparse.ArgumentParser) -> None:
    """Which round, and the directory that it is in."""
    parser.add_argument("hash", metavar="HASH", help="a round's hash, or the start of it")
    add_place_arguments(parser)


def add_band_arguments(parser: argparse.ArgumentParser) -> None:
    """The thresholds of HARD and EASY for rows in files."""
    parser.add_argument(
        "--hard",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: HARD is a maximum below this; default: as stated beside the data, else "
        "the default of scoring.bands",
    )
    parser.add_argument(
        "--easy",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: EASY is at least this; default: as stated beside the data, else "
        "the default of scoring.bands",
    )


def without_bands(args: argparse.Namespace) -> None:
    """Refuse --hard and --easy where a spec or a lock states the bands.

    Raises:
        UsageError: one of them is given.
    """
    if args.hard is not None or args.easy is not None:
        raise UsageError(
            "--hard and --easy are for rows in files",
            hint="a spec and a round state their own: scoring.bands",
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
