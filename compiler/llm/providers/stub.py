"""The embedded statistical model as a provider of completions, in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from compiler.embedded import trigrams
from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request


class Stub:
    """A provider that continues texts with a model of trigrams, free and at once.

    `text`: the file that it is trained on; `revision`: the SHA-256 of that file, a part of every
    body, so that another text gives other keys. Of the sampling parameters it uses the seed and
    `max_tokens`, which counts words.
    """

    name = "stub"
    free = True
    max_bytes = 1 << 30

    def __init__(self, text: Path | None, revision: str | None) -> None:
        self._text = text
        self._revision = revision

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the text to continue, the model, its revision and the parameters."""
        return {
            "model": request.model,
            "revision": self._revision,
            "prompt": request.user,
            "max_tokens": request.max_tokens,
            **dict(request.sampling),
        }

    def unsettled(self) -> bool:
        """Return False, because every call is answered at once."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Deliver a continuation for every call.

        Raises:
            ProviderError: the spec names another model, or the text is not the declared one.
        """
        model = None
        for call in calls:
            body = json.loads(call.body)
            if body["model"] != trigrams.MODEL or self._text is None:
                raise ProviderError(
                    f"the stub is called {trigrams.MODEL} and needs a text",
                    hint=f"set model.model to {trigrams.MODEL}, and model.text to a JSONL file",
                )
            model = model or trigrams.read(self._text, self._revision)
            prompt, most = str(body["prompt"]), int(body["max_tokens"])
            text, words = model.continuation(prompt, int(body["seed"]), most)
            deliver(
                call.key,
                call.purpose,
                Reply(
                    Outcome.TRUNCATED,
                    text,
                    trigrams.MODEL,
                    "length",
                    len(prompt.split()),
                    words,
                    call.key[:16],
                    "",
                ),
            )
