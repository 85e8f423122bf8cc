"""What is asked and what comes back, in our words; no provider's types travel upward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from compiler.keys import Json, canonical, request_key


class Outcome(StrEnum):
    """How a call ended. `errored`, `expired` and `canceled` are not kept as replies."""

    OK = "ok"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model, before a provider gives it its wire form."""

    model: str
    system: str
    user: str
    max_tokens: int
    thinking_tokens: int | None


@dataclass(frozen=True, slots=True)
class Call:
    """The exact body that goes over the wire, which sample of it, and the key of the two."""

    body: bytes
    sample: int
    key: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What a call brought back. Tokens as billed; `text` without thinking."""

    outcome: Outcome
    text: str
    model: str
    stop_reason: str
    input_tokens: int
    output_tokens: int
    request_id: str
    error: str


class Provider(Protocol):
    """Turns calls into replies. `encode` is pure: it alone decides the bytes that make the key."""

    name: str
    free: bool

    def encode(self, request: Request) -> dict[str, Json]:
        """The wire body of a request."""

    def ask(self, calls: Sequence[Call], deliver: Callable[[Call, Reply], None]) -> None:
        """Answer every call, in any order; `deliver` makes each reply durable before returning.

        Raises:
            ProviderError: some calls could not be answered; what was delivered is kept.
        """


def encode(provider: Provider, request: Request) -> bytes:
    """The canonical bytes of a request's wire body."""
    return canonical(provider.encode(request))


def call(body: bytes, sample: int) -> Call:
    """A call for one sample of a body."""
    return Call(body, sample, request_key(body, sample))
