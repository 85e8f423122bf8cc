"""The bands under which rows in files are counted: as told, as stated beside them, or the usual."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.dataset import stated
from compiler.errors import UsageError
from compiler.spec.scoring import Bands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """One option for each."""
    usual = Bands()
    parser.add_argument(
        "--hard",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: HARD is a maximum below this; default: as stated beside the data, else "
        f"{usual.hard}",
    )
    parser.add_argument(
        "--easy",
        type=float,
        metavar="SCORE",
        help="FILE, DIR: EASY is at least this; default: as stated beside the data, else "
        f"{usual.easy}",
    )


def stated_elsewhere(args: argparse.Namespace) -> None:
    """What has bands of its own takes no others.

    Raises:
        UsageError: some are given.
    """
    if args.hard is not None or args.easy is not None:
        raise UsageError(
            "--hard and --easy are for rows in files",
            hint="a spec and a round state their own: scoring.bands",
        )


def of_rows(args: argparse.Namespace, path: Path) -> tuple[float, float]:
    """HARD and EASY for the rows in a file or directory.

    Raises:
        UsageError: they are no bands.
    """
    hard, easy = args.hard, args.easy
    if hard is None or easy is None:
        usual = Bands()
        known = stated.bands(path) or (usual.hard, usual.easy)
        hard = known[0] if hard is None else hard
        easy = known[1] if easy is None else easy
    if not 0 <= hard <= easy <= 1:
        raise UsageError(
            f"--hard {hard} and --easy {easy} are no bands", hint="0 <= hard <= easy <= 1"
        )
    return hard, easy
