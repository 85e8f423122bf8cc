"""The page of an evaluation: pictures, tables, and the probes where methods differ most.

Answers and texts of a dataset are untrusted: values are escaped, control characters visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from compiler.evaluation import figures
from compiler.evaluation.record import Made
from compiler.evaluation.scores import Score
from compiler.evaluation.sections import sections
from compiler.evaluation.subject import Item
from compiler.project import place
from compiler.report import html, numbers
from compiler.report.pages import Page
from compiler.report.passages import visible
from compiler.statistics.measures.clusters import RESAMPLES
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
            "documents": len({item.doc_id for item in made.items}),
            "resamples": RESAMPLES,
        }
    )


def differing(made: Made) -> tuple[Shown, ...]:
    """Choose the probes where scores of the headline differ most; scopes take turns.

    Methods are compared with one another; a single method with its controls. At most one probe of a
    document is chosen.
    """
    primary = made.evaluation.settings.primary
    own: dict[str, list[Score]] = {}
    for row in made.rows:
        if row.kind == "method" and row.metric == primary.get(row.scope):
            own.setdefault(row.probe_id, []).append(row)
    real = {row.method for rows in own.values() for row in rows if row.control == "real"}
    items = {item.key: item for item in made.items}
    spread = {}
    for key, rows in own.items():
        compared = [row for row in rows if row.control == "real"] if len(real) > 1 else rows
        scores = [row.score or 0.0 for row in compared]
        spread[key] = max(scores) - min(scores)
    turns: Counter[str] = Counter()
    ordered = []
    for key in sorted(spread, key=lambda name: (-spread[name], name)):
        if spread[key] > 0:
            ordered.append((turns[items[key].scope], key))
            turns[items[key].scope] += 1
    chosen: dict[str, str] = {}
    for _, key in sorted(ordered, key=lambda each: each[0]):
        chosen.setdefault(items[key].doc_id, key)
    return tuple(
        Shown(items[key], _near(items[key]), own[key][0].metric, tuple(_answers(made, own[key])))
        for key in list(chosen.values())[:_DIFFERING]
    )


def _answers(made: Made, rows: list[Score]) -> Iterator[Answered]:
    methods = {method.name: method for method in made.methods}
    for row in sorted(rows, key=lambda each: (each.control != "real", -(each.score or 0.0))):
        given = methods[row.method].given[row.control].get(row.probe_id, ())
        texts = [each.given for each in given if each.given is not None]
        yield Answered(row.method, row.control, texts[0] if texts else "", row.score)


def _near(item: Item) -> str:
    """Return the part of the complement that touches the split."""
    return item.context[-_TEXT:] if item.target == "suffix" else item.context[:_TEXT]


def _visible(value: object) -> object:
    return visible(value) if type(value) is str else value
