"""The dataset card, rendered from one Stats record and the column table; no number is typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from compiler.dataset.columns import COLUMNS
from compiler.errors import Problem
from compiler.probes.prompts import Library
from compiler.report.pages import Page
from compiler.statistics.artefacts import findings
from compiler.statistics.measures.clusters import RESAMPLES
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.scores import EDGES, CellStats
from compiler.statistics.stats import Stats

TEMPLATE = "card.md.j2"
_VALUES = frozenset(
    {"stats", "build", "pooled", "facts", "columns", "size", "findings", "resamples"}
)


@dataclass(frozen=True)
class CardFacts:
    """What the card says beside the statistics, and what readers of the rows must know.

    `scopes`: as declared, in their order (`dataset.scopes`).
    """

    name: str
    license: str
    source_path: str
    source_homepage: str | None
    source_license: str | None
    source_revision: str | None
    source_model: str
    source_tokenizer: str
    lens_tokenizer: str
    models: Mapping[str, Mapping[str, str]]
    prompts: Mapping[str, str]
    prices: Mapping[str, Mapping[str, float]]
    level: int
    addendum: str
    rollouts: int
    view_chars: int
    view_keep: str
    compare: str
    policy: str
    stop_after: int | None
    reasons: Mapping[str, str]
    skips: Mapping[str, str]
    checks: Mapping[str, str]
    scopes: tuple[Mapping[str, object], ...] = ()
    suffix_in_generated: bool = True


def render(templates: Library, stats: Stats, facts: CardFacts) -> str:
    """README.md of the dataset."""
    values = {
        "stats": stats,
        "build": stats.build,
        "resamples": RESAMPLES,
        "pooled": stats.pooled,
        "facts": asdict(facts),
        "columns": COLUMNS,
        "size": _size(stats.probes),
        "findings": [*findings(stats.artefacts)],
    }
    return _page(templates).render(values)


def problems(templates: Library) -> list[Problem]:
    """What is wrong with the card's template, before there is anything to render."""
    return _page(templates).problems(_VALUES)


def _page(templates: Library) -> Page:
    return Page(
        templates,
        TEMPLATE,
        "mend the template and build again; nothing is asked again",
        escaped=False,
        share=share,
        bars=bars,
        number=number,
        interval=interval,
        percent=percent,
        percent_of=percent_of,
    )


def share(count: int, of: int) -> str:
    """`41.8%`, or a dash when there is nothing to share."""
    return f"{100 * count / of:.1f}%" if of else "-"


def number(value: float | None) -> str:
    """Three decimals, or a dash for nothing."""
    return "-" if value is None else f"{value:.3f}"


def interval(found: Interval | None) -> str:
    """`0.461 [0.452, 0.470]`; the value alone where there are too few documents."""
    if found is None or found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def percent(found: Interval | None) -> str:
    """`41.8% [41.1, 42.5]`."""
    if found is None or found.value is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{100 * found.value:.1f}%"
    return f"{100 * found.value:.1f}% [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def percent_of(value: float | None) -> str:
    """`41.8%`, or a dash for nothing."""
    return "-" if value is None else f"{100 * value:.1f}%"


def bars(scores: CellStats) -> str:
    """The histogram as text, one bin a line, with counts, shares and bars."""
    lines = []
    for place, count in enumerate(scores.histogram):
        closing = "]" if place == len(scores.histogram) - 1 else ")"
        bar = "#" * round(40 * count / scores.rows) if scores.rows else ""
        lines.append(
            f"[{EDGES[place]:.1f}, {EDGES[place + 1]:.1f}{closing} {count:>9,} "
            f"({share(count, scores.rows):>6}) {bar}".rstrip()
        )
    return "\n".join(lines)


def _size(rows: int) -> str:
    """The Hub's size category."""
    for limit, name in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K")):
        if rows < limit:
            return name
    return "100K<n<1M" if rows < 10**6 else "1M<n<10M"
