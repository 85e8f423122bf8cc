"""Every stored byte of a round checked against its digest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from compiler.building import folder
from compiler.building.locking import same_libraries
from compiler.building.slices import keys_in
from compiler.dataset import parquet
from compiler.engine.artifact import Artifact, content_digest
from compiler.engine.store import Store
from compiler.errors import DamagedError, StoreError
from compiler.keys import Json
from compiler.llm.responses import BROKEN
from compiler.project.place import Place
from compiler.report.terminal import table
from compiler.reproduction.rebuild import documents, needed
from compiler.rounds.locks import Lock

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not what it was. `kind`: lock, log, store, dataset or kept file."""

    kind: str
    where: str
    what: str
    remedy: str


@dataclass
class Checked:
    """How much was checked. `absent`: what the build directory or `.probec` does not have."""

    steps: int = 0
    files: int = 0
    replies: int = 0
    blobs: int = 0
    absent: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Verification:
    """The findings about the round of `lock`, whose file is `path`."""

    lock: Lock
    path: Path
    checked: Checked
    findings: tuple[Finding, ...]

    @property
    def word(self) -> str:
        """intact or damaged."""
        return "damaged" if self.findings else "intact"

    def data(self) -> Json:
        """As JSON."""
        return {
            "hash": self.lock.hash,
            "lock": str(self.path),
            "verdict": self.word,
            "looked_at": {**asdict(self.checked), "absent": {**self.checked.absent}},
            "findings": [asdict(each) for each in self.findings],
        }


def verify(place: Place, prefix: str) -> Verification:
    """Check the lock, the store, the dataset, the log and the kept files of the round whose hash
    starts so.
    """
    lock, path = place.lock(prefix)
    checked = Checked()
    return Verification(lock, path, checked, tuple(_findings(lock, place, checked)))


def text(found: Verification) -> str:
    """Format a verification for a terminal."""
    lock, checked, findings = found.lock, found.checked, found.findings
    identity = lock.identity
    lines = [
        f"{found.word}: round {identity.round} of {identity.name}, {lock.hash[:12]}",
        f"looked at the lock, {checked.steps} steps with {checked.files} files, "
        f"{checked.replies:,} replies, {checked.blobs} kept files",
    ]
    if checked.absent:
        listed = ", ".join(f"{n:,} {what}" for what, n in sorted(checked.absent.items()))
        lines.append(
            f"not here at all: {listed}; `probec reproduce {lock.hash[:12]}` says whether the "
            "round can be had without them"
        )
    if findings:
        rows = [(f.kind, f.where, f.what, f.remedy) for f in findings[:_SHOWN]]
        lines.append(table(("damaged", "where", "what", "remedy"), rows))
        if len(findings) > _SHOWN:
            lines.append(f"and {len(findings) - _SHOWN:,} more")
    return "\n".join(lines)


def _findings(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    store = Store(place.build)
    yield from _steps(lock, store, count)
    yield from _dataset(lock, store, count)
    yield from _kept(lock, place, count)
    yield from _replies(lock, place, count)


def _steps(lock: Lock, store: Store, count: Checked) -> Iterator[Finding]:
    """Manifests say what the lock says, and files hold what manifests say."""
    exact = same_libraries(lock.recorded)
    for step, outputs in lock.identity.outputs.items():
        key = lock.recorded.steps.get(step, "")
        path = store.manifest_path(key)
        remedy = f"delete {folder.shown(path)} and build again; nothing is asked"
        if not path.is_file():
            count.absent["steps"] += 1
            continue
        count.steps += 1
        try:
            manifest = store.read_manifest(key)
        except StoreError as error:
            yield Finding("store", folder.shown(path), error.message, remedy)
            continue
        if manifest is None or not store.is_whole(key):
            what = f"the manifest of {step} is not what was written"
            yield Finding("store", folder.shown(path), what, remedy)
            continue
        for name, digest in outputs.items():
            artifact = manifest.outputs.get(name)
            if artifact is None or artifact.digest != digest:
                what = f"output {name} of {step} is not the locked one"
                yield Finding("store", folder.shown(path), what, remedy)
                continue
            yield from _file(lock, store, step, name, artifact, exact, count)


def _file(
    lock: Lock, store: Store, step: str, name: str, artifact: Artifact, exact: bool, count: Checked
) -> Iterator[Finding]:
    path = store.path(artifact)
    if not path.is_file():
        count.absent["stored files"] += 1
        return
    count.files += 1
    remedy = "delete the file and build again; nothing is asked"
    recorded = lock.recorded.files.get(artifact.file)
    if _sha256(path) == recorded:
        return
    # Another version of a library writes the same content in other bytes.
    if exact and recorded is not None:
        what = f"output {name} of {step}: its bytes changed"
    else:
        problem = _content_problem(lock, path, artifact)
        if problem is None:
            return
        what = f"output {name} of {step}: {problem}"
    yield Finding("store", folder.shown(path), what, remedy)


def _content_problem(lock: Lock, path: Path, artifact: Artifact) -> str | None:
    """Why a file does not hold an artifact's content, from the rows that are in it."""
    try:
        if path.suffix == ".parquet":
            publish = lock.identity.spec["publish"]
            assert isinstance(publish, dict)
            layout = parquet.Layout(
                publish["dtypes"],
                publish["row_group_rows"],
                publish["compression_level"],
                # A lock of before there was the option had none.
                publish.get("content_defined_chunking", False),
            )
            found = parquet.content_digest(path, layout)
        else:
            found = content_digest(path)
    except StoreError as error:
        return error.message
    return None if found == artifact.digest else "its rows changed"


def _dataset(lock: Lock, store: Store, count: Checked) -> Iterator[Finding]:
    """The installed file of the round, where its content is said to be this one."""
    identity = lock.identity
    for path, what in folder.faults(store.root, identity.name):
        remedy = f"delete {folder.shown(path)} and build again; nothing is asked"
        yield Finding("dataset", folder.shown(path), what, remedy)
    installed = folder.installed_round(store.root, identity.name, identity.round)
    if installed is None:
        count.absent["installed files"] += 1
        return
    path, digest = installed
    locked = {d for outputs in identity.outputs.values() for d in outputs.values()}
    if digest not in locked:
        # The directory holds another version of the round, which is no damage to this one.
        count.absent["installed files"] += 1
        return
    count.files += 1
    recorded = {sha for file, sha in lock.recorded.files.items() if f"/{digest}" in file}
    if _sha256(path) in recorded:
        return
    artifact = Artifact(digest, "", 0, 0)
    problem = "its bytes changed" if same_libraries(lock.recorded) else None
    problem = problem or _content_problem(lock, path, artifact)
    if problem is not None:
        remedy = f"delete {folder.shown(path)} and build again; nothing is asked"
        yield Finding("dataset", folder.shown(path), problem, remedy)


def _kept(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Documents, tokenizers and lists of request keys."""
    identity, whole = lock.identity, True
    lists = [(f"keys of {step}", use.digest) for step, use in identity.requests.items()]
    for what, name in [*needed(identity), *lists]:
        try:
            found = place.blobs.get(name)
        except DamagedError as error:
            yield _kept_finding(place, name, f"{what}: {error.message}")
            whole = False
            continue
        count.blobs += found is not None
        if found is None:
            count.absent["kept files"] += 1
        whole = whole and found is not None
    if whole:
        try:
            for _ in documents(identity, place.blobs):
                pass
        except DamagedError as error:
            yield Finding("lock", error.where or "", error.message, "restore the lock from git")


def _kept_finding(place: Place, name: str, what: str) -> Finding:
    path = folder.shown(place.blobs.path(name))
    return Finding("kept file", path, what, f"delete {path}, then `probec cache pull` or build")


def _replies(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Every reply of the round in the log, and the log's own structure."""
    log = place.log()
    where = folder.shown(log.path)
    remedy = f"`probec cache pull URL {lock.hash[:12]}` replaces it from a copy"
    fault = log.fault()
    if fault is not None:
        yield Finding("log", where, fault, BROKEN)
    keys: set[str] = set()
    for use in lock.identity.requests.values():
        try:
            keys.update(keys_in(place.blobs.get(use.digest) or b""))
        except DamagedError:
            continue  # reported with the kept files
    for key in sorted(keys):
        try:
            found = log.get(key)
        except DamagedError as error:
            yield Finding("log", f"{where} key {key[:12]}", error.message, remedy)
            continue
        except StoreError as error:
            # The file cannot be read, which is told once.
            if fault is None:
                yield Finding("log", where, error.message, error.hint or remedy)
            break
        count.replies += found is not None
        if found is None:
            count.absent["replies"] += 1
    log.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
