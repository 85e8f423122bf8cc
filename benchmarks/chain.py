"""Synthetic prose without repetition: each word follows its predecessor somewhere in real text.

Recombined paragraphs recur every few documents, and a compressor with a large window finds the
repetition. So a layout that limits the window looks worse on them than on documents of a model.
"""

from __future__ import annotations

import itertools
from collections import defaultdict

from benchmarks import recombine
from compiler.probes.sampling import Stream


class Chain:
    """Words of the corpus, each with all words that follow it there."""

    def __init__(self) -> None:
        self._after: dict[str, list[str]] = defaultdict(list)
        self._starts: list[str] = []
        for docs in recombine.paragraphs().values():
            for doc in docs:
                for paragraph in doc:
                    words = paragraph.split(" ")
                    self._starts.append(words[0])
                    for word, following in itertools.pairwise(words):
                        self._after[word].append(following)

    def text(self, chars: int, stream: Stream) -> str:
        """Return a text of about `chars` characters; each stream gives a different text."""
        found: list[str] = []
        size, word = 0, ""
        while size < chars:
            following = self._after.get(word)
            word = stream.pick(following or self._starts)
            found.append(word)
            size += len(word) + 1
        return " ".join(found)
