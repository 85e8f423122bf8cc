"""`probec build`: bring the dataset up to date; loads what that takes where no receipt speaks."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from compiler.building import receipt
from compiler.building.receipt import Request
from compiler.commands import arguments
from compiler.commands.result import Result

if TYPE_CHECKING:
    from compiler.project.reporter import Reporter

EXAMPLE = "probec build specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, the wall, and whether to wait."""
    arguments.add_spec_arguments(parser)
    arguments.add_worker_arguments(parser)
    parser.add_argument(
        "--max-usd",
        type=arguments.usd,
        metavar="USD",
        help="a lower wall than the spec's budget.max_usd",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="submit and exit 75 instead of waiting for batches; run again to collect",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Say what the last build came to, if all it looked at is as it was; else build."""
    asked = _request(args)
    kept = receipt.recall(asked, args.spec, args.build_dir) if asked is not None else None
    if kept is not None:
        for notice in kept.notices:
            reporter.notice(notice)
        return Result(kept.text, kept.data, kept.code)

    from compiler.building.build import make
    from compiler.project import opening

    project = opening.project(arguments.variant(args))
    project.wait = not args.detach
    made = make(project, reporter, args.max_usd, arguments.workers(args), _next(args), asked)
    return Result(made.text, made.data, made.code)


def _request(args: argparse.Namespace) -> Request | None:
    """The request that a receipt may answer; a cluster is not this machine's to watch."""
    if not args.own or args.cluster is not None:
        return None
    return receipt.request({k: str(v) for k, v in vars(args).items() if k != "json"})


def _next(args: argparse.Namespace) -> str:
    """Commands that make sense now, with the options that this build had."""
    spec = shlex.join(arguments.variant(args).arguments())
    lines = (
        (f"probec stats {spec}", "these numbers again"),
        (f"probec prompt {spec} --role judge", "exactly what the judge was sent"),
        (f"probec plan {spec} --set calibration.level=2", "what a change would run"),
    )
    width = max(len(command) for command, _ in lines)
    return "\n".join(["next:", *(f"  {c.ljust(width)}   {what}" for c, what in lines)])
