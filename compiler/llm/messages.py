"""Requests, calls and replies in types that are independent of providers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Literal, Protocol

from msgspec import Struct, json, structs

from compiler.keys import Json, bytes_digest, canonical, request_key
from compiler.llm.prices import Rate


class Outcome(StrEnum):
    """The outcome of a call. Those that a message came back for are billed.

    Only the text of OK and, as an answer, of TRUNCATED is used. PAUSED: the server stopped in the
    middle of a turn; EMPTY: a complete message without text; UNKNOWN: a stop reason or a content
    block that is not expected, so its text may not be all of the reply. These replies stay in the
    log like ERRORED ones, and `probec retry` sends their requests again.
    """

    OK = "ok"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    PAUSED = "paused"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    ERRORED = "errored"
    EXPIRED = "expired"
    CANCELED = "canceled"


BILLED = (
    Outcome.OK,
    Outcome.TRUNCATED,
    Outcome.REFUSED,
    Outcome.PAUSED,
    Outcome.EMPTY,
    Outcome.UNKNOWN,
)


class Request(Struct, frozen=True):
    """A request to a model, before a provider encodes it.

    `schema`: a JSON schema that the reply must satisfy; `cache`: the lifetime of the system text in
    the provider's prompt cache, None for no caching; `sampling`: sampling parameters by name, of a
    completion every one beside `max_tokens`. Of a completion, `user` is the text to continue.
    """

    model: str
    system: str
    user: str
    max_tokens: int
    thinking_tokens: int | None
    schema: Json = None
    cache: Literal["5m", "1h"] | None = None
    sampling: tuple[tuple[str, Json], ...] = ()


class Purpose(Struct, frozen=True):
    """The account of a call in the cost ledger. Not part of a request key.

    `expected_usd`: dollars per call, estimated before sending.
    """

    build: str
    role: str
    round: int
    provider: str
    model: str
    rate: Rate
    expected_usd: float


class Call(Struct, frozen=True):
    """The exact wire body of a request, a sample index, and the request key of the two.

    `place`: the document or row that the request is about, for messages; "" if unknown.
    """

    body: bytes
    sample: int
    key: str
    purpose: Purpose
    place: str = ""

    @property
    def about(self) -> str:
        """Return the role and the row of the request, for messages."""
        return f"the {self.purpose.role}'s request about {self.place or self.key[:12]}"


class Reply(Struct, frozen=True, gc=False):
    """The result of a call. Token counts are as billed; `text` excludes thinking."""

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

    def digest(self) -> str:
        """Return a digest of all that a build can depend on, which is all but the request's id."""
        billed = (self.input_tokens, self.output_tokens)
        cached = (self.cache_write_tokens, self.cache_read_tokens)
        parts = (self.outcome, self.text, self.model, self.stop_reason, self.error, billed, cached)
        return bytes_digest(json.encode(parts))

    def usd(self, rate: Rate) -> float:
        """Return the cost in US dollars."""
        return rate.usd(
            self.input_tokens, self.output_tokens, self.cache_write_tokens, self.cache_read_tokens
        )


def well_formed(reply: Reply) -> Reply:
    """Return a reply with U+FFFD for lone surrogates, which JSON may hold but UTF-8 cannot."""
    texts = {
        name: value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        for name in ("text", "model", "stop_reason", "request_id", "error")
        if not (value := str(getattr(reply, name))).isascii()
    }
    return structs.replace(reply, **texts) if texts else reply


# Takes the reply to a key, for a purpose, into the log. It is durable after the next commit.
Deliver = Callable[[str, Purpose, Reply], None]


class Provider(Protocol):
    """A source of replies to calls.

    `encode` is pure and alone determines the bytes of the request key. `free`: replies cost nothing
    and are not booked. `max_bytes`: the largest body that one request may have.
    """

    name: str
    free: bool
    max_bytes: int

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the wire body of a request."""

    def unsettled(self) -> bool:
        """Return whether an earlier run left replies that `ask` collects, even without calls."""

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Deliver a reply to every call, in any order; `commit` makes delivered replies durable.

        Raises:
            ProviderError: some calls got no reply; the delivered replies are kept.
        """


def encode(provider: Provider, request: Request) -> bytes:
    """Return the canonical bytes of a request's wire body."""
    return canonical(provider.encode(request))


def call(body: bytes, sample: int, purpose: Purpose, place: str = "") -> Call:
    """Return the call for one sample of a body."""
    return Call(body, sample, request_key(body, sample), purpose, place)
