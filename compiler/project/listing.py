"""A dispatcher that lists requests instead of sending them."""

from __future__ import annotations

from msgspec import Struct

from compiler.keys import request_key
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Provider, Purpose, Request, encode
from compiler.llm.prices import Rate
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog


class Listed(Struct, frozen=True):
    """One listed request.

    `key`: of its wire body and sample; `place`: document and slot that it is about; `bytes`: size
    of its body; `system`: characters of its system text.
    """

    key: bytes
    place: str
    sample: int
    scope: str
    bytes: int
    system: int


class Listing(Dispatcher):
    """A dispatcher that records the requests of a stage and sends none."""

    def __init__(self, provider: Provider, log: ResponseLog) -> None:
        none = Purpose("", "", 0, "", "", Rate(0.0, 0.0), 0.0)
        super().__init__(provider, log, Purse(0.0), none, lambda *_: None)
        self._noted: list[Listed] = []
        self._focus: tuple[str, int] | None = None
        self._found: bytes | None = None

    def want(self, request: Request, samples: range, round_index: int, place: str) -> None:
        """Refuse to send: requests are only listed."""
        raise AssertionError("a listing sends no requests")

    def price(self, request: Request, samples: range, place: str, scope: str) -> None:
        """Record the requests; only the body that `look` asked for is kept."""
        body = encode(self.provider, request)
        if self._focus is not None:
            if self._focus[0] == place and self._focus[1] in samples:
                self._found = body
            return
        for sample in samples:
            key = bytes.fromhex(request_key(body, sample))
            size, system = len(body), len(request.system)
            self._noted.append(Listed(key, place, sample, scope, size, system))

    def take(self) -> list[Listed]:
        """Return the requests recorded since the last call."""
        noted = self._noted
        self._noted = []
        return noted

    def look(self, place: str, sample: int) -> None:
        """From now on record nothing, but keep the body of this request."""
        self._focus, self._found = (place, sample), None

    def seen(self) -> bytes:
        """Return the body that `look` asked for, and record requests again."""
        assert self._found is not None
        self._focus = None
        return self._found
