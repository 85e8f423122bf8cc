"""The rows of a probe parquet file, of this project or another, as records for the statistics.

Only the columns that statistics need are read, never the texts of documents. A file of another
project may lack columns and hold float indices and nulls: a missing value stays missing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from compiler.dataset.rows import batches
from compiler.errors import SourceError
from compiler.keys import text_digest
from compiler.records import AuditScore, ProbeFact
from compiler.spec.scoring import BASELINES
from compiler.statistics import artefacts
from compiler.statistics.artefacts import Pair

if TYPE_CHECKING:
    import pyarrow as pa

_REQUIRED = ("doc_id", "scope", "target")
_PLAIN = (
    *("doc_id", "scope", "target", "typicality", "score_status", "round_idx", "slot_idx"),
    *("abs_index", "sibling_support", "n_siblings_available", "template_id", "source"),
    *("bb_answer_rollout_scores", "bb_answer_response_scores", "row_splits", "flags"),
    *("split_kind", "atom_origin", "alternative_level", "atom_attested", "alternative_attested"),
    *(f"{name}_scores" for name in BASELINES),
)
_TEXTS = ("atom_text", "target_response", "incorrect_plausible_answer", "verbalizer_prompt")
_ANSWERS = "bb_answer_rollout_answers"
# Above any index, and within the 64 bits of a column of integers.
_LARGE = 2**62
_TEMPLATED = frozenset({"word", "lens"})


def facts(files: Sequence[Path], groups: Collection[str]) -> Iterator[ProbeFact]:
    """Yield the rows of files. `groups`: the split groups in use.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    for file in files:
        for values in _rows(file):
            yield _fact(values, groups)


def values(files: Sequence[Path], columns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the distinct texts of each column; empty columns are left out.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[str, set[str]] = {}
    for batch in (each for file in files for each in batches(file, _REQUIRED, columns)):
        for name in batch.schema.names:
            # `unique` does not accept nested columns, which hold no texts either.
            nested = pa.types.is_nested(batch[name].type)
            texts = [] if nested else pc.unique(batch[name]).to_pylist()
            found.setdefault(name, set()).update(each for each in texts if isinstance(each, str))
    return {name: tuple(sorted(found[name])) for name in columns if found.get(name)}


def pairs(files: Sequence[Path], by_response: Collection[str]) -> Iterator[Pair]:
    """Yield the truth and the alternative of every row that has both.

    `by_response`: scopes whose alternative replaces target_response, not the atom.

    Raises:
        SourceError: a file is no parquet, or lacks doc_id, scope or target.
    """
    columns = (*_REQUIRED, *_TEXTS[:3])
    for file in files:
        found = batches(file, _REQUIRED, columns)
        for values in (row for batch in found for row in batch.to_pylist()):
            like = "target_response" if str(values["scope"]) in by_response else "atom_text"
            truth = values.get(like)
            alternative = values.get("incorrect_plausible_answer")
            if isinstance(truth, str) and isinstance(alternative, str):
                place = (str(values["scope"]), str(values["target"]), str(values["doc_id"]))
                yield artefacts.pair(*place, truth, alternative)


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


def _rows(file: Path) -> Iterator[dict[str, object]]:
    import pyarrow.compute as pc

    for batch in batches(file, _REQUIRED, (*_PLAIN, *_TEXTS, _ANSWERS)):
        names = set(batch.schema.names)
        lengths = {
            name: pc.utf8_length(texts).to_pylist()
            for name in _TEXTS[:3]
            if name in names and (texts := _texts(batch[name])) is not None
        }
        plain = batch.select([name for name in (*_PLAIN, _TEXTS[3]) if name in names])
        answers = batch[_ANSWERS].to_pylist() if _ANSWERS in names else None
        for place, values in enumerate(plain.to_pylist()):
            values["chars"] = (
                *((lengths[n][place] or 0) if n in lengths else 0 for n in _TEXTS[:3]),
                _mean_length(answers[place]) if answers is not None else None,
            )
            yield values


def _texts(column: pa.Array) -> pa.Array | None:
    """Return a column as texts; None if its type is not text."""
    import pyarrow.types as kinds

    kind = column.type
    if kinds.is_dictionary(kind):
        column, kind = column.dictionary_decode(), kind.value_type
    return column if kinds.is_string(kind) or kinds.is_large_string(kind) else None


def _mean_length(answers: object) -> int | None:
    listed = answers if isinstance(answers, list) else []
    known = [len(text) for text in listed if isinstance(text, str)]
    return sum(known) // len(known) if known else None


def _fact(values: dict[str, object], groups: Collection[str]) -> ProbeFact:
    scores = _numbers(values.get("bb_answer_rollout_scores"))
    scope = str(values.get("scope"))
    written = scope not in _TEMPLATED and values.get("template_id") is None
    question = values.get("verbalizer_prompt")
    splits = values.get("row_splits")
    places = {splits.get(each) for each in groups} if isinstance(splits, dict) else {0, 1}
    available = _integer(values.get("n_siblings_available"))
    flags = values.get("flags")
    slot, chars = _integer(values.get("slot_idx")), values["chars"]
    assert isinstance(chars, tuple)
    return ProbeFact(
        round=_integer(values.get("round_idx")) or 0,
        doc_id=str(values.get("doc_id")),
        slot=-1 if slot is None else slot,
        scope=scope,
        target=str(values.get("target")),
        typicality=str(values["typicality"]) if values.get("typicality") is not None else None,
        status=_status(values.get("score_status"), scores, written),
        scores=scores,
        seconds=_numbers(values.get("bb_answer_response_scores")),
        baselines={
            name: numbers
            for name in BASELINES
            if (numbers := _numbers(values.get(f"{name}_scores"))) is not None
        },
        flags=tuple(str(flag) for flag in flags) if isinstance(flags, list) else (),
        same_split=len(places) == 1,
        support=_integer(values.get("sibling_support")),
        n_others=available - 1 if available is not None else None,
        question=text_digest(question)[:16] if written and isinstance(question, str) else None,
        distance=_integer(values.get("abs_index")),
        chars=chars,
        split_kind=str(values.get("split_kind") or ""),
        origin=str(values.get("atom_origin") or ""),
        level=_integer(values.get("alternative_level")),
        attested=_pair(values.get("atom_attested"), values.get("alternative_attested")),
    )


def _status(stated: object, scores: tuple[float, ...] | None, written: bool) -> str:
    """Return the stated status; in a file without that column, the one that follows from scores."""
    if isinstance(stated, str):
        return stated
    if scores is not None:
        return "scored"
    return "unscored" if written else "local"


def _numbers(value: object) -> tuple[float, ...] | None:
    """Return a list of numbers in [0, 1]; None for anything else, one bad member included."""
    if not isinstance(value, list) or not value:
        return None
    numbers = [float(each) for each in value if isinstance(each, int | float)]
    good = len(numbers) == len(value) and all(0.0 <= each <= 1.0 for each in numbers)
    return tuple(numbers) if good else None


def _pair(first: object, second: object) -> tuple[int, int] | None:
    """Return two integers, None unless both are."""
    one, other = _integer(first), _integer(second)
    return None if one is None or other is None else (one, other)


def _integer(value: object) -> int | None:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    whole = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGE
    return value if whole and isinstance(value, int) else None
