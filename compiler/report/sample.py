"""A sample of complete doc-records, chosen deterministically: over rounds, from hard to easy.

Choosing reads three columns; only the rows of chosen documents are read in full.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compiler.dataset.columns import band_of
from compiler.dataset.rows import REQUIRED, PublishedRow, batches, translated
from compiler.keys import text_digest
from compiler.probes.checks import CHECKS
from compiler.records import GROUPS
from compiler.report.passages import Atom, Stretch, stretches
from compiler.spec.scoring import BASELINES
from compiler.statistics import published

_SCORES = "bb_answer_rollout_scores"
_MODELS = ("source_model", "generator_model", "answerer_model", "judge_model", "tokenizer")
_NOTES = ("synergy_check", "distribution_check", "difficulty_check")


@dataclass(frozen=True)
class Rollout:
    """One blind answer; `score` is None where it has none."""

    answer: str
    score: float | None


@dataclass(frozen=True)
class ShownProbe:
    """One row as shown.

    `name`, `split`: names of its atom and split in the text; `number`: its place in the record;
    `slot`: None where the row has none; `located`: atom and split are known and inside the text;
    `baselines`: scores of other readers; `flags`: (id, meaning); `facts`: (name, text) of other
    columns.
    """

    name: str
    number: int
    slot: int | None
    scope: str
    target: str
    split: str
    located: bool
    status: str
    band: str | None
    question: str
    atom: str
    response: str
    alternative: str
    rollouts: tuple[Rollout, ...]
    baselines: Mapping[str, tuple[float, ...]]
    flags: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ShownRecord:
    """One doc-record as shown.

    `mean_max`: mean of its probes' maximum scores, None without scores; `splits`: (name, groups,
    offset), where the name is that of the text's marks.
    """

    doc_id: str
    doc_source: str
    round: int
    sibling: int | None
    chars: int
    mean_max: float | None
    splits: tuple[tuple[str, str, int], ...]
    text: tuple[Stretch, ...]
    probes: tuple[ShownProbe, ...]


@dataclass(frozen=True)
class _Seen:
    """A document that may be chosen. `mean_max`: mean of its probes' maximum scores."""

    doc_id: str
    round: int
    file: Path
    mean_max: float | None


def models(files: Sequence[Path]) -> dict[str, tuple[str, ...]]:
    """Return the distinct values of each column that names models; empty columns are left out.

    Raises:
        SourceError: a file is no parquet, or lacks a required column.
    """
    return published.values(files, _MODELS)


def choose(
    files: Sequence[Path], count: int, bands: tuple[float, float]
) -> tuple[ShownRecord, ...]:
    """Choose at most `count` doc-records, with all of their rows. `bands`: hard, easy.

    Rounds take turns; within each, documents are taken at even steps from the lowest mean of
    maximum scores to the highest. Documents without scores are taken only from a round in which no
    document has any.

    Raises:
        SourceError: a file is no parquet, or lacks a required column.
    """
    chosen = _picked(_seen(files), count)
    rows = _read(chosen)
    return tuple(record(rows[each.doc_id, each.round], bands)[0] for each in chosen)


def example(records: Sequence[ShownRecord]) -> tuple[ShownRecord, ShownProbe] | None:
    """Choose the probe that explains the rest: with answers, marked, without flags, HARD.

    A probe that lacks some of these is chosen when no other has them; None without records.
    """
    found = ((record, probe) for record in records for probe in record.probes)
    return min(found, key=lambda each: _shortcomings(each[1]), default=None)


def _shortcomings(probe: ShownProbe) -> tuple[bool, ...]:
    scores = [each.score for each in probe.rollouts if each.score is not None]
    flat = not scores or min(scores) == max(scores)
    return not probe.rollouts, not probe.located, bool(probe.flags), probe.band != "hard", flat


def _seen(files: Sequence[Path]) -> list[_Seen]:
    places: dict[tuple[str, int], Path] = {}
    maxima: dict[tuple[str, int], list[float]] = defaultdict(list)
    for file in files:
        for batch in batches(file, REQUIRED, ("doc_id", "round_idx", _SCORES)):
            for values in batch.to_pylist():
                row = PublishedRow(values)
                key = row.text("doc_id"), row.number("round_idx") or 0
                if not key[0]:
                    continue  # without an id its document cannot be found again
                places.setdefault(key, file)
                scores = _scores(row.items(_SCORES))
                if scores:
                    maxima[key].append(max(scores))
    return [
        _Seen(doc_id, index, file, sum(found) / len(found) if found else None)
        for (doc_id, index), file in places.items()
        for found in (maxima.get((doc_id, index)),)
    ]


def _picked(seen: Sequence[_Seen], count: int) -> list[_Seen]:
    """Pick `count` documents: rounds take turns, and difficulty falls from pick to pick."""
    by_round: dict[int, list[_Seen]] = defaultdict(list)
    for each in seen:
        by_round[each.round].append(each)
    for index, group in by_round.items():
        scored = [each for each in group if each.mean_max is not None]
        # Ties are ordered by digest, because ids may be assigned in an order that means something.
        by_round[index] = sorted(
            scored or group, key=lambda each: (each.mean_max or 0.0, text_digest(each.doc_id))
        )
    rounds = sorted(by_round)
    if len(rounds) > count:
        rounds = [rounds[place * len(rounds) // count] for place in range(count)]
    found: list[_Seen] = []
    wanted = min(count, sum(len(by_round[index]) for index in rounds))
    turn = 0
    while len(found) < wanted:
        group = by_round[rounds[turn % len(rounds)]]
        turn += 1
        if group:
            level = len(found) / max(1, wanted - 1)
            found.append(group.pop(round(level * (len(group) - 1))))
    return found


def _read(chosen: Sequence[_Seen]) -> dict[tuple[str, int], list[PublishedRow]]:
    """Read all rows of these documents, from the row groups that hold any of them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted: dict[Path, set[str]] = defaultdict(set)
    for each in chosen:
        wanted[each.file].add(each.doc_id)
    found: dict[tuple[str, int], list[PublishedRow]] = defaultdict(list)
    for file, names in wanted.items():
        with translated(file), pq.ParquetFile(file) as table:
            for group in range(table.num_row_groups):
                ids = table.read_row_group(group, columns=["doc_id"])["doc_id"]
                mask = pc.is_in(ids, value_set=pa.array(sorted(names), type=ids.type))
                if not pc.any(mask).as_py():
                    continue
                for values in table.read_row_group(group).filter(mask).to_pylist():
                    row = PublishedRow(values)
                    key = row.text("doc_id"), row.number("round_idx") or 0
                    found[key].append(row)
    return found


def record(
    rows: Sequence[PublishedRow], bands: tuple[float, float]
) -> tuple[ShownRecord, tuple[int, ...]]:
    """Return a doc-record as shown, from all of its rows. `bands`: hard, easy.

    Returns:
        The record, with its probes in the order of slots, and their places among `rows`.
    """
    ordered = sorted(enumerate(rows), key=lambda each: (_slot(each[1]), each[0]))
    rows = [row for _, row in ordered]
    maxima = [max(found) for row in rows if (found := _scores(row.items(_SCORES)))]
    text = rows[0].text("doc")
    offsets: dict[int, list[str]] = defaultdict(list)
    stated = rows[0].values.get("row_splits")
    if isinstance(stated, dict):
        for group in GROUPS:
            if isinstance(stated.get(group), int):
                offsets[stated[group]].append(group)
    for row in rows:
        split = _split(row)
        if split is not None and split not in offsets:
            offsets[split].append(row.group)
    names = {offset: f"x{number}" for number, offset in enumerate(sorted(offsets))}
    probes = []
    atoms = []
    for number, row in enumerate(rows):
        probe, atom = _probe(row, number, text, names, bands)
        probes.append(probe)
        if atom is not None:
            atoms.append(atom)
    shown = ShownRecord(
        rows[0].text("doc_id"),
        rows[0].text("doc_source"),
        rows[0].number("round_idx") or 0,
        rows[0].number("doc_idx"),
        len(text),
        sum(maxima) / len(maxima) if maxima else None,
        tuple(
            (names[offset], ", ".join(each.replace("_", "/") for each in groups), offset)
            for offset, groups in sorted(offsets.items())
        ),
        stretches(
            text,
            {name: offset for offset, name in names.items()},
            atoms,
            rows[0].number("gen_start_char"),
        ),
        tuple(probes),
    )
    return shown, tuple(place for place, _ in ordered)


def _probe(
    row: PublishedRow,
    number: int,
    text: str,
    names: Mapping[int, str],
    bands: tuple[float, float],
) -> tuple[ShownProbe, Atom | None]:
    split = _split(row)
    # A row of another project may imply its split by its context; its span is relative to it.
    span = PublishedRow({**row.values, "split_char_offset": split}).span()
    name = f"a{number}"
    located = (
        split is not None
        and span is not None
        and 0 < split < len(text)
        and 0 <= span[0] < span[1] <= len(text)
        and row.text("doc") == text
    )
    scores = _scores(row.items(_SCORES))
    answers = row.items("bb_answer_rollout_answers") or []
    flags = [str(flag) for flag in row.items("flags") or []]
    probe = ShownProbe(
        name,
        number,
        row.number("slot_idx"),
        row.text("scope"),
        row.text("target"),
        names.get(split, "") if split is not None else "",
        located,
        row.text("score_status") or ("scored" if scores else "no status"),
        band_of(max(scores), *bands) if scores else None,
        row.text("verbalizer_prompt"),
        row.text("atom_text"),
        row.text("target_response"),
        row.text("incorrect_plausible_answer"),
        tuple(_rollouts(answers, scores)),
        {name: found for name in BASELINES if (found := _scores(row.items(f"{name}_scores")))},
        tuple((flag, CHECKS[flag].meaning if flag in CHECKS else "") for flag in flags),
        tuple(_facts(row)),
    )
    return probe, Atom(name, *span) if located and span is not None else None


def _rollouts(answers: Sequence[object], scores: Sequence[float]) -> Iterator[Rollout]:
    for place in range(max(len(answers), len(scores))):
        answer = answers[place] if place < len(answers) else None
        score = scores[place] if place < len(scores) else None
        yield Rollout(answer if isinstance(answer, str) else "", score)


def _facts(row: PublishedRow) -> Iterator[tuple[str, str]]:
    """Yield (name, text) of other columns that help in reading a row."""
    index, hint = row.number("signed_index"), row.number("signed_index_hint")
    if index is not None:
        hinted = f", requested {hint:+d}" if hint is not None and hint != index else ""
        yield "distance", f"{index:+d} in units of {row.text('scope')}{hinted}"
    if row.text("typicality"):
        support, available = row.number("sibling_support"), row.number("n_siblings_available")
        counted = (
            f"; {support} of {available - 1} other siblings hold the atom's content"
            if support is not None and available is not None
            else ""
        )
        yield "typicality", f"{row.text('typicality')}{counted}"
    seen, context = row.number("context_chars_seen"), len(row.text("context"))
    if seen is not None:
        yield "blind view", f"{seen:,} of the complement's {context:,} characters"
    seconds = _scores(row.items("bb_answer_response_scores"))
    if seconds:
        yield "scores against target_response", ", ".join(f"{each:.2f}" for each in seconds)
    for name in _NOTES:
        if row.text(name):
            yield name.replace("_", " "), row.text(name)


def _slot(row: PublishedRow) -> int:
    slot = row.number("slot_idx")
    return 10**9 if slot is None else slot


def _split(row: PublishedRow) -> int | None:
    """Return the split of a row: as stated, else the end or beginning of its context."""
    stated = row.number("split_char_offset")
    if stated is not None:
        return stated
    context, text = row.text("context"), row.text("doc")
    if not context or row.target is None:
        return None
    if row.target == "suffix":
        return len(context) if text.startswith(context) else None
    return len(text) - len(context) if text.endswith(context) else None


def _scores(value: list[object] | None) -> tuple[float, ...]:
    if not value:
        return ()
    return tuple(float(each) for each in value if isinstance(each, int | float))
