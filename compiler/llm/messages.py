"""What is asked and what comes back, in our words; no provider's types travel upward."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct, structs

from compiler.keys import Json, canonical, request_key
from compiler.llm.prices import Rate


class Outcome(StrEnum):
    """How a call ended. Only the first three were billed."""

    OK = "ok"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELED = "canceled"


BILLED = (Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, before a provider gives it its wire form.

    `schema`: a JSON schema that the reply must satisfy; `cache`: how long the system text may be
    kept by the provider for other requests.
    """

    model: str
    system: str
    user: str
    max_tokens: int
    thinking_tokens: int | None
    schema: Json = None
    cache: Literal["5m", "1h"] | None = None


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a call is for, so that the ledger can say where money went. No part of a key.

    `expected_usd`: of one call, as estimated before it was sent.
    """

    build: str
    role: str
    round: int
    provider: str
    model: str
    rate: Rate
    expected_usd: float


@dataclass(frozen=True, slots=True)
class Call:
    """The exact body that goes over the wire, which sample of it, and the key of the two."""

    body: bytes
    sample: int
    key: str
    purpose: Purpose


class Reply(Struct, frozen=True, gc=False):
    """What a call brought back. Tokens as billed; `text` without thinking."""

    outcome: Outcome
    text: str
    model: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    request_id: str
    error: str
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0

    def usd(self, rate: Rate) -> float:
        """What it cost."""
        return rate.usd(
            self.input_tokens, self.output_tokens, self.cache_write_tokens, self.cache_read_tokens
        )


def well_formed(reply: Reply) -> Reply:
    """A reply with U+FFFD for halves of surrogate pairs, which JSON may hold and no file can."""
    texts = {
        name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for name in ("text", "model", "stop_reason", "request_id", "error")
        if not (value := str(getattr(reply, name))).isascii()
    }
    return structs.replace(reply, **texts) if texts else reply


# Makes one reply durable, soon or at once, before what brought it is forgotten.
Deliver = Callable[[str, Purpose, Reply], None]


class Provider(Protocol):
    """Turns calls into replies. `encode` is pure: it alone decides the bytes that make the key.

    `max_bytes`: the largest body that one request may have.
    """

    name: str
    free: bool
    max_bytes: int

    def encode(self, request: Request) -> dict[str, Json]:
        """The wire body of a request."""

    def unsettled(self) -> bool:
        """Whether an earlier run left something that asking (even nothing) would bring in."""

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Answer every call, in any order; after `commit` what was delivered is durable.

        Raises:
            ProviderError: some calls could not be answered; what was delivered is kept.
        """


def encode(provider: Provider, request: Request) -> bytes:
    """The canonical bytes of a request's wire body."""
    return canonical(provider.encode(request))


def call(body: bytes, sample: int, purpose: Purpose) -> Call:
    """A call for one sample of a body."""
    return Call(body, sample, request_key(body, sample), purpose)
