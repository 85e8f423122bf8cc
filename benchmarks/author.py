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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import cast

from compiler import cli
from compiler.embedded import MODEL, tags
from compiler.embedded.tags import Marked, Place
from compiler.keys import Json
from compiler.llm import providers
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers import Entry
from compiler.llm.providers.extractive import Extractive

_CONTEXT = re.compile(r"<context[^>]*>(.*)</context>", re.DOTALL)


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
    siblings = tags.siblings(user)
    sibling = siblings[number % len(siblings)]
    middle = len(sibling.text) // 2
    splits: dict[str, Place] = {}
    for place in sorted(sibling.places, key=lambda place: abs(place.offset - middle)):
        for group in place.groups:
            splits.setdefault(group, place)
    words = sibling.text.split()
    return {
        "sibling": sibling.letter,
        "sibling_rationale": " ".join(words[:45]),
        "splits": {group: place.id for group, place in splits.items()},
        "split_rationale": " ".join(words[45:90]),
        "probes": list(_drafts(user, sibling, splits, words)),
    }


def _drafts(
    user: str, sibling: Marked, splits: Mapping[str, Place], words: Sequence[str]
) -> Iterator[dict[str, object]]:
    scopes = tags.scopes(user)
    used: set[str] = set()
    for slot in tags.slots(user):
        place = splits.get(scopes[slot.scope].split)
        if place is None:
            continue
        unit, before = f"{sibling.letter}.side", slot.side == "before"
        text = " ".join(words[slot.index * 7 : slot.index * 7 + 40])
        if unit not in slot.units:
            own = [
                each
                for each in sibling.units
                if each.id in slot.units
                and each.id not in used
                and (each.end <= place.offset if before else each.start >= place.offset)
            ]
            if not own:
                continue
            found = own[len(own) // 2]
            unit, text = found.id, sibling.text[found.start : found.end]
            used.add(unit)
        said = text.split()
        half = len(said) // 2
        draft: dict[str, object] = {
            "slot": slot.index,
            "unit": unit,
            "question": f"Which point about {' '.join(words[slot.index :][:9])} is made here?",
            "answer": " ".join(said[: max(6, half)]),
            "alternative": " ".join([*said[half:][::-1], *said[:half][::-1]]),
            "synergy_check": " ".join(words[:18]),
            "difficulty_check": " ".join(words[36:60]),
        }
        if slot.labelled:
            draft |= {"typicality": "typical", "distribution_check": " ".join(words[18:36])}
        yield draft


def main(arguments: Sequence[str]) -> int:
    """Run `probec` with the embedded model replaced."""
    known = cast("dict[str, Entry]", providers.PROVIDERS)
    known["extractive"] = Entry(lambda _: Quick(), free=True)
    return cli.main(arguments)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
