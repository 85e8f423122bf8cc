"""Execution on workers without shared storage, which exchange files through a URL.

    <URL>/build-<random>/<sha256>     a file named by its bytes, sent once, never changed

The coordinator, the process that builds, uploads the inputs of a step. A worker uploads the step's
outputs, and the coordinator commits the step when they have arrived intact. Steps that send
requests, steps that read the source, and stages of a single step run in the coordinator.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Protocol

from msgspec.structs import replace

from compiler.engine.artifact import Artifact
from compiler.engine.executors import Bench, Executor, Job, Made
from compiler.engine.lock import turn
from compiler.engine.remote import Remote
from compiler.engine.stage import Stage
from compiler.engine.store import Store
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest

_ACCESS = "workers need the same permissions, credentials and extras for the URL as this machine"


class Exchange:
    """The files of one build at a URL, named by the SHA-256 of their bytes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._remote = Remote(url)
        self._present: set[str] = set()

    @classmethod
    def opened(cls, url: str) -> Exchange:
        """Open an exchange for one build, in a new folder below a URL."""
        return cls(f"{url.rstrip('/')}/build-{os.urandom(8).hex()}")

    def send(self, path: Path) -> str:
        """Upload a file unless this process already did or fetched it; return its name.

        Raises:
            StoreError: the file cannot be read, or the transfer failed.
        """
        try:
            with path.open("rb") as source:
                name = hashlib.file_digest(source, "sha256").hexdigest()
        except OSError as error:
            raise StoreError(
                f"a stored file cannot be read: {error.strerror}",
                where=str(path),
                hint="run the same command again",
            ) from error
        if name not in self._present:
            self._remote.send(name, path)
            self._present.add(name)
        return name

    def send_bytes(self, data: bytes) -> str:
        """Upload bytes; return their name."""
        name = bytes_digest(data)
        self._remote.put(name, data)
        return name

    def fetch(self, name: str, path: Path) -> None:
        """Download the file of that name to a local path.

        Raises:
            StoreError: the file does not exist, or the transfer failed.
            DamagedError: its bytes are not those that were sent.
        """
        found = self._remote.fetch(name, path)
        if not found:
            raise StoreError(
                "a file that was sent is not at the exchange",
                where=f"{self.url}/{name}",
                hint="delete nothing there while a build runs, and run the same command again",
            )
        with path.open("rb") as source:
            if hashlib.file_digest(source, "sha256").hexdigest() != name:
                raise DamagedError(
                    "a file at the exchange is not the one that was sent",
                    where=f"{self.url}/{name}",
                    hint="run the same command again; it uses a new folder there",
                )
        self._present.add(name)

    def remove(self) -> None:
        """Remove all files of this build."""
        self._remote.remove()

    def cache(self) -> Path:
        """Return the directory in which workers on this machine keep downloaded files."""
        return Path(tempfile.gettempdir()) / f"probec-{self.url.rpartition('/')[2]}"


class Outpost(Bench):
    """The step runner of a worker without shared storage.

    Its store holds files downloaded from the exchange and the outputs of its steps; all processes
    of a machine that work for one build share it.
    """

    otherwise = (
        "a worker has another version of this stage",
        "install this machine's version of probec on all workers",
    )

    def __init__(self, exchange: Exchange, store: Store, stages: Sequence[Stage]) -> None:
        super().__init__(store, stages)
        self._exchange = exchange

    def attempt(self, job: Job) -> Made:
        """Download the inputs of a step, run it, and upload its outputs.

        Raises:
            StoreError: the exchange cannot be reached from here, or lacks a file.
            DamagedError: the bytes of a file there are not those that were sent.
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
    """Download a file atomically unless it exists; processes of a machine take turns."""
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
    """Add to a StoreError of the block that it was raised on a worker, and what workers need.

    `doing`: completes "a worker ...", such as "at step publish 0".
    """
    try:
        yield
    except StoreError as error:
        error.message = f"a worker {doing}: {error.message}"
        if not isinstance(error, DamagedError):
            error.hint = f"{error.hint}; {_ACCESS}" if error.hint else _ACCESS
        raise


class Away(Executor, Protocol):
    """An executor whose workers are on other machines."""

    def on_every_machine(self, work: Callable[[], None]) -> None:
        """Cancel the steps in flight, and run `work` once on each machine that has workers."""


class Exchanged:
    """The executor that runs steps on remote workers through an exchange, and the others here.

    `hire`: starts the workers, called when there is the first step for them. `notice`: shows a
    message to the user.
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
        self._remote_stages = {stage.name for stage in stages if runs_remotely(stage)}
        self._hire = hire
        self._away: Away | None = None
        self._used = False
        self._notice = notice
        # File in the store -> its name at the exchange.
        self._names: dict[str, str] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all steps, on remote workers where `runs_remotely` allows it."""
        remote: list[Job] = []
        for job in jobs:
            if job.stage in self._remote_stages:
                remote.append(job)
            else:
                yield self._bench.attempt(job)
        if remote:
            self._used = True
            self._away = self._away or self._hire()
            for made in self._away.run(self._uploaded(job) for job in remote):
                for artifact in (made.outputs or {}).values():
                    self._take(artifact, made.names[artifact.file])
                yield made

    def _uploaded(self, job: Job) -> Job:
        """Upload the inputs of a step; return the step with their names at the exchange."""
        files = {
            artifact.file: self._bench.store.path(artifact)
            for _, artifact in chain.from_iterable(job.needs.values())
        }
        for file, path in files.items():
            if file not in self._names:
                self._names[file] = self._exchange.send(path)
        return replace(job, names={file: self._names[file] for file in files})

    def _take(self, artifact: Artifact, name: str) -> None:
        """Download an output of a worker into the store.

        Raises:
            DamagedError: its bytes, its size or its path differ from what the worker reported.
        """
        if self._names.get(artifact.file) == name:
            return
        frames = f".f{artifact.frame_rows}" if artifact.frame_rows else ""
        suffix = artifact.file.rpartition(artifact.digest)[2].removeprefix(frames)
        with self._bench.store.writing(suffix) as (out, path):
            self._exchange.fetch(name, path)
            os.fsync(out.fileno())
            if self._bench.store.adopt(path, artifact, suffix) != artifact:
                raise DamagedError(
                    f"a worker's output has another size or path than it reported: {artifact.file}",
                    where=f"{self._exchange.url}/{name}",
                    hint="install this machine's version of probec on all workers",
                )
        self._names[artifact.file] = name

    def close(self) -> None:
        """Stop the workers and remove the build's files; send a notice if some remain."""
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
                f"the files at the exchange could not be removed ({error.message}): "
                f"{self._exchange.url} is safe to delete"
            )


class Sweep:
    """The removal of downloaded files on the machine that it is called on. It is pickled."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self) -> None:
        """Remove the directory; files that a dying worker still writes may stay."""
        shutil.rmtree(Path(tempfile.gettempdir()) / self._name, ignore_errors=True)


def runs_remotely(stage: Stage) -> bool:
    """Return True if steps of a stage can run without the source and the response log.

    A stage of a single step runs here: it would need every file uploaded, and gain nothing.
    """
    return bool(stage.needs) and stage.prepare is None and stage.depth > 0
