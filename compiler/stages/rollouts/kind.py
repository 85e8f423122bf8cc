"""The parts of rollouts specs and their documents that plans, locks and rebuilds need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from compiler.dataset import rollout_columns
from compiler.embedded import trigrams
from compiler.keys import Json
from compiler.rollouts.rows import CorpusText, RolloutStats
from compiler.spec.declared import Declared, of_rollouts
from compiler.spec.rollouts import RolloutsSpec
from compiler.stages.kind import Loss
from compiler.stages.probes import without

ONWARD = (
    ("probec stats {spec}", "the statistics"),
    ("probec plan {spec} --set filters.min_chars=600", "the steps that another filter would run"),
)
# Fields on which no file of a dataset depends, as in `stages.probes`.
_APART: tuple[tuple[str, ...], ...] = (
    ("expect",),
    ("batches",),
    ("budget",),
    ("max_lost",),
    *(("model", name) for name in ("base_url", "concurrency", "read_timeout", "text")),
)
# Fields on which no row depends, beside those. The kind stays, so that a lock names it.
_UNLOCKED: tuple[tuple[str, ...], ...] = (
    ("rounds",),
    ("prices",),
    *(("corpus", name) for name in ("path", "revision", "columns", "where", "min_chars")),
    *(("corpus", name) for name in ("license", "homepage")),
    *(("publish", name) for name in ("license", "languages", "license_name", "license_link")),
    *(("publish", name) for name in ("to", "private", "revision")),
)


def result() -> tuple[str, type]:
    """Return the output of `release` that holds the ledger, and its type."""
    return "ledger", RolloutStats


def files(spec: RolloutsSpec, beside: RolloutsSpec | None = None) -> dict[str, Json]:
    """Return a spec as JSON, without the fields on which no file of its dataset depends."""
    return without(spec.model_dump(mode="json"), _APART)


def reduced(spec: RolloutsSpec) -> dict[str, Json]:
    """Reduce a spec to the fields that rows depend on."""
    return without(files(spec), _UNLOCKED)


def restored(tree: dict[str, Json], path: Path, docs: int, rounds: int) -> dict[str, Json]:
    """Return the spec of a lock, with placeholders for fields that no row depends on."""
    size: Json = {"docs": docs}
    return {
        **tree,
        "corpus": {"path": str(path)},
        "rounds": [size] * rounds,
        "expect": {"writer": {"input": 0, "output": 0}},
        "budget": {"max_usd": 0},
    }


def rows(document: CorpusText) -> Iterator[dict[str, Json]]:
    """Yield the row of a text, with the default column names."""
    yield {"doc_id": document.doc_id, "doc_source": document.doc_source, "text": document.text}


def tokenizers(declared: Declared) -> set[str]:
    """Return the name of the source model's tokenizer, if the spec has one."""
    name = of_rollouts(declared).model.tokenizer
    return set() if name is None else {name}


def calls(declared: Declared) -> dict[str, int]:
    """Return the calls per document."""
    return {"continue": of_rollouts(declared).siblings.n}


def provided(provider: str) -> list[str]:
    """Return the overrides that give the source model a provider."""
    own = [f"model.model={trigrams.MODEL}"] if provider == "stub" else []
    return [f"model.provider={provider}", *own]


def content(path: Path, publish: dict[str, Json]) -> str:
    """Compute the content digest of a published file. `publish`: the settings in a lock."""
    group, level = publish["row_group_rows"], publish["compression_level"]
    assert isinstance(group, int)
    assert isinstance(level, int)
    return rollout_columns.content_digest(path, group, level)


def lost(spec: RolloutsSpec, stats: RolloutStats) -> Iterator[Loss]:
    """Yield planned and rejected continuations."""
    causes: Counter[str] = Counter()
    for each in stats.ledger:
        causes.update(each.rejected)
    yield Loss("continuations", sum(each.planned for each in stats.ledger), causes)


def advice(cause: str, variant: str) -> str:
    """Return where to look for the cause of rejected continuations.

    `variant`: a spec and its options.
    """
    if cause in ("errored", "empty"):
        return f"Check the server (`probec doctor {variant}`)"
    return (
        "Look at rejected replies, and loosen `filters`, `prefix` or `siblings.keep_min`; "
        "docs/checks.md describes each reason"
    )


def failures(spec: RolloutsSpec, stats: RolloutStats, variant: str) -> list[str]:
    """List the statistics that make a dataset unusable: no continuation was kept."""
    # Any other `max_lost` reports it.
    if stats.rows or spec.max_lost < 1:
        return []
    return [
        f"FAILED: every continuation of {spec.name} was rejected; see the reasons above, and "
        f"loosen `filters` or check the model with `probec doctor {variant}`"
    ]
