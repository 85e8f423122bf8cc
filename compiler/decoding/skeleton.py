"""The structure of a damaged JSON object, with its strings taken out.

The keys are known, so the end of a string is too: a quote that a known key, or the end of the
object, follows. Every character is a string's, a key's, a literal's or JSON syntax; anything else,
and any string that could end at two places, makes the object unreadable.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field

_CLOSERS = {'"': '"', "'": "'", "“": "”", "”": "”"}
_QUOTES = "[\"'“”]"
_LITERALS: dict[str, object] = {
    "null": None,
    "None": None,
    "true": True,
    "True": True,
    "false": False,
    "False": False,
}
_LITERAL = re.compile(r"(?:-?\d{1,20}(?:\.\d+)?|null|None|true|True|false|False)(?![\w.])")
_COMMENT = r"//[^\n\"“”]*\n"
_SPACE = re.compile(rf"(?:[\s,]|{_COMMENT})+")
_VALUE = r"(?:[\"'“”{\[\d-]|null\b|None\b|true\b|True\b|false\b|False\b)"
# A key that is not known, after the end of a string.
_OTHER_KEY = re.compile(rf"[\"“”]\s*,?\s*{_QUOTES}[\w .-]{{1,60}}{_QUOTES}\s*:")
_ESCAPED = re.compile(r'\\.|"', re.DOTALL)
# Quotes; the first group has those that begin a quotation: before a word, after a space or bracket.
_QUOTATION = re.compile(r'((?:(?<=[\s(\[{])|^)"+(?=[^\s"]))|"+', re.MULTILINE)


class UnreadableError(ValueError):
    """A damaged object whose text has no certain reading."""


@dataclass
class Skeleton:
    """A damaged object without its strings.

    `text`: its structure, in which `"#0"` stands for the first string; `tokens`: its keys, strings
    and literals in order; `end`: the offset behind the object.
    """

    text: str
    tokens: list[object]
    strings: list[str]
    end: int


class Keys:
    """The keys that objects may have, as patterns of damaged text."""

    def __init__(self, keys: Collection[str]) -> None:
        names = "|".join(map(re.escape, sorted(keys, key=len, reverse=True)))
        self._key = re.compile(rf"(?:({_QUOTES})({names}){_QUOTES}|({names}))\s*:")
        self.inside = re.compile(rf"{_QUOTES}(?:{names}){_QUOTES}\s*:")
        self.start = re.compile(rf"\{{\s*(?:{_QUOTES}(?:{names}){_QUOTES}|(?:{names}))\s*:")
        between = rf"(?:[\s,]|{_COMMENT})"
        following = rf"(?:{_QUOTES}(?:{names}){_QUOTES}|(?<=[\s,])(?:{names}))\s*:\s*{_VALUE}"
        self.after = re.compile(rf"{between}*(?:{following}|\}}[\s,}}]*(?:\{{|\]|\Z|{following}))")

    def key(self, text: str, at: int) -> tuple[str, int] | None:
        """Return the key at an offset and the offset behind its colon, or None."""
        found = self._key.match(text, at)
        return None if found is None else (found[2] or found[3], found.end())


@dataclass
class _Reader:
    """The reading of one damaged object."""

    text: str
    keys: Keys
    balanced: bool
    parts: list[str] = field(default_factory=list)
    tokens: list[object] = field(default_factory=list)
    strings: list[str] = field(default_factory=list)

    def read(self) -> Skeleton:
        at, depth, has_key = 0, 0, False
        while at < len(self.text):
            char = self.text[at]
            space = _SPACE.match(self.text, at)
            if space is not None:
                self.parts.append(re.sub(_COMMENT, "\n", space[0]))
                at = space.end()
            elif char == "{":
                depth, has_key = depth + 1, False
                self.parts.append(char)
                at += 1
            elif char == "}":
                depth -= 1
                self.parts.append(char)
                at += 1
                if depth == 0:
                    return Skeleton("".join(self.parts), self.tokens, self.strings, at)
            elif has_key:
                at, has_key = self._value(at), False
            else:
                found = self.keys.key(self.text, at)
                if found is None:
                    raise UnreadableError(f"unknown key or stray text: {self.text[at : at + 40]!r}")
                name, at = found
                self.parts.append(f'"{name}":')
                self.tokens.append(name)
                at = _skip(self.text, at)
                has_key = at < len(self.text) and self.text[at] != "{"
        raise UnreadableError("the object does not end")

    def _value(self, at: int) -> int:
        """Read the value of a key and return the offset behind it."""
        literal = _LITERAL.match(self.text, at)
        if literal is not None:
            word = literal[0]
            value = _LITERALS[word] if word in _LITERALS else json.loads(word)
            self.parts.append(json.dumps(value))
            self.tokens.append(value)
            return literal.end()
        if self.text.startswith("[", at):
            end = _skip(self.text, at + 1)
            if not self.text.startswith("]", end):
                raise UnreadableError("a list in place of a text")
            self.parts.append("[]")
            return end + 1
        if self.text[at] not in _CLOSERS:
            raise UnreadableError(f"no value: {self.text[at : at + 40]!r}")
        return self._string(at)

    def _string(self, at: int) -> int:
        closer = _CLOSERS[self.text[at]]
        for found in re.compile(rf"\\.|{closer}", re.DOTALL).finditer(self.text, at + 1):
            if found[0] == closer and self.keys.after.match(self.text, found.end()):
                raw = self.text[at + 1 : found.start()]
                break
        else:
            raise UnreadableError(f"the end of {self.text[at : at + 40]!r} is not certain")
        if self.keys.inside.search(raw) or _OTHER_KEY.search(raw):
            raise UnreadableError(f"a key within {raw[:40]!r}")
        value = _unescaped(raw)
        if self.balanced and _unclosed(value):
            raise UnreadableError(f"a quotation without an end in {raw[:40]!r}")
        self.parts.append(f'"#{len(self.strings)}"')
        self.tokens.append(value)
        self.strings.append(value)
        return found.end()


def _unclosed(text: str) -> bool:
    """Return whether a quotation of a text has no end. Other quotes, as of inches, need none."""
    depth = 0
    for found in _QUOTATION.finditer(text):
        size = len(found[0])
        depth = depth + size if found[1] else max(0, depth - size)
    return depth > 0


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _unescaped(raw: str) -> str:
    def escape(found: re.Match[str]) -> str:
        return {'"': '\\"', "\\'": "'"}.get(found[0], found[0])

    try:
        return str(json.loads(f'"{_ESCAPED.sub(escape, raw)}"', strict=False))
    except ValueError as error:
        raise UnreadableError(f"an escape that JSON does not have in {raw[:40]!r}") from error


def read(text: str, keys: Keys, *, balanced: bool) -> Skeleton:
    """Read the damaged object at the start of a text.

    `balanced`: a quotation without an end makes it unreadable, because the quote behind the string
    may be the quotation's.

    Raises:
        UnreadableError: some of its text has no certain reading.
    """
    return _Reader(text, keys, balanced).read()
