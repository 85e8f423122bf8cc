"""Flipped bytes of a round's stored files: each is found and named with a remedy."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.rounds.locks import Lock
from tests.conftest import Probec
from tests.e2e.test_rounds import build, keys_of, locks


def verified(probec: Probec, code: int, hash_: str) -> dict[str, Any]:
    assert probec("verify", hash_, "--json") == code, probec.out + probec.err
    found: dict[str, Any] = json.loads(probec.out)
    return found


def flips(path: Path, count: int = 12) -> list[int]:
    """Choose places all over a file, its ends included."""
    size = path.stat().st_size
    return sorted({min(size - 1, size * n // (count - 1)) for n in range(count)})


def flip(path: Path, at: int, bit: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def stored(project: Path, lock: Lock, stage: str, output: str) -> Path:
    step = next(each for each in lock.identity.outputs if each.startswith(stage))
    digest = lock.identity.outputs[step][output]
    (path,) = (project / "build/objects").rglob(f"{digest}.*")
    return path


def manifest(project: Path, lock: Lock) -> Path:
    key = next(iter(lock.recorded.steps.values()))
    return project / f"build/steps/{key[:2]}/{key}.json"


def blob(project: Path, name: str) -> Path:
    return project / f".probec/blobs/{name[:2]}/{name}.zst"


PLACES: dict[str, Callable[[Path, Lock], Path]] = {
    "rows": lambda project, lock: stored(project, lock, "sample", "records"),
    "verdicts": lambda project, lock: stored(project, lock, "judge", "verdicts"),
    "parquet": lambda project, lock: stored(project, lock, "publish", "rows"),
    "manifest": manifest,
    "documents": lambda project, lock: blob(project, lock.identity.packs[0]),
    "tokenizer": lambda project, lock: blob(
        project, next(iter(lock.identity.tokenizers.values())).digest
    ),
    "keys": lambda project, lock: blob(project, next(iter(lock.identity.requests.values())).digest),
    "installed": lambda project, lock: project / "build/datasets/tiny/data/train-round-000.parquet",
    "card": lambda project, lock: project / "build/datasets/tiny/README.md",
    "stats": lambda project, lock: project / "build/datasets/tiny/stats.json",
    "rejects": lambda project, lock: project / "build/datasets/tiny/rejects.jsonl",
}


@pytest.fixture
def built(tiny: None, project: Path) -> Lock:
    return locks(project)[0]


def test_any_flipped_byte_is_found_and_named(probec: Probec, project: Path, built: Lock) -> None:
    assert verified(probec, 0, built.hash)["findings"] == []
    for name, find in PLACES.items():
        path = find(project, built)
        whole = path.read_bytes()
        for number, at in enumerate(flips(path)):
            flip(path, at, number % 8)
            (finding, *_) = verified(probec, 7, built.hash)["findings"]
            assert path.name in finding["where"], name
            assert finding["remedy"], name
            path.write_bytes(whole)
    assert verified(probec, 0, built.hash)["findings"] == []


def test_content_is_compared_where_different_libraries_wrote_the_bytes(
    probec: Probec, project: Path, built: Lock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq
    import zstandard

    from compiler.reproduction import verification

    rows = PLACES["rows"](project, built)
    table = PLACES["parquet"](project, built)
    lines = (
        zstandard.ZstdDecompressor()
        .stream_reader(rows.read_bytes(), read_across_frames=True)
        .read()
    )
    rows.write_bytes(zstandard.ZstdCompressor(level=19).compress(lines))
    pq.write_table(pq.read_table(table), table, compression="gzip")
    assert len(verified(probec, 7, built.hash)["findings"]) == 2

    monkeypatch.setattr(verification, "same_libraries", lambda recorded: False)
    assert verified(probec, 0, built.hash)["findings"] == []
    rows.write_bytes(zstandard.ZstdCompressor().compress(lines.replace(b"the", b"teh", 1)))
    changed = pq.read_table(table).to_pylist()
    changed[0]["row_seed"] += 1
    pq.write_table(
        type(pq.read_table(table)).from_pylist(changed, schema=pq.read_schema(table)), table
    )
    found = verified(probec, 7, built.hash)["findings"]
    assert {each["where"].rpartition("/")[2] for each in found} == {rows.name, table.name}
    assert {each["what"].rpartition(": ")[2] for each in found} == {"its rows changed"}


def test_a_flipped_byte_of_a_logged_reply_is_found_and_stops_a_build(
    probec: Probec, project: Path, built: Lock
) -> None:
    path = project / ".probec/responses.sqlite"
    key = keys_of(project, built, "judge")[3]
    with sqlite3.connect(path) as log:
        sql = "select value, digest from reply where key = ?"
        value, digest = log.execute(sql, (bytes.fromhex(key),)).fetchone()
    whole = path.read_bytes()
    for part in (value, digest):
        start = whole.index(part)
        assert whole.count(part) == 1
        for number, at in enumerate(range(start, start + len(part), max(1, len(part) // 20))):
            flip(path, at, number % 8)
            found = verified(probec, 7, built.hash)["findings"]
            assert [each["kind"] for each in found] == ["log"]
            assert key[:12] in found[0]["where"]
            assert "probec cache pull" in found[0]["remedy"]
            if number == 0:
                assert probec("reproduce", built.hash) == 7
                assert f"the reply to request {key[:12]} is damaged" in probec.err
            path.write_bytes(whole)
    # A flipped key is found through the index of the table.
    flip(path, whole.index(bytes.fromhex(key)))
    assert "log" in {each["kind"] for each in verified(probec, 7, built.hash)["findings"]}


def test_replies_of_an_earlier_version_get_their_digests_when_a_round_is_locked(
    probec: Probec, project: Path, built: Lock
) -> None:
    path = project / ".probec/responses.sqlite"
    with sqlite3.connect(path) as log:
        log.execute("drop index undigested")
        log.execute("alter table reply drop column digest")
    for lock in (project / "build/rounds/tiny").iterdir():
        lock.unlink()
    hashes = build(probec)

    assert hashes[0] == built.hash
    with sqlite3.connect(path) as log:
        assert log.execute("select count(*) from reply where digest is null").fetchone() == (0,)
        log.execute("update reply set value = value || x'00' where id = 1")
    assert 7 in {probec("verify", each) for each in hashes}
