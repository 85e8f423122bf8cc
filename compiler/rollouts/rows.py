"""The row types of a build of rollouts."""

from __future__ import annotations

from msgspec import Struct


class CorpusText(Struct, frozen=True, gc=False):
    """One human text of a corpus."""

    doc_id: str
    doc_source: str
    text: str


class Prefix(Struct, frozen=True, gc=False):
    """The beginning of a text as drawn into a round, and the text behind it, `human`.

    `reason`: the reason that it cannot be continued, or "". `tokens`: of the beginning, None
    without a tokenizer.
    """

    doc_id: str
    doc_source: str
    text: str
    human: str
    tokens: int | None
    reason: str = ""


class Repeat(Struct, frozen=True, gc=False):
    """A document whose prefix is that of an earlier document of its round."""

    doc_id: str


class Raw(Struct, frozen=True, gc=False):
    """One reply as it came. `outcome`: of the call; only `ok` and `truncated` have a usable text.

    `tokens`: as the server counted them.
    """

    seed: int
    text: str
    outcome: str
    finish: str
    model: str
    tokens: int


class Continued(Struct, frozen=True, gc=False):
    """The replies about one document, by sibling."""

    doc_id: str
    siblings: tuple[Raw, ...]


class Rollout(Struct, frozen=True, gc=False):
    """A continuation that was kept, with its measurements: one published row."""

    doc_id: str
    doc_source: str
    prefix: str
    continuation: str
    doc_idx: int
    seed: int
    source_model: str
    finish_reason: str
    n_tokens: int
    prefix_tokens: int | None
    retokenizes: bool | None
    raw_chars: int
    cut_char: int | None
    cut_reason: str | None
    coverage4: float
    worst60: float
    zlib_ratio: float
    cohesion_min: float | None
    cohesion_at: int | None
    sibling_overlap: float
    detached: bool | None


class RolloutFact(Struct, frozen=True, gc=False):
    """The fields of a published row that statistics read."""

    doc_id: str
    chars: int
    tokens: int
    finish: str
    cut: str | None
    retokenizes: bool | None
    detached: bool | None


class Rejected(Struct, frozen=True, gc=False):
    """A continuation that was not kept; `chars`: of the reply."""

    round: int
    doc_id: str
    doc_idx: int
    reason: str
    chars: int


class Cut(Struct, frozen=True, gc=False):
    """Characters that one filter removed from one kept continuation."""

    filter: str
    chars: int


class FalseAlarm(Struct, frozen=True, gc=False):
    """The effect of one filter on the corpus's own continuations of a round's prefixes.

    `threshold`: its declared limits, or the one that was calibrated. `flagged`: of `texts`, those
    that it would cut, reject or flag.
    """

    filter: str
    threshold: str
    texts: int
    flagged: int


class Calibration(Struct, frozen=True, gc=False):
    """The measures of a round's corpus that filters use.

    `weights`: of stems, `rare`: of one that no text holds; `threshold`: of the detached score, None
    without that filter.
    """

    weights: dict[str, float]
    rare: float
    threshold: float | None


class LedgerRow(Struct, frozen=True, gc=False):
    """Planned continuations of one round, and how many were kept whole, kept cut and rejected.

    `cut`: by the first filter that cut; `rejected`: by reason.
    """

    round: int
    documents: int
    planned: int
    whole: int
    cut: dict[str, int]
    rejected: dict[str, int]


class RolloutStats(Struct, frozen=True, gc=False):
    """The statistics of a build of rollouts.

    `cut_chars`: removed characters by filter; `skips`: rows of the corpus that were not used, by
    reason; `retokenizing`, `detached`: numbers of kept continuations, None where not measured.
    """

    rows: int
    documents: int
    chars: int
    tokens: int
    ledger: tuple[LedgerRow, ...]
    cut_chars: dict[str, int]
    alarms: tuple[FalseAlarm, ...]
    skips: dict[str, int]
    finish: dict[str, int]
    retokenizing: int | None
    detached: int | None
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float


class RolloutFacts(Struct, frozen=True, gc=False):
    """Facts on the card of rollouts that its rows do not hold."""

    name: str
    license: str
    license_name: str | None
    license_link: str | None
    languages: tuple[str, ...]
    corpus: str
    corpus_homepage: str | None
    corpus_license: str | None
    corpus_revision: str | None
    provider: str
    model: str
    model_revision: str | None
    tokenizer: str | None
    note: str
    sampling: dict[str, str]
    prefix: dict[str, str]
    reasons: dict[str, str]
