"""Random numbers that are the same on every machine and with every numpy.

numpy promises the raw output of a bit generator, not what `Generator` makes of it (NEP 19), so raw
words are mapped to numbers here.
"""

from __future__ import annotations

import numpy as np

from compiler.statistics.measures.units import Floats, Ints


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

    def uniform(self, size: int) -> Floats:
        """`size` numbers in [0, 1), multiples of 2**-53."""
        words = self._bits.random_raw(size)
        found: Floats = (words >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return found

    def chosen(self, size: int, count: int) -> Ints:
        """`count` different places of `size`, ascending; all of them when there are no more.

        The places of the smallest raw words, ties by place.
        """
        if count >= size:
            return np.arange(size, dtype=np.int64)
        words = self._bits.random_raw(size)
        return np.sort(np.argsort(words, kind="stable")[:count]).astype(np.int64)
