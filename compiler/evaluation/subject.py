"""The dataset under evaluation: its probes, its digest, and the spec that provides its readers.

Rows come from a finished build, from an installed dataset, or from any probe parquet. A file of
another project may lack columns; `lacks` says what cannot be computed without them.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from compiler.building import finished
from compiler.dataset import rows, stated
from compiler.dataset.columns import band_of
from compiler.dataset.rows import PublishedRow
from compiler.dataset.scopes import Rules, by_response
from compiler.errors import SourceError, UsageError, known
from compiler.keys import Json, canonical, digest, text_digest
from compiler.probes.sampling import rank
from compiler.probes.scoring import POLICIES
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.records import Side
from compiler.spec.model import WrittenScope
from compiler.spec.root import SUFFIXES
from compiler.statistics.observations import LEAKS
from compiler.templating.prompts import Library

BANDS = ("all", "hard", "middle", "easy")
_COLUMNS = (
    *rows.REQUIRED,
    *("probe_id", "round_idx", "slot_idx", "split_char_offset", "typicality", "target_response"),
    *("incorrect_plausible_answer", "tokenizer", "template_id", "flags", "doc_source"),
    *("bb_answer_rollout_scores", "full_information_scores"),
)
_ANSWERS = "bb_answer_rollout_answers"
_OPTIONAL = {
    "target_response": "answers are compared with the atom alone",
    "incorrect_plausible_answer": "no contrastive win",
    "bb_answer_rollout_scores": "no blind reader, no bands and no gap closed",
    "full_information_scores": "no ceiling, so no gap closed",
    "tokenizer": "lens atoms are compared by words, not by tokens",
    "flags": "no sensitivity to leaking probes",
}
_DIGITS = 12
JUDGE_KEY = "probec.judge"
"""The entry of a parquet file's metadata that holds the identity of its judge."""


@dataclass(frozen=True, slots=True)
class Item:
    """One probe of the dataset.

    `number`: its row, from 0. `complement`: as the row states it, empty if it is the side of `doc`
    without the target. `blind`, `full`: scores of the blind and the full-information reader, by
    rollout; `answers`: of the blind reader, if they are read. `band`: hard, middle or easy, empty
    without blind scores. `truth`: the text that the alternative was written against. `written`: by
    an LLM, so that a judge scores answers.
    """

    number: int
    key: str
    doc_id: str
    doc_source: str
    doc: str
    scope: str
    target: Side
    typicality: str
    band: str
    question: str
    complement: str
    split: int
    atom: str
    response: str
    alternative: str
    truth: str
    tokenizer: str
    written: bool
    leaking: bool
    blind: tuple[float, ...]
    answers: tuple[str, ...]
    full: tuple[float, ...]

    @property
    def context(self) -> str:
        """The complement."""
        if self.complement:
            return self.complement
        return self.doc[: self.split] if self.target == "suffix" else self.doc[self.split :]

    @property
    def place(self) -> str:
        """The probe, for messages."""
        return f"probe {self.key}"

    @property
    def choices(self) -> tuple[str, str] | None:
        """The atom and its alternative, in an order drawn by the id; None without alternative."""
        if not self.alternative:
            return None
        pair = (self.truth, self.alternative)
        return pair if self.first else (pair[1], pair[0])

    @property
    def first(self) -> bool:
        """True if the truth is the first of the choices."""
        return int(digest("choices", self.key)[:2], 16) % 2 == 0


def continued(choice: str) -> str:
    """Return an answer as it continues a prompt: behind a space, unless it begins with one."""
    return choice if choice[:1].isspace() else f" {choice}"


@dataclass(frozen=True)
class Subject:
    """A dataset and its probes. `lacks`: columns that the file lacks -> the consequence.

    `hard`, `easy`: the thresholds of the bands; `project`: provides the judge and the answerer, or
    None; `judge`: identity of the judge that gave the blind scores, empty if unknown.
    """

    path: Path
    files: tuple[Path, ...]
    name: str
    items: tuple[Item, ...]
    digest: str
    hard: float
    easy: float
    lacks: Mapping[str, str]
    scopes: tuple[str, ...]
    project: Project | None
    judge: str
    source_tokenizer: str

    @property
    def folder(self) -> str:
        """The name of the directory of its evaluations."""
        return f"{self.name}-{self.digest[:_DIGITS]}"


@dataclass(frozen=True, slots=True)
class Selection:
    """The probes of an evaluation: of some scopes and bands, of a sample of documents.

    Empty: no restriction. `documents`: 0 for all.
    """

    scopes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    documents: int = 0

    def of(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Select among all probes of a dataset; whole documents, the same for equal sizes.

        Raises:
            UsageError: there is no such probe.
        """
        found = self.matching(items)
        if not found:
            have = sorted({each.scope for each in items})
            for name in self.scopes:
                if name not in have:
                    raise UsageError(f"no probe has the scope {name!r}", hint=known(name, have))
            raise UsageError("no probe is selected", hint="choose other --bands")
        return found

    def matching(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Select as `of` does; the result may be empty."""
        found = [
            each
            for each in items
            if (not self.scopes or each.scope in self.scopes)
            and (not self.bands or "all" in self.bands or each.band in self.bands)
        ]
        if self.documents:
            names = sorted({each.doc_id for each in found}, key=lambda name: rank("evaluate", name))
            kept = set(names[: self.documents])
            found = [each for each in found if each.doc_id in kept]
        return tuple(found)


def open_subject(
    path: Path,
    spec: Variant | None,
    hard: float | None,
    easy: float | None,
    *,
    answers: bool = False,
) -> Subject:
    """Read a dataset.

    `path`: a spec, whose finished build is read, a dataset directory or a parquet file. `spec`: the
    spec that provides readers; for a spec as `path`, the same with its options. `hard`, `easy`:
    thresholds instead of those that the data states. `answers`: with those of the blind reader.

    Raises:
        SourceError: there is no such file, it is no table of probes, or its ids are not unique.
        StoreError: the spec is not built.
    """
    if path.suffix in SUFFIXES:
        if spec is None or spec.path != path:
            raise UsageError("--spec names another spec", hint="leave it out: DATASET is a spec")
        built = finished.build(spec)
        bands = built.project.spec.scoring.bands
        low = bands.hard if hard is None else hard
        high = bands.easy if easy is None else easy
        project = built.project
        form = _Form(dict(project.spec.ordered_scopes()), low, high, answers)
        return _read(path, tuple(built.files), project.spec.name, form, project)
    provider = opening.project(spec) if spec is not None else None
    form = _Form(stated.scopes(path), *stated.bands_of(path, hard, easy), answers)
    return _read(path, tuple(rows.files(path)), path.resolve().stem, form, provider)


@dataclass(frozen=True)
class _Form:
    """How rows are read: the rules of their scopes, and the thresholds of the bands.

    `answers`: with those of the blind reader, which are a third of the memory.
    """

    rules: Mapping[str, Rules]
    hard: float
    easy: float
    answers: bool

    @cached_property
    def by_response(self) -> frozenset[str]:
        """The scopes whose alternative has the form of the response."""
        return by_response(self.rules)

    def band(self, blind: tuple[float, ...]) -> str:
        """Return the band of blind scores; empty without any."""
        return band_of(max(blind), self.hard, self.easy) if blind else ""


def _read(
    path: Path, files: tuple[Path, ...], name: str, form: _Form, project: Project | None
) -> Subject:
    have = {column for file in files for column in rows.names(file)}
    items = tuple(_items(files, form))
    twice = [key for key, n in Counter(each.key for each in items).items() if n > 1]
    if twice:
        raise SourceError(
            f"{len(twice):,} probe ids occur more than once; the first is {twice[0]}",
            where=str(path),
            hint="every row needs its own probe_id, or its own doc_id and slot_idx in its round",
        )
    if not items:
        absent = "split_char_offset" not in have
        raise SourceError(
            "no row is a complete probe"
            + (": the file has no column split_char_offset" if absent else ""),
            where=str(path),
            hint="every probe needs a split inside of its document, a target, a question, an atom",
        )
    present = {each.scope for each in items}
    ordered = [name for name in form.rules if name in present]
    built = path.suffix in SUFFIXES and project is not None
    return Subject(
        path,
        files,
        name,
        items,
        _digest(items),
        form.hard,
        form.easy,
        {column: why for column, why in _OPTIONAL.items() if column not in have},
        (*ordered, *sorted(present - set(ordered))),
        project,
        judge_of(project) if project and built else _judge(path, files),
        project.spec.source.tokenizer if project and built else "",
    )


def judge_of(project: Project) -> str:
    """Return the identity of a spec's judge: scores of judges with one identity are comparable."""
    scoring = project.spec.scoring
    if not POLICIES[scoring.policy].judged:
        return _identity(scoring.policy, "", "", project.spec.compared())
    use = project.spec.models.judge
    prompt = digest("prompt", Library(project.root / "prompts").prompt_closure(use.prompt))
    return _identity(scoring.policy, use.model, prompt, project.spec.compared())


def _judge(path: Path, files: Sequence[Path]) -> str:
    """Return the identity of the judge that rows in files state; empty if they do not."""
    own = {rows.stated(file, JUDGE_KEY) for file in files}
    if len(own) == 1 and "" not in own:
        return own.pop()
    found = stated.judge(path)
    if found is None:
        return ""
    policy, model, prompt, compare = found
    judged = POLICIES[policy].judged if policy in POLICIES else True
    return _identity(policy, model if judged else "", prompt if judged else "", compare)


def _identity(policy: str, model: str, prompt: str, compare: str | dict[str, str]) -> str:
    return digest("judge", [policy, model, prompt, _leading(compare)])


def _leading(compare: str | dict[str, str]) -> Json:
    """Return the references of the leading scores: with both, those are against the atom."""
    by_scope = compare if isinstance(compare, dict) else {"": compare}
    found = {name: "atom_text" if each == "both" else each for name, each in by_scope.items()}
    return {**found} if len({*found.values()}) > 1 else next(iter(found.values()))


def _items(files: Sequence[Path], form: _Form) -> Iterator[Item]:
    doc, number, names = "", 0, dict[str, str]()
    columns = (*_COLUMNS, *([_ANSWERS] if form.answers else []))
    for file in files:
        for batch in rows.batches(file, rows.REQUIRED, columns, 512):
            for values in batch.to_pylist():
                row = PublishedRow(values)
                text = row.text("doc")
                # A document is stored once for its rows.
                doc = doc if doc == text else text
                found = _item(number, row, doc, names, form)
                number += 1
                if found is not None:
                    yield found


def _item(
    number: int, row: PublishedRow, doc: str, names: dict[str, str], form: _Form
) -> Item | None:
    """Convert a row; None without target, split, question or atom. `names`: texts stored once."""

    def name(column: str) -> str:
        text = row.text(column)
        return names.setdefault(text, text)

    split, target = row.number("split_char_offset"), row.target
    question, atom = row.text("verbalizer_prompt"), row.text("atom_text")
    if split is None or target is None or not question or not atom or not 0 < split < len(doc):
        return None
    side = doc[:split] if target == "suffix" else doc[split:]
    context = row.text("context")
    scope = name("scope")
    declared = form.rules.get(scope)
    templated = row.optional("template_id") is not None
    blind = _numbers(row.items("bb_answer_rollout_scores"))
    return Item(
        number,
        row.key,
        name("doc_id"),
        name("doc_source"),
        doc,
        scope,
        "suffix" if target == "suffix" else "prefix",
        name("typicality"),
        form.band(blind),
        question,
        "" if side == context else context,
        split,
        atom,
        row.text("target_response") or atom,
        row.text("incorrect_plausible_answer"),
        (row.text("target_response") or atom) if scope in form.by_response else atom,
        name("tokenizer"),
        isinstance(declared, WrittenScope) if declared is not None else not templated,
        not LEAKS.isdisjoint(str(each) for each in row.items("flags") or ()),
        blind,
        tuple(str(each) for each in row.items(_ANSWERS) or ()),
        _numbers(row.items("full_information_scores")),
    )


def _numbers(values: list[object] | None) -> tuple[float, ...]:
    """Return a list of scores in [0, 1]; empty for anything else, one bad member included."""
    found = [float(each) for each in values or () if isinstance(each, int | float)]
    good = len(found) == len(values or ()) and all(
        math.isfinite(each) and 0 <= each <= 1 for each in found
    )
    return tuple(found) if good else ()


def _digest(items: Sequence[Item]) -> str:
    """Digest what predictions depend on: ids, questions, texts; not scores, not their order."""
    docs: dict[int, str] = {}
    lines = []
    for each in items:
        known = docs.setdefault(id(each.doc), "") or text_digest(each.doc)
        docs[id(each.doc)] = known
        parts = [each.key, each.scope, each.target, each.question, each.split, known, each.atom]
        lines.append(canonical([*parts, each.response, each.alternative]))
    found = hashlib.sha256()
    for line in sorted(lines):
        found.update(line + b"\n")
    return found.hexdigest()
