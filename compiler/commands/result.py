"""The result of a command, as `cli.py` shows it."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.keys import Json


@dataclass(frozen=True)
class Result:
    """`text` for people, `data` for machines (`--json`), and the exit code."""

    text: str
    data: Json
    code: int = 0
