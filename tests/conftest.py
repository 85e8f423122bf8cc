"""Shared fixtures: no network, a small project of its own for every test that builds."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from compiler import cli
from compiler.engine.stage import Stage
from compiler.project import opening
from compiler.project.reporter import Silent
from compiler.project.variant import Variant
from compiler.stages import bound

# Machines differ in speed, and CI must not depend on luck; by hand, every run tries new examples.
settings.register_profile("hand", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "hand")

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="accept changed golden files")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only loopback may be reached."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        assert host in ("127.0.0.1", "::1", "localhost", "local"), f"network use: {address}"
        real(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", connect)


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compare text with tests/golden/NAME, or rewrite it under --update-golden."""

    def compare(name: str, text: str) -> None:
        path = ROOT / "tests" / "golden" / name
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        expected = path.read_text(encoding="utf-8") if path.exists() else ""
        assert expected == text, f"{name} changed; if meant, run `make golden` and read the diff"

    return compare


@pytest.fixture
def stages(tmp_path: Path) -> list[Stage]:
    """All stages, bound for a spec that uses each."""
    variant = Variant(ROOT / "specs/demo.yaml", ("scoring.stop={after: 2}",), build_dir=tmp_path)
    return bound(opening.project(variant, tmp_path).context(Silent()))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's prompts, templates and specs, with a spec `tiny` of six documents."""
    return make_project(tmp_path / "project")


def make_project(root: Path) -> Path:
    """Such a copy at `root`."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, root / name)
    rows = (root / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    (root / "specs/data/tiny.jsonl").write_text("".join(rows[:40]), encoding="utf-8")
    demo = (root / "specs/demo.yaml").read_text(encoding="utf-8")
    # Baselines and audits have tests of their own; without them a build is quick.
    head, _, rest = demo.partition("scoring:\n")
    demo = head + rest[rest.index("budget:") :]
    (root / "specs/tiny.yaml").write_text(
        demo.replace("name: demo", "name: tiny")
        .replace("rollouts.jsonl", "tiny.jsonl")
        .replace("[{docs: 24}, {docs: 24}]", "[{docs: 4}, {docs: 2}]")
        .replace("shard_docs: 16", "shard_docs: 3"),
        encoding="utf-8",
    )
    return root


class Probec:
    """Runs the command line in process and keeps what it printed."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self._capsys = capsys
        self.out = ""
        self.err = ""

    def __call__(self, *args: str) -> int:
        code = 2
        try:
            code = cli.main(list(args))
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *args: str) -> dict[str, object]:
        """Run with --json, expecting success."""
        assert self(*args, "--json") == 0, self.out + self.err
        data: dict[str, object] = json.loads(self.out)
        return data


@pytest.fixture
def probec(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Probec:
    """The command line, started from the project."""
    monkeypatch.chdir(project)
    return Probec(project, capsys)
