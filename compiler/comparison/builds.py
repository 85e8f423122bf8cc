"""The builds of the two sides: the command for each, and both brought up to date."""

from __future__ import annotations

from compiler.building.build import make
from compiler.building.jobs import Workers
from compiler.comparison.sides import Side
from compiler.errors import UsageError
from compiler.project.reporter import Reporter


def command(side: Side) -> str:
    """Return the command that builds a side; for a git revision or a round, instructions."""
    if side.is_copy:
        return f"check out {side.label} in a directory of its own, and build it there"
    return side.project.command


def build(sides: tuple[Side, Side], reporter: Reporter) -> None:
    """Build both sides, each within the budget of its spec.

    Raises:
        UsageError: one is a git revision or a round, whose dataset would replace another.
    """
    for name, side in zip("AB", sides, strict=True):
        if side.is_copy:
            raise UsageError(
                f"--build does not build {name}, a git revision or a round", hint=command(side)
            )
    for name, side in zip("AB", sides, strict=True):
        reporter.notice(f"{name}: {side.project.command}")
        make(side.project, reporter, None, Workers())
