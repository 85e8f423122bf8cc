"""Log probabilities of a given answer after a prompt, from a completions server.

Servers that echo the prompt (`echo` with `logprobs`, such as vLLM) give all tokens in one request.
llama.cpp cannot echo: each token of the answer is forced by a bias and its log probability before
the bias is read, one request a token, of which the server caches the prompt.

Prompt and answer are cut into tokens together. The answer begins with the first token that ends
behind the prompt, so that a token that spans both is part of the answer, and is reported.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

import msgspec
from msgspec import Struct

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.anthropic.flight import Flight, Gate
from compiler.llm.purse import Purse
from compiler.servers.failure import Failure
from compiler.servers.web import Server

_ATTEMPTS = 4
# With these statuses the server did not process the request.
_BUSY = (429, 503)
# Above any difference of two tokens' logits.
_FORCE = 1000
_SLOTS_BUSY = 2.0


class Scored(Struct, frozen=True):
    """The tokens of an answer: ids (empty if the server names none) and natural logs.

    `straddle`: the first token begins before the end of the prompt.
    """

    ids: list[int]
    logprobs: list[float]
    straddle: bool


class Completions:
    """A provider of the log probabilities of answers. Its replies hold a `Scored` as JSON.

    A request's system text is the prompt and its user text the answer. `notice`: reports a wait.
    """

    name = "completions"
    free = False
    max_bytes = 32_000_000

    def __init__(
        self, address: str, concurrency: int, purse: Purse, notice: Callable[[str], None]
    ) -> None:
        self._server = Server(address)
        self._concurrency = concurrency
        self._purse = purse
        self._notice = notice
        self._gate = Gate()
        self._echoes: bool | None = None

    def encode(self, request: Request) -> dict[str, Json]:
        """Return model, prompt and answer; the address and the way of asking are no part of it."""
        return {"model": request.model, "prompt": request.system, "answer": request.user}

    def unsettled(self) -> bool:
        """Return False, because a live reply cannot be collected later."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Score the answer of every call, some at a time.

        Raises:
            BudgetError: the next request would exceed the budget.
            ProviderError: the server cannot be used, or gives no log probabilities.
        """
        reserved: dict[str, float] = {}

        def keep(call: Call, reply: Reply) -> None:
            self._purse.release(reserved.pop(call.key, 0.0))
            deliver(call.key, call.purpose, reply)

        self._purse.foresee(Counter(each.purpose for each in calls))
        try:
            self._echoes = self._detect() if self._echoes is None else self._echoes
            flight = Flight(
                self._send,
                self._concurrency,
                self._gate,
                keep,
                commit,
                self._notice,
                self._server.address,
            )
            with flight:
                for each in calls:
                    usd = self._purse.price(each.purpose)
                    self._purse.reserve(usd, "the next request")
                    reserved[each.key] = usd
                    flight.launch(each)
                    while len(flight) >= 2 * self._concurrency:
                        flight.land()
                while len(flight):
                    flight.land()
        finally:
            self._server.close()

    def _detect(self) -> bool:
        """Return whether the server echoes prompts; llama.cpp does not, and has `/props`."""
        try:
            self._server.get("/props")
        except Failure as error:
            if error.status is None:
                raise self._error(error.message) from error
            return True
        return False

    def _send(self, call: Call) -> Reply:
        wanted = json.loads(call.body)
        found = (self._echoed if self._echoes else self._forced)(wanted)
        tokens = len(found.logprobs)
        text = msgspec.json.encode(found).decode("utf-8")
        return Reply(Outcome.OK, text, wanted["model"], "scored", tokens, 0, "", "")

    def _echoed(self, wanted: Mapping[str, str]) -> Scored:
        prompt, answer = wanted["prompt"], wanted["answer"]
        body: dict[str, Json] = {
            "model": wanted["model"],
            "prompt": prompt + answer,
            "max_tokens": 1,
            "echo": True,
            "logprobs": 1,
            "temperature": 0,
        }
        reply = self._post("/v1/completions", body)
        try:
            chosen = cast(Mapping[str, Mapping[str, list[Json]]], reply["choices"][0])["logprobs"]  # pyrefly: ignore[bad-index, unsupported-operation]
            texts = [str(each) for each in chosen["tokens"]]
            starts = [int(cast(float, each)) for each in chosen["text_offset"]]
            logs = chosen["token_logprobs"]
        except (KeyError, TypeError, IndexError) as error:
            raise self._error("its reply has no log probabilities of the prompt") from error
        end = len(prompt) + len(answer)
        own = [
            place
            for place, (text, start) in enumerate(zip(texts, starts, strict=True))
            if start + len(text) > len(prompt) and start < end
        ]
        values = [logs[place] for place in own]
        if not own or starts[0] != 0 or any(not isinstance(each, float | int) for each in values):
            raise self._error("its reply has no log probabilities of the prompt")
        numbers = [float(cast(float, each)) for each in values]
        return Scored([], numbers, starts[own[0]] < len(prompt))

    def _forced(self, wanted: Mapping[str, str]) -> Scored:
        prompt, answer = wanted["prompt"], wanted["answer"]
        ids, first, straddle = self._cut(prompt, answer)
        numbers = [self._token(ids[:place], ids[place]) for place in range(first, len(ids))]
        return Scored(ids[first:], numbers, straddle)

    def _cut(self, prompt: str, answer: str) -> tuple[list[int], int, bool]:
        """Return the ids of prompt and answer, the place of the answer, and if a token spans it."""
        body: dict[str, Json] = {"content": prompt + answer, "with_pieces": True}
        plain = _pieces(self._post("/tokenize", {**body, "add_special": False}))
        whole = _pieces(self._post("/tokenize", {**body, "add_special": True}))
        if not plain or plain != whole[len(whole) - len(plain) :]:
            raise self._error("its tokenizer puts special tokens behind a prompt")
        added, reach, join = len(whole) - len(plain), 0, len(prompt.encode("utf-8"))
        for place, (_, size) in enumerate(plain):
            if reach + size > join:
                return [each for each, _ in whole], added + place, reach < join
            reach += size
        raise self._error("its tokenizer drops the end of a text")

    def _token(self, before: Sequence[int], wanted: int) -> float:
        body: dict[str, Json] = {
            "prompt": [*before],
            "n_predict": 1,
            "n_probs": 1,
            "logit_bias": [[wanted, _FORCE]],
            "samplers": ["temperature"],
            "temperature": 1.0,
            "post_sampling_probs": False,
            "cache_prompt": True,
        }
        reply = self._post("/completion", body)
        try:
            found = cast(Mapping[str, Json], reply["completion_probabilities"][0])  # pyrefly: ignore[bad-index, unsupported-operation]
            number, value = found["id"], found["logprob"]
        except (KeyError, TypeError, IndexError) as error:
            raise self._error("its reply has no log probability") from error
        if number != wanted or not isinstance(value, float | int):
            raise self._error(f"it did not write the forced token {wanted}")
        return float(value)

    def _post(self, path: str, body: Mapping[str, Json]) -> Mapping[str, Json]:
        content = json.dumps(body).encode("utf-8")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._server.post(path, content)
            except Failure as error:
                if error.status not in _BUSY or attempt == _ATTEMPTS:
                    raise self._error(error.message) from error
                time.sleep(_SLOTS_BUSY * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _error(self, message: str) -> ProviderError:
        return ProviderError(
            f"the completions server cannot be used: {message}",
            where=self._server.address,
            hint="it must give log probabilities of a prompt: vLLM, or llama.cpp's server",
        )


def _pieces(reply: Mapping[str, Json]) -> list[tuple[int, int]]:
    """Return the tokens of a text: id, and size in bytes of its piece."""
    found = []
    for each in cast(list[Mapping[str, Json]], reply["tokens"]):
        piece = each["piece"]
        size = len(piece.encode("utf-8")) if isinstance(piece, str) else len(cast(list[int], piece))
        found.append((cast(int, each["id"]), size))
    return found
