"""The embedded model as answerer: the sentences of the context that best match the question."""

from __future__ import annotations

import math
from collections import Counter

from compiler.embedded import language, tags
from compiler.words import content_stems

_MOST_WORDS = 60


def read(prompt: str, sample: int) -> str:
    """Return an answer from the passage that holds it."""
    return _from(tags.inner(prompt, "passage"), prompt, sample)


def guess(prompt: str, sample: int) -> str:
    """Return the words of the question, because the prompt holds nothing else."""
    return language.compress(tags.inner(prompt, "question"), 30) or "No answer."


def answer(prompt: str, sample: int) -> str:
    """Return an answer from the context alone."""
    return _from(tags.inner(prompt, "context"), prompt, sample)


def _from(context: str, prompt: str, sample: int) -> str:
    """Return sentences of a text that match the question; sample i starts at the i-th best.

    It goes on with the next best ones as long as they fit. A sentence scores the sum of
    log(1 + n / n_stem) over the question's stems that it holds, for n sentences of which n_stem
    hold the stem (a form of inverse document frequency, Sparck Jones 1972), plus a small bonus for
    being near the split.
    """
    lines = language.sentences(context) or [context.strip()]
    wanted = content_stems(tags.inner(prompt, "question"))
    held = [content_stems(line) for line in lines]
    seen = Counter(root for roots in held for root in roots)
    before = tags.attribute(prompt, "context", "side") == "before"

    def fit(number: int) -> tuple[float, int]:
        overlap = sum(math.log(1 + len(lines) / seen[root]) for root in wanted & held[number])
        near = number if before else len(lines) - 1 - number
        return overlap + 0.3 * (near + 1) / len(lines), -number

    ranked = sorted(range(len(lines)), key=fit, reverse=True)
    start = sample % len(ranked)
    text = ""
    for number in (*ranked[start:], *ranked[:start]):
        longer = f"{text} {language.compress(lines[number], 30)}".strip()
        if text and len(longer.split()) > _MOST_WORDS:
            break
        text = longer
    return text or "No answer."
