"""Chunks of replies at a shared URL, and the numbers of what is transferred."""

from __future__ import annotations

from dataclasses import dataclass, field

from compiler.engine.remote import Remote
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest
from compiler.llm.responses import ResponseLog
from compiler.reproduction.conflicts import Conflict, differing, undamaged
from compiler.rounds.blobs import unpack


@dataclass
class Moved:
    """The result of a transfer.

    `files`, `bytes`: transferred; `there`: files already present; `replies`, `known`: new replies,
    and those already in the log; `mended`: damaged replies replaced; `rounds`: hashes;
    `conflicts`: rounds whose replies contradict the log.
    """

    files: int = 0
    bytes: int = 0
    there: int = 0
    replies: int = 0
    known: int = 0
    mended: int = 0
    rounds: list[str] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A chunk of replies: its name, and the number of consecutive request keys that it answers."""

    name: str
    keys: int


@dataclass
class Pulled:
    """A chunk of replies at the URL, which is transferred at most once, and its request keys."""

    remote: Remote
    chunk: Chunk
    keys: list[str]
    _replies: dict[str, bytes] | None = None

    def is_here(self, log: ResponseLog) -> bool:
        """Test if the log has these very replies, which needs no transfer."""
        lines = []
        for key in self.keys:
            text = undamaged(log, key)
            if text is None:
                return False
            lines.append(line(key, text))
        return bytes_digest(b"".join(lines)) == self.chunk.name

    def differing(self, log: ResponseLog, moved: Moved) -> list[str]:
        """Return the keys to which the log has other replies."""
        have = {key for key in self.keys if key in log}
        if not have:
            return []
        # Kept, so that the chunk is not transferred again.
        self._replies = self._fetch(moved)
        return differing(log, {key: self._replies[key] for key in self.keys if key in have})

    def adopt(self, log: ResponseLog, moved: Moved) -> None:
        """Store the replies that the log lacks, or has damaged; the others stay."""
        replies = self._replies if self._replies is not None else self._fetch(moved)
        damaged = [key for key in self.keys if key in log and undamaged(log, key) is None]
        # A damaged reply is kept aside, never deleted.
        moved.mended += log.retire(damaged)
        for key, text in replies.items():
            new = log.adopt(key, text)
            moved.replies += new
            moved.known += not new
        log.commit()

    def _fetch(self, moved: Moved) -> dict[str, bytes]:
        data = fetched(self.remote, self.chunk.name, moved)
        lines = data.split(b"\n")[:-1]
        replies = [line.partition(b" ")[::2] for line in lines]
        if [key.decode("ascii", "replace") for key, _ in replies] != self.keys:
            raise DamagedError(
                "a chunk has replies to other requests than the round's",
                where=f"{self.remote.url}/chunks/{self.chunk.name}",
                hint="push the round again from where it was built",
            )
        return dict(zip(self.keys, (text for _, text in replies), strict=True))


def line(key: str, text: bytes) -> bytes:
    """Return the line of a reply in a chunk."""
    return key.encode("ascii") + b" " + text + b"\n"


def there(remote: Remote, name: str) -> bytes:
    """Return the content of a file at a URL.

    Raises:
        StoreError: it does not exist.
    """
    data = remote.get(name)
    if data is None:
        raise StoreError(
            "not there: the round is not pushed completely",
            where=f"{remote.url}/{name}",
            hint="push the round again from where it was built",
        )
    return data


def fetched(remote: Remote, name: str, moved: Moved) -> bytes:
    """Fetch the content of a chunk or blob, whose name is its SHA-256.

    Raises:
        DamagedError: it has another digest.
    """
    packed = there(remote, f"chunks/{name}")
    moved.files += 1
    moved.bytes += len(packed)
    try:
        return unpack(packed, name, f"{remote.url}/chunks/{name}")
    except DamagedError as error:
        error.hint = "it was not stored; delete that file there and push the round again"
        raise
