"""The providers by name. A new one is one file here and one entry below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.errors import ProviderError
from compiler.llm.batches.api import BatchApi
from compiler.llm.batches.runner import WallClock
from compiler.llm.messages import Provider
from compiler.llm.providers import anthropic, extractive, replay
from compiler.llm.providers.anthropic.batch import BatchSettings
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.purse import Purse


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a provider, apart from the requests; none is part of a request key."""

    base_url: str | None
    concurrency: int
    purse: Purse
    batches: BatchSettings


PROVIDERS: Mapping[str, Callable[[Settings], Provider]] = {
    "extractive": lambda _: extractive.Extractive(),
    "replay": lambda _: replay.Replay(),
    "anthropic": lambda s: anthropic.Live(
        Client(s.base_url),
        s.concurrency,
        s.purse,
        s.batches.watcher.notice,
        s.batches.journal.where,
    ),
    "anthropic-batch": lambda s: anthropic.Batch(Client(s.base_url), s.batches, s.purse),
}

# Providers that bill batched requests at the batch price.
BATCHED = frozenset({"anthropic-batch"})
# Providers that need no price because they cost nothing.
FREE = frozenset({"extractive", "replay"})


@contextmanager
def batch_api(endpoint: str) -> Iterator[BatchApi]:
    """Open the batch endpoint at an address, to list and to cancel its batches."""
    client = Client(endpoint)
    try:
        yield Endpoint(client, WallClock())
    finally:
        client.close()


def provider(name: str, settings: Settings) -> Provider:
    """Return the provider with a name.

    Raises:
        ProviderError: the name is unknown.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}", hint=f"have: {', '.join(PROVIDERS)}")
    return PROVIDERS[name](settings)


def replaying(name: str, settings: Settings) -> Provider:
    """Return a provider with the request keys of the named one, which sends no requests."""
    return replay.Replay(provider(name, settings).encode)
