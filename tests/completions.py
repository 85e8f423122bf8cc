"""A completion server for tests: seeded texts, counted requests, and faults on demand."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_WORDS = (
    "keeper lamp storm harbour stone ledger window captain winter signal boat council letter "
    "island market bridge orchard engine village mountain river treaty school road mill"
).split()


@dataclass
class Server:
    """The behaviour of the server, and the requests that it answered."""

    model: str = "tiny-base"
    context: int = 4096
    ignores_seed: bool = False
    leak: str = ""
    textless: bool = False
    # The text of every reply, if not one drawn from its seed.
    fixed: str | None = None
    # The number of next requests that are refused, and the status of the refusal.
    refused: int = 0
    status: int = 503
    # Answers this number of requests, and then stops answering until `free` is set; the number of
    # requests since then.
    stalls_after: int | None = None
    stalled: int = 0
    free: threading.Event = field(default_factory=threading.Event)
    bodies: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    @property
    def most_repeated(self) -> int:
        """The most requests with one body."""
        return max(Counter(json.dumps(each, sort_keys=True) for each in self.bodies).values())

    def completion(self, body: dict[str, Any]) -> dict[str, Any]:
        """Answer a request."""
        prompt, most, seed = str(body["prompt"]), int(str(body["max_tokens"])), body["seed"]
        choice: dict[str, Any] = {"index": 0, "finish_reason": "length"}
        if not self.textless:
            drawn = self.text(prompt, int(str(seed)), most)
            choice["text"] = drawn if self.fixed is None else self.fixed
        usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": most}
        return {"id": "cmpl-1", "model": self.model, "choices": [choice], "usage": usage}

    def text(self, prompt: str, seed: int, most: int) -> str:
        """Write paragraphs of sentences from a seed."""
        source = f"{prompt}/{0 if self.ignores_seed else seed}"
        words = []
        for number in range(most):
            draw = hashlib.sha256(f"{source}/{number}".encode()).digest()
            word = _WORDS[draw[0] % len(_WORDS)]
            words.append(f"{word}{draw[1]}" if draw[2] < 90 else word)
            if number % 11 == 10:
                words[-1] += ".\n\n" if number % 44 == 43 else "."
        return f" {self.leak}" + " ".join(words).replace("\n\n ", "\n\n")


class _Handler(BaseHTTPRequestHandler):
    server: _Http  # pyrefly: ignore[bad-override-mutable-attribute]

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _send(self, status: int, value: object) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 503:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        own = self.server.own
        if self.path == "/v1/models":
            row = {"id": own.model, "max_model_len": own.context}
            self._send(200, {"object": "list", "data": [row]})
        elif self.path == "/version":
            self._send(200, {"version": "0.0-test"})
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        own = self.server.own
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body["model"] != own.model:
            message = f"The model `{body['model']}` does not exist."
            self._send(404, {"error": {"message": message, "type": "NotFoundError"}})
            return
        if len(body["prompt"].split()) + body["max_tokens"] > own.context:
            message = f"This model's maximum context length is {own.context} tokens."
            self._send(400, {"error": {"message": message, "type": "BadRequestError"}})
            return
        with self.server.lock:
            refused, own.refused = own.refused > 0, max(0, own.refused - 1)
            stalled = own.stalls_after is not None and len(own.bodies) >= own.stalls_after
            own.stalled += stalled
            if not refused and not stalled:
                own.bodies.append(body)
        if stalled:
            own.free.wait(30)
            self.close_connection = True
        elif refused:
            self._send(own.status, {"error": {"message": "try later"}})
        else:
            self._send(200, own.completion(body))


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, own: Server) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.own = own
        self.lock = threading.Lock()


@contextmanager
def serving(**options: object) -> Iterator[Server]:
    """Serve on a free port of the loopback interface."""
    server = Server(**options)  # pyrefly: ignore[bad-argument-type]
    http = _Http(server)
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.free.set()
        http.shutdown()
        http.server_close()
        thread.join()
