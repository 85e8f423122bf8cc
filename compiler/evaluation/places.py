"""The cells of an evaluation: scope, target, typicality and band, under each metric."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.evaluation.grid import Grid
from compiler.evaluation.results import Settings
from compiler.statistics.observations import Bools

ALL = "all"


@dataclass(frozen=True)
class Place:
    """The coordinates of a cell. `outer`: its probes in any band; `mask`: those in its band."""

    scope: str
    target: str
    typicality: str
    band: str
    metric: str
    clean: bool
    outer: Bools
    mask: Bools


def places(grid: Grid, settings: Settings) -> Iterator[Place]:
    """Yield the cells of the settings, those without suspect probes last of each target."""
    metrics: dict[str, list[str]] = {}
    for scope in settings.scopes:
        of_scope = grid.scopes == scope
        have = dict.fromkeys(
            metric
            for (_, _, metric), series in grid.series.items()
            if (series.asked | series.failed)[of_scope].any()
        )
        first = [settings.primary.get(scope, ""), settings.win]
        metrics[scope] = sorted(have, key=lambda name: (name not in first, first[:1] != [name]))
    for scope in settings.scopes:
        for target in ("prefix", "suffix"):
            of_target = (grid.scopes == scope) & (grid.targets == target)
            labels = [each for each in ("typical", "atypical") if _any(grid, of_target, each)]
            for typicality in ("", *labels) if of_target.any() else ():
                outer = of_target & (grid.typicality == typicality) if typicality else of_target
                for band in settings.bands:
                    mask = outer if band == ALL else outer & (grid.bands == band)
                    for metric in metrics[scope] if mask.any() else ():
                        yield Place(scope, target, typicality, band, metric, False, outer, mask)
            flawed = grid.leaking | grid.repeated
            if (of_target & flawed).any() and (of_target & ~flawed).any():
                clean = of_target & ~flawed
                for metric in metrics[scope]:
                    yield Place(scope, target, "", ALL, metric, True, clean, clean)


def _any(grid: Grid, mask: Bools, typicality: str) -> bool:
    return bool((grid.typicality[mask] == typicality).any())
