"""The mistakes that the models of a spec find: their messages, and the keys that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from types import NoneType, UnionType
from typing import Annotated, Union, get_args, get_origin

from pydantic_core import ErrorDetails

from compiler.spec import scalars
from compiler.spec.base import PATTERNS, Model
from compiler.spec.model import Spec

# By pydantic's type of error; values in braces are its context.
MESSAGES = {
    "bool_parsing": "neither true nor false",
    "bool_type": "neither true nor false",
    "dict_type": "not a mapping",
    "finite_number": "not a finite number",
    "float_parsing": "not a number",
    "float_type": "not a number",
    "greater_than": "not above {gt}",
    "greater_than_equal": "below {ge}",
    "int_from_float": "not a whole number",
    "int_parsing": "not a whole number",
    "int_parsing_size": "too large",
    "int_type": "not a whole number",
    "less_than": "not below {lt}",
    "less_than_equal": "above {le}",
    "list_type": "not a list",
    "model_attributes_type": "not a mapping",
    "model_type": "not a mapping",
    "string_too_long": "longer than {max_length} characters",
    "string_too_short": "shorter than {min_length} character",
    "string_type": "not text",
    "too_long": "more than {max_length} entries",
    "too_short": "fewer than {min_length} entries",
}


def message(detail: ErrorDetails) -> str:
    """Return the message of an error: of a model's own rule, of a pattern, or of `MESSAGES`."""
    if detail["type"] == "value_error":
        own = detail["msg"].removeprefix("Value error, ")
        return own[:1].lower() + own[1:]
    context = detail.get("ctx", {})
    if detail["type"] == "string_pattern_mismatch":
        return PATTERNS[context["pattern"]]
    numbers = {
        key: f"{each:g}" if isinstance(each, float) else each for key, each in context.items()
    }
    return MESSAGES[detail["type"]].format(**numbers)


def spelling(detail: ErrorDetails) -> str:
    """Return the remedy for a value whose spelling gives it another type than its field."""
    value, wanted = detail["input"], detail["type"].partition("_")[0]
    if wanted == "bool" and isinstance(value, str | int):
        return ": write true or false"
    if wanted == "string" and isinstance(value, int | float):
        return ": quote it"
    remedy = scalars.number(str(value)) if isinstance(value, str | float) else None
    if (
        wanted in ("int", "float")
        and remedy is not None
        and (wanted == "float" or "." not in remedy)
    ):
        return f"{', which is text' if isinstance(value, str) else ''}: {remedy}"
    return ""


def choices(detail: ErrorDetails) -> list[str]:
    """Return the values that a field of few values may have."""
    context = detail.get("ctx", {})
    return re.findall(r"'([^']*)'", context.get("expected") or context.get("expected_tags", ""))


def tag(detail: ErrorDetails) -> str:
    """Return the key whose value selects one of several models."""
    return str(detail.get("ctx", {})["discriminator"]).strip("'")


def keys(path: Sequence[str | int]) -> list[str]:
    """Return the keys that a spec may have below a path."""
    kinds: list[object] = [Spec]
    for part in path:
        kinds = [inner for kind in kinds for inner in _below(kind, part)]
    return [name for kind in kinds if _is_model(kind) for name in kind.model_fields]  # pyrefly: ignore[missing-attribute]


def _is_model(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Model)


def _below(kind: object, part: str | int) -> Iterator[object]:
    if _is_model(kind):
        field = kind.model_fields.get(str(part))  # pyrefly: ignore[missing-attribute]
        yield from _members(field.annotation) if field is not None else ()
    elif get_origin(kind) in (list, dict):
        yield from _members(get_args(kind)[-1])


def _members(annotation: object) -> Iterator[object]:
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _members(args[0])
    elif origin in (Union, UnionType):
        for each in args:
            yield from _members(each)
    elif annotation is not NoneType:
        yield annotation
