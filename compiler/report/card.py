"""The dataset card, rendered from the statistics and the column table without typed numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import asdict

from compiler.errors import Problem
from compiler.report import markdown, numbers
from compiler.report.pages import Page
from compiler.templating.prompts import Library

if TYPE_CHECKING:
    from compiler.statistics.stats import Stats

TEMPLATE = "card.md.j2"
_VALUES = frozenset(
    {
        *("stats", "build", "sections", "facts", "columns", "size", "resamples", "published"),
        "references",
    }
)
_REFERENCES = {"both": "`atom_text` and, separately, `target_response`"}


class CardFacts(Struct, frozen=True):
    """Facts on the card that the rows do not hold: source, models, prompts, prices and settings.

    `compare`: the reference text, by scope if they differ. `reasons`, `skips`, `checks`: meanings
    by name, for readers of the rows. `scopes`: as declared, in their order (`dataset.scopes`).
    """

    name: str
    license: str
    languages: tuple[str, ...]
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
    compare: str | Mapping[str, str]
    policy: str
    judged: bool
    stop_after: int | None
    reasons: Mapping[str, str]
    skips: Mapping[str, str]
    checks: Mapping[str, str]
    scopes: tuple[Mapping[str, object], ...] = ()
    suffix_in_generated: bool = True


def render(
    templates: Library,
    stats: Stats,
    facts: CardFacts,
    published: Mapping[str, object] | None = None,
) -> str:
    """Render README.md of the dataset. `published`: of a publication (`report.publication`).

    Raises:
        PromptError: the template is missing or cannot be rendered.
    """
    from compiler.dataset.columns import COLUMNS
    from compiler.report.sections import sections
    from compiler.statistics.measures.clusters import RESAMPLES

    values = {
        "stats": stats,
        "build": stats.build,
        "sections": sections(stats),
        "resamples": RESAMPLES,
        "facts": asdict(facts),
        "columns": COLUMNS,
        "size": _size(stats.probes),
        "published": published,
        "references": _references(facts),
    }
    return _page(templates).render(values)


def problems(templates: Library) -> list[Problem]:
    """Find problems of the card's template without rendering it."""
    return _page(templates).problems(_VALUES)


def _references(facts: CardFacts) -> str:
    """Return the reference texts as markdown, with the scopes of each if there are several."""
    if isinstance(facts.compare, str):
        return _REFERENCES.get(facts.compare, f"`{facts.compare}`")
    scopes: dict[str, list[str]] = {}
    # In the order of the scopes, because card.json sorts keys.
    for name in (str(each["name"]) for each in facts.scopes):
        if name in facts.compare:
            scopes.setdefault(facts.compare[name], []).append(name)
    return " or ".join(
        f"{_REFERENCES.get(each, f'`{each}`')} ({', '.join(names)})"
        for each, names in scopes.items()
    )


def _page(templates: Library) -> Page:
    return Page(
        templates,
        TEMPLATE,
        "fix the template and build again; no request is sent twice",
        escaped=False,
        count=numbers.count,
        usd=numbers.usd,
        table=markdown.render,
        json=partial(json.dumps, ensure_ascii=False),
    )


def _size(rows: int) -> str:
    """Return the Hub's size category of a number of rows."""
    for limit, name in ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K")):
        if rows < limit:
            return name
    return "100K<n<1M" if rows < 10**6 else "1M<n<10M"
