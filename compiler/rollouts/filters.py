"""Filters of continuations: what each cuts, and which continuations of a document are usable.

A filter is one function of this registry and one field of `compiler/spec/filters.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from compiler.records import Document, Sibling, Skip
from compiler.rollouts import boilerplate, copies, leaks, loops, sentences
from compiler.spec.filters import (
    BoilerplateFilter,
    Filters,
    LeakFilter,
    LoopFilter,
    SentenceFilter,
)

Kept: TypeAlias = Callable[[str], str]
"""Returns the text that a filter keeps of a continuation."""


@dataclass(frozen=True, slots=True)
class Rejected(Exception):
    """A continuation that no cut makes usable."""

    reason: str


def _leak(rule: LeakFilter) -> Kept:
    pattern = leaks.pattern(rule.tokens)

    def kept(text: str) -> str:
        at = leaks.place(text, pattern)
        if at is None:
            return text
        if rule.action == "reject":
            raise Rejected("sibling_leaking")
        return leaks.stripped(text, pattern) if rule.action == "strip" else text[:at].rstrip()

    return kept


def _loop(rule: LoopFilter) -> Kept:
    def kept(text: str) -> str:
        at = loops.onset(text, rule.window, rule.share)
        if at is not None:
            if rule.action == "reject":
                raise Rejected("sibling_looping")
            text = text[: sentences.end_before(text, at)]
        if loops.coverage(text) > rule.coverage:
            raise Rejected("sibling_looping")
        return text

    return kept


def _boilerplate(rule: BoilerplateFilter) -> Kept:
    def kept(text: str) -> str:
        at = boilerplate.place(text, rule.patterns)
        if at is None:
            return text
        if rule.action == "reject":
            raise Rejected("sibling_boilerplate")
        return text[:at].rstrip()

    return kept


def _sentence(rule: SentenceFilter) -> Kept:
    def kept(text: str) -> str:
        end = sentences.last_end(text)
        return text if end is None else text[:end]

    return kept


# Applied in this order: a cut leaves less for the filters behind it.
FILTERS: Mapping[str, Callable[..., Kept]] = {
    "leak": _leak,
    "loop": _loop,
    "boilerplate": _boilerplate,
    "sentence": _sentence,
}


@dataclass(frozen=True, slots=True)
class Usable:
    """The usable continuations of a document in source order, and what became of the rest."""

    siblings: tuple[Sibling, ...]
    skips: tuple[Skip, ...]


@dataclass(frozen=True, slots=True)
class Filtered:
    """A continuation after all filters.

    `reason`: the reason that it is not usable, "" if it is. `cuts`: the filters that removed some
    of it, with the number of characters, in order.
    """

    text: str
    cuts: tuple[tuple[str, int], ...]
    reason: str = ""


def filtered(
    prefix: str, texts: Iterable[str], rules: Filters, more: Mapping[str, Kept] | None = None
) -> Iterator[Filtered]:
    """Filter the continuations of a prefix, in order.

    Copies of an earlier continuation that was kept, before or after all cuts, are not usable.
    `more`: filters that are applied before the last one, the end of the sentence.
    """
    applied: dict[str, Kept] = {}
    for name, build in FILTERS.items():
        if name == "sentence":
            applied |= more or {}
        if (rule := getattr(rules, name)) is not None:
            applied[name] = build(rule)
    kept: list[str] = []
    for raw in texts:
        text = raw
        cuts = []
        try:
            _refuse_empty(text)
            for name, keep in applied.items():
                shorter = keep(text)
                if shorter != text:
                    cuts.append((name, len(text) - len(shorter)))
                text = shorter
            _refuse(prefix, text, kept, rules)
        except Rejected as rejected:
            yield Filtered(raw, (), rejected.reason)
        else:
            kept.append(text)
            yield Filtered(text, tuple(cuts))


def usable(document: Document, rules: Filters) -> Usable:
    """Filter the continuations of a document.

    Returns: `skips` has one entry for each continuation that is not used, with its characters, and
    one for each cut, with the characters that were cut.
    """
    kept: list[Sibling] = []
    skips: list[Skip] = []
    texts = (sibling.continuation for sibling in document.siblings)
    found = filtered(document.prefix, texts, rules)
    for sibling, each in zip(document.siblings, found, strict=True):
        if each.reason:
            skips.append(Skip(each.reason, chars=len(sibling.continuation)))
        else:
            kept.append(Sibling(sibling.idx, each.text))
            skips.extend(Skip(f"cut_{name}", chars=chars) for name, chars in each.cuts)
    return Usable(tuple(kept), tuple(skips))


def _refuse_empty(text: str) -> None:
    if not text.strip():
        raise Rejected("sibling_empty")


def _refuse(prefix: str, text: str, kept: list[str], rules: Filters) -> None:
    if len(text.strip()) < rules.min_chars:
        raise Rejected("sibling_short")
    if text in kept:
        raise Rejected("sibling_duplicate")
    if rules.copies is None:
        return
    limits = rules.copies
    if limits.prefix is not None:
        own, opening = copies.grams(text, 5), copies.grams(prefix, 5)
        if copies.contained(own, opening) > limits.prefix:
            raise Rejected("sibling_copies_prefix")
    if limits.sibling is not None and copies.overlap(text, kept, 3) > limits.sibling:
        raise Rejected("sibling_near_copy")
