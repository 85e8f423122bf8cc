"""Rounds shared with exactly the files that they need: directories, fsspec, a real S3 server."""

from __future__ import annotations

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from compiler.llm.responses import ResponseLog
from tests.conftest import Probec
from tests.e2e.test_build import SPEC, edit
from tests.e2e.test_rounds import build, delete_reply, keys_of, locks
from tests.e2e.test_verify import flip


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run a server with the S3 protocol and return its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in range(300):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Return the URL of a new bucket."""
    for name, value in {
        "AWS_ENDPOINT_URL": s3,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    import s3fs

    name = "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:60].strip("-")
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir(name)
    return f"s3://{name}/shared"


def cache(probec: Probec, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = probec.json("cache", *args)
    return found


def replies(place: Path) -> dict[str, str]:
    with sqlite3.connect(place / ".probec/responses.sqlite") as log:
        keys = [row[0].hex() for row in log.execute("select key from reply")]
    log_ = ResponseLog(place / ".probec/responses.sqlite")
    found = {key: str(log_.get(key)) for key in keys}
    log_.close()
    return found


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("kind", ["directory", "memory", "s3"])
def test_a_round_is_shared_with_exactly_its_replies_and_verified_after_the_pull(
    kind: str, probec: Probec, project: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = {"directory": str(tmp_path / "shared"), "memory": f"memory://{tmp_path.name}"}.get(kind)
    url = url or str(request.getfixturevalue("bucket"))
    first, second = build(probec)
    pushed = cache(probec, "push", url, first[:8])
    again = cache(probec, "push", url, first[:8])
    there = tmp_path / "there"
    there.mkdir()
    pulled = cache(probec, "pull", url, "--dir", str(there))
    needed = {key for step in ("generate", "answer", "judge") for key in all_keys(project, 0, step)}

    assert pushed["rounds"] == pulled["rounds"] == [first]
    assert pushed["files"] > 5
    assert (again["files"], again["bytes"], again["there"]) == (0, 0, pushed["files"])
    assert set(replies(there)) == needed
    assert len(replies(project)) > len(needed)
    assert probec("reproduce", first, "--dir", str(there)) == 0
    assert probec("verify", first, "--dir", str(there)) == 0
    # Files that two rounds share, and local ones, are not transferred again.
    assert cache(probec, "push", url)["rounds"] == [first, second]
    more = cache(probec, "pull", url, "--dir", str(there))
    assert (more["known"], more["rounds"]) == (len(needed), sorted([first, second]))
    assert cache(probec, "pull", url, "--dir", str(there))["files"] == 0
    assert probec("reproduce", second, "--dir", str(there)) == 0
    assert replies(there) == {k: v for k, v in replies(project).items() if k in replies(there)}


def all_keys(place: Path, index: int, stage: str) -> list[str]:
    from compiler.project.slices import keys_in
    from compiler.rounds.blobs import Blobs

    found: list[str] = []
    for step, use in locks(place)[index].identity.requests.items():
        if step.startswith(stage):
            data = Blobs(place / ".probec/blobs").get(use.digest)
            assert data is not None
            found += keys_in(data)
    return found


class Flaky(MemoryFileSystem):
    """A filesystem that fails in the middle of a transfer, after a given number of them."""

    protocol = "flaky"
    store: dict[str, Any] = {}  # noqa: RUF012 - as in the parent: shared by all instances
    left = 0
    moved = 0

    def pipe_file(self, path: str, value: bytes, **more: object) -> None:
        self._count()
        super().pipe_file(path, value, **more)

    def cat_file(self, path: str, *args: object, **more: object) -> bytes:
        self._count()
        data: bytes = super().cat_file(path, *args, **more)
        return data

    def _count(self) -> None:
        if Flaky.left == 0:
            raise ConnectionResetError("connection reset by peer")
        Flaky.left -= 1
        Flaky.moved += 1


@pytest.fixture
def flaky() -> Iterator[str]:
    fsspec.register_implementation("flaky", Flaky, clobber=True)
    Flaky.store.clear()
    yield "flaky://shared"
    Flaky.store.clear()


def test_an_interrupted_transfer_is_resumed(
    probec: Probec, project: Path, tmp_path: Path, flaky: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compiler.reproduction import transfer

    monkeypatch.setattr(transfer, "_CHUNK", 4000)
    first, _ = build(probec)
    there = tmp_path / "there"
    there.mkdir()
    for action in ("push", "pull"):
        Flaky.moved = 0
        attempts = 0
        while True:
            Flaky.left = 7
            attempts += 1
            code = probec("cache", action, flaky, first, "--dir", str(
                project if action == "push" else there), "--json")  # fmt: skip
            if code == 0:
                break
            assert code == 1
            assert "connection reset by peer" in probec.out
            assert "run the same command again" in probec.out
            assert not (there / "build/rounds").exists()
            if action == "push":
                # A partial round is not visible to others.
                Flaky.left = 7
                assert probec("cache", "pull", flaky, "--dir", str(tmp_path / "x")) == 2
                assert "no rounds there" in probec.err
        done = json.loads(probec.out)
        assert attempts > 3
        if action == "pull":
            # Each attempt reads the lock and the bundle again; every chunk is transferred once.
            assert Flaky.moved == len([n for n in Flaky.store if "/chunks/" in n]) + 2 * attempts
            assert done["known"] + done["replies"] == sum(
                use.count for use in locks(there)[0].identity.requests.values()
            )
    assert probec("reproduce", first, "--dir", str(there)) == 0


@pytest.mark.usefixtures("tiny")
def test_a_file_that_was_truncated_in_transfer_is_sent_again(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    first, _ = build(probec)
    shared = tmp_path / "shared"
    cache(probec, "push", str(shared), first)
    chunk = max((shared / "chunks").iterdir(), key=lambda path: path.stat().st_size)
    chunk.write_bytes(chunk.read_bytes()[:100])
    (tmp_path / "there").mkdir()
    assert probec("cache", "pull", str(shared), "--dir", str(tmp_path / "there")) == 7
    assert chunk.name in probec.err

    assert cache(probec, "push", str(shared), first)["files"] == 1
    assert probec("cache", "pull", str(shared), "--dir", str(tmp_path / "there")) == 0


@pytest.mark.parametrize("folder", ["chunks", "bundles", "rounds"])
@pytest.mark.usefixtures("tiny")
def test_altered_chunks_do_not_enter_the_log(
    folder: str, probec: Probec, project: Path, tmp_path: Path
) -> None:
    first, _ = build(probec)
    shared, there = tmp_path / "shared", tmp_path / "there"
    there.mkdir()
    cache(probec, "push", str(shared), first)
    for path in sorted((shared / folder).iterdir()):
        flip(path, path.stat().st_size // 2)
    assert probec("cache", "pull", str(shared), "--dir", str(there)) in (1, 7)

    assert not (there / "build/rounds").exists()
    assert len(ResponseLog(there / ".probec/responses.sqlite")) == 0


@pytest.mark.usefixtures("tiny")
def test_chunks_of_another_round_are_rejected(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    """Exchange chunks that are valid by themselves, but do not answer the lock's requests."""
    first, second = build(probec)
    shared, there = tmp_path / "shared", tmp_path / "there"
    there.mkdir()
    cache(probec, "push", str(shared))
    bundles = [json.loads((shared / f"bundles/{h}.json").read_text()) for h in (first, second)]
    bundles[0]["replies"]["judge 0.0"] = bundles[0]["replies"]["answer 0.0"]
    (shared / f"bundles/{first}.json").write_text(json.dumps(bundles[0]))

    assert probec("cache", "pull", str(shared), first, "--dir", str(there)) == 7
    assert "a chunk has replies to other requests than the round's" in probec.err


@pytest.mark.usefixtures("tiny")
def test_a_local_reply_is_kept_and_a_damaged_one_is_replaced(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    first, _ = build(probec)
    shared = str(tmp_path / "shared")
    cache(probec, "push", shared)
    own, gone, hurt = keys_of(project, locks(project)[0], "answer")[:3]
    path = project / ".probec/responses.sqlite"
    mine = ResponseLog(path).get(own)
    assert mine is not None
    log = ResponseLog(path)
    log.retire([own])
    from msgspec.structs import replace

    log.put(own, replace(mine, text="another answer"))
    log.close()
    delete_reply(project, gone)
    with sqlite3.connect(path) as raw:
        raw.execute("update reply set value = x'00' where key = ?", (bytes.fromhex(hurt),))
    assert probec("cache", "pull", shared, first, "--json") == 1
    pulled = json.loads(probec.out)

    assert (pulled["mended"], pulled["replies"]) == (1, 2)
    assert [each["keys"] for each in pulled["conflicts"]] == [[own]]
    kept = ResponseLog(path).get(own)
    assert kept is not None
    assert kept.text == "another answer"
    with sqlite3.connect(path) as raw:
        assert raw.execute("select count(*) from retired where value = x'00'").fetchone() == (1,)
    assert probec("verify", first) == 6
    assert "were replaced in the log, as by `probec retry`" in probec.out


@pytest.mark.usefixtures("tiny")
def test_a_log_that_lost_replies_is_refused_until_they_are_pulled(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    build(probec)
    cache(probec, "push", str(tmp_path / "shared"))
    count = len(replies(project))
    (project / ".probec/responses.sqlite").unlink()

    for command in ("plan", "build"):
        assert probec(command, SPEC, "--set", "scoring.rollouts=7") == 1
        assert f"the log holds 0 replies, {count:,} were committed" in probec.err
        assert "`probec cache pull`" in probec.err
    assert probec("verify", locks(project)[0].hash) == 7
    assert f"{count:,} were committed" in probec.out
    cache(probec, "pull", str(tmp_path / "shared"))
    assert len(replies(project)) == count
    assert probec("plan", SPEC) == 0


@pytest.mark.usefixtures("tiny")
def test_an_incomplete_round_is_not_pushed(probec: Probec, project: Path, tmp_path: Path) -> None:
    first, _ = build(probec)
    key = keys_of(project, locks(project)[0], "judge")[0]
    delete_reply(project, key)

    assert probec("cache", "push", str(tmp_path / "shared"), first) == 1
    assert f"the reply to request {key[:12]} of judge 0.0 is not in the log" in probec.err
    assert not (tmp_path / "shared/rounds").exists()


def test_a_round_that_contradicts_a_local_one_is_not_pulled(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    edit(project / SPEC, "name: tiny", "name: tiny\nseed: 5")
    build(probec, "--build-dir", str(tmp_path / "b"))
    edit(project / SPEC, "seed: 5", "seed: 1000000000")
    cache(probec, "push", str(tmp_path / "shared"), "--build-dir", str(tmp_path / "b"))
    build(probec)

    assert probec("cache", "pull", str(tmp_path / "shared")) == 1
    assert "name different documents" in probec.err
    assert "with --dir" in probec.err
    assert len(locks(project)) == 2


@pytest.mark.usefixtures("tiny")
def test_invalid_arguments_are_usage_errors(probec: Probec, project: Path, tmp_path: Path) -> None:
    shared = str(tmp_path / "shared")
    for args, message in (
        (("push",), "push needs a URL"),
        (("push", ""), "an argument is empty"),
        (("push", "bbc550"), "bbc550 looks like the hash of a round, not a URL"),
        (("gc", shared), "gc takes no URL"),
        (("pull", shared, "--dry-run"), "--dry-run needs the action gc"),
        (("pull", shared), "no rounds there"),
        (("push", shared, "abc"), "no round abc here"),
        (("pull", shared, "abc"), "abc matches 0 of the 0 rounds there"),
        (("gc", "--dir", "/"), "no project here"),
    ):
        assert probec("cache", *args) == 2
        assert message in probec.err
    assert probec("cache", "push", "nowhere://x") == 2
    assert "Traceback" not in probec.err


@pytest.mark.usefixtures("tiny")
def test_gc_removes_unreferenced_files_and_never_a_reply(probec: Probec, project: Path) -> None:
    outputs = probec.json("build", SPEC)["outputs"]
    build(probec, "--set", "scoring.rollouts=3")
    level = ("--set", "calibration.level=2")
    build(probec, *level)
    # No head and no lock refers to that variant any more.
    for place in ("rounds", "heads"):
        (own,) = (project / "build" / place).glob("tiny~rollouts=3-*")
        shutil.rmtree(own)
    half = project / "build/objects/tmp/half"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"x" * 100)
    before = replies(project)

    def stored() -> int:
        """Sum the bytes below build/, without the locks that name the last holder."""
        files = (path for path in (project / "build").rglob("*") if path.is_file())
        return sum(path.stat().st_size for path in files if path.name != ".lock")

    size = stored()
    dry = cache(probec, "gc", "--dry-run")
    assert size == stored()
    done = cache(probec, "gc")

    assert dry["removed"] == done["removed"]
    assert str(half) in done["removed"]
    assert done["bytes"] > 100
    assert stored() == size - done["bytes"]
    assert cache(probec, "gc")["removed"] == []
    assert replies(project) == before
    for args in (level, ()):
        again: Any = probec.json("build", SPEC, *args)
        assert {name: n for name, n in again["ran"].items() if n} in ({}, {"release": 1})
    assert again["outputs"] == outputs
    assert {probec("verify", lock.hash) for lock in locks(project)} == {0}
    shutil.rmtree(project / "build/rounds")
    assert probec("cache", "gc") == 0
    assert "replies are never touched" in probec.out
