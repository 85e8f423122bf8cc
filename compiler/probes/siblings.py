"""All usable siblings of one document, read once: what its probes are held against."""

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
    """The texts of one document's siblings."""

    def __init__(self, texts: Sequence[str], shared: int, lexicon: Lexicon) -> None:
        """`shared`: how many characters at their start the texts have in common."""
        self._texts = texts
        self._start = shared
        self._places: dict[int, Places] = {}
        self._shared = _shared_end(texts, shared)
        self._lexicon = lexicon
        # What all begin with, and what follows in each. No chunk crosses from one to the other.
        self._head = lexicon.read(texts[0][: self._shared] if texts else "")
        self._tails = [lexicon.read(text[self._shared :]) for text in texts]

    @cached_property
    def squashed(self) -> Sequence[str]:
        """`leakage.squash` of each."""
        first = leakage.squash(self._texts[0][: self._shared] if self._texts else "")
        # Nothing is composed, folded or joined across a space.
        return [
            " ".join(filter(None, (first, leakage.squash(text[self._shared :]))))
            for text in self._texts
        ]

    def chunks(self, place: int) -> Numbers:
        """The chunks of one of them, in order."""
        return np.concatenate([self._head, self._tails[place]])

    def places(self, place: int) -> Places:
        """Where the stems of one of them stand."""
        if place not in self._places:
            chunks = self.chunks(place)
            self._places[place] = Places(self._texts[place], chunks, self._lexicon)
        return self._places[place]

    @property
    def all_chunks(self) -> Numbers:
        """What stands between whitespace in any of them; some come twice."""
        return np.concatenate([self._head, *self._tails])

    @cached_property
    def _runs(self) -> Runs:
        head, *tails = map(self._lexicon.words, (self._head, *self._tails))
        # The first words are in the first text: of the others, those that begin a run with theirs.
        last = head[max(0, len(head) - Runs.size + 1) :]
        return Runs([np.concatenate([last if n else head, tail]) for n, tail in enumerate(tails)])

    def never_wrote(self, text: str) -> bool:
        """Whether none of them holds a text, or four of its words in a row."""
        if leakage.verbatim_in(text, self.squashed):
            return False
        words = leakage.as_words(text).split()
        return len(words) < Runs.size or not self._runs.share(
            np.array([*map(self._lexicon.known_word, words)], np.int64)
        )

    def support(self, atom: str, place: int) -> int:
        """How many others than the one at `place` hold, after what all have in common, most of the
        content of an atom: at least 60% of its content stems. A copy of that one is no other.
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
    """Where the last chunk that all texts share ends, with a space or line end after it."""
    if any(separator in text for text in texts for separator in leakage.SEPARATORS):
        # `squash` takes these for whitespace at the ends of a text only.
        return 0
    head = texts[0][:shared] if texts else ""
    return max(head.rfind(" "), head.rfind("\n")) + 1
