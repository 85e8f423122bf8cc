"""The metadata beside a dataset's rows, in `card.json` and `stats.json`.

Each function reads only the file that it needs, so that a damaged one affects no other function.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from pydantic import TypeAdapter, ValidationError

from compiler.dataset.scopes import PUBLISHED, Rules
from compiler.errors import SourceError, UsageError, in_a_line
from compiler.probes.units import SIDE, UNITS
from compiler.spec.model import Scope, WrittenScope
from compiler.spec.scoring import Bands

_DATA = "data"
_RULES: TypeAdapter[Rules] = TypeAdapter(Scope)


class _Scope(msgspec.Struct):
    name: str
    rules: object


class _Card(msgspec.Struct):
    scopes: tuple[_Scope, ...] | None = None
    source_tokenizer: str | None = None
    models: dict[str, dict[str, str]] = {}
    prompts: dict[str, str] = {}
    compare: str | dict[str, str] = ""
    policy: str = ""
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


class Stated(Struct, frozen=True):
    """The metadata that rows are checked against.

    `scopes`: name -> rules, in order. `bands`: HARD below the first, EASY from the second;
    `tokenizer`: the source model's, name@digest; both None if the metadata lack them.
    """

    scopes: Mapping[str, Rules]
    bands: tuple[float, float] | None
    tokenizer: str | None
    suffix_in_generated: bool


def beside(path: Path) -> Stated:
    """Read the metadata of a dataset directory, or of the dataset that a parquet file belongs to.

    Raises:
        SourceError: `card.json` or `stats.json` exists and is not of this version.
    """
    card = _read(path, "card.json", _Card) or _Card()
    found = _rules(card, path)
    return Stated(found, bands(path), card.source_tokenizer, card.suffix_in_generated)


def scopes(path: Path) -> Mapping[str, Rules]:
    """Read the scopes of a dataset, in order; without metadata, those of the published dataset.

    Raises:
        SourceError: `card.json` exists and is not of this version.
    """
    return _rules(_read(path, "card.json", _Card) or _Card(), path)


def _rules(card: _Card, path: Path) -> Mapping[str, Rules]:
    if card.scopes is None:
        return PUBLISHED
    file = folder(path) / "card.json"
    try:
        found = {each.name: _RULES.validate_python(each.rules) for each in card.scopes}
    except ValidationError as error:
        raise _other(error, file) from error
    for name, rules in found.items():
        unit = rules.unit if isinstance(rules, WrittenScope) else SIDE
        if unit not in (*UNITS, SIDE):
            message = f"scope {name!r} has the unit {unit!r}, which is not registered"
            hint = "register it as in the project that made the dataset (docs/adding.md, A unit)"
            raise SourceError(message, where=str(file), hint=hint)
    return found


def judge(path: Path) -> tuple[str, str, str, str | dict[str, str]] | None:
    """Read what made the scores: policy, the judge's model, its prompt's digest, the references.

    None without metadata.

    Raises:
        SourceError: `card.json` exists and is not of this version.
    """
    card = _read(path, "card.json", _Card)
    if card is None or not card.policy:
        return None
    model = card.models.get("judge", {}).get("model", "")
    return card.policy, model, card.prompts.get("judge", ""), card.compare


def bands(path: Path) -> tuple[float, float] | None:
    """Read the bounds of HARD and EASY from `stats.json`; None if it is missing or lacks them.

    Raises:
        SourceError: `stats.json` exists and is not of this version.
    """
    found = _read(path, "stats.json", _Bands)
    if found is None or found.hard_below is None or found.easy_from is None:
        return None
    return found.hard_below, found.easy_from


def counts(path: Path) -> dict[str, int] | None:
    """Read the number of rows of each scope from `stats.json`; None if it is missing.

    Raises:
        SourceError: `stats.json` exists and is not of this version.
    """
    found = _read(path, "stats.json", _Counts)
    return {each.scope: each.built for each in found.scopes} if found is not None else None


def folder(path: Path) -> Path:
    """Return the dataset directory of a path: itself, its `data`, or a file in either."""
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
    """Return the bounds of HARD and EASY: from the options, the metadata, or the defaults.

    `path`: the dataset. `hard`, `easy`: the options, None if not given.

    Raises:
        UsageError: the bounds are not in order, or not within [0, 1].
        SourceError: `stats.json` exists and is not of this version.
    """
    if hard is None or easy is None:
        usual = Bands()
        known = bands(path) or (usual.hard, usual.easy)
        hard = known[0] if hard is None else hard
        easy = known[1] if easy is None else easy
    if not 0 <= hard <= easy <= 1:
        raise UsageError(
            f"--hard {hard} and --easy {easy} are not bands", hint="0 <= hard <= easy <= 1"
        )
    return hard, easy
