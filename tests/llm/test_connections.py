"""Connections of the live client to a server that streams over persistent connections."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compiler.llm.providers.anthropic.client import Client

BODY = b'{"max_tokens":9000,"messages":[{"content":"u","role":"user"}],"model":"m"}'


class Server(ThreadingHTTPServer):
    """A server that counts connections. `ends`: it sends the last chunk of each response.

    `hangs`: seconds for which a response without one is left open.
    """

    ends = True
    hangs = 0.0
    connections = 0

    def process_request(self, request: object, client_address: object) -> None:
        self.connections += 1
        super().process_request(request, client_address)  # pyrefly: ignore[bad-argument-type]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server  # pyrefly: ignore[bad-override-mutable-attribute]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        message: dict[str, object] = {"type": "message", "model": "m", "content": []}
        for event in (
            {"type": "message_start", "message": message},
            {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
            {"type": "message_stop"},
        ):
            data = f"data: {json.dumps(event)}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        if self.server.ends:
            self.wfile.write(b"0\r\n\r\n")
        else:
            time.sleep(self.server.hangs)
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    http = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    yield http
    http.shutdown()
    thread.join()
    http.server_close()


def sent(server: Server, count: int) -> list[str | None]:
    client = Client(f"http://127.0.0.1:{server.server_port}", patience=0.3)
    try:
        found = [client.message(BODY)[0].get("stop_reason") for _ in range(count)]
    finally:
        client.close()
    return [str(each) for each in found]


def test_streamed_replies_share_a_connection(server: Server) -> None:
    assert sent(server, 4) == ["end_turn"] * 4
    assert server.connections == 1


@pytest.mark.parametrize("hangs", [0.0, 1.0])
def test_a_message_is_complete_without_the_last_chunk(server: Server, hangs: float) -> None:
    server.ends, server.hangs = False, hangs

    assert sent(server, 2) == ["end_turn"] * 2
    assert server.connections == 2


def test_threads_that_begin_at_once_share_one_client(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, real = list[Client](), Client._open

    def slow(client: Client) -> object:
        opened.append(client)
        time.sleep(0.05)
        return real(client)

    monkeypatch.setattr(Client, "_open", slow)
    client = Client(f"http://127.0.0.1:{server.server_port}")
    with ThreadPoolExecutor(4) as pool:
        replies = [*pool.map(client.message, [BODY] * 4)]
    client.close()

    assert len(replies) == 4
    assert len(opened) == 1
