"""Headline of a report: a verdict in one sentence, warnings, and numbers of every cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.probes.reasons import STATUSES
from compiler.report import numbers
from compiler.report.figures.figure import of, open_cells
from compiler.report.sections.artefacts import violations
from compiler.report.sections.cells import CHANGES, again, easy, expected_max, hard
from compiler.report.sections.judge import KINDS
from compiler.spec.scoring import Anchors
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import SCORED
from compiler.statistics.reliability import excessive
from compiler.statistics.stats import Stats

_LOCAL = "local"
# Rules whose violation lets a method win that reads only text: the pair, or the pair in its place.
_TEXT_ALONE = ("V26", "V31")
# Names that the verdict lists; more of them are counted.
_NAMED = 3


@dataclass(frozen=True)
class Number:
    """One number. `value`: shown large; `bounds`: its interval, shown small below."""

    value: str
    bounds: str


@dataclass(frozen=True)
class Line:
    """The numbers of one scope and target."""

    scope: str
    target: str
    rows: int
    documents: int
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Headline:
    """A verdict and lines of numbers.

    `verdict`: one sentence; `names`: headers of the numbers; `warnings`: about the whole dataset.
    """

    verdict: str
    names: tuple[str, ...]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]


def headline(stats: Stats, limits: Anchors) -> Headline:
    """Collect verdict, warnings, and bands, mean score and expected maximum of every cell.

    `limits`: on the mean scores of anchors, with which a build passes.
    """
    noise = stats.judge.noise
    lines = tuple(
        Line(
            cell.scope,
            cell.target,
            cell.rows,
            cell.documents,
            (
                _share(cell.hard),
                _share(cell.easy),
                *((_share(again(stats, cell)),) if noise else ()),
                _score(cell.mean),
                _score(cell.top),
            ),
        )
        for cell in open_cells(stats)
    )
    changes = (CHANGES,) if noise else ()
    names = (hard(stats), easy(stats), *changes, "mean score", expected_max(stats))
    return Headline(verdict(stats, limits), names, lines, tuple(_warnings(stats, limits)))


def verdict(stats: Stats, limits: Anchors) -> str:
    """Describe the dataset in one sentence: its size, its bands, and what needs attention."""
    cell, size = stats.pooled, of(stats.probes, stats.documents)
    points = [*_points(stats, limits)]
    if not cell.rows:
        return f"{'; '.join([f'{size}, without blind scores', *points])}."
    bands = f"{_in_words(cell.hard)} are HARD and {_in_words(cell.easy)} are EASY"
    found = "; ".join(points or ["nothing else stands out"])
    return f"{size}: of the {cell.rows:,} with blind scores, {bands}; {found}."


def _points(stats: Stats, limits: Anchors) -> Iterator[str]:
    """Yield the parts of the verdict that need attention, each once for the whole dataset."""
    broken = violations(stats)
    cells = () if broken is None else broken.rows
    won = [str(place) for rule, place, *_ in cells if rule in _TEXT_ALONE]
    # A place below a cell, such as a kind of split, is named by its cell.
    if found := [*dict.fromkeys("/".join(each.split("/")[:2]) for each in won)]:
        yield f"text alone can pick the truth in {_listed(found, 'cells')}"
    weak = [each.scope for each in stats.judge.gaps if _unclear(each.gap, limits)]
    weak += [each.scope for each in excessive(stats.judge, limits.max_wrong)]
    if weak:
        yield f"the judge is unreliable in {_listed([*dict.fromkeys(weak)], 'scopes')}"
    lost = sum(count for _, _, status, count in _unscored(stats))
    if lost:
        yield f"{lost:,} {'row lacks' if lost == 1 else 'rows lack'} scores"
    rules = {str(rule) for rule, *_ in cells} - {*_TEXT_ALONE}
    if rules:
        named = _listed(sorted(rules), "rules")
        yield f"rule {named} is broken" if len(rules) == 1 else f"{named} are broken"
    if stats.embedded:
        yield "the scores are simulated by the embedded model"


def _warnings(stats: Stats, limits: Anchors) -> Iterator[str]:
    for each in stats.judge.gaps:
        if _unclear(each.gap, limits):
            yield (
                f"{each.scope}: the judge scores the truth only {numbers.score(each.gap.value)} "
                f"above the alternative, less than {numbers.short(limits.min_gap)}; its scores in "
                "this scope are unreliable."
            )
    for wrong in excessive(stats.judge, limits.max_wrong):
        mean = numbers.score(wrong.mean.value)
        yield (
            f"{wrong.scope}: the judge gives {KINDS[wrong.kind][0]} {mean} on average, more than "
            f"{numbers.short(limits.max_wrong)}; its scores in this scope are unreliable."
        )
    for scope, built, status, count in _unscored(stats):
        meaning = STATUSES.get(status, "no blind scores")
        yield f"{scope}: {count:,} of {built:,} rows have the status {status} ({meaning})."
    broken = violations(stats)
    by_rule: dict[tuple[str, str], list[str]] = {}
    for check, cell, detail, meaning in broken.cells if broken is not None else ():
        by_rule.setdefault((check, meaning), []).append(f"{cell} ({detail})")
    for (check, meaning), places in by_rule.items():
        yield f"rule {check}, {meaning}, is broken in {'; '.join(places)}."


def _unclear(gap: Interval, limits: Anchors) -> bool:
    """Return whether the judge scores the truth too little above the alternative."""
    return gap.value is not None and gap.value < limits.min_gap


def _unscored(stats: Stats) -> Iterator[tuple[str, int, str, int]]:
    """Yield (scope, its rows, status, rows of this status) for rows that lack scores."""
    for scope in stats.scopes:
        for status, count in scope.statuses.items():
            if status not in (*SCORED, _LOCAL):
                yield scope.scope, scope.built, status, count


def _listed(names: Sequence[str], kind: str) -> str:
    """List a few names in words; count them if they are more."""
    if len(names) > _NAMED:
        return f"{len(names)} {kind}"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _in_words(found: Interval) -> str:
    """Format a share with its interval in words: `41.8% (41.1 to 42.5)`."""
    if found.low is None or found.high is None:
        return numbers.percent(found.value)
    return f"{numbers.percent(found.value)} ({100 * found.low:.1f} to {100 * found.high:.1f})"


def _share(found: Interval) -> Number:
    return Number(numbers.percent(found.value), _bounds(found, 100, 1))


def _score(found: Interval) -> Number:
    return Number(numbers.score(found.value), _bounds(found, 1, 3))


def _bounds(found: Interval, times: int, digits: int) -> str:
    if found.value is None:
        return ""
    if found.low is None or found.high is None:
        return "too few"
    return f"[{times * found.low:.{digits}f}, {times * found.high:.{digits}f}]"
