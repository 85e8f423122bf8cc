"""probec: a compiler for probe datasets.

`from compiler import load_spec, plan, build, rows, stats` gives the functions of `compiler.api`;
they load when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from compiler.version import __version__

if TYPE_CHECKING:
    from compiler.api import build, load_spec, plan, rows, stats

_FUNCTIONS = frozenset({"build", "load_spec", "plan", "rows", "stats"})
__all__ = ["__version__", "build", "load_spec", "plan", "rows", "stats"]


def __getattr__(name: str) -> object:
    """Load a function of `compiler.api`."""
    if name not in _FUNCTIONS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from compiler import api

    return getattr(api, name)
