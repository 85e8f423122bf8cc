"""Fast byte-level BPE with gigatoken, used only where it cannot differ from `tokenizers`.

gigatoken returns ids without offsets; in a byte-level tokenizer the offsets follow, because every
id stands for a fixed number of bytes. It is used if the tokenizer has no other component, if both
libraries agree on a trial text that exercises its rules, and if the text at hand holds no added
token, is in NFC, and has only characters with the same class in all Unicode versions. All other
texts go to `tokenizers`. The only module that imports gigatoken.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import msgspec
import numpy as np
import regex
from msgspec import Struct
from numpy.typing import NDArray

from compiler.characters import Kinds

_CONTROL = regex.compile(r"[^\t\n -~]")
# Long s and the Kelvin sign match s and k in an expression that ignores case.
_FOLDED = "\u017f\u212a"
_ASTRAL = "\U00010000"
# Words, contractions, numbers, runs of spaces and punctuation, line ends, other scripts.
_TRIAL = (
    "It's THEY'RE we'll I'd'VE isn't “quoted” naïve café—dash  two   three\tTab\n\nNew\n  in\n"
    " \n 3 42 1234567 3.14 1,000 x2 2x (a) [b] {c} <d> a_b a-b a/b #tag @me $5 50% ... !!! ?! ;;\n"
    "Привет, мир! Ελληνικά 第二章、東京 日本語のテキスト 한국어 עברית العربية ½ ² € © → ✓ end "
)


class Whole(Protocol):
    """A tokenizer of the `tokenizers` library."""

    def to_str(self) -> str:
        """Serialise the tokenizer as JSON."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> Encoded:
        """Encode a text."""


class Encoded(Protocol):
    """An encoded text."""

    @property
    def ids(self) -> Sequence[int]:
        """Its token ids."""


class Quick(Protocol):
    """A tokenizer of gigatoken."""

    def encode(self, input: str, /) -> NDArray[np.uint32]:
        """Return the ids of a text."""


class _Model(Struct, frozen=True):
    """The model of a tokenizer.json, without its merges: reading them would take most time."""

    vocab: msgspec.Raw
    type: object = None
    dropout: object = None
    continuing_subword_prefix: object = None
    end_of_word_suffix: object = None
    unk_token: object = None
    byte_fallback: object = None


class _Added(Struct, frozen=True):
    """An added token."""

    content: str


class _Parts(Struct, frozen=True):
    """The parts of a tokenizer.json."""

    normalizer: object
    pre_tokenizer: object
    added_tokens: list[_Added]
    model: _Model
    post_processor: dict[str, object] | None = None


class ByteLevel:
    """A fast encoder of texts that pass `_sure`.

    `sizes`: bytes per id; `added`: texts of added tokens; `nfc`: the tokenizer normalises to NFC.
    """

    def __init__(
        self, quick: Quick, sizes: NDArray[np.int64], added: Sequence[str], *, nfc: bool
    ) -> None:
        self._quick = quick
        self._sizes = sizes
        self._added = regex.compile("|".join(map(regex.escape, added))) if added else None
        self._nfc = nfc

    def ids(self, text: str) -> list[int] | None:
        """Return the ids of a text, None if it must go to the tokenizer."""
        found: list[int] | None = self._quick.encode(text).tolist() if self._sure(text) else None
        return found

    def cut(self, text: str) -> tuple[list[int], list[int]] | None:
        """Return the clean offsets of a text, its end included, and the token count before each.

        None if the text must go to the tokenizer.
        """
        if not self._sure(text):
            return None
        # The byte at which each token starts, and the end of the text.
        ids = self._quick.encode(text)
        starts = np.zeros(len(ids) + 1, np.int64)
        np.cumsum(self._sizes[ids], out=starts[1:])
        if text.isascii():
            return starts.tolist(), list(range(len(starts)))
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        # UTF-8 continuation bytes start no character; the end of the text counts as a start.
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
    """Build the fast encoder of a tokenizer, None if the two libraries could differ."""
    from gigatoken import Tokenizer

    text = whole.to_str()
    parts = msgspec.json.decode(text, type=_Parts)
    normal, model, after = parts.normalizer, parts.model, parts.post_processor
    if (
        not _isolates(parts.pre_tokenizer)
        or normal not in (None, {"type": "NFC"})
        or model.type != "BPE"
        or any((model.dropout, model.continuing_subword_prefix, model.byte_fallback))
        or any((model.end_of_word_suffix, model.unk_token))
        or (after is not None and (after.get("type") != "ByteLevel" or after["trim_offsets"]))
    ):
        return None
    try:
        quick = Tokenizer.from_json(text)
    except ValueError:
        return None  # gigatoken does not support its splitting rule
    if quick.encode(_TRIAL).tolist() != whole.encode(_TRIAL, add_special_tokens=False).ids:
        return None
    vocabulary = msgspec.json.decode(model.vocab, type=dict[str, int])
    sizes = np.zeros(max(vocabulary.values()) + 1, np.int64)
    # The byte alphabet has one character per byte.
    sizes[list(vocabulary.values())] = list(map(len, vocabulary))
    added = [token.content for token in parts.added_tokens]
    return ByteLevel(quick, sizes, added, nfc=normal is not None)


def _isolates(splitting: object) -> bool:
    """Return whether a pre-tokenizer isolates the matches of one expression, then takes bytes."""
    match splitting:
        case {
            "type": "Sequence",  # pyrefly: ignore[not-callable]
            "pretokenizers": [  # pyrefly: ignore[not-callable]
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
    """Return the kinds of characters: 1 if the two libraries agree on their class, else 0.

    0 for characters whose class changed since Unicode 3.2, marks, joiners, surrogates, controls
    except tab and newline, letters that extend a grapheme cluster, and all characters beyond the
    basic multilingual plane.
    """
    old = unicodedata.ucd_3_2_0.category

    def plain(char: str) -> bool:
        kind = unicodedata.category(char)
        # Letters that extend a grapheme cluster: Thai and Lao AM, conjoining Hangul.
        joins = "\u1100" <= char <= "\u11ff" or char in "\u0e33\u0eb3"
        return char in "\t\n" or (kind[0] not in "CM" and kind == old(char) and not joins)

    return Kinds(lambda char: char not in _FOLDED and char < _ASTRAL and plain(char))
