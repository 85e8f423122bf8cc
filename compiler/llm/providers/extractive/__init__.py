"""The embedded model `extractive-1`: an honest rule-based baseline. Free, deterministic, offline.

It reads the very prompt that a paid model would, by its tags, and writes real probes from the text,
answers by retrieval from what it is shown, and judges by lexical overlap. Its rules are part of the
model's name: a rule that changes what it says makes it another model, since replies are kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.extractive import answerer, author, judge

MODEL = "extractive-1"

# The tag that tells which role a prompt plays, and who plays it.
_ROLES: tuple[tuple[str, Callable[[str, int], str]], ...] = (
    ("<slots>", author.write),
    ("<reference>", judge.grade),
    ("<passage>", answerer.read),
    ("<context", answerer.answer),
    ("<question>", answerer.guess),
)


class Extractive:
    """Answers in process."""

    name = "extractive"
    free = True
    max_bytes = 1 << 30

    def encode(self, request: Request) -> dict[str, Json]:
        """The prompt under the embedded model's own name."""
        return {"model": request.model, "system": request.system, "user": request.user}

    def unsettled(self) -> bool:
        """Never: what was asked was answered."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Answer every call at once."""
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
    """What the embedded model says to a prompt; another `sample` may say something else."""
    for tag, part in _ROLES:
        if tag in user:
            return part(user, sample)
    raise ProviderError(
        "the embedded model finds no <slots>, <question> or <reference> tag in the prompt",
        hint="keep the tags of docs/prompts.md in prompt variants",
    )
