"""The providers by name. A new one is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.errors import ProviderError
from compiler.llm.batches.api import BatchApi
from compiler.llm.batches.clock import WallClock
from compiler.llm.messages import Provider
from compiler.llm.providers import anthropic, extractive, replay
from compiler.llm.providers.anthropic.batch import BatchSettings
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.purse import Purse


@dataclass(frozen=True, slots=True)
class Settings:
    """What a provider may need beside the requests; none of it is part of a key."""

    base_url: str | None
    concurrency: int
    purse: Purse
    batches: BatchSettings


@dataclass(frozen=True, slots=True)
class Entry:
    """A provider in the registry.

    `free`: it costs nothing and needs no price. `batched`: it bills at the batch price.
    """

    open: Callable[[Settings], Provider]
    free: bool = False
    batched: bool = False


PROVIDERS: Mapping[str, Entry] = {
    "extractive": Entry(lambda _: extractive.Extractive(), free=True),
    "replay": Entry(lambda _: replay.Replay(), free=True),
    "anthropic": Entry(
        lambda s: anthropic.Live(
            Client(s.base_url),
            s.concurrency,
            s.purse,
            s.batches.watcher.notice,
            s.batches.journal.where,
        )
    ),
    "anthropic-batch": Entry(
        lambda s: anthropic.Batch(Client(s.base_url), s.batches, s.purse), batched=True
    ),
}

BATCHED = frozenset(name for name, entry in PROVIDERS.items() if entry.batched)
FREE = frozenset(name for name, entry in PROVIDERS.items() if entry.free)


@contextmanager
def batch_api(endpoint: str) -> Iterator[BatchApi]:
    """The batch endpoint of that address, for looking at what is there and for canceling."""
    client = Client(endpoint)
    try:
        yield Endpoint(client, WallClock())
    finally:
        client.close()


def provider(name: str, settings: Settings) -> Provider:
    """The provider of that name.

    Raises:
        ProviderError: there is none.
    """
    if name not in PROVIDERS:
        raise ProviderError(f"unknown provider {name!r}", hint=f"have: {', '.join(PROVIDERS)}")
    return PROVIDERS[name].open(settings)


def replaying(name: str, settings: Settings) -> Provider:
    """A provider that finds what that one was asked in the response log, and asks nobody."""
    return replay.Replay(provider(name, settings).encode)
