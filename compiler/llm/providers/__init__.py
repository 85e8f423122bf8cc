"""The providers by name. A new one is one file here and one entry below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from compiler.errors import ProviderError, known
from compiler.llm.messages import Provider
from compiler.llm.providers import extractive, replay

if TYPE_CHECKING:
    from compiler.llm.batches.api import BatchApi, Line
    from compiler.llm.batches.shards import BatchSettings
    from compiler.llm.purse import Purse


class Settings(Struct, frozen=True):
    """The settings of a provider, apart from the requests.

    `patience`: seconds without a byte after which a live request has timed out. `accounts`: takes
    what a server reports of itself. `text`, `revision`: of the stub, the file that it is trained on
    and its SHA-256; the latter is part of its request keys, the rest of none.
    """

    base_url: str | None
    concurrency: int
    patience: float
    purse: Purse
    batches: BatchSettings
    accounts: MutableMapping[str, str] = field(default_factory=dict)
    text: Path | None = None
    revision: str | None = None


class Entry(Struct, frozen=True):
    """A provider in the registry.

    `free`: it costs nothing and needs no price. `batched`: it bills at the batch price.
    `continues`: it continues texts, instead of replying to prompts.
    """

    open: Callable[[Settings], Provider]
    free: bool = False
    batched: bool = False
    continues: bool = False


# The client of the Messages API is loaded when it is used: most commands send no request.


def _live(settings: Settings) -> Provider:
    from compiler.llm.providers.anthropic.client import Client
    from compiler.llm.providers.anthropic.live import Live

    return Live(
        Client(settings.base_url, settings.patience),
        settings.concurrency,
        settings.purse,
        settings.batches.watcher.notice,
        settings.batches.journal,
        settings.batches.clock,
    )


def _batch(settings: Settings) -> Provider:
    from compiler.llm.providers.anthropic.batch import Batch
    from compiler.llm.providers.anthropic.client import Client

    return Batch(Client(settings.base_url, settings.patience), settings.batches, settings.purse)


def _completions(settings: Settings) -> Provider:
    from compiler.llm.providers.completions import Completions, client

    return Completions(
        client(settings.base_url, settings.patience),
        settings.concurrency,
        settings.purse,
        settings.batches.watcher.notice,
        settings.batches.journal,
        settings.batches.clock,
        settings.accounts,
    )


def _stub(settings: Settings) -> Provider:
    from compiler.llm.providers.stub import Stub

    return Stub(settings.text, settings.revision)


PROVIDERS: Mapping[str, Entry] = {
    "extractive": Entry(lambda _: extractive.Extractive(), free=True),
    "replay": Entry(lambda _: replay.Replay(), free=True),
    "anthropic": Entry(_live),
    "anthropic-batch": Entry(_batch, batched=True),
    "openai-completions": Entry(_completions, continues=True),
    "stub": Entry(_stub, free=True, continues=True),
}

BATCHED = frozenset(name for name, entry in PROVIDERS.items() if entry.batched)
REPLYING = tuple(name for name, entry in PROVIDERS.items() if not entry.continues)
"""The providers that reply to prompts."""
CONTINUING = tuple(name for name, entry in PROVIDERS.items() if entry.continues)
"""The providers that continue texts."""
FREE = frozenset(name for name, entry in PROVIDERS.items() if entry.free)


def parse_result(line: bytes) -> Line | None:
    """Parse one line of archived results, without a connection."""
    from compiler.llm.providers.anthropic.endpoint import Endpoint

    return Endpoint.parse(line)


@contextmanager
def batch_api(endpoint: str) -> Iterator[BatchApi]:
    """Open the batch endpoint at an address, to list and to cancel its batches."""
    from compiler.llm.batches.clock import WallClock
    from compiler.llm.providers.anthropic.client import Client
    from compiler.llm.providers.anthropic.endpoint import Endpoint

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
        raise ProviderError(f"unknown provider {name!r}", hint=known(name, PROVIDERS))
    return PROVIDERS[name].open(settings)


def replaying(name: str, settings: Settings) -> Provider:
    """Return a provider with the request keys of the named one, which sends no requests."""
    return replay.Replay(provider(name, settings).encode)
