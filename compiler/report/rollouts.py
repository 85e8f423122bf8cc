"""The tables and the card of a dataset of rollouts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import partial

import msgspec

from compiler.dataset.rollout_columns import COLUMNS
from compiler.errors import Problem
from compiler.report import html, markdown, numbers
from compiler.report.numbers import share
from compiler.report.pages import Page
from compiler.report.passages import visible
from compiler.report.tree import Section, Table, count, percent, word
from compiler.report.tree import rows as collected
from compiler.rollouts.rows import Rollout, RolloutFacts, RolloutStats
from compiler.templating.prompts import Library

TEMPLATE = "rollouts.md.j2"
PAGE = "rollouts.html.j2"
_VALUES = frozenset({"stats", "sections", "facts", "columns"})


def sections(stats: RolloutStats) -> tuple[Section, ...]:
    """Make all sections, without empty tables."""
    tables = (_ledger(stats), _losses(stats), _alarms(stats), _ends(stats), _usage(stats))
    lead = "Every planned continuation is kept whole, kept cut, or rejected with a reason."
    made = tuple(table for table in tables if table.rows)
    return (Section("rollouts", "Continuations", lead, made),)


def summary(stats: RolloutStats) -> tuple[Table, ...]:
    """Make the tables that a build prints."""
    return tuple(table for section in sections(stats) for table in section.tables)


def brief(stats: RolloutStats) -> Iterator[str]:
    """Yield a line each for the kept continuations and for the rejects."""
    planned = sum(each.planned for each in stats.ledger)
    rejected: Counter[str] = Counter()
    for each in stats.ledger:
        rejected.update(each.rejected)
    kept, cut = planned - rejected.total(), sum(sum(each.cut.values()) for each in stats.ledger)
    documents = sum(each.documents for each in stats.ledger)
    yield (
        f"continuations: {kept:,} kept of {planned:,} planned ({share(kept, planned)}), {cut:,} of "
        f"them cut; {documents:,} documents in {len(stats.ledger)} rounds"
    )
    if rejected:
        causes = ", ".join(f"{reason} {number:,}" for reason, number in rejected.most_common())
        yield f"rejected: {rejected.total():,}; cause: {causes}"


def _ledger(stats: RolloutStats) -> Table:
    return Table(
        "ledger",
        "Ledger",
        "planned continuations, documents times siblings, and what became of them.",
        (
            *(count("round"), count("documents"), count("planned")),
            *(count("kept whole"), count("kept cut"), count("rejected"), percent("kept")),
        ),
        collected(
            (
                each.round,
                each.documents,
                each.planned,
                each.whole,
                sum(each.cut.values()),
                sum(each.rejected.values()),
                (each.planned - sum(each.rejected.values())) / each.planned,
            )
            for each in stats.ledger
        ),
    )


def _losses(stats: RolloutStats) -> Table:
    cut: dict[str, int] = {}
    rejected: dict[str, int] = {}
    for each in stats.ledger:
        for name, number in each.cut.items():
            cut[name] = cut.get(name, 0) + number
        for name, number in each.rejected.items():
            rejected[name] = rejected.get(name, 0) + number
    rows: list[tuple[str, str, int, int | None]] = [
        ("cut", name, number, stats.cut_chars.get(name, 0)) for name, number in sorted(cut.items())
    ]
    rows += [("rejected", name, number, None) for name, number in sorted(rejected.items())]
    rows += [("corpus row", name, number, None) for name, number in sorted(stats.skips.items())]
    return Table(
        "losses",
        "Cuts and rejects",
        "continuations by the first filter that cut them or by the reason of their reject, and "
        "rows of the corpus that were skipped; characters count all cuts of a filter.",
        (word("what"), word("reason"), count("number"), count("characters")),
        collected(rows),
    )


def _alarms(stats: RolloutStats) -> Table:
    return Table(
        "alarms",
        "Thresholds",
        "of the corpus's own continuations of the same prefixes, the share that each filter would "
        "cut, reject or flag: its false alarms on human text.",
        (
            *(word("filter"), word("threshold"), count("human texts")),
            *(count("touched"), percent("false alarms")),
        ),
        collected(
            (
                each.filter,
                each.threshold,
                each.texts,
                each.flagged,
                each.flagged / each.texts if each.texts else 0.0,
            )
            for each in stats.alarms
        ),
    )


def _ends(stats: RolloutStats) -> Table:
    rows: list[tuple[str, int]] = sorted(stats.finish.items())
    if stats.retokenizing is not None:
        rows.append(("retokenizes", stats.retokenizing))
    if stats.detached is not None:
        rows.append(("detached", stats.detached))
    return Table(
        "kept",
        "Kept continuations",
        "by the server's reason for their end; `retokenizes`: the tokens of the whole text begin "
        "with those of the prefix; `detached`: flagged for a tail that leaves the topic.",
        (word("what"), count("number")),
        collected(rows),
    )


def _usage(stats: RolloutStats) -> Table:
    return Table(
        "usage",
        "Requests",
        "sent for this dataset, with their tokens as the server counted them.",
        (*(count("requests"), count("tokens in"), count("tokens out")), word("US$")),
        collected([(stats.calls, stats.input_tokens, stats.output_tokens, f"{stats.usd:,.4f}")]),
    )


def render(templates: Library, stats: RolloutStats, facts: RolloutFacts) -> str:
    """Render README.md of the dataset.

    Raises:
        PromptError: the template is missing or cannot be rendered.
    """
    values = {
        "stats": msgspec.to_builtins(stats),
        "sections": sections(stats),
        "facts": msgspec.to_builtins(facts),
        "columns": [[name, kind, meaning] for name, (kind, meaning) in COLUMNS.items()],
    }
    return _page(templates).render(values)


def page(
    templates: Library,
    stats: RolloutStats,
    facts: RolloutFacts,
    origin: str,
    documents: list[list[Rollout]],
) -> str:
    """Render the report page. `origin`: the spec; `documents`: those shown in full.

    Raises:
        PromptError: the template is missing or cannot be rendered.
    """
    values = {
        "stats": msgspec.to_builtins(stats),
        "sections": sections(stats),
        "facts": msgspec.to_builtins(facts),
        "origin": origin,
        "documents": [[msgspec.structs.asdict(row) for row in own] for own in documents],
    }
    return Page(
        templates,
        PAGE,
        "fix the template and run the same command again",
        escaped=True,
        shown=lambda value: visible(value) if type(value) is str else value,
        count=numbers.count,
        table=html.render,
    ).render(values)


def problems(templates: Library) -> list[Problem]:
    """Find problems of the card's template without rendering it."""
    return _page(templates).problems(_VALUES)


def _page(templates: Library) -> Page:
    return Page(
        templates,
        TEMPLATE,
        "fix the template and build again; no request is sent twice",
        escaped=False,
        count=numbers.count,
        table=markdown.render,
        json=partial(json.dumps, ensure_ascii=False),
    )
