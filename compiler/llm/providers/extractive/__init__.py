"""The embedded model `extractive-1`: a rule-based baseline. Free, deterministic, offline.

It reads the prompt of a paid model by its tags, writes real probes from the text, answers by
retrieval from the text it is shown, and judges by lexical overlap. Replies are cached, so a change
of rules that changes replies requires a new model name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.extractive import answerer, author, judge

MODEL = "extractive-1"

# The tag by which a prompt's role is known, first match first, and the function of that role.
_ROLES: tuple[tuple[str, Callable[[str, int], str]], ...] = (
    ("<slots>", author.write),
    ("<reference>", judge.grade),
    ("<passage>", answerer.read),
    ("<context", answerer.answer),
    ("<question>", answerer.guess),
)


class Extractive:
    """The embedded model as a provider, in process."""

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
            if body["model"] != MODEL:
                raise ProviderError(
                    f"the embedded model is called {MODEL}, not {body['model']}",
                    hint=f"set the model to {MODEL}",
                )
            user = str(body["user"])
            text = respond(user, call.sample)
            reply = Reply(
                Outcome.OK,
                text,
                MODEL,
                "end_turn",
                len(body["system"]) // 4 + len(user) // 4,
                len(text) // 4,
                call.key[:16],
                "",
            )
            deliver(call.key, call.purpose, reply)


def respond(user: str, sample: int) -> str:
    """Return the embedded model's reply to a prompt, which may depend on the sample index.

    Raises:
        ProviderError: the prompt has no tag of any role.
    """
    for tag, part in _ROLES:
        if tag in user:
            return part(user, sample)
    raise ProviderError(
        "the embedded model finds no <slots>, <question> or <reference> tag in the prompt",
        hint="keep the tags of docs/prompts.md in prompt variants",
    )
