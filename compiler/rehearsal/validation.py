"""The API's validation of params, with its error messages.

In a batch, each request is validated when the batch is processed, not when it is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.rehearsal.catalogue import Catalogue

# From this API version on, sampling parameters are unknown keys.
_NO_SAMPLING = "2026-10-21"
_SAMPLING = ("temperature", "top_p", "top_k")
_PROMPT = {
    "model",
    "messages",
    "system",
    "thinking",
    "output_config",
    "tools",
    "tool_choice",
}
_MESSAGE = _PROMPT | {
    "max_tokens",
    "metadata",
    "stop_sequences",
    "stream",
    "service_tier",
    "inference_geo",
}
_EXTRA = "Extra inputs are not permitted"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error type and message for invalid params."""

    type: str
    message: str


def refusal(params: object, version: str, catalogue: Catalogue, *, batched: bool) -> Refusal | None:
    """Validate the params of a message; return the first error, None if there is none.

    `version`: of the API. `batched`: the params are a request of a batch.
    """
    required = ("model", "max_tokens", "messages")
    problems = _problems(params, version, required, _MESSAGE, catalogue, batched=batched)
    return _first(params, problems, catalogue)


def count_refusal(params: object, version: str, catalogue: Catalogue) -> Refusal | None:
    """Validate the params of a token count; return the first error, None if there is none."""
    required = ("model", "messages")
    problems = _problems(params, version, required, _PROMPT, catalogue, batched=False)
    return _first(params, problems, catalogue)


def _first(params: object, problems: Iterator[str], catalogue: Catalogue) -> Refusal | None:
    problem = next(problems, None)
    if problem is not None:
        return Refusal("invalid_request_error", problem)
    model = params["model"] if isinstance(params, dict) else None
    if model not in catalogue:
        return Refusal("not_found_error", f"model: {model}")
    return None


def _problems(
    params: object,
    version: str,
    required: tuple[str, ...],
    known: set[str],
    catalogue: Catalogue,
    *,
    batched: bool,
) -> Iterator[str]:
    if not isinstance(params, dict):
        yield "params: Input should be an object"
        return
    sampling = () if version >= _NO_SAMPLING else _SAMPLING
    yield from (f"{name}: Field required" for name in required if name not in params)
    yield from (f"{name}: {_EXTRA}" for name in params if name not in known | {*sampling})
    if not isinstance(params["model"], str):
        yield "model: Input should be a valid string"
    if batched and params.get("stream"):
        yield "stream: streaming is not supported in message batches"
    if "max_tokens" in params:
        yield from _max_tokens(params["max_tokens"], params["model"], catalogue)
    yield from _messages(params["messages"])
    yield from _blocks("system", params.get("system", ""))
    yield from _thinking(params.get("thinking", {"type": "disabled"}), params)
    yield from _output(params.get("output_config", {}))


def _max_tokens(value: object, model: object, catalogue: Catalogue) -> Iterator[str]:
    if type(value) is not int:
        yield "max_tokens: Input should be a valid integer"
    elif value < 1:
        yield "max_tokens: Input should be greater than or equal to 1"
    elif value > catalogue.max_tokens:
        yield (
            f"max_tokens: {value} > {catalogue.max_tokens}, which is the maximum allowed number "
            f"of output tokens for {model}"
        )


def _messages(messages: object) -> Iterator[str]:
    if not isinstance(messages, list):
        yield "messages: Input should be a valid list"
        return
    if not messages:
        yield "messages: at least one message is required"
    for index, message in enumerate(messages):
        place = f"messages.{index}"
        if not isinstance(message, dict):
            yield f"{place}: Input should be an object"
            continue
        for name in ("role", "content"):
            if name not in message:
                yield f"{place}.{name}: Field required"
        yield from (f"{place}.{name}: {_EXTRA}" for name in message.keys() - {"role", "content"})
        if message["role"] not in ("user", "assistant"):
            yield f"{place}.role: Input should be 'user' or 'assistant'"
        if not message["content"]:
            yield f"{place}: all messages must have non-empty content"
        yield from _blocks(f"{place}.content", message["content"])


def _blocks(place: str, content: object) -> Iterator[str]:
    if isinstance(content, str):
        return
    if not isinstance(content, list):
        yield f"{place}: Input should be a valid string or list"
        return
    for index, block in enumerate(content):
        here = f"{place}.{index}"
        if not isinstance(block, dict) or block.get("type") != "text":
            yield f"{here}: only blocks of type 'text' are known here"
            continue
        if not isinstance(block.get("text"), str):
            yield f"{here}.text.text: Field required"
        extra = block.keys() - {"type", "text", "cache_control", "citations"}
        yield from (f"{here}.text.{name}: {_EXTRA}" for name in extra)
        yield from _cache(f"{here}.text.cache_control", block.get("cache_control"))


def _cache(place: str, control: object) -> Iterator[str]:
    if control is None:
        return
    if not isinstance(control, dict) or control.get("type") != "ephemeral":
        yield f"{place}: Input should be of type 'ephemeral'"
    elif control.get("ttl", "5m") not in ("5m", "1h"):
        yield f"{place}.ephemeral.ttl: Input should be '5m' or '1h'"
    else:
        yield from (f"{place}.{name}: {_EXTRA}" for name in control.keys() - {"type", "ttl"})


def _thinking(thinking: object, params: dict[str, object]) -> Iterator[str]:
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if not isinstance(thinking, dict) or kind not in ("enabled", "disabled", "adaptive"):
        yield "thinking: Input should be of type 'enabled', 'disabled' or 'adaptive'"
    elif kind == "adaptive":
        yield "adaptive thinking is not supported on this model"
    elif kind == "enabled":
        budget = thinking.get("budget_tokens")
        most = params.get("max_tokens")
        if type(budget) is not int:
            yield "thinking.enabled.budget_tokens: Field required"
        elif budget < 1024:
            yield ("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        elif type(most) is int and budget >= most:
            yield "`max_tokens` must be greater than `thinking.budget_tokens`"
        if params.get("temperature", 1) != 1:
            yield "`temperature` may only be set to 1 when thinking is enabled"
        if "top_k" in params:
            yield "`top_k` must be unset when thinking is enabled"


def _output(config: object) -> Iterator[str]:
    if not isinstance(config, dict):
        yield "output_config: Input should be an object"
        return
    if "effort" in config:
        yield "This model does not support the effort parameter."
    extra = config.keys() - {"format", "effort"}
    yield from (f"output_config.{name}: {_EXTRA}" for name in extra)
    shape = config.get("format")
    if shape is None:
        return
    if not isinstance(shape, dict) or shape.get("type") != "json_schema":
        yield "output_config.format: Input should be of type 'json_schema'"
    elif not isinstance(shape.get("schema"), dict):
        yield "output_config.format.json_schema.schema: Field required"
