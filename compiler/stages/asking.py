"""What the three asking stages share: from a role's values to a request."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.llm.messages import Request
from compiler.stages.context import Context, Role


def requester(context: Context, role: Role) -> Callable[[Mapping[str, object]], Request]:
    """A function that renders a role's prompt into a request. Templates compile at first use."""
    use = getattr(context.spec.models, role)
    thinking = use.thinking.budget_tokens if use.thinking else None
    prompt = None

    def request(values: Mapping[str, object]) -> Request:
        nonlocal prompt
        prompt = prompt or context.prompts.prompt(use.prompt)
        system, user = prompt.render(values)
        return Request(use.model, system, user, use.max_tokens, thinking)

    return request
