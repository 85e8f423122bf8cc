"""What a dataset states of itself beside its rows, in `card.json` and `stats.json`.

Each is read when it is asked for: what a stranger put there matters to nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
from pydantic import TypeAdapter, ValidationError

from compiler.dataset.scopes import PUBLISHED, Rules
from compiler.errors import SourceError
from compiler.spec.model import Scope

_DATA = "data"
_RULES: TypeAdapter[Rules] = TypeAdapter(Scope)


class _Scope(msgspec.Struct):
    name: str
    rules: object


class _Scopes(msgspec.Struct):
    scopes: tuple[_Scope, ...] | None = None


class _Facts(msgspec.Struct):
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


T = TypeVar("T", _Scopes, _Facts, _Bands, _Counts)


def scopes(path: Path) -> Mapping[str, Rules]:
    """The scopes of a dataset directory, or of the one that a file of rows belongs to, in order:
    as declared, else those of the published dataset.

    Raises:
        SourceError: `card.json` is there and not of this version.
    """
    found = _read(path, "card.json", _Scopes)
    if found is None or found.scopes is None:
        return PUBLISHED
    try:
        return {each.name: _RULES.validate_python(each.rules) for each in found.scopes}
    except ValidationError as error:
        raise _other(str(error), _beside(path, "card.json")) from error


def source_tokenizer(path: Path) -> str | None:
    """The source model's tokenizer, name@digest; None where nothing states it.

    Raises:
        SourceError: `card.json` is there and not of this version.
    """
    found = _read(path, "card.json", _Facts)
    return found.source_tokenizer if found is not None else None


def suffix_in_generated(path: Path) -> bool:
    """Whether atoms of suffix targets start in generated text, as in the published dataset.

    Raises:
        SourceError: `card.json` is there and not of this version.
    """
    found = _read(path, "card.json", _Facts)
    return found is None or found.suffix_in_generated


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


def _beside(path: Path, name: str) -> Path:
    """A dataset's file, from its directory, from that of its data, or from a file there."""
    folder = path if path.is_dir() else path.parent
    return (folder.parent if folder.resolve().name == _DATA else folder) / name


def _read(path: Path, name: str, kind: type[T]) -> T | None:
    file = _beside(path, name)
    if not file.is_file():
        return None
    try:
        return msgspec.json.decode(file.read_bytes(), type=kind)
    except msgspec.DecodeError as error:
        raise _other(str(error), file) from error


def _other(message: str, file: Path) -> SourceError:
    hint = "build again, or give --hard and --easy" if file.name == "stats.json" else "build again"
    return SourceError(
        f"not of this version: {message.splitlines()[0]}", where=str(file), hint=hint
    )
