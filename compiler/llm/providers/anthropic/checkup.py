"""Checks before the first request: key, environment, SDK, server, clock, models."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

from compiler.errors import ProviderError
from compiler.llm.providers.anthropic.client import Client
from compiler.servers.failure import Failure

# In the SDK's order of precedence.
_KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE")
_ADDRESSES = ("ANTHROPIC_BASE_URL",)
_ROUTES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "ANTHROPIC_CUSTOM_HEADERS")
_SKEW = 60.0
# Statuses for a model that does not exist, or for a server that shows no single model.
_UNSHOWN = (404, 405, 501)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    what: str
    state: Literal["ok", "note", "bad"]
    detail: str


def environment(names: Mapping[str, str] = os.environ, *, needed: bool = True) -> Iterator[Finding]:
    """Yield the origin of key and address, and the SDK's version; key values are never shown.

    `needed`: a role of the spec has a paid provider, so that a missing key is an error.
    """
    have = [name for name in _KEYS if names.get(name)]
    if have:
        more = f"; also set, but not used: {', '.join(have[1:])}" if len(have) > 1 else ""
        yield Finding("key", "note" if more else "ok", f"from {have[0]}{more}")
    else:
        state: Literal["bad", "note"] = "bad" if needed else "note"
        why = f"set {_KEYS[0]} (a profile file may hold one too)" if needed else "not needed"
        yield Finding("key", state, f"none: {why}")
    for name in (*_ADDRESSES, *_ROUTES):
        for spelling in (name, name.lower()):
            if names.get(spelling):
                shown = "set" if "HEADERS" in name else without_password(names[spelling])
                yield Finding("environment", "note", f"{spelling}: {shown}")
    yield Finding("SDK", "ok", f"anthropic {version('anthropic')}, httpx2 {version('httpx2')}")


def without_password(address: str) -> str:
    """Return an address without the user name and password in it."""
    scheme, there, rest = address.rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{there}{host.rpartition('@')[2]}{slash}{path}"


def server(base_url: str | None, models: set[str]) -> Iterator[Finding]:
    """Yield checks of the server's availability, its clock and its models. They cost nothing."""
    client = Client(base_url)
    try:
        yield from _server(client, models)
    finally:
        client.close()


def _server(client: Client, models: set[str]) -> Iterator[Finding]:
    try:
        endpoint = client.endpoint
        theirs = client.server_time()
    except Failure as failure:
        bad = failure.status != 404
        yield Finding("server", "bad" if bad else "note", f"models not listed: {failure.message}")
        if bad:
            return
        theirs = None
    except ProviderError as error:
        yield Finding("server", "bad", str(error))
        return
    else:
        shown = without_password(endpoint)
        yield Finding("server", "ok", f"{shown} responds and accepts the key")
    if theirs is not None:
        skew = theirs - time.time()
        state: Literal["ok", "note"] = "ok" if abs(skew) <= _SKEW else "note"
        yield Finding("clock", state, f"server time minus local time: {skew:+.0f} s")
    for model in sorted(models):
        try:
            found = client.get(f"/v1/models/{model}")
        except Failure as failure:
            unknown = failure.status in _UNSHOWN
            message = failure.message
            yield _listed(client, model) if unknown else Finding(f"model {model}", "bad", message)
        else:
            name = found.get("display_name") or found.get("id")
            yield Finding(f"model {model}", "ok", f"{name}")


def _listed(client: Client, model: str) -> Finding:
    """Look up a model in the server's list, for servers that list models but do not show one."""
    try:
        data = client.get("/v1/models?limit=1000").get("data")
    except Failure as failure:
        text = f"not checked: the server shows no models ({failure.message})"
        return Finding(f"model {model}", "note", text)
    cards = data if isinstance(data, list) else []
    names = [str(each.get("id")) for each in cards if isinstance(each, dict)]
    if model in names:
        return Finding(f"model {model}", "ok", "in the server's list (it shows no single model)")
    more = ", ..." if len(names) > _SHOWN else ""
    have = f"which lists {', '.join(names[:_SHOWN])}{more}" if names else "which lists none"
    return Finding(f"model {model}", "bad", f"unknown to the server, {have}")
