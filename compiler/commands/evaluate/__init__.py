"""`probec evaluate`: questions for a method, controls, and the method's scores.

One module for each action, with `SUMMARY`, `EXAMPLE`, `add_arguments` and `run`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from types import ModuleType

from compiler.commands.evaluate import label, options, questions, score
from compiler.commands.evaluate import run as running
from compiler.commands.result import Result
from compiler.project.reporter import Reporter

_MODULES: Mapping[str, ModuleType] = {
    "questions": questions,
    "run": running,
    "label": label,
    "score": score,
}
ACTIONS: Mapping[str, str] = {name: module.SUMMARY for name, module in _MODULES.items()}
EXAMPLES: Mapping[str, str] = {name: module.EXAMPLE for name, module in _MODULES.items()}
EXAMPLE = score.EXAMPLE


def add_arguments(parser: argparse.ArgumentParser, action: str) -> None:
    """Add the options of an action."""
    options.add_dataset(parser)
    _MODULES[action].add_arguments(parser)


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Run an action."""
    found: Result = _MODULES[args.action].run(args, reporter)
    return found
