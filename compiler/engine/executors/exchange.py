"""Workers that share no directory with the process that builds: files pass through a URL.

    <URL>/build-<random>/<sha256>     a file by its bytes, sent once, never changed

The process that builds sends what a step reads, a worker leaves there what the step made, and only
what arrived whole is committed. Steps that ask, that read the source, or that there is one of stay
with the process that builds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol

from compiler.engine.artifact import Artifact
from compiler.engine.executors import Bench, Executor, Job, Made
from compiler.engine.lock import turn
from compiler.engine.remote import Remote
from compiler.engine.stage import Stage
from compiler.engine.store import Store
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest

_ACCESS = "workers need the same rights, credentials and extras for the URL as this machine"


class Exchange:
    """The files of one build at a URL, named by the SHA-256 of their bytes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._remote = Remote(url)
        self._there: set[str] = set()

    @classmethod
    def opened(cls, url: str) -> Exchange:
        """An exchange for one build, in a folder of its own below a URL."""
        return cls(f"{url.rstrip('/')}/build-{os.urandom(8).hex()}")

    def send(self, path: Path) -> str:
        """Leave a file there, unless this process knows that it is there; returns its name."""
        try:
            with path.open("rb") as source:
                name = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise StoreError(
                f"a stored file cannot be read: {error.strerror}",
                where=str(path),
                hint="run the same command again",
            ) from error
        if name not in self._there:
            self._remote.send(name, path)
            self._there.add(name)
        return name

    def send_bytes(self, data: bytes) -> str:
        """Leave some bytes there; returns their name."""
        name = bytes_digest(data)
        self._remote.put(name, data)
        return name

    def fetch(self, name: str, path: Path) -> None:
        """Write the file of that name to a path here.

        Raises:
            StoreError: it is not there.
            DamagedError: it is not what was sent.
        """
        found = self._remote.fetch(name, path)
        if not found:
            raise StoreError(
                "a file is not at the exchange any more",
                where=f"{self.url}/{name}",
                hint="leave it alone while a build runs, and run the same command again",
            )
        with path.open("rb") as source:
            if hashlib.file_digest(source, "sha256").hexdigest() != name:
                raise DamagedError(
                    "a file at the exchange is not what was sent there",
                    where=f"{self.url}/{name}",
                    hint="run the same command again; it uses a new folder there",
                )
        self._there.add(name)

    def remove(self) -> None:
        """Remove all files of this build."""
        self._remote.remove()

    def cache(self) -> Path:
        """Where workers on this machine keep what they fetched."""
        return Path(tempfile.gettempdir()) / f"probec-{self.url.rpartition('/')[2]}"


class Outpost(Bench):
    """A bench whose store holds what was fetched from the exchange and what steps made of it.

    All processes of a machine that work for one build share the store.
    """

    otherwise = (
        "a worker has another version of this stage",
        "install the version of this machine on all of them",
    )

    def __init__(self, exchange: Exchange, store: Store, stages: Sequence[Stage]) -> None:
        super().__init__(store, stages)
        self._exchange = exchange

    def attempt(self, job: Job) -> Made:
        """Run one step on what is at the exchange, and leave there what it made.

        Raises:
            StoreError: the exchange cannot be used from here, or lacks a file.
            DamagedError: a file there is not what was sent.
        """
        with on_a_worker(f"at step {job}"):
            for file, name in job.names.items():
                bring(self._exchange, name, self.store.root / file)
        made = super().attempt(job)
        with on_a_worker(f"at step {job}"):
            names = {
                artifact.file: self._exchange.send(self.store.path(artifact))
                for artifact in (made.outputs or {}).values()
            }
        return replace(made, names=names)


def bring(exchange: Exchange, name: str, path: Path) -> None:
    """Fetch a file, whole or not at all, unless it is here; processes of a machine take turns."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with turn(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            part = path.with_name(f".{path.name}.part")
            exchange.fetch(name, part)
            part.replace(path)


@contextmanager
def on_a_worker(doing: str) -> Iterator[None]:
    """Errors of the exchange say that it was a worker who had them."""
    try:
        yield
    except StoreError as error:
        error.message = f"a worker {doing}: {error.message}"
        if not isinstance(error, DamagedError):
            error.hint = f"{error.hint}; {_ACCESS}" if error.hint else _ACCESS
        raise


class Away(Executor, Protocol):
    """Workers elsewhere."""

    def on_every_machine(self, work: Callable[[], None]) -> None:
        """End the steps in flight, and run something once on each machine that has workers."""


class Exchanged:
    """Runs steps elsewhere through an exchange, and here those that cannot go.

    `hire`: starts the workers, when there is work for them. `notice`: hears what the user must do.
    """

    def __init__(
        self,
        exchange: Exchange,
        bench: Bench,
        stages: Sequence[Stage],
        hire: Callable[[], Away],
        notice: Callable[[str], None],
    ) -> None:
        self._exchange = exchange
        self._bench = bench
        self._going = {stage.name for stage in stages if goes(stage)}
        self._hire = hire
        self._away: Away | None = None
        self._used = False
        self._notice = notice
        # File in the store -> its name at the exchange.
        self._names: dict[str, str] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all of them, elsewhere if they can go."""
        going: list[Job] = []
        for job in jobs:
            if job.stage in self._going:
                going.append(job)
            else:
                yield self._bench.attempt(job)
        if going:
            self._used = True
            self._away = self._away or self._hire()
            for made in self._away.run(self._laden(job) for job in going):
                for artifact in (made.outputs or {}).values():
                    self._take(artifact, made.names[artifact.file])
                yield made

    def _laden(self, job: Job) -> Job:
        """A step whose inputs are at the exchange."""
        files = {
            artifact.file: self._bench.store.path(artifact)
            for _, artifact in chain.from_iterable(job.needs.values())
        }
        for file, path in files.items():
            if file not in self._names:
                self._names[file] = self._exchange.send(path)
        return replace(job, names={file: self._names[file] for file in files})

    def _take(self, artifact: Artifact, name: str) -> None:
        """Bring what a worker made into the store, if it arrives as it left."""
        if self._names.get(artifact.file) == name:
            return
        frames = f".f{artifact.frame_rows}" if artifact.frame_rows else ""
        suffix = artifact.file.rpartition(artifact.digest)[2].removeprefix(frames)
        with self._bench.store.writing(suffix) as (out, path):
            self._exchange.fetch(name, path)
            os.fsync(out.fileno())
            if self._bench.store.adopt(path, artifact, suffix) != artifact:
                raise DamagedError(
                    f"what a worker made has another size or place than it says: {artifact.file}",
                    where=f"{self._exchange.url}/{name}",
                    hint="the workers must have this version of probec installed",
                )
        self._names[artifact.file] = name

    def close(self) -> None:
        """End the workers and remove what passed through; says what could not be removed."""
        if not self._used:
            return
        try:
            self._dismiss()
        finally:
            self._clear()

    def _dismiss(self) -> None:
        if self._away is not None:
            try:
                self._away.on_every_machine(Sweep(self._exchange.cache().name))
            finally:
                self._away.close()

    def _clear(self) -> None:
        try:
            self._exchange.remove()
        except StoreError as error:
            self._notice(
                f"what passed through the exchange could not be removed ({error.message}): "
                f"{self._exchange.url} is safe to delete"
            )


class Sweep:
    """Removes what workers fetched, on the machine that it is called on. Travels."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> None:
        """Remove it; what a worker that is being killed still writes stays."""
        shutil.rmtree(Path(tempfile.gettempdir()) / self._name, ignore_errors=True)


def goes(stage: Stage) -> bool:
    """Whether steps of a stage may run where neither the source nor the response log is.

    One step for all would need everything and wait for nobody.
    """
    return bool(stage.needs) and stage.prepare is None and stage.depth > 0
