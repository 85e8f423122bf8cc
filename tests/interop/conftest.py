"""Third-party servers and clients, each in an environment of its own that `make interop` creates.

They were written without knowledge of this project, so our client and our rehearsal server are
checked against independent readings of the API and not only against each other.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.conftest import ROOT

_ENVIRONMENTS = ROOT / ".venv-interop"
_STARTING = 60.0


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_CUSTOM_HEADERS"):
        monkeypatch.delenv(name, raising=False)


def program(package: str, name: str) -> str:
    """Return the path of a package's program; skip the test if its environment is missing."""
    path = _ENVIRONMENTS / package / "bin" / name
    if not path.exists():
        pytest.skip(f"{package} is not installed: run `make interop`")
    return str(path)


def ran(command: list[str], folder: Path, **environment: str) -> str:
    """Run a program, which must succeed, and return its output."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def got(port: int, path: str) -> tuple[int, bytes]:
    """Return the response to a GET over a bare connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path, headers={"x-api-key": "test-key"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@contextmanager
def _served(command: Callable[[int], list[str]], log: Path) -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    with log.open("wb") as output:
        child = subprocess.Popen(command(port), stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _STARTING
        while True:
            try:
                if got(port, "/health")[0] == 200:
                    break
            except OSError:
                assert child.poll() is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                time.sleep(0.1)
        yield port
    finally:
        child.terminate()
        child.wait(20)


@pytest.fixture
def llmock(tmp_path: Path) -> Iterator[int]:
    """Start the published llmock and return its port. A batch takes it three seconds."""
    serve = program("llmock", "llmock")
    with _served(
        lambda port: [serve, "serve", "--host", "127.0.0.1", "--port", str(port)],
        tmp_path / "llmock.log",
    ) as port:
        yield port


@pytest.fixture
def mock_ai_api(tmp_path: Path) -> Iterator[int]:
    """Start the published mock-ai-api and return the port of its Messages side."""
    python = program("mock-ai-api", "python")
    with _served(
        lambda port: [
            *(python, "-m", "uvicorn", "app.anthropic_app:app"),
            *("--host", "127.0.0.1", "--port", str(port)),
        ],
        tmp_path / "mock-ai-api.log",
    ) as port:
        yield port
