"""Token prices in US dollars."""

from __future__ import annotations

from msgspec import Struct

# Prices of a cached token as multiples of an input token's: written (by lifetime), read.
CACHE_WRITE = {"5m": 1.25, "1h": 2.0}
CACHE_READ = 0.1


class Rate(Struct, frozen=True):
    """Prices in US dollars per million tokens, batch discount included.

    `cache_write`: price of writing a cached token, as a multiple of an input token's; `live`: price
    of a live request, as a multiple of this rate.
    """

    input: float
    output: float
    cache_write: float = 1.25
    live: float = 1.0

    def usd(
        self, input_tokens: float, output_tokens: float, written: int = 0, read: int = 0
    ) -> float:
        """Return the cost in US dollars.

        `written` and `read` are cached tokens, which `input_tokens` does not include.
        """
        weighted = input_tokens + written * self.cache_write + read * CACHE_READ
        return (weighted * self.input + output_tokens * self.output) / 1_000_000

    def unbatched(self) -> Rate:
        """Return the rate of live requests."""
        return Rate(self.input * self.live, self.output * self.live, self.cache_write)
