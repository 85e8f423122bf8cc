"""Every check on a finished dataset, ours or a published one: what a row breaks, and how often.

Row by row it applies the same `probes.checks.examine` that rows pass when they are built, then what
needs the row's columns, its document, or the whole file. A foreign file has no siblings and may
have no tokenizer; the checks that need them do not apply and are said not to.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from compiler.dataset import artefacts
from compiler.dataset.artefacts import Artefacts
from compiler.dataset.columns import COLUMNS
from compiler.dataset.rows import PublishedRow
from compiler.keys import text_digest
from compiler.probes import leakage
from compiler.probes.checks import CHECKS, Facts, examine
from compiler.probes.places import Places
from compiler.probes.reasons import STATUSES
from compiler.probes.segment import segment
from compiler.probes.tokens import Tokenizer
from compiler.records import Group
from compiler.spec.model import AtomRules, TemplateScope, WrittenScope

INDEX_COLUMNS = frozenset(column.name for column in COLUMNS if column.index)
_EXAMPLES = 3
_DOCUMENT = (
    *("doc", "row_seed", "doc_source", "doc_idx", "source_model"),
    *("doc_choice_rationale", "split_rationale", "row_splits", "gen_start_char"),
)
_WITH_SCORES = frozenset({"scored", "decided"})


@dataclass
class Report:
    """Findings per check: how many rows, and a few of them by place."""

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    not_applied: list[str] = field(default_factory=list)

    def add(self, check: str, place: str, detail: str) -> None:
        """One finding."""
        self.counts[check] += 1
        if len(self.examples[check]) < _EXAMPLES:
            self.examples[check].append(f"{place}: {detail}")

    @property
    def errors(self) -> int:
        """How many findings are of checks that are errors."""
        return sum(n for name, n in self.counts.items() if CHECKS[name].severity == "error")


def verify(rows: Iterable[PublishedRow], tokenizer: Tokenizer | None, report: Report) -> None:
    """Run every check over rows that lie grouped by document; adds to `report`.

    `tokenizer`: the source model's, for token boundaries and lens counts; None skips those.
    """
    if tokenizer is None:
        report.not_applied += ["V21", "V07 (recount)"]
    whole = _Whole()
    block: list[PublishedRow] = []
    for row in rows:
        if block and _document(block[0]) != _document(row):
            _check_block(block, tokenizer, report)
            block = []
        block.append(row)
        whole.see(row)
        report.rows += 1
    if block:
        _check_block(block, tokenizer, report)
    whole.judge(report)


def _document(row: PublishedRow) -> tuple[str, int | None]:
    return row.text("doc_id"), row.number("round_idx")


def _place(row: PublishedRow) -> str:
    return f"{row.text('doc_id') or 'no doc_id'} slot {row.number('slot_idx')}"


def _check_block(block: list[PublishedRow], tokenizer: Tokenizer | None, report: Report) -> None:
    """The rows of one document."""
    slots = Counter(row.number("slot_idx") for row in block)
    facts = _DocumentFacts(block[0], tokenizer)
    for row in block:
        for name in _DOCUMENT:
            if row.values.get(name) != block[0].values.get(name):
                report.add("V18", _place(row), f"{name} differs within the document")
        for name in sorted(INDEX_COLUMNS & row.values.keys()):
            if row.no_number(name):
                report.add("V23", _place(row), f"{name} is {row.values[name]!r:.60}")
        slot = row.number("slot_idx")
        if slot is None or slot < 0 or slots[slot] > 1:
            report.add("V04", _place(row), f"slot_idx {slot}, {slots[slot]} rows have it")
        for check, detail in _row(row, facts):
            report.add(check, _place(row), detail)


class _DocumentFacts:
    """What is worked out once per document."""

    def __init__(self, row: PublishedRow, tokenizer: Tokenizer | None) -> None:
        self.doc = row.text("doc")
        self.gen_start = row.number("gen_start_char")
        self.segments = segment(self.doc, self.gen_start or 0)
        self.places = Places.of(self.doc)
        self.squashed = leakage.squash(self.doc)
        self.tokens = tokenizer.encode(self.doc) if tokenizer is not None else None
        self.tokenizer = tokenizer


def _row(row: PublishedRow, facts: _DocumentFacts) -> Iterator[tuple[str, str]]:
    split = row.number("split_char_offset")
    if split is None:
        yield "V03", "no split_char_offset"
        return
    splits = row.values.get("row_splits")
    if isinstance(splits, dict) and splits.get(row.group) != split:
        yield "V03", f"split {split}, row_splits says {splits.get(row.group)}"
    doc = row.text("doc")
    complement = doc[:split] if row.target == "suffix" else doc[split:]
    if row.text("context") != complement:
        yield "V02", "context differs from the complement"
    if facts.tokens is not None and not facts.tokens.is_clean(split):
        yield "V21", f"split {split} cuts a token"
    yield from _scores(row)
    probe = row.probe()
    if probe is None:
        atom = row.text("atom_text")
        yield (
            ("V01", "no usable span on its side") if atom.strip() else ("V11", "atom_text is empty")
        )
        return
    if doc[probe.atom_start : probe.atom_end] != row.text("atom_text"):
        yield "V01", "atom_text is not doc[atom_start:atom_end]"
    shown, gen_start = row.number("n_siblings_shown"), row.number("gen_start_char")
    counted = facts.tokenizer.count if facts.tokenizer is not None else None
    found = examine(
        probe,
        Facts(
            facts.segments,
            facts.places,
            gen_start or 0,
            split,
            _scope(row),
            [facts.squashed],
            # Without the number, a label on a suffix row is taken to be due.
            (shown - 1) if shown is not None else 2 if probe.typicality else 0,
            gen_start is not None,
            counted,
        ),
    )
    for finding in found:
        yield finding.check.id, finding.detail


def _scope(row: PublishedRow) -> TemplateScope | WrittenScope:
    """The rules of the published scopes; one of another name is held to none of size."""
    name = row.text("scope")
    group: Group = "whole"
    if not row.written:
        return TemplateScope(kind="template", order=0, slots=1, split="word_lens")
    rules = {"sentence": AtomRules(), "paragraph": AtomRules(min_sentences=2)}
    return WrittenScope(
        kind="written",
        order=0,
        slots=1,
        split=group,
        unit="sentence" if name == "sentence" else "paragraph" if name == "paragraph" else "side",
        synergy="",
        alternative="response" if name == "whole" else "atom",
        atom=rules.get(name, AtomRules()),
    )


def _scores(row: PublishedRow) -> Iterator[tuple[str, str]]:
    scores, answers = row.items("bb_answer_rollout_scores"), row.items("bb_answer_rollout_answers")
    status = row.optional("score_status")
    if status is not None and status not in STATUSES:
        yield "V17", f"unknown score_status {status!r}"
    elif (scores is None) != (answers is None):
        yield "V17", "answers and scores disagree"
    elif status is not None and (status in _WITH_SCORES) != (scores is not None):
        yield "V17", f"score_status {status!r}, scores {'' if scores else 'not '}there"
    if scores is None:
        return
    wanted = row.number("k_rollouts") or len(answers or ())
    counts = (len(scores), len(answers or ()))
    # Early stopping leaves fewer than K, of a probe that is decided.
    whole = counts == (wanted, wanted) if status != "decided" else counts[0] == counts[1] < wanted
    if not whole or not scores:
        yield "V17", f"{counts[1]} answers, {counts[0]} scores, K = {wanted}"
    numbers = [s for s in scores if isinstance(s, int | float) and 0 <= s <= 1]
    if len(numbers) != len(scores):
        yield "V16", "a score is not a number in [0, 1]"
        return
    if not numbers:
        return
    for name, value in (
        ("mean", sum(numbers) / len(numbers)),
        ("max", max(numbers)),
        ("min", min(numbers)),
    ):
        stated = row.real(f"bb_answer_score_{name}")
        if stated is not None and abs(stated - value) > 1e-9:
            yield "V16", f"{name} {stated}, recomputed {value}"


class _Whole:
    """What needs all rows."""

    def __init__(self) -> None:
        self._rounds: dict[str, int | None] = {}
        self._twice: set[str] = set()
        self._artefacts = Artefacts()

    def see(self, row: PublishedRow) -> None:
        """Take note of one row."""
        doc_id, scope, target = row.text("doc_id"), row.text("scope"), row.text("target")
        if self._rounds.setdefault(doc_id, row.number("round_idx")) != row.number("round_idx"):
            self._twice.add(doc_id)
        question = text_digest(row.text("verbalizer_prompt"))[:16] if row.written else None
        self._artefacts.row(scope, target, question, row.optional("typicality"))
        atom = row.text("target_response" if scope == "whole" else "atom_text")
        self._artefacts.pair(
            artefacts.pair(scope, target, doc_id, atom, row.text("incorrect_plausible_answer"))
        )

    def judge(self, report: Report) -> None:
        """The findings."""
        for doc_id in sorted(self._twice):
            report.add("V19", doc_id, "its rows belong to different rounds")
        cells = self._artefacts.cells(self._artefacts.scopes())
        for check, place, detail in artefacts.findings(cells):
            report.add(check, place, detail)
