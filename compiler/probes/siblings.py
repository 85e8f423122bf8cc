"""The usable siblings of one document, indexed once for the checks of its probes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from compiler.probes import leakage
from compiler.probes.lexicon import Lexicon, Numbers
from compiler.probes.places import Places
from compiler.probes.runs import Runs
from compiler.words import content_stems


class Siblings:
    """The texts of one document's usable siblings."""

    def __init__(self, texts: Sequence[str], shared: int, lexicon: Lexicon) -> None:
        """Index the texts. `shared`: length of the prefix that they have in common."""
        self._texts = texts
        self._start = shared
        self._places: dict[int, Places] = {}
        self._shared = _shared_end(texts, shared)
        self._lexicon = lexicon
        # The common beginning, and the rest of each text. No chunk crosses the border.
        self._head = lexicon.read(texts[0][: self._shared] if texts else "")
        self._tails = [lexicon.read(text[self._shared :]) for text in texts]

    @cached_property
    def squashed(self) -> Sequence[str]:
        """`leakage.squash` of each text."""
        first = leakage.squash(self._texts[0][: self._shared] if self._texts else "")
        # Normalisation and case folding never act across a space.
        return [
            " ".join(filter(None, (first, leakage.squash(text[self._shared :]))))
            for text in self._texts
        ]

    def chunks(self, place: int) -> Numbers:
        """Return the chunks of the text at `place`, in order."""
        return np.concatenate([self._head, self._tails[place]])

    def places(self, place: int) -> Places:
        """Return the places of the stems of the text at `place`."""
        if place not in self._places:
            chunks = self.chunks(place)
            self._places[place] = Places(self._texts[place], chunks, self._lexicon)
        return self._places[place]

    @property
    def separately(self) -> list[Numbers]:
        """The chunks of each text, those of the common beginning with the first text only."""
        return [self.chunks(0), *self._tails[1:]]

    @property
    def all_chunks(self) -> Numbers:
        """The chunks of all texts, possibly repeated."""
        return np.concatenate([self._head, *self._tails])

    @cached_property
    def _runs(self) -> Runs:
        head, *tails = map(self._lexicon.words, (self._head, *self._tails))
        # The common words are indexed with the first text; the other texts need only the last few,
        # which begin runs that extend into their own words.
        last = head[max(0, len(head) - Runs.size + 1) :]
        return Runs([np.concatenate([last if n else head, tail]) for n, tail in enumerate(tails)])

    def hold(self, text: str) -> bool:
        """Return whether a sibling holds a text as a run of characters, and so of tokens."""
        return any(text in each for each in self._texts)

    def never_wrote(self, text: str) -> bool:
        """Return whether no sibling holds a text, as characters or words, or four of its words."""
        if self.hold(text):
            return False
        if leakage.verbatim_in(text, self.squashed):
            return False
        words = leakage.as_words(text).split()
        return len(words) < Runs.size or not self._runs.share(
            np.array([*map(self._lexicon.known_word, words)], np.int64)
        )

    def support(self, atom: str, place: int) -> int:
        """Count the other siblings whose own text holds at least 60% of an atom's content stems.

        Their own text starts after the common prefix. Copies of the text at `place` do not count.
        """
        wanted = content_stems(atom)
        if not wanted:
            return 0
        return sum(
            int(self.places(other).held(wanted, self._start, len(text)).sum()) >= 0.6 * len(wanted)
            for other, text in enumerate(self._texts)
            if text != self._texts[place]
        )


def _shared_end(texts: Sequence[str], shared: int) -> int:
    """Return the offset after the last space or line end of the common prefix, 0 if none."""
    if any(separator in text for text in texts for separator in leakage.SEPARATORS):
        # `squash` treats these as whitespace only at the ends of a text.
        return 0
    head = texts[0][:shared] if texts else ""
    return max(head.rfind(" "), head.rfind("\n")) + 1
