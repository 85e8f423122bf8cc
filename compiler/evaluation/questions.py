"""The questions of a dataset without their answers: the part of each probe that a method may see.

For a suffix target no field holds the text behind the split, unless the two choices are asked for.
For a prefix target the hidden state comes from a text that holds the atom: a reader of text alone
must read `context` and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
from msgspec import Struct

from compiler.evaluation.items import Item, Selection
from compiler.evaluation.subject import Subject
from compiler.keys import text_digest
from compiler.probes.tokens import Tokenizer

KIND = "probec-questions/1"


class Head(Struct, frozen=True):
    """The first line of a file of questions.

    `dataset`: digest, which predictions repeat; `selection`: the probes asked about. `tokenizer`:
    name@digest of `token_ids`; `on_boundary`: number of splits whose tokens are also the first ones
    of the whole document, so that a pass over the document has the same hidden state there.
    """

    kind: str
    dataset: str
    name: str
    rows: int
    selection: dict[str, list[str] | int]
    tokenizer: str | None = None
    on_boundary: int | None = None


class Question(Struct, frozen=True, omit_defaults=True):
    """One question. The hidden state is that of the last token of `activation_text`.

    `activation_text`: the document up to the split, at character `activation_char`; `token_ids`:
    its tokens, special ones included; `position`: of the last one, from 0. `choices`: the true
    answer and a false one, in an order drawn by the id.
    """

    probe_id: str
    scope: str
    target: str
    question: str
    context: str
    activation_text: str
    activation_char: int
    doc_digest: str
    choices: tuple[str, str] | None = None
    token_ids: tuple[int, ...] | None = None
    position: int | None = None
    token_boundary: bool | None = None


@dataclass(frozen=True)
class Places:
    """The tokens of a hidden state's text. `bos`: token ids to put first, instead of its rule."""

    tokenizer: Tokenizer
    bos: tuple[int, ...] | None = None

    def of(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text as the source model reads it."""
        found = self.tokenizer.prompt(text)
        return found.ids if self.bos is None else (*self.bos, *found.ids[found.added :])


def written(
    subject: Subject, selection: Selection, places: Places | None, *, choices: bool
) -> tuple[Head, bytes]:
    """Write the selected questions as JSON Lines, after a line about the file.

    `places`: adds token ids; `choices`: adds the two answers to compare.
    """
    items = selection.of(subject.items)
    found = [*_questions(items, places, choices=choices)]
    head = Head(
        KIND,
        subject.digest,
        subject.name,
        len(found),
        stated(selection),
        places.tokenizer.identity if places is not None else None,
        sum(bool(each.token_boundary) for each in found) if places is not None else None,
    )
    return head, b"".join(msgspec.json.encode(each) + b"\n" for each in (head, *found))


def stated(selection: Selection) -> dict[str, list[str] | int]:
    """Return a selection as files state it."""
    return {
        "scopes": [*selection.scopes],
        "bands": [*selection.bands],
        "documents": selection.documents,
    }


def _questions(
    items: Sequence[Item], places: Places | None, *, choices: bool
) -> Iterator[Question]:
    # Probes of a document share its splits.
    known: dict[tuple[str, int], tuple[tuple[int, ...], bool]] = {}
    digests = {each.doc: "" for each in items}
    for each in items:
        digests[each.doc] = digests[each.doc] or text_digest(each.doc)
        text = each.doc[: each.split]
        ids: tuple[int, ...] | None = None
        boundary: bool | None = None
        if places is not None:
            place = (digests[each.doc], each.split)
            if place not in known:
                found = places.of(text)
                known[place] = found, places.of(each.doc)[: len(found)] == found
            ids, boundary = known[place]
        yield Question(
            each.key,
            each.scope,
            each.target,
            each.question,
            each.context,
            text,
            each.split,
            digests[each.doc],
            each.choices if choices else None,
            ids,
            len(ids) - 1 if ids is not None else None,
            boundary,
        )
