"""Start-up: the CPU of commands, as ratios to a Python that imports the libraries of a spec.

usage: python -m benchmarks.startup [--rounds N | --small]   (default: 7 rounds)

The floor imports pydantic, jinja2, yaml and msgspec and validates one model. Floor and commands
take turns, and the least time of each (user and system) counts, because other load adds to both.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine
from benchmarks.machine import ROOT
from compiler.commands.arguments import at_least_one
from compiler.report.terminal import table

_FLOOR = """
import jinja2, msgspec, pydantic, yaml
class Model(pydantic.BaseModel):
    number: int
Model.model_validate({"number": 1})
"""
SPEC = "specs/demo.yaml"
# Commands by what they show, without a build and with one.
_COMMANDS: dict[str, Sequence[str]] = {
    "help": ("--help",),
    "help of a command": ("plan", "--help"),
    "an unknown command": ("plam", SPEC),
    "an unknown option": ("plan", SPEC, "--sett", "seed=1"),
    "a wrong path": ("check", "specs/dmo.yaml"),
    "check": ("check", SPEC),
    "plan, nothing built": ("plan", SPEC),
    "status": ("status", SPEC),
    "why": ("why", SPEC),
    "an unknown round": ("verify", "abcdef"),
}
_BUILT: dict[str, Sequence[str]] = {
    "plan, all built": ("plan", SPEC),
    "a build with nothing to do": ("build", SPEC),
    "stats": ("stats", SPEC),
}


def main() -> None:
    """Measure and print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=at_least_one, default=7)
    parser.add_argument("--small", action="store_true", help="one run of two commands")
    args = parser.parse_args()
    print(machine.described())
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("specs", "prompts", "templates"):
            shutil.copytree(ROOT / name, project / name)
        if args.small:
            few = {name: _COMMANDS[name] for name in ("help", "check")}
            rows = measured(few, project, 1, warm=False)
        else:
            rows = measured(_COMMANDS, project, args.rounds)
            machine.probec("build", SPEC, cwd=project)
            rows += measured(_BUILT, project, args.rounds)
    print(table(("process", "CPU s", "ratio to its floor"), rows))


def measured(
    commands: dict[str, Sequence[str]], project: Path, rounds: int, *, warm: bool = True
) -> list[tuple[str, str, str]]:
    """Return a row for the floor and for each command. `warm`: run each once, for bytecode."""
    runs = {"floor": ["-c", _FLOOR]}
    runs |= {name: ["-m", "compiler", *words] for name, words in commands.items()}
    for arguments in runs.values() if warm else ():
        cpu(arguments, project)
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, arguments in runs.items():
            least[name] = min(least[name], cpu(arguments, project))
    return [(name, f"{s:.3f}", f"{s / least['floor']:.2f}") for name, s in least.items()]


def cpu(arguments: Sequence[str], project: Path) -> float:
    """Return the user and system seconds of a Python process, which may fail."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # Without bytecode, each process would compile the package.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    subprocess.run(
        [sys.executable, *arguments], cwd=project, env=environment, capture_output=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
