"""Options shared by several commands. Imports nothing heavy, so that parsing is fast."""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path

from compiler.building.jobs import FEW_DOCUMENTS, Workers
from compiler.errors import UsageError
from compiler.project.variant import Variant
from compiler.spec.root import SUFFIXES, require


def add_spec_arguments(
    parser: argparse.ArgumentParser, metavar: str = "SPEC", *, count: str | None = None
) -> None:
    """Add the arguments that name and vary a spec.

    `metavar`: where files are accepted too; `count`: the `nargs` of argparse, `?` for none or one,
    `+` for several, each a path with a name or None.
    """
    several = count == "+"
    parser.add_argument(
        "spec",
        type=_named if several else _spec if metavar == "SPEC" else _dataset,
        nargs=count,
        metavar=metavar,
        help="a spec, such as specs/demo.yaml"
        + ("; several are compared, and NAME=... gives one a name" if several else ""),
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="override one value, such as calibration.level=-1; part of the build's identity",
    )
    parser.add_argument(
        "--provider", metavar="NAME", help="use this provider for all roles (extractive is free)"
    )
    parser.add_argument(
        "--source",
        metavar="FILE",
        help="use these rollouts as source; rounds are scaled to the file and not locked",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of the project"
    )


def _spec(text: str) -> Path:
    """Parse the path of a spec; a missing one is reported before the command is loaded."""
    return require(Path(text))


def _dataset(text: str) -> Path:
    """Parse the path of a spec or of a dataset."""
    path = Path(text)
    return require(path) if path.suffix in SUFFIXES else path


def _named(text: str) -> tuple[str | None, Path]:
    """Parse the path of a spec or of a dataset, with a name before it or without."""
    name, equals, path = text.partition("=")
    if equals and path and re.fullmatch(r"[\w-]+", name) and not Path(text).exists():
        return name, _dataset(path)
    return None, _dataset(text)


def variant(args: argparse.Namespace) -> Variant:
    """Return the variant from the options of `add_spec_arguments`."""
    return Variant(args.spec, tuple(args.overrides), args.provider, args.source, args.build_dir)


def without_spec(args: argparse.Namespace) -> None:
    """Refuse options that vary a spec when the argument is a file or a locked round.

    Raises:
        UsageError: one of the options is given.
    """
    given = {"--set": args.overrides, "--provider": args.provider, "--source": args.source}
    for option, value in given.items():
        if value:
            found = f"{args.spec} is not a spec" if args.spec is not None else "none is named"
            raise UsageError(
                f"{option} changes a spec, but {found}",
                hint="leave it out, or name the spec",
            )


def add_worker_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options for workers."""
    parser.add_argument(
        "--jobs",
        type=at_least_one,
        metavar="N",
        help="worker processes for the local stages; default: one per core from "
        f"{FEW_DOCUMENTS:,} documents on, else none; with --cluster: steps in flight at once",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="run the local stages on this Ray cluster, or a `local` one; needs the extra `ray`",
    )
    parser.add_argument(
        "--exchange",
        metavar="URL",
        help="with --cluster, for machines without shared storage: exchange files through this "
        "fsspec URL, such as s3://bucket/folder; they are removed when the build ends",
    )


def workers(args: argparse.Namespace) -> Workers:
    """Return the options of `add_worker_arguments`."""
    return Workers(args.jobs, args.cluster, args.exchange)


def add_place_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a project's directory, for commands that take a hash."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="a directory with build/rounds and .probec; default: the nearest, upwards from here",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of that directory"
    )


def add_round_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the hash of a round, and the options that name its directory."""
    parser.add_argument("hash", metavar="HASH", help="a round's hash, or its first digits")
    add_place_arguments(parser)


def add_band_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the thresholds of HARD and EASY, for rows in files."""
    parser.add_argument(
        "--hard",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: HARD is a max score below this; default: from the dataset's metadata, "
        "else the default of scoring.bands",
    )
    parser.add_argument(
        "--easy",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: EASY is a max score of at least this; default: from the dataset's "
        "metadata, else the default of scoring.bands",
    )


def without_bands(args: argparse.Namespace) -> None:
    """Refuse --hard and --easy if a spec or a lock declares the bands.

    Raises:
        UsageError: one of them is given.
    """
    if args.hard is not None or args.easy is not None:
        raise UsageError(
            "--hard and --easy are for rows in files",
            hint="leave them out: a spec and a round have their own, scoring.bands",
        )


def at_least_one(text: str) -> int:
    """Parse a whole number of at least 1.

    Raises:
        ArgumentTypeError: it is not one.
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def usd(text: str) -> float:
    """Parse a finite amount of US dollars, at least 0.

    Raises:
        ValueError: it is not one.
    """
    value = float(text)
    if not math.isfinite(value) or value < 0:
        raise ValueError(text)
    return value
