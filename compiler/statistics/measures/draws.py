"""Random numbers that are the same on every machine and with every numpy.

numpy promises the raw output of a bit generator, not what `Generator` makes of it (NEP 19), so raw
words are mapped to numbers here.
"""

from __future__ import annotations

import numpy as np

from compiler.statistics.measures.units import Ints


class Draws:
    """A stream of numbers, named by its seed."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def below(self, bound: int, size: int) -> Ints:
        """`size` integers in [0, bound), bound at most 2**31.

        The upper 32 bits of a word times the bound, shifted down 32: the chance of a number is off
        1/bound by less than 2**-32 (Lemire 2019, without its rejection step).
        """
        if not 0 < bound <= 2**31:
            raise ValueError(f"no integers are drawn below {bound}")
        words = self._bits.random_raw(size)
        found: Ints = (((words >> np.uint64(32)) * np.uint64(bound)) >> np.uint64(32)).astype(
            np.int64
        )
        return found
