"""`probec doctor`: checks of everything that a paid build needs. Spends nothing."""

from __future__ import annotations

import argparse

from compiler.building import readiness
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.keys import Json
from compiler.project import opening
from compiler.report.terminal import table

EXAMPLE = "probec doctor specs/demo.yaml --offline"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and --offline."""
    arguments.add_spec_arguments(parser)
    parser.add_argument("--offline", action="store_true", help="open no socket")


def run(args: argparse.Namespace) -> Result:
    """Run the checks. Exit 1 if a problem would stop a paid build."""
    project = opening.project(arguments.variant(args))
    found = readiness.findings(project, online=not args.offline)
    bad = sum(each.state == "bad" for each in found)
    rows = [(each.what, each.state, each.detail) for each in found]
    text = table(("what", "state", "detail"), rows, args.screen)
    text += f"\n\n{bad} problem{'s' if bad != 1 else ''}" if bad else "\n\nready"
    data: list[Json] = [{"what": f.what, "state": f.state, "detail": f.detail} for f in found]
    return Result(text, {"findings": data, "problems": bad}, 1 if bad else 0)
