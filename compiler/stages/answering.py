"""Requests to the answerer and answers from its replies, shared by `answer` and `control`."""

from __future__ import annotations

from msgspec import Struct

from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Outcome, Reply, Request
from compiler.probes.sampling import view
from compiler.stages.asking import Posed, Replies, requester
from compiler.stages.context import Context

USABLE = (Outcome.OK, Outcome.TRUNCATED)


class Answers(Struct, frozen=True):
    """The answers to one question; None for an unusable reply. `model`: as the reply names it."""

    texts: tuple[str | None, ...]
    model: str


# Words of an answer about a probe whose scope declares none, which only an evaluation asks for.
_WORDS = 60


class Answering:
    """The answerer of a spec under its own prompt."""

    def __init__(self, context: Context) -> None:
        self.dispatcher: Dispatcher = context.dispatchers["answerer"]
        self._view = context.spec.scoring.view
        self._render = requester(context, "answerer")
        self._words = {name: scope.words for name, scope in context.written().items()}
        self.params: dict[str, Json] = {
            "model": context.model_params("answerer"),
            "words": {**self._words},
            "view": self._view.model_dump(mode="json"),
            "groups": {name: scope.split for name, scope in context.written().items()},
        }

    def request(self, each: Posed, complement: str | None = None) -> Request:
        """Render the request about a probe. `complement`: a text to show instead of its own."""
        shown = complement if complement is not None else each.complement
        return self._render({**self.values(each), "context": self.shown(each, shown)})

    def values(self, each: Posed) -> dict[str, object]:
        """Return the values that the prompt of every reader gets."""
        return {
            "question": each.probe.question,
            "target": each.probe.target,
            "words": self._words.get(each.probe.scope, _WORDS),
        }

    def shown(self, each: Posed, complement: str) -> str:
        """Cut a complement to the part that the answerer sees."""
        return view(complement, each.probe.target, self._view.max_chars, self._view.keep)

    def seen(self, each: Posed) -> int:
        """Count the characters of its complement that the answerer sees."""
        return min(len(each.complement), self._view.max_chars)

    def answers(self, replies: Replies, request: Request, samples: range) -> Answers:
        """Read the replies as answers.

        Raises:
            Unsettled: a reply is not in the log yet.
        """
        found = replies.to([(request, samples)])
        return Answers(tuple(map(answer_in, found)), found[0].model)


def answer_in(reply: Reply) -> str | None:
    """Return the answer in a reply; None if it is unusable."""
    return reply.text.strip() or None if reply.outcome in USABLE else None
