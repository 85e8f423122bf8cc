"""Recomputation of the numbers that a dataset directory states, from its own rows.

Numbers that do not follow from rows (tokens, dollars, skipped parts of the source) are taken as
stated. All others must be equal: the statistics, the ledger, and the card line by line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec.structs import replace

from compiler.checking import rollouts
from compiler.dataset.rollout_columns import FACTS, LEDGER
from compiler.engine.explain import Place, changes
from compiler.errors import SourceError, StoreError
from compiler.records import Reject
from compiler.report import card, publication
from compiler.report import rollouts as page
from compiler.report.card import CardFacts
from compiler.rollouts.rows import RolloutFacts, RolloutStats
from compiler.statistics import measured
from compiler.statistics.ledger import BuildStats, LedgerStats, close
from compiler.statistics.observations import Observations
from compiler.statistics.stats import ScopeStats, Stats
from compiler.templating.prompts import Library

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
    rolled = rollouts.stated(folder)
    if rolled is not None:
        return _of_rollouts(folder, rolled, templates)
    stated = _read(folder / "stats.json", Stats)
    if stated is None:
        return Recount((), ("no stats.json: only the card's own arithmetic was checked",))
    found, stale = counted(folder, stated)
    stale += _differing("stats.json", stated, found)
    missing = []
    facts = _read(folder / "card.json", CardFacts)
    if facts is None or templates is None:
        absent = "card.json" if facts is None else f"template {card.TEMPLATE}"
        missing.append(f"no {absent}: the card was not rendered again")
    else:
        wanted = card.render(templates, found, facts, _publication(folder, facts))
        stale += _card(folder / "README.md", wanted)
    return Recount(tuple(stale), tuple(missing))


def _of_rollouts(folder: Path, stated: RolloutStats, templates: Library | None) -> Recount:
    """Compare the statistics and the card of rollouts with the rows and rejects beside them."""
    found = rollouts.recounted(folder, stated)
    stale = [*_differing(LEDGER, stated, found)]
    missing = []
    for each in found.ledger:
        kept, lost = each.whole + sum(each.cut.values()), sum(each.rejected.values())
        if each.planned != kept + lost:
            closed = f"{each.planned:,} planned"
            stale.append(Stale(f"{LEDGER} round {each.round}", closed, f"{kept:,} + {lost:,}"))
    facts = _read(folder / FACTS, RolloutFacts)
    if facts is None or templates is None:
        absent = FACTS if facts is None else f"template {page.TEMPLATE}"
        missing.append(f"no {absent}: the card was not rendered again")
    else:
        stale += _card(folder / "README.md", page.render(templates, found, facts))
    return Recount(tuple(stale), tuple(missing))


def counted(folder: Path, stated: Stats) -> tuple[Stats, list[Stale]]:
    """Compute the statistics of a dataset directory from its rows and rejects.

    `stated`: the thresholds, and what does not follow from rows. Also returns a ledger that does
    not close.

    Raises:
        SourceError: there are no rows, or a reject is not of this version.
    """
    rows = measured.observed(folder)
    found = measured.stats(folder, stated.hard_below, stated.easy_from, rows)
    build, stale = stated.build, list[Stale]()
    if build is not None:
        try:
            build = replace(build, ledger=_ledger(build, rows, folder))
        except StoreError as error:
            stale.append(Stale("stats.json ledger", "closed", error.message))
        planned = sum(each.planned for each in build.ledger)
        build = replace(build, planned=planned, documents_drawn=sum(build.rounds))
    return replace(found, build=build, scopes=_aligned(found, stated)), stale


def _publication(folder: Path, facts: CardFacts) -> Mapping[str, object] | None:
    """Describe the publication of a published dataset; None for any other directory."""
    manifest = publication.read(folder)
    if manifest is None:
        return None
    files = {name: folder / name for name in manifest.files}
    return publication.describe(manifest, files, facts)


def _aligned(found: Stats, stated: Stats) -> tuple[ScopeStats, ...]:
    """Sort the found scopes in the stated order; a build also states scopes without rows."""
    have = {each.scope: each for each in found.scopes}
    empty = [each for each in stated.scopes if each.scope not in have and not each.built]
    order = [each.scope for each in stated.scopes]
    rest = [each for each in found.scopes if each.scope not in order]
    both = {**have, **{each.scope: each for each in empty}}
    return (*(both[name] for name in order if name in both), *rest)


def _differing(name: str, stated: T, found: T) -> Iterator[Stale]:
    """Yield every number that differs, named as a reader of the file finds it."""
    # As it comes back from the file.
    found = msgspec.json.decode(msgspec.json.encode(found), type=type(stated))
    trees = msgspec.to_builtins(stated), msgspec.to_builtins(found)
    for each in changes(*trees, by_item=True):
        yield Stale(f"{name} {_named(each.path, trees)}", str(each.old), str(each.new))


def _named(path: Place, trees: tuple[object, object]) -> str:
    """A path with the members of its lists by name, from whichever tree has them."""
    words = ""
    for part in path:
        trees = _inner(trees[0], part), _inner(trees[1], part)
        if isinstance(part, int):
            words += f"[{_name(trees[0] or trees[1], part)}]"
        else:
            words += f".{part}" if words else part
    return words


def _inner(tree: object, part: str | int) -> object:
    if isinstance(tree, dict):
        return tree.get(part)
    assert tree is None or isinstance(tree, (list, tuple))
    return tree[part] if tree is not None and isinstance(part, int) and part < len(tree) else None


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
