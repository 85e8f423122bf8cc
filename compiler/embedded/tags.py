"""Parsing of the tags of a rendered prompt into text, units and places."""

from __future__ import annotations

from dataclasses import dataclass

import regex

from compiler.errors import ProviderError

_ATTRIBUTE = regex.compile(r'([a-z_]+)="([^"]*)"')
_TOKEN = regex.compile(r"<(/?)([a-z]+)((?:\s+[a-z_]+=\"[^\"]*\")*)\s*/?>|([^<]+)")


@dataclass(frozen=True, slots=True)
class Unit:
    """A sentence (`s`) or paragraph (`p`) that may be an atom."""

    id: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Place:
    """A position at which the text may be split, for some split groups."""

    id: str
    offset: int
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Marked:
    """One sibling: its text without tags, with the units and places that the tags mark.

    `generated`: the offset at which the generated text begins.
    """

    index: int
    text: str
    generated: int
    units: tuple[Unit, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class SlotTag:
    """A `<slot>` tag: one probe to write."""

    index: int
    scope: str
    split: str
    target: str
    distance: int


@dataclass(frozen=True, slots=True)
class ScopeTag:
    """A `<scope>` tag: the rules of one scope."""

    name: str
    unit: str
    alternative: str
    min_chars: int
    max_chars: int
    min_sentences: int


def inner(prompt: str, tag: str) -> str:
    """Return the unescaped text of the first `<tag ...>...</tag>`. Raises as `inners` does."""
    return inners(prompt, tag)[0]


def inners(prompt: str, tag: str) -> list[str]:
    """Return the unescaped texts of every `<tag ...>...</tag>`.

    Raises:
        ProviderError: there is none.
    """
    found = regex.findall(rf"<{tag}(?:\s[^>]*)?>(.*?)</{tag}>", prompt, regex.DOTALL)
    if not found:
        raise ProviderError(
            f"the embedded model finds no <{tag}> tag in the prompt",
            hint="keep the tags of docs/prompts.md in prompt variants",
        )
    return [_unescape(each) for each in found]


def attribute(prompt: str, tag: str, name: str) -> str:
    """Return an attribute of the first `<tag ...>`, empty if absent."""
    found = regex.search(rf"<{tag}\s([^>]*)>", prompt)
    return dict(_ATTRIBUTE.findall(found[1])).get(name, "") if found else ""


def scopes(prompt: str) -> dict[str, ScopeTag]:
    """Return the `<scope>` tags by name."""
    found = {}
    for raw in regex.findall(r"<scope\s([^>]*)>", prompt):
        a = dict(_ATTRIBUTE.findall(raw))
        found[a["name"]] = ScopeTag(
            a["name"],
            a["unit"],
            a["alternative"],
            int(a["min_chars"]),
            int(a["max_chars"]),
            int(a["min_sentences"]),
        )
    return found


def slots(prompt: str) -> list[SlotTag]:
    """Return the `<slot>` tags in order."""
    found = []
    for raw in regex.findall(r"<slot\s([^>]*?)/?>", prompt):
        a = dict(_ATTRIBUTE.findall(raw))
        found.append(
            SlotTag(
                int(a["index"]), a["scope"], a["split"], a["target"], int(a.get("distance", "0"))
            )
        )
    return found


def siblings(prompt: str) -> list[Marked]:
    """Return the `<sibling>` tags in order."""
    return [
        _marked(int(index), body)
        for index, body in regex.findall(
            r'<sibling index="(\d+)">\n(.*?)\n</sibling>', prompt, regex.DOTALL
        )
    ]


def _marked(index: int, body: str) -> Marked:
    text: list[str] = []
    at = generated = 0
    open_units: list[tuple[str, str, int]] = []
    units: list[Unit] = []
    places: list[Place] = []
    for closing, name, raw, chunk in _TOKEN.findall(body):
        if chunk:
            plain = _unescape(chunk)
            text.append(plain)
            at += len(plain)
        elif closing:
            unit_id, kind, start = open_units.pop()
            units.append(Unit(unit_id, kind, start, at))
        elif name == "b":
            a = dict(_ATTRIBUTE.findall(raw))
            places.append(Place(a["id"], at, tuple(a["for"].split())))
        elif name == "generated":
            generated = at
        else:
            open_units.append((dict(_ATTRIBUTE.findall(raw))["id"], name, at))
    return Marked(index, "".join(text), generated, tuple(units), tuple(places))


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
