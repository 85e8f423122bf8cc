"""The models that the server knows and their prices, which are data in `models.json`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler.keys import Json

_WRITE = {"5m": 1.25, "1h": 2.0}
_READ = 0.1


class Rate(msgspec.Struct, frozen=True):
    """Prices in US dollars per million tokens."""

    input: float
    output: float


class Model(msgspec.Struct, frozen=True):
    """A model by its public name."""

    id: str
    display_name: str


class _File(msgspec.Struct, frozen=True):
    rates: dict[str, Rate]
    models: list[Model]
    created_at: str
    max_input_tokens: int
    max_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts of one response.

    `input` excludes tokens `written` to or `read` from the prompt cache; `output` includes
    `thinking`. `lifetime`: of the cache entries, 5m or 1h.
    """

    input: int
    output: int
    thinking: int
    written: int
    read: int
    lifetime: str


class Catalogue:
    """The known models and their prices."""

    def __init__(self, extra: Sequence[str] = ()) -> None:
        data = Path(__file__).with_name("models.json").read_bytes()
        self._file = msgspec.json.decode(data, type=_File)
        added = [Model(name, name) for name in extra]
        self._models = {model.id: model for model in (*self._file.models, *added)}

    @property
    def max_tokens(self) -> int:
        """The highest `max_tokens` of a request."""
        return self._file.max_tokens

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def names(self) -> list[str]:
        """Return the names of all models, in the order of the catalogue."""
        return list(self._models)

    def card(self, name: str) -> dict[str, Json]:
        """Return the body of GET /v1/models/{id} for a known model."""
        return {
            "type": "model",
            "id": name,
            "display_name": self._models[name].display_name,
            "created_at": self._file.created_at,
            "lifecycle": "active",
            "max_input_tokens": self._file.max_input_tokens,
            "max_tokens": self._file.max_tokens,
        }

    def usd(self, usage: Usage, tier: str) -> float:
        """Compute the price of a response in US dollars; `tier`: standard or batch."""
        rate = self._file.rates[tier]
        written = usage.written * _WRITE[usage.lifetime]
        weighted = usage.input + written + usage.read * _READ
        return (weighted * rate.input + usage.output * rate.output) / 1_000_000
