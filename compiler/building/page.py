"""The report page of a finished build, or of probe rows in files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compiler.building import finished, folder
from compiler.building.build import alone
from compiler.checking import rollouts as rolled
from compiler.dataset import rollout_columns, rows, stated
from compiler.errors import UsageError
from compiler.project import place
from compiler.project.variant import Variant
from compiler.report import report, rollouts, sample
from compiler.report.report import ReportFacts
from compiler.rollouts.rows import RolloutFacts, RolloutStats
from compiler.spec.scoring import Anchors
from compiler.statistics import measured
from compiler.statistics.stats import Stats
from compiler.templating.prompts import Library


@dataclass(frozen=True)
class Page:
    """The content of a report page, and its output file `out`."""

    out: Path
    templates: Library
    stats: Stats
    files: list[Path]
    name: str
    origin: str
    limits: Anchors

    def render(self, documents: int) -> tuple[str, tuple[str, ...]]:
        """Render the page with this number of documents in full; return it with their ids."""
        stats = self.stats
        bands = stats.hard_below, stats.easy_from
        # One document is read in any case, for the example.
        records = sample.choose(self.files, max(1, documents), bands)
        facts = ReportFacts(self.name, self.origin, sample.models(self.files), self.limits)
        example, shown = sample.example(records), records[:documents]
        text = report.render(self.templates, stats, facts, shown, example)
        return text, tuple(record.doc_id for record in shown)


@dataclass(frozen=True)
class RolloutsPage:
    """The content of a report page about rollouts, and its output file `out`."""

    out: Path
    templates: Library
    stats: RolloutStats
    facts: RolloutFacts
    files: list[Path]
    origin: str

    def render(self, documents: int) -> tuple[str, tuple[str, ...]]:
        """Render the page with this number of documents in full; return it with their ids."""
        shown = rollout_columns.documents(self.files, documents)
        text = rollouts.page(self.templates, self.stats, self.facts, self.origin, shown)
        return text, tuple(own[0].doc_id for own in shown)


def of_spec(variant: Variant, out: Path | None) -> Page | RolloutsPage:
    """Gather the page of a finished build.

    `out`: its file; None for the one in the dataset directory.

    Raises:
        StoreError: the spec is not built, or not up to date.
    """
    build = finished.build(variant)
    project = build.project
    if out is None:
        # Installed first, so that the rows beside the page are those that it shows.
        with alone(project):
            out = folder.install(project, build.graph) / folder.PAGE
    origin = f"the build of {folder.shown(variant.path)}"
    if isinstance(build.result, RolloutStats):
        facts = folder.record(project.store, build.graph, "rollout_facts", RolloutFacts)
        return RolloutsPage(out, build.templates, build.result, facts, build.files, origin)
    return Page(
        out,
        build.templates,
        build.stats,
        build.files,
        project.dataset,
        origin,
        project.spec.scoring.anchors or Anchors(),
    )


def of_rows(
    path: Path, out: Path | None, hard: float | None, easy: float | None
) -> Page | RolloutsPage:
    """Gather the page of a file or dataset directory.

    `hard`, `easy`: thresholds of the bands; None for those that the data states, or the defaults.
    """
    stats = rolled.stated(path)
    if stats is not None:
        if hard is not None or easy is not None:
            raise UsageError("rollouts have no bands", hint="leave --hard and --easy out")
        return RolloutsPage(
            out or path / folder.PAGE,
            place.page_templates(path, rollouts.PAGE),
            stats,
            rolled.facts(path),
            rollout_columns.files(path),
            f"the rows in {folder.shown(path)}",
        )
    bands = stated.bands_of(path, hard, easy)
    files = rows.files(path)
    default = path / folder.PAGE if path.is_dir() else path.with_suffix(f".{folder.PAGE}")
    return Page(
        out or default,
        place.page_templates(path, report.TEMPLATE),
        measured.stats(path, *bands),
        files,
        path.resolve().name,
        f"the rows in {folder.shown(path)}",
        Anchors(),
    )
