"""`probec stats`: the numbers of a built dataset, from its release."""

from __future__ import annotations

import argparse

import msgspec

from compiler.commands import wire
from compiler.commands.result import Result
from compiler.commands.tables import everything
from compiler.commands.wire import Silent
from compiler.dataset import folder
from compiler.errors import UsageError

EXAMPLE = "probec stats specs/demo.yaml --json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    wire.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Print them; fails when the build is not up to date."""
    project = wire.project(args)
    blocked = project.blocked()
    if blocked:
        raise UsageError("; ".join(blocked), hint="build first, or name a local file with --source")
    graph = project.graph(project.context(Silent()))
    graph.plan()
    found = folder.stats(project.store, graph)
    return Result(everything(found), msgspec.to_builtins(found))
