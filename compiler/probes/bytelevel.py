"""Byte-level BPE by a quicker library, where that is certain to give what the tokenizer gives.

The library gives ids and no offsets. Those of a byte-level tokenizer follow from its ids: every id
stands for so many bytes. This applies only where the two cannot differ: the tokenizer has no other
part, the two agree on a text that tries all of its rules, and the text in hand holds no added
token, is in NFC, and has only characters that every Unicode version classes alike. Anything else is
left to the tokenizer. The only door to gigatoken.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import regex
from numpy.typing import NDArray

from compiler.characters import Kinds

_CONTROL = regex.compile(r"[^\t\n -~]")
# Long s and the Kelvin sign are an s and a k where an expression ignores case.
_FOLDED = "\u017f\u212a"
_ASTRAL = "\U00010000"
# Words, contractions, numbers, runs of space and of signs, line ends, other scripts.
_TRIAL = (
    "It's THEY'RE we'll I'd'VE isn't “quoted” naïve café—dash  two   three\tTab\n\nNew\n  in\n"
    " \n 3 42 1234567 3.14 1,000 x2 2x (a) [b] {c} <d> a_b a-b a/b #tag @me $5 50% ... !!! ?! ;;\n"
    "Привет, мир! Ελληνικά 第二章、東京 日本語のテキスト 한국어 עברית العربية ½ ² € © → ✓ end "
)


class Whole(Protocol):
    """A tokenizer as its library loads it."""

    def to_str(self) -> str:
        """All of it as JSON."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Encoded:
        """A text encoded."""


class Encoded(Protocol):
    """An encoded text."""

    @property
    def ids(self) -> Sequence[int]:
        """Its token ids."""


class Quick(Protocol):
    """The quicker library's tokenizer."""

    def encode(self, input: str, /) -> NDArray[np.uint32]:
        """The ids of a text."""


class ByteLevel:
    """Encodes texts where it is certain. `sizes`: bytes per id; `added`: texts of added tokens."""

    def __init__(
        self, quick: Quick, sizes: NDArray[np.int64], added: Sequence[str], *, nfc: bool
    ) -> None:
        self._quick = quick
        self._sizes = sizes
        self._added = regex.compile("|".join(map(regex.escape, added))) if added else None
        self._nfc = nfc

    def ids(self, text: str) -> list[int] | None:
        """The ids of a text, or None to ask the tokenizer."""
        found: list[int] | None = self._quick.encode(text).tolist() if self._sure(text) else None
        return found

    def cut(self, text: str) -> tuple[list[int], list[int]] | None:
        """Every clean offset of a text, its end included, and the number of tokens before each.

        None to ask the tokenizer.
        """
        if not self._sure(text):
            return None
        # The byte at which each token starts, and the end.
        ids = self._quick.encode(text)
        starts = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(self._sizes[ids], out=starts[1:])
        if text.isascii():
            return starts.tolist(), list(range(len(starts)))
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        # A byte that goes on with a character starts none; the end is as good as a start.
        first = np.ones(len(data) + 1, np.bool_)
        np.not_equal(data & 0xC0, 0x80, out=first[:-1])
        char = np.cumsum(first) - 1
        before = np.flatnonzero(first[starts])
        return char[starts[before]].tolist(), before.tolist()

    def _sure(self, text: str) -> bool:
        if text.isascii():
            if _CONTROL.search(text) is not None:
                return False
        elif not _plain().of(text).all() or (
            self._nfc and not unicodedata.is_normalized("NFC", text)
        ):
            return False
        return self._added is None or self._added.search(text) is None


def quicker(whole: Whole) -> ByteLevel | None:
    """The quicker way for a tokenizer, or None if it is of another kind."""
    from gigatoken import Tokenizer

    text = whole.to_str()
    parts = json.loads(text)
    normal, model = parts["normalizer"], parts["model"]
    after = parts.get("post_processor")
    if (
        not _isolates(parts["pre_tokenizer"])
        or normal not in (None, {"type": "NFC"})
        or model.get("type") != "BPE"
        or any(model.get(key) for key in ("dropout", "continuing_subword_prefix", "byte_fallback"))
        or any(model.get(key) for key in ("end_of_word_suffix", "unk_token"))
        or (after is not None and (after.get("type") != "ByteLevel" or after["trim_offsets"]))
    ):
        return None
    try:
        quick = Tokenizer.from_json(text)
    except ValueError:
        return None  # a rule for splitting that it does not know
    if quick.encode(_TRIAL).tolist() != whole.encode(_TRIAL, add_special_tokens=False).ids:
        return None
    vocabulary: dict[str, int] = model["vocab"]
    sizes = np.zeros(max(vocabulary.values()) + 1, np.int64)
    for token, number in vocabulary.items():
        # The byte alphabet has one character per byte.
        sizes[number] = len(token)
    added = [token["content"] for token in parts["added_tokens"]]
    return ByteLevel(quick, sizes, added, nfc=normal is not None)


def _isolates(splitting: object) -> bool:
    """Whether a pre-tokenizer isolates the matches of one expression, then takes their bytes."""
    match splitting:
        case {
            "type": "Sequence",
            "pretokenizers": [
                {
                    "type": "Split",
                    "pattern": {"Regex": str()},
                    "behavior": "Isolated",
                    "invert": False,
                },
                {"type": "ByteLevel", "add_prefix_space": False, "use_regex": False},
            ],
        }:
            return True
    return False


@cache
def _plain() -> Kinds:
    """1 for a character whose class has not changed since Unicode 3.2, so that two libraries of
    different ages agree on it; 0 for marks, joiners, controls (but tab and newline), surrogates.
    """
    old = unicodedata.ucd_3_2_0.category

    def plain(char: str) -> bool:
        kind = unicodedata.category(char)
        return char in "\t\n" or (kind[0] not in "CM" and kind == old(char))

    return Kinds(lambda char: char not in _FOLDED and char < _ASTRAL and plain(char))
