"""What the three asking stages share: from a role's values to requests, wanted or weighed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from compiler.engine.stage import Inputs, Part, Unsettled
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Reply, Request
from compiler.stages.context import Context, Role


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, which samples of it, and the place and scope in the dataset it is about."""

    request: Request
    samples: range
    place: str
    scope: str = ""


def requester(
    context: Context, role: Role, schema: Json = None
) -> Callable[[Mapping[str, object]], Request]:
    """A function that renders a role's prompt into a request. Templates compile at first use.

    `schema`: what the reply must satisfy if the spec asks for structured replies.
    """
    use = getattr(context.spec.models, role)
    thinking = use.thinking.budget_tokens if use.thinking else None
    prompt = None

    def request(values: Mapping[str, object]) -> Request:
        nonlocal prompt
        prompt = prompt or context.prompts.prompt(use.prompt)
        system, user = prompt.render(values)
        wanted = schema if use.structured else None
        return Request(use.model, system, user, use.max_tokens, thinking, wanted, use.cache)

    return request


def settled(dispatcher: Dispatcher, request: Request, samples: range) -> list[Reply]:
    """The replies to some samples of a request.

    Raises:
        Unsettled: one of them is not in the log yet.
    """
    found = [dispatcher.log.get(key) for key in dispatcher.keys(request, samples)]
    replies = [reply for reply in found if reply is not None]
    if len(replies) < len(found):
        raise Unsettled
    return replies


def hooks(
    dispatcher: Dispatcher, asked: Callable[[Inputs], Iterator[Asked]]
) -> tuple[Callable[[Part, Inputs], None], Callable[[Part, Inputs], None]]:
    """The `prepare` and `weigh` of a stage that asks these."""

    def prepare(part: Part, inputs: Inputs) -> None:
        for each in asked(inputs):
            dispatcher.want(each.request, each.samples, part[0], each.place)

    def weigh(part: Part, inputs: Inputs) -> None:
        for each in asked(inputs):
            dispatcher.price(each.request, each.samples, each.place, each.scope)

    return prepare, weigh
