"""Rollouts of a real model behind a real server, where the environment names both."""

from __future__ import annotations

import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, Probec, until
from tests.e2e.test_rollouts import logged

# Named in docs/rollouts.md.
COMMAND, MODEL = "PROBEC_TEST_SERVER", "PROBEC_TEST_MODEL"
SPEC = "specs/real.yaml"
PROBES = "specs/real-probes.yaml"
KILLED_AFTER = 13
PATIENCE = 900.0


class Counting(ThreadingHTTPServer):
    """A proxy before the server, which counts the completions that it is asked for."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Forward)
        self.port = port
        self.bodies: Counter[bytes] = Counter()

    @property
    def url(self) -> str:
        """The address that specs name."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Forward(BaseHTTPRequestHandler):
    server: Counting  # pyrefly: ignore[bad-override-mutable-attribute]

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _forward(self, body: bytes | None) -> None:
        there = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE)
        there.request(self.command, self.path, body, {"Content-Type": "application/json"})
        found = there.getresponse()
        data = found.read()
        there.close()
        self.send_response(found.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self._forward(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies[body] += 1
        self._forward(body)


def free_port() -> int:
    """Return a port that is free now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def counted() -> Iterator[Counting]:
    """Start the server of the environment, behind a proxy that counts."""
    command, model = os.environ.get(COMMAND), os.environ.get(MODEL)
    if not command or not model:
        pytest.skip(f"{COMMAND} and {MODEL} name no server and model (see docs/rollouts.md)")
    if not Path(model).is_file():
        pytest.skip(f"{MODEL}: no such file {model}")
    port = free_port()
    words = [word.format(model=model, port=port) for word in shlex.split(command)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    proxy = Counting(port)
    thread = threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        until(lambda: answers(port) or server.poll() is not None, 120.0)
        assert server.poll() is None, f"{COMMAND} ended"
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        # It has nothing to save, and may take long to end by itself.
        server.kill()
        server.wait(30)


def answers(port: int) -> bool:
    """Test if the server has loaded its model."""
    time.sleep(0.5)
    with connected(port) as there:
        try:
            there.request("GET", "/v1/models")
            return there.getresponse().status == 200
        except OSError:
            return False


@contextmanager
def connected(port: int) -> Iterator[http.client.HTTPConnection]:
    """Open and close a connection."""
    there = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield there
    finally:
        there.close()


def name_of(port: int) -> str:
    """Return the name of the model at the server."""
    with connected(port) as there:
        there.request("GET", "/v1/models")
        return str(json.loads(there.getresponse().read())["data"][0]["id"])


def note(line: str) -> None:
    """Write a line that `pytest -s` shows."""
    # Not the stream that the command's output is read from.
    print(line, file=sys.__stderr__)


def write(root: Path, url: str, model: str) -> None:
    """Write the specs of ten documents with four siblings, and of probes about them."""
    (root / SPEC).write_text(
        f"""kind: rollouts
name: real
corpus: {{path: specs/data/corpus.jsonl.gz, min_chars: 1500}}
rounds: [{{docs: 10}}]
shard_docs: 5
prefix: {{unit: tokens, min: 40, max: 90, boundary: sentence}}
siblings: {{n: 4}}
model:
  provider: openai-completions
  model: {json.dumps(model)}
  tokenizer: specs/data/bpe-8k.json.gz
  base_url: {url}
  concurrency: 2
sampling: {{max_tokens: 160}}
filters: {{leak: {{}}, loop: {{}}, boilerplate: {{}}, sentence: {{}}, copies: {{}}, min_chars: 200}}
expect: {{writer: {{input: 70, output: 160}}}}
budget: {{max_usd: 0}}
max_lost: 0.9
""",
        encoding="utf-8",
    )
    demo = (root / "specs/rollouts-demo-probes.yaml").read_text(encoding="utf-8")
    demo = demo.replace("specs/rollouts-demo.yaml}", f"{SPEC}}}").replace("docs: 24", "docs: 4")
    demo = demo.replace("margin_chars: 150", "margin_chars: 60")
    (root / PROBES).write_text(
        demo.replace("name: rollouts-demo-probes", "name: real-probes"), encoding="utf-8"
    )


def test_a_killed_build_resumes_without_a_repeated_call(probec: Probec, counted: Counting) -> None:
    write(probec.root, counted.url, name_of(counted.port))
    build = subprocess.Popen(
        [sys.executable, "-m", "compiler", "build", SPEC],
        cwd=probec.root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), *sys.path))},
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    until(lambda: logged(probec.root) >= KILLED_AFTER or build.poll() is not None, PATIENCE)
    assert build.poll() is None, "the build ended before it was killed"
    build.send_signal(signal.SIGKILL)
    build.wait()
    kept, sent = logged(probec.root), counted.bodies.total()
    assert kept >= KILLED_AFTER

    first = probec.json("build", SPEC)
    again = [body for body, count in counted.bodies.items() if count > 1]
    later = counted.bodies.total() - sent
    note(f"killed with {kept} replies in the log and {sent} requests sent")
    note(f"resumed: {later} requests sent, {len(again)} of them were in flight at the kill")
    planned = first["stats"]["ledger"][0]["planned"]
    assert planned == 40
    # Every request that was not logged is sent, and no other.
    rejected = first["stats"]["ledger"][0]["rejected"]
    asked = planned - rejected.get("prefix_too_short", 0)
    assert later == asked - kept
    assert len(counted.bodies) == asked
    assert len(again) == sent - kept
    assert len({json.loads(body)["seed"] for body in counted.bodies}) == asked

    rows = pq.read_table(probec.root / "build/datasets/real/data").to_pylist()
    note(f"{len(rows)} of {planned} continuations kept; {rejected}")
    assert rows
    assert all(row["source_model"] for row in rows)
    sent = counted.bodies.total()
    built = probec.json("build", PROBES)
    for scope in built["stats"]["build"]["ledger"]:
        note(f"{scope['scope']}: {scope['built']} of {scope['planned']} slots")
    assert counted.bodies.total() == sent
    assert probec("verify-rows", "build/datasets/real-probes") == 0, probec.out
