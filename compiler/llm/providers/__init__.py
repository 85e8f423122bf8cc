"""The providers by name. A new one is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from compiler.errors import ProviderError
from compiler.llm.messages import Provider
from compiler.llm.providers import anthropic, extractive, replay


@dataclass(frozen=True, slots=True)
class Settings:
    """What a provider may need beside the requests; none of it is part of a key."""

    base_url: str | None
    concurrency: int


PROVIDERS: Mapping[str, Callable[[Settings], Provider]] = {
    "extractive": lambda _: extractive.Extractive(),
    "replay": lambda _: replay.Replay(),
    "anthropic": lambda s: anthropic.Live(s.base_url, s.concurrency),
    "anthropic-batch": lambda _: anthropic.Batch(),
}

# Providers that bill batched requests at the batch price.
BATCHED = frozenset({"anthropic-batch"})
# Providers that need no price because they cost nothing.
FREE = frozenset({"extractive", "replay"})


def provider(name: str, settings: Settings) -> Provider:
    """The provider of that name.

    Raises:
        ProviderError: there is none.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}", hint=f"have: {', '.join(PROVIDERS)}")
    return PROVIDERS[name](settings)
