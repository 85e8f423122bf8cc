"""The embedded model as a provider, in process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from compiler import embedded
from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request


class Extractive:
    """A provider that answers with the embedded model, free and at once."""

    name = "extractive"
    free = True
    max_bytes = 1 << 30

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the prompt and the name of the model."""
        return {"model": request.model, "system": request.system, "user": request.user}

    def unsettled(self) -> bool:
        """Return False, because every call is answered at once."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Deliver a reply to every call.

        Raises:
            ProviderError: the spec names another model, or a prompt lacks its tags.
        """
        for call in calls:
            body = json.loads(call.body)
            if body["model"] != embedded.MODEL:
                raise ProviderError(
                    f"the embedded model is called {embedded.MODEL}, not {body['model']}",
                    hint=f"set the model to {embedded.MODEL}",
                )
            user = str(body["user"])
            text = embedded.respond(user, call.sample)
            reply = Reply(
                Outcome.OK,
                text,
                embedded.MODEL,
                "end_turn",
                len(body["system"]) // 4 + len(user) // 4,
                len(text) // 4,
                call.key[:16],
                "",
            )
            deliver(call.key, call.purpose, reply)
