"""The chosen level and the digest of its evidence, written into the spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.project.variant import Variant
from compiler.spec import edit
from compiler.spec.model import Spec

# Digits of the digest that a spec holds.
DIGITS = 16


def require_writable(variant: Variant, spec: Spec) -> None:
    """Refuse a spec that no level can be written into, before any is paid for.

    Raises:
        UsageError: the command line varies it, or its text has no place for a level.
    """
    if variant.varied:
        raise UsageError(
            "a level that was chosen under --set, --provider or --source is not written",
            hint="what was swept is not what the spec says: calibrate the spec itself",
        )
    _edited(variant.path, spec.calibration.level, "0" * DIGITS)


def write(path: Path, level: int, evidence: str) -> str:
    """Write a level and the start of its evidence into the spec at `path`; returns a note of it."""
    evidence = evidence[:DIGITS]
    # A link stays one, and line ends stay what they are.
    write_atomic(path.resolve(), _edited(path, level, evidence).encode("utf-8"))
    return f"written to {path}: calibration.level {level}, evidence {evidence}"


def _edited(path: Path, level: int, evidence: str) -> str:
    values: Mapping[str, int | str] = {"level": level, "evidence": evidence}
    return edit.with_values(path.read_bytes().decode("utf-8"), "calibration", values)
