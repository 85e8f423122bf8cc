"""The published dataset's size on this machine: seconds, memory, ratios to floors.

usage: python -m benchmarks.full_scale [DOCUMENTS] [--jobs N] [--keep DIR]   (default 36,997)

Documents are recombined real paragraphs, about 6,000 characters with three siblings each. A first
build fills the response log with replies written by rule (benchmarks/author.py); what is measured
is a build from nothing that finds every reply there. Then: the same build again (a no-op), a round
of more documents, and a build of as many documents by themselves. Seconds are process time of the
whole process tree, if not of the wall.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, recombine
from benchmarks.floors import Floors
from benchmarks.machine import Run, probec
from compiler.commands import build as build_command
from compiler.commands import wire
from compiler.commands.result import table

ROOT = Path(__file__).parent.parent
QWEN = recombine.SHARED / "tokenizers/qwen3/tokenizer.json.gz"
FULL = 36_997
ROUNDS = 3


@dataclass(frozen=True)
class Bench:
    """A project for one measurement: its directory, its source, how many processes build it."""

    root: Path
    documents: int
    more: int
    jobs: int

    def build(self, folder: str, *, grown: bool = False) -> Run:
        """One build, as a user would run it."""
        arguments = self.arguments(folder, grown=grown)
        return probec("build", *arguments, "--jobs", str(self.jobs), "--json")

    def build_alone(self) -> Run:
        """A first build of as many documents as are added, from a source that has no more."""
        return probec("build", *self.arguments_alone("alone"), "--jobs", str(self.jobs), "--json")

    def arguments_alone(self, folder: str) -> list[str]:
        """The command line of that."""
        return self._arguments(folder, "alone.parquet", [self.more])

    def arguments(self, folder: str, *, grown: bool = False) -> list[str]:
        """The command line of a build, without the command."""
        rounds = [len(range(i, self.documents, ROUNDS)) for i in range(ROUNDS)]
        return self._arguments(folder, "source.parquet", [*rounds, *([self.more] if grown else [])])

    def _arguments(self, folder: str, source: str, rounds: Sequence[int]) -> list[str]:
        listed = ", ".join(f"{{docs: {n}}}" for n in rounds)
        values = {
            "source.path": str(self.root / source),
            # As published: the demo's baselines and audits are work of their own.
            "scoring.baselines": "{}",
            "scoring.anchors": "null",
            "scoring.rejudge": "null",
            "source.tokenizer": str(QWEN) if QWEN.exists() else "specs/data/bpe-8k.json.gz",
            "rounds": f"[{listed}]",
            "shard_docs": "512",
        }
        found = [str(self.root / "specs/demo.yaml"), "--build-dir", str(self.root / folder)]
        for name, value in values.items():
            found += ["--set", f"{name}={value}"]
        return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=int, nargs="?", default=FULL)
    parser.add_argument("--more", type=int, help="documents of the added round")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="work here and leave everything in place")
    args = parser.parse_args()
    more = args.more if args.more is not None else max(1, min(1000, args.documents // 10))
    print(machine.described())
    if args.keep is not None:
        args.keep.mkdir(parents=True, exist_ok=True)
        measure(Bench(args.keep, args.documents, more, args.jobs))
        return
    with tempfile.TemporaryDirectory() as folder:
        measure(Bench(Path(folder), args.documents, more, args.jobs))


def measure(bench: Bench) -> None:
    """Fill the log, then measure cold, no-op and growing."""
    prepare(bench)
    cold = bench.build("measured")
    report_build(bench, cold)
    again = bench.build("measured")
    assert json.loads(again.out)["up_to_date"]
    demo(bench, again)
    grown = bench.build("measured", grown=True)
    share = (grown.cpu - again.cpu) / bench.more / ((cold.cpu - again.cpu) / bench.documents)
    alone = bench.build_alone()
    spent: dict[str, float] = json.loads(grown.out)["seconds"]
    outside = grown.cpu - sum(spent.values())
    print(
        f"a round of {bench.more:,} more documents: {grown.cpu:.1f} s of CPU, "
        f"{grown.cpu / alone.cpu:.2f} of a build of {bench.more:,} documents alone "
        f"({alone.cpu:.1f} s) and {share:.2f} of what a document of the first build cost each; "
        f"of this {spent['release']:.1f} s are statistics over all rows, and {outside:.1f} s "
        "planning, starting workers and locking"
    )


def prepare(bench: Bench) -> None:
    """The project, its source, and a log that holds every reply."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, bench.root / name, dirs_exist_ok=True)
    source = bench.root / "source.parquet"
    if not source.exists():
        chars = recombine.write(source, bench.documents + bench.more)
        texts = recombine.Shape().siblings * (bench.documents + bench.more)
        print(f"source: {chars / texts:,.0f} characters a text, {chars / 1e6:,.1f} MB in all")
    if not (bench.root / "filled").exists():
        # A first build pays, in time, for every reply; its directory is not looked at again.
        recombine.write(bench.root / "alone.parquet", bench.more)
        author = [sys.executable, "-m", "benchmarks.author", "build", "--json"]
        author += ["--jobs", str(bench.jobs)]
        filling = machine.run([*author, *bench.arguments("filling", grown=True)], ROOT)
        shutil.rmtree(bench.root / "filling")
        machine.run([*author, *bench.arguments_alone("filling")], ROOT)
        shutil.rmtree(bench.root / "filling")
        (bench.root / "filled").write_text("", encoding="utf-8")
        size = (bench.root / ".probec/responses.sqlite").stat().st_size
        print(f"filling the log: {filling.cpu:,.0f} s of CPU, {size / 1e6:,.0f} MB")
    for name in ("measured", "alone"):
        shutil.rmtree(bench.root / name, ignore_errors=True)


def report_build(bench: Bench, run: Run) -> None:
    """Stages, shares, floors, memory."""
    data = json.loads(run.out)
    spent: dict[str, float] = data["seconds"]
    floors = measured_floors(bench)
    total = sum(spent.values())
    rows = []
    for name, s in spent.items():
        parts = {what: bench.documents * each for what, each in floors.get(name, {}).items()}
        floor = sum(parts.values())
        shown = ", ".join(f"{what} {each:.1f}" for what, each in parts.items() if each >= 0.05)
        ratio = f"{floor / s:.2f}" if floor and s else "-"
        rows.append((name, s, 100 * s / total, 1000 * s / bench.documents, ratio, shown))
    rows.append(("all", total, 100.0, 1000 * total / bench.documents, "", ""))
    header = ("stage", "CPU s", "% of all", "ms/document", "floor/stage", "floor, s")
    print(table(header, rows))
    probes = data["stats"]["probes"]
    print(
        f"{bench.documents:,} documents, {probes:,} rows: {run.wall:,.1f} s by the clock, "
        f"{run.cpu:,.1f} s of CPU, {bench.documents / run.wall:,.1f} documents/s, "
        f"peak memory {run.peak / 2**20:,.0f} MiB ({bench.jobs} process{'es' * (bench.jobs > 1)}); "
        f"meanwhile a fixed piece of work took {run.slowness:.2f} times its best (median)"
    )


def measured_floors(bench: Bench) -> dict[str, dict[str, float]]:
    """Seconds per document of the libraries, on the first shard of the measured build."""
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    args = parser.parse_args(bench.arguments("measured"))
    project = wire.project(args)
    context = project.context(wire.Silent())
    graph = project.graph(context)
    graph.plan()
    try:
        return Floors(graph, context, project.log.path).measure()
    finally:
        project.log.close()


def demo(bench: Bench, again: Run) -> None:
    """Doing nothing: the full build, the demo, and the help text."""
    arguments = [str(bench.root / "specs/demo.yaml"), "--build-dir", str(bench.root / "demo")]
    probec("build", *arguments)
    rows = [
        ("no-op of the full build", again.cpu, again.wall, again.peak / 2**20),
        *(
            (what, best.cpu, best.wall, best.peak / 2**20)
            for what, best in (
                ("no-op of the demo", quickest("build", *arguments)),
                ("probec --help", quickest("--help")),
            )
        ),
    ]
    print(table(("doing nothing", "CPU s", "wall s", "peak MiB"), rows))


def quickest(*arguments: str) -> Run:
    """The quickest of five runs."""
    return min((probec(*arguments) for _ in range(5)), key=lambda run: run.cpu)


if __name__ == "__main__":
    main()
