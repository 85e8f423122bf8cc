"""Dollars from tokens."""

from __future__ import annotations

from dataclasses import dataclass

# What a cached token costs, as a multiple of an input token: writes by lifetime, then reads.
CACHE_WRITE = {"5m": 1.25, "1h": 2.0}
CACHE_READ = 0.1


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per million tokens, as a provider bills them (batch discount applied).

    `cache_write`: what writing a cached token costs, in input tokens; `live`: how many times as
    much the same tokens cost outside of a batch.
    """

    input: float
    output: float
    cache_write: float = 1.25
    live: float = 1.0

    def usd(
        self, input_tokens: float, output_tokens: float, written: int = 0, read: int = 0
    ) -> float:
        """Cost in US dollars; `written` and `read` are cached tokens, not in `input_tokens`."""
        weighted = input_tokens + written * self.cache_write + read * CACHE_READ
        return (weighted * self.input + output_tokens * self.output) / 1_000_000

    def unbatched(self) -> Rate:
        """The rate of the same tokens in a live request."""
        return Rate(self.input * self.live, self.output * self.live, self.cache_write)
