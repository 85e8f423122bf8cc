"""A source of any size for benchmarks: real paragraphs, recombined.

Every document takes its prefix from one real document and continues it with real paragraphs of
documents of the same collection. Siblings share some paragraphs, as samples of one model do. The
text is real and the documents are not, so nothing made here is ever published.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from compiler.probes.sampling import Stream

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared/data"
CORPUS = SHARED / "corpus/corpus.parquet"
SMALL = ROOT / "specs/data/rollouts.jsonl"
_SHORTEST = 60
_AGAIN = 0.25
_TRIES = 400


@dataclass(frozen=True)
class Shape:
    """Size of documents: characters of a prefix and of a full text, siblings of each."""

    prefix_chars: int = 1500
    chars: int = 6000
    siblings: int = 3


def paragraphs() -> Mapping[str, Sequence[Sequence[str]]]:
    """Return the paragraphs of every real document, by collection.

    They come from the shared corpus if it exists, else from the project's own rollouts.
    """
    found: dict[str, list[list[str]]] = defaultdict(list)
    if CORPUS.exists():
        table = pq.read_table(CORPUS, columns=["source", "text"]).to_pylist()
        texts = [(str(row["source"]), str(row["text"])) for row in table]
    else:
        lines = SMALL.read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        texts = [("", row["prefix"] + row["continuation"]) for row in rows]
    for source, text in texts:
        own = [part.strip() for part in text.split("\n") if len(part.strip()) >= _SHORTEST]
        if own:
            found[source].append(own)
    # A collection of few documents is too small to recombine.
    return {name: docs for name, docs in found.items() if len(docs) >= 14}


def documents(count: int, shape: Shape = Shape()) -> Iterator[tuple[str, str, list[str]]]:
    """Yield (doc_id, prefix, continuations) of the first `count` documents, deterministically."""
    collections = [docs for _, docs in sorted(paragraphs().items())]
    whole = [(docs, place) for docs in collections for place in range(len(docs))]
    for number in range(count):
        stream = Stream("recombine", number)
        docs, place = stream.pick(whole)
        prefix = _grown(docs[place], docs, stream, shape.prefix_chars)
        wanted = shape.chars - sum(map(len, prefix))
        first = _grown([], docs, stream, wanted)
        siblings = [first]
        while len(siblings) < shape.siblings:
            siblings.append(_varied(first, docs, stream))
        yield f"re-{number:07d}", "\n\n".join(prefix), ["\n\n" + "\n\n".join(s) for s in siblings]


def _grown(
    start: Sequence[str], docs: Sequence[Sequence[str]], stream: Stream, chars: int
) -> list[str]:
    """Return paragraphs of about `chars` characters that begin with `start`."""
    found: list[str] = []
    # Sizes vary as those of real texts do, by a factor of two to either side.
    limit = int(chars * 4 ** (stream.uniform() - 0.5))
    for part in start:
        if sum(map(len, found)) >= limit:
            break
        found.append(part)
    for _ in range(_TRIES):
        if sum(map(len, found)) >= limit:
            break
        part = stream.pick(stream.pick(docs))
        if part not in found:
            found.append(part)
    return found


def _varied(first: Sequence[str], docs: Sequence[Sequence[str]], stream: Stream) -> list[str]:
    """Return another sibling: some paragraphs of the first one, in its order, among others."""
    return [part if stream.uniform() < _AGAIN else stream.pick(stream.pick(docs)) for part in first]


def write(path: Path, count: int, shape: Shape = Shape()) -> int:
    """Write a rollouts file of `count` documents; return the characters of all full texts."""
    schema = pa.schema(
        [
            pa.field("doc_id", pa.string()),
            pa.field("doc_source", pa.string()),
            pa.field("prefix", pa.string()),
            pa.field("continuation", pa.string()),
            pa.field("doc_idx", pa.int64()),
        ]
    )
    chars = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        waiting: list[dict[str, object]] = []
        for doc_id, prefix, siblings in documents(count, shape):
            for idx, text in enumerate(siblings):
                waiting.append(
                    {
                        "doc_id": doc_id,
                        "doc_source": "recombined",
                        "prefix": prefix,
                        "continuation": text,
                        "doc_idx": idx,
                    }
                )
                chars += len(prefix) + len(text)
            if len(waiting) >= 2000:
                writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
                waiting.clear()
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema=schema))
    return chars
