"""Text-only readers of a dataset: controls for methods that read hidden states.

A reader sees the complement and the question, never the text behind the split. Its answers are
predictions under the control `text`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from compiler.errors import UsageError
from compiler.evaluation.bench import Bench
from compiler.evaluation.given import KIND, Head, Prediction
from compiler.evaluation.items import Item, Selection
from compiler.evaluation.questions import stated
from compiler.evaluation.subject import Subject


@dataclass(frozen=True)
class Read:
    """Predictions of a reader as a file. `missing`: answers that it failed to give."""

    data: bytes
    rows: int
    missing: int


def answered(subject: Subject, selection: Selection, bench: Bench, rollouts: int) -> Read | None:
    """Let the answerer of the spec answer every selected probe; None if it was only priced."""
    items = selection.of(subject.items)
    found = bench.answers(items, range(rollouts))
    return None if found is None else _file(subject, selection, bench, items, found, fresh=False)


def fresh(subject: Subject, selection: Selection, bench: Bench, rollouts: int) -> Read | None:
    """Sample the dataset's blind reader again, after its scores selected the bands.

    The samples follow those of the dataset; None if they were only priced.

    Raises:
        UsageError: no selected probe has blind scores.
    """
    items = [each for each in selection.of(subject.items) if each.written and each.blind]
    if not items:
        raise UsageError("no selected probe has blind scores", hint="--fresh samples them again")
    scopes = tuple(dict.fromkeys(each.scope for each in items))
    chosen = Selection(scopes, selection.bands, selection.documents)
    first = max(len(each.blind) for each in items)
    found = bench.answers(items, range(first, first + rollouts))
    return None if found is None else _file(subject, chosen, bench, items, found, fresh=True)


def compared(
    subject: Subject, selection: Selection, bench: Bench, address: str, model: str
) -> Read | None:
    """Let a completions server score the choices of every selected probe that has an alternative.

    None if the requests were only priced.

    Raises:
        UsageError: no selected probe has an alternative.
    """
    items = [each for each in selection.of(subject.items) if each.choices]
    if not items:
        raise UsageError("no selected probe has an alternative", hint="log probabilities need one")
    found = bench.logprobs(items, address, model)
    if found is None:
        return None
    head = Head(
        KIND,
        subject.digest,
        stated(selection),
        reader={"provider": "completions", "model": model},
    )
    rows = [
        Prediction(
            item.key,
            control="text",
            choice_logprobs=(first.logprobs, second.logprobs),
            choice_token_ids=(first.ids, second.ids) if first.ids and second.ids else None,
            straddle=first.straddle or second.straddle,
        )
        for item, (first, second) in zip(items, found, strict=True)
    ]
    return Read(_written(head, rows), len(rows), 0)


def _file(
    subject: Subject,
    selection: Selection,
    bench: Bench,
    items: Sequence[Item],
    answers: Sequence[tuple[str | None, ...]],
    *,
    fresh: bool,
) -> Read:
    use = bench.project.spec.models.answerer
    model = bench.models.get("answerer") or use.model
    reader = {"provider": use.provider, "model": model, "prompt": use.prompt}
    head = Head(KIND, subject.digest, stated(selection), fresh=fresh, reader=reader)
    rows = [*_rows(items, answers)]
    missing = sum(row.answer is None for row in rows)
    return Read(_written(head, rows), len(rows), missing)


def _rows(items: Sequence[Item], answers: Sequence[tuple[str | None, ...]]) -> Iterator[Prediction]:
    for item, texts in zip(items, answers, strict=True):
        for sample, text in enumerate(texts):
            yield Prediction(item.key, sample, text, "text")


def _written(head: Head, rows: Sequence[Prediction]) -> bytes:
    return b"".join(msgspec.json.encode(each) + b"\n" for each in (head, *rows))
