"""YAML scalars that YAML 1.1 reads as another value than they look like.

Such a scalar is refused with its plain spelling, because the value that it means would otherwise
enter the build unnoticed: `010` is 8, `1:30` is 90, `no` is false. `1_000` is a
number only in YAML 1.1.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

_PREFIX = "tag:yaml.org,2002:"
_BASES = {"0x": (16, "hexadecimal"), "0b": (2, "binary"), "0o": (8, "octal")}
_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_BOOLEANS = ("true", "false", "yes", "no", "on", "off")
_LONGEST = 30
"""Most characters of a number that a message spells out."""
_MOST_DIGITS = 100
"""Most characters of a number; Python itself converts at most 4300."""


def surprise(tag: str, text: str) -> tuple[str, str] | None:
    """Explain why an unquoted scalar is refused, with its plain spelling; None if it is plain.

    The second text is a further remedy, or empty.
    """
    kind = tag.removeprefix(_PREFIX)
    if kind in ("int", "float") and len(text) > _MOST_DIGITS:
        return f"{text[:20]}... is too large for a number", "quote it if it is text"
    if kind == "int" and not _PLAIN_INTEGER.fullmatch(text):
        return _integer(text), "quote it if it is text"
    if kind == "float":
        wrong = _float(text)
        return None if wrong is None else (wrong, "quote it if it is text")
    if kind == "bool" and text.lower() not in _BOOLEANS:
        return f"{text} is neither true nor false", "write true or false"
    if kind == "bool" and text.lower() not in ("true", "false"):
        means = "true" if text.lower() in ("yes", "on") else "false"
        return f'{text} is {means} in YAML: write {means}, or "{text}" for text', ""
    if kind == "timestamp":
        return f'{text} is a date in YAML: write "{text}" for text', ""
    if kind in ("value", "merge"):
        return f'{text} is reserved in YAML: write "{text}" for text', ""
    return None


def number(text: str) -> str | None:
    """Return the remedy for a text that looks like a number, such as `write 1000` for `1e3`.

    None: it does not look like one.
    """
    compact = re.sub(r"(?<=[0-9])[_,](?=[0-9])", "", text.strip()).lower()
    digits = compact.lstrip("+-")
    base, _ = _BASES.get(digits[:2], (10, ""))
    if len(compact) > _MOST_DIGITS:
        return None
    try:
        if base != 10:
            return f"write {int(compact.replace(digits, digits[2:]), base)}"
        value = _sexagesimal(compact) if ":" in digits else float(compact)
    except ValueError:
        return None
    if not math.isfinite(value):
        return "write a number that is finite and smaller"
    return None if _spelled(value) is None else f"write {_spelled(value)}"


def _integer(text: str) -> str:
    compact = text.replace("_", "")
    sign, digits = ("-" if compact[0] == "-" else ""), compact.lstrip("+-")
    if ":" in digits:
        value = _spelled(_sexagesimal(compact))
        return f"{text} is in base 60 in YAML and means {value}: write {value}"
    base, name = _BASES.get(digits[:2].lower(), (8, "octal"))
    if base == 8 and digits[0] == "0" and digits != "0":
        value = f"{sign}{int(digits, 8)}"
        decimal = f"{sign}{int(digits)}"
        either = f"{value} or {decimal}" if decimal != value else value
        return f"{text} is octal in YAML and means {value}: write {either}"
    if base != 8:
        value = f"{sign}{int(digits[2:], base)}"
        return f"{text} is {name} in YAML and means {value}: write {value}"
    return f"{text} means {int(compact)} in YAML: write {int(compact)}"


def _float(text: str) -> str | None:
    compact = text.replace("_", "").lower()
    if compact.endswith((".inf", ".nan")):
        return f"{text} is not a finite number: write a number"
    value = _sexagesimal(compact) if ":" in compact else float(compact)
    if not math.isfinite(value):
        return f"{text} is too large for a number: write a smaller one"
    if ":" in compact:
        return f"{text} is in base 60 in YAML and means {_spelled(value)}: write {_spelled(value)}"
    if "_" in text:
        return f"{text} means {_spelled(value)} in YAML: write {_spelled(value)}"
    return None


def _sexagesimal(text: str) -> float:
    sign = -1.0 if text.startswith("-") else 1.0
    value = 0.0
    for part in text.lstrip("+-").split(":"):
        value = value * 60 + float(part)
    return sign * value


def _spelled(value: float) -> str | None:
    if not math.isfinite(value):
        return None
    text = format(Decimal(repr(value)), "f")
    text = text.removesuffix(".0")
    return text if len(text) <= _LONGEST else None
