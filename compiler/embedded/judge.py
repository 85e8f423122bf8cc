"""The embedded model as judge: content stems of the reference that an answer states."""

from __future__ import annotations

import math

from compiler.embedded import tags
from compiler.words import content_stems


def grade(prompt: str, sample: int) -> str:
    """Return the square root of the share of the reference's stems in an answer, one per line.

    Stems are of content words, without the question's unless nothing else is left; the length of an
    answer does not count. The root uses the full scale from 0 to 1, because even texts that mean
    the same share few words.
    """
    asked = content_stems(tags.inner(prompt, "question"))
    reference = content_stems(tags.inner(prompt, "reference"))
    truth = reference - asked or reference
    return "\n".join(_graded(truth, answer) for answer in tags.inners(prompt, "answer"))


def _graded(truth: frozenset[str], answer: str) -> str:
    stated = len(truth & content_stems(answer)) / max(1, len(truth))
    return f"{math.sqrt(stated):.2f}"
