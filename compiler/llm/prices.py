"""Dollars from tokens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars per million tokens, as a provider bills them (batch discount applied)."""

    input: float
    output: float

    def usd(self, input_tokens: int, output_tokens: int) -> float:
        """Cost of some tokens in US dollars."""
        return (input_tokens * self.input + output_tokens * self.output) / 1_000_000
