"""The chosen level and the digest of its evidence, written into the spec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.project.variant import Variant
from compiler.spec import edit
from compiler.spec.model import Spec

# Number of hex digits of the digest in a spec.
DIGITS = 16


def require_writable(variant: Variant, spec: Spec) -> None:
    """Refuse a spec that no level can be written into, before a sweep spends money.

    Raises:
        UsageError: the command line changes the spec, or its text has no place for a level.
    """
    if variant.varied:
        raise UsageError(
            "--write does not go with --set, --provider or --source",
            hint="the chosen level would not be the spec's: calibrate the spec unchanged",
        )
    _edited(variant.path, spec.calibration.level, "0" * DIGITS)


def write(path: Path, level: int, evidence: str) -> str:
    """Write a level and the first digits of its evidence into the spec; return a message."""
    evidence = evidence[:DIGITS]
    # Resolved, so that a symbolic link is kept; decoded as bytes, so that line ends are.
    write_atomic(path.resolve(), _edited(path, level, evidence).encode("utf-8"))
    return f"written to {path}: calibration.level {level}, evidence {evidence}"


def _edited(path: Path, level: int, evidence: str) -> str:
    values: Mapping[str, int | str] = {"level": level, "evidence": evidence}
    return edit.with_values(path.read_bytes().decode("utf-8"), "calibration", values)
