"""What a user may declare: frozen, closed, every field described.

Values only. Words live in `prompts/` and `templates/`, decisions in Python. This module knows the
shape of a spec and the rules that one spec can break by itself; whether a prompt, provider or
templated scope of that name exists is found by `project/problems.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from compiler.records import Group, Side
from compiler.spec.base import Level, Margin, Model, Name, Share
from compiler.spec.paid import Batches, Budget, Expectations, Models, Price
from compiler.spec.scoring import Scoring


class Columns(Model):
    """Which columns of the source hold what."""

    doc_id: str = "doc_id"
    """Id shared by all siblings of one source prefix, read as text: integers with every digit,
    decimals and whole doubles below 2^53 without trailing zeros (3.0 is `3`), UUIDs, timestamps (in
    UTC if they have a time zone) and dates as ISO 8601, bytes as UTF-8. A row with any other value,
    such as NaN, a double with a fraction, a bool or a list, is skipped as `row_type`."""
    doc_source: str | None = "doc_source"
    """Where the prefix comes from, usually a URL; null when the source has none. Values are read
    like those of `doc_id`; a null value is an empty text and skips no row."""
    prefix: str = "prefix"
    """The human-written start that the source model continued."""
    continuation: str = "continuation"
    """The generated text: one string a row, or one list of strings a row (one row per document)."""
    doc_idx: str | None = None
    """Index of the sibling; null numbers the siblings of a document in row order."""


class Source(Model):
    """The rollouts that the probes are about."""

    path: Annotated[str, Field(min_length=1)]
    """Hub dataset (`hf://datasets/owner/name`), fsspec URL, or local parquet/JSONL path or glob.
    The content decides how a file is read: JSONL (UTF-8, or UTF-16/-32 with a byte-order mark;
    plain, gzip or zstd), parquet, Arrow; also a folder of `Dataset.save_to_disk`."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset; resolved to a commit when the source is read."""
    model: str
    """The language model that wrote the continuations; becomes `source_model`."""
    tokenizer: str
    """Its tokenizer, a Hub name or the path of a tokenizer.json(.gz): splits fall on its tokens."""
    license: str | None = None
    """License of the source text, stated on the card."""
    homepage: str | None = None
    """Where a reader finds the source, stated on the card; default: `path`."""
    columns: Columns = Columns()
    """Column names in the source."""


class Siblings(Model):
    """Which siblings are usable and how many the generator sees."""

    shown: Annotated[int, Field(ge=1, le=15)] = 3
    """At most this many siblings are shown to the generator, drawn by the row seed."""
    min_chars: Annotated[int, Field(ge=1)] = 200
    """A shorter continuation is skipped as `sibling_short`."""
    max_repeat: Share = 0.5
    """A continuation whose share of repeated 5-word windows is above this is `sibling_looping`."""


class SplitRules(Model):
    """Where a text may be split."""

    margin_chars: Annotated[int, Field(ge=1)] = 200
    """At least this many characters stay on each side."""
    margin_share: Margin = 0.1
    """At least this share of the text stays on each side."""
    whole_share: Margin = 0.25
    """For the whole split, at least this share of the text stays on each side."""
    suffix_in_generated: bool = True
    """Atoms of suffix targets start in generated text, never in the source prefix."""
    word_candidates: Annotated[int, Field(ge=0, le=200)] = 12
    """How many mid-sentence word gaps per sibling are offered beside the sentence gaps."""


class Distance(Model):
    """How far from the split atoms are asked for, in units of the scope."""

    max: Annotated[int, Field(ge=1, le=63)] = 63
    """Hints are drawn log-uniformly from 1 to this, stratified over the slots."""


class AtomRules(Model):
    """Which spans are large enough, and small enough, to be an atom."""

    min_chars: Annotated[int, Field(ge=1)] = 1
    """Shortest atom in characters."""
    max_chars: Annotated[int, Field(ge=1)] = 1_000_000
    """Longest atom in characters."""
    min_words: Annotated[int, Field(ge=1)] = 1
    """Fewest words."""
    min_sentences: Annotated[int, Field(ge=1)] = 1
    """Fewest sentences."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_chars > self.max_chars:
            raise ValueError(f"min_chars {self.min_chars} is above max_chars {self.max_chars}")
        return self


class TemplateScope(Model):
    """A scope whose probes come from templates, without an LLM; its name picks the Python rule."""

    kind: Literal["template"]
    """`template`: no LLM writes these probes."""
    order: Annotated[int, Field(ge=0)]
    """Scopes take their slot indices in this order; unique."""
    slots: Annotated[int, Field(ge=0, le=64)]
    """How many probes of this scope each document gets."""
    split: Group
    """Which of the four splits applies."""
    tokenizer: str | None = None
    """Tokenizer that counts this scope's tokens; null takes the source's."""
    distance: Distance = Distance()
    """How far from the split the atoms are asked for."""


class WrittenScope(Model):
    """A scope whose probes an LLM writes."""

    kind: Literal["written"]
    """`written`: the generator writes these probes."""
    order: Annotated[int, Field(ge=0)]
    """Scopes take their slot indices in this order; unique."""
    slots: Annotated[int, Field(ge=0, le=64)]
    """How many probes of this scope each document gets."""
    split: Group
    """Which of the four splits applies."""
    unit: Literal["sentence", "paragraph", "side"]
    """What an atom is: one sentence, one paragraph, or the entire target side."""
    synergy: str
    """What the question must integrate; shown to the generator."""
    alternative: Literal["atom", "response"] = "atom"
    """What the incorrect plausible answer is shaped like: the atom, or the concise answer."""
    distance: Distance | None = None
    """How far from the split atoms are asked for, in units; null for sides."""
    atom: AtomRules = AtomRules()
    """Size limits of an atom."""


Scope = Annotated[TemplateScope | WrittenScope, Field(discriminator="kind")]


class Addendum(Model):
    """One calibration level."""

    text: str
    """Appended to the generator's instructions; empty for level 0."""


class Selection(Model):
    """Which level `probec calibrate` chooses: declared before any is seen."""

    measure: Literal["mean", "best"] = "best"
    """The blind score looked at: its mean, or the expected maximum of K rollouts."""
    target: Share = 0.5
    """Of the levels that are allowed, the one whose measure is nearest to this is chosen."""
    min_hard: Share = 0.3
    """A level with a smaller share of HARD probes is not allowed."""
    min_easy: Share = 0.1
    """A level with a smaller share of EASY probes is not allowed."""
    max_leak: Share = 0.05
    """A level with a larger share of probes that leak their answer (V14, V28) is not allowed."""


class Calibration(Model):
    """How strictly HARD-FROM-TEXT is asked for."""

    level: Level = 0
    """Level in use: negative is easier on a text-only reader, positive stricter."""
    levels: dict[Level, Addendum]
    """The addendum of every level."""
    select: Selection = Selection()
    """The rule by which `probec calibrate` chooses a level."""
    evidence: str | None = None
    """Digest of the sweep that chose the level; `probec calibrate --write` fills it in."""

    @model_validator(mode="after")
    def _declared(self) -> Self:
        if self.level not in self.levels:
            have = ", ".join(str(level) for level in sorted(self.levels))
            raise ValueError(f"level {self.level} has no addendum (have: {have})")
        return self


class Publish(Model):
    """What the shipped files look like."""

    license: str
    """License id of the dataset, as the Hub knows it."""
    dtypes: Literal["int64", "published"] = "int64"
    """Index columns as nullable int64, or as the published dataset's float64."""
    source_label: str = "llm"
    """Value of `source` for written probes (the published dataset names its model)."""
    template_model: str | None = None
    """Value of `generator_model` on templated rows; null says that no model wrote them."""
    row_group_rows: Annotated[int, Field(ge=16)] = 8192
    """Rows per parquet row group; with content_defined_chunking about so many, at most twice."""
    compression_level: Annotated[int, Field(ge=1, le=22)] = 9
    """zstd level of the parquet files."""
    content_defined_chunking: bool = False
    """End row groups where the content says so: then the Hub, which stores files by pieces of their
    bytes, gets little more than the groups in which a new version of a file differs."""


class Rehearsal(Model):
    """Stand-ins of a build with `--source FILE`, so that it runs on any rollouts, offline."""

    tokenizer: str
    """Takes the place of every tokenizer in the spec."""


class Round(Model):
    """One round of new documents, disjoint from all earlier rounds."""

    docs: Annotated[int, Field(ge=1)]
    """How many documents it draws."""


class Spec(Model):
    """One dataset."""

    name: Name
    """Name of the dataset and of its output directory."""
    source: Source
    """The rollouts."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1_000_000_000
    """Everything random derives from it; row seeds start here."""
    rounds: Annotated[list[Round], Field(min_length=1)]
    """Growing the dataset is adding an entry; earlier rounds do not change."""
    shard_docs: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Documents per shard, the unit of work and of rebuilding."""
    siblings: Siblings = Siblings()
    """Which siblings are used."""
    splits: SplitRules = SplitRules()
    """Which places of a text are offered for splitting."""
    slots_per_document: Annotated[int, Field(ge=1, le=256)]
    """What the scopes' slots must sum to."""
    scopes: Annotated[dict[Name, Scope], Field(min_length=1)]
    """The sizes of atom, by name."""
    calibration: Calibration
    """Which calibration level is in use, and the addenda of all levels."""
    models: Models
    """Who generates, answers and judges."""
    scoring: Scoring = Scoring()
    """How probes are scored."""
    prices: dict[str, Price] = {}
    """Prices per model id."""
    expect: Expectations
    """Tokens per call that `plan` expects."""
    batches: Batches = Batches()
    """How batched requests travel. Not part of a key."""
    budget: Budget
    """The wall."""
    publish: Publish
    """The shipped files."""
    rehearsal: Rehearsal
    """Stand-ins for a build with `--source`."""

    def ordered_scopes(self) -> list[tuple[str, TemplateScope | WrittenScope]]:
        """The scopes in slot order, whatever their order in the file."""
        return sorted(self.scopes.items(), key=lambda item: item[1].order)

    def documents(self) -> int:
        """Count the documents of all rounds."""
        return sum(each.docs for each in self.rounds)

    def written_slots(self) -> int:
        """Count the slots of a document whose probes a model writes."""
        return sum(s.slots for s in self.scopes.values() if isinstance(s, WrittenScope))


__all__ = ["Side", "Spec", "TemplateScope", "WrittenScope"]
