"""The rows of a probe parquet file, of this project or another, as columns for the statistics.

Only the columns that statistics need are read, never the texts of documents. A file of another
project may lack columns and hold float indices and nulls: a missing value stays missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

from compiler.dataset import arrays
from compiler.dataset.arrays import Coded
from compiler.dataset.rows import batches
from compiler.errors import SourceError
from compiler.keys import text_digest
from compiler.records import AuditScore
from compiler.spec.scoring import BASELINES
from compiler.statistics import artefacts
from compiler.statistics.artefacts import Pair
from compiler.statistics.observations import (
    LEAKS,
    Bools,
    Floats,
    Ints,
    Names,
    Observations,
    joined,
    padded,
)

_REQUIRED = ("doc_id", "scope", "target")
_SCORES = "bb_answer_rollout_scores"
_ANSWERS = "bb_answer_rollout_answers"
_QUESTION = "verbalizer_prompt"
_TEXTS = ("atom_text", "target_response", "incorrect_plausible_answer")
_COLUMNS = (
    *("doc_id", "scope", "target", "typicality", "score_status", "round_idx", "slot_idx"),
    *("abs_index", "sibling_support", "n_siblings_available", "template_id", "row_splits", "flags"),
    *("split_kind", "atom_origin", "alternative_level", "atom_attested", "alternative_attested"),
    *("bb_answer_response_scores", *(f"{name}_scores" for name in BASELINES)),
    *(_SCORES, _ANSWERS, _QUESTION, *_TEXTS),
)
# Columns of numbers take little memory, and each batch costs a hundred calls.
_BATCH = 32_768
_TEMPLATED = ("word", "lens")


def observed(files: Sequence[Path], groups: Collection[str]) -> Observations:
    """Read the rows of files. `groups`: the split groups in use.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    return joined(
        _block(batch, groups)
        for file in files
        for batch in batches(file, _REQUIRED, _COLUMNS, _BATCH)
    )


def values(files: Sequence[Path], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the distinct texts of each column; empty columns are left out.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    found: dict[str, set[str]] = {}
    for batch in (each for file in files for each in batches(file, _REQUIRED, columns)):
        for name in batch.schema.names:
            # `unique` does not accept nested columns, which hold no texts either.
            nested = kinds.is_nested(batch[name].type)
            texts = () if nested else pc.unique(batch[name]).to_pylist()
            found.setdefault(name, set()).update(each for each in texts if isinstance(each, str))
    return {name: tuple(sorted(found[name])) for name in columns if found.get(name)}


def pairs(files: Sequence[Path], by_response: Collection[str]) -> Iterator[Pair]:
    """Yield the truth and the alternative of the first rows of each cell that have both.

    `by_response`: scopes whose alternative replaces target_response, not the atom.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    columns = (*_REQUIRED, *_TEXTS)
    taken: Counter[tuple[str, str]] = Counter()
    for batch in (each for file in files for each in batches(file, _REQUIRED, columns)):
        scopes, targets = (
            Coded.of(arrays.column(batch, name)).values() for name in ("scope", "target")
        )
        atom, response, alternative = (arrays.column(batch, name) for name in _TEXTS)
        for scope, target in sorted({*zip(scopes.tolist(), targets.tolist(), strict=True)}):
            truth = response if scope in by_response else atom
            if not (arrays.is_text(truth) and arrays.is_text(alternative)):
                continue
            both = arrays.valid(truth) & arrays.valid(alternative)
            of_cell = both & (scopes == scope) & (targets == target)
            rows = np.flatnonzero(of_cell)[: artefacts.MAX_PAIRS - taken[scope, target]]
            taken[scope, target] += len(rows)
            texts = (each.take(rows).to_pylist() for each in (batch["doc_id"], truth, alternative))
            for document, one, other in zip(*texts, strict=True):
                yield artefacts.pair(scope, target, str(document), one, other)


def audits(folder: Path) -> list[AuditScore]:
    """Read the judge's scores of audited answers from a dataset's `audits.jsonl`, if there is one.

    Raises:
        SourceError: a line is not an audit of this version.
    """
    path = folder / "audits.jsonl"
    if not path.is_file():
        return []
    found = []
    decoder = msgspec.json.Decoder(AuditScore)
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            found.append(decoder.decode(line))
        except msgspec.DecodeError as error:
            raise SourceError(f"is not an audit: {error}", where=f"{path}:{number}") from error
    return found


def _block(batch: pa.RecordBatch, groups: Collection[str]) -> Observations:
    """Convert a batch to columns."""

    def column(name: str) -> pa.Array:
        return arrays.column(batch, name)

    def integers(name: str) -> Ints:
        return arrays.integers(column(name))

    def scores(name: str) -> Floats:
        return padded(*arrays.scores(column(name)))

    def names(name: str) -> Names:
        return Coded.of(column(name), lambda value: str(value or "")).values()

    ids, documents = np.unique(Coded.of(column("doc_id")).values(), return_inverse=True)
    scopes, blind = Coded.of(column("scope")).values(), scores(_SCORES)
    written = ~np.isin(scopes, _TEMPLATED) & ~arrays.valid(column("template_id"))
    others = integers("n_siblings_available")
    attested = np.column_stack([integers("atom_attested"), integers("alternative_attested")])
    baselines = {name: scores(f"{name}_scores") for name in BASELINES}
    _, flagged, flags = arrays.members(column("flags"))
    checks = Coded.of(flags)
    counts = np.bincount(checks.codes, minlength=len(checks.names)).tolist()
    leaking = flagged[checks.among(LEAKS)]
    return Observations(
        names=ids,
        documents=documents,
        rounds=np.maximum(integers("round_idx"), 0),
        slots=integers("slot_idx"),
        scopes=scopes,
        targets=Coded.of(column("target")).values(),
        typicality=Coded.of(
            column("typicality"), lambda value: "" if value is None else str(value)
        ).values(),
        statuses=_statuses(column("score_status"), blind, written),
        scores=blind,
        seconds=scores("bb_answer_response_scores"),
        baselines={name: table for name, table in baselines.items() if table.shape[1]},
        distances=integers("abs_index"),
        support=integers("sibling_support"),
        others=np.where(others < 0, -1, others - 1),
        chars=np.column_stack(
            [
                *(arrays.lengths(column(name)) for name in _TEXTS),
                arrays.mean_lengths(column(_ANSWERS)),
            ]
        ),
        same_split=_same_split(column("row_splits"), groups),
        leaking=np.bincount(leaking, minlength=len(batch)) > 0,
        questions=_questions(column(_QUESTION), written),
        split_kinds=names("split_kind"),
        origins=names("atom_origin"),
        levels=integers("alternative_level"),
        attested=np.where(attested.min(axis=1, keepdims=True) < 0, -1, attested),
        flags=Counter(dict(zip(checks.names, counts, strict=True))),
    )


def _statuses(stated: pa.Array, scores: Floats, written: Bools) -> Names:
    """Return the stated statuses; for rows without one, those that follow from scores."""
    scored = ~np.isnan(scores).all(axis=1)
    found = np.where(scored, "scored", np.where(written, "unscored", "local"))
    if not arrays.is_text(stated):
        return found
    return np.where(arrays.valid(stated), Coded.of(stated).values(), found)


def _questions(questions: pa.Array, written: Bools) -> Names:
    """Return the digests of written questions; empty for others."""
    if not arrays.is_text(questions):
        return np.full(len(written), "")
    digests = Coded.of(
        questions, lambda text: text_digest(text)[:16] if isinstance(text, str) else ""
    )
    return np.where(written, digests.values(), "")


def _same_split(splits: pa.Array, groups: Collection[str]) -> Bools:
    """Mark the rows whose split is at one offset in all groups."""
    if not kinds.is_struct(splits.type):
        return np.zeros(len(splits), np.bool_)
    fields = [each.name for each in splits.type]
    first, *offsets = [
        arrays.integers(splits.field(name) if name in fields else pa.nulls(len(splits)))
        for name in groups
    ]
    same: Bools = np.logical_and.reduce(
        [arrays.valid(splits), *(first == each for each in offsets)]
    )
    return same
