"""Replies with known slots, written as the damaged JSON that models send."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from compiler.decoding.repair import Decoded, Undecoded, decode
from compiler.probes.reply import SCHEMA, Draft
from tests.conftest import ROOT

Slot = dict[str, str | int | None]
HEAD = {
    "sibling": 1,
    "sibling_rationale": "rich",
    "splits": {"word_lens": "b1", "sentence": None},
    "split_rationale": "central",
}
# How often a phrase of a field is put in quotes that nothing escapes, and what follows each.
QUOTATIONS = {
    "1 pair": (1, ""),
    "1 pair and a comma": (1, ","),
    "1 pair and a colon": (1, ":"),
    "1 pair and a period": (1, "."),
    "2 pairs": (2, ""),
    "2 pairs and a comma": (2, ","),
    "3 pairs and a comma": (3, ","),
}
FIELDS = ("question", "answer", "difficulty_check")


def sentences() -> list[str]:
    """Sentences without quotes, from the corpus of the segmenter's tests."""
    lines = (ROOT / "tests/data/sentences.jsonl").read_text(encoding="utf-8").splitlines()
    found = [each for line in lines for each in texts(json.loads(line))]
    return [each for each in found if len(each.split()) > 4 and not set(each) & set('"\\\n')]


def texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for each in value.values() if isinstance(value, dict) else value:
            yield from texts(each)


@dataclass
class Author:
    """An author of slots, deterministic by its seed."""

    draw: random.Random
    corpus: list[str]

    def slot(self, number: int) -> Slot:
        names = ("question", "answer", "alternative", "synergy_check", "distribution_check")
        written = {name: self.draw.choice(self.corpus) for name in (*names, "difficulty_check")}
        return {"slot": number, "unit": "s3", "typicality": "typical", **written}

    def quoted(self, text: str, times: int, mark: str) -> str:
        """Put phrases of a text in quotes."""
        words = text.split()
        for _ in range(times):
            start = self.draw.randrange(1, max(2, len(words) - 1))
            end = min(len(words) - 1, start + self.draw.randrange(1, 3))
            words[start] = '"' + words[start]
            words[end - 1] += '"' + mark
        return " ".join(words)


def unescaped(slot: Mapping[str, object]) -> str:
    """Write a slot as JSON whose texts are not escaped."""
    fields = [f'"{k}": ' + (f'"{v}"' if isinstance(v, str) else str(v)) for k, v in slot.items()]
    return "{" + ", ".join(fields) + "}"


def reply(*slots: str) -> str:
    """Write a reply around the texts of its slots."""
    return json.dumps({**HEAD, "probes": []})[:-2] + ", ".join(slots) + "]}"


def accepted(found: Decoded | Undecoded) -> dict[int, dict[str, object]]:
    """Return the slots that a reply's reading accepts."""
    items = found.value.get("probes") if isinstance(found, Decoded) else None
    slots = {}
    for item in items if isinstance(items, list) else ():
        try:
            draft = Draft.model_validate(item)
        except ValidationError:
            continue
        slots[draft.slot] = draft.model_dump()
    return slots


def read(text: str) -> Decoded | Undecoded:
    return decode(text, SCHEMA)
