"""Rows of probe parquet files -> the probes under evaluation, and their digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compiler.dataset import arrays, rows
from compiler.dataset.arrays import Coded
from compiler.dataset.columns import band_of
from compiler.dataset.rows import PublishedRow
from compiler.dataset.scopes import Rules, by_response
from compiler.evaluation.items import Items
from compiler.keys import text_digest
from compiler.spec.model import WrittenScope
from compiler.statistics.observations import LEAKS, Bools, Floats, Ints, padded

_KEY = ("probe_id", "round_idx", "doc_id", "slot_idx", "scope", "split_char_offset",
        "verbalizer_prompt", "atom_text")  # fmt: skip
_ANSWERS = "bb_answer_rollout_answers"
_COLUMNS = (
    *(*rows.REQUIRED, *_KEY, "typicality", "target_response", "incorrect_plausible_answer"),
    *("tokenizer", "template_id", "flags", "doc_source"),
    *("bb_answer_rollout_scores", "full_information_scores"),
)
# Texts that many rows share.
_REPEATED = ("doc", "context", "doc_id", "doc_source", "scope", "target", "typicality", "tokenizer")
_DIGESTED = ("key", "scope", "target", "question", "split", "doc", "atom", "response",
             "alternative")  # fmt: skip
_BLOCK = 8192


@dataclass(frozen=True)
class Form:
    """How rows are read: the rules of their scopes, and the thresholds of the bands.

    `answers`: with those of the blind reader, which are a third of the memory.
    """

    rules: Mapping[str, Rules]
    hard: float
    easy: float
    answers: bool

    @cached_property
    def by_response(self) -> frozenset[str]:
        """The scopes whose alternative has the form of the response."""
        return by_response(self.rules)

    def bands(self, blind: Floats) -> pa.Array:
        """Return the band of each row of blind scores; empty without any."""
        best, codes = np.unique(np.fmax.reduce(blind, axis=1, initial=-1), return_inverse=True)
        names = ["" if each < 0 else band_of(each, self.hard, self.easy) for each in best.tolist()]
        return pa.array(names, pa.large_string()).take(pa.array(codes)).dictionary_encode()

    def written(self, scopes: Coded, templated: Bools) -> Bools:
        """Mark the rows that an LLM wrote; those of an undeclared scope have no template."""
        declared = [self.rules.get(name) for name in scopes.names]
        known = np.array([each is not None for each in declared], dtype=np.bool_)
        by_llm = np.array([isinstance(each, WrittenScope) for each in declared], dtype=np.bool_)
        found: Bools = np.where(known[scopes.codes], by_llm[scopes.codes], ~templated)
        return found


def load(files: Sequence[Path], form: Form) -> Items:
    """Read the complete probes of files: those with a target, split, question and atom."""
    columns = (*_COLUMNS, *([_ANSWERS] if form.answers else []))
    number = 0
    found = []
    blind = []
    full = []
    for batch in (
        each
        for file in files
        for each in rows.batches(file, rows.REQUIRED, columns, encoded=_REPEATED)
    ):
        whole = _complete(batch)
        numbers = number + np.flatnonzero(whole)
        number += len(batch)
        kept = batch if whole.all() else batch.filter(pa.array(whole))
        readers = [
            arrays.scores(arrays.column(kept, name))
            for name in ("bb_answer_rollout_scores", "full_information_scores")
        ]
        found.append(_columns(kept, numbers, form, padded(*readers[0])))
        blind.append(readers[0])
        full.append(readers[1])
    if not found:
        none = np.empty((0, 0))
        return Items(pa.RecordBatch.from_pydict({}), none, none, np.arange(0))
    table = pa.Table.from_batches(found).unify_dictionaries()
    joined = [each.combine_chunks() for each in table.columns]
    batch = pa.RecordBatch.from_arrays(joined, table.column_names)
    return Items(batch, _table(blind), _table(full), np.arange(len(batch)))


def _table(parts: Sequence[tuple[Ints, Floats]]) -> Floats:
    lengths, numbers = zip(*parts, strict=True)
    return padded(np.concatenate(lengths), np.concatenate(numbers))


def _complete(batch: pa.RecordBatch) -> Bools:
    def length(name: str) -> Ints:
        return arrays.lengths(arrays.column(batch, name))

    split = arrays.integers(arrays.column(batch, "split_char_offset"))
    sided = Coded.of(_encoded(batch, "target")).among(("prefix", "suffix"))
    worded = (length("verbalizer_prompt") > 0) & (length("atom_text") > 0)
    doc = _encoded(batch, "doc")
    ends = arrays.lengths(doc.dictionary)[arrays.numbers(doc.indices)]
    found: Bools = sided & worded & (split > 0) & (split < ends)
    return found


def _encoded(batch: pa.RecordBatch, name: str) -> pa.DictionaryArray:
    """Return a column of repeated texts, with the texts that occur; empty for a missing one."""
    found = batch[name] if name in batch.schema.names else pa.nulls(len(batch))
    if not pa.types.is_dictionary(found.type) or found.null_count:
        return arrays.texts(arrays.column(batch, name)).dictionary_encode()
    used, codes = np.unique(arrays.numbers(found.indices), return_inverse=True)
    texts = arrays.texts(found.dictionary.take(pa.array(used)))
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), texts)


def _columns(batch: pa.RecordBatch, numbers: Ints, form: Form, blind: Floats) -> pa.RecordBatch:
    """Return complete rows as the columns of `Items`."""

    def text(name: str) -> pa.Array:
        return arrays.texts(arrays.column(batch, name))

    def name(column: str) -> pa.DictionaryArray:
        return _encoded(batch, column)

    doc, scope, target = name("doc"), name("scope"), name("target")
    split = arrays.integers(arrays.column(batch, "split_char_offset"))
    scopes, atom, response = Coded.of(scope), text("atom_text"), text("target_response")
    response = pc.if_else(pc.equal(response, ""), atom, response)
    like = pa.array(scopes.among(form.by_response))
    template = arrays.column(batch, "template_id")
    templated = arrays.valid(template) & arrays.is_text(template)
    _, flagged, flags = arrays.members(arrays.column(batch, "flags"))
    leaking = flagged[Coded.of(flags).among(LEAKS)]
    return pa.RecordBatch.from_pydict(
        {
            "number": pa.array(numbers),
            "key": _keys(batch, text("probe_id")),
            "doc_id": name("doc_id"),
            "doc_source": name("doc_source"),
            "doc": doc,
            "scope": scope,
            "target": target,
            "typicality": name("typicality"),
            "band": form.bands(blind),
            "question": text("verbalizer_prompt"),
            "complement": _complements(doc, Coded.of(target), split, name("context")),
            "split": pa.array(split),
            "atom": atom,
            "response": response,
            "alternative": text("incorrect_plausible_answer"),
            "truth": pc.if_else(like, response, atom),
            "tokenizer": name("tokenizer"),
            "written": pa.array(form.written(scopes, templated)),
            "leaking": pa.array(np.bincount(leaking, minlength=len(batch)) > 0),
            "answers": _answers(arrays.column(batch, _ANSWERS)),
        }
    )


def _keys(batch: pa.RecordBatch, stated: pa.Array) -> pa.Array:
    """Return the ids of rows: as stated, else computed."""
    lacking = pc.equal(stated, "")
    if not pc.any(lacking).as_py():
        return stated
    values = batch.select([name for name in _KEY if name in batch.schema.names]).to_pylist()
    return pa.array([PublishedRow(each).key for each in values], pa.large_string())


def _complements(
    doc: pa.DictionaryArray, target: Coded, split: Ints, stated: pa.DictionaryArray
) -> pa.Array:
    """Return the stated complements; empty for one that is the side of its document."""
    docs, contexts = doc.dictionary.to_pylist(), stated.dictionary.to_pylist()
    suffixes = target.among(("suffix",)).astype(np.int64)
    places = (arrays.numbers(doc.indices), suffixes, split, arrays.numbers(stated.indices))
    shape = (len(docs), 2, int(split.max(initial=0)) + 1, len(contexts))
    distinct, codes = np.unique(np.ravel_multi_index(places, shape), return_inverse=True)
    found = []
    for code, suffix, at, place in zip(*np.unravel_index(distinct, shape), strict=True):
        own = docs[code][:at] if suffix else docs[code][at:]
        found.append("" if own == contexts[place] else contexts[place])
    return pa.array(found, pa.large_string()).take(pa.array(codes))


def _answers(values: pa.Array) -> pa.Array:
    """Return the blind reader's answers; nulls if they are not read."""
    if pa.types.is_null(values.type):
        return values.cast(pa.list_(pa.string()))
    rows = [[str(x) for x in row] if isinstance(row, list) else None for row in values.to_pylist()]
    return pa.array(rows, pa.list_(pa.string()))


def digest(items: Items) -> str:
    """Digest what predictions depend on: ids, questions, texts; not scores, not their order.

    It is that of the sorted lines of canonical JSON of each probe. Ids are unique and come first,
    so that lines are made in the order of the ids in JSON.
    """
    encoder = msgspec.json.Encoder()
    ids = encoder.encode_lines(items.texts("key")).splitlines()
    order = sorted(range(len(ids)), key=ids.__getitem__)
    docs = items.columns["doc"]
    digests = pa.array(text_digest(each.as_py()) for each in docs.dictionary)
    columns = {name: items.columns[name] for name in _DIGESTED}
    columns["doc"] = pa.DictionaryArray.from_arrays(docs.indices, digests)
    found = hashlib.sha256()
    for start in range(0, len(order), _BLOCK):
        taken = pa.array(order[start : start + _BLOCK])
        values = [arrays.listed(each.take(taken)) for each in columns.values()]
        found.update(encoder.encode_lines([*zip(*values, strict=True)]))
    return found.hexdigest()
