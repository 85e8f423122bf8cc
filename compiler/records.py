"""The row types that stages read and write.

Frozen structs instead of dataclasses, because a build makes and reads hundreds of millions of them.
They are trees, so the garbage collector need not track them (`gc=False`).

Normalised: a probe refers by `doc_id` to its doc-record, which stores the text. All offsets are
Python code points into the full text of one sibling, `prefix + continuation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

Side = Literal["prefix", "suffix"]
Group = Literal["word_lens", "sentence", "paragraph", "whole"]
GROUPS: tuple[Group, ...] = ("word_lens", "sentence", "paragraph", "whole")


class Sibling(Struct, frozen=True, gc=False):
    """One continuation of a document's source prefix. `idx` is its place in the source."""

    idx: int
    continuation: str


class Skip(Struct, frozen=True, gc=False, omit_defaults=True):
    """A source row or sibling that was not used or was cut. `reason`: one of `SKIPS`.

    `detail`: column and type of value of a row. `chars`: unused characters of a sibling."""

    reason: str
    detail: str = ""
    chars: int = 0


class Document(Struct, frozen=True, gc=False):
    """One source text with its sibling continuations, ordered by `idx`."""

    doc_id: str
    doc_source: str
    prefix: str
    siblings: tuple[Sibling, ...]


class DocumentId(Struct, frozen=True, gc=False):
    """The id of a document, the digest of its content, and its row in `ingest.documents`."""

    doc_id: str
    digest: str
    row: int


class Slot(Struct, frozen=True, gc=False):
    """One planned probe: its scope, the side of its atom, and the requested distance.

    `hint` counts units of the scope outward from the split, 1 = adjacent; None for whole sides.
    """

    index: int
    scope: str
    target: Side
    hint: int | None


class Unit(Struct, frozen=True, gc=False):
    """A numbered span that may be chosen as an atom. `kind`: name of its segmenter."""

    id: str
    kind: str
    start: int
    end: int


class Boundary(Struct, frozen=True, gc=False):
    """A numbered place where a text may be split, and the split groups that may use it.

    `tokens`: source tokens before it; `sentences`: whole sentences before and after it.
    """

    id: str
    offset: int
    tokens: int
    sentences: tuple[int, int]
    groups: tuple[Group, ...]


class ShownSibling(Struct, frozen=True, gc=False):
    """A sibling as the generator sees it. The ids of its units and boundaries have its letter."""

    idx: int
    letter: str
    text: str
    units: tuple[Unit, ...]
    boundaries: tuple[Boundary, ...]


class DocRecord(Struct, frozen=True, gc=False):
    """A document as drawn into one round. It owns the slots.

    `gen_start` is where the source prefix ends and generated text begins. `others` are the usable
    siblings that the generator does not see; `n_available` counts all usable distinct ones.
    """

    round: int
    doc_id: str
    doc_source: str
    row_seed: int
    gen_start: int
    n_available: int
    shown: tuple[ShownSibling, ...]
    others: tuple[Sibling, ...]
    slots: tuple[Slot, ...]


class ShownText(Struct, frozen=True, gc=False):
    """A ShownSibling without its units and boundaries."""

    idx: int
    text: str


class DocTexts(Struct, frozen=True, gc=False):
    """A DocRecord without units and boundaries, for readers of its text.

    Decoded from the same rows in four fifths of the time.
    """

    round: int
    doc_id: str
    doc_source: str
    row_seed: int
    gen_start: int
    n_available: int
    shown: tuple[ShownText, ...]
    others: tuple[Sibling, ...]
    slots: tuple[Slot, ...]

    def text(self, sibling: int) -> str:
        """Return the full text of the shown sibling with this index."""
        return next(each.text for each in self.shown if each.idx == sibling)


class Reject(Struct, frozen=True, gc=False):
    """A slot without a probe, with the stage that rejected it and a reason from `REASONS`."""

    round: int
    doc_id: str
    slot: int
    scope: str
    stage: str
    reason: str
    detail: str


class Splits(Struct, frozen=True, gc=False):
    """One number per split group of a doc-record: its offset, or the tokens before it.

    None for a group without a legal split, whose slots are rejects.
    """

    word_lens: int | None
    sentence: int | None
    paragraph: int | None
    whole: int | None

    def get(self, group: Group) -> int | None:
        """Return the number of one group, None if it has no split."""
        found: int | None = getattr(self, group)
        return found

    def of(self, group: Group) -> int:
        """Return the number of a group that has a split.

        Raises:
            ValueError: it has none.
        """
        found = self.get(group)
        if found is None:
            raise ValueError(f"no {group} split")
        return found


class Choice(Struct, frozen=True, gc=False):
    """The choice of sibling and splits for one doc-record, by the generator or the row seed.

    `rung`: the repair that made the reply readable as JSON (see `decoding.repair`), empty
    without a usable reply, where the sibling was drawn; `drawn`: groups whose split was drawn.
    """

    doc_id: str
    sibling: int
    splits: Splits
    split_tokens: Splits
    sibling_rationale: str | None
    split_rationale: str | None
    generator_model: str
    rung: str
    drawn: tuple[Group, ...] = ()


class UnknownKeys(Struct, frozen=True, gc=False):
    """The keys of a generator's reply that no field reads, by their paths."""

    doc_id: str
    keys: tuple[str, ...]


class Probe(Struct, frozen=True, gc=False):
    """A question about one atom on one side of one split, before scoring.

    `atom_start`, `atom_end`: code points into the chosen sibling's text. `word_distance`: words
    between the split and the nearest edge of the atom, negative on the prefix side.
    `support`: number of other usable siblings that hold the atom's content, None without others.
    `flags`: ids of warnings (see probes.checks). `attested`: attestations of atom and alternative
    at the atom's place in held-out documents (see probes.collocations).
    """

    doc_id: str
    slot: int
    scope: str
    target: Side
    atom_start: int
    atom_end: int
    question: str
    response: str
    alternative: str
    typicality: Literal["typical", "atypical"] | None
    abs_index: int | None
    signed_index: int | None
    hint: int | None
    word_distance: int
    synergy: str | None
    distribution: str | None
    difficulty: str | None
    n_tokens: int | None
    tokenizer: str | None
    template_id: str | None
    pool_level: int | None
    pool_size: int | None
    support: int | None
    flags: tuple[str, ...]
    attested: tuple[int, int] | None = None

    def flagged(self, flags: Iterable[str]) -> Probe:
        """Return a copy with these flags."""
        return replace(self, flags=tuple(flags))


class ReplyRow(Struct, frozen=True, gc=False):
    """The generator's raw reply to one doc-record; rows are in the order of the records."""

    outcome: str
    text: str
    model: str
    output_tokens: int


class RequestRow(Struct, frozen=True, gc=False):
    """The key, in the response log, of a request whose reply a step read."""

    key: str


class UsageRow(Struct, frozen=True, gc=False, omit_defaults=True):
    """Usage of the replies that a step read: calls, and tokens as billed.

    `input_tokens` excludes the tokens that a provider's prompt cache wrote or served.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0

    @classmethod
    def total(cls, rows: Iterable[UsageRow]) -> UsageRow:
        """Return the sum over several steps."""
        sums = [0] * len(cls.__struct_fields__)
        for row in rows:
            for place, name in enumerate(cls.__struct_fields__):
                sums[place] += getattr(row, name)
        return cls(*sums)


class AnswerRow(Struct, frozen=True, gc=False):
    """All blind answers to one probe: `answers[i]` is None when rollout i returned no text.

    `context_chars_seen`: characters of the complement that the answerer saw.
    """

    doc_id: str
    slot: int
    answers: tuple[str | None, ...]
    model: str
    context_chars_seen: int


class VerdictRow(Struct, frozen=True, gc=False):
    """The judge's verbatim verdicts on each answer to one probe.

    `verdicts` compare with the spec's first reference, `seconds` with the second one if the spec
    compares with both.
    """

    doc_id: str
    slot: int
    verdicts: tuple[str | None, ...]
    seconds: tuple[str | None, ...] | None
    model: str


class ControlRow(Struct, frozen=True, gc=False):
    """The answers of one baseline to one probe; None where a rollout returned no text."""

    doc_id: str
    slot: int
    baseline: str
    answers: tuple[str | None, ...]


class AuditRow(Struct, frozen=True, gc=False):
    """The judge's verbatim verdicts on one probe beyond the first judgement of its blind answers.

    `kind`: a baseline, an anchor, or `again_1`, `again_2`... for repeated judgements.
    """

    doc_id: str
    slot: int
    kind: str
    verdicts: tuple[str | None, ...]


class ScoreRow(Struct, frozen=True, gc=False):
    """The scores of one probe: exactly K numbers in [0, 1] when `status` is "scored".

    With early stopping, a probe that is EASY after the first rollouts has the status "decided"
    and as many scores as it has rollouts. `seconds`: the scores against the second reference.
    """

    doc_id: str
    slot: int
    status: str
    scores: tuple[float, ...] | None
    seconds: tuple[float, ...] | None
    mean: float | None
    max: float | None
    min: float | None


class AuditScore(Struct, frozen=True, gc=False):
    """The scores of an AuditRow or ControlRow; None where the row has no valid score."""

    doc_id: str
    slot: int
    kind: str
    scores: tuple[float | None, ...]


class ProbeFact(Struct, frozen=True, gc=False):
    """The part of one published row that statistics read.

    `chars`: lengths of atom, response and alternative, and the mean length of the answers (None
    without any). `baselines`: the scores of each baseline that ran on the probe. `question`: its
    digest, None for templated probes. `level`: of the search for an alternative. `attested`:
    attestations of atom and alternative in held-out documents.
    """

    round: int
    doc_id: str
    slot: int
    scope: str
    target: str
    typicality: str | None
    status: str
    scores: tuple[float, ...] | None
    seconds: tuple[float, ...] | None
    baselines: dict[str, tuple[float, ...]]
    flags: tuple[str, ...]
    same_split: bool
    support: int | None
    n_others: int | None
    question: str | None
    distance: int | None
    chars: tuple[int, int, int, int | None]
    split_kind: str = ""
    origin: str = ""
    level: int | None = None
    attested: tuple[int, int] | None = None
