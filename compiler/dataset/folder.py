"""The dataset directory: what `datasets.load_dataset(DIR)` reads, installed from the store.

It holds copies, so editing them cannot hurt the store, and it is rewritten only where the content
changed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec

from compiler.dataset.stats import Stats
from compiler.engine.artifact import Artifact
from compiler.engine.plan import Graph
from compiler.engine.stage import label
from compiler.engine.store import Store, write_atomic
from compiler.errors import StoreError
from compiler.records import AuditScore, Reject

_STAMP = ".installed.json"


def install(store: Store, graph: Graph, name: str) -> Path:
    """Bring `datasets/<name>/` of the build directory up to date; returns it."""
    root = store.root / "datasets" / name
    wanted = {f"data/train-round-{p[0]:03d}.parquet": a for p, a in _rounds(graph)}
    release = graph.manifest("release")
    if release is None:
        raise StoreError("nothing is released yet", hint="run `probec build`")
    wanted["README.md"] = release.outputs["card"]
    derived = {
        "stats.json": release.outputs["stats"],
        "rejects.jsonl": release.outputs["rejects"],
        "audits.jsonl": release.outputs["audits"],
    }
    stamp = {name: a.digest for name, a in sorted({**wanted, **derived}.items())}
    if _installed(root) == stamp and all((root / file).is_file() for file in stamp):
        return root
    try:
        shutil.rmtree(root, ignore_errors=True)
        (root / "data").mkdir(parents=True)
        for file, artifact in wanted.items():
            shutil.copyfile(store.path(artifact), root / file)
    except OSError as error:
        raise StoreError(
            f"cannot write the dataset: {error.strerror}",
            where=str(root),
            hint="free some space or make it writable, and run the same command again",
        ) from error
    write_atomic(root / "stats.json", msgspec.json.format(_stats_json(store, release.outputs)))
    for name, kind in (("rejects", Reject), ("audits", AuditScore)):
        rows: Iterator[object] = store.rows(release.outputs[name], kind)
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        write_atomic(root / f"{name}.jsonl", lines)
    write_atomic(root / _STAMP, msgspec.json.encode(stamp))
    return root


def stats(store: Store, graph: Graph) -> Stats:
    """The statistics of a finished build.

    Raises:
        StoreError: the build is not finished.
    """
    release = graph.manifest("release")
    if release is None:
        raise StoreError("not built, or not up to date", hint="run `probec build`")
    (found,) = store.rows(release.outputs["stats"], Stats)
    return found


def rows(store: Store, graph: Graph) -> list[Path]:
    """The parquet files of a finished build, in the order of rounds, as they lie in the store."""
    return [store.path(artifact) for _, artifact in _rounds(graph)]


def output_digests(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """(stage, part, digest over all outputs) of every step that is done."""
    for stage in graph.stages:
        for part, manifest in graph.manifests(stage.name):
            joined = "\n".join(f"{n} {a.digest}" for n, a in sorted(manifest.outputs.items()))
            yield stage.name, label(part), hashlib.sha256(joined.encode()).hexdigest()


def shown(place: Path) -> str:
    """A path as a user would type it from here."""
    try:
        return str(place.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(place)


def _rounds(graph: Graph) -> list[tuple[tuple[int, ...], Artifact]]:
    return [(part, m.outputs["rows"]) for part, m in graph.manifests("publish")]


def _installed(root: Path) -> dict[str, str] | None:
    try:
        return msgspec.json.decode((root / _STAMP).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.DecodeError):
        return None  # not installed, or not by this version: it is written anew


def _stats_json(store: Store, outputs: dict[str, Artifact]) -> bytes:
    (found,) = store.rows(outputs["stats"], Stats)
    return msgspec.json.encode(found)
