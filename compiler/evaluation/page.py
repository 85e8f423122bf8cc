"""The page of an evaluation: pictures, tables, and the probes where methods differ most.

Answers and texts of a dataset are untrusted: values are escaped, control characters visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.evaluation import figures
from compiler.evaluation.items import Item
from compiler.evaluation.record import Made
from compiler.evaluation.sections import sections
from compiler.project import place
from compiler.report import html, numbers
from compiler.report.pages import Page
from compiler.report.passages import visible
from compiler.statistics.measures.clusters import RESAMPLES
from compiler.statistics.observations import Ints
from compiler.templating.prompts import Library

TEMPLATE = "evaluation.html.j2"
_DIFFERING = 10
_TEXT = 600


@dataclass(frozen=True)
class Answered:
    """The answer of a method to a shown probe. `control`: real, or the control that gave it."""

    method: str
    control: str
    text: str
    score: float | None


@dataclass(frozen=True)
class Shown:
    """A probe where answers differ. `context`: the end of the complement at the split."""

    item: Item
    context: str
    metric: str
    answers: tuple[Answered, ...]


def library(path: Path, name: str = TEMPLATE) -> Library:
    """Find the templates of the project that holds a dataset, else of the working directory."""
    return place.page_templates(path, name)


def render(templates: Library, made: Made) -> str:
    """Render the page.

    Raises:
        PromptError: the template is missing or cannot be rendered.
    """
    found = made.evaluation
    page = Page(
        templates,
        TEMPLATE,
        "fix the template and run the same command again",
        escaped=True,
        shown=_visible,
        table=html.render,
        count=numbers.count,
        score=numbers.score,
    )
    return page.render(
        {
            "evaluation": found,
            "sections": sections(found),
            "scores": figures.scores(found),
            "gains": figures.gains(found),
            "differing": differing(made),
            "probes": len(made.items),
            "documents": len(made.items.named("doc_id").occurring()),
            "resamples": RESAMPLES,
        }
    )


def differing(made: Made) -> tuple[Shown, ...]:
    """Choose the probes where scores of the headline differ most; scopes take turns.

    Methods are compared with one another; a single method with its controls. At most one probe of a
    document is chosen.
    """
    rows, primary = made.rows, made.evaluation.settings.primary
    headline = np.zeros(len(rows), dtype=np.bool_)
    for scope, metric in primary.items():
        headline |= rows.scope.among((scope,)) & rows.metric.among((metric,))
    own = np.flatnonzero(headline & rows.kind.among(("method",)))
    real = rows.control.among(("real",))[own]
    compared = own[real] if len(rows.method.occurring(own[real])) > 1 else own
    codes, scores = rows.probe_id.codes[compared], np.nan_to_num(rows.score[compared])
    highest, lowest = np.zeros(len(rows.probe_id.names)), np.ones(len(rows.probe_id.names))
    np.maximum.at(highest, codes, scores)
    np.minimum.at(lowest, codes, scores)
    spread = highest - lowest
    differ = np.flatnonzero(spread > 0)
    names = np.array(rows.probe_id.names)[differ]
    ordered = differ[np.lexsort((names, -spread[differ]))].tolist()
    scopes, documents = made.items.named("scope"), made.items.named("doc_id")
    turns: Counter[int] = Counter()
    turned = []
    for probe in ordered:
        code = int(scopes.codes[probe])
        turned.append((turns[code], probe))
        turns[code] += 1
    chosen: dict[int, int] = {}
    for _, probe in sorted(turned, key=lambda each: each[0]):
        chosen.setdefault(int(documents.codes[probe]), probe)
    return tuple(
        Shown(item, _near(item), primary[item.scope], tuple(_answers(made, own, probe)))
        for probe in [*chosen.values()][:_DIFFERING]
        for item in (made.items[probe],)
    )


def _answers(made: Made, own: Ints, probe: int) -> Iterator[Answered]:
    """Yield the answers to a probe, those of the methods first. `own`: rows of the headline."""
    methods = {method.name: method for method in made.methods}
    rows = made.rows
    found = []
    for row in own[rows.probe_id.codes[own] == probe].tolist():
        value = None if np.isnan(rows.score[row]) else float(rows.score[row])
        method, control = (each.names[each.codes[row]] for each in (rows.method, rows.control))
        given = methods[method].given[control]
        at = np.flatnonzero(given.probes == made.items.places[probe]).tolist()
        texts = [text for each in at if (text := given.answers[each]) is not None]
        found.append(Answered(method, control, texts[0] if texts else "", value))
    yield from sorted(found, key=lambda each: (each.control != "real", -(each.score or 0.0)))


def _near(item: Item) -> str:
    """Return the part of the complement that touches the split."""
    return item.context[-_TEXT:] if item.target == "suffix" else item.context[:_TEXT]


def _visible(value: object) -> object:
    return visible(value) if type(value) is str else value
