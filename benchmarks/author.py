"""A fast source of logged replies: of real length, accepted by the compiler, written by rule.

usage: python -m benchmarks.author build SPEC ...        (the arguments of `probec`)

Replaces the embedded model under its name and its keys, so that a later build finds every reply in
the log. The embedded model takes most of a second for a document, which is hours for a published
dataset. These replies are meaningless and are never published.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

from compiler import cli
from compiler.embedded import MODEL
from compiler.keys import Json
from compiler.llm import providers
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers import Entry
from compiler.llm.providers.extractive import Extractive

_SLOT = re.compile(r'<slot index="(\d+)" scope="(\w+)" split="(\w+)" target="(\w+)"')
_SIBLING = re.compile(r'<sibling index="(\d+)">\n(.*?)\n</sibling>', re.DOTALL)
_MARK = re.compile(r'<(b|s|p) id="(\w+)"(?: for="([a-z_ ]+)")?/?>|</(s|p)>')
_TAG = re.compile(r"<[^>]+>")
_CONTEXT = re.compile(r"<context[^>]*>(.*)</context>", re.DOTALL)
_PREFIX = "prefix"


class Quick:
    """A provider with the embedded model's wire format and other replies."""

    name = "extractive"
    free = True
    max_bytes = 1 << 30

    def __init__(self) -> None:
        self._embedded = Extractive()

    def encode(self, request: Request) -> dict[str, Json]:
        """Encode as the embedded model does, so that the keys are the same."""
        return self._embedded.encode(request)

    def unsettled(self) -> bool:
        """Return False: every reply is immediate."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Write and deliver a reply to every call."""
        for call in calls:
            user = str(json.loads(call.body)["user"])
            text = written(user, int(call.key[:8], 16))
            size = len(user) // 4, len(text) // 4
            deliver(
                call.key,
                call.purpose,
                Reply(Outcome.OK, text, MODEL, "end_turn", *size, call.key[:16], ""),
            )


def written(user: str, number: int) -> str:
    """Write a reply to a prompt of any role; `number` varies it."""
    if "<slots>" in user:
        return json.dumps(probes(user, number), ensure_ascii=False)
    if "<reference>" in user:
        return f"{number % 11 / 10}"
    found = _CONTEXT.search(user)
    words = found.group(1).split() if found is not None else user.split()
    at = number % max(1, len(words) - 60)
    return " ".join(words[at : at + 60])


def probes(user: str, number: int) -> dict[str, object]:
    """Return written probes on one of the siblings, split near its middle."""
    siblings = _SIBLING.findall(user)
    index, marked = siblings[number % len(siblings)]
    places: dict[str, list[tuple[int, str]]] = {}
    units: list[tuple[int, int, str]] = []
    opened: dict[str, tuple[int, str]] = {}
    for match in _MARK.finditer(marked):
        kind, name, groups, closed = match.groups()
        if kind == "b":
            for group in groups.split():
                places.setdefault(group, []).append((match.start(), name))
        elif kind is not None:
            opened[kind] = (match.end(), name)
        else:
            start, name = opened.pop(closed)
            units.append((start, match.start(), name))
    middle = len(marked) // 2
    splits = {g: min(all_, key=lambda p: abs(p[0] - middle)) for g, all_ in places.items()}
    slots = [(int(i), scope, split, target) for i, scope, split, target in _SLOT.findall(user)]
    words = _TAG.sub("", marked).split()
    return {
        "sibling": int(index),
        "sibling_rationale": " ".join(words[:45]),
        "splits": {group: name for group, (_, name) in splits.items()},
        "split_rationale": " ".join(words[45:90]),
        "probes": list(_drafts(slots, splits, units, marked, words, len(siblings))),
    }


def _drafts(
    slots: Sequence[tuple[int, str, str, str]],
    splits: dict[str, tuple[int, str]],
    units: Sequence[tuple[int, int, str]],
    marked: str,
    words: Sequence[str],
    shown: int,
) -> Iterator[dict[str, object]]:
    used: set[str] = set()
    for slot, scope, group, target in slots:
        if group not in splits:
            continue
        at = splits[group][0]
        unit, text = None, " ".join(words[slot * 7 : slot * 7 + 40])
        if scope != "whole":
            side = [u for u in units if (u[1] <= at if target == _PREFIX else u[0] >= at)]
            own = [u for u in side if u[2][0] == scope[0] and u[2] not in used]
            if not own:
                continue
            start, end, unit = own[len(own) // 2]
            used.add(unit)
            text = _TAG.sub("", marked[start:end])
        said = text.split()
        half = len(said) // 2
        yield {
            "slot": slot,
            "unit": unit,
            "question": f"Which point about {' '.join(words[slot : slot + 9])} is made here?",
            "answer": " ".join(said[: max(6, half)]),
            "alternative": " ".join([*said[half:][::-1], *said[:half][::-1]]),
            "typicality": "typical" if target != _PREFIX and shown > 2 else None,
            "synergy_check": " ".join(words[:18]),
            "distribution_check": " ".join(words[18:36]) if target != _PREFIX else None,
            "difficulty_check": " ".join(words[36:60]),
        }


def main(arguments: Sequence[str]) -> int:
    """Run `probec` with the embedded model replaced."""
    known = cast("dict[str, Entry]", providers.PROVIDERS)
    known["extractive"] = Entry(lambda _: Quick(), free=True)
    return cli.main(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
