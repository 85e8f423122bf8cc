"""Throughput of the local stages and the share of each, with every reply logged.

usage: python -m benchmarks.local_stages [ROLLOUTS_FILE]        (make bench)

Builds the demo's spec over the file twice in new build directories: the first build fills the
response log; the second, which is measured, finds every reply there. Seconds are process time.
Floors are the minimal work of the libraries under a stage, measured in the same run on the same
texts: at a ratio of 1.0 the stage would add no cost of its own.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import sentencex

from benchmarks import machine
from benchmarks.floors import encoder
from compiler import cli
from compiler.engine.store import Manifest, Store
from compiler.probes import tokens
from compiler.records import DocRecord
from compiler.report.terminal import table

ROOT = Path(__file__).parent.parent
DEFAULT = ROOT / "specs/data/rollouts.jsonl"
TOKENIZER = "specs/data/bpe-8k.json.gz"


def build(project: Path, source: Path, folder: str) -> dict[str, object]:
    """Run one build as a user would and return its JSON result."""
    out = io.StringIO()
    documents = count(source)
    arguments = ["build", str(project / "specs/demo.yaml"), "--json"]
    arguments += ["--build-dir", str(project / folder), "--set", f"source.path={source}"]
    arguments += ["--set", f"rounds=[{{docs: {documents}}}]", "--set", "shard_docs=512"]
    # As published: the demo's baselines and audits are additional work.
    arguments += ["--set", "scoring.baselines={}", "--set", "scoring.anchors=null"]
    arguments += ["--set", "scoring.rejudge=null"]
    with redirect_stdout(out), redirect_stderr(io.StringIO()):
        code = cli.main(arguments)
    if code != 0:
        raise SystemExit(out.getvalue())
    data: dict[str, object] = json.loads(out.getvalue())
    return data


def count(source: Path) -> int:
    """Count the distinct documents of a rollouts file."""
    if source.suffix == ".parquet":
        return len(set(pq.read_table(source, columns=["doc_id"])["doc_id"].to_pylist()))
    lines = source.read_text(encoding="utf-8").splitlines()
    return len({json.loads(line)["doc_id"] for line in lines})


def seconds(work: Callable[[], object]) -> float:
    """Return the process time of the median of three runs."""
    found = []
    for _ in range(3):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return sorted(found)[1]


def records(folder: Path) -> list[DocRecord]:
    """Return the doc-records of the measured build."""
    store = Store(folder)
    found: list[DocRecord] = []
    for path in sorted((folder / "steps").rglob("*.json")):
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if manifest.preimage["stage"] == "sample":
            found.extend(store.rows(manifest.outputs["records"], DocRecord))
    return found


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path, nargs="?", default=DEFAULT, help="rollouts, a file")
    source = parser.parse_args().source.resolve()
    if not source.is_file():
        parser.error(f"{source} is no file")
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("prompts", "templates", "specs"):
            shutil.copytree(ROOT / name, project / name)
        build(project, source, "first")
        data = build(project, source, "second")
        texts = [s.text for record in records(project / "second") for s in record.shown]
        report(source, count(source), data, texts)


def report(source: Path, documents: int, data: dict[str, object], texts: list[str]) -> None:
    """Print the shares and the floors."""
    spent = data["seconds"]
    assert isinstance(spent, dict)
    total = sum(spent.values())
    found = tokens.find(TOKENIZER, ROOT, online=False)
    assert found is not None
    tokenize = encoder(tokens.load(found))
    encode = seconds(lambda: [tokenize(text) for text in texts])
    segment = seconds(lambda: [sentencex.get_sentence_boundaries("en", text) for text in texts])
    print(f"{machine.described()}, source {source.name}")
    print(f"{documents} documents, {sum(map(len, texts)) / 1e6:.2f} MB shown to the generator")
    rows = [(name, s, 100 * s / total, documents / s if s else None) for name, s in spent.items()]
    rows.append(("all", total, 100.0, documents / total))
    print(table(("stage", "CPU s", "% of all", "documents/s"), rows))
    floor = encode + segment
    print(
        f"floor of sample, on the same texts: tokenizer {encode:.3f} s + segmenter {segment:.3f} s "
        f"= {floor / spent['sample']:.2f} of the stage"
    )


if __name__ == "__main__":
    main()
