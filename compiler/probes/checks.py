"""The rules that rows and datasets must satisfy, and the checks of a single probe.

A broken error rule rejects the probe with the rule's reason; a broken warning rule is recorded in
its `flags`. Rules about whole rows, documents and files are checked by `checking`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from compiler.containment import WordRuns
from compiler.patterns import pattern
from compiler.probes import copies, leakage, shares
from compiler.probes.copies import Sentences
from compiler.probes.segment import Segments, Span, counted_words, word_count
from compiler.records import Probe
from compiler.spec.model import TemplateScope, WrittenScope
from compiler.words import (
    content_stems,
    is_content,
    is_placeholder,
    size_between,
    stem,
    stems,
)

if TYPE_CHECKING:
    from compiler.probes.passages import Passages
    from compiler.probes.places import Places

MAX_QUESTION = 800
MAX_RESPONSE = 2000
MAX_NOTE = 4000
_CLEARLY = 4
MAX_RUN = 0.7
"""Share of a written alternative's words in one run of a sibling's words that is too large."""
MAX_GRAMS = 0.5
"""Largest share of a written alternative's runs of eight words that a sibling has."""
_CONTROL = pattern(r"[\p{Cc}--[\n\t\r]]", "VERSION1")
_SCAFFOLD = pattern(
    r"\b(?:prefix|suffix|split|hidden state|activations?|the (?:document|text|passage) above"
    r"|complement|sibling|latent)\b",
    "IGNORECASE",
)


class Check(Struct, frozen=True):
    """One rule. `reason` names it in the ledger; `meaning` states it as it holds.

    `false_alarms`, `found`: violations among correct rows written by hand
    (`tests/data/answers.jsonl`), and among the same rows with a wrong answer.
    """

    id: str
    severity: Literal["error", "warning"]
    reason: str
    meaning: str
    scopes: str = "all"
    false_alarms: str = ""
    found: str = ""


class Facts(Struct, frozen=True):
    """The texts and parameters that a probe is checked against.

    `places`: places of the stems in the text; `siblings`: the squashed full texts of all usable
    siblings, the chosen one included; `n_others_shown`: number of shown siblings beside it;
    `count_tokens`: token count of a text under the scope's tokenizer, None for written scopes;
    `passages`: passages that an answer may be about, None for templated scopes.
    """

    segments: Segments
    places: Places
    gen_start: int
    split: int
    scope: TemplateScope | WrittenScope
    siblings: Sequence[str]
    n_others_shown: int
    suffix_in_generated: bool
    count_tokens: Callable[[str], int] | None = None
    passages: Passages | None = None

    @property
    def sibling_sentences(self) -> Sentences:
        """The sentences of every sibling."""
        return copies.sentences(tuple(self.siblings))

    @property
    def sibling_runs(self) -> WordRuns:
        """The runs of words of every sibling."""
        return _word_runs(tuple(self.siblings))

    @property
    def text(self) -> str:
        """The full text of the chosen sibling."""
        return self.segments.text


# All probes of a document are compared with the same siblings.
_word_runs = lru_cache(maxsize=4)(WordRuns)


# fmt: off
_TABLE = (
    Check("V01", "error", "V01_span", "the atom is a span of its target side"),
    Check("V02", "error", "V02_context", "context is exactly the complement"),
    Check("V03", "error", "V03_split", "the split lies inside the text and is the split of its group"),
    Check("V04", "error", "V04_slot", "slot_idx is legal and unique within its doc-record"),
    Check("V05", "error", "V05_typicality", "typicality is set for suffix targets only", "written"),
    Check("V06", "error", "V06_index", "signed_index has the sign of the target, never 0"),
    Check("V07", "error", "V07_lens", "a lens atom touches the split and has its stated number of tokens", "lens"),
    Check("V08", "error", "V08_word", "a word atom is one content word, absent from complement and question", "word"),
    Check("V09", "error", "V09_unit", "an atom has the sentences, words and characters that its scope requires", "written"),
    Check("V10", "error", "V10_response", "a templated response equals its atom", "templated"),
    Check("V11", "error", "V11_text", "no string is empty, overlong or a placeholder, or holds a control character"),
    Check("V12", "error", "V12_alternative", "the alternative differs from the truth and occurs in no sibling, nearly or for the most part: of a written one, less than 70% of its words are in one run of a sibling, and at most half of its runs of eight words", "all", "0 of 44 alternatives, by containment", "every truncated copy of a sibling, with up to 30% of other words"),
    Check("V13", "error", "V13_leak", "the answer does not occur verbatim in the complement"),
    Check("V14", "warning", "V14_overlap", "at most half of the atom's content words occur in the complement"),
    Check("V15", "warning", "V15_scaffold", "the question does not mention the set-up (prefix, split, activations, ...)"),
    Check("V16", "error", "V16_scores", "scores lie in [0, 1], and aggregates equal the recomputed ones", "written"),
    Check("V17", "error", "V17_rollouts", "a scored row has K answers and K scores", "written"),
    Check("V18", "error", "V18_document", "document columns are equal on all rows of a document"),
    Check("V19", "error", "V19_rounds", "a document belongs to one round", "file"),
    Check("V20", "error", "V20_counts", "statistics shipped beside the rows equal those recomputed from them", "file"),
    Check("V21", "warning", "V21_token", "the split is a token boundary of the source tokenizer"),
    Check("V22", "error", "V22_region", "suffix atoms start in generated text"),
    Check("V23", "warning", "V23_dtypes", "index columns hold integers", "file"),
    Check("V24", "warning", "V24_duplicates", "at most 5% of a scope's questions repeat another", "file"),
    Check("V25", "warning", "V25_synergy", "synergy_check is long enough to name two pieces", "written"),
    Check("V26", "warning", "V26_choice", "atom and alternative are indistinguishable without context", "file"),
    Check("V27", "warning", "V27_balance", "each target has 35 to 65% of a scope's rows", "file"),
    Check("V28", "warning", "V28_question", "at most half of the answer's content words occur in the question"),
    Check("V29", "warning", "V29_shape", "the alternative has half to twice the length of the text it contrasts with", "written"),
    Check("V30", "error", "V30_derived", "derived columns equal the values recomputed from their inputs", "file"),
    Check("V31", "warning", "V31_context", "held-out documents do not attest the atom at its place 4 times as often as the alternative", "templated"),
    Check("V35", "error", "V35_elsewhere", "an answer is not about another passage (it holds 60% of the answer's content, the atom less than 15%)", "written", "0 of 183", "414 of 896 swapped within a document, 0 of 930 from another document"),
    Check("V36", "warning", "V36_about", "the atom holds at least 20% of the answer's content (30% of a side's, or if the rest of the text holds no more) and two of three or more words, at most 5 points less than any other passage, and most of what the text holds (55% for a sentence, 80% otherwise)", "written", "1 of 183: 1 of 80 sentences", "with V37 and V38 896 of 896 swapped within a document, 930 of 930 from another document"),
    Check("V37", "warning", "V37_part", "an answer draws on several sentences of a paragraph, on several parts of a side", "written", "1 of 103: 1 of 50 paragraphs", "with V36 281 of 328 swapped with a row whose atom overlaps"),
    Check("V38", "warning", "V38_names", "at least one name or number of the question, if it has any, occurs in the text", "written", "0 of 32 with a name or number", "166 of 188 from another document with a name or number"),
    Check("V40", "warning", "V40_note", "every note and rationale of the reply is usable; others are dropped", "written"),
    Check("V41", "warning", "V41_entities", "the reply's texts are plain, without HTML entities; others are unescaped", "written"),
)
# fmt: on
CHECKS: dict[str, Check] = {check.id: check for check in _TABLE}

# The rules that `examine` checks on a single probe; others need its row, document or file.
ROW_CHECKS = frozenset(CHECKS) - {
    *("V02", "V04", "V16", "V17", "V18", "V19", "V20"),
    *("V21", "V23", "V24", "V26", "V27", "V30", "V40", "V41"),
}


class Finding(Struct, frozen=True):
    """A broken rule, with details of the violation."""

    check: Check
    detail: str


def examine(probe: Probe, facts: Facts) -> list[Finding]:
    """Return the violations of a probe, errors first."""
    found = [Finding(CHECKS[name], detail) for name, detail in _all(probe, facts)]
    return sorted(found, key=lambda finding: (finding.check.severity != "error", finding.check.id))


def _all(probe: Probe, facts: Facts) -> Iterator[tuple[str, str]]:
    text = facts.text
    if not 0 < facts.split < len(text):
        yield "V03", f"split {facts.split} in a text of {len(text)}"
        return
    sides = (0, facts.split), (facts.split, len(text))
    (low, high), other = sides if probe.target == "prefix" else sides[::-1]
    if not low <= probe.atom_start < probe.atom_end <= high:
        yield "V01", f"{probe.atom_start}..{probe.atom_end} is not within {low}..{high}"
        return
    atom = text[probe.atom_start : probe.atom_end]
    complement = text[slice(*other)]
    yield from _strings(probe, atom)
    yield from _position(probe, facts)
    yield from _leaks(probe, atom, complement, lambda wanted: _held(wanted, facts, other))
    yield from _alternative(probe, atom, facts)
    if isinstance(facts.scope, WrittenScope):
        yield from _written(probe, facts, facts.scope)
    else:
        yield from _templated(probe, atom, other, facts)


def _strings(probe: Probe, atom: str) -> Iterator[tuple[str, str]]:
    limits = {
        "atom_text": (atom, len(atom)),
        "verbalizer_prompt": (probe.question, MAX_QUESTION),
        "target_response": (probe.response, max(MAX_RESPONSE, len(atom))),
        "incorrect_plausible_answer": (probe.alternative, max(MAX_RESPONSE, 2 * len(atom))),
        "synergy_check": (probe.synergy, MAX_NOTE),
        "distribution_check": (probe.distribution, MAX_NOTE),
        "difficulty_check": (probe.difficulty, MAX_NOTE),
    }
    for name, (value, limit) in limits.items():
        if value is None:
            continue
        if not value.strip():
            yield "V11", f"{name} is empty"
        elif len(value) > limit:
            yield "V11", f"{name} has {len(value)} characters, at most {limit}"
        elif value != atom and has_control(value):
            yield "V11", f"{name} holds a control character"
        elif value != atom and is_placeholder(value):
            yield "V11", f"{name} is a placeholder: {value[:40]}"
    if _SCAFFOLD.search(probe.question):
        yield "V15", _SCAFFOLD.findall(probe.question)[0]


def has_control(text: str) -> bool:
    """Return whether a text holds a control character other than a line end or a tab."""
    # Control characters are not printable, and `isprintable` is faster than the expression.
    return not text.isprintable() and _CONTROL.search(text) is not None


def _position(probe: Probe, facts: Facts) -> Iterator[tuple[str, str]]:
    index = probe.signed_index
    if index is not None and (
        probe.abs_index is None
        or probe.abs_index < 1
        or index != (probe.abs_index if probe.target == "suffix" else -probe.abs_index)
    ):
        yield "V06", f"signed_index {index}, abs_index {probe.abs_index}, target {probe.target}"
    if (
        facts.suffix_in_generated
        and probe.target == "suffix"
        and probe.atom_start < facts.gen_start
    ):
        yield "V22", f"atom starts at {probe.atom_start}, generated text at {facts.gen_start}"


def _leaks(
    probe: Probe, atom: str, complement: str, held: Callable[[frozenset[str]], int]
) -> Iterator[tuple[str, str]]:
    squashed = leakage.squash(complement)
    for name, value in (("atom_text", atom), ("target_response", probe.response)):
        wanted = leakage.bare(value)
        if len(wanted) >= 20 and wanted in squashed:
            yield "V13", f"{name} stands verbatim in the complement"
            return
    if len(atom) >= 20 and (share := _share(content_stems(atom), held)) > 0.5:
        yield "V14", f"{share:.2f} of its content words"
    in_question = stems(probe.question)
    answer = content_stems(probe.response)
    if (share := _share(answer, lambda wanted: len(wanted & in_question))) > 0.5:
        yield "V28", f"{share:.2f} of its content words"


def _held(wanted: frozenset[str], facts: Facts, side: tuple[int, int]) -> int:
    """Count the given stems that occur on one side of the text."""
    return int(facts.places.held(wanted, *side).sum())


def _share(wanted: frozenset[str], held: Callable[[frozenset[str]], int]) -> float:
    """Return the share of stems that `held` counts; 0 without stems."""
    return held(wanted) / len(wanted) if wanted else 0.0


def _alternative(probe: Probe, atom: str, facts: Facts) -> Iterator[tuple[str, str]]:
    alternative = leakage.bare(probe.alternative)
    if alternative in (leakage.bare(atom), leakage.bare(probe.response)):
        yield "V12", "it equals the truth"
    elif leakage.verbatim_in(alternative, [leakage.squash(probe.question)]):
        yield "V12", "it stands in the question"
    elif leakage.verbatim_in(alternative, facts.siblings):
        yield "V12", "a sibling wrote it"
    elif len(alternative) > 40 and any(
        leakage.alike(alternative.split(), leakage.bare(truth).split(), 0.85)
        for truth in (atom, probe.response)
    ):
        yield "V12", "it is nearly the truth"
    elif isinstance(facts.scope, WrittenScope) and (
        near := facts.sibling_sentences.near_copy(probe.alternative)
    ):
        yield "V12", f"nearly what a sibling wrote: {near[:60]!r}"
    elif isinstance(facts.scope, WrittenScope):
        run, grams = facts.sibling_runs.contained(probe.alternative)
        if run >= MAX_RUN or grams > MAX_GRAMS:
            yield (
                "V12",
                f"mostly what a sibling wrote: {run:.2f} of its words in one run, {grams:.2f} of "
                "its runs of eight words",
            )


def _written(probe: Probe, facts: Facts, scope: WrittenScope) -> Iterator[tuple[str, str]]:
    expected = probe.target == "suffix" and facts.n_others_shown >= 2
    if (probe.typicality is not None) != expected:
        yield "V05", f"typicality {probe.typicality!r} for target {probe.target}"
    inside = facts.segments.sentences_in(Span(probe.atom_start, probe.atom_end))
    atom_length = probe.atom_end - probe.atom_start
    if scope.unit == "sentence" and len(inside) != 1:
        yield "V09", f"{len(inside)} sentences"
    if scope.unit != "sentence" and len(inside) < scope.atom.min_sentences:
        yield "V09", f"{len(inside)} sentences, at least {scope.atom.min_sentences}"
    counted = size_between(facts.text, probe.atom_start, probe.atom_end)
    if counted < scope.atom.min_words:
        yield "V09", f"{counted} words, at least {scope.atom.min_words}"
    if scope.atom.min_chars > atom_length or atom_length > scope.atom.max_chars:
        yield "V09", f"{atom_length} characters"
    if not probe.synergy or len(probe.synergy.split()) < 2:
        yield "V25", "too short to name two pieces"
    like = (
        probe.response
        if scope.alternative == "response"
        else facts.text[probe.atom_start : probe.atom_end]
    )
    yield from _about(probe, facts, scope)
    # An empty answer breaks V11.
    if like and not 0.5 <= (ratio := len(probe.alternative) / len(like)) <= 2:
        yield "V29", f"{ratio:.2f} times as long"


def _clearly(probe: Probe) -> Iterator[tuple[str, str]]:
    if probe.attested is None:
        return
    atom, other = probe.attested
    if atom + 1 >= _CLEARLY * (other + 1):
        yield "V31", f"attested {atom} times, the alternative {other} times"


def _about(probe: Probe, facts: Facts, scope: WrittenScope) -> Iterator[tuple[str, str]]:
    if facts.passages is None:
        return
    span = Span(probe.atom_start, probe.atom_end)
    found = facts.passages.shares(probe.response, span, scope.unit)
    if shares.elsewhere(found):
        yield "V35", f"{found.rival:.2f} of its content is in {found.rival_text!r}"
    if detail := shares.about(found, scope.unit):
        yield "V36", detail
    if shares.of_one_part(found, scope.unit):
        yield "V37", f"one part holds {found.part:.2f} of its content, the atom {found.atom:.2f}"
    named = shares.names(probe.question)
    if named and not facts.passages.holds(named):
        yield "V38", ", ".join(sorted(named))


def _templated(
    probe: Probe, atom: str, other: tuple[int, int], facts: Facts
) -> Iterator[tuple[str, str]]:
    if probe.response != atom:
        yield "V10", "response and atom differ"
    yield from _clearly(probe)
    if probe.n_tokens is not None:
        touches = facts.split in (probe.atom_start, probe.atom_end)
        count = facts.count_tokens(atom) if facts.count_tokens else probe.n_tokens
        if not touches or count != probe.n_tokens or count != probe.abs_index:
            yield "V07", f"{count} tokens, n_tokens_actual {probe.n_tokens}, touches: {touches}"
    else:
        found = word_count(facts.text, probe.atom_start, probe.atom_end)
        root = stem(atom)
        if found != 1 or not is_content(atom):
            yield "V08", "not one content word"
        elif probe.abs_index != _word_index(probe, facts):
            yield "V06", f"abs_index {probe.abs_index}, counted {_word_index(probe, facts)}"
        elif facts.places.held([root], *other).any() or root in stems(probe.question):
            yield "V08", "it stands in the complement or the question"


def _word_index(probe: Probe, facts: Facts) -> int | None:
    """Return the index of the atom among all words outward from the split, from 1."""
    outward = counted_words(facts.text, facts.split, probe.target)
    return next((index for index, span in outward if span.start == probe.atom_start), None)
