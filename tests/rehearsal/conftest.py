"""A rehearsal server whose clock stands still until a test advances it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import cast

import pytest
from anthropic import Anthropic

from compiler.keys import Json
from compiler.rehearsal.process import Rehearsal

LATENCY = 100.0
BATCHES = "/v1/messages/batches"


@dataclass(frozen=True)
class Answer:
    """A response over a bare connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Json]:
        return cast(dict[str, Json], json.loads(self.body))

    @property
    def error(self) -> dict[str, Json]:
        return cast(dict[str, Json], self.json["error"])


@dataclass(frozen=True)
class Bare:
    """The API without an SDK."""

    base_url: str

    def call(
        self, method: str, path: str, body: Json | bytes = None, **headers: str | None
    ) -> Answer:
        connection = HTTPConnection(self.base_url.removeprefix("http://"), timeout=30)
        sent = {"x_api_key": "test", "anthropic_version": "2026-10-21", **headers}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(
                method,
                path,
                None if body is None else data,
                {name.replace("_", "-"): value for name, value in sent.items() if value},
            )
            response = connection.getresponse()
            heads = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, heads, response.read())
        finally:
            connection.close()

    def create(self, *requests: Json, **headers: str | None) -> Answer:
        return self.call("POST", BATCHES, {"requests": [*requests]}, **headers)

    def lines(self, batch: Json) -> list[dict[str, Json]]:
        body = self.call("GET", f"{BATCHES}/{batch}/results").body
        return [json.loads(line) for line in body.decode().split("\n") if line.strip()]


def params(text: str = "hello", **more: Json) -> dict[str, Json]:
    """Return valid params."""
    return {
        "model": "claude-haiku-4-5",
        "max_tokens": 4000,
        "messages": [{"role": "user", "content": text}],
        **more,
    }


def item(custom_id: str, text: str = "hello", **more: Json) -> dict[str, Json]:
    """Return one request of a batch."""
    return {"custom_id": custom_id, "params": params(text, **more)}


def items(n: int) -> list[dict[str, Json]]:
    """Return `n` different requests."""
    return [item(f"id-{number}", f"hello {number}") for number in range(n)]


def ended(server: Rehearsal, bare: Bare, *requests: Json, **headers: str | None) -> str:
    """Return the id of a batch of these requests after it has ended."""
    created = bare.create(*requests, **headers)
    assert created.status == 200, created.body
    server.advance(LATENCY)
    return cast(str, created.json["id"])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    with Rehearsal.start(
        tmp_path_factory.mktemp("rehearsal"),
        echo=True,
        speed=0,
        latency=LATENCY,
        queue_limit=50,
        max_requests=20,
        max_bytes=100_000,
        model=["another-model"],
    ) as server:
        yield server


@pytest.fixture
def server(running: Rehearsal) -> Rehearsal:
    """Provide the shared server, without faults and without open batches."""
    running.faults([])
    running.advance(LATENCY)
    return running


@pytest.fixture
def bare(server: Rehearsal) -> Bare:
    return Bare(server.base_url)


@pytest.fixture
def sdk(server: Rehearsal) -> Iterator[Anthropic]:
    with Anthropic(
        api_key="test",
        base_url=server.base_url,
        max_retries=0,
        timeout=30,
        _strict_response_validation=True,
    ) as client:
        yield client
