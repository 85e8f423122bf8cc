"""A headless Chromium, driven over its debugging pipe."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import until

NAMES = ("chromium", "chromium-browser", "google-chrome")


class Chromium:
    """A browser with one page."""

    def __init__(self, profile: Path) -> None:
        """Start it; skip the test where there is none."""
        binary = next(filter(None, map(shutil.which, NAMES)), None)
        if binary is None:
            pytest.skip(f"no browser: none of {', '.join(NAMES)} is on the PATH")
        read, self._write = os.pipe()
        self._read, write = os.pipe()
        # The browser reads commands from descriptor 3 and writes events to 4.
        inner = f'exec "$0" "$@" 3<&{read} 4>&{write}'
        options = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-dev-shm-usage",
        )
        pipes = ("--remote-debugging-pipe", f"--user-data-dir={profile}")
        self._process = subprocess.Popen(
            ["bash", "-c", inner, binary, *options, *pipes],
            pass_fds=(read, write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self._count, self._buffer, self._session = 0, b"", ""
        try:
            page = self.send("Target.createTarget", url="about:blank")["targetId"]
        except (BrokenPipeError, EOFError):
            self.close()
            pytest.skip(f"{binary} does not start on this machine")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]

    def send(self, method: str, **params: object) -> dict[str, Any]:
        """Send one command and return its result."""
        self._count += 1
        message: dict[str, object] = {"id": self._count, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._buffer:
                got = os.read(self._read, 1 << 20)
                if not got:
                    raise EOFError("the browser ended")
                self._buffer += got
            head, _, self._buffer = self._buffer.partition(b"\0")
            found: dict[str, Any] = json.loads(head)
            if found.get("id") == self._count:
                assert "error" not in found, found["error"]
                result: dict[str, Any] = found["result"]
                return result

    def size(self, width: int, height: int) -> None:
        """Set the size of the window, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )

    def open(self, address: str) -> None:
        """Go to a page."""
        self.send("Page.navigate", url=address)

    def run(self, script: str) -> Any:  # noqa: ANN401
        """Evaluate JavaScript in the page and return its value."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> None:
        """Wait until JavaScript is true in the page, and does not throw."""
        tried = f"(() => {{ try {{ return !!({script}) }} catch {{ return false }} }})()"
        until(lambda: bool(self.run(tried)))

    def press(self, key: str) -> None:
        """Press a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._write)
        os.close(self._read)
