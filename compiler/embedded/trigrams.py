"""A small statistical model of language: trigrams of words over a text, drawn with a seed.

It writes connected sentences and paragraphs of the text's own vocabulary, without meaning. Words
are followed by words that followed them in the text; a word that was used before in the same
document is more likely, so that a continuation keeps to a vocabulary.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import regex

from compiler.errors import ProviderError
from compiler.words import is_content

MODEL = "stub-1"
_T = TypeVar("_T")

_TOKEN = regex.compile(r"\n\s*\n|[^\s]+")
_BREAK = "\n\n"
_END = regex.compile(r"[.!?][\"'”’)\]]*$")
# The chance to draw from the last word alone, so that long passages are not copied.
_LOOSE = 0.08
_ONLY = 0.35
# How much more often a content word that the document has is drawn.
_AGAIN = 12
# A word with more followers is followed by one of so many that are drawn from them.
_MANY = 40
# Fewest sentences of a paragraph.
_SENTENCES = 3


class Trigrams:
    """Counts of the words of a text by the one and two words before them."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._pairs: dict[tuple[str, str], list[str]] = {}
        self._words: dict[str, list[str]] = {}
        self._starts: list[tuple[str, str]] = []
        self._about: dict[str, list[tuple[str, str]]] = {}
        for text in texts:
            words = _TOKEN.findall(text)
            words = [_BREAK if word.isspace() else word for word in words]
            for first, second, third in zip(words, words[1:], words[2:], strict=False):
                self._pairs.setdefault((first, second), []).append(third)
                self._words.setdefault(second, []).append(third)
                if _END.search(first) and _BREAK not in (second, third):
                    self._starts.append((second, third))
                    for word in {_bare(second), _bare(third)}:
                        if is_content(word):
                            self._about.setdefault(word, []).append((second, third))

    def continuation(self, prompt: str, seed: int, most: int) -> tuple[str, int]:
        """Write at most `most` words behind a prompt; return them and their number."""
        draws = _draws(f"{seed}/{hashlib.sha256(prompt.encode('utf-8')).hexdigest()}")
        seen = {_bare(word) for word in prompt.split() if is_content(_bare(word))}
        last = [*_TOKEN.findall(prompt)][-2:]
        words: list[str] = []
        sentences = 0
        while len(words) < most:
            if not words and prompt and _END.search(prompt):
                # A new sentence about a word of the prompt.
                words.extend(self._start(seen, draws))
                last = [*last, *words][-2:]
                continue
            word = self._next(last, seen, draws)
            if word == _BREAK and sentences < _SENTENCES:
                word = self._start(seen, draws)[0]
            sentences = 0 if word == _BREAK else sentences + bool(_END.search(word))
            words.append(word)
            last = [*last, word][-2:]
            if is_content(_bare(word)):
                seen.add(_bare(word))
        words = words[:most]
        glue = "" if prompt[-1:].isspace() or not prompt else " "
        return (glue + " ".join(words)).replace(f" {_BREAK} ", _BREAK), len(words)

    def _start(self, seen: set[str], draws: Iterator[float]) -> tuple[str, str]:
        known = [word for word in sorted(seen) if word in self._about]
        return _pick(self._about[_pick(known, draws)] if known else self._starts, draws)

    def _next(self, last: Sequence[str], seen: set[str], draws: Iterator[float]) -> str:
        pair = self._pairs.get((last[0], last[1]), []) if len(last) == 2 else []
        loose = _ONLY if len(set(pair)) == 1 else _LOOSE
        found = pair if pair and next(draws) >= loose else self._words.get(last[-1], [])
        if not found:
            return self._start(seen, draws)[0]
        if len(found) > _MANY:
            found = [_pick(found, draws) for _ in range(_MANY)]
        again = [word for word in found if _bare(word) in seen]
        return _pick([*found, *again * (_AGAIN - 1)], draws)


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'()[]“”‘’—-").casefold()


def _draws(name: str) -> Iterator[float]:
    number = 0
    while True:
        data = hashlib.sha256(f"{name}/{number}".encode()).digest()
        yield from (int.from_bytes(data[at : at + 4], "big") / 2**32 for at in range(0, 32, 4))
        number += 1


def _pick(options: Sequence[_T], draws: Iterator[float]) -> _T:
    return options[int(next(draws) * len(options))]


def read(path: Path, revision: str | None) -> Trigrams:
    """Train a model on the field `text` of the rows of a JSONL file, gzipped or not.

    Raises:
        ProviderError: the file cannot be read, or its SHA-256 is not `revision`.
    """
    try:
        data = path.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != revision:
            raise ProviderError(
                f"the text of the stub has the SHA-256 {found}, not {revision}",
                where=str(path),
                hint="set model.revision to it: replies depend on the text",
            )
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        return Trigrams(str(json.loads(line)["text"]) for line in lines)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ProviderError(
            f"the text of the stub cannot be read: {type(error).__name__}: {error}",
            where=str(path),
            hint="name a JSONL file of rows with a `text` in model.text",
        ) from error
