"""Parsing of the tags of a rendered prompt into text, units and places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex

from compiler.errors import ProviderError

_ATTRIBUTE = regex.compile(r'([a-z_]+)="([^"]*)"')
_TOKEN = regex.compile(r"<(/?)([A-Za-z0-9.]+)/?>|([^<]+)")
_ID = regex.compile(r"([A-Z])\.([a-z]+)(\d*)")
_RANGE = regex.compile(r"([A-Z]\.[a-z]+)(\d*)(?:\.\.[A-Z]\.[a-z]+(\d+))?")


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that may be an atom, such as a sentence (`sent`), or a `side`."""

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

    `letter`: its id; `generated`: the offset at which the generated text begins.
    """

    letter: str
    text: str
    generated: int
    units: tuple[Unit, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class SlotTag:
    """A `<slot>` tag: one probe to write.

    `units`: the ids that may be its atom; `labelled`: it asks for a typicality.
    """

    index: int
    scope: str
    side: str
    distance: int
    units: frozenset[str]
    labelled: bool


@dataclass(frozen=True, slots=True)
class ScopeTag:
    """A `<scope>` tag: one size of atom. `split`: the group whose split applies."""

    name: str
    split: str
    alternative: str


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


def level(prompt: str) -> int:
    """Return the calibration level of a prompt, 0 without its tag.

    Raises:
        ProviderError: it is no whole number.
    """
    stated = attribute(prompt, "calibration", "level") or "0"
    try:
        return int(stated)
    except ValueError:
        raise ProviderError(
            f"the embedded model finds no whole number in <calibration level={stated!r}>",
            hint='write level="{{ level }}" in the prompt variant',
        ) from None


def scopes(prompt: str) -> dict[str, ScopeTag]:
    """Return the `<scope>` tags by name."""
    found = {}
    for raw in regex.findall(r"<scope\s([^>]*)>", prompt):
        a = dict(_ATTRIBUTE.findall(raw))
        found[a["name"]] = ScopeTag(a["name"], a["split"], a["alternative"])
    return found


def slots(prompt: str) -> list[SlotTag]:
    """Return the `<slot>` tags in order, with the units that `<unit>` tags allow."""
    units: dict[str, set[str]] = {}
    for numbers, listed in regex.findall(r'<unit slot="([\d ]+)">([^<]*)</unit>', prompt):
        for number in numbers.split():
            units.setdefault(number, set()).update(_listed(listed))
    found = []
    for raw in regex.findall(r"<slot\s([^>]*?)/?>", prompt):
        a = dict(_ATTRIBUTE.findall(raw))
        distance = int(a.get("distance", "0"))
        allowed = frozenset(units.get(a["n"], ()))
        found.append(
            SlotTag(int(a["n"]), a["scope"], a["side"], distance, allowed, "typicality" in a)
        )
    return found


def siblings(prompt: str) -> list[Marked]:
    """Return the `<sibling>` tags in order, with the places that `<split>` tags allow."""
    groups: dict[str, list[str]] = {}
    for group, places in regex.findall(r'<split group="([a-z_]+)">([^<]*)</split>', prompt):
        for each in _listed(places):
            groups.setdefault(each, []).append(group)
    return [
        _marked(letter, body, groups)
        for letter, body in regex.findall(
            r'<sibling id="([A-Z])">\n(.*?)\n</sibling>', prompt, regex.DOTALL
        )
    ]


def _listed(text: str) -> Iterator[str]:
    """Yield the ids of a list with ranges."""
    for name, first, last in _RANGE.findall(text):
        if last:
            yield from (f"{name}{number}" for number in range(int(first), int(last) + 1))
        else:
            yield name + first


def _marked(letter: str, body: str, groups: Mapping[str, Sequence[str]]) -> Marked:
    text: list[str] = []
    at = generated = 0
    starts: dict[str, int] = {}
    units: list[Unit] = []
    places: list[Place] = []
    for closing, name, chunk in _TOKEN.findall(body):
        if chunk:
            plain = _unescape(chunk)
            text.append(plain)
            at += len(plain)
        elif name == "generated":
            generated = at
        elif closing:
            units.append(Unit(name, _kind(name), starts[name], at))
        elif _kind(name) == "split":
            places.append(Place(name, at, tuple(groups.get(name, ()))))
        else:
            starts[name] = at
    return Marked(letter, "".join(text), generated, tuple(units), tuple(places))


def _kind(name: str) -> str:
    found = _ID.fullmatch(name)
    return found[2] if found else ""


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
