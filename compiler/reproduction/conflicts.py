"""Equal requests with different replies: rounds that cannot share a response log.

A sampled reply cannot be reproduced, so two builds of one spec have other replies to the same
requests, and a log holds one reply for each request.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from compiler.errors import DamagedError
from compiler.llm.messages import Reply
from compiler.llm.responses import ResponseLog
from compiler.project.place import Place
from compiler.project.slices import keys_in, replies_digest
from compiler.rounds import locks
from compiler.rounds.locks import Lock

_SHOWN = 3
_DECODER = msgspec.json.Decoder(Reply)


@dataclass
class Conflict:
    """A shared round, and those of its requests to which the log has other replies.

    `keys`: of these requests, each with its step. `locked`: the round is locked here too. `here`:
    other rounds locked here that use the log's replies. `resent`: number of the replies that
    `probec retry` replaced in the log.
    """

    lock: Lock
    locked: bool
    keys: dict[str, str] = field(default_factory=dict)
    here: tuple[Lock, ...] = ()
    resent: int = 0

    def explain(self, place: Place, log: ResponseLog) -> None:
        """Find the rounds and the retries that the log's replies belong to."""
        self.resent = len(self.keys.keys() & log.retired())
        others = [locks.read(path) for path in locks.everywhere(place.locks)]
        self.here = tuple(
            each for each in others if each.hash != self.lock.hash and self._uses(each, place)
        )

    def _uses(self, lock: Lock, place: Place) -> bool:
        lists = (place.blobs.get(use.digest) or b"" for use in lock.identity.requests.values())
        return any(not self.keys.keys().isdisjoint(keys_in(data)) for data in lists)

    def text(self, url: str) -> str:
        """Describe the conflict and its remedy."""
        identity, short = self.lock.identity, self.lock.hash[:12]
        key, step = min(self.keys.items(), key=lambda each: (each[1], each[0]))
        total, count = identity.asked.count, len(self.keys)
        used = [f"round {each.identity.round} of {each.identity.name}, {each.hash[:12]}"
                for each in self.here]  # fmt: skip
        more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
        whose = [f"those of {'; '.join(used[:_SHOWN])}{more}"] if used else []
        whose += [f"{self.resent:,} sent again by `probec retry`"] if self.resent else []
        done = "missing replies were added" if self.locked else "nothing of it was pulled"
        has = "has" if count == 1 else "have"
        return (
            f"round {identity.round} of {identity.name}, {short}, cannot share this log: "
            f"{count:,} of its {total:,} requests {has} other replies here (the first is "
            f"{key[:12]} of {step}), {', '.join(whose) or 'of no locked round'}; every reply here "
            f"was kept, {done} (pull it into a directory of its own: `probec cache pull {url} "
            f"{short} --dir DIR`)"
        )


def differing(log: ResponseLog, theirs: Mapping[str, bytes]) -> list[str]:
    """Return the request keys to which the log has another, undamaged reply.

    `theirs`: request key -> reply as JSON.

    Raises:
        DamagedError: one of these is not a reply.
    """
    found = []
    for key, text in theirs.items():
        ours = undamaged(log, key)
        if ours is not None and ours != text and _reply(ours, key) != _reply(text, key):
            found.append(key)
    return found


def undamaged(log: ResponseLog, key: str) -> bytes | None:
    """Return the JSON text of a reply in the log; None if it is missing or damaged."""
    try:
        text = log.text(key)
        if text is not None:
            _DECODER.decode(text)
    except (DamagedError, msgspec.DecodeError):
        return None
    return text


def _reply(text: bytes, key: str) -> str:
    try:
        return _DECODER.decode(text).digest()
    except msgspec.DecodeError as error:
        raise DamagedError(
            f"the reply to request {key[:12]} cannot be read: {error}",
            hint="push the round again from where it was built",
        ) from error


def others(lock: Lock, step: str, log: ResponseLog, keys: Sequence[str]) -> bool:
    """Test if the log has other replies for a step than the round was built from.

    False if replies are missing, or the lock is of a version that recorded no digest.
    """
    recorded = lock.recorded.replies.get(step)
    return recorded is not None and replies_digest(log, keys) not in (None, recorded)


def cause(log: ResponseLog, keys: Sequence[str]) -> str:
    """Explain why the log has other replies to these requests than a round was built from."""
    if log.retired().intersection(keys):
        return "replies to its requests were replaced in the log, as by `probec retry`"
    return "the log has the replies of another build to the same requests"
