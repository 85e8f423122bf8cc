"""Amounts of measured documents, extrapolated to other documents of a spec."""

from __future__ import annotations

import math
from collections.abc import Sequence

from compiler.pricing.usage import Basis, Cell, Usage
from compiler.project.workload import calls_per_probe
from compiler.spec.model import Spec


def extrapolated(
    each: Sequence[float], documents: int, spread: float
) -> tuple[float, float, float]:
    """Extrapolate amounts of measured documents to others: (expected, low, high).

    The interval is the 95% interval of the others' sum, from the variance between documents; with
    a single document, it varies the amount by `spread`.
    """
    size = len(each)
    mean = sum(each) / size
    expected = documents * mean
    if size == 1:
        return expected, expected * (1 - spread), expected * (1 + spread)
    variance = sum((amount - mean) ** 2 for amount in each) / (size - 1)
    off = _t(size - 1) * math.sqrt(variance * (documents**2 / size + documents))
    return expected, max(0.0, expected - off), expected + off


# Quantiles of Student's t at 97.5%, by degrees of freedom from 1 on.
_QUANTILES = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
)


def _t(freedom: int) -> float:
    # From 21 on, this expansion is exact to three digits.
    known = freedom <= len(_QUANTILES)
    return _QUANTILES[freedom - 1] if known else 1.95996 + 2.37227 / freedom + 2.8225 / freedom**2


def measured_call(usage: Usage | None, stage: str, scope: str) -> tuple[float, float] | None:
    """Return measured mean (input, output) tokens per call; None without a call."""
    total = Cell.total(usage.cells(stage, scope)) if usage is not None else Cell()
    if not total.calls:
        return None
    return total.prompt / total.calls, total.output / total.calls


def built(spec: Spec, scope: str, basis: Basis) -> float:
    """Return the share of a scope's slots that become probes: as measured, else as declared."""
    usage = basis.built()
    if usage is None or not usage.slots.get(scope):
        return spec.expect.chosen.built
    return sum(usage.rows(scope)) / (usage.slots[scope] * len(usage.documents))


def times(spec: Spec, usage: Usage, stage: str, scope: str) -> float | None:
    """Return the factor from the measured calls of a document to those that a spec declares.

    None if the stage and scope were not measured.
    """
    if scope not in usage.scopes(stage):
        return None
    then = usage.calls.get(stage)
    if then is None:
        # One call for each document, whatever the spec declares.
        return 1.0
    # Measured with the same references in each scope, so that their number cancels out.
    now = calls_per_probe(spec).get(stage, 0.0)
    return now / then * spec.scopes[scope].slots / usage.slots[scope]
