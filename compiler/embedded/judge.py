"""The embedded model as judge: overlap of content stems between reference and answer."""

from __future__ import annotations

from compiler.embedded import tags
from compiler.words import content_stems


def grade(prompt: str, sample: int) -> str:
    """Return the F1 of the content stems of answer and reference, without the question's stems.

    F1 = 2PR / (P + R), with precision P and recall R over sets of stems (van Rijsbergen 1979). One
    line per answer in the prompt, a number from 0 to 1.
    """
    asked = content_stems(tags.inner(prompt, "question"))
    truth = content_stems(tags.inner(prompt, "reference")) - asked
    answers = tags.inners(prompt, "answer")
    return "\n".join(_f1(truth, content_stems(answer) - asked) for answer in answers)


def _f1(truth: frozenset[str], given: frozenset[str]) -> str:
    both = len(truth & given)
    if not both:
        return "0.0"
    precision, recall = both / len(given), both / len(truth)
    return f"{2 * precision * recall / (precision + recall):.2f}"
