"""Recomputation of the numbers that a dataset directory states, from its own rows.

Numbers that do not follow from rows (tokens, dollars, skipped parts of the source) are taken as
stated. All others must be equal: the statistics, the ledger, and the card line by line.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec

from compiler.errors import SourceError, StoreError
from compiler.probes.prompts import Library
from compiler.records import Reject
from compiler.report import card
from compiler.report.card import CardFacts
from compiler.statistics import measured
from compiler.statistics.ledger import BuildStats, LedgerStats, close
from compiler.statistics.observations import Observations
from compiler.statistics.stats import ScopeStats, Stats

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Stale:
    """A number that disagrees with the rows. `where`: a path in a file, or a line of the card."""

    where: str
    stated: str
    recomputed: str


@dataclass(frozen=True)
class Recount:
    """Result of a recount. `not_applied`: parts that were not compared, with the reason."""

    stale: tuple[Stale, ...]
    not_applied: tuple[str, ...]


def recount(folder: Path, templates: Library | None) -> Recount:
    """Compare a dataset directory with its rows.

    `templates`: where the card's template is; None if there is none.

    Raises:
        SourceError: there are no rows, or a file beside them is not of this version.
        PromptError: the card cannot be rendered.
    """
    stated = _read(folder / "stats.json", Stats)
    if stated is None:
        return Recount((), ("no stats.json: only the card's own arithmetic was checked",))
    rows = measured.observed(folder)
    found = measured.stats(folder, stated.hard_below, stated.easy_from, rows)
    build, stale = stated.build, []
    if build is not None:
        try:
            build = replace(build, ledger=_ledger(build, rows, folder))
        except StoreError as error:
            stale.append(Stale("stats.json ledger", "closed", error.message))
        planned = sum(each.planned for each in build.ledger)
        build = replace(build, planned=planned, documents_drawn=sum(build.rounds))
    found = replace(found, build=build, scopes=_aligned(found, stated))
    stale += [
        Stale(f"stats.json {path}", one, other)
        for path, one, other in _leaves(msgspec.to_builtins(stated), msgspec.to_builtins(found), "")
    ]
    missing = []
    facts = _read(folder / "card.json", CardFacts)
    if facts is None or templates is None:
        absent = "card.json" if facts is None else f"template {card.TEMPLATE}"
        missing.append(f"no {absent}: the card was not rendered again")
    else:
        stale += _card(folder / "README.md", card.render(templates, found, facts))
    return Recount(tuple(stale), tuple(missing))


def _aligned(found: Stats, stated: Stats) -> tuple[ScopeStats, ...]:
    """Sort the found scopes in the stated order; a build also states scopes without rows."""
    have = {each.scope: each for each in found.scopes}
    empty = [each for each in stated.scopes if each.scope not in have and not each.built]
    order = [each.scope for each in stated.scopes]
    rest = [each for each in found.scopes if each.scope not in order]
    both = {**have, **{each.scope: each for each in empty}}
    return (*(both[name] for name in order if name in both), *rest)


def _leaves(stated: object, found: object, path: str) -> Iterator[tuple[str, str, str]]:
    """Yield (path, stated, found) for every place where two plain values differ."""
    if isinstance(stated, dict) and isinstance(found, dict):
        for key in dict.fromkeys([*stated, *found]):
            yield from _leaves(stated.get(key), found.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(stated, list | tuple) and isinstance(found, list | tuple):
        for place, (one, other) in enumerate(zip_longest(stated, found)):
            yield from _leaves(one, other, f"{path}[{_name(one or other, place)}]")
    elif stated != found:
        yield path, str(stated), str(found)


def _name(value: object, place: int) -> str:
    """Name a member of a list by its identifying fields, else by its place."""
    if isinstance(value, dict):
        names = [str(value[k]) for k in ("round", "scope", "target", "typicality", "kind", "name")
                 if value.get(k) not in (None, "")]  # fmt: skip
        return " ".join(names) or str(place)
    return str(place)


def _ledger(build: BuildStats, rows: Observations, folder: Path) -> tuple[LedgerStats, ...]:
    """Recompute the ledger: planned as stated, rejects from rejects.jsonl, the rest from the rows.

    Raises:
        StoreError: it does not close, or has a round that the build has not.
        SourceError: a reject is not of this version.
    """
    path = folder / "rejects.jsonl"
    lines = path.read_bytes().splitlines() if path.is_file() else []
    if not all(0 <= e.round < len(build.rounds) and build.rounds[e.round] for e in build.ledger):
        raise StoreError("the ledger has rounds that are not in build.rounds")
    decoder = msgspec.json.Decoder(Reject)
    rejects = [_decoded(decoder, line, path) for line in lines]
    slots = {e.scope: e.planned // build.rounds[e.round] for e in build.ledger}
    return close(slots, build.rounds, rejects, rows)


def _card(path: Path, wanted: str) -> list[Stale]:
    try:
        have = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        return [Stale("README.md", f"cannot be read ({error})", "a card")]
    lines = zip_longest(have, wanted.splitlines(), fillvalue="(no line)")
    return [
        Stale(f"README.md line {number}", one, other)
        for number, (one, other) in enumerate(lines, 1)
        if one != other
    ]


def _read(path: Path, kind: type[T]) -> T | None:
    if not path.is_file():
        return None
    return _decoded(msgspec.json.Decoder(kind), path.read_bytes(), path)


def _decoded(decoder: msgspec.json.Decoder[T], raw: bytes, path: Path) -> T:
    try:
        return decoder.decode(raw)
    except msgspec.DecodeError as error:
        raise SourceError(
            f"not of this version: {error}", where=str(path), hint="build again"
        ) from error
