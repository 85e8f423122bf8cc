"""The installed dataset directory, as `datasets.load_dataset(DIR)` reads it.

It holds copies, so that editing them cannot damage the store, and is rewritten only when its
content changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from compiler.dataset import rollout_columns
from compiler.engine.artifact import Artifact, Row, RowDigest, damaged
from compiler.engine.plan import Graph
from compiler.engine.stage import label
from compiler.engine.store import Store, write_atomic
from compiler.errors import StoreError
from compiler.project.project import Project
from compiler.records import AuditScore, Reject
from compiler.report.card import CardFacts
from compiler.rollouts.rows import Rejected, RolloutFacts, RolloutStats

_STAMP = ".installed.json"
PAGE = "report.html"
"""The report page of the installed rows, in the same directory."""
_ROUND_FILES = "train-round-*.parquet"


class _Copy(msgspec.Struct, frozen=True):
    """An installed file: the content digest of its source, and its size in bytes.

    "" and 0 while it is being written.
    """

    digest: str
    bytes: int


class _Stamp(msgspec.Struct, frozen=True):
    """The installed files by name, and the command that built them."""

    command: str
    files: dict[str, _Copy]


# Installed text files: name -> output of `release`.
_RECORDS: Mapping[str, str] = {
    "stats.json": "stats",
    "card.json": "facts",
    "rejects.jsonl": "rejects",
    "audits.jsonl": "audits",
    rollout_columns.LEDGER: "ledger",
    rollout_columns.FACTS: "rollout_facts",
    rollout_columns.REJECTED: "rollout_rejects",
}


def _kind(name: str) -> type:
    """Return the type of the records of an installed text file."""
    from compiler.statistics.stats import Stats

    kinds = {
        "stats": Stats,
        "facts": CardFacts,
        "rejects": Reject,
        "audits": AuditScore,
        "ledger": RolloutStats,
        "rollout_facts": RolloutFacts,
        "rollout_rejects": Rejected,
    }
    return kinds[_RECORDS[name]]


def install(project: Project, graph: Graph) -> Path:
    """Bring the directory of a project's dataset up to date, and return its path.

    Other files in the directory stay.

    Raises:
        StoreError: the directory was not installed by a build, or cannot be written.
    """
    store, root = project.store, project.directory
    wanted, derived = _wanted(graph)
    digests = _digests(graph)
    if _fault(root, digests) is None:
        return root
    _refuse_foreign(root)
    try:
        # The stamp comes first: an interrupted installation is recognised as one of a build.
        (root / "data").mkdir(parents=True, exist_ok=True)
        begun = _Stamp(project.command, dict.fromkeys(digests, _Copy("", 0)))
        write_atomic(root / _STAMP, msgspec.json.encode(begun))
        for path in (*(root / "data").glob(_ROUND_FILES), root / PAGE):
            path.unlink(missing_ok=True)
        for file, artifact in wanted.items():
            _copy(store.path(artifact), root / file, artifact.sha256)
    except OSError as error:
        raise StoreError(
            f"cannot write the dataset: {error.strerror}",
            where=str(root),
            hint="free some space or make it writable, and run the same command again",
        ) from error
    for name, artifact in derived.items():
        records: Iterable[object] = store.rows(artifact, _kind(name))
        write_atomic(root / name, _written(name, records))
    files = {name: _Copy(digest, _size(root / name)) for name, digest in digests.items()}
    write_atomic(root / _STAMP, msgspec.json.encode(_Stamp(project.command, files)))
    return root


def _wanted(graph: Graph) -> tuple[dict[str, Artifact], dict[str, Artifact]]:
    """Return the artifacts of a finished build that are copied, and those that are written out."""
    release = graph.manifest("release")
    if release is None:
        raise StoreError("nothing is released yet", hint="run `probec build`")
    copied = {_round_file(part[0]): artifact for part, artifact in _rounds(graph)}
    copied["README.md"] = release.outputs["card"]
    outputs = release.outputs
    records = ((name, outputs.get(output)) for name, output in _RECORDS.items())
    return copied, {name: found for name, found in records if found is not None}


def _digests(graph: Graph) -> dict[str, str]:
    copied, derived = _wanted(graph)
    return {name: a.digest for name, a in sorted({**copied, **derived}.items())}


def mismatch(root: Path, graph: Graph, command: str) -> str | None:
    """Explain why a dataset directory does not hold a finished build, with the remedy.

    `command`: the command that builds it. None if the directory holds it.
    """
    fault = _fault(root, _digests(graph))
    if fault is None:
        return None
    return f"{shown(root)} {fault}; `{command}` installs the build that is spoken of here"


def unlike_stamp(root: Path) -> str | None:
    """Explain how a dataset directory differs from the build that its stamp names, or None."""
    stamp = _stamp(root)
    if stamp is None:
        return None
    fault = _fault(root, {name: each.digest for name, each in stamp.files.items()})
    return f"{shown(root)} {fault}; `{stamp.command}` installs it again" if fault else None


def origin(root: Path) -> str | None:
    """Return the command that built the files in a dataset directory, None if it is unknown."""
    stamp = _stamp(root)
    return None if stamp is None else stamp.command


def _fault(root: Path, digests: Mapping[str, str]) -> str | None:
    """Explain why a directory does not hold exactly these contents, None if it does."""
    stamp = _stamp(root)
    if stamp is None:
        there = (root / _STAMP).is_file()
        return "was installed by an earlier version" if there else "holds no installed dataset"
    found = stamp.files
    if not all(each.digest for each in found.values()):
        return f"holds an unfinished installation of `{stamp.command}`"
    if {name: each.digest for name, each in found.items()} != dict(digests):
        return f"holds another build, of `{stamp.command}`"
    more = sorted({f"data/{path.name}" for path in _data(root)} - digests.keys())
    # The stamp was written last, so a later file was changed after the installation.
    changed = [
        name
        for name, each in found.items()
        if _size(root / name) != each.bytes or _time(root / name) > _time(root / _STAMP)
    ]
    if changed:
        return f"has files that were changed or removed after their installation: {changed[0]}"
    return f"has data of another origin: {more[0]}" if more else None


def _refuse_foreign(root: Path) -> None:
    """Refuse to overwrite files that no build wrote.

    Raises:
        StoreError: the directory was never installed and is not empty, or holds other data files.
    """
    hint = "move it away, or name another directory with --build-dir"
    if root.exists() and not root.is_dir():
        raise StoreError("the dataset's path is a file", where=str(root), hint=hint)
    ours = {"data", "README.md", PAGE, *_RECORDS}
    if not (root / _STAMP).is_file() and root.is_dir():
        for path in sorted(root.iterdir()):
            if path.name not in ours:
                raise StoreError("not written by a build", where=str(path), hint=hint)
    for path in _data(root):
        if not path.match(_ROUND_FILES):
            raise StoreError("not written by a build, but would be read as data",
                             where=str(path), hint="move it away")  # fmt: skip


def _data(root: Path) -> list[Path]:
    """List the files that `datasets` would read: all but hidden ones."""
    return [path for path in sorted((root / "data").glob("*")) if path.name[0] != "."]


def _size(path: Path) -> int:
    """Return the size of a file in bytes; -1 if there is none."""
    return path.stat().st_size if path.is_file() else -1


def _time(path: Path) -> int:
    return path.stat().st_mtime_ns


def _copy(source: Path, target: Path, sha256: str) -> None:
    """Copy a file, and flush it to disk before the stamp lists it as installed.

    Raises:
        StoreError: its bytes do not have this digest; the copy is removed.
    """
    # Copying onto a link would overwrite its target.
    target.unlink(missing_ok=True)
    shutil.copyfile(source, target)
    with target.open("rb") as written:
        os.fsync(written.fileno())
        found = hashlib.file_digest(written, "sha256").hexdigest()
    if sha256 not in ("", found):
        target.unlink()
        raise damaged(source, "its bytes changed after they were written")


def installed_round(build: Path, name: str, index: int) -> tuple[Path, str] | None:
    """Return the installed file of a round and its content digest; None if it is not installed."""
    root = build / "datasets" / name
    copy = (_installed(root) or {}).get(_round_file(index))
    path = root / _round_file(index)
    return (path, copy.digest) if copy is not None and path.is_file() else None


def installed(root: Path) -> list[Path]:
    """List the installed files of a dataset directory, after the stamp that names them."""
    return [root / _STAMP, *(root / file for file in _installed(root) or {})]


def contents(root: Path) -> dict[str, str]:
    """Return the content digest of every file that a build installed in a directory.

    Raises:
        StoreError: no build installed it, or an installation did not finish.
    """
    found = _installed(root)
    if found is None or not all(copy.digest for copy in found.values()):
        raise StoreError(
            "no build installed this dataset", where=str(root), hint="run `probec build`"
        )
    return {name: copy.digest for name, copy in found.items()}


def released(graph: Graph) -> dict[str, Artifact]:
    """Return the artifacts that `install` copies or writes, by installed name.

    Raises:
        StoreError: nothing is released yet.
    """
    release = graph.manifest("release")
    if release is None:
        raise StoreError("nothing is released yet", hint="run `probec build`")
    found = {_round_file(part[0]): artifact for part, artifact in _rounds(graph)}
    found["README.md"] = release.outputs["card"]
    return found | {
        name: release.outputs[output]
        for name, output in _RECORDS.items()
        if output in release.outputs
    }


def differences(root: Path) -> Iterator[str]:
    """Yield how a directory differs from what was installed in it; rows are not read."""
    found = _installed(root) or {}
    for name, copy in found.items():
        path = root / name
        if not path.is_file():
            yield f"{name} is missing"
        elif _size(path) != copy.bytes:
            yield f"{name} has {_size(path):,} bytes, not {copy.bytes:,}"
    for path in _data(root):
        if f"data/{path.name}" not in found:
            yield f"data/{path.name} was not installed"
    for path, fault in _text_faults(root):
        yield f"{path.name}: {fault}"


def faults(build: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Yield (path, fault) for every installed text file that changed: card, statistics, rejects.

    Data files are not read: `reproduction.verification` checks them against the round locks.
    """
    yield from _text_faults(build / "datasets" / name)


def _text_faults(root: Path) -> Iterator[tuple[Path, str]]:
    for file, copy in (_installed(root) or {}).items():
        path = root / file
        if path.suffix == ".parquet" or not path.is_file():
            continue
        try:
            found = _text_digest(path)
        except (UnicodeDecodeError, msgspec.DecodeError):
            found = ""
        if found != copy.digest:
            yield path, "its content changed"


def _text_digest(path: Path) -> str:
    """Return the content digest of an installed text; "" if `install` would write other bytes."""
    found, data = RowDigest(), path.read_bytes()
    written = data
    if path.suffix == ".md":
        found.append(data.decode("utf-8"))
    else:
        kind = _kind(path.name)
        lines = data.splitlines() if path.suffix == ".jsonl" else [data]
        decoded: list[object] = [msgspec.json.decode(line, type=kind) for line in lines]
        written = _written(path.name, decoded)
        for record in decoded:
            found.append(record)
    return found.hexdigest() if written == data else ""


def _written(name: str, records: Iterable[object]) -> bytes:
    """Return the bytes of an installed text: one indented record, or one record a line."""
    if name.endswith(".jsonl"):
        return b"".join(msgspec.json.encode(record) + b"\n" for record in records)
    (only,) = records
    return msgspec.json.format(msgspec.json.encode(only))


def _round_file(index: int) -> str:
    return f"data/train-round-{index:03d}.parquet"


def result(project: Project, graph: Graph) -> object:
    """Read the statistics of a finished build, of the type of its kind.

    Raises:
        StoreError: it is not built, or not up to date.
    """
    release = graph.manifest("release")
    if release is None:
        raise StoreError("not built, or not up to date", hint=f"run `{project.command}`")
    return record(project.store, graph, *project.kind.result())


def record(store: Store, graph: Graph, output: str, kind: type[Row]) -> Row:
    """Read the only record of an output of `release`."""
    release = graph.manifest("release")
    assert release is not None, "a finished build has every step"
    (found,) = store.rows(release.outputs[output], kind)
    return found


def rows(store: Store, graph: Graph) -> list[Path]:
    """List the parquet files of a finished build in the store, in the order of rounds."""
    return [store.path(artifact) for _, artifact in _rounds(graph)]


def output_digests(graph: Graph) -> Iterator[tuple[str, str, str]]:
    """Yield (stage, part, digest over all outputs) of every finished step."""
    for stage in graph.stages:
        for part, manifest in graph.manifests(stage.name):
            joined = "\n".join(f"{n} {a.digest}" for n, a in sorted(manifest.outputs.items()))
            yield stage.name, label(part), hashlib.sha256(joined.encode()).hexdigest()


def shown(place: Path) -> str:
    """Format a path relative to the working directory if it lies below it."""
    try:
        return str(place.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(place)


def _rounds(graph: Graph) -> list[tuple[tuple[int, ...], Artifact]]:
    return [(part, m.outputs["rows"]) for part, m in graph.manifests("publish")]


def _installed(root: Path) -> dict[str, _Copy] | None:
    stamp = _stamp(root)
    return None if stamp is None else stamp.files


def _stamp(root: Path) -> _Stamp | None:
    try:
        return msgspec.json.decode((root / _STAMP).read_bytes(), type=_Stamp)
    except (OSError, msgspec.DecodeError):
        return None  # not installed, or by another version: `install` writes it again
