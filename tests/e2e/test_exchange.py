"""A real cluster of two machines that share only an S3 server with this one."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_cache import bucket, s3

__all__ = ["bucket", "s3"]
# Ray leaves sockets and a subprocess to the garbage collector when it ends.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning"),
    pytest.mark.xdist_group("ray"),
]

# Loaded first by every process of the cluster. Processes may open nothing below FORBIDDEN; the
# first one that writes an output while the file `die` exists is killed.
GUARD = """
import os, signal, sys
here, forbidden = os.path.dirname(__file__), os.environ["FORBIDDEN"]
def watch(event, args):
    if event in ("open", "os.listdir", "os.scandir", "os.mkdir", "os.rename", "sqlite3.connect"):
        path = str(args[0])
        if path.startswith(forbidden):
            # Ray tells workers the caller's directory as a place of modules, which it is not here.
            if path not in sys.path:
                os.write(seen, f"{event} {path}\\n".encode())
            raise PermissionError(path)
        if event == "open" and "/objects/tmp/" in path:
            try:
                os.rename(here + "/die", f"{here}/died-{os.getpid()}")
            except FileNotFoundError:
                return
            os.kill(os.getpid(), signal.SIGKILL)
seen = os.open(here + "/seen", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
sys.addaudithook(watch)
"""

# Machines of a cluster authenticate with a token in a file of the user.
TOKEN = {"RAY_AUTH_MODE": "token"}


@dataclass
class Machines:
    """Two machines, each with a working directory and a temporary directory of its own."""

    address: str
    guard: Path
    places: tuple[Path, ...]

    def seen(self) -> str:
        """List the forbidden files that they tried to open."""
        return (self.guard / "seen").read_text()

    def left(self) -> list[Path]:
        """List the files that a build left on them."""
        return [each for place in self.places for each in place.rglob("probec-*")]


@pytest.fixture(scope="module")
def machines(s3: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    with ExitStack() as stack:
        guard, *places = (
            Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3)
        )
        (guard / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        environment = {
            **os.environ,
            **credentials(s3),
            "PYTHONPATH": f"{guard}:{ROOT}",
            **TOKEN,
            "FORBIDDEN": str(tmp_path_factory.getbasetemp()),
        }
        head = ["--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false"]
        head += [f"--temp-dir={places[0]}", "--disable-usage-stats"]
        for place, options in zip(places, (head, [f"--address={address}"]), strict=True):
            stack.enter_context(started(place, {**environment, "TMPDIR": str(place)}, options))
        yield Machines(address, guard, tuple(places))


@contextmanager
def started(place: Path, environment: dict[str, str], options: list[str]) -> Iterator[None]:
    """Start a machine of the cluster with room for one step."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1"]
    command += ["--node-ip-address=127.0.0.1", *options]
    log = place / "machine.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=place, env=environment, stdout=out, stderr=out) as machine,
    ):
        try:
            for _ in range(600):
                if "Ray runtime started" in log.read_text("utf-8") or machine.poll() is not None:
                    break
                time.sleep(0.1)
            assert machine.poll() is None, log.read_text("utf-8")
            yield
        finally:
            machine.terminate()


def credentials(s3: str) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


def objects(url: str) -> list[str]:
    import s3fs

    found: list[str] = s3fs.S3FileSystem(skip_instance_cache=True).find(url)
    return found


def test_two_machines_build_the_same_dataset_although_one_is_killed(
    probec: Probec, machines: Machines, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Build from nothing, then add a round, which may draw no document of the locked rounds."""
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)
    here = probec.json("build", SPEC, "--build-dir", "here")
    options = ("--cluster", machines.address, "--jobs", "3", "--exchange", bucket)
    (machines.guard / "die").touch()
    away = probec.json("build", SPEC, *options, "--build-dir", "away")
    died = [*machines.guard.glob("died-*")]
    more = ("--set", "rounds=[{docs: 4}, {docs: 2}, {docs: 2}]")
    grown_here = probec.json("build", SPEC, *more, "--build-dir", "here")
    grown = probec.json("build", SPEC, *more, *options, "--build-dir", "away")

    assert here["outputs"] == away["outputs"]
    assert here["ran"] == away["ran"]
    assert len(died) == 1
    assert grown_here["outputs"] == grown["outputs"]
    assert grown["ran"] == grown_here["ran"] != away["ran"]
    # No file of this machine was opened, and no file is left on the machines or the exchange.
    assert machines.seen() == ""
    assert machines.left() == []
    assert objects(bucket) == []


def test_the_machines_of_this_test_cannot_open_files_of_this_one(
    machines: Machines, tmp_path: Path
) -> None:
    """Check the guard itself, because the test above relies on it."""
    (tmp_path / "file").touch()
    environment = {**os.environ, "PYTHONPATH": str(machines.guard)}
    environment["FORBIDDEN"] = str(tmp_path)
    code = f"open({str(tmp_path / 'file')!r})"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True)
    seen = machines.seen()
    (machines.guard / "seen").write_text("")

    assert b"PermissionError" in done.stderr
    assert str(tmp_path / "file") in seen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--exchange", "s3://bucket/x"), "--exchange needs --cluster"),
        (("--exchange", "memory://x", "--cluster", "local"), "cannot be an exchange"),
        (("--exchange", "gibberish://x", "--cluster", "local"), "not a directory or URL that"),
    ],
)
def test_an_unusable_exchange_is_rejected(
    probec: Probec, options: tuple[str, ...], message: str
) -> None:
    assert probec("build", SPEC, *options) == 2
    assert message in probec.err


def test_a_missing_bucket_is_an_error_with_a_remedy(probec: Probec, bucket: str) -> None:
    url = bucket.replace("shared", "").replace("s3://", "s3://no-such-")

    assert probec("build", SPEC, "--cluster", "local", "--exchange", url) == 1
    assert "bucket does not exist" in probec.err
    assert "check the URL" in probec.err


def test_a_cluster_that_is_not_running_is_named(probec: Probec) -> None:
    assert probec("build", SPEC, "--cluster", "127.0.0.1:1") == 1
    assert "127.0.0.1:1: the cluster cannot be joined" in probec.err
