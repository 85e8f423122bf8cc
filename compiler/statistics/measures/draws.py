"""Random numbers that are equal on every machine and with every version of numpy.

numpy guarantees the raw output of a bit generator but not the methods of `Generator` (NEP 19), so
raw words are mapped to numbers here.
"""

from __future__ import annotations

import numpy as np

from compiler.statistics.measures.units import Ints


class Draws:
    """A stream of random numbers, determined by its seed."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def below(self, bound: int, size: int) -> Ints:
        """Draw `size` integers in [0, bound), bound at most 2**31.

        Each is the upper 32 bits of a word times the bound, shifted right by 32 (Lemire 2019,
        without the rejection step): its probability differs from 1/bound by less than 2**-32.

        Raises:
            ValueError: the bound is outside 1..2**31.
        """
        if not 0 < bound <= 2**31:
            raise ValueError(f"integers are drawn below 1 to 2**31, not below {bound}")
        words = self._bits.random_raw(size)
        found: Ints = (((words >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(
            np.int64
        )
        return found
