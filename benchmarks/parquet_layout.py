"""Published parquet files compared with those of `datasets`: size, speed, readers and re-uploads.

usage: python -m benchmarks.parquet_layout [DOCUMENTS]   (default 6,000)

Rows are shaped like published ones: the text of a document on its sixteen rows, a complement, an
atom, and written fields of the usual length. The text consists of real words that follow one
another as in real text, without repeated passages: recurring paragraphs would favor every layout
with large pages. Every layout holds the same rows under the same schema.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import machine
from benchmarks.chain import Chain
from compiler.commands.arguments import at_least_one
from compiler.dataset import parquet
from compiler.dataset.columns import COLUMNS, Value
from compiler.dataset.parquet import Layout
from compiler.engine.artifact import RowDigest
from compiler.probes.sampling import Stream
from compiler.report.terminal import table

FULL = 6000
_ROWS = 16
_CHARS = 6000
# Parameters of the Hub's chunking.
_LEAST, _MOST = 8 << 10, 128 << 10
Write: TypeAlias = "Callable[[list[dict[str, Value]], Path], None]"
_TEXTS = {
    "verbalizer_prompt": 110,
    "target_response": 120,
    "incorrect_plausible_answer": 120,
    "synergy_check": 110,
    "distribution_check": 110,
    "difficulty_check": 160,
}


def rows(documents: int) -> Iterator[dict[str, Value]]:
    """Return rows in the order in which a build publishes them."""
    chain = Chain()
    for number in range(documents):
        stream = Stream("rows", number)
        text = chain.text(_CHARS, stream)
        split = len(text) // 4 + stream.below(len(text) // 3)
        rationale = chain.text(300, stream)
        for slot in range(_ROWS):
            yield _row(f"doc{number:06d}", text, split, slot, rationale, chain, stream)


def _row(
    doc_id: str, text: str, split: int, slot: int, rationale: str, chain: Chain, stream: Stream
) -> dict[str, Value]:
    suffix, written = slot % 2 == 1, slot >= _ROWS - 6
    low, high = (split, len(text)) if suffix else (0, split)
    start = low + stream.below(max(1, high - low - 200))
    end = min(high, start + (160 if written else 8))
    answers = [chain.text(125 + stream.below(250), stream) for _ in range(5)] if written else None
    scores = [stream.below(11) / 10 for _ in range(5)] if written else None
    values: dict[str, Value] = {
        name: chain.text(n // 2 + stream.below(n), stream) for name, n in _TEXTS.items()
    }
    values |= {
        "doc": text,
        "scope": "sentence" if written else "word",
        "context": text[:split] if suffix else text[split:],
        "atom_text": text[start:end],
        "bb_answer_rollout_answers": answers,
        "bb_answer_rollout_scores": scores,
        "row_seed": 10**9 + int(doc_id[3:]),
        "doc_id": doc_id,
        "doc_source": f"https://example.org/{doc_id}",
        "split_char_offset": split,
        "row_splits": dict.fromkeys(("word_lens", "sentence", "paragraph", "whole"), split),
        "doc_choice_rationale": rationale,
        "split_rationale": rationale[::-1],
        "slot_idx": slot,
        "target": "suffix" if suffix else "prefix",
        "probe_id": hashlib.sha256(f"{doc_id}/{slot}".encode()).hexdigest()[:24],
        "atom_start": start,
        "atom_end": end,
        "flags": ["V14"] if stream.below(9) == 0 else [],
    }
    if not written:
        values |= dict.fromkeys(("synergy_check", "distribution_check", "difficulty_check"))
    return {column.name: values.get(column.name) for column in COLUMNS}


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=at_least_one, nargs="?", default=FULL)
    args = parser.parse_args()
    print(machine.described())
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), [*rows(args.documents)])


def measure(folder: Path, made: list[dict[str, Value]]) -> None:
    """Write every layout, read ours with every reader, and change one document."""
    shape = parquet.schema("int64")
    arrow = pa.Table.from_pylist(made, schema=shape)
    ours, chunked = Layout("int64", 8192, 9), Layout("int64", 8192, 9, True)
    quick = Layout("int64", 8192, 3)
    writers: list[tuple[str, Callable[[Path], None]]] = [
        ("datasets to_parquet", lambda path: _datasets(arrow, path)),
        ("pyarrow snappy, groups of 1,000", lambda path: pq.write_table(arrow, path, **_SNAPPY)),
        ("ours, zstd 9", lambda path: _ours(made, path, ours)),
        ("ours, zstd 3", lambda path: _ours(made, path, quick)),
        (_CHUNKED, lambda path: _ours(made, path, chunked)),
        ("pyarrow, content-defined pages", lambda path: _pages(made, path, ours, True)),
        (
            "the same, no dictionaries of text",
            lambda path: _pages(made, path, ours, _without_text(shape)),
        ),
        ("pyarrow alone, the layout of zstd 9", lambda path: _bare(made, path, ours)),
    ]
    sizes = []
    for name, write in writers:
        path = folder / f"{name}.parquet"
        write(path)
        sizes.append((name, path.stat().st_size / len(made)))
    first = sizes[0][1]
    listed = [(name, size, size / first) for name, size in sizes]
    print(f"{len(made):,} rows of {arrow.nbytes / len(made):,.0f} B in Arrow, {len(shape)} columns")
    print(table(("layout", "B/row", "of datasets'"), listed))
    speeds(folder, made, arrow.nbytes, ours)
    groups = pq.ParquetFile(folder / "ours, zstd 9.parquet").metadata
    largest = max(groups.row_group(i).total_byte_size for i in range(groups.num_row_groups))
    print(
        f"row groups: {groups.num_row_groups}, the largest {largest / 1e6:,.1f} MB uncompressed "
        f"(the Hub's advice: 100 MB)"
    )
    read_back(folder / "ours, zstd 9.parquet", arrow)
    read_back(folder / f"{_CHUNKED}.parquet", arrow)
    again: dict[str, Write] = {
        "ours, zstd 9": lambda rows, path: _ours(rows, path, ours),
        _CHUNKED: lambda rows, path: _ours(rows, path, chunked),
        "pyarrow, content-defined pages": lambda rows, path: _pages(rows, path, ours, True),
        "the same, no dictionaries of text": lambda rows, path: _pages(
            rows, path, ours, _without_text(shape)
        ),
    }
    print("\nwhat of a file is new to a store of byte chunks (8 to 128 KiB, about 64), in kB and %")
    head = [name for change in CHANGES for name in (f"{change}, kB", "%")]
    listing = [(name, *changed(folder, name, made, write)) for name, write in again.items()]
    print(table(("layout", *head), listing))


_CHUNKED = "ours, zstd 9, content-defined groups"
_SNAPPY = {"compression": "snappy", "row_group_size": 1000}


def speeds(folder: Path, made: list[dict[str, Value]], size: int, layout: Layout) -> None:
    """Time our writer and pyarrow alone in turn, by row groups: the minimum of three times."""
    ways: dict[str, Callable[[Path], None]] = {
        "ours": lambda path: _ours(made, path, layout),
        "pyarrow": lambda path: _bare(made, path, layout),
    }
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(3):
        for name, write in ways.items():
            started = time.process_time()
            write(folder / "timed.parquet")
            spent[name].append(time.process_time() - started)
    ours, bare = min(spent["ours"]), min(spent["pyarrow"])
    print(
        f"from rows, group by group, zstd 9: ours {size / 1e6 / ours:,.0f} MB of Arrow a second of "
        f"CPU, with the digest of the rows; pyarrow alone {size / 1e6 / bare:,.0f}; "
        f"{bare / ours:.2f} of its speed"
    )


def _datasets(arrow: pa.Table, path: Path) -> None:
    from datasets import Dataset

    Dataset(arrow).to_parquet(path)


def _ours(made: list[dict[str, Value]], path: Path, layout: Layout) -> None:
    with path.open("wb") as out:
        parquet.write(out, RowDigest(), made, layout)


def _bare(made: list[dict[str, Value]], path: Path, layout: Layout) -> None:
    """Write the same rows with pyarrow, a row group at a time, without their digest."""
    shape = parquet.schema(layout.dtypes)
    with pq.ParquetWriter(
        path,
        shape,
        compression="zstd",
        compression_level=layout.compression_level,
        dictionary_pagesize_limit=64 << 20,
        data_page_size=8 << 20,
        write_page_index=True,
    ) as writer:
        for start in range(0, len(made), layout.row_group_rows):
            group = made[start : start + layout.row_group_rows]
            writer.write_table(pa.Table.from_pylist(group, schema=shape), row_group_size=len(group))


def _pages(
    made: list[dict[str, Value]], path: Path, layout: Layout, dictionaries: bool | list[str]
) -> None:
    """Write the layout with pages that pyarrow cuts by content."""
    arrow = pa.Table.from_pylist(made, schema=parquet.schema(layout.dtypes))
    pq.write_table(
        arrow,
        path,
        row_group_size=layout.row_group_rows,
        compression="zstd",
        compression_level=layout.compression_level,
        dictionary_pagesize_limit=64 << 20,
        data_page_size=8 << 20,
        write_page_index=True,
        use_dictionary=dictionaries,
        use_content_defined_chunking=True,
    )


def _without_text(shape: pa.Schema) -> list[str]:
    return [field.name for field in shape if pa.types.is_primitive(field.type)]


def read_back(path: Path, arrow: pa.Table) -> None:
    """Print whether every installed reader finds the same rows."""
    expected = _digest(arrow)
    readers: list[tuple[str, Callable[[], pa.Table]]] = [
        ("pyarrow", lambda: pq.read_table(path)),
        ("datasets", lambda: _with_datasets(path)),
        ("duckdb", lambda: _with_duckdb(path)),
        ("polars", lambda: _with_polars(path)),
    ]
    for name, read in readers:
        try:
            same = _digest(read()) == expected
        except ImportError:
            print(f"{path.stem}, read back by {name}: not installed")
            continue
        print(f"{path.stem}, read back by {name}: {'equal' if same else 'DIFFERENT'}")


def _digest(arrow: pa.Table) -> str:
    canonical = RowDigest()
    for batch in arrow.to_batches(max_chunksize=512):
        for row in batch.to_pylist():
            canonical.append(row)
    return canonical.hexdigest()


def _with_datasets(path: Path) -> pa.Table:
    from datasets import Dataset

    with tempfile.TemporaryDirectory() as cache:
        return Dataset.from_parquet(str(path), cache_dir=cache).data.table


def _with_duckdb(path: Path) -> pa.Table:
    import duckdb

    found = duckdb.sql(f"select * from read_parquet('{path}')")
    assert found is not None
    return found.to_arrow_table()


def _with_polars(path: Path) -> pa.Table:
    import polars

    return polars.read_parquet(path).to_arrow()


def _dropped(made: list[dict[str, Value]]) -> list[dict[str, Value]]:
    middle = len(made) // 2 // _ROWS * _ROWS
    return made[:middle] + made[middle + _ROWS :]


def _edited(made: list[dict[str, Value]], count: int) -> list[dict[str, Value]]:
    found = [*made]
    for number in range(count):
        place = len(made) * (2 * number + 1) // (2 * count)
        found[place] = {**made[place], "target_response": "Somebody mended this answer by hand."}
    return found


CHANGES: dict[str, Callable[[list[dict[str, Value]]], list[dict[str, Value]]]] = {
    "document out": _dropped,
    "row edited": lambda made: _edited(made, 1),
    "ten rows": lambda made: _edited(made, 10),
}


def changed(folder: Path, name: str, made: list[dict[str, Value]], write: Write) -> Iterator[float]:
    """Yield the new part of a file after each change: kB and percent."""
    known = {digest for digest, _ in pieces((folder / f"{name}.parquet").read_bytes())}
    other = folder / "changed.parquet"
    for change in CHANGES.values():
        write(change(made), other)
        found = pieces(other.read_bytes())
        sent = sum(size for digest, size in found if digest not in known)
        yield sent / 1e3
        yield 100 * sent / sum(size for _, size in found)


def pieces(data: bytes) -> list[tuple[bytes, int]]:
    """Return digest and size of the chunks into which the Hub's storage would cut a file.

    Cuts are those of Xet: where a gear hash ends in 16 zero bits, at least 8 and at most 128 KiB
    apart.
    """
    import numpy as np

    low_bits = [int.from_bytes(hashlib.sha256(b"%d" % byte).digest()[:2]) for byte in range(256)]
    raw = np.array(low_bits, dtype=np.uint32)[np.frombuffer(data, dtype=np.uint8)]
    rolled = np.zeros_like(raw)
    # The low 16 bits of a gear hash depend only on the last 16 bytes.
    for back in range(16):
        rolled[back:] += raw[: len(raw) - back] << np.uint32(back)
    cuts, last = [0], len(data)
    for cut in [*(np.flatnonzero((rolled & np.uint32(0xFFFF)) == 0) + 1).tolist(), last]:
        while cut - cuts[-1] > _MOST:
            cuts.append(cuts[-1] + _MOST)
        if cut - cuts[-1] >= _LEAST or cut == last != cuts[-1]:
            cuts.append(cut)
    return [(hashlib.sha256(data[low:high]).digest(), high - low) for low, high in pairwise(cuts)]


if __name__ == "__main__":
    main()
