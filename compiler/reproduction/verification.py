"""Every stored byte of a round checked against its digest, and its requests against its texts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import cast

from compiler.building import folder
from compiler.building.locking import same_libraries
from compiler.engine.artifact import Artifact, content_digest
from compiler.engine.store import Store
from compiler.errors import DAMAGED, DRIFTED, DamagedError, StoreError
from compiler.keys import Json
from compiler.llm.responses import BROKEN
from compiler.project.place import Place
from compiler.project.slices import keys_in
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.reproduction import conflicts, rendering
from compiler.reproduction.rebuild import documents, kind_of, needed
from compiler.rounds.locks import Lock

_SHOWN = 20
_NAMED = 3
# The kinds of findings about intact bytes.
_INTACT = {"texts", "replies"}
_SWAPPED = (
    "the stored bytes are intact, but a text changed while an earlier version built the round, or "
    "this version renders the texts otherwise"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A damaged item. `kind`: "lock", "log", "store", "dataset" or "kept file".

    Of the kinds "texts" and "replies" it is intact, but contradicts the lock.
    """

    kind: str
    where: str
    what: str
    remedy: str


@dataclass
class Checked:
    """Numbers of checked items. `absent`: items not in the build directory or `.probec`.

    `requests`: rendered again, of the steps `rendered`. `unchecked`: what else could not be
    compared, and why.
    """

    steps: int = 0
    files: int = 0
    replies: int = 0
    blobs: int = 0
    absent: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    rendered: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Verification:
    """The findings about the round of `lock`, whose file is `path`."""

    lock: Lock
    path: Path
    checked: Checked
    findings: tuple[Finding, ...]

    @property
    def word(self) -> str:
        """intact, damaged or inconsistent. Damage wins, because it explains the rest."""
        kinds = {each.kind for each in self.findings}
        return "damaged" if kinds - _INTACT else "inconsistent" if kinds else "intact"

    @property
    def code(self) -> int:
        """The exit code."""
        return {"intact": 0, "damaged": DAMAGED, "inconsistent": DRIFTED}[self.word]

    def data(self) -> Json:
        """Convert to JSON."""
        return {
            "hash": self.lock.hash,
            "lock": str(self.path),
            "verdict": self.word,
            "looked_at": cast(Json, {**asdict(self.checked), "absent": {**self.checked.absent}}),
            "findings": [{**asdict(each)} for each in self.findings],
        }


def verify(place: Place, prefix: str) -> Verification:
    """Check everything that is stored of the round whose hash starts with `prefix`."""
    lock, path = place.lock(prefix)
    checked = Checked()
    return Verification(lock, path, checked, tuple(_findings(lock, place, checked)))


def text(found: Verification, screen: Screen = PLAIN) -> str:
    """Format a verification for a terminal."""
    lock, checked, findings = found.lock, found.checked, found.findings
    identity = lock.identity
    lines = [
        f"{found.word}: round {identity.round} of {identity.name}, {lock.hash[:12]}",
        f"checked the lock, {checked.steps} steps with {checked.files} files, "
        f"{checked.replies:,} replies, {checked.blobs} kept files",
    ]
    if checked.rendered:
        lines.append(
            f"{checked.requests:,} requests rendered again from the lock's texts, and compared in "
            f"{len(checked.rendered)} steps"
        )
    lines += [f"not checked: {each}" for each in checked.unchecked]
    if checked.absent:
        listed = ", ".join(f"{n:,} {what}" for what, n in sorted(checked.absent.items()))
        lines.append(
            f"not here: {listed}; `probec reproduce {lock.hash[:12]}` tells if the round can be "
            "rebuilt without them"
        )
    if any(each.kind == "texts" for each in findings):
        lines.append(_SWAPPED)
    if findings:
        rows = [(f.kind, f.where, f.what, f.remedy) for f in findings[:_SHOWN]]
        lines.append(table((found.word, "where", "what", "remedy"), rows, screen))
        if len(findings) > _SHOWN:
            lines.append(f"and {len(findings) - _SHOWN:,} more")
    return "\n".join(lines)


def _findings(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    store = Store(place.build)
    stored = [
        *_steps(lock, store, count),
        *_dataset(lock, store, count),
        *_kept(lock, place, count),
        *_replies(lock, place, count),
    ]
    yield from stored
    if stored:
        count.unchecked.append("the requests, because they are rendered from what is damaged")
    else:
        yield from _other_replies(lock, place, count)
        yield from _texts(lock, place, count)


def _steps(lock: Lock, store: Store, count: Checked) -> Iterator[Finding]:
    """Check the manifests against the lock, and stored files against the manifests."""
    exact = same_libraries(lock.recorded)
    for step, outputs in lock.identity.outputs.items():
        key = lock.recorded.steps.get(step, "")
        path = store.manifest_path(key)
        remedy = f"delete {folder.shown(path)} and build again; no request is sent"
        if not path.is_file():
            count.absent["steps"] += 1
            continue
        try:
            manifest = store.read_manifest(key)
        except StoreError as error:
            count.steps += 1
            yield Finding("store", folder.shown(path), error.message, remedy)
            continue
        if manifest is not None and manifest.check and store.is_whole(key):
            stored = {name: each.digest for name, each in manifest.outputs.items()}
            if stored != outputs:
                # The step was built from other replies to the same requests, which is not damage.
                count.absent["steps"] += 1
                continue
        count.steps += 1
        if manifest is None or not store.is_whole(key):
            what = f"the manifest of {step} changed"
            yield Finding("store", folder.shown(path), what, remedy)
            continue
        for name, digest in outputs.items():
            artifact = manifest.outputs.get(name)
            if artifact is None or artifact.digest != digest:
                what = f"output {name} of {step} does not have the digest in the lock"
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
    remedy = "delete the file and build again; no request is sent"
    recorded = lock.recorded.files.get(artifact.file)
    if _sha256(path) == recorded:
        return
    # Another version of a library may write the same content as other bytes.
    if exact and recorded is not None:
        what = f"output {name} of {step}: its bytes changed"
    else:
        problem = _content_problem(lock, path, artifact)
        if problem is None:
            return
        what = f"output {name} of {step}: {problem}"
    yield Finding("store", folder.shown(path), what, remedy)


def _content_problem(lock: Lock, path: Path, artifact: Artifact) -> str | None:
    """Return why the rows of a file are not an artifact's content; None if they are."""
    try:
        if path.suffix == ".parquet":
            publish = lock.identity.spec["publish"]
            assert isinstance(publish, dict)
            found = kind_of(lock.identity).content(path, publish)
        else:
            found = content_digest(path)
    except StoreError as error:
        return error.message
    return None if found == artifact.digest else "its rows changed"


def _dataset(lock: Lock, store: Store, count: Checked) -> Iterator[Finding]:
    """Check the installed text files, and the round's data file if it is of the locked version."""
    identity = lock.identity
    for path, what in folder.faults(store.root, lock.dataset):
        remedy = f"delete {folder.shown(path)} and build again; no request is sent"
        yield Finding("dataset", folder.shown(path), what, remedy)
    installed = folder.installed_round(store.root, lock.dataset, identity.round)
    if installed is None:
        count.absent["installed files"] += 1
        return
    path, digest = installed
    locked = {d for outputs in identity.outputs.values() for d in outputs.values()}
    if digest not in locked:
        # Another version of the round is installed, which is not damage.
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
        remedy = f"delete {folder.shown(path)} and build again; no request is sent"
        yield Finding("dataset", folder.shown(path), problem, remedy)


def _kept(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Check the blobs: documents, tokenizers and lists of request keys."""
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


def _texts(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Check the requests of the round against the lock's own texts."""
    found = rendering.render(lock, place)
    count.requests, count.rendered = found.requests, found.steps
    for reason, steps in found.unchecked.items():
        more = f" and {len(steps) - _NAMED} more" if len(steps) > _NAMED else ""
        count.unchecked.append(f"the texts of {', '.join(steps[:_NAMED])}{more}: {reason}")
    for each in found.differences:
        yield Finding(
            "texts",
            lock.file,
            each,
            f"see `probec reproduce {lock.hash[:12]}`; delete the lock and build again",
        )


def _kept_finding(place: Place, name: str, what: str) -> Finding:
    path = folder.shown(place.blobs.path(name))
    return Finding(
        "kept file", path, what, f"delete {path}, then run `probec cache pull` or `probec build`"
    )


def _replies(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Check every reply of the round in the log, and the log's own structure."""
    log = place.log()
    where = folder.shown(log.path)
    remedy = f"replace it from a copy: `probec cache pull URL {lock.hash[:12]}`"
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
            # The whole file cannot be read, which is reported once.
            if fault is None:
                yield Finding("log", where, error.message, error.hint or remedy)
            break
        count.replies += found is not None
        if found is None:
            count.absent["replies"] += 1
    log.close()


def _other_replies(lock: Lock, place: Place, count: Checked) -> Iterator[Finding]:
    """Compare the replies in the log with those that the round was built from."""
    log = place.log()
    if not lock.recorded.replies:
        count.unchecked.append(
            "if the replies are those that the round was built from, because the lock has no "
            "digest of them"
        )
    for step, use in lock.identity.requests.items():
        keys = keys_in(place.blobs.get(use.digest) or b"")
        if conflicts.others(lock, step, log, keys):
            what = f"replies of {step}: {conflicts.cause(log, keys)}"
            short = lock.hash[:12]
            remedy = f"pull the round into a directory of its own: `probec cache pull URL {short} "
            yield Finding("replies", folder.shown(log.path), what, f"{remedy}--dir DIR`")
    log.close()


def _sha256(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
