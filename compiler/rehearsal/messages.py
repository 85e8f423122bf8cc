"""The synchronous routes of the API: messages, token counts, models."""

from __future__ import annotations

import json

from compiler.rehearsal.errors import Refused
from compiler.rehearsal.http import Request, Response, TooLarge
from compiler.rehearsal.processing import totals
from compiler.rehearsal.respond import answer, events, params_digest, prompt
from compiler.rehearsal.service import Service, json_response
from compiler.rehearsal.validation import Refusal, count_refusal, refusal

_LIMIT = 32_000_000


async def create(service: Service, request: Request) -> Response:
    """Answer POST /v1/messages.

    Raises:
        Refused: the params are invalid.
    """
    params = await _params(request)
    version = request.headers["anthropic-version"]
    _raise(refusal(params, version, service.catalogue, batched=False))
    try:
        digest = params_digest(params)
    except ValueError as error:
        raise Refused(400, str(error)) from error
    # Counted before the response exists, so that a concurrent call gets another sample.
    sample = service.store.times(digest)
    service.store.answer([(digest, 1)])
    given = answer(
        params,
        digest,
        sample,
        "standard",
        echo=service.echo,
        cached=service.store.has_prefix,
    )
    with service.store.transaction():
        service.store.keep_prefixes(given.prefixes)
        service.store.add("messages", 1)
        service.store.add("usd", service.catalogue.usd(given.usage, "standard"))
        for name, amount in totals(given).items():
            service.store.add(name, amount)
    if params.get("stream"):
        return Response(
            200, events(given.message), "text/event-stream; charset=utf-8", framing="chunked"
        )
    return json_response(given.message)


async def count_tokens(service: Service, request: Request) -> Response:
    """Answer POST /v1/messages/count_tokens.

    Raises:
        Refused: the params are invalid.
    """
    params = await _params(request)
    _raise(count_refusal(params, request.headers["anthropic-version"], service.catalogue))
    return json_response({"input_tokens": prompt(params).tokens})


def models(service: Service) -> Response:
    """Answer GET /v1/models with all models on one page."""
    names = service.catalogue.names()
    cards = [service.catalogue.card(name) for name in names]
    return json_response(
        {"data": cards, "has_more": False, "first_id": names[0], "last_id": names[-1]}
    )


def model(service: Service, name: str) -> Response:
    """Answer GET /v1/models/{id}.

    Raises:
        Refused: the model is unknown.
    """
    if name not in service.catalogue:
        raise Refused(404, f"model: {name}")
    return json_response(service.catalogue.card(name))


async def _params(request: Request) -> dict[str, object]:
    try:
        params = json.loads(await request.body(_LIMIT))
    except TooLarge as error:
        raise Refused(413, "Request exceeds the maximum size") from error
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"The request body is not valid JSON: {error}") from error
    if not isinstance(params, dict):
        raise Refused(400, "The request body is not a JSON object")
    return params


def _raise(refused: Refusal | None) -> None:
    if refused is not None:
        status = 404 if refused.type == "not_found_error" else 400
        raise Refused(status, refused.message)
