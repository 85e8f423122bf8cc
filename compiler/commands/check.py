"""`probec check`: every problem of a spec and of the files that it names."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import SpecError

EXAMPLE = "probec check specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Report that there is no problem.

    Raises:
        SpecError: lists every problem.
    """
    from compiler.project import opening, problems
    from compiler.spec import load

    draft = opening.draft(arguments.variant(args))
    of_source = problems.source(draft, scaled=args.source is not None)
    found = sorted([*problems.find(draft), *of_source], key=load.place)
    if found:
        raise SpecError(found)
    assert draft.spec is not None
    spec = draft.spec
    text = f"{args.spec}: no problems; {spec.name}: {spec.size()}"
    return Result(text, {"spec": str(args.spec), "name": spec.name, "problems": []})
