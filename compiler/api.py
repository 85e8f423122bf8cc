"""The functions of `from compiler import ...`, over those that the commands call.

Each raises a `ProbecError`, whose text is what the command would print.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.building import finished
from compiler.building import plan as planning
from compiler.building.build import make
from compiler.building.finished import Finished
from compiler.building.jobs import Workers
from compiler.building.plan import Plan
from compiler.dataset import stated
from compiler.dataset.rows import files, table
from compiler.errors import ProbecError
from compiler.project import opening
from compiler.project.reporter import Reporter, Silent
from compiler.project.variant import Variant
from compiler.spec.model import Spec
from compiler.statistics import measured
from compiler.statistics.stats import Stats

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class LoadedSpec:
    """A checked spec: its resolved values, and the variant that it was read as."""

    spec: Spec
    variant: Variant

    @property
    def command(self) -> str:
        """The command line that builds it."""
        return opening.command(self.variant)


def load_spec(
    path: str | os.PathLike[str],
    overrides: Iterable[str] = (),
    *,
    provider: str | None = None,
    source: str | None = None,
    build_dir: str | os.PathLike[str] | None = None,
) -> LoadedSpec:
    """Read and check a spec, as `probec check` does.

    `overrides`: `PATH=VALUE` each, as for --set; `provider`: for all roles; `source`: rollouts that
    replace the declared ones; `build_dir`: the build directory if not that of the project.

    Raises:
        SpecError: lists every problem of the spec and of the files that it names.
    """
    folder = None if build_dir is None else Path(build_dir)
    variant = Variant(Path(path), tuple(overrides), provider, source, folder)
    return LoadedSpec(opening.project(variant).spec, variant)


def plan(loaded: LoadedSpec) -> Plan:
    """Plan a build: the steps that would run, and their price. Opens no socket.

    Raises:
        UsageError: the spec would draw or sample a locked round differently.
    """
    return planning.plan(opening.project(loaded.variant))


def build(
    loaded: LoadedSpec,
    *,
    max_usd: float = 0.0,
    jobs: int | None = None,
    reporter: Reporter | None = None,
) -> Finished:
    """Bring a dataset up to date, and return it with its directory, files and statistics.

    `max_usd`: the ceiling of this run; by default nothing that costs money is sent. `jobs`: worker
    processes of the local stages, if not chosen by the size of the dataset. `reporter`: receives
    progress and notices.

    Raises:
        BudgetError: requests would cost more than `max_usd`; it names the price.
        ProbecError: a source, a provider or a gate of the spec fails the build.
    """
    project = opening.project(loaded.variant)
    made = make(project, reporter or Silent(), max_usd, Workers(jobs))
    if made.code:
        raise ProbecError(made.text)
    return finished.build(loaded.variant)


def rows(
    built: LoadedSpec | Finished | str | os.PathLike[str], columns: Sequence[str] | None = None
) -> pa.Table:
    """Read the rows of a finished build, or of a parquet file or dataset directory.

    `columns`: those to read, in this order; None for all of them.

    Returns:
        A table with one row for each probe, in the order of rounds; `.to_pandas()` converts it.

    Raises:
        StoreError: the spec is not built, or not up to date.
        SourceError: there is no such file, it is not parquet, or it lacks a column.
    """
    if isinstance(built, LoadedSpec):
        built = finished.build(built.variant)
    return table(built.files if isinstance(built, Finished) else files(Path(built)), columns)


def stats(built: LoadedSpec | Finished | str | os.PathLike[str]) -> Stats:
    """Return the statistics of a finished build, or of a parquet file or dataset directory.

    Raises:
        StoreError: the spec is not built, or not up to date.
        SourceError: there is no such file, or it is no table of probes.
    """
    if isinstance(built, LoadedSpec):
        built = finished.build(built.variant)
    if isinstance(built, Finished):
        return built.stats
    path = Path(built)
    return measured.stats(path, *stated.bands_of(path, None, None))
