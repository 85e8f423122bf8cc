"""The table of published columns: name, type, meaning, and how the value is computed.

The parquet schema, the card and the docs are generated from it. The first 35 columns are those of
the published dataset, in its order; probec adds the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from msgspec import Struct

from compiler.keys import digest
from compiler.probes.segment import split_kind
from compiler.records import (
    GROUPS,
    AnswerRow,
    Choice,
    DocTexts,
    Group,
    Probe,
    ScoreRow,
    VerdictRow,
)

Value: TypeAlias = (
    "str | int | float | bool | None | list[str] | list[float] | dict[str, int | None]"
)
Kind = Literal["string", "int64", "float64", "bool", "strings", "floats", "splits"]


class Constants(Struct, frozen=True):
    """The values that are the same on every row of a dataset.

    `source_label`: `source` of written probes. `template_model`: `generator_model` of templated
    ones. `hard_below`, `easy_from`: the bands of the spec. `groups`: scope -> split group.
    """

    source_model: str
    source_label: str
    template_model: str | None
    calibration_level: int
    rollouts: int
    hard_below: float
    easy_from: float
    groups: dict[str, Group]


class Row(Struct, frozen=True):
    """One probe with all data that its row is computed from.

    `text`: `doc`. `baselines`: name -> a score for each answer.
    """

    constants: Constants
    record: DocTexts
    choice: Choice
    text: str
    probe: Probe
    answers: AnswerRow | None
    verdicts: VerdictRow | None
    score: ScoreRow | None
    baselines: Mapping[str, tuple[float, ...]]
    gold: float | None = None

    @property
    def split(self) -> int:
        """The character split that applies to this probe."""
        return self.choice.splits.of(self.constants.groups[self.probe.scope])

    @property
    def complement(self) -> str:
        """The side of the split that does not hold the atom."""
        if self.probe.target == "suffix":
            return self.text[: self.split]
        return self.text[self.split :]

    @property
    def written(self) -> bool:
        """True if an LLM wrote the probe."""
        return self.probe.template_id is None

    @property
    def scored(self) -> bool:
        """True if all rollouts have a score."""
        return self.score is not None and self.score.status == "scored"

    @property
    def status(self) -> str:
        """The score status."""
        return self.score.status if self.score is not None else "local"

    @property
    def band(self) -> str | None:
        """The band of the highest blind score; None without scores."""
        scores = self.score.scores if self.score is not None else None
        if not scores:
            return None
        return band_of(max(scores), self.constants.hard_below, self.constants.easy_from)


def origin(start: int, end: int, gen_start: int) -> str:
    """Return where an atom comes from: human, generated or straddling."""
    if start >= gen_start:
        return "generated"
    return "human" if end <= gen_start else "straddling"


def band_of(best: float, hard_below: float, easy_from: float) -> str:
    """Return the band of a probe's highest score: hard, middle or easy."""
    if best < hard_below:
        return "hard"
    return "easy" if best >= easy_from else "middle"


class Column(Struct, frozen=True):
    """One column.

    `index`: float64 under `publish.dtypes: published`. `nullable`: null is a legal value.
    `published`: also a column of the published dataset.
    """

    name: str
    kind: Kind
    meaning: str
    value: Callable[[Row], Value]
    nullable: bool = False
    index: bool = False
    published: bool = True


def probe_id(row: Row) -> str:
    """Return the stable id of a row's probe."""
    return identity(row.record.round, row.record.doc_id, row.probe.slot)


def identity(round_idx: int, doc_id: str, slot: int) -> str:
    """Return the stable id of a probe: 24 hex digits of the digest of round, document and slot."""
    return digest("probe", [round_idx, doc_id, slot])[:24]


def _splits(row: Row) -> dict[str, int | None]:
    return {group: row.choice.splits.get(group) for group in GROUPS}


def _answers(row: Row) -> list[str] | None:
    if row.score is None or row.score.scores is None or row.answers is None:
        return None
    return [answer for answer in row.answers.answers if answer is not None]


def _scores(row: Row) -> list[float] | None:
    return list(row.score.scores) if row.score is not None and row.score.scores else None


def _seconds(row: Row) -> list[float] | None:
    return list(row.score.seconds) if row.score is not None and row.score.seconds else None


def _baseline(name: str) -> Callable[[Row], Value]:
    return lambda row: list(row.baselines[name]) if name in row.baselines else None


def _ours(
    name: str, kind: Kind, meaning: str, value: Callable[[Row], Value], nullable: bool = False
) -> Column:
    return Column(name, kind, meaning, value, nullable, published=False)


def _col(
    name: str,
    kind: Kind,
    meaning: str,
    value: Callable[[Row], Value],
    nullable: bool = False,
    index: bool = False,
) -> Column:
    return Column(name, kind, meaning, value, nullable, index)


# fmt: off
COLUMNS: tuple[Column, ...] = (
    _col("doc", "string", "full text: source prefix plus the chosen sibling continuation, as in the source; all offsets are code points into it", lambda r: r.text),
    _col("scope", "string", "size of the atom: word, lens, sentence, paragraph or whole", lambda r: r.probe.scope),
    _col("verbalizer_prompt", "string", "the question", lambda r: r.probe.question),
    _col("context", "string", "the complement, exactly: doc[:split] for a suffix target, doc[split:] for a prefix target", lambda r: r.complement),
    _col("atom_text", "string", "the text to recover: doc[atom_start:atom_end]", lambda r: r.text[r.probe.atom_start:r.probe.atom_end]),
    _col("target_response", "string", "the concise full-information answer; equals atom_text for templated scopes", lambda r: r.probe.response),
    _col("incorrect_plausible_answer", "string", "a plausible answer that is wrong and that no sibling wrote", lambda r: r.probe.alternative),
    _col("bb_answer_rollout_answers", "strings", "blind answers, from the complement only, one for each rollout; null unless scored or decided", _answers, nullable=True),
    _col("bb_answer_rollout_scores", "floats", "the score of each blind answer, 0 to 1; null unless scored or decided", _scores, nullable=True),
    _col("bb_answer_score_mean", "float64", "mean of the rollout scores", lambda r: r.score.mean if r.score else None, nullable=True),
    _col("bb_answer_score_max", "float64", "maximum of the rollout scores; low means hard from text", lambda r: r.score.max if r.score else None, nullable=True),
    _col("bb_answer_score_min", "float64", "minimum of the rollout scores", lambda r: r.score.min if r.score else None, nullable=True),
    _col("row_seed", "int64", "seed of the doc-record: a function of the spec's seed, the round and doc_id", lambda r: r.record.row_seed),
    _col("doc_id", "string", "id of the source document, shared by its siblings", lambda r: r.record.doc_id),
    _col("doc_source", "string", "where the source prefix comes from", lambda r: r.record.doc_source),
    _col("doc_idx", "int64", "index of the chosen sibling in the source", lambda r: r.choice.sibling),
    _col("split_char_offset", "int64", "the split that applies to this probe; equals row_splits of its group", lambda r: r.split),
    _col("row_splits", "splits", "the four splits of the doc-record by group; null where a group has no legal place and so no probe", _splits),
    _col("doc_choice_rationale", "string", "why the generator chose this sibling; null if it gave no usable reason", lambda r: r.choice.sibling_rationale, nullable=True),
    _col("split_rationale", "string", "why the generator chose these splits; null if it gave no usable reason", lambda r: r.choice.split_rationale, nullable=True),
    _col("slot_idx", "int64", "place of the probe within its doc-record, from 0", lambda r: r.probe.slot, index=True),
    _col("target", "string", "the side that holds the atom: prefix or suffix", lambda r: r.probe.target),
    _col("typicality", "string", "typical or atypical of the siblings, as labelled by the generator; suffix targets of written scopes with at least two other siblings shown", lambda r: r.probe.typicality, nullable=True),
    _col("abs_index", "int64", "distance from the split in units of the scope, 1 = adjacent: words (every run of characters between whitespace), tokens (equals n_tokens_actual), sentences, paragraphs; null for whole sides", lambda r: r.probe.abs_index, nullable=True, index=True),
    _col("signed_index", "int64", "abs_index, negative on the prefix side", lambda r: r.probe.signed_index, nullable=True, index=True),
    _col("signed_index_hint", "int64", "the signed distance that the slot plan requested", lambda r: r.probe.hint, nullable=True, index=True),
    _col("actual_word_distance_from_split", "int64", "words between the split and the nearest edge of the atom, negative on the prefix side", lambda r: r.probe.word_distance, index=True),
    _col("synergy_check", "string", "which pieces of the atom the answer integrates; written scopes", lambda r: r.probe.synergy, nullable=True),
    _col("distribution_check", "string", "how the claim relates to the other siblings; suffix targets of written scopes", lambda r: r.probe.distribution, nullable=True),
    _col("difficulty_check", "string", "the generator's argument that the atom is hard to infer from the text and easy from a latent; written scopes", lambda r: r.probe.difficulty, nullable=True),
    _col("source", "string", "python_template, or the label of the generator for written probes", lambda r: r.constants.source_label if r.written else "python_template"),
    _col("n_tokens_actual", "int64", "token count of the atom under `tokenizer`; lens only", lambda r: r.probe.n_tokens, nullable=True, index=True),
    _col("tokenizer", "string", "tokenizer of a lens atom, name@digest", lambda r: r.probe.tokenizer, nullable=True),
    _col("generator_model", "string", "model that wrote the probe; null on templated rows unless the spec says otherwise", lambda r: r.choice.generator_model if r.written else r.constants.template_model, nullable=True),
    _col("source_model", "string", "model that wrote the continuation", lambda r: r.constants.source_model),
    _ours("probe_id", "string", "stable id of the probe: a digest of round, document and slot", probe_id),
    _ours("round_idx", "int64", "round that drew the document, from 0", lambda r: r.record.round),
    _ours("atom_start", "int64", "first character of the atom in doc", lambda r: r.probe.atom_start),
    _ours("atom_end", "int64", "character after the atom in doc", lambda r: r.probe.atom_end),
    _ours("gen_start_char", "int64", "where generated text begins in doc", lambda r: r.record.gen_start),
    _ours("atom_origin", "string", "human, generated or straddling: the part of doc that the atom lies in, before gen_start_char, after it, or both", lambda r: origin(r.probe.atom_start, r.probe.atom_end, r.record.gen_start)),
    _ours("split_region", "string", "source or generated: the part of doc that the split lies in", lambda r: "generated" if r.split >= r.record.gen_start else "source"),
    _ours("split_kind", "string", "line, sentence or within: a line ends at the split, a sentence does, or neither", lambda r: split_kind(r.text, r.split)),
    _ours("split_by", "string", "generator, or row_seed: the choice of the split, and without a usable reply also of the sibling", lambda r: "row_seed" if r.constants.groups[r.probe.scope] in r.choice.drawn else "generator"),
    _ours("split_is_token_boundary", "bool", "true if the split falls between two tokens of the source tokenizer; the generator is offered only such places", lambda r: r.choice.split_tokens.get(r.constants.groups[r.probe.scope]) is not None),
    _ours("split_token_idx", "int64", "tokens of the source tokenizer before the split", lambda r: r.choice.split_tokens.of(r.constants.groups[r.probe.scope])),
    _ours("n_siblings_available", "int64", "distinct usable siblings of the document", lambda r: r.record.n_available),
    _ours("n_siblings_shown", "int64", "siblings shown to the generator", lambda r: len(r.record.shown)),
    _ours("sibling_support", "int64", "other usable siblings that hold at least 60% of the atom's content words; suffix targets of written scopes", lambda r: r.probe.support, nullable=True),
    _ours("score_status", "string", "scored, decided (EASY after the first rollouts, by early stopping), local (templated), answer_failed or judge_failed", lambda r: r.status),
    _ours("band", "string", "hard, middle or easy by the best blind score and the bands of the spec", lambda r: r.band, nullable=True),
    _ours("bb_answer_response_scores", "floats", "scores of the same answers against target_response; null unless answers in its scope are compared with both", _seconds, nullable=True),
    _ours("no_context_scores", "floats", "scores of answers from the question alone; null unless that baseline ran", _baseline("no_context"), nullable=True),
    _ours("full_information_scores", "floats", "scores of answers by a model that is shown the atom; null unless that baseline ran", _baseline("full_information"), nullable=True),
    _ours("shuffled_context_scores", "floats", "scores of answers from another document's complement; null unless that control ran", _baseline("shuffled_context"), nullable=True),
    _ours("gold_score", "float64", "the judge's score of target_response itself; a low one means that no answer could score well. Null unless the row was drawn for anchors (scoring.anchors)", lambda r: r.gold, nullable=True),
    _ours("k_rollouts", "int64", "rollouts requested; null on templated rows", lambda r: r.constants.rollouts if r.written else None, nullable=True),
    _ours("answerer_model", "string", "model that wrote the blind answers", lambda r: r.answers.model if r.answers else None, nullable=True),
    _ours("judge_model", "string", "model that scored the blind answers", lambda r: r.verdicts.model if r.verdicts else None, nullable=True),
    _ours("context_chars_seen", "int64", "characters of the context shown to the answerer, those nearest the split unless the spec says otherwise", lambda r: r.answers.context_chars_seen if r.answers else None, nullable=True),
    _ours("calibration_level", "int64", "calibration level of the generator prompt", lambda r: r.constants.calibration_level),
    _ours("template_id", "string", "scope, side and number of the template of a templated question", lambda r: r.probe.template_id, nullable=True),
    _ours("alternative_level", "int64", "the level of the search that found a templated alternative. Words: other documents attest it beside 0 both neighbours of the atom, 1 one of them and the class of the other, 2 both classes, 3 none. Windows: it stands beside 0 the same token in its document, 1 a token of the same class, 2 any", lambda r: r.probe.pool_level, nullable=True),
    _ours("alternative_pool", "int64", "number of candidates at that level: words for word probes (at levels 0 and 1 either those with the ending of the atom or the others), windows with the same beginning and end for lens probes", lambda r: r.probe.pool_size, nullable=True),
    _ours("atom_attested", "int64", "how often held-out documents of the shard attest the atom's first or last word next to the word beside it (see docs/measures.md); null for written scopes, and for shards of fewer than 8 documents", lambda r: r.probe.attested[0] if r.probe.attested else None, nullable=True),
    _ours("alternative_attested", "int64", "the same count for the alternative in the atom's place", lambda r: r.probe.attested[1] if r.probe.attested else None, nullable=True),
    _ours("flags", "strings", "ids of the warnings that the probe raised, explained in docs/checks.md", lambda r: list(r.probe.flags)),
)
# fmt: on


def values(row: Row) -> dict[str, Value]:
    """Return the published values of a row by column name, in column order."""
    return {column.name: column.value(row) for column in COLUMNS}
