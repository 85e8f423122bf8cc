"""`probec report`: the numbers of a dataset as plots, with documents to read, in one HTML page."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from compiler.building import folder
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.dataset import rows, stated
from compiler.engine.lock import locked
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.probes.prompts import Library
from compiler.project import opening
from compiler.report import report, sample
from compiler.report.report import ReportFacts
from compiler.spec.scoring import Anchors
from compiler.statistics import measured
from compiler.statistics.stats import Stats

EXAMPLE = "probec report specs/demo.yaml"
_SPECS = (".yaml", ".yml")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, where to write, how much to show; the bands that bare rows do not state."""
    arguments.add_spec_arguments(parser, metavar="SPEC|FILE|DIR")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help=f"default: {folder.PAGE} in the dataset's directory",
    )
    parser.add_argument(
        "--sample", type=int, default=6, metavar="N", help="documents to show in full (default: 6)"
    )
    arguments.add_band_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Write the page; of a spec only when its build is up to date."""
    if args.sample < 0:
        raise UsageError(f"--sample {args.sample} is no number of documents", hint="0 or more")
    page = _of_spec(args) if args.spec.suffix in _SPECS else _of_rows(args)
    stats = page.stats
    records = sample.choose(page.files, args.sample, (stats.hard_below, stats.easy_from))
    facts = ReportFacts(page.name, page.origin, sample.models(page.files), page.min_gap)
    text = report.render(page.templates, stats, facts, records).encode("utf-8")
    write_atomic(page.out, text, "--out")
    return Result(
        f"report: {folder.shown(page.out)} "
        f"({len(text) / 1e6:.2f} MB; documents in full: {len(records)})",
        {
            "report": page.out.as_posix(),
            "bytes": len(text),
            "documents": [record.doc_id for record in records],
        },
    )


@dataclass(frozen=True)
class _Page:
    """What a page is made from."""

    out: Path
    templates: Library
    stats: Stats
    files: list[Path]
    name: str
    origin: str
    min_gap: float


def _of_spec(args: argparse.Namespace) -> _Page:
    arguments.without_bands(args)
    project = opening.project(arguments.variant(args))
    graph = project.planned()
    stats = folder.stats(project.store, graph)
    out: Path | None = args.out
    if out is None:
        # The page goes beside the very rows that it shows, whatever was installed there before.
        with locked(project.store.root):
            out = folder.install(project.store, graph, project.spec.name) / folder.PAGE
    return _Page(
        out,
        Library(project.root / "templates"),
        stats,
        folder.rows(project.store, graph),
        project.spec.name,
        f"the build of {folder.shown(args.spec)}",
        (project.spec.scoring.anchors or Anchors()).min_gap,
    )


def _of_rows(args: argparse.Namespace) -> _Page:
    path: Path = args.spec
    arguments.without_spec(args)
    hard, easy = stated.bands_of(path, args.hard, args.easy)
    files = rows.files(path)
    out = path / folder.PAGE if path.is_dir() else path.with_suffix(f".{folder.PAGE}")
    return _Page(
        args.out or out,
        _templates(path),
        measured.stats(path, hard, easy),
        files,
        path.resolve().name,
        f"the rows in {folder.shown(path)}",
        Anchors().min_gap,
    )


def _templates(path: Path) -> Library:
    """Of the project that holds the rows, else of the one that the command runs in."""
    for start in (path.resolve(), Path.cwd() / "here"):
        for root in start.parents:
            if (root / "templates" / report.TEMPLATE).is_file():
                return Library(root / "templates")
    raise UsageError(
        f"no project here: no directory above holds templates/{report.TEMPLATE}",
        where=str(path),
        hint="run it inside a project, such as a probec checkout",
    )
