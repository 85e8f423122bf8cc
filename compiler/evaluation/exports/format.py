"""The type of export formats, and the probes that they are given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiler.evaluation.bench import COMPLETION
from compiler.evaluation.items import Item
from compiler.evaluation.questions import Places
from compiler.evaluation.subject import Subject
from compiler.keys import Json
from compiler.probes.sampling import view
from compiler.templating.prompts import Library, render

# As the view of a build shows it by default.
_MAX_CHARS = 4000


@dataclass(frozen=True)
class Material:
    """The probes of an export by split, and what the formats may need of them.

    `places`: tokens of hidden states, for formats that need them; `layers`: their layers;
    `templates`: of prompts.
    """

    subject: Subject
    splits: Mapping[str, Sequence[Item]]
    templates: Library
    places: Places | None
    layers: tuple[int, ...]

    def prompt(self, item: Item) -> str:
        """Return the text that a reader of the complement continues with an answer."""
        template = self.templates.template(COMPLETION)
        context = view(item.context, item.target, _MAX_CHARS, "nearest")
        values = {"context": context, "question": item.question, "target": item.target}
        return render(template, values).rstrip()

    def facts(self, item: Item) -> dict[str, Json]:
        """Return the fields by which results are grouped and joined with the dataset."""
        return {
            "probe_id": item.key,
            "doc_id": item.doc_id,
            "scope": item.scope,
            "target": item.target,
            "typicality": item.typicality,
            "band": item.band,
        }

    def ids(self, item: Item) -> tuple[int, ...]:
        """Return the tokens of the text up to the split; the hidden state is that of the last."""
        assert self.places is not None
        return self.places.of(item.doc[: item.split])


@dataclass(frozen=True)
class Format:
    """A format: `write` returns the bytes of each file by name.

    `training`: the rows are to train on, so that they come by split; `tokens`: it needs a tokenizer
    and layers.
    """

    summary: str
    write: Callable[[Material], Mapping[str, bytes]]
    training: bool = False
    tokens: bool = False


def lines(rows: Iterable[Mapping[str, Json]]) -> bytes:
    """Return rows as JSON Lines."""
    return b"".join(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n" for row in rows)
