"""Byte-level BPE by memory: the words that a tokenizer splits a text into, each encoded once.

Such a tokenizer cuts a text into pieces by one regular expression and encodes every piece by
itself, so what a piece becomes can be remembered. Text is Zipfian: a million words are some ten
thousand pieces. This applies only where it is certain to give what the tokenizer itself gives:
the tokenizer has no other part, and the text holds no added token, is in NFC, and has only
characters that every Unicode version classes alike. Anything else is left to the tokenizer.
"""

from __future__ import annotations

import json
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate, chain, groupby
from typing import Protocol

import regex

_MOST = 1 << 17
_CONTROL = regex.compile(r"[^\t\n -~]")
# Long s and the Kelvin sign are an s and a k where an expression ignores case.
_FOLDED = "\u017f\u212a"


class Token(Protocol):
    """One token of a piece; `value` has one character per byte."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def value(self) -> str:
        """Its text in the byte alphabet."""


class Model(Protocol):
    """The part of a tokenizer that encodes one piece."""

    def tokenize(self, sequence: str) -> Sequence[Token]:
        """The tokens of a piece given in the byte alphabet."""


class Whole(Protocol):
    """A tokenizer as its library loads it."""

    @property
    def model(self) -> Model:
        """What encodes a piece."""

    def to_str(self) -> str:
        """All of it as JSON."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece becomes.

    `clean`: character offsets within it at which a token starts that no earlier one reaches into;
    `before`: tokens of the piece before each.
    """

    ids: tuple[int, ...]
    clean: tuple[int, ...]
    before: tuple[int, ...]


class Cut:
    """A text cut into pieces: where each begins, and how many tokens lie before it."""

    def __init__(self, lengths: Iterable[int], found: Sequence[Piece]) -> None:
        self._found = found
        # One more than there are pieces: the end of the text, with all its tokens before it.
        self._starts = list(accumulate(lengths, initial=0))
        self._counts = list(accumulate([len(piece.ids) for piece in found], initial=0))

    @property
    def count(self) -> int:
        """How many tokens there are."""
        return self._counts[-1]

    def before(self, offset: int) -> int | None:
        """How many tokens lie before an offset; None where a token would be cut."""
        place = bisect_right(self._starts, offset) - 1
        within = offset - self._starts[place]
        if within == 0:
            return self._counts[place]
        if not 0 <= place < len(self._found):
            return None
        piece = self._found[place]
        if within not in piece.clean:
            return None
        return self._counts[place] + piece.before[piece.clean.index(within)]

    def all(self) -> tuple[list[int], list[int]]:
        """Every clean offset, the end included, and the tokens before each."""
        clean: list[int] = []
        before: list[int] = []
        for piece, at, count in zip(self._found, self._starts, self._counts, strict=False):
            if len(piece.clean) == 1:
                clean.append(at)
                before.append(count)
            else:
                clean += [at + offset for offset in piece.clean]
                before += [count + number for number in piece.before]
        return [*clean, self._starts[-1]], [*before, self._counts[-1]]


class Pieces:
    """Encodes texts by remembered pieces."""

    def __init__(self, pattern: str, model: Model, added: Sequence[str], nfc: bool) -> None:
        self._find = regex.compile(pattern)
        self._model = model
        self._plain = _plain()
        self._added = regex.compile("|".join(map(regex.escape, added))) if added else None
        self._nfc = nfc
        self._known: dict[str, Piece] = {}

    def cut(self, text: str) -> Cut | None:
        """The pieces of a text, or None to ask the tokenizer."""
        found = self._split(text)
        return None if found is None else Cut(map(len, found), self._pieces(found))

    def ids(self, text: str) -> list[int] | None:
        """The ids of a text, or None to ask the tokenizer."""
        found = self._split(text)
        if found is None:
            return None
        return [*chain.from_iterable([piece.ids for piece in self._pieces(found)])]

    def _pieces(self, found: Sequence[str]) -> list[Piece]:
        if len(self._known) > _MOST:
            self._known.clear()
        known = self._known
        try:
            return [known[each] for each in found]
        except KeyError:
            return [known.get(each) or self._learn(each) for each in found]

    def _split(self, text: str) -> list[str] | None:
        if text.isascii():
            if _CONTROL.search(text) is not None:
                return None
        elif self._plain.fullmatch(text) is None or (
            self._nfc and not unicodedata.is_normalized("NFC", text)
        ):
            return None
        if self._added is not None and self._added.search(text) is not None:
            return None
        found: list[str] = self._find.findall(text)
        # A character that the expression leaves out would be a piece of its own.
        return found if sum(map(len, found)) == len(text) else None

    def _learn(self, piece: str) -> Piece:
        tokens = self._model.tokenize("".join([_BYTES[byte] for byte in piece.encode("utf-8")]))
        # Byte offset -> character offset, for the bytes that begin a character.
        starts: dict[int, int] = {}
        size = 0
        for place, char in enumerate(piece):
            starts[size] = place
            size += len(char.encode("utf-8"))
        clean: list[int] = []
        before: list[int] = []
        at = 0
        for number, token in enumerate(tokens):
            if at in starts:
                clean.append(starts[at])
                before.append(number)
            at += len(token.value)
        if at != size:
            raise ValueError(f"piece {piece!r} has {size} bytes, its tokens {at}")
        ids = tuple(token.id for token in tokens)
        self._known[piece] = found = Piece(ids, tuple(clean), tuple(before))
        return found


def pieces(whole: Whole) -> Pieces | None:
    """Remembered pieces for a tokenizer, or None if it is of another kind."""
    parts = json.loads(whole.to_str())
    normal, splitting, model = parts["normalizer"], parts["pre_tokenizer"], parts["model"]
    after = parts.get("post_processor")
    pattern = _pattern(splitting)
    if (
        pattern is None
        or normal not in (None, {"type": "NFC"})
        or model.get("type") != "BPE"
        or any(model.get(key) for key in ("dropout", "continuing_subword_prefix", "byte_fallback"))
        or any(model.get(key) for key in ("end_of_word_suffix", "unk_token"))
        or not set(_BYTES) <= model["vocab"].keys()
        or (after is not None and (after.get("type") != "ByteLevel" or after["trim_offsets"]))
    ):
        return None
    added = [token["content"] for token in parts["added_tokens"]]
    return Pieces(pattern, whole.model, added, normal is not None)


def _pattern(splitting: object) -> str | None:
    """The expression of a pre-tokenizer that isolates its matches and then takes their bytes."""
    match splitting:
        case {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": str(pattern)},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        }:
            return pattern if regex.compile(pattern).groups == 0 else None
    return None


@cache
def _plain() -> regex.Pattern[str]:
    """Texts of characters whose class has not changed since Unicode 3.2, so that two libraries of
    different ages agree on it; no marks, joiners, controls (but tab and newline) or surrogates.
    """
    old = unicodedata.ucd_3_2_0.category
    keep = [
        code
        for code in range(0x20, 0x10000)
        if (kind := unicodedata.category(chr(code)))[0] not in "CM"
        and kind == old(chr(code))
        and chr(code) not in _FOLDED
    ]
    ranges = ["\t\n"]
    for _, run in groupby(enumerate(keep), key=lambda item: item[1] - item[0]):
        codes = [code for _, code in run]
        ranges.append(f"\\u{codes[0]:04x}-\\u{codes[-1]:04x}")
    return regex.compile(f"[{''.join(ranges)}]*")


def _alphabet() -> list[str]:
    """The character that byte-level BPE writes for each byte: printable ones stand for themselves.

    Radford et al. 2019, `bytes_to_unicode` of GPT-2.
    """
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    found = {byte: chr(byte) for byte in plain}
    others = (byte for byte in range(256) if byte not in found)
    found.update({byte: chr(256 + number) for number, byte in enumerate(others)})
    return [found[byte] for byte in range(256)]


_BYTES = _alphabet()
