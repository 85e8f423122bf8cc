"""Export of whole rows as JSON Lines, answers included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from compiler.dataset.rows import REQUIRED, batches
from compiler.evaluation.exports.format import Format, Material, lines
from compiler.keys import Json


def _write(material: Material) -> Mapping[str, bytes]:
    found = {}
    for split, items in material.splits.items():
        kept = {item.number for item in items}
        rows = (row for number, row in enumerate(_rows(material)) if number in kept)
        found[f"{split}.jsonl"] = lines(rows)
    return found


def _rows(material: Material) -> Iterator[Mapping[str, Json]]:
    for file in material.subject.files:
        for batch in batches(file, REQUIRED, None, 512):
            yield from cast(list[dict[str, Json]], batch.to_pylist())


FORMAT = Format("whole rows as JSON Lines, answers included", _write)
