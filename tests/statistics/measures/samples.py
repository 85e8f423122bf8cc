"""Simulated data with known parameters."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.units import Floats


def clustered(
    seed: int, documents: int, per_document: int, icc: float
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Draw normal values (mean 0.5, sd 0.2, given intraclass correlation) and their documents."""
    rng = np.random.default_rng(seed)
    shared = np.repeat(rng.standard_normal(documents), per_document) * icc**0.5
    own = rng.standard_normal(documents * per_document) * (1 - icc) ** 0.5
    return 0.5 + 0.2 * (shared + own), np.repeat(np.arange(documents), per_document)


def beta_binomial(seed: int, a: float, b: float, n: int, rows: int) -> npt.NDArray[np.int64]:
    """Draw success counts out of n for rows whose rates are Beta(a, b)."""
    rng = np.random.default_rng(seed)
    return rng.binomial(n, rng.beta(a, b, rows))
