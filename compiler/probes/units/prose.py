"""Sentences and paragraphs of prose as units."""

from __future__ import annotations

from compiler.probes.segment import Segments, Span, ends_sentence
from compiler.probes.units.segmenter import Limits, Prosaic, Segmenter


def _sentence(segments: Segments, span: Span, prosaic: Prosaic) -> bool:
    return all(map(prosaic, segments.numbers_in(span)))


def _paragraph(segments: Segments, span: Span, prosaic: Prosaic) -> bool:
    """Return whether a paragraph ends in a sentence, and half of it and two at least are prose."""
    if not ends_sentence(segments.text[span.start : span.end]):
        return False
    inside = segments.numbers_in(span)
    found = sum(map(prosaic, inside))
    return found >= 2 and found * 2 >= len(inside)


SENTENCE = Segmenter("sent", lambda segments: segments.sentences, _sentence)
PARAGRAPH = Segmenter(
    "par",
    lambda segments: segments.paragraphs,
    _paragraph,
    Limits(inside=0.8, one_part=0.999),
)
