"""Results of pure functions, kept between the tests of one process.

Hundreds of tests build copies of one small project. Compiled templates, parsed YAML, loaded
tokenizers and the replies of the embedded model are functions of text alone, and computing them
again takes more than half of the time of such a build. The key of each result is everything that
it depends on, so a test that changes a template, a tokenizer or a prompt computes it again.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Hashable
from functools import cache, partial
from pathlib import Path
from types import CodeType
from typing import Any, ClassVar

import jinja2
import msgspec
import numpy as np
import numpy.typing as npt
import pytest
import yaml

from compiler import embedded
from compiler.checking import recount
from compiler.checking.recount import Stale
from compiler.commands import parsers
from compiler.embedded import author
from compiler.embedded.tags import SlotTag, Unit
from compiler.errors import Problem, PromptError
from compiler.keys import text_digest
from compiler.probes import tokens
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.report.pages import Page
from compiler.rollouts import loops
from compiler.statistics.measures import bimodality, resolving
from compiler.statistics.measures.units import Floats
from compiler.statistics.stats import Stats


def install(patch: pytest.MonkeyPatch) -> None:
    """Keep such results, and let the operating system decide when data reaches the disk.

    A test that kills a process needs no fsync: written data outlives the process.
    """
    patch.setattr(os, "fsync", lambda file: None)
    patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Connection))
    _keep_replies(patch)
    _keep_probes(patch)
    patch.setattr(yaml, "SafeLoader", _Loader)
    _keep_tokenizers(patch)
    _keep_templates(patch)
    patch.setattr(parsers, "make", cache(parsers.make))
    _keep_counts(patch)
    _keep_measures(patch)


class _Connection(sqlite3.Connection):
    """A connection without fsync."""

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Run a statement."""
        if sql.startswith("pragma synchronous"):
            sql = "pragma synchronous = off"
        return super().execute(sql, *values)  # pyrefly: ignore[bad-argument-type]


class _Loader(yaml.SafeLoader):
    """A loader that composes each text once; readers do not change the nodes."""

    known: ClassVar[dict[str, yaml.Node | None]] = {}

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._text = text

    def get_single_node(self) -> yaml.Node | None:
        """Return the root node of the text."""
        if self._text not in self.known:
            self.known[self._text] = super().get_single_node()
        return self.known[self._text]


def _keep_replies(patch: pytest.MonkeyPatch) -> None:
    real = embedded.respond
    known: dict[tuple[str, int], str] = {}

    def respond(user: str, sample: int) -> str:
        # Prompts are long, and many tests change them.
        key = (text_digest(user), sample)
        if key not in known:
            known[key] = real(user, sample)
        return known[key]

    patch.setattr(embedded, "respond", respond)


def _keep_probes(patch: pytest.MonkeyPatch) -> None:
    real = author._Writer.probe
    known: dict[Hashable, dict[str, Any] | None] = {}

    def probe(self: author._Writer, slot: SlotTag, unit: Unit) -> dict[str, Any] | None:
        texts = text_digest("\0".join((self._sibling.text, *self._others, "", *self._siblings)))
        key = (texts, self._split, slot.index, slot.side, slot.labelled, unit)
        if key not in known:
            known[key] = real(self, slot, unit)
        return known[key]

    patch.setattr(author._Writer, "probe", probe)


def _keep_tokenizers(patch: pytest.MonkeyPatch) -> None:
    real = tokens.load
    known: dict[tuple[bytes, str], Tokenizer] = {}

    def load(file: TokenizerFile) -> Tokenizer:
        key = (file.data, file.identity)
        if key not in known:
            known[key] = real(file)
        return known[key]

    patch.setattr(tokens, "load", load)


def _keep_counts(patch: pytest.MonkeyPatch) -> None:
    real = recount.counted
    known: dict[Hashable, tuple[Stats, list[Stale]]] = {}

    def counted(folder: Path, stated: Stats) -> tuple[Stats, list[Stale]]:
        # The card is not read; everything else is.
        files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.suffix != ".md"]
        key = (
            tuple((str(p.relative_to(folder)), p.read_bytes()) for p in files),
            msgspec.json.encode(stated),
        )
        if key not in known:
            known[key] = real(folder, stated)
        stats, stale = known[key]
        return stats, [*stale]

    patch.setattr(recount, "counted", counted)


def _keep_measures(patch: pytest.MonkeyPatch) -> None:
    split, maximum, shape = loops.tokens, resolving._maximum, bimodality.sarle
    # The arrays of a result are not changed by its readers.
    patch.setattr(loops, "tokens", cache(split))
    found: dict[Hashable, tuple[Floats, Floats]] = {}
    shapes: dict[bytes, float | None] = {}

    def _maximum(counts: Floats) -> tuple[Floats, Floats]:
        key = (counts.shape, counts.dtype, counts.tobytes())
        if key not in found:
            found[key] = maximum(counts)
        return found[key]

    def sarle(values: npt.ArrayLike) -> float | None:
        key = np.asarray(values, np.float64).tobytes()
        if key not in shapes:
            shapes[key] = shape(values)
        return shapes[key]

    patch.setattr(resolving, "_maximum", _maximum)
    patch.setattr(bimodality, "sarle", sarle)


def _keep_templates(patch: pytest.MonkeyPatch) -> None:
    compiled: dict[Hashable, CodeType] = {}
    sound: set[Hashable] = set()
    compile_, problems_ = jinja2.Environment.compile, Page.problems

    def syntax(environment: jinja2.Environment) -> Hashable:
        return (
            type(environment),
            environment.autoescape,
            environment.trim_blocks,
            environment.lstrip_blocks,
            environment.keep_trailing_newline,
            environment.finalize,
            frozenset(environment.filters),
        )

    def compile(
        self: jinja2.Environment, source: str, name: str | None = None, filename: str | None = None
    ) -> CodeType:
        key = (syntax(self), source, name)
        if key not in compiled:
            compiled[key] = compile_(self, source, name, filename)
        # Templates and their errors hold the path of their project.
        return compiled[key].replace(co_filename=filename or "<template>")

    def problems(self: Page, known: frozenset[str]) -> list[Problem]:
        try:
            text = self._templates.text(self._name)
        except PromptError:
            return problems_(self, known)
        key = (syntax(self._environment), text, known)
        if key in sound:
            return []
        found = problems_(self, known)
        if not found:
            sound.add(key)
        return found

    patch.setattr(jinja2.Environment, "compile", compile)
    patch.setattr(Page, "problems", problems)
