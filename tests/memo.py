"""Results of pure functions, kept between the tests of one process.

Hundreds of tests build copies of one small project. Compiled templates, parsed YAML, loaded
tokenizers, the replies of the embedded model, probes and statistics are functions of their
arguments alone, and computing them again takes more than half of the time of such a build. The key
of each result is everything that it depends on, so a test that changes a template, a tokenizer or
a prompt computes it again.
"""

from __future__ import annotations

import os
import pickle
import sqlite3
from collections.abc import Hashable, Iterable
from functools import cache, partial
from itertools import product
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
from compiler.engine.artifact import Artifact
from compiler.engine.stage import Inputs, Outputs, Part
from compiler.errors import Problem, PromptError
from compiler.keys import bytes_digest, text_digest
from compiler.probes import alternatives, tokens
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.records import AuditScore, Choice, DocRecord, DocTexts, ReplyRow
from compiler.report.pages import Page
from compiler.rollouts import loops
from compiler.stages import expand, finalize
from compiler.statistics import stats
from compiler.statistics.artefacts import Pair
from compiler.statistics.ledger import BuildStats
from compiler.statistics.measures import bimodality, resolving
from compiler.statistics.measures.units import Floats
from compiler.statistics.observations import Observations
from compiler.statistics.stats import Stats

# The functions whose results are kept, for builds that compute everything.
DOCUMENT, EXPAND, COMPUTE = finalize._document, expand._run, stats.compute


def install(patch: pytest.MonkeyPatch) -> None:
    """Keep such results, and let the operating system decide when data reaches the disk.

    A test that kills a process needs no fsync: written data outlives the process.
    """
    patch.setattr(os, "fsync", lambda file: None)
    patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=_Connection))
    _keep_replies(patch)
    _keep_probes(patch)
    _keep_worths(patch)
    patch.setattr(yaml, "SafeLoader", _Loader)
    _keep_tokenizers(patch)
    _keep_templates(patch)
    patch.setattr(parsers, "make", cache(parsers.make))
    _keep_counts(patch)
    _keep_measures(patch)
    _keep_written(patch)
    _keep_templated(patch)
    _keep_statistics(patch)


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


def _keep_worths(patch: pytest.MonkeyPatch) -> None:
    real = author._worth
    known: dict[tuple[str, str], tuple[float, float]] = {}

    def _worth(text: str, complement: str) -> tuple[float, float]:
        key = (text, text_digest(complement))
        if key not in known:
            known[key] = real(text, complement)
        return known[key]

    patch.setattr(author, "_worth", _worth)


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


def _key(*values: object) -> str:
    """Return the digest of values, among them those that a step is bound to."""
    encode = partial(msgspec.json.encode, enc_hook=lambda model: model.model_dump(mode="json"))
    return bytes_digest(encode(values))


def _keep_written(patch: pytest.MonkeyPatch) -> None:
    known: dict[str, finalize._Made] = {}

    def _document(
        bound: finalize._Bound, record: DocRecord, reply: ReplyRow, made: finalize._Made
    ) -> None:
        key = _key(bound, record, reply)
        if key not in known:
            own = finalize._Made()
            DOCUMENT(bound, record, reply, own)
            known[key] = own
        for name in finalize._Made.__struct_fields__:
            getattr(made, name).extend(getattr(known[key], name))

    patch.setattr(finalize, "_document", _document)


def _keep_statistics(patch: pytest.MonkeyPatch) -> None:
    known: dict[str, Stats] = {}

    def compute(
        rows: Observations,
        pairs: Iterable[Pair],
        audits: Iterable[AuditScore],
        rules: stats.Rules,
        build: BuildStats | None,
    ) -> Stats:
        of_rows = (rows, [*pairs], [*audits])
        key = bytes_digest(pickle.dumps((*of_rows, rules, build)))
        if key not in known:
            known[key] = COMPUTE(*of_rows, rules, build)
        return known[key]

    patch.setattr(stats, "compute", compute)


class _Rows(Outputs):
    """The outputs of a step, with its rows kept."""

    def __init__(self, real: Outputs) -> None:
        super().__init__(real._store)
        self.artifacts = real.artifacts
        self.kept: dict[str, list[object]] = {}

    def rows(self, name: str, rows: Iterable[object], frame_rows: int = 0) -> Artifact:
        """Keep rows, and store them."""
        self.kept[name] = [*rows]
        return super().rows(name, self.kept[name], frame_rows)


def _keep_templated(patch: pytest.MonkeyPatch) -> None:
    known: dict[Hashable, dict[str, list[object]]] = {}

    def _run(bound: expand._Bound, part: Part, inputs: Inputs, out: Outputs) -> None:
        templates = bound.templates
        sides = product(bound.scopes, ("prefix", "suffix"))
        told = [templates.phrasings(scope, side, 1) for scope, side in sides]
        digest = _key(
            [*inputs.rows("sample.records", DocTexts)],
            [*inputs.rows("finalize.choices", Choice)],
            bound.scopes,
            # Tests use other texts and tokenizers than those that are declared.
            [told, templates.closure(*(f"probes/{name}.j2" for name in bound.scopes))],
            bound.suffix_in_generated,
            alternatives._TRIES,
        )
        key = (digest, *map(bound.load, bound.tokenizer_names.values()))
        if key in known:
            for name, rows in known[key].items():
                out.rows(name, rows)
        else:
            kept = _Rows(out)
            EXPAND(bound, part, inputs, kept)
            known[key] = kept.kept

    patch.setattr(expand, "_run", _run)


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
