"""The body of a completion request, and a completion as a reply. Pure."""

from __future__ import annotations

import math

from compiler.keys import Json
from compiler.llm.messages import Outcome, Reply, Request

# A server fills in what a body omits, some from files of the model, so nothing is left to it.
_FIXED: dict[str, Json] = {
    "n": 1,
    "echo": False,
    "stream": False,
    "ignore_eos": False,
    "skip_special_tokens": True,
}
_ENDS = {"stop": Outcome.OK, "length": Outcome.TRUNCATED}


def body(request: Request) -> dict[str, Json]:
    """Return the body of POST /v1/completions.

    The penalty on repetition is sent under the names of vLLM and of llama.cpp; each ignores the
    other's.
    """
    parameters = dict(request.parameters or {})
    return {
        **_FIXED,
        "model": request.model,
        "prompt": request.user,
        "max_tokens": request.max_tokens,
        "repeat_penalty": parameters.get("repetition_penalty", 1.0),
        **parameters,
    }


def reply(completion: dict[str, Json], request_id: str) -> Reply:
    """Return a completion as a reply."""
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    choice = choice if isinstance(choice, dict) else {}
    text, finish = choice.get("text"), str(choice.get("finish_reason"))
    outcome, error = _ENDS.get(finish, Outcome.UNKNOWN), ""
    if not isinstance(text, str):
        outcome, error, text = Outcome.UNKNOWN, "the completion has no text", ""
    elif outcome is Outcome.UNKNOWN:
        error = f"unknown reason of the end {finish[:80]!r}"
    elif not text:
        outcome, error = Outcome.EMPTY, "the completion is empty"
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Reply(
        outcome,
        text,
        str(completion.get("model", "")),
        finish,
        _count(counts, "prompt_tokens"),
        _count(counts, "completion_tokens"),
        request_id,
        error,
    )


def _count(usage: dict[str, Json], name: str) -> int:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
