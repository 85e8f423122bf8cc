"""Decoding of JSON that a language model wrote, by a ladder of increasingly lenient attempts.

strict -> raw control characters in strings allowed -> unfenced -> repaired; the rung that succeeded
is recorded. The last rung takes the strings out of the text, has json-repair repair the structure
that is left, and puts them back: nothing is invented and nothing is lost. It reads the head of the
reply and each item of its list by itself, so that damage to one item leaves the others as they are.

A reply is the only JSON object of its shape in the text, outside a leading <think> block. Several
that differ make it ambiguous, because a draft looks like its correction.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from compiler.decoding.skeleton import Keys, Skeleton, UnreadableError, read
from compiler.keys import Json

# Invalid JSON, integers of thousands of digits, nesting beyond the recursion limit.
_UNREADABLE = (ValueError, RecursionError)
_THINKING = re.compile(r"\s*<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)|[^{]*</think(?:ing)?>", re.S)
_REST = re.compile(r"[\s,}]*(?:\]|\Z)")
_NAME = re.compile(r"[^\w.-]+")
Rung = Literal["strict", "lenient", "unfenced", "repaired"]
_WHOLE: tuple[tuple[Rung, bool], ...] = (("strict", True), ("lenient", False))


@dataclass(frozen=True, slots=True)
class Damage:
    """The raw text of an item that cannot be read without loss, and why."""

    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """A JSON object and the rung that decoded it.

    `damages`: items that are left out of its list; `unknown`: paths of keys that the schema lacks.
    """

    value: dict[str, object]
    rung: Rung
    damages: tuple[Damage, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A reply without a certain reading. `ambiguous`: it holds several objects that differ."""

    why: str
    ambiguous: bool = False


class Shape:
    """The keys of a reply, from its JSON schema: an object with one list of objects.

    The objects of the list may be of several forms, whose keys are taken together.
    """

    def __init__(self, schema: Mapping[str, Json]) -> None:
        properties = _mapping(schema["properties"])
        self.own = frozenset(properties)
        self.nested: dict[str, frozenset[str]] = {}
        self.list, self.item = "", frozenset[str]()
        for name, each in properties.items():
            keys = _item_keys(_mapping(each).get("items"))
            if keys:
                self.list, self.item = name, keys
            elif "properties" in _mapping(each):
                self.nested[name] = frozenset(_mapping(_mapping(each)["properties"]))
        inner = frozenset[str]().union(*self.nested.values())
        self.keys = Keys(self.own | inner)
        self.starts = Keys(self.own - inner - self.item)
        self.items = Keys(self.item)
        self.opening = re.compile(rf"[\"'“”]?{re.escape(self.list)}[\"'“”]?\s*:\s*\[")

    def fits(self, value: Mapping[str, object]) -> bool:
        """Return whether an object has at least half of the keys."""
        return 2 * len(self.own & value.keys()) >= len(self.own)

    def fits_text(self, text: str) -> bool:
        """Return whether a damaged object has at least half of the keys."""
        names = {found[0].strip("\"'“”: \t\r\n") for found in self.starts.inside.finditer(text)}
        return 2 * len(names) >= len(self.own)


class _Twice(dict[str, object]):
    """An object in which a key has two values."""


def decode(text: str, schema: Mapping[str, Json]) -> Decoded | Undecoded:
    """Return the JSON object in a reply, or why none can be decoded and trusted."""
    shape = Shape(schema)
    body = text.strip()
    for rung, strict in _WHOLE:
        try:
            value = json.loads(body, strict=strict, object_pairs_hook=_pairs)
        except _UNREADABLE:
            continue
        if isinstance(value, dict):
            return _checked(value, rung, shape)
    thinking = _THINKING.match(body)
    return _extracted(body[thinking.end() :] if thinking is not None else body, shape)


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs) and any(value[name] != each for name, each in pairs):
        return _Twice(value)
    return value


def _extracted(body: str, shape: Shape) -> Decoded | Undecoded:
    """Return the only object of the shape in a text with fences and prose."""
    found: list[dict[str, object] | str] = []
    other: dict[str, object] | None = None
    after = 0
    prose = []
    decoder = json.JSONDecoder(strict=False, object_pairs_hook=_pairs)
    at = body.find("{")
    while at >= 0:
        end, value = at + 1, None
        with contextlib.suppress(*_UNREADABLE):
            value, end = decoder.raw_decode(body, at)
        if value is None and shape.starts.start.match(body, at) is not None:
            following = shape.starts.start.search(body, end)
            end = following.start() if following is not None else len(body)
            value = body[at:end]
        if isinstance(value, str) or (value is not None and shape.fits(value)):
            found.append(value)
            prose.append(body[after:at])
            after = end
        elif value is not None:
            other = other or value
        at = body.find("{", end)
    prose.append(body[after:])
    whole = [each for each in found if isinstance(each, dict) or shape.fits_text(each)]
    # A damaged object that begins with an unknown key is not found, but its keys are.
    hidden = shape.fits_text("".join(prose))
    if whole and (hidden or any(each != whole[0] for each in whole)):
        return Undecoded(f"{len(whole) + hidden} JSON objects that differ", ambiguous=True)
    if not whole and other is not None and not hidden:
        return _checked(other, "unfenced", shape)
    if not found:
        return Undecoded("a damaged object" if hidden else "no JSON object")
    first = (whole or found)[0]
    if isinstance(first, dict):
        return _checked(first, "unfenced", shape)
    try:
        return _repaired(first, shape)
    except UnreadableError as error:
        return Undecoded(str(error))


def _checked(value: dict[str, object], rung: Rung, shape: Shape) -> Decoded | Undecoded:
    """Set items with a key of two values aside, and list keys that the schema lacks."""
    damages: list[Damage] = []
    for name in ("", *shape.nested):
        if isinstance(value.get(name) if name else value, _Twice):
            return Undecoded(f"a key of {name or 'the reply'} has two values")
    items = value.get(shape.list)
    if isinstance(items, list) and any(isinstance(item, _Twice) for item in items):
        twice = [item for item in items if isinstance(item, _Twice)]
        damages += [Damage(json.dumps(item), "a key has two values") for item in twice]
        kept = [item for item in items if not isinstance(item, _Twice)]
        value = {**value, shape.list: kept}
    return Decoded(value, rung, tuple(damages), tuple(_unknown(value, shape)))


def _unknown(value: Mapping[str, object], shape: Shape) -> Iterator[str]:
    parts: list[tuple[str, object, frozenset[str]]] = [("", value, shape.own)]
    parts += [(f"{name}.", value.get(name), keys) for name, keys in shape.nested.items()]
    items = value.get(shape.list)
    if isinstance(items, list):
        parts += [(f"{shape.list}.", item, shape.item) for item in items]
    for path, part, keys in parts:
        for key in sorted(part.keys() - keys) if isinstance(part, dict) else ():
            yield path + _NAME.sub("_", key)[:60]


def _repaired(text: str, shape: Shape) -> Decoded | Undecoded:
    """Read a damaged object of the shape: its head, then each item by itself.

    Raises:
        UnreadableError: the head has no certain reading.
    """
    opening = shape.opening.search(text)
    if opening is None:
        head, found, damages = text, dict[str, object](), list[Damage]()
    else:
        items, damages, rest = _items(text[opening.end() :], shape)
        # Prose behind the object holds no key.
        rest = "}" if shape.keys.inside.search(rest) is None else rest
        head, found = f"{text[: opening.end()]}]{rest}", {shape.list: items}
    value = _rebuilt(read(head, shape.keys, balanced=False))
    decoded = _checked({**value, **found}, "repaired", shape)
    if isinstance(decoded, Undecoded):
        return decoded
    # A key that is known elsewhere is not known here.
    if decoded.unknown:
        raise UnreadableError(f"keys out of place: {', '.join(decoded.unknown)}")
    return Decoded(decoded.value, "repaired", (*decoded.damages, *damages))


def _items(text: str, shape: Shape) -> tuple[list[object], list[Damage], str]:
    """Read the items at the start of a text; return them, the damaged ones, and the text behind."""
    starts = [found.start() for found in shape.items.start.finditer(text)]
    items: list[object] = []
    damages: list[Damage] = []
    before = text[: starts[0]] if starts else text.partition("]")[0]
    if any(quote in before for quote in '"“”'):
        damages.append(Damage(before, "text outside the items"))
    rest = text.partition("]")[2]
    if not starts:
        return items, damages, rest
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        last = end == len(text)
        try:
            found = read(part, shape.items, balanced=True)
            rest = part[found.end :]
            if last:
                closed = _REST.match(rest)
                if closed is None or not closed[0].endswith("]"):
                    raise UnreadableError("the list does not end behind it")
                rest = rest[closed.end() :]
            elif any(quote in rest for quote in '"“”'):
                raise UnreadableError(f"text behind the item: {rest[:40]!r}")
            items.append(_rebuilt(found))
        except UnreadableError as error:
            damages.append(Damage(part, str(error)))
            rest = part[part.rfind("]") + 1 :] if "]" in part else ""
    return items, damages, rest


def _rebuilt(skeleton: Skeleton) -> dict[str, object]:
    """Repair the structure of an object and put its strings back.

    Raises:
        UnreadableError: the result does not have each key, string and literal once, in order.
    """
    from json_repair import repair_json

    try:
        value = repair_json(skeleton.text, return_objects=True, skip_json_loads=True)
    except _UNREADABLE as error:
        raise UnreadableError(str(error)) from error
    strings = {f"#{index}": each for index, each in enumerate(skeleton.strings)}

    def restored(part: object) -> object:
        if isinstance(part, dict):
            return {name: restored(each) for name, each in part.items()}
        return strings.get(part, part) if isinstance(part, str) else part

    found = restored(value)
    if not isinstance(found, dict) or [*_tokens(found)] != skeleton.tokens:
        raise UnreadableError("its keys and values have no certain order")
    return found


def _tokens(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _tokens(item)
    elif value != []:
        yield value


def _item_keys(items: Json) -> frozenset[str]:
    """Return the keys of all forms of a list's objects; none for a list of other values."""
    forms = _mapping(items).get("anyOf", [_mapping(items)])
    keys = frozenset[str]()
    for form in forms if isinstance(forms, list) else ():
        keys |= frozenset(_mapping(_mapping(form).get("properties")))
    return keys


def _mapping(value: Json | Mapping[str, Json]) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
