"""Inputs of every kind: each is read as its documents, or named with its place and a remedy."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import uuid
import zipfile
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from compiler.dataset.located import locate
from compiler.dataset.source_columns import ColumnNames
from compiler.dataset.sources import Grouped
from compiler.engine.remote import Remote
from compiler.errors import SourceError
from compiler.records import Skip
from tests.conftest import Probec, make_project
from tests.e2e.test_build import SPEC, edit

Row: TypeAlias = dict[str, object]

NAMES = ColumnNames("doc_id", "doc_source", "prefix", "continuation", "doc_idx")
ROWS: list[Row] = [
    {
        "doc_id": doc_id,
        "doc_source": "web",
        "prefix": f"Über {doc_id}: ",
        "continuation": f"“{idx}”",
        "doc_idx": idx,
    }
    for doc_id in ("a", "b")
    for idx in (0, 1)
]
EXPECTED = [
    ("a", "web", "Über a: ", ("“0”", "“1”")),
    ("b", "web", "Über b: ", ("“0”", "“1”")),
]
Found: TypeAlias = list[tuple[str, str, str, tuple[str, ...]]]


def gzipped(data: bytes) -> bytes:
    """Gzip bytes without a time in them, as ids of parameters must be equal in every process."""
    return gzip.compress(data, mtime=0)


def read(path: str, root: Path, names: ColumnNames = NAMES) -> tuple[Found, list[Skip]]:
    """Read a source to its documents and skips."""
    grouped = Grouped(locate(path, None, root, {}), names, io.BytesIO())
    found = [
        (each.doc_id, each.doc_source, each.prefix, tuple(s.continuation for s in each.siblings))
        for each in grouped
    ]
    return found, grouped.skips


def refused(path: str, root: Path, names: ColumnNames = NAMES) -> SourceError:
    """Return the error of a source; it has a place and a remedy."""
    with pytest.raises(SourceError) as caught:
        read(path, root, names)
    assert caught.value.where
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    return caught.value


def lines(rows: list[Row], end: str = "\n") -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)


def table(rows: list[Row] = ROWS, **columns: pa.Array) -> pa.Table:
    made = pa.Table.from_pylist(rows)
    for name, column in columns.items():
        made = made.set_column(made.schema.get_field_index(name), name, column)
    return made


def parquet(made: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(made, out)
    return out.getvalue()


def stream(made: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, made.schema) as writer:
        writer.write_table(made, max_chunksize=3)
    return out.getvalue()


def arrow_file(made: pa.Table, compression: str | None = None) -> bytes:
    out = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(out, made.schema, options=options) as writer:
        writer.write_table(made, max_chunksize=3)
    return out.getvalue()


# names that occur twice


def doubled(name: str, values: list[object] | None = None) -> pa.Table:
    made = table()
    column = made.column(name) if values is None else pa.array(values)
    return made.append_column(name, column)


def repeating(line: int, key: str, value: str = '"other"') -> str:
    """JSONL with a key twice on one line."""
    whole = lines(ROWS).splitlines(keepends=True)
    whole[line - 1] = whole[line - 1].replace("{", f'{{"{key}": {value}, ', 1)
    return "".join(whole)


LISTS = [{**ROWS[0], "continuation": ["“0”", "“1”"]}, {**ROWS[2], "continuation": ["“0”", "“1”"]}]


@pytest.mark.parametrize(
    ("name", "data", "place", "column"),
    [
        ("x.parquet", parquet(doubled("prefix", ["other"] * 4)), "x.parquet", "prefix"),
        ("x.parquet", parquet(doubled("continuation")), "x.parquet", "continuation"),
        ("x.parquet", parquet(doubled("doc_id", [1, 2, 3, 4])), "x.parquet", "doc_id"),
        ("x.parquet", parquet(doubled("doc_idx")), "x.parquet", "doc_idx"),
        ("x.arrow", stream(doubled("prefix")), "x.arrow", "prefix"),
        ("x.arrow", arrow_file(doubled("doc_source")), "x.arrow", "doc_source"),
        ("x.jsonl", repeating(1, "prefix").encode(), "x.jsonl:1", "prefix"),
        ("x.jsonl", repeating(3, "prefix", '"Über b: "').encode(), "x.jsonl:3", "prefix"),
        ("x.jsonl", repeating(2, "doc_id", "null").encode(), "x.jsonl:2", "doc_id"),
        ("x.jsonl", repeating(4, r"continu\u0061tion").encode(), "x.jsonl:4", "continuation"),
        ("x.jsonl", repeating(2, "k", '1, "k": 2').encode(), "x.jsonl:2", "k"),
        ("x.jsonl.gz", gzipped(repeating(2, "doc_idx").encode()), "x.jsonl.gz:2", "doc_idx"),
        ("x.jsonl.zst", zstandard.compress(repeating(4, "prefix").encode()), ".zst:4", "prefix"),
        ("x.ndjson", repeating(2, "prefix").encode("utf-16"), "x.ndjson:2", "prefix"),
        (
            "x.jsonl",
            lines([{**ROWS[0], "doc_source": {"u": 1}}]).replace('"u"', '"u": 0, "u"').encode(),
            "x.jsonl:1: in the column 'doc_source'",
            "u",
        ),
        (
            "x.jsonl",
            lines(LISTS).replace('["', '[{"k": 1, "k": 2}, "').encode(),
            "x.jsonl:1: in the column 'continuation'",
            "k",
        ),
    ],
)
def test_a_name_that_occurs_twice_is_an_error_with_file_line_and_column(
    name: str, data: bytes, place: str, column: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)
    error = refused(name, tmp_path)

    assert error.message == f"more than one column {column!r}"
    assert (error.where or "").endswith(place)


def test_a_repeated_key_inside_a_column_that_is_not_read_changes_nothing(tmp_path: Path) -> None:
    text = lines([{**row, "meta": {"k": 1}} for row in ROWS]).replace('"k"', '"k": 0, "k"')
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8")

    assert read("x.jsonl", tmp_path) == (EXPECTED, [])


# null sources


def null_source(places: set[int], way: str) -> str:
    rows = [dict(row) for row in ROWS]
    for place in places:
        if way == "absent":
            del rows[place]["doc_source"]
        else:
            rows[place]["doc_source"] = None
    return lines(rows)


@pytest.mark.parametrize("way", ["null", "absent"])
def test_a_document_with_a_null_or_absent_source_has_an_empty_one(way: str, tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(null_source({0, 1}, way), encoding="utf-8")

    assert read("x.jsonl", tmp_path) == ([("a", "", *EXPECTED[0][2:]), EXPECTED[1]], [])


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.jsonl", null_source({0, 1, 2, 3}, "null").encode()),
        ("x.jsonl.gz", gzipped(null_source({0, 1, 2, 3}, "null").encode())),
        ("x.parquet", parquet(table(doc_source=pa.nulls(4)))),
        ("x.parquet", parquet(table(doc_source=pa.nulls(4, pa.string())))),
        ("x.parquet", parquet(table(doc_source=pa.nulls(4, pa.int64())))),
        ("x.arrow", stream(table(doc_source=pa.nulls(4, pa.dictionary(pa.int8(), pa.string()))))),
        ("lists.jsonl", lines([{**row, "doc_source": None} for row in LISTS]).encode()),
        ("nan.jsonl", lines([{**row, "doc_source": float("nan")} for row in ROWS]).encode()),
    ],
)
def test_a_source_whose_document_sources_are_all_null_keeps_every_row(
    name: str, data: bytes, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)

    assert read(name, tmp_path) == ([(d, "", p, c) for d, _, p, c in EXPECTED], [])


def test_a_source_without_the_column_needs_it_mapped_to_null(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text(null_source({0, 1, 2, 3}, "absent"), encoding="utf-8")
    error = refused("x.jsonl", tmp_path)
    names = ColumnNames("doc_id", None, "prefix", "continuation", "doc_idx")

    assert error.message.startswith("no column 'doc_source' (has: doc_id, prefix")
    assert "doc_source" in (error.hint or "")
    assert read("x.jsonl", tmp_path, names)[0] == [(d, "", p, c) for d, _, p, c in EXPECTED]


def test_a_null_and_an_empty_source_of_one_document_agree(tmp_path: Path) -> None:
    rows = [{**ROWS[0], "doc_source": None}, {**ROWS[1], "doc_source": ""}]
    (tmp_path / "x.jsonl").write_text(lines(rows), encoding="utf-8")

    assert read("x.jsonl", tmp_path)[0] == [("a", "", *EXPECTED[0][2:])]


# ids


@pytest.mark.parametrize(
    ("literal", "text"),
    [
        ("3", "3"),
        ("3.0", "3"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("9007199254740991.0", "9007199254740991"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-7", "-7"),
        ('"3.0"', "3.0"),
        ('" 3"', " 3"),
    ],
)
def test_a_json_id_is_read_as_text(literal: str, text: str, tmp_path: Path) -> None:
    row = lines(ROWS[:1]).replace('"a"', literal)
    (tmp_path / "x.jsonl").write_text(row, encoding="utf-8")
    found, skips = read("x.jsonl", tmp_path)

    assert [each[0] for each in found] == [text]
    assert skips == []


UUID = uuid.UUID("0bc44fbb-03c2-400a-ad53-32d883a59254")
MOMENT = datetime.fromisoformat("2024-01-02T03:04:05")
EASTERN = timezone(timedelta(hours=-5))


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (pa.array([3.0]), "3"),
        (pa.array([3.0], pa.float32()), "3"),
        (pa.array([2.0**24 - 1], pa.float32()), "16777215"),
        (pa.array([2.0**53 - 1]), "9007199254740991"),
        (pa.array([2**63 - 1]), "9223372036854775807"),
        (pa.array([2**64 - 1], pa.uint64()), "18446744073709551615"),
        (pa.array([7], pa.int8()), "7"),
        (pa.array([Decimal("3.00")], pa.decimal128(9, 2)), "3"),
        (pa.array([Decimal("3.50")], pa.decimal128(9, 2)), "3.5"),
        (pa.array([Decimal("9" * 60)], pa.decimal256(60, 0)), "9" * 60),
        (pa.array([Decimal("-100")], pa.decimal128(9, 0)), "-100"),
        (pa.array([UUID.bytes], pa.uuid()), str(UUID)),
        (pa.array([b"caf\xc3\xa9"]), "café"),
        (pa.array([b"0123456789abcdef"], pa.binary(16)), "0123456789abcdef"),
        (pa.array(["x"], pa.large_string()), "x"),
        (pa.array(["x"]).dictionary_encode(), "x"),
        (pa.array([12]).dictionary_encode(), "12"),
        (pa.array([3.0]).dictionary_encode(), "3"),
        (pa.array([date(2024, 1, 2)]), "2024-01-02"),
        (pa.array([date(2024, 1, 2)], pa.date64()), "2024-01-02"),
        (pa.array([date(1969, 12, 31)], pa.date64()), "1969-12-31"),
        (pa.array([MOMENT], pa.timestamp("s")), "2024-01-02T03:04:05"),
        (pa.array([MOMENT], pa.timestamp("ns")), "2024-01-02T03:04:05"),
        (pa.array([1], pa.timestamp("ns")), "1970-01-01T00:00:00.000000001"),
        (pa.array([-1], pa.timestamp("ms")), "1969-12-31T23:59:59.999000"),
        (pa.array([MOMENT.replace(tzinfo=UTC)]), "2024-01-02T03:04:05+00:00"),
        (
            pa.array([MOMENT.replace(tzinfo=EASTERN)], pa.timestamp("us", "America/New_York")),
            "2024-01-02T08:04:05+00:00",
        ),
    ],
    ids=str,
)
def test_an_id_of_another_type_is_read_as_text(column: pa.Array, text: str, tmp_path: Path) -> None:
    """Parquet and Arrow agree, and a document source is read by the same rule."""
    made = table(ROWS[:1], doc_id=column, doc_source=column)
    (tmp_path / "x.arrow").write_bytes(stream(made))
    pq.write_table(made, tmp_path / "x.parquet")
    for name in ("x.arrow", "x.parquet"):
        found, skips = read(name, tmp_path)

        assert [each[:2] for each in found] == [(text, text)], name
        assert skips == []


@pytest.mark.parametrize(
    ("literal", "kind"),
    [
        ("NaN", "NaN"),
        ("1e999", "an infinite double"),
        ("-Infinity", "an infinite double"),
        ("3.5", "a double with a fraction"),
        ("9007199254740993.0", "a double of 2^53 or above, which does not hold every digit"),
        ("true", "a bool"),
        ("[1]", "a list"),
        ('{"oid": "5f"}', "an object"),
    ],
)
def test_a_json_id_that_is_not_read_is_named_with_column_and_type(
    literal: str, kind: str, tmp_path: Path
) -> None:
    text = lines(ROWS[:1]).replace('"a"', literal)
    (tmp_path / "x.jsonl").write_text(text, encoding="utf-8")
    (tmp_path / "y.jsonl").write_text(text + lines(ROWS[2:]), encoding="utf-8")

    assert refused("x.jsonl", tmp_path).message == (
        f"no usable document: 1 row skipped: 1 row_type ('doc_id' is {kind})"
    )
    assert read("y.jsonl", tmp_path) == (
        EXPECTED[1:],
        [Skip("row_type", f"'doc_id' is {kind}")],
    )


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([float("nan")]), "NaN"),
        (pa.array([float("inf")], pa.float32()), "an infinite double"),
        (pa.array([0.5]), "a double with a fraction"),
        (pa.array([2.0**53]), "a double of 2^53 or above, which does not hold every digit"),
        (
            pa.array([2.0**24], pa.float32()),
            "a float of 16,777,216 or above, which does not hold every digit",
        ),
        (pa.array([b"\xff\xfe"]), "bytes that are not UTF-8"),
        (pa.array([10**15], pa.timestamp("s")), "a timestamp outside of the years 1 to 9999"),
        (pa.array([10**7], pa.int32()).cast(pa.date32()), "a date outside of the years 1 to 9999"),
    ],
    ids=str,
)
def test_an_id_that_is_not_read_is_named_with_column_and_type(
    column: pa.Array, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "x.arrow").write_bytes(stream(table(ROWS[:1], doc_id=column)))

    assert refused("x.arrow", tmp_path).message == (
        f"no usable document: 1 row skipped: 1 row_type ('doc_id' is {kind})"
    )


@pytest.mark.parametrize(
    ("name", "column", "kind"),
    [
        ("doc_id", pa.array([True]), "bool"),
        ("doc_id", pa.array([["a"]]), "list<"),
        ("doc_id", pa.array([{"a": 1}]), "struct<"),
        ("doc_id", pa.array([time(1, 2)]), "time64[us]"),
        ("doc_id", pa.array([timedelta(1)]), "duration[us]"),
        ("doc_source", pa.array([["a"]]), "list<"),
        ("prefix", pa.array([1]), "int64"),
        ("prefix", pa.array([["a"]]), "list<"),
        ("continuation", pa.array([[1]]), "list<"),
        ("continuation", pa.array([MOMENT]), "timestamp[us]"),
        ("doc_idx", pa.array(["0"]), "string"),
        ("doc_idx", pa.array([True]), "bool"),
    ],
)
def test_a_column_of_a_type_that_is_not_read_is_an_error(
    name: str, column: pa.Array, kind: str, tmp_path: Path
) -> None:
    (tmp_path / "x.parquet").write_bytes(parquet(table(ROWS[:1], **{name: column})))
    error = refused("x.parquet", tmp_path)

    assert error.message.startswith(f"the column {name!r} has the type {kind}")
    assert (error.where or "").endswith("x.parquet")


@pytest.mark.parametrize("name", ["doc_id", "prefix"])
def test_text_that_is_not_utf8_is_named_with_column_and_row(name: str, tmp_path: Path) -> None:
    whole = pa.array([str(row[name]).encode() for row in ROWS[:-1]] + [b"caf\xe9"])
    (tmp_path / "x.parquet").write_bytes(parquet(table(**{name: whole.view(pa.string())})))
    error = refused("x.parquet", tmp_path)

    assert error.message.startswith("not UTF-8: ")
    assert (error.where or "").endswith(f"x.parquet: column {name!r} after row 0")


def test_equal_ids_of_several_types_name_one_document(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    first = table(ROWS[:1], doc_id=pa.array([3.0]))
    (tmp_path / "rows/1.parquet").write_bytes(parquet(first))
    second = lines(ROWS[1:2]).replace('"a"', "3")
    (tmp_path / "rows/2.jsonl").write_text(second, encoding="utf-8")

    assert read("rows", tmp_path) == ([("3", *EXPECTED[0][1:])], [])


def test_text_columns_of_bytes_and_categories_are_read(tmp_path: Path) -> None:
    made = table()
    for name in ("prefix", "continuation"):
        made = table(made.to_pylist(), **{name: made.column(name).cast(pa.binary())})
    (tmp_path / "bytes.parquet").write_bytes(parquet(made))
    kinds = {"prefix": pa.array([row["prefix"] for row in ROWS]).dictionary_encode()}
    (tmp_path / "categories.parquet").write_bytes(parquet(table(**kinds)))
    kinds = {"continuation": pa.array([[b"x", b"y"]])}
    (tmp_path / "lists.parquet").write_bytes(parquet(table(ROWS[:1], **kinds)))

    assert read("bytes.parquet", tmp_path)[0] == EXPECTED
    assert read("categories.parquet", tmp_path)[0] == EXPECTED
    assert read("lists.parquet", tmp_path)[0] == [(*EXPECTED[0][:3], ("x", "y"))]


def test_rows_are_skipped_for_reasons_of_their_own(tmp_path: Path) -> None:
    rows: list[Row] = [
        *ROWS,
        {**ROWS[0], "doc_id": None},
        {**ROWS[0], "doc_id": ""},
        {**ROWS[0], "prefix": 5, "doc_id": "c"},
        {**ROWS[0], "continuation": None, "doc_id": "c"},
        {**ROWS[0], "continuation": [], "doc_id": "c"},
        {**ROWS[0], "continuation": ["x", None, 1], "doc_id": "d"},
        {**ROWS[0], "doc_source": [], "doc_id": "c"},
    ]
    (tmp_path / "x.jsonl").write_text(lines(rows), encoding="utf-8")
    found, skips = read("x.jsonl", tmp_path)

    assert found == [*EXPECTED, ("d", "web", "Über a: ", ("x",))]
    assert skips == [
        Skip("row_null", "'doc_id' is null"),
        Skip("row_null", "'doc_id' is empty"),
        Skip("row_type", "'prefix' is an integer"),
        Skip("row_null", "'continuation' is null"),
        Skip("row_empty"),
        Skip("row_null", "'continuation' is null"),
        Skip("row_type", "'continuation' is an integer"),
        Skip("row_type", "'doc_source' is a list"),
    ]


# encodings, compression and formats

PLAIN = lines(ROWS)


def frames(*parts: bytes) -> bytes:
    return b"".join(zstandard.compress(part) for part in parts)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("bom.jsonl", PLAIN.encode("utf-8-sig")),
        ("bom.jsonl.gz", gzipped(PLAIN.encode("utf-8-sig"))),
        ("bom.jsonl.zst", zstandard.compress(PLAIN.encode("utf-8-sig"))),
        ("two-boms.jsonl", "\ufeff".join(["", lines(ROWS[:2]), lines(ROWS[2:])]).encode()),
        ("bom-crlf.ndjson", lines(ROWS, "\r\n").encode("utf-8-sig")),
        ("crlf.jsonl", lines(ROWS, "\r\n").encode()),
        ("blank.jsonl", ("\n" + lines(ROWS, "\n\n") + " \t\r\n\r\n").encode()),
        ("no-end.jsonl", PLAIN.rstrip().encode()),
        ("u16.jsonl", PLAIN.encode("utf-16")),
        ("u16be.jsonl", ("\ufeff" + PLAIN).encode("utf-16-be")),
        ("u16-crlf.jsonl", lines(ROWS, "\r\n").encode("utf-16")),
        ("u32.jsonl", PLAIN.encode("utf-32")),
        ("u32be.jsonl", ("\ufeff" + PLAIN).encode("utf-32-be")),
        ("u16.jsonl.gz", gzipped(PLAIN.encode("utf-16"))),
        ("gz.jsonl", gzipped(PLAIN.encode())),
        ("gz.jsonl.zst", gzipped(PLAIN.encode())),
        ("gz.parquet", gzipped(PLAIN.encode())),
        ("members.jsonl.gz", b"".join(gzipped(p.encode()) for p in (PLAIN[:9], PLAIN[9:]))),
        ("zst.jsonl", zstandard.compress(PLAIN.encode())),
        ("frames.ndjson", frames(PLAIN[:9].encode(), PLAIN[9:].encode())),
        ("skippable.jsonl", b"\x50\x2a\x4d\x18\x04\0\0\0note" + frames(PLAIN.encode())),
        ("plain.jsonl.gz", PLAIN.encode()),
        ("plain.jsonl.zst", PLAIN.encode()),
        ("text.parquet", PLAIN.encode()),
        ("table.jsonl", parquet(table())),
        ("table.jsonl.gz", parquet(table())),
        ("table.arrow", stream(table())),
        ("file.arrow", arrow_file(table())),
        ("packed.arrow", arrow_file(table(), "zstd")),
        ("stream.jsonl", stream(table())),
        ("parquet.arrow", parquet(table())),
        ("string-view.arrow", stream(table(prefix=table()["prefix"].cast(pa.string_view())))),
    ],
)
def test_a_file_is_read_by_its_content(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)

    assert read(name, tmp_path) == (EXPECTED, [])
    assert read(f"file://{tmp_path}/{name}", tmp_path) == (EXPECTED, [])


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("rows.jsonl", PLAIN)
    return out.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("x.jsonl", bz2.compress(PLAIN.encode()), "x.jsonl: is compressed with bzip2"),
        ("x.jsonl.gz", bz2.compress(PLAIN.encode()), "x.jsonl.gz: is compressed with bzip2"),
        ("x.jsonl", lzma.compress(PLAIN.encode()), "x.jsonl: is compressed with xz"),
        ("x.jsonl", b"\x04\x22\x4d\x18\x64\x40", "x.jsonl: is compressed with lz4"),
        ("x.jsonl", zipped(), "x.jsonl: is a zip archive"),
        ("x.parquet", zipped(), "x.parquet: is a zip archive"),
        ("x.parquet", POINTER, "x.parquet: is a Git LFS pointer, not the data"),
        ("x.jsonl", POINTER, "x.jsonl: is a Git LFS pointer, not the data"),
        ("x.jsonl", b"<!DOCTYPE html>\n<html>", "x.jsonl: is an HTML or XML page"),
        ("x.parquet", b"ORC\x0a", "x.parquet: is an ORC file"),
        ("x.jsonl", PLAIN.encode("utf-16-le"), "x.jsonl: is UTF-16LE without a byte-order mark"),
        ("x.jsonl", PLAIN.encode("utf-16-be"), "x.jsonl: is UTF-16BE without a byte-order mark"),
        ("x.jsonl", PLAIN.encode("utf-32-le"), "x.jsonl: is UTF-32LE without a byte-order mark"),
        ("x.jsonl", PLAIN.encode("utf-32-be"), "x.jsonl: is UTF-32BE without a byte-order mark"),
        ("x.jsonl", PLAIN.encode("utf-16")[:-1], "x.jsonl:4: not UTF-16, as its byte-order mark"),
        ("x.jsonl", lines(ROWS, "\r").encode(), "end lines with LF or CRLF: CR alone"),
        ("x.jsonl", json.dumps(ROWS).encode(), "x.jsonl:1: not a JSON object (a JSON array is not"),
        ("x.jsonl", json.dumps(ROWS, indent=1).encode(), "x.jsonl:1: not JSON"),
        ("x.jsonl", json.dumps(ROWS[0], indent=1).encode(), "x.jsonl:1: not JSON"),
        ("x.jsonl", b"doc_id,prefix\na,b\n", "x.jsonl:1: not JSON"),
        ("x.jsonl", b"", "x.jsonl: no usable document: there are no rows"),
        ("x.jsonl", b"\xef\xbb\xbf", "x.jsonl: no usable document: there are no rows"),
        ("x.jsonl", b"\xff\xfe", "x.jsonl: no usable document: there are no rows"),
        ("x.jsonl", b"\r\n \n", "x.jsonl: no usable document: there are no rows"),
        ("x.jsonl.gz", b"", "cannot be read: the file is empty"),
        ("x.jsonl.gz", gzipped(b""), "cannot be read: the file is empty"),
        ("x.jsonl.zst", zstandard.compress(b""), "cannot be read: the file is empty"),
        ("x.jsonl.gz", b"junk", "neither gzip nor zstd, as its name says"),
        ("x.parquet", b"", "not a complete parquet file"),
        ("x.parquet", b"junk", "not a complete parquet file"),
        ("x.parquet", parquet(table())[:-9], "not a complete parquet file"),
        ("x.jsonl", parquet(table())[:-9], "not a complete parquet file"),
        ("x.parquet", parquet(table().slice(0, 0)), "no usable document: there are no rows"),
        ("x.arrow", b"", "not a complete Arrow file"),
        ("x.arrow", b"junk", "not a complete Arrow file"),
        ("x.arrow", stream(table())[:-8], "not a complete Arrow file: the stream has no end"),
        ("x.arrow", stream(table())[:-60], "not a complete Arrow file"),
        ("x.arrow", arrow_file(table())[:-9], "not a complete Arrow file"),
        (
            "x.jsonl.gz",
            gzipped(gzipped(PLAIN.encode())),
            "is gzip-compressed, and its content is gzip-compressed again",
        ),
        (
            "x.jsonl.zst",
            zstandard.compress(parquet(table())),
            "is zstd-compressed, and its content is a parquet file",
        ),
        ("x.jsonl.gz", gzipped(POINTER), "is a Git LFS pointer"),
        ("x.jsonl.bz2", bz2.compress(PLAIN.encode()), "not a known source format"),
        ("x.csv", PLAIN.encode(), "not a known source format"),
    ],
)
def test_a_file_that_is_not_read_is_named(
    name: str, data: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(data)

    assert message in str(refused(name, tmp_path))


# saved datasets


def saved(folder: Path, parts: int = 1) -> Path:
    """Write the files that `Dataset.save_to_disk` writes."""
    folder.mkdir(parents=True)
    names = [f"data-{n:05}-of-{parts:05}.arrow" for n in range(parts)]
    size = len(ROWS) // parts
    for number, name in enumerate(names):
        (folder / name).write_bytes(stream(table(ROWS[number * size : (number + 1) * size])))
    state = {"_data_files": [{"filename": name} for name in names], "_split": None}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    (folder / "dataset_info.json").write_text("{}", encoding="utf-8")
    return folder


def test_a_saved_dataset_is_read_by_its_state(tmp_path: Path) -> None:
    """A part that an earlier save left behind is no part of the dataset."""
    folder = saved(tmp_path / "saved", parts=2)
    (folder / "data-00002-of-00003.arrow").write_bytes(stream(table()))

    assert read("saved", tmp_path) == (EXPECTED, [])
    assert read("saved/*-of-00002.arrow", tmp_path) == (EXPECTED, [])
    assert locate("saved", None, tmp_path, {}).files == (
        str(folder / "data-00000-of-00002.arrow"),
        str(folder / "data-00001-of-00002.arrow"),
    )


def no_part(folder: Path) -> None:
    (folder / "data-00001-of-00002.arrow").unlink()


def no_state(folder: Path) -> None:
    (folder / "state.json").write_text("[]", encoding="utf-8")


def indices(folder: Path) -> None:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    state["_indices_data_files"] = [{"filename": "indices.arrow"}]
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")


def splits(folder: Path) -> None:
    saved(folder / "test")
    saved(folder / "train")
    (folder / "dataset_dict.json").write_text('{"splits": ["test", "train"]}', encoding="utf-8")


def only_parts(folder: Path) -> None:
    (folder / "state.json").unlink()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (no_part, "a part of the saved dataset is missing"),
        (no_state, "not the state of a saved dataset"),
        (indices, "selects rows through an indices file"),
        (splits, "a saved DatasetDict with the splits test, train"),
        (only_parts, "no source file in the directory (has: data-00000-of-00002.arrow, data-0"),
    ],
)
def test_a_saved_dataset_that_is_not_read_is_named(
    change: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    change(saved(tmp_path / "saved", parts=2))

    assert message in str(refused("saved", tmp_path))


def test_the_library_that_saves_datasets_agrees(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "one"), num_shards=2)
    datasets.DatasetDict({"train": datasets.Dataset.from_list(ROWS)}).save_to_disk(
        str(tmp_path / "dict")
    )

    assert read("one", tmp_path) == (EXPECTED, [])
    assert "with the splits train" in refused("dict", tmp_path).message
    assert read("dict/train", tmp_path) == (EXPECTED, [])


def test_an_empty_directory_a_pattern_and_a_remote_saved_dataset_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    saved(tmp_path / "saved")

    assert "no source file in the directory (it is empty)" in str(refused("empty", tmp_path))
    assert "no such source file matches the pattern" in str(refused("*.jsonl", tmp_path))
    remote = str(refused(f"file://{tmp_path}/saved", tmp_path))
    assert "no source files there, but a saved dataset" in remote


# colons


@pytest.mark.parametrize(
    "name", ["a::b/x.jsonl", "x::y.jsonl", "zip::x.jsonl", "memory::x.jsonl", "a::b/c::d/::.jsonl"]
)
def test_colons_in_a_local_path_belong_to_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "p::q"
    file = root / name
    file.parent.mkdir(parents=True)
    file.write_text(PLAIN, encoding="utf-8")
    monkeypatch.chdir(root)

    assert read(name, root) == (EXPECTED, [])
    assert read(str(file), root) == (EXPECTED, [])
    assert read(str(Path(name).parent), root) == (EXPECTED, [])
    assert read(f"{Path(name).parent}/*.jsonl", root) == (EXPECTED, [])
    assert read(f"file://{file}", root) == (EXPECTED, [])
    pq.write_table(table(), file.with_suffix(".parquet"))
    assert read(str(Path(name).with_suffix(".parquet")), root) == (EXPECTED, [])


def test_a_shared_directory_with_colons_in_its_name_holds_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for url in (str(tmp_path / "a::b/memory::c"), "d::e", f"file://{tmp_path}/f::g"):
        path = Path(url.removeprefix("file://"))
        remote = Remote(url)
        remote.put("folder/one", b"1")
        (tmp_path / "local").write_bytes(b"2")
        remote.send("folder/two", tmp_path / "local")

        assert remote.get("folder/one") == b"1"
        assert remote.fetch("folder/two", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == b"2"
        assert remote.sizes("folder") == {"one": 1, "two": 1}
        assert (path / "folder/two").is_file()
        remote.remove()
        assert not path.exists()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a::b", "back", "local"]


def test_a_project_below_a_folder_with_colons_is_built(
    probec: Probec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_project(tmp_path / "a::b/project")
    monkeypatch.chdir(root)
    small = ("--set", "rounds=[{docs: 2}]")

    assert probec("build", SPEC, *small, "--build-dir", "c::d") == 0, probec.err
    (made,) = (root / "c::d/datasets").iterdir()
    assert (made / "data").is_dir()
    assert probec("verify-rows", f"c::d/datasets/{made.name}") == 0, probec.err
    assert probec("cache", "push", str(tmp_path / "e::f"), "--build-dir", "c::d") == 0
    assert (tmp_path / "e::f").is_dir()
    assert not (tmp_path / "e").exists()


# messages of commands


def broken(project: Path) -> list[Row]:
    """Make 5 of the 8 documents unusable, for two reasons."""
    path = project / "specs/data/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    ids = sorted({row["doc_id"] for row in rows})
    for row in rows:
        if row["doc_id"] in ids[:3]:
            row["doc_id"] = 0.5
        elif row["doc_id"] in ids[3:5]:
            row["prefix"] = None
    path.write_text(lines(rows), encoding="utf-8")
    return rows


LOST = (
    "25 rows skipped: 15 row_type ('doc_id' is a double with a fraction), "
    "10 row_null ('prefix' is null)"
)


def test_too_few_documents_are_explained(probec: Probec, project: Path) -> None:
    broken(project)
    remedy = "(lower rounds[].docs, or use a larger source)"

    # The first build reads the source, the plan finds it read.
    for command in ("build", "plan"):
        assert probec(command, SPEC) == 1
        assert probec.err.splitlines()[-1] == (
            f"probec: rounds: rounds need 6 documents, but the source has 3; {LOST} {remedy}"
        )
    edit(project / SPEC, "[{docs: 4}, {docs: 2}]", "[{docs: 1}]")
    # One document has no other to take alternatives from.
    assert probec("build", SPEC, "--set", "max_lost=1") == 0
    assert probec("plan", SPEC, "--set", "rounds=[{docs: 1}, {docs: 3}]") == 1
    assert f"the source has 2; 1 more in locked rounds; {LOST} {remedy}" in probec.err


def test_a_rehearsal_says_what_its_rounds_lost(probec: Probec, project: Path) -> None:
    broken(project)
    source = ("--source", "specs/data/tiny.jsonl")

    assert probec("plan", SPEC, *source) == 0
    assert f"(3 documents; {LOST}): rounds 4 + 2 -> 2 + 1" in probec.out + probec.err
    rounds = ("--set", "rounds=[{docs: 4}, {docs: 2}, {docs: 2}, {docs: 2}]")
    assert probec("plan", SPEC, *source, *rounds) == 2
    assert f"3 documents cannot fill 4 rounds; {LOST}" in probec.err


@pytest.mark.parametrize("command", ["build", "plan"])
def test_no_usable_document_names_the_reasons(command: str, probec: Probec, project: Path) -> None:
    path = project / "specs/data/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text(lines([{**row, "doc_id": True} for row in rows]), encoding="utf-8")
    reason = "no usable document: 40 rows skipped: 40 row_type ('doc_id' is a bool)"

    assert probec("build", SPEC) == 1
    assert sum(reason in line for line in probec.err.splitlines()) == 1
    assert "every row needs an id, a prefix and a continuation" in probec.err
    assert probec(command, SPEC, "--source", "specs/data/tiny.jsonl") == 2
    assert reason in probec.err


def test_a_changed_list_of_parts_is_noticed_by_the_next_build(
    probec: Probec, project: Path
) -> None:
    folder = saved(project / "saved", parts=2)
    path = project / "specs/data/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for number in range(2):
        part = stream(table(rows[number * 20 : (number + 1) * 20]))
        (folder / f"data-0000{number}-of-00002.arrow").write_bytes(part)
    source = ("--set", "source.path=saved", "--set", "rounds=[{docs: 2}]")
    assert probec("build", SPEC, *source) == 0
    state = {"_data_files": [{"filename": "data-00000-of-00002.arrow"}]}
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")

    assert probec("build", SPEC, *source) == 1
    assert "documents of locked round 0 are no longer in the source" in probec.err
