"""Full-scale build on this machine: seconds, memory and ratios to floors.

usage: python -m benchmarks.full_scale [DOCUMENTS] [--jobs N] [--keep DIR]   (default 36,997; the
results in the repository are those of --jobs 2)

Documents are recombined real paragraphs, about 6,000 characters with three siblings each. A first
build fills the response log with replies written by rule (benchmarks/author.py). The measured build
starts from nothing and finds every reply in the log. Then follow the same build again (a no-op),
its first round reproduced and built alone, a round of additional documents, and a separate build of
the same number of documents. Seconds are process time of the whole process tree, unless they are
called wall-clock time. The last line has the inputs of `benchmarks/scale_model.py`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import machine, recombine
from benchmarks.floors import Floors
from benchmarks.machine import Run, probec
from benchmarks.scale_model import Costs
from compiler.commands import build as build_command
from compiler.commands.arguments import at_least_one, variant
from compiler.engine.plan import Graph
from compiler.llm.responses import ResponseLog
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.report.terminal import table

ROOT = Path(__file__).parent.parent
QWEN = recombine.SHARED / "tokenizers/qwen3/tokenizer.json.gz"
FULL = 36_997
ROUNDS = 3


@dataclass(frozen=True)
class Bench:
    """A project for one measurement: its directory, its source, the number of its processes."""

    root: Path
    documents: int
    more: int
    jobs: int

    @property
    def source(self) -> Path:
        """Return the path of the source with the documents of all rounds."""
        return self.root / f"source-{self.documents + self.more}.parquet"

    @property
    def alone(self) -> Path:
        """Return the path of a source with as many documents as the added round."""
        return self.root / f"alone-{self.more}.parquet"

    @property
    def rounds(self) -> list[int]:
        """Return the number of documents of each round of the measured build."""
        return [len(range(i, self.documents, ROUNDS)) for i in range(min(ROUNDS, self.documents))]

    @property
    def log(self) -> Path:
        """Return the path of the response log."""
        return self.root / ".probec/responses.sqlite"

    @property
    def filled(self) -> Path:
        """Return the path that exists when the log holds every reply to these sources."""
        return self.root / f"filled-{self.documents}-{self.more}"

    def build(self, folder: str, *, grown: bool = False) -> Run:
        """Run one build as a user would."""
        return self._build(self.arguments(folder, grown=grown))

    def build_alone(self) -> Run:
        """Run a first build of as many documents as are added, from a source of only these."""
        return self._build(self.arguments_alone("alone"))

    def build_first(self) -> Run:
        """Run a first build of the first round, which draws the documents of the measured one."""
        return self._build(self._arguments("first", self.source, self.rounds[:1]))

    def arguments(self, folder: str, *, grown: bool = False) -> list[str]:
        """Write the spec of a build; return the arguments of the build, without the command."""
        return self._arguments(folder, self.source, [*self.rounds, *([self.more] if grown else [])])

    def arguments_alone(self, folder: str) -> list[str]:
        """Do the same for a build of as many documents as are added."""
        return self._arguments(folder, self.alone, [self.more])

    def reproduce(self, round_hash: str) -> Run:
        """Rebuild a round of the measured build from its lock and the log."""
        place = ["--dir", str(self.root), "--build-dir", str(self.root / "measured")]
        return probec("reproduce", round_hash, *place, "--jobs", str(self.jobs), "--json")

    def _build(self, arguments: Sequence[str]) -> Run:
        return probec("build", *arguments, "--jobs", str(self.jobs), "--json")

    def _arguments(self, folder: str, source: Path, rounds: Sequence[int]) -> list[str]:
        spec = yaml.safe_load((self.root / "specs/demo.yaml").read_text(encoding="utf-8"))
        spec["name"] = source.stem
        spec["source"]["path"] = str(source)
        if QWEN.exists():
            spec["source"]["tokenizer"] = str(QWEN)
        # As published: the demo's baselines and audits are additional work.
        spec["scoring"] = {"baselines": {}}
        spec["rounds"] = [{"docs": count} for count in rounds]
        spec["shard_docs"] = 512
        # The alternatives of a few documents are too few.
        spec["max_lost"] = 1
        # A round is added by an edit: with `--set` it would be another dataset, whose rounds are
        # all new.
        path = self.root / "specs" / f"{source.stem}.yaml"
        path.write_text(json.dumps(spec), encoding="utf-8")
        return [str(path), "--build-dir", str(self.root / folder)]


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=at_least_one, nargs="?", default=FULL)
    parser.add_argument("--more", type=at_least_one, help="documents of the added round")
    parser.add_argument("--jobs", type=at_least_one, default=1)
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
    """Fill the log, then measure the cold, the no-op and the grown build."""
    prepare(bench)
    logged = entries(bench)
    cold = bench.build("measured")
    calibration = calibrated(bench, cold)
    report_build(bench, cold)
    again = bench.build("measured")
    assert json.loads(again.out)["up_to_date"]
    report_reproduction(bench, cold)
    grown = bench.build("measured", grown=True)
    share = (grown.cpu - again.cpu) / bench.more / ((cold.cpu - again.cpu) / bench.documents)
    alone = bench.build_alone()
    if entries(bench) != logged:
        raise SystemExit("the log did not hold every reply: there is nothing to measure")
    demo(bench, again)
    spent: dict[str, float] = json.loads(grown.out)["seconds"]
    outside = grown.cpu - sum(spent.values())
    print(
        f"a round of {bench.more:,} more documents: {grown.cpu:.1f} s of CPU, "
        f"{grown.cpu / alone.cpu:.2f} of a build of {bench.more:,} documents alone "
        f"({alone.cpu:.1f} s) and {share:.2f} of what a document of the first build cost each; "
        f"of this {spent['release']:.1f} s are statistics over all rows, and {outside:.1f} s "
        "planning, starting workers and locking"
    )
    print(calibration)


def entries(bench: Bench) -> int:
    """Count the replies in the log."""
    with closing(ResponseLog(bench.log)) as log:
        return len(log)


def calibrated(bench: Bench, cold: Run) -> str:
    """Return the inputs of the scale model from a first build: bytes on disk, and CPU by process.

    `serial`: grouping of the source, statistics, and all other work of the process that
    distributes steps.
    """
    data = json.loads(cold.out)
    spent: dict[str, float] = data["seconds"]
    serial = spent["ingest"] + spent["release"] + cold.cpu - sum(spent.values())
    graph, project = planned(bench)
    started = time.process_time()
    steps = len(graph.plan())
    planning = time.process_time() - started
    project.log.close()
    folder = bench.root / "measured"
    costs = Costs()
    built = 1 - (costs.slots - data["stats"]["probes"] / bench.documents) / costs.written
    return (
        f"for the scale model, of a document: built {built:.3f}, "
        f"cpu_ms {1000 * cold.cpu / bench.documents:.1f}, "
        f"serial_ms {1000 * serial / bench.documents:.1f}, "
        f"store_bytes {size(folder / 'objects') / bench.documents:,.0f}, "
        f"parquet_bytes {size(folder / 'datasets') / bench.documents:,.0f}, "
        f"log_bytes {bench.log.stat().st_size / (bench.documents + 2 * bench.more):,.0f}; "
        f"planning {steps} steps {planning:.2f} s of CPU"
    )


def size(folder: Path) -> int:
    """Return the bytes of all files below the folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def prepare(bench: Bench) -> None:
    """Set up the project, its source, and a log that holds every reply."""
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, bench.root / name, dirs_exist_ok=True)
    if not bench.source.exists():
        chars = made(bench.source, bench.documents + bench.more)
        texts = recombine.Shape().siblings * (bench.documents + bench.more)
        print(f"source: {chars / texts:,.0f} characters a text, {chars / 1e6:,.1f} MB in all")
    if not bench.filled.exists():
        # A first build spends time on each reply, so it is not measured and its directory goes.
        made(bench.alone, bench.more)
        shutil.rmtree(bench.root / "filling", ignore_errors=True)
        author = [sys.executable, "-m", "benchmarks.author", "build", "--json"]
        author += ["--jobs", str(bench.jobs)]
        filling = machine.run([*author, *bench.arguments("filling", grown=True)], ROOT)
        shutil.rmtree(bench.root / "filling")
        machine.run([*author, *bench.arguments_alone("filling")], ROOT)
        shutil.rmtree(bench.root / "filling")
        bench.filled.write_text("", encoding="utf-8")
        filled = bench.log.stat().st_size
        print(f"filling the log: {filling.cpu:,.0f} s of CPU, {filled / 1e6:,.0f} MB")
    for name in ("measured", "first", "alone"):
        shutil.rmtree(bench.root / name, ignore_errors=True)


def made(path: Path, documents: int) -> int:
    """Write a source completely or not at all; return the characters of its texts."""
    part = path.with_suffix(".part")
    chars = recombine.write(part, documents)
    part.replace(path)
    return chars


def report_build(bench: Bench, run: Run) -> None:
    """Print stages, shares, floors and memory."""
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


def report_reproduction(bench: Bench, cold: Run) -> None:
    """Reproduce the first round and build it alone, and print both with their ratio."""
    (locked,) = [each for each in json.loads(cold.out)["locks"] if each["round"] == 0]
    again, first = bench.reproduce(locked["hash"]), bench.build_first()
    assert json.loads(first.out)["locks"] == [locked]
    print(
        f"reproduce of a round of {bench.rounds[0]:,} documents: {again.wall:,.1f} s by the clock, "
        f"{again.cpu:,.1f} s of CPU, peak memory {again.peak / 2**20:,.0f} MiB; a build of the "
        f"same round alone: {first.wall:,.1f} s by the clock, {first.cpu:,.1f} s of CPU; "
        f"{again.wall / first.wall:.2f} of its time, {again.cpu / first.cpu:.2f} of its CPU"
    )


def measured_floors(bench: Bench) -> dict[str, dict[str, float]]:
    """Return seconds per document of the libraries, on the first shard of the measured build."""
    graph, project = planned(bench)
    graph.plan()
    try:
        return Floors(graph, project.context(Silent()), project.log.path).measure()
    finally:
        project.log.close()


def planned(bench: Bench) -> tuple[Graph, Project]:
    """Return the graph of the measured build, not yet planned, and its project."""
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    project = opening.project(variant(parser.parse_args(bench.arguments("measured"))))
    return project.graph(project.context(Silent())), project


def demo(bench: Bench, again: Run) -> None:
    """Print the cost of no-ops: the full build, the demo, and the help text."""
    arguments = [str(bench.root / "specs/demo.yaml"), "--build-dir", str(bench.root / "demo")]
    probec("build", *arguments)
    rows = [
        ("no-op of the full build", again.cpu, again.wall),
        *(
            (what, best.cpu, best.wall)
            for what, best in (
                ("no-op of the demo", quickest("build", *arguments)),
                ("probec --help", quickest("--help")),
            )
        ),
    ]
    print(table(("doing nothing", "CPU s", "wall s"), rows))


def quickest(*arguments: str) -> Run:
    """Return the fastest of five runs."""
    return min((probec(*arguments) for _ in range(5)), key=lambda run: run.cpu)


if __name__ == "__main__":
    main()
