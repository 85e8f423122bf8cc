"""Patterns of the library regex, compiled when they are first used.

A pattern with Unicode classes takes a millisecond or more to compile, and most commands use none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import regex


class _Pattern:
    """A pattern that keeps each method of the compiled one when it is first looked up."""

    def __init__(self, text: str, flags: tuple[str, ...]) -> None:
        self._text = text
        self._flags = flags

    def __getattr__(self, name: str) -> object:
        import regex

        if name.startswith("__"):
            raise AttributeError(name)
        flags = sum(regex.RegexFlag[each] for each in self._flags)
        found: object = getattr(regex.compile(self._text, flags), name)
        setattr(self, name, found)
        return found


def pattern(text: str, *flags: str) -> regex.Pattern[str]:
    """Return a pattern. `flags`: names in regex, such as `IGNORECASE`."""
    return cast("regex.Pattern[str]", _Pattern(text, flags))
