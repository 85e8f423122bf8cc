"""The rows and statistics of a finished build, or of one of its locked rounds."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from compiler.building import folder
from compiler.engine.plan import Graph
from compiler.errors import StoreError, UsageError
from compiler.project import opening, place
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.spec.scoring import Bands
from compiler.statistics import measured
from compiler.statistics.stats import Stats
from compiler.templating.prompts import Library


class Finished(Struct, frozen=True):
    """A build that is up to date."""

    project: Project
    graph: Graph
    result: object

    @property
    def stats(self) -> Stats:
        """The statistics of its probes.

        Raises:
            UsageError: it is a build of another kind.
        """
        assert self.project.spec is not None
        assert isinstance(self.result, Stats)
        return self.result

    @property
    def directory(self) -> Path:
        """The directory of its installed dataset."""
        return self.project.directory

    @property
    def mismatch(self) -> str | None:
        """Why that directory does not hold this build, and the remedy; None if it does."""
        return folder.mismatch(self.project.directory, self.graph, self.project.command)

    def require_installed(self) -> None:
        """Refuse to speak of files of another build.

        Raises:
            StoreError: the directory does not hold this build.
        """
        found = self.mismatch
        if found is not None:
            raise StoreError(found)

    @property
    def files(self) -> list[Path]:
        """Its parquet files, in the order of rounds."""
        return folder.rows(self.project.store, self.graph)

    @property
    def templates(self) -> Library:
        """The templates of its project."""
        return Library(self.project.root / "templates")


def build(variant: Variant) -> Finished:
    """Open the finished build of a spec.

    Raises:
        StoreError: it is not built, or not up to date.
    """
    project = opening.project(variant)
    graph = project.planned()
    return Finished(project, graph, folder.result(project, graph))


def round_stats(prefix: str, build: Path | None) -> Stats:
    """Compute the statistics of a locked round from its installed rows, with its lock's bands.

    `prefix`: the start of its hash; `build`: the build directory if not the default one.

    Raises:
        UsageError: the installed rows are not those of the lock, or there are none.
    """
    where = place.find(None, build)
    lock, _ = where.lock(prefix)
    identity = lock.identity
    installed = folder.installed_round(where.build, lock.dataset, identity.round)
    rows = identity.outputs.get(f"publish {identity.round}", {}).get("rows")
    if installed is None or installed[1] != rows:
        other = "is not installed" if installed is None else "is installed in another version"
        raise UsageError(
            f"round {identity.round} of {lock.dataset} {other}",
            where=str(where.build / "datasets" / lock.dataset),
            hint="build its spec, or `probec reproduce` it with --keep",
        )
    if "scoring" not in identity.spec:
        raise UsageError(
            f"round {identity.round} of {lock.dataset} is one of rollouts, whose statistics are of "
            "all rounds",
            hint=f"run `probec stats {where.build / 'datasets' / lock.dataset}`",
        )
    stated = Bands.model_validate(identity.spec["scoring"]["bands"])  # pyrefly: ignore[bad-index]
    return measured.stats(installed[0], stated.hard, stated.easy)
