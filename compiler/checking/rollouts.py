"""Rules of published rollouts, and the numbers beside them, both checked from the rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct, field

from compiler.dataset import rollout_columns
from compiler.dataset.rollout_columns import FACTS, LEDGER, REJECTED
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.probes.tokens import Tokenizer
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.rollouts import copies
from compiler.rollouts.measures import measured
from compiler.rollouts.rows import LedgerRow, Rejected, Rollout, RolloutFacts, RolloutStats

T = TypeVar("T")

RULES: Mapping[str, str] = {
    "R1": "ids, prefix and continuation are not blank, and a prefix ends without a space",
    "R2": "doc_id and doc_idx together occur once",
    "R3": "rows of a document are neighbours with one prefix and one source",
    "R4": "cut_char is the length of a cut continuation, and raw_chars is not below it",
    "R5": "coverage4, worst60 and zlib_ratio are those of the continuation",
    "R6": "sibling_overlap is the largest with a kept sibling",
    "R7": "retokenizes and prefix_tokens are those of the tokenizer",
    "R8": "planned continuations = kept whole + kept cut + rejected, for every round",
    "R9": "the numbers of the ledger are those of rows and rejects",
    "R10": "no rejected continuation is a row",
}
_NEAR = 1e-6
_EXAMPLES = 3


class RolloutReport(Struct):
    """Broken rules: number of findings, and up to three examples of each with their place.

    `not_applied`: rules that could not be checked.
    """

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    not_applied: list[str] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """The number of findings; every rule is an error."""
        return self.counts.total()

    def add(self, rule: str, detail: str) -> None:
        """Add one finding."""
        self.counts[rule] += 1
        if len(self.examples[rule]) < _EXAMPLES:
            self.examples[rule].append(detail)

    def text(self, screen: Screen = PLAIN) -> str:
        """Format the report for a terminal."""
        found = sorted(self.counts)
        parts = [f"{self.rows:,} rows of rollouts, {self.errors:,} errors"]
        if found:
            header = ("rule", "findings", "the rule that is broken")
            rows = [(n, self.counts[n], RULES[n]) for n in found]
            parts.append(table(header, rows, screen))
            parts.append("\n".join(f"{n}  {each}" for n in found for each in self.examples[n]))
        if self.not_applied:
            parts.append(screen.wrapped(f"not applied: {', '.join(self.not_applied)}"))
        return "\n\n".join(parts)

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        return {
            "rows": self.rows,
            "errors": self.errors,
            "findings": {
                name: {
                    "severity": "error",
                    "count": count,
                    "meaning": RULES[name],
                    "examples": [*self.examples[name]],
                }
                for name, count in sorted(self.counts.items())
            },
            "not_applied": [*self.not_applied],
        }


def check(path: Path, tokenizers: Sequence[Tokenizer]) -> RolloutReport:
    """Check the rollouts in a file or dataset directory. `tokenizers`: the source model's, if any.

    Raises:
        SourceError: there are no rows, or a file is not one of rollouts.
    """
    report, files = RolloutReport(), rollout_columns.files(path)
    seen: set[str] = set()
    for file in files:
        for doc_id, own in groupby(rollout_columns.read(file), key=attrgetter("doc_id")):
            rows = [*own]
            report.rows += len(rows)
            if doc_id in seen:
                report.add("R3", f"{doc_id}: has rows in two places")
            seen.add(doc_id)
            _document(rows, tokenizers, report)
    if not report.rows:
        raise SourceError("no rows there", where=str(path), hint="is the file empty?")
    if not tokenizers:
        report.not_applied.append("R7 (name the source model's tokenizer with --tokenizer)")
    stats = stated(path)
    if stats is None:
        report.not_applied.append("R8, R9, R10 (a file without its dataset directory)")
    else:
        _beside(path, files, stats, report)
    return report


def _document(rows: list[Rollout], tokenizers: Sequence[Tokenizer], report: RolloutReport) -> None:
    first, texts = rows[0], {row.doc_idx: row.continuation for row in rows}
    if len(texts) < len(rows):
        report.add("R2", f"{first.doc_id}: a doc_idx occurs twice")
    for row in rows:
        for rule, detail in _row(row, first):
            report.add(rule, f"{row.doc_id} sibling {row.doc_idx}: {detail}")
        others = [text for idx, text in texts.items() if idx != row.doc_idx]
        overlap = copies.overlap(row.continuation, others, 3)
        if abs(overlap - row.sibling_overlap) > _NEAR:
            found = f"{row.sibling_overlap:g} is stated, {overlap:.6f} measured"
            report.add("R6", f"{row.doc_id} sibling {row.doc_idx}: {found}")
        for tokenizer in tokenizers:
            for detail in _tokens(row, tokenizer):
                report.add("R7", f"{row.doc_id} sibling {row.doc_idx}: {detail}")


def _row(row: Rollout, first: Rollout) -> Iterator[tuple[str, str]]:
    """Yield the rules that a row breaks by itself, with details."""
    blank = [
        name
        for name in ("doc_id", "prefix", "continuation", "source_model")
        if not getattr(row, name).strip()
    ]
    if blank:
        yield "R1", f"blank: {', '.join(blank)}"
    if row.prefix != row.prefix.rstrip():
        yield "R1", "the prefix ends with a space"
    if (row.prefix, row.doc_source) != (first.prefix, first.doc_source):
        yield "R3", "prefix or source differ from those of the first row"
    kept = len(row.continuation)
    if row.cut_char is not None and (row.cut_char != kept or row.cut_reason is None):
        yield "R4", f"cut_char {row.cut_char}, cut_reason {row.cut_reason}, {kept} characters"
    if row.cut_char is not None and row.raw_chars < kept:
        yield "R4", f"{row.raw_chars} characters were cut to {kept}"
    for name, value in measured(row.continuation)._asdict().items():
        if abs(getattr(row, name) - value) > _NEAR:
            yield "R5", f"{name} {getattr(row, name):g} is stated, {value:g} measured"


def _tokens(row: Rollout, tokenizer: Tokenizer) -> Iterator[str]:
    own = list(tokenizer.ids(row.prefix))
    if row.prefix_tokens != len(own):
        yield f"prefix_tokens {row.prefix_tokens} is stated, {len(own)} counted"
    same = list(tokenizer.ids(row.prefix + row.continuation)[: len(own)]) == own
    if row.retokenizes is not same:
        yield f"retokenizes {row.retokenizes} is stated, {same} measured"


def stated(path: Path) -> RolloutStats | None:
    """Read the statistics beside rollouts; None for any other path.

    Raises:
        SourceError: the file is not of this version.
    """
    return _decoded(path / LEDGER, RolloutStats) if (path / LEDGER).is_file() else None


def facts(path: Path) -> RolloutFacts:
    """Read the facts of the card beside rollouts.

    Raises:
        SourceError: there are none, or they are not of this version.
    """
    return _decoded(path / FACTS, RolloutFacts)


def recounted(path: Path, stats: RolloutStats) -> RolloutStats:
    """Return statistics with every number that follows from rows and rejects recomputed.

    Raises:
        SourceError: a file is not of this version.
    """
    files = rollout_columns.files(path)
    return _counted(files, [*rejects(path)], stats)


def rejects(path: Path) -> Iterator[Rejected]:
    """Yield the rejected continuations of a dataset directory.

    Raises:
        SourceError: a line is not of this version.
    """
    place = path / REJECTED
    decoder = msgspec.json.Decoder(Rejected)
    for line in place.read_bytes().splitlines() if place.is_file() else ():
        try:
            yield decoder.decode(line)
        except msgspec.DecodeError as error:
            raise _old(place, error) from error


def _decoded(place: Path, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(place.read_bytes(), type=kind)
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", where=str(place)) from error
    except msgspec.DecodeError as error:
        raise _old(place, error) from error


def _old(place: Path, error: Exception) -> SourceError:
    return SourceError(f"not of this version: {error}", where=str(place), hint="build again")


def _beside(path: Path, files: list[Path], stats: RolloutStats, report: RolloutReport) -> None:
    """Check the ledger and the rejects of a dataset directory."""
    for each in stats.ledger:
        rest = sum(each.cut.values()) + sum(each.rejected.values())
        if each.planned != each.whole + rest:
            report.add("R8", f"round {each.round}: {each.planned:,} planned, {each.whole:,} kept "
                       f"whole, {rest:,} kept cut or rejected")  # fmt: skip
    lost = [*rejects(path)]
    found = _counted(files, lost, stats)
    if found != stats:
        for name in RolloutStats.__struct_fields__:
            one, other = getattr(stats, name), getattr(found, name)
            if one != other:
                report.add("R9", f"{name}: {one} is stated, {other} counted")
    gone = {(each.doc_id, each.doc_idx) for each in lost}
    for file in files:
        for row in rollout_columns.read(file):
            if (row.doc_id, row.doc_idx) in gone:
                report.add("R10", f"{row.doc_id} sibling {row.doc_idx}")


def _counted(files: Sequence[Path], lost: Iterable[Rejected], stats: RolloutStats) -> RolloutStats:
    """Recompute all numbers that follow from rows and rejects; a file is a round."""
    by_round = [[*rollout_columns.read(file)] for file in files]
    every = [row for own in by_round for row in own]
    reasons: dict[int, Counter[str]] = defaultdict(Counter)
    for reject in lost:
        reasons[reject.round][reject.reason] += 1
    ledger = []
    for index, each in enumerate(stats.ledger):
        own = by_round[index] if index < len(by_round) else []
        cut = Counter(row.cut_reason for row in own if row.cut_reason is not None)
        whole = sum(row.cut_reason is None for row in own)
        rejected = dict(sorted(reasons[each.round].items()))
        row = LedgerRow(
            each.round, each.documents, each.planned, whole, dict(sorted(cut.items())), rejected
        )
        ledger.append(row)
    retokenizing = [row.retokenizes for row in every if row.retokenizes is not None]
    detached = [row.detached for row in every if row.detached is not None]
    return msgspec.structs.replace(
        stats,
        rows=len(every),
        documents=len({row.doc_id for row in every}),
        chars=sum(len(row.continuation) for row in every),
        tokens=sum(row.n_tokens for row in every),
        ledger=tuple(ledger),
        finish=dict(sorted(Counter(row.finish_reason for row in every).items())),
        retokenizing=sum(retokenizing) if retokenizing else None,
        detached=sum(detached) if detached else None,
    )
