"""A completions server on loopback with a known model: each byte of a text has one log probability.

It speaks either dialect: it echoes prompts as vLLM does, or has llama.cpp's own endpoints.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast


def log_of(token: str) -> float:
    """Return the log probability of a token: -0.25 for each of its characters, -1 for a space."""
    return sum(-1.0 if each == " " else -0.25 for each in token)


def cut(text: str) -> list[str]:
    """Cut a text into tokens of three characters; the last may be shorter."""
    return [text[at : at + 3] for at in range(0, len(text), 3)]


class _Handler(BaseHTTPRequestHandler):
    echoes = True
    busy = 0
    bodies: list[dict[str, Any]]
    vocabulary: dict[str, int]

    def do_GET(self) -> None:
        self._send({} if not self.echoes else None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if type(self).busy:
            type(self).busy -= 1
            self._send(None, 503)
            return
        self.bodies.append({"path": self.path, **body})
        if self.path == "/v1/completions" and self.echoes:
            self._send(self._completion(str(body["prompt"])))
        elif self.path == "/tokenize":
            self._send({"tokens": self._tokens(str(body["content"]), added=body["add_special"])})
        elif self.path == "/completion":
            self._send(self._forced(body))
        else:
            self._send(None)

    def _completion(self, text: str) -> dict[str, Any]:
        tokens = [*cut(text), "!"]
        starts = [sum(map(len, tokens[:at])) for at in range(len(tokens))]
        logs = [None, *map(log_of, tokens[1:])]
        found = {"tokens": tokens, "text_offset": starts, "token_logprobs": logs}
        return {"choices": [{"logprobs": found}]}

    def _tokens(self, text: str, *, added: bool) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = [{"id": 0, "piece": "<s>"}] if added else []
        for each in cut(text):
            number = self.vocabulary.setdefault(each, len(self.vocabulary) + 1)
            found.append({"id": number, "piece": each})
        return found

    def _forced(self, body: dict[str, Any]) -> dict[str, Any]:
        ((number, force),) = cast(list[list[int]], body["logit_bias"])
        assert force > 100
        assert not body["post_sampling_probs"]
        assert cast(list[int], body["prompt"])[0] == 0
        token = next(text for text, known in self.vocabulary.items() if known == number)
        return {"completion_probabilities": [{"id": number, "logprob": log_of(token)}]}

    def _send(self, value: dict[str, Any] | None, status: int = 404) -> None:
        data = json.dumps(value or {}).encode()
        self.send_response(200 if value is not None else status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@contextmanager
def served(*, echoes: bool, busy: int = 0) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Serve one dialect; yields the address and the bodies received.

    `busy`: number of requests to refuse first.
    """
    handler = type("Handler", (_Handler,), {"echoes": echoes, "busy": busy, "bodies": [],
                                            "vocabulary": {}})  # fmt: skip
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.bodies  # pyrefly: ignore[missing-attribute]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
