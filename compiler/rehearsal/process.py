"""The client side of a rehearsal server: a child process and its control routes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import cast
from urllib.parse import urlsplit

from compiler.errors import ProviderError
from compiler.keys import Json

_ROOT = Path(__file__).parents[2]
Rules = Sequence[dict[str, Json]]
Option = str | int | float | bool | Sequence[str] | Path | None


class Rehearsal:
    """A running server in a child process. Leaving the `with` block stops it; its state stays."""

    def __init__(self, state: Path, arguments: Sequence[str]) -> None:
        self.state = state
        self.base_url = ""
        self._arguments = tuple(arguments)
        self._process: subprocess.Popen[str] | None = None
        self._launch()

    @classmethod
    def start(cls, state: Path, *, faults: Rules = (), **options: Option) -> Rehearsal:
        """Start a server on a state directory; `options` are those of its command line.

        Raises:
            ProviderError: the server does not start.
        """
        state = state.resolve()
        state.mkdir(parents=True, exist_ok=True)
        arguments: list[str] = []
        for name, value in options.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                arguments.append(flag)
            elif isinstance(value, Sequence) and not isinstance(value, str):
                arguments += [part for item in value for part in (flag, item)]
            elif value is not None and value is not False:
                arguments += [flag, str(value)]
        server = cls(state, arguments)
        if faults:
            server.faults(faults)
        return server

    @property
    def pid(self) -> int:
        """The process id of the server."""
        assert self._process is not None
        return self._process.pid

    def ledger(self) -> dict[str, Json]:
        """Return the server's ledger: created batches, billed requests, tokens and US dollars."""
        return cast(dict[str, Json], self.control("GET", "ledger"))

    def faults(self, rules: Rules, *, append: bool = False) -> None:
        """Replace the fault rules, or append to them."""
        self.control("POST", "faults", {"append": [*rules]} if append else [*rules])

    def faults_left(self) -> list[dict[str, Json]]:
        """Return the fault rules with their remaining counts."""
        return cast(list[dict[str, Json]], self.control("GET", "faults"))

    def advance(self, seconds: float) -> None:
        """Move the clock by virtual seconds, and wait until every batch due by then has ended."""
        self.control("POST", "clock", {"advance": seconds})

    def speed(self, factor: float) -> None:
        """Set the speed of the clock, in virtual seconds per real second."""
        self.control("POST", "clock", {"speed": factor})

    def now(self) -> float:
        """Return the virtual time, in seconds since the epoch."""
        clock = cast(dict[str, Json], self.control("GET", "clock"))
        return cast(float, clock["seconds"])

    def add_foreign(self, n: int) -> None:
        """Add another customer's batch of `n` requests."""
        self.control("POST", "add_foreign", {"n": n})

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def stop(self) -> None:
        """Stop the server with SIGTERM, after 10 seconds with SIGKILL."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._reap()

    def restart(self) -> None:
        """Stop the server if it runs, and start it again with the same port and state.

        Raises:
            ProviderError: the server does not start.
        """
        self.stop()
        self._launch()

    def control(self, method: str, name: str, body: Json = None) -> Json:
        """Call a control route, bypassing any proxy.

        Raises:
            ProviderError: the server refuses the call.
        """
        place = urlsplit(self.base_url)
        connection = HTTPConnection(str(place.hostname), place.port, timeout=120)
        try:
            data = None if body is None else json.dumps(body).encode()
            connection.request(method, f"/_ctl/{name}", data)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise ProviderError(f"the rehearsal server refused {name}: {answer.decode()}")
        return cast(Json, json.loads(answer))

    def __enter__(self) -> Rehearsal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _launch(self) -> None:
        port = ["--port", str(urlsplit(self.base_url).port)] if self.base_url else []
        log = self.state / "server.log"
        with log.open("a", encoding="utf-8") as errors:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "compiler.rehearsal",
                    "--state",
                    str(self.state),
                    *self._arguments,
                    *port,
                ],
                cwd=_ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self.kill()
            raise ProviderError(
                "the rehearsal server did not start", where=str(log), hint="read its log"
            )
        self.base_url = str(json.loads(line)["base_url"])

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
