"""Subword tokenizers: token boundaries as character offsets. The only module with tokenizers.

Offsets are checked, not trusted: a normalising tokenizer leaves gaps where it composes accents, and
tokens that share one emoji overlap. An offset is *clean* when a token starts there, no token spans
it, and it lies inside of no grapheme cluster.
"""

from __future__ import annotations

import gzip
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from msgspec import Struct

from compiler import shipped
from compiler.errors import SourceError, in_a_line, nearest_file
from compiler.keys import bytes_digest
from compiler.patterns import pattern

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend


@dataclass(frozen=True, slots=True)
class TokenizerFile:
    """A tokenizer.json: its declared name, its place, and its content.

    `data`: the bytes that `digest` is the digest of, read once; empty for a file that is not on
    this machine. Only the last suffix of `path` says how to read them.
    """

    name: str
    path: Path
    digest: str
    data: bytes = field(repr=False)

    @classmethod
    def read(cls, name: str, path: Path) -> TokenizerFile:
        """Read the file at a path."""
        data = path.read_bytes()
        return cls(name, path, bytes_digest(data), data)

    @property
    def identity(self) -> str:
        """Name and content, as published in the `tokenizer` column."""
        return f"{Path(self.name).name if self.path.suffix else self.name}@{self.digest[:12]}"


class Tokens(Struct, frozen=True):
    """The token boundaries of a text.

    `clean`: sorted offsets at which the text may be cut without cutting a token, its end included;
    `before`: the number of tokens before each.
    """

    clean: list[int]
    before: list[int]

    @property
    def count(self) -> int:
        """The number of tokens."""
        return self.before[-1]

    def is_clean(self, offset: int) -> bool:
        """Return whether `offset` is clean: a cut there changes no token of either side."""
        at = bisect_left(self.clean, offset)
        return at < len(self.clean) and self.clean[at] == offset

    def count_before(self, offset: int) -> int:
        """Count the tokens before a clean offset.

        Raises:
            ValueError: the offset is not clean.
        """
        if not self.is_clean(offset):
            raise ValueError(f"{offset} is not a clean offset")
        return self.before[bisect_left(self.clean, offset)]


class Prompt(Struct, frozen=True):
    """The token ids of a text as a model's input; the first `added` of them are special tokens."""

    ids: tuple[int, ...]
    added: int


class Tokenizer:
    """A loaded tokenizer."""

    def __init__(self, backend: Backend, identity: str, *, quickly: bool = True) -> None:
        from compiler.probes.bytelevel import quicker

        self._backend = backend
        self._quick = quicker(backend) if quickly else None
        self.identity = identity
        # An atom's ids are needed when it is found, matched with alternatives, and checked.
        self._ids = lru_cache(maxsize=16)(self._find_ids)

    def encode(self, text: str) -> Tokens:
        """Tokenise a text without special tokens."""
        cut = self._quick.cut(text) if self._quick is not None else None
        if cut is not None:
            return Tokens(*cut)
        offsets = self._backend.encode(text, add_special_tokens=False).offsets
        clean: list[int] = []
        before: list[int] = []
        reach = 0
        for index, (start, end) in enumerate(offsets):
            if start >= reach and (not clean or start > clean[-1]) and not _joins(text, start):
                clean.append(start)
                before.append(index)
            reach = max(reach, end)
        if not clean or clean[-1] != len(text):
            clean.append(len(text))
            before.append(len(offsets))
        return Tokens(clean, before)

    def ids(self, text: str) -> Sequence[int]:
        """Return the token ids of a text on its own."""
        return self._ids(text)

    def _find_ids(self, text: str) -> Sequence[int]:
        known = self._quick.ids(text) if self._quick is not None else None
        if known is not None:
            return known
        found: list[int] = self._backend.encode(text, add_special_tokens=False).ids
        return found

    def prompt(self, text: str) -> Prompt:
        """Tokenise a text as the beginning of a model's input, by the tokenizer's own BOS rule.

        Special tokens that it adds after the text are left out: the text goes on.
        """
        found = self._backend.encode(text, add_special_tokens=True)
        ids, special = list(found.ids), list(found.special_tokens_mask)
        while special and special[-1]:
            special.pop()
        added = special.index(0) if 0 in special else len(special)
        return Prompt(tuple(ids[: len(special)]), added)

    def takes(self, text: str) -> bool:
        """Return whether a text is encoded by the fast encoder."""
        return self._quick is not None and self._quick.cut(text) is not None

    def slowly(self) -> Tokenizer:
        """Return the same tokenizer without the fast encoder; results must be equal."""
        return Tokenizer(self._backend, self.identity, quickly=False)

    def count(self, text: str) -> int:
        """Count the tokens of a text on its own."""
        return len(self.ids(text))


def _joins(text: str, at: int) -> bool:
    """Return whether the character at `at` belongs to the grapheme cluster of the one before it."""
    if at == 0 or at >= len(text):
        return False
    if text[at].isascii() and text[at] != "\n" and text[at - 1].isascii():
        return False
    low = max(0, at - _REACH)
    return all(match.end() != at for match in _CLUSTER.finditer(text, low, at + 1))


_CLUSTER = pattern(r"\X")
_REACH = 32


def load(file: TokenizerFile) -> Tokenizer:
    """Load a tokenizer.

    Raises:
        SourceError: the file is not a tokenizer.json.
    """
    from tokenizers import Tokenizer as Backend

    try:
        text = gzip.decompress(file.data) if file.path.suffix == ".gz" else file.data
        backend = Backend.from_str(text.decode("utf-8"))
    except Exception as error:  # tokenizers raises bare Exception
        raise SourceError(
            f"not a tokenizer.json: {error}",
            where=str(file.path),
            hint="name a Hub tokenizer or the path of a tokenizer.json",
        ) from error
    backend.no_truncation()
    backend.no_padding()
    return Tokenizer(backend, file.identity)


def find(name: str, root: Path, *, online: bool) -> TokenizerFile | None:
    """Find the file of a tokenizer by path from `root` or Hub id; None if not on this machine.

    A path that the project lacks may be that of the shipped tokenizer.

    `online`: a Hub tokenizer that is not on this machine may be downloaded.

    Raises:
        SourceError: a path that does not exist, or a Hub id that cannot be downloaded.
    """
    path = shipped.find(root, name)
    if path.is_file():
        return TokenizerFile.read(name, path)
    if path.suffix in (".json", ".gz") or name.count("/") != 1:
        raise SourceError(
            "no such tokenizer",
            where=name,
            hint=nearest_file(name, (".json", ".gz"), root)
            + "a Hub name such as Qwen/Qwen3-8B, or a path from the project root",
        )
    cached = _cached(name)
    if cached is None and online:
        cached = _download(name)
    if cached is None:
        return None
    return TokenizerFile.read(name, cached)


class _CacheLookup(Protocol):
    def __call__(self, repo_id: str, filename: str) -> object: ...


def _cached(name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = cast(_CacheLookup, try_to_load_from_cache)(name, "tokenizer.json")
    return Path(found) if isinstance(found, str) else None


def _download(name: str) -> Path:
    from transformers import AutoTokenizer

    try:
        AutoTokenizer.from_pretrained(name)
    except Exception as error:  # transformers and its transports raise many kinds
        raise SourceError(
            f"tokenizer {name} cannot be downloaded: {in_a_line(error)}",
            hint="check the network, or set the tokenizer to the path of a tokenizer.json",
        ) from error
    path = _cached(name)
    if path is None:
        raise SourceError(
            f"tokenizer {name} has no tokenizer.json",
            hint="convert it, and set the tokenizer to the path of its tokenizer.json",
        )
    return path
