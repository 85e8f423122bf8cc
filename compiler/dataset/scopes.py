"""The scopes of finished rows: as their spec declared them, else those of the published dataset.

Rows name their scope and nothing more; what an atom of it is, which split applies and what an
alternative is shaped like stands in `card.json` beside the data (`dataset.stated`).
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
            split=unit,  # type: ignore[arg-type]
            unit=unit,  # type: ignore[arg-type]
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
"""Those of the published dataset, in its order; its limits of size are not known."""


def stated(scopes: Iterable[tuple[str, Rules]]) -> tuple[Mapping[str, object], ...]:
    """Scopes in their order, as `card.json` holds them."""
    return tuple({"name": name, "rules": rules.model_dump(mode="json")} for name, rules in scopes)


def by_response(scopes: Mapping[str, Rules]) -> frozenset[str]:
    """Scopes whose alternative is like the answer, not like the atom."""
    return frozenset(
        name
        for name, rules in scopes.items()
        if isinstance(rules, WrittenScope) and rules.alternative == "response"
    )


def groups(scopes: Mapping[str, Rules]) -> frozenset[str]:
    """The split groups that some scope uses."""
    return frozenset(rules.split for rules in scopes.values())
