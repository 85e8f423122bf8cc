"""Spec models of source rollouts: corpus, prefixes, source model, sampling and filters."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from msgspec import Struct
from pydantic import Field, model_validator

from compiler.spec.base import Model, Name, Share, Url
from compiler.spec.filters import Filters
from compiler.spec.model import Round
from compiler.spec.paid import Batches, Budget, Expectation, Price


class CorpusColumns(Model):
    """Column names in the corpus."""

    doc_id: str = "doc_id"
    """Id of a text, read like `source.columns.doc_id`; a second row of an id with the same text is
    skipped, one with another text is an error."""
    doc_source: str | None = "doc_source"
    """Origin of the text, usually a URL; null if the corpus has no such column."""
    text: str = "text"
    """The text."""


class Corpus(Model):
    """The human texts whose beginnings are continued."""

    path: Annotated[str, Field(min_length=1)]
    """Hub dataset, fsspec URL, or local parquet/JSONL path or glob, read like `source.path`."""
    revision: str | None = None
    """Branch, tag or commit of a Hub dataset; resolved to a commit when the corpus is read."""
    columns: CorpusColumns = CorpusColumns()
    """Which columns to read."""
    where: dict[str, list[str]] = {}
    """Allowed values by column, such as `language: [en]`; other rows are skipped as `row_where`."""
    min_chars: Annotated[int, Field(ge=1)] = 1
    """Fewest characters of a text; shorter ones are skipped as `row_short`."""
    license: str | None = None
    """License of the texts, stated on the card."""
    homepage: str | None = None
    """URL of a page about the corpus, stated on the card beside `path`."""


class PrefixRules(Model):
    """The beginning of a text that is continued. It is at most half of the text."""

    unit: Literal["tokens", "chars", "share"] = "chars"
    """Unit of `min` and `max`: tokens of `model.tokenizer`, characters, or percent of the text."""
    min: Annotated[int, Field(ge=1)]
    """Least length; a text whose first half is shorter is rejected as `prefix_too_short`."""
    max: Annotated[int, Field(ge=1)]
    """Most length. The length of each prefix is drawn uniformly between the two."""
    boundary: Literal["token", "word", "sentence", "paragraph"] = "sentence"
    """Where a prefix may end. The last such place within the drawn length is taken."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}")
        if self.unit == "share" and self.max > 50:
            raise ValueError(f"max {self.max} percent is more than half of the text")
        return self


class SiblingRules(Model):
    """The continuations of one prefix."""

    n: Annotated[int, Field(ge=1, le=64)]
    """Continuations per document, one request each."""
    keep_min: Annotated[int, Field(ge=1)] = 1
    """Fewest filtered continuations of a document; with fewer it is `too_few_siblings`."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.keep_min > self.n:
            raise ValueError(f"keep_min {self.keep_min} is above n {self.n}")
        return self


class Writer(Model):
    """The source model, and the way to reach it."""

    provider: str
    """Name of a provider that continues texts: see providers.md."""
    model: str
    """Model id of the provider; becomes `source_model`."""
    revision: str | None = None
    """Commit of the model's weights, stated on the card and in the lock; of the stub the SHA-256 of
    `text`, a part of its requests."""
    text: str | None = None
    """Of the stub: the JSONL file of rows with a `text` that it is trained on, gzipped or not."""
    tokenizer: str | None = None
    """Its tokenizer, a Hub name or a path of a tokenizer.json(.gz); null: tokens are not counted,
    and `retokenizes` is null."""
    base_url: Url | None = None
    """URL of the server, up to and with its `/v1`. Not part of a key."""
    concurrency: Annotated[int, Field(ge=1, le=1024)] = 8
    """Requests in flight. Not part of a key."""
    read_timeout: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Seconds without a byte of a response after which a request has timed out. Not part of a
    key."""


class Sampling(Model):
    """Every sampling parameter, all sent: a server fills in omitted ones from files of its own."""

    temperature: Annotated[float, Field(ge=0)] = 1.0
    """Temperature; 1 samples from the model's own distribution."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Nucleus: smallest total probability of the tokens to choose from; 1 allows all."""
    top_k: Annotated[int, Field(ge=-1)] = -1
    """Most likely tokens to choose from; -1 allows all. llama.cpp reads 0 and -1 alike."""
    min_p: Share = 0.0
    """Least probability relative to the most likely token; 0 allows all."""
    repetition_penalty: Annotated[float, Field(gt=0)] = 1.0
    """Penalty on repeated tokens; 1 has no effect."""
    presence_penalty: float = 0.0
    """Penalty on tokens that occurred; 0 has no effect."""
    frequency_penalty: float = 0.0
    """Penalty on tokens by their count; 0 has no effect."""
    max_tokens: Annotated[int, Field(ge=1, le=131_072)]
    """Most tokens of one continuation."""
    stop: list[str] = []
    """Strings that end a continuation."""


class DetachedFilter(Model):
    """A tail that leaves the topic of the text and does not return."""

    false_alarm: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    """Share of the corpus's own continuations of the same prefixes that is flagged; it sets the
    threshold, which the card states."""
    min_tail: Annotated[int, Field(ge=50)] = 150
    """Fewest characters of a tail, and of the text before it."""
    action: Literal["flag", "cut"] = "flag"
    """`flag` marks the row in the column `detached`; `cut` drops the tail."""


class RolloutFilters(Filters):
    """Rules for usable continuations, those of `source.filters` and one that needs a corpus."""

    detached: DetachedFilter | None = None
    """A tail that leaves the topic."""


class Expected(Model):
    """Tokens per call that `plan` expects."""

    writer: Expectation
    """One continuation."""
    spread: Share = 0.3
    """Relative deviation of tokens per call from the expectation, for the interval of `plan`."""

    @property
    def use(self) -> None:
        """No named set is in use, as in the expectations of probe specs."""
        return None

    @property
    def chosen(self) -> Expected:
        """These expectations, since there are no named sets."""
        return self


class WriterUse(Struct, frozen=True):
    """The use of the source model, with the fields of the model use of a probe spec."""

    provider: str
    model: str
    base_url: str | None
    concurrency: int
    read_timeout: float
    max_tokens: int
    cache: None = None
    text: str | None = None
    revision: str | None = None


class Writers(Struct, frozen=True):
    """The models of a rollouts spec by role."""

    writer: WriterUse


class RolloutsPublish(Model):
    """Contents and layout of the published files."""

    license: str = "unknown"
    """License id of the dataset on the Hub."""
    license_name: str | None = None
    """Name of a license that the Hub has no id for; on the card if license is `other`."""
    license_link: str | None = None
    """Address of that license's text; on the card if license is `other`."""
    to: str | None = None
    """Where `probec push` publishes: `hf://datasets/OWNER/NAME`, an fsspec URL, or a directory."""
    private: bool = True
    """Visibility of a repository that `probec push` creates on the Hub."""
    revision: Annotated[str, Field(min_length=1)] = "main"
    """Branch on the Hub that `probec push` commits to."""
    languages: list[str] = []
    """Language codes of the dataset on the Hub, such as `en`; none if empty."""
    row_group_rows: Annotated[int, Field(ge=16)] = 8192
    """Rows per parquet row group."""
    compression_level: Annotated[int, Field(ge=1, le=22)] = 9
    """zstd level of the parquet files."""


class RolloutsSpec(Model):
    """One dataset of source rollouts."""

    kind: Literal["rollouts"]
    """`rollouts`: continuations of a corpus by a source model."""
    name: Name
    """Name of the dataset and of its output directory."""
    corpus: Corpus
    """The human texts."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1_000_000_000
    """Source of all random draws: documents, prefix lengths, and the seed of each request."""
    rounds: Annotated[list[Round], Field(min_length=1)]
    """Rounds in order; adding an entry grows the dataset and leaves earlier rounds unchanged."""
    shard_docs: Annotated[int, Field(ge=1, le=100_000)] = 512
    """Documents per shard, the unit of work and of rebuilding."""
    prefix: PrefixRules
    """The beginnings of the texts."""
    siblings: SiblingRules
    """The continuations of one prefix."""
    model: Writer
    """The source model."""
    sampling: Sampling
    """Its sampling parameters."""
    filters: RolloutFilters = RolloutFilters()
    """Filters of the continuations. A change sends no request."""
    prices: dict[str, Price] = {}
    """Prices per model id; a model on your own server may have none."""
    expect: Expected
    """Tokens per call that `plan` expects."""
    batches: Batches = Batches()
    """Not used by providers of completions, which have no batches."""
    budget: Budget
    """The budget of a build."""
    max_lost: Share = 0.75
    """Largest share of continuations that may be rejected, for any reason. Above it a build fails,
    and neither installs nor locks anything. Not part of a key or of a round."""
    publish: RolloutsPublish = RolloutsPublish()
    """The published files."""

    @property
    def source(self) -> Corpus:
        """The data that the documents are drawn from."""
        return self.corpus

    @property
    def models(self) -> Writers:
        """The models by role."""
        own = self.model
        most = self.sampling.max_tokens
        how = (own.provider, own.model, own.base_url, own.concurrency, own.read_timeout, most)
        return Writers(WriterUse(*how, text=own.text, revision=own.revision))

    def documents(self) -> int:
        """Count the documents of all rounds."""
        return sum(each.docs for each in self.rounds)

    def size(self) -> str:
        """Describe the size of the dataset in one line."""
        docs, rounds = self.documents(), len(self.rounds)
        return (
            f"{docs:,} documents in {rounds} round{'s' if rounds != 1 else ''}, "
            f"{self.siblings.n} siblings each, {docs * self.siblings.n:,} requests"
        )
