"""The scopes of finished rows: those that their spec declared, else the published dataset's.

A row holds only the name of its scope. The rules of the scope (its atoms, its split group, the form
of its alternatives) are in `card.json` beside the data, which `dataset.stated` reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from compiler.spec.model import AtomRules, TemplateScope, WrittenScope

Rules: TypeAlias = TemplateScope | WrittenScope


def _published() -> dict[str, Rules]:
    found: dict[str, Rules] = {}
    for name in ("word", "lens"):
        order = len(found)
        found[name] = TemplateScope(kind="template", order=order, slots=5, split="word_lens")
    for name, unit, slots in (("sentence", "sentence", 3), ("paragraph", "paragraph", 2)):
        found[name] = WrittenScope(
            kind="written",
            order=len(found),
            slots=slots,
            split=unit,
            unit=unit,
            synergy="",
            atom=AtomRules(min_sentences=2 if unit == "paragraph" else 1),
        )
    found["whole"] = WrittenScope(
        kind="written",
        order=len(found),
        slots=1,
        split="whole",
        unit="side",
        synergy="",
        alternative="response",
    )
    return found


PUBLISHED: Mapping[str, Rules] = _published()
"""The scopes of the published dataset, in its order; its limits of size are not known."""


def stated(scopes: Iterable[tuple[str, Rules]]) -> tuple[Mapping[str, object], ...]:
    """Return scopes, in order, in the form that `card.json` holds."""
    return tuple({"name": name, "rules": rules.model_dump(mode="json")} for name, rules in scopes)


def by_response(scopes: Mapping[str, Rules]) -> frozenset[str]:
    """Return the scopes whose alternative has the form of the response, not of the atom."""
    return frozenset(
        name
        for name, rules in scopes.items()
        if isinstance(rules, WrittenScope) and rules.alternative == "response"
    )


def groups(scopes: Mapping[str, Rules]) -> frozenset[str]:
    """Return the split groups that the scopes use."""
    return frozenset(rules.split for rules in scopes.values())
