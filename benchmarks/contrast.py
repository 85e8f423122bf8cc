"""Context-aware choice rate of word and lens probes on two inputs.

usage: python -m benchmarks.contrast [ROLLOUTS_FILE]

Builds the demo's spec over a rollouts file (the shared one if it exists) and over recombined
paragraphs, and prints the tables of the rate. Run it at two revisions to compare them.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import tempfile
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from benchmarks import recombine
from benchmarks.local_stages import count
from compiler import cli
from compiler.report.sections import artefacts
from compiler.report.terminal import table
from compiler.statistics import measured

ROLLOUTS = recombine.SHARED / "rollouts/gemma3-270m.parquet"
TOKENIZER = recombine.SHARED / "tokenizers/qwen3/tokenizer.json.gz"
DOCUMENTS = 240


def build(project: Path, source: Path, folder: str) -> Path:
    """Build the demo's spec over a source, without baselines and audits; return the dataset."""
    arguments = ["build", str(project / "specs/demo.yaml"), "--json"]
    arguments += ["--build-dir", str(project / folder)]
    settings = {
        "source.path": str(source),
        "rounds": f"[{{docs: {count(source)}}}]",
        "shard_docs": "512",
        **{f"scoring.{name}": "null" for name in ("anchors", "rejudge")},
        "scoring.baselines": "{}",
    }
    if TOKENIZER.exists():
        settings["scopes.lens.tokenizer"] = settings["source.tokenizer"] = str(TOKENIZER)
    for name, value in settings.items():
        arguments += ["--set", f"{name}={value}"]
    out, messages = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(messages):
        code = cli.main(arguments)
    if code != 0:
        raise SystemExit(out.getvalue() + messages.getvalue())
    return Path(json.loads(out.getvalue())["dataset"])


def main() -> None:
    """Build both datasets and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = ROLLOUTS if ROLLOUTS.exists() else recombine.SMALL
    parser.add_argument("rollouts", nargs="?", type=Path, default=default)
    parser.add_argument("--documents", type=int, default=DOCUMENTS, help="of recombined text")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("specs", "prompts", "templates"):
            shutil.copytree(recombine.ROOT / name, project / name)
        recombined = project / "recombined.parquet"
        recombine.write(recombined, options.documents)
        for name, source in (("rollouts", options.rollouts.resolve()), ("recombined", recombined)):
            found = measured.stats(build(project, source, f"build-{name}"), 0.4, 0.8)
            for each in (artefacts.context(found), artefacts.strata(found)):
                if each is not None:
                    print(f"{name}: {each.title}")
                    print(table(each.header, each.cells))


if __name__ == "__main__":
    main()
