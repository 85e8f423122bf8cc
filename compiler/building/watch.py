"""The file stamps for a build's receipt: inputs, code, and everything that the build wrote."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from compiler import shipped
from compiler.building import folder
from compiler.building.receipt import FOLDER, Receipt, Request, encode, patience, trusted
from compiler.dataset.located import state_file
from compiler.engine.plan import Graph
from compiler.engine.stage import label
from compiler.engine.stamps import Look
from compiler.engine.store import write_atomic
from compiler.errors import StoreError
from compiler.project.project import Project
from compiler.rounds.locks import Lock
from compiler.stages.context import Context

_PACKAGE = Path(__file__).parent.parent


class Watch:
    """The stamps of a finished build's files, taken while its directory is still locked."""

    def __init__(
        self,
        asked: Request | None,
        project: Project,
        context: Context,
        graph: Graph,
        locks: Sequence[Lock],
    ) -> None:
        self._asked = asked
        self._project = project
        self._context = context
        self._graph = graph
        self._locks = locks
        self._looks: list[Look] = []

    def begin(self) -> bool:
        """Stamp all files, before the result is read from them; return if a receipt can be kept.

        It cannot if the source is behind a URL, or if a file changed so recently that another
        change could leave its stamp the same.
        """
        if self._asked is None or "://" in self._project.declared.source.path:
            return False
        try:
            inputs, code, state = self._inputs(), self._code(), self._state()
            wait = patience(state)
            if wait is None or not trusted(self._asked, inputs, code):
                return False
            if wait:
                time.sleep(wait)
                state = self._state()
        except OSError:
            return False  # a file without a stamp cannot be compared later
        self._looks = [inputs, code, state]
        return patience(state) == 0

    def keep(self, again: Receipt) -> None:
        """Write the receipt if every stamp still holds. `again`: the result that it stores."""
        assert self._asked is not None
        if not all(look.holds() for look in self._looks):
            return
        receipt = replace(again, notices=tuple(self._project.notices))
        data = encode(self._asked, self._looks, self._project.dataset, receipt)
        try:
            write_atomic(self._project.store.root / FOLDER / self._asked.name, data)
        except StoreError:
            # The build succeeded; a disk that cannot be written only costs the receipt.
            return

    def _inputs(self) -> Look:
        """Stamp the inputs: files that a build only reads."""
        look, project = Look(), self._project
        for path in (*map(str, project.files), *self._context.located.files):
            look.file(path)
        for root in self._nearer_roots():
            look.perhaps(root)
        look.file(project.root / "prompts")
        for library in (self._context.prompts, self._context.templates):
            for file in library.files.values():
                look.file(file)
        # Files of the project would take precedence over the shipped ones.
        look.perhaps(project.root / shipped.BASE)
        for root, name in (
            (project.root, "prompts"),
            (project.root, "templates"),
            (shipped.FOLDER, "templates"),
        ):
            look.perhaps(root / name)
            look.tree(root / name)
        self._list_source(look)
        self._tokenizers(look)
        return look

    def _nearer_roots(self) -> Iterator[Path]:
        """Yield `prompts` paths between spec and root; if one appears, the root changes."""
        spec = self._project.files[0].resolve()
        below = takewhile(lambda folder: folder != self._project.root, spec.parents)
        return (folder / "prompts" for folder in below)

    def _list_source(self, look: Look) -> None:
        """Record the files that the source's directory or pattern matches."""
        path, root = self._project.declared.source.path, self._project.root
        place = root / path
        if place.is_dir():
            look.listing(place, "**/*")
            look.perhaps(state_file(place))
        elif any(char in path for char in "*?["):
            base = Path(place.anchor) if Path(path).is_absolute() else root
            look.listing(base, str(place.relative_to(base)))

    def _tokenizers(self, look: Look) -> None:
        """Stamp tokenizer files, and paths that would take precedence over them."""
        project = self._project
        names = set(self._context.tokenizer_files)
        rehearsal = getattr(project.declared, "rehearsal", None)
        if rehearsal is not None:
            names.add(rehearsal.tokenizer)
        for name in sorted(names):
            look.perhaps(project.root / name)
        for file in self._context.tokenizer_files.values():
            look.file(file.path)
            if file.path not in (project.root / file.name, shipped.FOLDER / file.name):
                # In the Hub's cache: <repo>/snapshots/<commit>/tokenizer.json.
                commit = file.path.parent
                look.perhaps(commit.parent.parent / "refs" / "main")
                look.perhaps(commit.parent.parent / ".no_exist" / commit.name / file.path.name)

    def _code(self) -> Look:
        """Stamp loaded modules, the whole compiler, and the directories of installed packages."""
        look = Look()
        # Python itself adds and removes bytecode directories.
        look.tree(_PACKAGE, removals=False)
        for module in [*sys.modules.values()]:
            file = getattr(module, "__file__", None)
            if file is not None:
                look.file(file)
        for path in sys.path:
            if path.endswith("-packages"):
                look.perhaps(path)
        return look

    def _state(self) -> Look:
        """Stamp the files that builds write: store, dataset, log, journal, locks and blobs."""
        look, project, graph = Look(), self._project, self._graph
        store = project.store
        for stage in graph.stages:
            for part, manifest in graph.manifests(stage.name):
                look.file(store.manifest_path(manifest.key))
                look.file(store.head_path(graph.build, stage.name, label(part)))
                for artifact in manifest.outputs.values():
                    if look.file(store.path(artifact)) != artifact.bytes:
                        raise OSError(f"{artifact.file} is truncated")
        for file in folder.installed(project.directory):
            look.file(file)
        # Beside its data, a dataset may hold other files, such as the page of `probec report`.
        look.tree(project.directory / "data")
        look.listing(store.root / "objects" / "tmp", "*")
        for path in (project.log.path, project.journal.path):
            # The write-ahead log holds transactions that the database file does not have yet.
            look.perhaps(path)
            look.perhaps(path.with_name(f"{path.name}-wal"))
        look.perhaps(project.log.path.with_name(f"{project.log.path.name}.count"))
        if project.locking:
            for each in {project.rounds.folder, project.written.folder}:
                look.tree(each)
            for lock in self._locks:
                look.file(project.rounds.path(lock))
                for name in lock.needs():
                    look.file(project.blobs.path(name))
        return look
