"""Shared fixtures: no network, and a small project for every test that builds."""

from __future__ import annotations

import atexit
import gc
import io
import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from compiler import cli
from compiler.engine.stage import Stage
from compiler.project import opening
from compiler.project.reporter import Silent
from compiler.project.variant import Variant
from compiler.stages import bound
from tests import memo
from tests.forks import Commands
from tests.servers import Forks, forked

# Subprocesses of tests import bytecode that earlier ones compiled.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# The license in the spec of `make_project`, as tests change it.
LICENSE = "license: other\n  license_name: public-domain-and-gemma-output\n"
LICENSED = ("--set", "publish.license=mit", "--set", "publish.license_name=null")
ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

# Builds write many small files, for which a file system in memory needs a fifth less CPU time.
# A full run keeps less than this many bytes at once.
MEMORY, MEMORY_BYTES = Path("/dev/shm"), 4 << 30


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="accept changed golden files")
    parser.addoption("--full", action="store_true", help="try four times as many examples")


def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile of Hypothesis and the place of temporary folders."""
    # Machines differ in speed and CI must be deterministic; elsewhere, each run has new examples.
    settings.register_profile(
        "probec",
        deadline=None,
        derandomize=bool(os.environ.get("CI")),
        max_examples=100 if config.getoption("--full") else 25,
    )
    settings.load_profile("probec")
    # Read by pytest when the first test needs a temporary folder; workers get theirs within it.
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= MEMORY_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start long tests first, so that no core is idle at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Leave the modules and items of all tests out of every later garbage collection."""
    gc.freeze()
    atexit.register(gc.unfreeze)


def pytest_sessionfinish() -> None:
    """Collect the garbage of all tests once; pytest does so five times after this hook."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _memo() -> Iterator[None]:
    """Keep results of pure functions between tests."""
    with pytest.MonkeyPatch.context() as patch:
        memo.install(patch)
        yield


@pytest.fixture(autouse=True)
def _interruptible() -> None:
    """Restore the default handler of Ctrl-C, however the suite was started.

    A shell starts background jobs with SIGINT ignored, and libraries install handlers of their own.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow connections to loopback only."""
    real = socket.socket.connect

    def connect(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else "local"
        assert host in ("127.0.0.1", "::1", "localhost", "local"), f"network use: {address}"
        real(self, address)  # pyrefly: ignore[bad-argument-type]

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
    """Bind all stages for a spec that uses each."""
    variant = Variant(ROOT / "specs/demo.yaml", ("scoring.stop={after: 2}",), build_dir=tmp_path)
    return bound(opening.project(variant, tmp_path).context(Silent()))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Copy the project's prompts, templates and specs, and add a spec `tiny` of six documents."""
    return make_project(tmp_path / "project")


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """Provide the process that servers are forked from."""
    found = Forks()
    yield found
    found.close()


@pytest.fixture
def forked_servers(forks: Forks) -> Iterator[None]:
    """Fork rehearsal servers instead of starting an interpreter for each."""
    with forked(forks):
        yield


@pytest.fixture(scope="session")
def commands() -> Iterator[Commands]:
    """Provide the process that commands are forked from."""
    found = Commands()
    yield found
    found.close()


class Builds:
    """Finished builds of the test project, each made once per process and then copied."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[tuple[tuple[str, ...], ...], Path] = {}

    def copy(self, project: Path, *commands: tuple[str, ...]) -> None:
        """Copy the files that these commands write into a new project."""
        if commands not in self._known:
            root = make_project(self._folder / str(len(self._known)))
            with chdir(root), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                for command in commands:
                    assert cli.main([*command]) == 0, command
            self._known[commands] = root
        # Receipts and source digests depend on paths, so they are not valid for a copy.
        for name, left in (("build", ("receipts", "sources.json", ".lock")), (".probec", ())):
            ignored = shutil.ignore_patterns(*left)
            shutil.copytree(self._known[commands] / name, project / name, ignore=ignored)


@pytest.fixture(scope="session")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Builds:
    """Provide finished builds as starting points of tests."""
    return Builds(tmp_path_factory.mktemp("builds"))


@pytest.fixture
def tiny(project: Path, builds: Builds) -> None:
    """Copy a finished build of `tiny` into the project."""
    builds.copy(project, ("build", "specs/tiny.yaml"))


def make_project(root: Path) -> Path:
    """Make such a copy at `root`."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, root / name)
    rows = (root / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    (root / "specs/data/tiny.jsonl").write_text("".join(rows[:40]), encoding="utf-8")
    demo = (root / "specs/demo.yaml").read_text(encoding="utf-8")
    # Baselines and audits have tests of their own; a build without them is quick.
    head, _, rest = demo.partition("scoring:\n")
    demo = head + rest[rest.index("budget:") :]
    # Six documents are too few for three splits, and tests of calibration have rules of their own.
    declared = ("  splits:", "  configs:", "calibration:")
    demo = "".join(line for line in demo.splitlines(True) if not line.startswith(declared))
    (root / "specs/tiny.yaml").write_text(
        demo.replace("name: demo", "name: tiny")
        .replace("rollouts.jsonl", "tiny.jsonl")
        .replace("[{docs: 24}, {docs: 24}]", "[{docs: 4}, {docs: 2}]")
        .replace("shard_docs: 16", "shard_docs: 3"),
        encoding="utf-8",
    )
    return root


def installed(project: Path, name: str = "tiny", build: str = "build") -> Path:
    """Return the dataset directory that was installed last, of a spec or of a variant of it."""
    own = project / build / "datasets" / name
    stamps = own.parent.glob(f"{name}*/.installed.json")
    last = max(stamps, key=lambda stamp: stamp.stat().st_mtime_ns, default=own / "none")
    return last.parent


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for an event in another thread or process."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


class Probec:
    """The command line, run in process, with its output kept."""

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

    def json(self, *args: str) -> dict[str, Any]:
        """Run with --json, expecting success."""
        assert self(*args, "--json") == 0, self.out + self.err
        data: dict[str, Any] = json.loads(self.out)
        return data


@pytest.fixture
def probec(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Probec:
    """Provide the command line, run from the project, with an output that is no terminal."""
    monkeypatch.chdir(project)
    # Set in workers of a parallel run.
    monkeypatch.delenv("COLUMNS", raising=False)
    return Probec(project, capsys)
