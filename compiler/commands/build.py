"""`probec build`: a dataset brought up to date; with a valid receipt, only its cached result."""

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
    """Add the options of a spec and of workers, the ceiling, --detach and --pilot."""
    arguments.add_spec_arguments(parser)
    arguments.add_worker_arguments(parser)
    parser.add_argument(
        "--max-usd",
        type=arguments.usd,
        metavar="USD",
        help="a ceiling for this run, if lower than the spec's budget.max_usd",
    )
    parser.add_argument(
        "--detach",
        action="store_true",
        help="send the batches and exit 75 instead of waiting; run again to collect",
    )
    parser.add_argument(
        "--pilot",
        type=arguments.at_least_one,
        metavar="N",
        help="build the first N documents of the plan under a name of their own, and price the "
        "rest from them; their replies serve the full build",
    )

    parser.add_argument(
        "--full", action="store_true", help="print all tables instead of a few lines"
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Print the cached result if there is a valid receipt; else build."""
    asked = _request(args)
    kept = receipt.recall(asked, args.spec, args.build_dir) if asked is not None else None
    if kept is not None:
        for notice in kept.notices:
            reporter.notice(notice)
        return Result(kept.text, kept.data, kept.code)

    from compiler.building.build import make
    from compiler.building.pilot import make_pilot
    from compiler.project import opening

    project = opening.project(arguments.variant(args))
    project.wait = not args.detach
    if args.pilot is not None:
        workers, onward = arguments.workers(args), _after_pilot(args)
        made = make_pilot(project, args.pilot, reporter, args.max_usd, workers, onward, args.screen)
        return Result(made.text, made.data, made.code)
    tables, workers = args.screen if args.full else None, arguments.workers(args)
    spec = shlex.join(arguments.variant(args).arguments())
    onward = _listed(*((each.format(spec=spec), what) for each, what in project.kind.onward))
    made = make(project, reporter, args.max_usd, workers, onward, asked, tables)
    return Result(made.text, made.data, made.code)


def _request(args: argparse.Namespace) -> Request | None:
    """Identify the command line; None for one without a receipt.

    The files of a build on a cluster may be elsewhere, the price that a pilot ends with depends on
    files of the full build, and the layout of tables depends on the terminal.
    """
    if not args.own or args.full or args.cluster is not None or args.pilot is not None:
        return None
    # The result depends neither on its format nor on the terminal.
    left = ("json", "screen")
    return receipt.request({k: str(v) for k, v in vars(args).items() if k not in left})


def _after_pilot(args: argparse.Namespace) -> str:
    """Suggest next commands after a pilot, with its options."""
    spec = shlex.join(arguments.variant(args).arguments())
    return _listed(
        (f"probec prompt {spec} --reply", "a reply of the generator, slot by slot"),
        (f"probec plan {spec}", "this price again"),
        (f"probec build {spec}", "all documents; no reply of the pilot is paid for again"),
    )


def _listed(*lines: tuple[str, str]) -> str:
    width = max(len(command) for command, _ in lines)
    return "\n".join(["next:", *(f"  {c.ljust(width)}   {what}" for c, what in lines)])
