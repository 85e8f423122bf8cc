"""The parts of probe specs and their documents that locks and rebuilds need."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from compiler.dataset import parquet
from compiler.dataset.parquet import Dtypes, Layout
from compiler.embedded import MODEL
from compiler.keys import Json
from compiler.records import Document
from compiler.spec.declared import Declared, of_probes
from compiler.spec.model import Spec
from compiler.stages.context import ROLES
from compiler.statistics.stats import Stats

# Fields on which no row depends: where the source is, prices, and how requests are sent. The lock
# names the round's documents by content.
_APART: tuple[tuple[str, ...], ...] = (
    ("kind",),
    ("rounds",),
    ("prices",),
    ("expect",),
    ("batches",),
    ("budget",),
    ("rehearsal",),
    ("calibration", "select"),
    ("calibration", "evidence"),
    ("source", "path"),
    ("source", "rollouts"),
    ("source", "revision"),
    ("source", "columns"),
    ("source", "license"),
    ("source", "homepage"),
    ("publish", "license"),
    ("publish", "languages"),
    *(("publish", name) for name in ("license_name", "license_link", "to", "private", "revision")),
    *(("publish", name) for name in ("splits", "configs", "exclude")),
)
ONWARD = (
    ("probec stats {spec}", "the statistics"),
    ("probec prompt {spec} --role judge", "a request to the judge"),
    ("probec plan {spec} --set calibration.level=2", "the steps that a change would run"),
)
_LAYOUT = ("dtypes", "row_group_rows", "compression_level", "content_defined_chunking")
_TRAVEL = ("base_url", "concurrency")


def without(tree: dict[str, object], apart: tuple[tuple[str, ...], ...]) -> dict[str, object]:
    """Remove fields, named by path, from a spec as plain data."""
    for *above, last in apart:
        place = tree
        for name in above:
            place = _table(place[name])
        del place[last]
    return tree


def reduced(spec: Spec) -> dict[str, object]:
    """Reduce a spec to the fields that rows depend on, and to the calibration level in use."""
    tree = without(spec.model_dump(mode="json"), _APART)
    for use in _table(tree["models"]).values():
        for name in _TRAVEL:
            del _table(use)[name]
    calibration = _table(tree["calibration"])
    used = str(spec.calibration.level)
    calibration["levels"] = {used: _table(calibration["levels"])[used]}
    return tree


def _table(value: object) -> dict[str, object]:
    assert isinstance(value, dict)
    return value


def restored(tree: dict[str, Json], path: Path, docs: int, rounds: int) -> dict[str, Json]:
    """Return the spec of a lock, with placeholders for fields that no row depends on."""
    source = tree.get("source")
    assert isinstance(source, dict)
    nothing: Json = {role: {"input": 0, "output": 0} for role in ROLES}
    columns: Json = {"doc_idx": "doc_idx"}
    size: Json = {"docs": docs}
    return {
        **tree,
        "source": {**source, "path": str(path), "columns": columns},
        "rounds": [size] * rounds,
        "expect": nothing,
        "budget": {"max_usd": 0},
        "rehearsal": {"tokenizer": ""},
    }


def rows(document: Document) -> Iterator[dict[str, Json]]:
    """Yield the rows of a document, with the default column names."""
    for sibling in document.siblings:
        yield {
            "doc_id": document.doc_id,
            "doc_source": document.doc_source,
            "prefix": document.prefix,
            "doc_idx": sibling.idx,
            "continuation": sibling.continuation,
        }


def tokenizers(declared: Declared) -> set[str]:
    """Return the names of the tokenizers of source and scopes."""
    spec = of_probes(declared)
    names = {getattr(scope, "tokenizer", None) for scope in spec.scopes.values()}
    return {name for name in names | {spec.source.tokenizer} if name is not None}


def provided(provider: str) -> list[str]:
    """Return the overrides that give every role a provider."""
    overrides = []
    for role in ROLES:
        overrides.append(f"models.{role}.provider={provider}")
        if provider == "extractive":
            overrides += [f"models.{role}.model={MODEL}", f"models.{role}.thinking=null"]
            overrides.append(f"publish.source_label={provider}")
    return overrides


def content(path: Path, publish: dict[str, Json]) -> str:
    """Compute the content digest of a published file. `publish`: the settings in a lock."""
    settings = msgspec.convert(
        # Older locks do not have the option.
        [publish.get(name, False) for name in _LAYOUT],
        tuple[Dtypes, int, int, bool],
    )
    return parquet.content_digest(path, Layout(*settings))


def failures(spec: Spec, stats: Stats) -> list[str]:
    """List the scopes in which the judge cannot distinguish the truth from a wrong alternative."""
    anchors = spec.scoring.anchors
    return [
        f"FAILED: in scope {each.scope} the judge scores the truth only {each.gap.value:.2f} above "
        f"the wrong alternative ({each.gap.n} probes; scoring.anchors.min_gap is "
        f"{anchors.min_gap}), so its scores there are unreliable: inspect the judge's prompt "
        "(`probec prompt --role judge`) and scoring.compare"
        for each in stats.judge.gaps
        if anchors is not None and each.gap.value is not None and each.gap.value < anchors.min_gap
    ]


def size(spec: Spec) -> str:
    """Describe the size of a spec in one line."""
    docs = spec.documents()
    return (
        f"{docs:,} documents in {len(spec.rounds)} rounds, "
        f"{docs * spec.slots_per_document:,} slots, calibration level {spec.calibration.level}"
    )
