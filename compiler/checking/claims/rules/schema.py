"""Rules between the declared features and the card's own table of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator

from compiler.checking.claims.claim import Claim, Claims
from compiler.checking.claims.rule import Trial, said

# What people call a type -> what it is. Widths are not told apart: `int` is int32 or int64.
_KINDS = {
    "str": "string",
    "text": "string",
    "large_string": "string",
    "strings": "list<string>",
    "floats": "list<float>",
    "dict": "struct",
    "splits": "struct",
    "object": "struct",
    "boolean": "bool",
    "integer": "int",
    "double": "float",
}


def types_agree(claims: Claims) -> Iterator[Trial]:
    """A column's type in the table is the type that the front matter declares."""
    features = claims.by("declared_type", "column")
    for name, column in claims.by("type", "column").items():
        feature = features.get(name)
        if feature is None:
            continue
        table, declared = _kind(str(column.value)), _kind(str(feature.value))
        how = f"line {feature.line} declares {feature.value}"
        yield said(column, table == declared, str(feature.value), how, feature)


def every_feature_is_documented(claims: Claims) -> Iterator[Trial]:
    """Every declared column is in the table."""
    yield from _covered(claims, "declared_type", "type", "in the table of columns")


def every_documented_column_exists(claims: Claims) -> Iterator[Trial]:
    """Every column of the table is declared."""
    yield from _covered(claims, "type", "declared_type", "declared in the front matter")


def _covered(claims: Claims, having: str, lacking: str, what: str) -> Iterator[Trial]:
    here, there = claims.by(having, "column"), claims.by(lacking, "column")
    if not here or not there:
        return
    missing = [claim for name, claim in here.items() if name not in there]
    out: Claim = missing[0] if missing else next(iter(here.values()))
    names = ", ".join(claim.get("column") or "" for claim in missing)
    how = f"{len(here)} here, {len(there)} there; not {what}: {names or 'none'}"
    taken = tuple(missing) or (out,)
    yield Trial(taken, not missing, out, f"{len(here)} columns", f"all {what}", how)


def _kind(written: str) -> str:
    """`int/null` -> `int`, `list[str]/null` -> `list<string>`, `float64` -> `float`."""
    text = written.casefold().split("/")[0].split(" or ")[0].strip().rstrip("?")
    inner = re.fullmatch(r"(?:list|sequence)[<\[(](.+)[>\])]", text)
    if inner:
        return f"list<{_kind(inner[1])}>"
    text = re.sub(r"(?<=[a-z])(8|16|32|64)$", "", text).removeprefix("u")
    return _KINDS.get(text, text)
