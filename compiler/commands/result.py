"""The result of a command, printed by `cli.py`."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.keys import Json


@dataclass(frozen=True)
class Result:
    """A result: `text` for the terminal, `data` for --json, and the exit code."""

    text: str
    data: Json
    code: int = 0
