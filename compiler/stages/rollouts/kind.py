"""The parts of rollouts specs and their documents that plans, locks and rebuilds need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compiler.dataset import rollout_columns
from compiler.embedded import trigrams
from compiler.keys import Json
from compiler.rollouts.rows import CorpusText, RolloutStats
from compiler.spec.declared import Declared, of_rollouts
from compiler.spec.rollouts import RolloutsSpec
from compiler.stages.probes import without

ONWARD = (
    ("probec stats {spec}", "the statistics"),
    ("probec plan {spec} --set filters.min_chars=600", "the steps that another filter would run"),
)
# Fields on which no row depends, as in `stages.probes`. The kind stays, so that a lock names it.
_APART: tuple[tuple[str, ...], ...] = (
    ("rounds",),
    ("prices",),
    ("expect",),
    ("batches",),
    ("budget",),
    *(("corpus", name) for name in ("path", "revision", "columns", "where", "min_chars")),
    *(("corpus", name) for name in ("license", "homepage")),
    *(("model", name) for name in ("base_url", "concurrency", "text")),
    ("publish", "license"),
    ("publish", "languages"),
)


def reduced(spec: RolloutsSpec) -> dict[str, object]:
    """Reduce a spec to the fields that rows depend on."""
    return without(spec.model_dump(mode="json"), _APART)


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


def failures(spec: RolloutsSpec, stats: RolloutStats) -> list[str]:
    """List the statistics that make a dataset unusable: no continuation was kept."""
    if stats.rows:
        return []
    return [
        f"FAILED: every continuation of {spec.name} was rejected; see the reasons above, and "
        "loosen `filters` or check the model with `probec doctor`"
    ]


def size(spec: RolloutsSpec) -> str:
    """Describe the size of a spec in one line."""
    docs = spec.documents()
    return (
        f"{docs:,} documents in {len(spec.rounds)} rounds, {spec.siblings.n} siblings each, "
        f"{docs * spec.siblings.n:,} requests"
    )
