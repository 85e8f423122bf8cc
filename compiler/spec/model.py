"""Models of a spec: frozen, without unknown keys, every field described.

Specs hold values only. Words live in `prompts/` and `templates/`, decisions in Python. This module
checks the rules that a spec can break by itself; `project/problems.py` checks that the prompts,
providers and templated scopes that it names exist.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from compiler.records import Group, Side
from compiler.spec.base import Level, Margin, Model, Name, Share, SplitName
from compiler.spec.filters import Filters
from compiler.spec.paid import Batches, Budget, Expectations, Models, Price
from compiler.spec.scoring import Scoring


class Columns(Model):
    """Column names in the source."""

    doc_id: str = "doc_id"
    """Id shared by all siblings of one source prefix, read as text: integers with every digit,
    decimals and whole doubles below 2^53 without trailing zeros (3.0 is `3`), UUIDs, timestamps (in
    UTC if they have a time zone) and dates as ISO 8601, bytes as UTF-8. A row with any other value,
    such as NaN, a double with a fraction, a bool or a list, is skipped as `row_type`."""
    doc_source: str | None = "doc_source"
    """Origin of the prefix, usually a URL; null if the source has no such column, which a spec that
    does not set this key may leave out. Values are read like those of `doc_id`; a null value is an
    empty text and skips no row."""
    prefix: str = "prefix"
    """The human-written start that the source model continued."""
    continuation: str = "continuation"
    """The generated text: one string per row, or a list of strings with one row per document."""
    doc_idx: str | None = None
    """Index of the sibling; null numbers the siblings of a document in row order."""


class Source(Model):
    """The rollouts from which probes are made."""

    path: Annotated[str, Field(min_length=1)]
    """Hub dataset (`hf://datasets/owner/name[@revision][/folder]`), fsspec URL, or local
    parquet/JSONL path or glob.
    The content decides how a file is read: JSONL (UTF-8, or UTF-16/-32 with a byte-order mark;
    plain, gzip or zstd), parquet, Arrow; also a folder of `Dataset.save_to_disk`."""
    rollouts: str | None = None
    """Spec of kind rollouts, from the project root, whose dataset is the source; instead of `path`.
    Its model, tokenizer and license are those of the source, and its locks are in the lock."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset; resolved to a commit when the source is read."""
    model: str
    """The language model that wrote the continuations; becomes `source_model`."""
    tokenizer: str
    """Its tokenizer, a Hub name or a path of a tokenizer.json(.gz); splits fall on its tokens."""
    license: str | None = None
    """License of the source text, stated on the card."""
    homepage: str | None = None
    """URL of a page about the source, stated on the card beside `path`."""
    columns: Columns = Columns.model_construct()
    """Which columns to read."""
    filters: Filters = Filters.model_construct()
    """Filters of the continuations, before any of them is shown or becomes a probe."""


class Siblings(Model):
    """The siblings that the generator sees."""

    shown: Annotated[int, Field(ge=1, le=15)] = 3
    """Most siblings shown to the generator, drawn by the row seed."""


class SplitRules(Model):
    """Rules for the places where a text may be split."""

    margin_chars: Annotated[int, Field(ge=1)] = 200
    """Fewest characters on each side of a split."""
    margin_share: Margin = 0.1
    """Smallest share of the text on each side of a split."""
    whole_share: Margin = 0.25
    """Smallest share of the text on each side of the whole split."""
    suffix_in_generated: bool = True
    """Offer only splits in generated text, so that no suffix atom starts in the source prefix."""
    word_candidates: Annotated[int, Field(ge=0, le=200)] = 12
    """Most gaps between words within sentences offered per sibling, beside the sentence gaps."""


class Distance(Model):
    """Requested distances of atoms from the split, in units of the scope."""

    max: Annotated[int, Field(ge=1, le=63)] = 63
    """Largest distance; distances are drawn log-uniformly from 1 to it, stratified over slots."""


class AtomRules(Model):
    """Size limits of an atom."""

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
    """A scope whose probes come from templates, without an LLM; its name selects its builder."""

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
    distance: Distance = Distance.model_construct()
    """Requested distances of atoms from the split."""


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
    unit: str
    """Unit of an atom: `sentence`, `paragraph` or another registered segmenter, or `side`, the
    entire target side."""
    synergy: str
    """Pieces that a question must integrate; shown to the generator."""
    alternative: Literal["atom", "response"] = "atom"
    """Model for the form of the incorrect plausible answer: the atom, or the concise answer."""
    words: Annotated[int, Field(ge=5, le=1000)] = 60
    """Most words of an answer, as generator, answerer and baselines are told."""
    distance: Distance | None = None
    """Requested distances of atoms from the split, in units; null for sides."""
    atom: AtomRules = AtomRules.model_construct()
    """Size limits of an atom."""


Scope = Annotated[TemplateScope | WrittenScope, Field(discriminator="kind")]


class Addendum(Model):
    """One calibration level."""

    text: str
    """Appended to the generator's instructions; empty for level 0."""


class Selection(Model):
    """The rule by which `probec calibrate` chooses a level, declared before any result is seen."""

    measure: Literal["mean", "best"] = "best"
    """Statistic of the blind scores: their mean, or (`best`) the expected max of K rollouts."""
    target: Share = 0.5
    """Of the allowed levels, the one whose measure is nearest to this is chosen."""
    min_hard: Share = 0.3
    """A level with a smaller share of HARD probes is not allowed."""
    min_easy: Share = 0.1
    """A level with a smaller share of EASY probes is not allowed."""
    max_leak: Share = 0.05
    """A level with a larger share of probes that leak their answer (V14, V28) is not allowed."""


class Calibration(Model):
    """The calibration of HARD-FROM-TEXT: levels, the level in use, and the rule to choose one."""

    level: Level = 0
    """Level in use: negative is easier for a text-only reader, positive is harder."""
    levels: dict[Level, Addendum]
    """The addendum of every level."""
    select: Selection = Selection.model_construct()
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
    """Contents and layout of the published files."""

    license: str = "unknown"
    """License id of the dataset on the Hub; never inherited from base.yaml."""
    languages: list[str] = []
    """Language codes of the dataset on the Hub, such as `en`; none if empty."""
    dtypes: Literal["int64", "published"] = "int64"
    """Index columns as nullable int64, or as the published dataset's float64."""
    source_label: str = "llm"
    """Value of `source` for written probes (the published dataset names its model)."""
    template_model: str | None = None
    """Value of `generator_model` on templated rows; null, because no model wrote them."""
    row_group_rows: Annotated[int, Field(ge=16)] = 8192
    """Rows per parquet row group; with content_defined_chunking the target, at most twice that."""
    compression_level: Annotated[int, Field(ge=1, le=22)] = 9
    """zstd level of the parquet files."""
    content_defined_chunking: bool = False
    """End row groups at boundaries set by the content, so that the Hub stores only changed ones."""
    license_name: str | None = None
    """Name of a license that the Hub has no id for; on the published card if license is `other`."""
    license_link: str | None = None
    """Address of that license's text; on the published card if license is `other`."""
    to: str | None = None
    """Where `probec push` publishes: `hf://datasets/OWNER/NAME`, an fsspec URL, or a directory."""
    private: bool = True
    """Visibility of a repository that `probec push` creates on the Hub."""
    revision: Annotated[str, Field(min_length=1)] = "main"
    """Branch on the Hub that `probec push` commits to."""
    splits: dict[SplitName, Share] = {}
    """Share of the documents in each split of the published rows, such as `train: 0.9`; together 1.
    Seed and source page decide the split of a document, so that a new document moves no other. All
    rows are in the split train if empty."""
    configs: list[Literal["documents", "hard"]] = []
    """Further configurations: `documents` has one row per document, `hard` the written probes of
    the band HARD and the templated ones without a flag that text decides them."""
    exclude: str | None = None
    """File of document ids, one a line, whose rows are not published; the card counts them."""

    @model_validator(mode="after")
    def _declared_splits(self) -> Self:
        if self.splits and abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError(f"the shares of splits add up to {sum(self.splits.values()):g}, not 1")
        if any(share == 0 for share in self.splits.values()):
            raise ValueError("a split has the share 0: leave it out")
        return self


class Rehearsal(Model):
    """Substitutes for a build with `--source FILE`, so that it runs on any rollouts offline."""

    tokenizer: str
    """Replaces every tokenizer of the spec."""


class Round(Model):
    """One round of new documents, disjoint from all earlier rounds."""

    docs: Annotated[int, Field(ge=1)]
    """Number of documents that it draws."""


class Spec(Model):
    """One dataset."""

    kind: Literal["probes"] = "probes"
    """`probes`: probes about a source's rollouts. `rollouts` has other fields: see rollouts.md."""
    name: Name
    """Name of the dataset and of its output directory."""
    source: Source
    """The rollouts."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1_000_000_000
    """Source of all random draws; row seeds start here."""
    rounds: Annotated[list[Round], Field(min_length=1)]
    """Rounds in order; adding an entry grows the dataset and leaves earlier rounds unchanged."""
    shard_docs: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Documents per shard, the unit of work and of rebuilding."""
    siblings: Siblings = Siblings.model_construct()
    """The siblings that the generator sees."""
    splits: SplitRules = SplitRules.model_construct()
    """Places of a text that are offered for splitting."""
    slots_per_document: Annotated[int, Field(ge=1, le=256)]
    """Sum of the slots of all scopes."""
    scopes: Annotated[dict[Name, Scope], Field(min_length=1)]
    """The sizes of atom, by name."""
    calibration: Calibration
    """The calibration level in use, and the addenda of all levels."""
    models: Models
    """The models that generate, answer and judge."""
    scoring: Scoring = Scoring.model_construct()
    """The scoring of probes."""
    prices: dict[str, Price] = {}
    """Prices per model id."""
    expect: Expectations
    """Tokens per call that `plan` expects."""
    batches: Batches = Batches.model_construct()
    """Limits and polling of batches. Not part of a key."""
    budget: Budget
    """The budget of a build."""
    max_lost: Share = 0.75
    """Largest share of lost slots, of the written and of the templated ones alike: rejected for any
    reason, or without a score because answers or verdicts failed. Above it a build fails, and
    neither installs nor locks anything. Not part of a key or of a round."""
    publish: Publish
    """The published files."""
    rehearsal: Rehearsal
    """Substitutes for a build with `--source`."""

    def ordered_scopes(self) -> list[tuple[str, TemplateScope | WrittenScope]]:
        """Return the scopes in slot order, independent of their order in the file."""
        return sorted(self.scopes.items(), key=lambda item: item[1].order)

    def compared(self, scoring: Scoring | None = None) -> str | dict[str, str]:
        """Return the reference texts of written scopes: one if all have the same, else by scope.

        `scoring`: instead of the spec's own.
        """
        scoring = scoring or self.scoring
        written = [name for name, s in self.ordered_scopes() if isinstance(s, WrittenScope)]
        found: dict[str, str] = {name: scoring.reference(name) for name in written}
        return found if len({*found.values()}) > 1 else scoring.reference(*written[:1] or [""])

    def documents(self) -> int:
        """Count the documents of all rounds."""
        return sum(each.docs for each in self.rounds)

    def size(self) -> str:
        """Describe the size of the dataset in one line."""
        docs, rounds = self.documents(), len(self.rounds)
        return (
            f"{docs:,} documents in {rounds} round{'s' if rounds != 1 else ''}, "
            f"{docs * self.slots_per_document:,} slots, calibration level {self.calibration.level}"
        )

    def written_slots(self) -> int:
        """Count the slots of a document whose probes a model writes."""
        return sum(s.slots for s in self.scopes.values() if isinstance(s, WrittenScope))


__all__ = ["Side", "Spec", "TemplateScope", "WrittenScope"]
