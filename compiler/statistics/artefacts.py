"""Dataset-level artifacts: repeated questions, unbalanced labels, alternatives with a surface cue.

`stats`, the card and `verify-rows` take the numbers from here.
"""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from compiler.statistics.measures.choice import Choice, choice
from compiler.statistics.measures.units import rounded

MAX_PAIRS = 5000
_MAX_TEXT = 300
_MAX_WON = 0.6
_BALANCED = (0.35, 0.65)


class Pair(Struct, frozen=True, gc=False):
    """The true text of a probe and its incorrect plausible alternative.

    Both are cut to a bounded length; `chars` are their full lengths.
    """

    scope: str
    target: str
    doc_id: str
    truth: str
    alternative: str
    chars: tuple[int, int]


class ArtefactStats(Struct, frozen=True):
    """Artifacts of one scope and target (a cell).

    `questions`: number of questions that an LLM wrote; `repeated`: number of them that are also on
    another row of the cell. `typical`, `atypical`: rows by label. `choice`: choice-only accuracy,
    truth against alternative without context, over the first 5,000 pairs. `length_ratio`: median
    ratio of the alternative's characters to the truth's; None without pairs.
    """

    scope: str
    target: str
    rows: int
    questions: int
    repeated: int
    typical: int
    atypical: int
    choice: Choice
    length_ratio: float | None


class Artefacts:
    """Rows collected one by one, with a bounded number of texts per cell."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, str]] = Counter()
        self._questions: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._typicality: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._pairs: dict[tuple[str, str], list[Pair]] = defaultdict(list)

    def row(
        self,
        scope: str,
        target: str,
        question: str | None,
        typicality: str | None,
        count: int = 1,
    ) -> None:
        """Add `count` equal rows.

        `question`: the text or its digest; None where a template wrote it.
        """
        cell = (scope, target)
        self._rows[cell] += count
        if question is not None:
            self._questions[cell][question] += count
        if typicality is not None:
            self._typicality[cell][typicality] += count

    def pair(self, pair: Pair) -> bool:
        """Add the truth and alternative of one row; False if its cell has 5,000 pairs already."""
        pairs = self._pairs[pair.scope, pair.target]
        if len(pairs) >= MAX_PAIRS:
            return False
        pairs.append(pair)
        return True

    def cells(self, scopes: Sequence[str]) -> tuple[ArtefactStats, ...]:
        """Compute the numbers of every cell that has rows, in the order of `scopes`."""
        return tuple(
            self._cell(scope, target)
            for scope in scopes
            for target in ("prefix", "suffix")
            if self._rows[scope, target]
        )

    def scopes(self) -> list[str]:
        """Return the scopes of all rows, sorted."""
        return sorted({scope for scope, _ in self._rows})

    def _cell(self, scope: str, target: str) -> ArtefactStats:
        cell = (scope, target)
        questions, labels = self._questions[cell], self._typicality[cell]
        return ArtefactStats(
            scope,
            target,
            self._rows[cell],
            questions.total(),
            sum(count for count in questions.values() if count > 1),
            labels["typical"],
            labels["atypical"],
            *_contrast([pair for pair in self._pairs[cell] if pair.truth and pair.alternative]),
        )


def pair(scope: str, target: str, doc_id: str, truth: str, alternative: str) -> Pair:
    """Return the two texts of a row as V26 compares them, each cut to its first 300 characters."""
    chars = (len(truth), len(alternative))
    return Pair(scope, target, doc_id, truth[:_MAX_TEXT], alternative[:_MAX_TEXT], chars)


def _contrast(pairs: Sequence[Pair]) -> tuple[Choice, float | None]:
    found = choice(
        [pair.truth for pair in pairs],
        [pair.alternative for pair in pairs],
        [pair.doc_id for pair in pairs],
    )
    if not pairs:
        return found, None
    return found, rounded(statistics.median(other / true for true, other in _chars(pairs)))


def _chars(pairs: Sequence[Pair]) -> Iterator[tuple[int, int]]:
    return (pair.chars for pair in pairs)


def findings(cells: Sequence[ArtefactStats]) -> Iterator[tuple[str, str, str]]:
    """Yield (check id, place, detail) for each dataset-level rule that a cell or scope breaks."""
    for cell in cells:
        place = f"{cell.scope}/{cell.target}"
        if cell.questions >= 20 and cell.repeated > 0.05 * cell.questions:
            yield "V24", place, f"{cell.repeated} of {cell.questions} questions are repeated"
        won = cell.choice.won
        if won.value is not None and won.value > _MAX_WON and (won.low or 0.0) > 0.5:
            yield "V26", place, f"choice-only accuracy {won.value:.0%} of {won.n} pairs, chance 50%"
        yield from _unbalanced(place, "typical", cell.typical, cell.typical + cell.atypical)
    for scope in dict.fromkeys(cell.scope for cell in cells):
        rows = {cell.target: cell.rows for cell in cells if cell.scope == scope}
        yield from _unbalanced(scope, "suffix target", rows.get("suffix", 0), sum(rows.values()))


def _unbalanced(place: str, what: str, count: int, total: int) -> Iterator[tuple[str, str, str]]:
    low, high = _BALANCED
    if total >= 100 and not low <= count / total <= high:
        yield "V27", place, f"{what} on {count / total:.0%} of {total} rows"
