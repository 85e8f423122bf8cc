"""A directory or fsspec URL that a dataset is pushed to.

Files arrive one by one, and the manifest last: a reader who finds every file as it states has a
complete dataset. A list of the files that have arrived lies beside them, so that after an
interruption only the missing ones are sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from compiler.engine.remote import Remote
from compiler.errors import PublishError
from compiler.keys import bytes_digest
from compiler.publishing.files import CARD, Changes, There
from compiler.publishing.target import Publication, Sent, State
from compiler.report import publication as manifests
from compiler.report.publication import CONFIGS, MANIFEST, StoredFile

_ARRIVED = ".arrived.json"


@dataclass
class Directory:
    """A directory or URL."""

    url: str
    notice: Callable[[str], None]
    _arrived: dict[str, StoredFile] = field(default_factory=dict)
    _began: bool = False

    def read(self) -> State:
        """Read the manifest, and which files are there.

        Raises:
            PublishError: the place is not empty, and no push wrote it.
            StoreError: it cannot be read.
        """
        remote = Remote(self.url)
        sizes = remote.sizes("")
        for folder in CONFIGS.values():
            sizes |= {f"{folder}/{name}": size for name, size in remote.sizes(folder).items()}
        stated = remote.get(MANIFEST)
        arrived = remote.get(_ARRIVED)
        if stated is None and arrived is None and sizes:
            raise PublishError(
                f"not empty, and no push wrote it: it has {min(sizes)}",
                where=self.url,
                hint="name a new directory",
            )
        if arrived is not None:
            self._began = True
            self._arrived = msgspec.json.decode(arrived, type=dict[str, StoredFile])
        known = dict(self._arrived)
        if stated is not None:
            known = {**manifests.decode(stated, f"{self.url}/{MANIFEST}").files, **known}
            known[MANIFEST] = StoredFile(len(stated), bytes_digest(stated))
        there = {
            name: There(size, each.sha256 if each and each.bytes == size else "-")
            for name, size in sizes.items()
            for each in (known.get(name),)
        }
        there.pop(_ARRIVED, None)
        return State(there, None, () if there else (f"creates {self.url}",))

    def refuse(self, publication: Publication, state: State) -> None:
        """Accept any: a directory has no tags."""

    def send(self, publication: Publication, changes: Changes, state: State) -> Sent:
        """Send the data, delete what is stale, and write card and manifest last.

        Raises:
            StoreError: a transfer failed.
        """
        remote = Remote(self.url)
        if changes.any:
            remote.put(_ARRIVED, msgspec.json.encode(self._arrived))
            self._began = True
        names = [name for name in changes.sent if name not in (CARD, MANIFEST)]
        for place, name in enumerate(names, 1):
            self._send(remote, publication, name)
            self.notice(f"{place} of {len(changes.sent)} files sent: {name}")
        for name in changes.deleted:
            remote.discard(name)
        for name in (CARD, MANIFEST):
            if name in changes.sent:
                self._send(remote, publication, name)
        if self._began:
            remote.discard(_ARRIVED)
        return Sent()

    def _send(self, remote: Remote, publication: Publication, name: str) -> None:
        file = publication.files[name]
        remote.send(name, file.path)
        self._arrived[name] = StoredFile(file.bytes, file.sha256)
        remote.put(_ARRIVED, msgspec.json.encode(self._arrived))
