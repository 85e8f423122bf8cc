"""Makes the demo's data from the full rollouts and corpus: the rows whose license is public domain.

usage: python specs/data/make_demo_data.py SHARED_DATA_DIR

Writes beside itself: rollouts.jsonl (one row per sibling), attribution.tsv (one row per document)
and bpe-8k.json.gz (a byte-level BPE trained on the public-domain part of the corpus).
"""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pyarrow.parquet as pq
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).parent
FREE = ("public-domain", "CC0-1.0 / public domain")
COLUMNS = ("doc_id", "doc_source", "prefix", "continuation", "doc_idx")
# The pre-tokenizer pattern that Qwen's tokenizers use, so that the demo meets the same boundaries.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def main(data: Path) -> None:
    meta = pq.read_table(data / "rollouts/gemma3-270m.genmeta.parquet").to_pylist()
    free = {row["doc_id"]: row["license"] for row in meta if row["license"].startswith(FREE)}
    rows = [
        row
        for row in pq.read_table(data / "rollouts/gemma3-270m.parquet").to_pylist()
        if row["doc_id"] in free
    ]
    rows.sort(key=lambda row: (row["doc_id"], row["doc_idx"]))
    with (HERE / "rollouts.jsonl").open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps({c: row[c] for c in COLUMNS}, ensure_ascii=False) + "\n")
    sources = {row["doc_id"]: row["doc_source"] for row in rows}
    with (HERE / "attribution.tsv").open("w", encoding="utf-8") as out:
        out.write("doc_id\tlicense\tdoc_source\n")
        for doc_id in sorted(sources):
            out.write(f"{doc_id}\t{free[doc_id]}\t{sources[doc_id]}\n")
    corpus = pq.read_table(data / "corpus/corpus.parquet").to_pylist()
    train([row["text"] for row in corpus if row["license"].startswith(FREE)])


def train(texts: list[str]) -> None:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=8192, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    packed = gzip.compress(tokenizer.to_str().encode("utf-8"), mtime=0)
    (HERE / "bpe-8k.json.gz").write_bytes(packed)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
