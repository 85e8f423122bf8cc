"""All checks of a finished dataset, of this project or another: broken rules by row and number.

Each row passes the checks of `probes.checks.examine`, as when it was built, and then those that
need its columns, its document, or the whole file. A file holds no siblings and may come without a
tokenizer; checks that need them are listed as not applied.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from compiler.checking.derived import Known, differences
from compiler.dataset.columns import COLUMNS
from compiler.dataset.rows import PublishedRow
from compiler.dataset.scopes import Rules
from compiler.dataset.stated import Stated
from compiler.keys import text_digest
from compiler.probes import leakage
from compiler.probes.checks import CHECKS, Facts, examine
from compiler.probes.passages import Passages, Text
from compiler.probes.places import Places
from compiler.probes.reasons import STATUSES
from compiler.probes.segment import segment
from compiler.probes.tokens import Tokenizer
from compiler.probes.units import SIDE
from compiler.spec.model import TemplateScope, WrittenScope
from compiler.spec.scoring import BASELINES
from compiler.statistics import artefacts
from compiler.statistics.artefacts import Artefacts

INDEX_COLUMNS = frozenset(column.name for column in COLUMNS if column.index)
_EXAMPLES = 3
_DOCUMENT = (
    *("doc", "row_seed", "doc_source", "doc_idx", "source_model"),
    *("doc_choice_rationale", "split_rationale", "row_splits", "gen_start_char"),
    *("n_siblings_available", "n_siblings_shown"),
)
_AGGREGATES = ("mean", "max", "min")
_OTHER_SCORES = ("bb_answer_response_scores", *(f"{name}_scores" for name in BASELINES))
_WITH_SCORES = frozenset({"scored", "decided"})


@dataclass
class Report:
    """Findings by check.

    `rows`: rows checked; `counts`: findings by check; `examples`: up to three of each, with their
    place; `not_applied`: checks that could not run.
    """

    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    not_applied: list[str] = field(default_factory=list)

    def add(self, check: str, place: str, detail: str) -> None:
        """Add one finding."""
        self.counts[check] += 1
        if len(self.examples[check]) < _EXAMPLES:
            self.examples[check].append(f"{place}: {detail}")

    @property
    def errors(self) -> int:
        """The number of findings of checks with the severity error."""
        return sum(n for name, n in self.counts.items() if CHECKS[name].severity == "error")


def verify(
    rows: Iterable[PublishedRow],
    tokenizers: Sequence[Tokenizer],
    stated: Stated,
    report: Report,
) -> None:
    """Run every check over rows that are grouped by document, and add findings to `report`.

    `tokenizers`: the source model's first, for token boundaries, then those that count the tokens
    of lens atoms; checks that need a missing one are not applied.
    """
    if not tokenizers:
        report.not_applied.append("V21")
    known = _Known(tokenizers, stated)
    whole = _Whole(known)
    block: list[PublishedRow] = []
    for row in rows:
        if block and _document(block[0]) != _document(row):
            _check_block(block, known, whole, report)
            block = []
        block.append(row)
        whole.add(row)
        known.ours |= "probe_id" in row.values
        report.rows += 1
    if block:
        _check_block(block, known, whole, report)
    whole.check(report)
    report.not_applied += _not_derived(known)
    if known.uncounted:
        names = ", ".join(sorted(known.uncounted))
        report.not_applied.append(f"V07 (recount by {names})")


def _not_derived(known: _Known) -> Iterator[str]:
    """Yield the parts of V30 that were not applied."""
    if not known.ours:
        yield "V30"
        return
    if known.bands is None:
        yield "V30 (band)"
    if not known.numbered:
        yield "V30 (split_token_idx, split_is_token_boundary)"


class _Known:
    """Facts about a dataset that its rows do not hold.

    `numbered`: token indices are those of the stated tokenizer; `ours`: rows have a `probe_id`;
    `uncounted`: tokenizers that rows name and the caller did not give.
    """

    def __init__(self, tokenizers: Sequence[Tokenizer], stated: Stated) -> None:
        self.source = tokenizers[0] if tokenizers else None
        # Any tokenizer can check boundaries, but token indices are those of the stated one.
        name = stated.tokenizer
        self.numbered = (
            self.source is not None and name is not None and _same(self.source.identity, name)
        )
        self.bands = stated.bands
        self.suffix_in_generated = stated.suffix_in_generated
        self.ours = False
        self._tokenizers = tokenizers
        self._scopes = stated.scopes
        self.uncounted: set[str] = set()

    def declared(self, row: PublishedRow) -> Rules | None:
        """Return the rules of a row's scope; None for an unknown scope."""
        return self._scopes.get(row.text("scope"))

    def rules(self, row: PublishedRow) -> Rules:
        """Return the rules of a row's scope; those of an unknown scope do not limit sizes."""
        found = self.declared(row)
        if found is not None:
            return found
        if row.optional("template_id") is not None:
            return TemplateScope(kind="template", order=0, slots=1, split="word_lens")
        return WrittenScope(
            kind="written", order=0, slots=1, split="whole", unit="side", synergy=""
        )

    def written(self, row: PublishedRow) -> bool:
        """Return whether an LLM writes probes of the row's scope."""
        return isinstance(self.rules(row), WrittenScope)

    def counter(self, row: PublishedRow) -> Callable[[str], int] | None:
        """Return the token counter of the tokenizer that the row names; None if it is missing."""
        stated = row.optional("tokenizer")
        if stated is None and self.source is not None:
            return self.source.count
        stated = stated or "the source's tokenizer"
        for each in self._tokenizers:
            if _same(each.identity, stated):
                return each.count
        self.uncounted.add(stated)
        return None


def _same(identity: str, stated: str) -> bool:
    """Return whether two names are of one tokenizer: by digest if both have one, else by name."""
    (name, _, content), (other, _, other_content) = identity.partition("@"), stated.partition("@")
    if content and other_content:
        return content == other_content
    return name.rpartition("/")[2] == other.rpartition("/")[2]


def _document(row: PublishedRow) -> tuple[str, int | None]:
    return row.text("doc_id"), row.number("round_idx")


def _place(row: PublishedRow) -> str:
    return f"{row.text('doc_id') or 'no doc_id'} slot {row.number('slot_idx')}"


def _check_block(block: list[PublishedRow], known: _Known, whole: _Whole, report: Report) -> None:
    """Check the rows of one document."""
    slots = Counter(row.number("slot_idx") for row in block)
    facts = _DocumentFacts(block[0], known)
    repeated = whole.repeated_slots(block)
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
        elif slot in repeated:
            report.add("V04", _place(row), f"slot_idx {slot}, an earlier row has it")
        elif not row.text("doc_id"):
            report.add("V04", _place(row), "doc_id is missing")
        for check, detail in _row(row, facts):
            report.add(check, _place(row), detail)


class _DocumentFacts:
    """Facts computed once per document."""

    def __init__(self, row: PublishedRow, known: _Known) -> None:
        self.doc = row.text("doc")
        self.gen_start = row.number("gen_start_char")
        self.segments = segment(self.doc, self.gen_start or 0)
        self.places = Places.of(self.doc)
        self.squashed = leakage.squash(self.doc)
        # A file holds no siblings.
        self.passages = Passages(self.segments, Text.of(self.doc), ())
        self.tokens = known.source.encode(self.doc) if known.source is not None else None
        self.known = known


def _row(row: PublishedRow, facts: _DocumentFacts) -> Iterator[tuple[str, str]]:
    split = row.number("split_char_offset")
    if split is None:
        yield "V03", "split_char_offset is missing"
        return
    doc, declared = row.text("doc"), facts.known.declared(row)
    yield from _splits(row, split, declared)
    complement = doc[:split] if row.target == "suffix" else doc[split:]
    if row.text("context") != complement:
        yield "V02", "context differs from the complement"
    if facts.tokens is not None and not facts.tokens.is_clean(split):
        yield "V21", f"split {split} cuts a token"
    yield from _scores(row)
    yield from _status(row, declared)
    if isinstance(declared, WrittenScope) and declared.unit == SIDE:
        yield from _side(row, doc[split:] if row.target == "suffix" else doc[:split])
    probe = row.probe()
    if probe is None:
        atom = row.text("atom_text")
        yield (
            ("V01", "no valid span on its side") if atom.strip() else ("V11", "atom_text is empty")
        )
        return
    if doc[probe.atom_start : probe.atom_end] != row.text("atom_text"):
        yield "V01", "atom_text is not doc[atom_start:atom_end]"
    shown, gen_start = row.number("n_siblings_shown"), row.number("gen_start_char")
    counted = facts.known.counter(row) if probe.n_tokens is not None else None
    found = examine(
        probe,
        Facts(
            facts.segments,
            facts.places,
            gen_start or 0,
            split,
            facts.known.rules(row),
            [facts.squashed],
            # Without that number, a typicality label is taken to be required where there is one.
            (shown - 1) if shown is not None else 2 if probe.typicality else 0,
            gen_start is not None and facts.known.suffix_in_generated,
            counted,
            facts.passages,
        ),
    )
    for finding in found:
        yield finding.check.id, finding.detail
    tokens = facts.tokens if facts.known.numbered else None
    beside = Known(facts.segments, declared, tokens, facts.known.bands)
    for detail in differences(row, probe, beside):
        yield "V30", detail


def _splits(row: PublishedRow, split: int, declared: Rules | None) -> Iterator[tuple[str, str]]:
    stated, size = row.values.get("row_splits"), len(row.text("doc"))
    if not isinstance(stated, dict):
        return
    if declared is not None and stated.get(declared.split) != split:
        yield "V03", f"split {split}, row_splits has {stated.get(declared.split)}"
    elif split not in stated.values():
        yield "V03", f"split {split} is not in row_splits"
    for group, place in stated.items():
        if isinstance(place, int) and not 0 < place < size:
            yield "V03", f"the {group} split {place} is outside of a text of {size} characters"


def _side(row: PublishedRow, side: str) -> Iterator[tuple[str, str]]:
    if row.text("atom_text") != side.strip():
        yield "V09", "atom_text is not the whole side"


def _scores(row: PublishedRow) -> Iterator[tuple[str, str]]:
    scores, answers = row.items("bb_answer_rollout_scores"), row.items("bb_answer_rollout_answers")
    status = row.optional("score_status")
    if status is not None and status not in STATUSES:
        yield "V17", f"unknown score_status {status!r}"
    elif (scores is None) != (answers is None):
        yield "V17", "answers without scores" if scores is None else "scores without answers"
    elif status is not None and (status in _WITH_SCORES) != (scores is not None):
        yield "V17", f"score_status {status!r} {'without' if scores is None else 'with'} scores"
    if scores is None:
        stated = [name for name in _AGGREGATES if row.real(f"bb_answer_score_{name}") is not None]
        yield from (("V16", f"bb_answer_score_{name} without scores") for name in stated)
        return
    if not all(isinstance(answer, str) for answer in answers or ()):
        yield "V17", "an answer is not a text"
    yield from _numbers(row, scores, answers or [], decided=status == "decided")
    for name in _OTHER_SCORES:
        others = row.items(name)
        if others is not None and not _are_scores(others):
            yield "V16", f"{name} has a value that is not a number in [0, 1]"
    gold = row.real("gold_score")
    if gold is not None and not 0 <= gold <= 1:
        yield "V16", f"gold_score {gold} is not in [0, 1]"
    seconds = row.items("bb_answer_response_scores")
    if seconds is not None and len(seconds) != len(scores):
        yield "V17", f"{len(seconds)} scores against target_response, {len(scores)} blind scores"


def _are_scores(values: list[object]) -> bool:
    return all(isinstance(each, int | float) and 0 <= each <= 1 for each in values)


def _numbers(
    row: PublishedRow, scores: list[object], answers: list[object], *, decided: bool
) -> Iterator[tuple[str, str]]:
    wanted = row.number("k_rollouts") or len(answers)
    counts = (len(scores), len(answers))
    # Early stopping leaves a decided probe with fewer than K.
    whole = counts[0] == counts[1] < wanted if decided else counts == (wanted, wanted)
    if not whole or not scores:
        yield "V17", f"{counts[1]} answers, {counts[0]} scores, K = {wanted}"
    if not _are_scores(scores):
        yield "V16", "a score is not a number in [0, 1]"
        return
    numbers = [each for each in scores if isinstance(each, int | float)]
    if not numbers:
        return
    values = sum(numbers) / len(numbers), max(numbers), min(numbers)
    for name, value in zip(_AGGREGATES, values, strict=True):
        stated = row.real(f"bb_answer_score_{name}")
        if stated is not None and abs(stated - value) > 1e-9:
            yield "V16", f"{name} {stated}, recomputed {value}"


def _status(row: PublishedRow, declared: Rules | None) -> Iterator[tuple[str, str]]:
    """Check that the status of a row is possible for its scope."""
    status = row.optional("score_status")
    if status is None:
        if "score_status" in row.values:
            yield "V17", "score_status is missing"
    elif declared is not None and (status == "local") == isinstance(declared, WrittenScope):
        kind = "written" if isinstance(declared, WrittenScope) else "templated"
        yield "V17", f"score_status {status!r} of a {kind} probe"


class _Whole:
    """Checks that need all rows."""

    def __init__(self, known: _Known) -> None:
        self._known = known
        self._slots: set[int] = set()
        self._rounds: dict[str, int | None] = {}
        self._twice: set[str] = set()
        self._artefacts = Artefacts()

    def repeated_slots(self, block: Sequence[PublishedRow]) -> set[int | None]:
        """Return the slots of a block that an earlier block of the same document has."""
        document = _document(block[0])
        found: set[int | None] = set()
        new: set[int] = set()
        for slot in {row.number("slot_idx") for row in block}:
            # Hashes take less memory: a published dataset has half a million of these keys.
            key = hash((*document, slot))
            if key in self._slots:
                found.add(slot)
            new.add(key)
        self._slots |= new
        return found

    def add(self, row: PublishedRow) -> None:
        """Add one row."""
        doc_id, scope, target = row.text("doc_id"), row.text("scope"), row.text("target")
        if self._rounds.setdefault(doc_id, row.number("round_idx")) != row.number("round_idx"):
            self._twice.add(doc_id)
        written = self._known.written(row)
        question = text_digest(row.text("verbalizer_prompt"))[:16] if written else None
        self._artefacts.row(scope, target, question, row.optional("typicality"))
        rules = self._known.rules(row)
        by_response = isinstance(rules, WrittenScope) and rules.alternative == "response"
        atom = row.text("target_response" if by_response else "atom_text")
        self._artefacts.pair(
            artefacts.pair(scope, target, doc_id, atom, row.text("incorrect_plausible_answer"))
        )

    def check(self, report: Report) -> None:
        """Add the findings of all rows to `report`."""
        for doc_id in sorted(self._twice):
            report.add("V19", doc_id, "its rows belong to different rounds")
        cells = self._artefacts.cells(self._artefacts.scopes())
        for check, place, detail in artefacts.findings(cells):
            report.add(check, place, detail)
