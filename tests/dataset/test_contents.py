"""Source files that change between digest and reading, or while they are read."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryFile
from typing import TypeAlias

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from compiler.dataset import formats
from compiler.dataset.located import Located, locate
from compiler.dataset.source_columns import ColumnNames
from compiler.dataset.sources import count_documents
from compiler.errors import ChangedError

NAMES = ColumnNames("doc_id", "doc_source", "prefix", "continuation", None)
# Larger than all buffers together.
COUNT = 1500
Rows: TypeAlias = "list[dict[str, str]]"
Change: TypeAlias = "Callable[[Path, bytes], None]"


def rows(word: str) -> Rows:
    """Return rows whose files have the same size for words of the same length."""
    digests = (hex(pow(3, number, 2**521 - 1)) for number in range(COUNT))
    return [
        {"doc_id": f"{n:04}", "doc_source": "web", "prefix": each, "continuation": f"{word} {each}"}
        for n, each in enumerate(digests)
    ]


def jsonl(found: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in found).encode()


def parquet(found: Rows) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(found), out, row_group_size=100, compression="none")
    return out.getvalue()


def arrow(found: Rows) -> bytes:
    out, table = io.BytesIO(), pa.Table.from_pylist(found)
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=100)
    return out.getvalue()


def packed(found: Rows) -> bytes:
    return gzip.compress(jsonl(found), compresslevel=0, mtime=0)


FORMATS: dict[str, Callable[[Rows], bytes]] = {
    "rows.jsonl": jsonl,
    "rows.jsonl.gz": packed,
    "rows.jsonl.zst": lambda found: zstandard.compress(jsonl(found)),
    "rows.parquet": parquet,
    "rows.arrow": arrow,
}


def rewritten(path: Path, data: bytes) -> None:
    """Write the same number of bytes into the file, and set its old time."""
    before = path.stat()
    assert len(data) == before.st_size
    with path.open("r+b") as out:
        out.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def replaced(path: Path, data: bytes) -> None:
    path.with_name("new").write_bytes(data)
    path.with_name("new").replace(path)


def extended(path: Path, data: bytes) -> None:
    with path.open("ab") as out:
        out.write(data)


CHANGES: dict[str, Change] = {
    "rewritten with its size and time": rewritten,
    "replaced": replaced,
    "extended": extended,
    "cut": lambda path, data: os.truncate(path, len(data) // 2),
    "emptied": lambda path, data: os.truncate(path, 0),
    "removed": lambda path, data: path.unlink(),
}


def texts(located: Located) -> list[object]:
    return [row["continuation"] for _, row in formats.rows(located, NAMES, TemporaryFile)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_changed_after_its_digest_is_an_error(name: str, tmp_path: Path) -> None:
    path, make = tmp_path / name, FORMATS[name]
    old, new = make(rows("old")), make(rows("new"))
    for how, change in CHANGES.items():
        path.write_bytes(old)
        located = locate(name, None, tmp_path, {})
        assert len(texts(located)) == COUNT
        if how.startswith("rewritten") and len(old) != len(new):
            continue  # compressed
        change(path, new)
        with pytest.raises(ChangedError) as caught:
            texts(located)
        assert caught.value.where == str(path), how
        assert "after the build took its digest" in caught.value.message
        assert "run the same command again" in str(caught.value.hint)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_changes_while_it_is_read_is_an_error_or_has_no_effect(
    name: str, tmp_path: Path
) -> None:
    path, make = tmp_path / name, FORMATS[name]
    old, new = make(rows("old")), make(rows("new"))
    expected = [row["continuation"] for row in rows("old")]
    noticed = 0
    for how, change in CHANGES.items():
        for back in (False, True):
            if how.startswith("rewritten") and len(old) != len(new):
                continue  # compressed
            path.write_bytes(old)
            located = locate(name, None, tmp_path, {})
            found = []
            with closing(formats.rows(located, NAMES, TemporaryFile)) as reading:  # pyrefly: ignore[bad-specialization]
                try:
                    for number, (_, row) in enumerate(reading):
                        found.append(row["continuation"])
                        if number == 0:
                            change(path, new)
                        if number == COUNT // 2 and back:
                            path.write_bytes(old)
                except ChangedError:
                    noticed += 1
                else:
                    assert found == expected, (how, back)
    # The bytes of a table are copied before its first row.
    assert noticed > 0 or name in ("rows.parquet", "rows.arrow")


def test_each_file_of_a_directory_is_compared(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    for number in range(3):
        (tmp_path / f"parts/{number}.jsonl").write_bytes(jsonl(rows(f"old{number}")[:2]))
    located = locate("parts", None, tmp_path, {})
    (tmp_path / "parts/3.jsonl").write_bytes(jsonl(rows("new")))
    assert len(texts(located)) == 6
    (tmp_path / "parts/1.jsonl").write_bytes(jsonl(rows("new1")[:2]))

    with pytest.raises(ChangedError) as caught:
        texts(located)
    assert caught.value.where == str(tmp_path / "parts/1.jsonl")


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
@pytest.mark.parametrize("system", ["memory", "file"])
def test_a_file_at_a_url_is_compared_by_its_version(system: str, name: str, tmp_path: Path) -> None:
    url, make = f"{system}://{tmp_path}/{name}", FORMATS[name]

    def write(word: str) -> None:
        with fsspec.open(url, "wb") as out:
            out.write(make(rows(word)))

    write("old")
    located = locate(url, None, tmp_path, {})
    assert texts(located)[0] == rows("old")[0]["continuation"]
    for words in (("new",), ("new", "old")):
        # Before it is read, and meanwhile.
        write("old")
        for number in (None, 0, COUNT // 2):
            located = locate(url, None, tmp_path, {})
            with closing(formats.rows(located, NAMES, TemporaryFile)) as reading:  # pyrefly: ignore[bad-specialization]
                for _ in range(number or 0):
                    next(reading)
                for word in words:
                    write(word)
                with pytest.raises(ChangedError) as caught:
                    list(reading)
            assert tmp_path.name in str(caught.value.where)


def test_counting_documents_compares_nothing(tmp_path: Path) -> None:
    """The rounds of --source are scaled before the build takes the digest that it uses."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(jsonl(rows("old")))
    located = locate("rows.jsonl", None, tmp_path, {})
    path.write_bytes(jsonl(rows("new")[:3]))

    assert count_documents(located, NAMES) == (3, "")
