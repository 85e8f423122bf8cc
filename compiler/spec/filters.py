"""Filters of the continuations of a source, in the order in which they are applied."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from compiler.spec.base import Model, Share


class LeakFilter(Model):
    """Special tokens of the source model in its text."""

    tokens: list[str] = []
    """Special tokens beyond the usual shapes, such as `<|im_end|>` and `<start_of_image>`."""
    action: Literal["cut", "strip", "reject"] = "cut"
    """`cut` drops the first token and all behind it, `strip` makes each a paragraph break."""


class LoopFilter(Model):
    """Text that repeats itself, word for word or in a frame of which a few words change."""

    window: Annotated[int, Field(ge=20, le=1000)] = 80
    """Tokens of a window; a loop begins in the first that mostly repeats what came before."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.65
    """Smallest share of repeated tokens in such a window."""
    coverage: Share = 0.35
    """Largest share of tokens of the text, or of what a cut leaves, inside four tokens in a row
    that occurred earlier; above it a continuation is `sibling_looping`."""
    action: Literal["cut", "reject"] = "cut"
    """`cut` drops the loop, behind the last sentence that ends before it."""


class BoilerplateFilter(Model):
    """Lines of web pages that are no part of an article."""

    patterns: Literal["web-en"] = "web-en"
    """Set of patterns for the beginnings of such lines."""
    action: Literal["cut", "reject"] = "cut"
    """`cut` drops the first such line and all behind it."""


class SentenceFilter(Model):
    """A last sentence that does not end."""

    action: Literal["cut"] = "cut"
    """`cut` drops it, unless no sentence of the continuation ends."""


class CopyFilter(Model):
    """Continuations that copy their prefix, or one another."""

    prefix: Share | None = 0.2
    """Largest share of runs of five words that the prefix holds; above it a continuation is
    `sibling_copies_prefix`. null allows any."""
    sibling: Share | None = 0.3
    """Largest share of runs of three words that one earlier sibling holds, or that holds one; above
    it a continuation is `sibling_near_copy`. null allows any."""


class Filters(Model):
    """Rules for usable continuations. A filter that is null is not applied."""

    leak: LeakFilter | None = None
    """Special tokens in the text."""
    loop: LoopFilter | None = None
    """Text that repeats itself."""
    boilerplate: BoilerplateFilter | None = None
    """Boilerplate of web pages."""
    sentence: SentenceFilter | None = None
    """An unfinished last sentence."""
    copies: CopyFilter | None = None
    """Copies of the prefix and of siblings."""
    min_chars: Annotated[int, Field(ge=1)] = 200
    """Fewest characters of a filtered continuation; shorter ones are `sibling_short`."""
