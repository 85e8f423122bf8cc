"""What a dataset states of itself beside its rows, in `card.json` and `stats.json`.

Each is read when it is asked for: what a stranger put there matters to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import TypeAdapter, ValidationError

from compiler.dataset.scopes import PUBLISHED, Rules
from compiler.errors import SourceError, UsageError, in_a_line
from compiler.spec.model import Scope
from compiler.spec.scoring import Bands

_DATA = "data"
_RULES: TypeAdapter[Rules] = TypeAdapter(Scope)


class _Scope(msgspec.Struct):
    name: str
    rules: object


class _Card(msgspec.Struct):
    scopes: tuple[_Scope, ...] | None = None
    source_tokenizer: str | None = None
    suffix_in_generated: bool = True


class _Bands(msgspec.Struct):
    hard_below: float | None = None
    easy_from: float | None = None


class _Built(msgspec.Struct):
    scope: str
    built: int


class _Counts(msgspec.Struct):
    scopes: tuple[_Built, ...]


T = TypeVar("T", _Card, _Bands, _Counts)


@dataclass(frozen=True)
class Stated:
    """What rows are held against.

    `bands`: HARD below the first, EASY from the second; `tokenizer`: the source model's,
    name@digest; None where nothing states them.
    """

    scopes: Mapping[str, Rules]
    bands: tuple[float, float] | None
    tokenizer: str | None
    suffix_in_generated: bool


def beside(path: Path) -> Stated:
    """What a dataset directory states, or the one that a file of rows belongs to.

    Raises:
        SourceError: `card.json` or `stats.json` is there and not of this version.
    """
    card = _read(path, "card.json", _Card) or _Card()
    found = _rules(card, path)
    return Stated(found, bands(path), card.source_tokenizer, card.suffix_in_generated)


def scopes(path: Path) -> Mapping[str, Rules]:
    """The scopes in order: as declared, else those of the published dataset.

    Raises:
        SourceError: `card.json` is there and not of this version.
    """
    return _rules(_read(path, "card.json", _Card) or _Card(), path)


def _rules(card: _Card, path: Path) -> Mapping[str, Rules]:
    if card.scopes is None:
        return PUBLISHED
    try:
        return {each.name: _RULES.validate_python(each.rules) for each in card.scopes}
    except ValidationError as error:
        raise _other(error, folder(path) / "card.json") from error


def bands(path: Path) -> tuple[float, float] | None:
    """HARD and EASY as the statistics beside the data state them; None where nothing does.

    Raises:
        SourceError: `stats.json` cannot be read.
    """
    found = _read(path, "stats.json", _Bands)
    if found is None or found.hard_below is None or found.easy_from is None:
        return None
    return found.hard_below, found.easy_from


def counts(path: Path) -> dict[str, int] | None:
    """Rows by scope as the statistics beside the data claim them; None where nothing does.

    Raises:
        SourceError: `stats.json` is there and not of this version.
    """
    found = _read(path, "stats.json", _Counts)
    return {each.scope: each.built for each in found.scopes} if found is not None else None


def folder(path: Path) -> Path:
    """A dataset's directory, from itself, from that of its data, or from a file there."""
    here = path if path.is_dir() else path.parent
    return here.parent if here.resolve().name == _DATA else here


def _read(path: Path, name: str, kind: type[T]) -> T | None:
    file = folder(path) / name
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise _other(error, file) from error


def _other(error: Exception, file: Path) -> SourceError:
    bands = " (`stats` and `report` take --hard and --easy instead)"
    hint = f"build again{bands if file.name == 'stats.json' else ''}"
    return SourceError(f"not of this version: {in_a_line(error)}", where=str(file), hint=hint)


def bands_of(path: Path, hard: float | None, easy: float | None) -> tuple[float, float]:
    """HARD and EASY for the rows at `path`: from the options, the metadata, or the defaults.

    Raises:
        UsageError: they are not in order, or not within [0, 1].
    """
    if hard is None or easy is None:
        usual = Bands()
        known = bands(path) or (usual.hard, usual.easy)
        hard = known[0] if hard is None else hard
        easy = known[1] if easy is None else easy
    if not 0 <= hard <= easy <= 1:
        raise UsageError(
            f"--hard {hard} and --easy {easy} are no bands", hint="0 <= hard <= easy <= 1"
        )
    return hard, easy
