"""The states of a shard and the table of all possible transitions. Pure."""

from __future__ import annotations

from enum import StrEnum

from compiler.errors import StoreError


class State(StrEnum):
    """The state of a shard. In the states from SUBMITTING to DOWNLOADED it may cost money."""

    SEALED = "sealed"
    SUBMITTING = "submitting"
    UNKNOWN = "unknown"
    IN_PROGRESS = "in_progress"
    CANCELING = "canceling"
    OVERDUE = "overdue"
    ENDED = "ended"
    DOWNLOADED = "downloaded"
    APPLIED = "applied"
    SPLITTING = "splitting"
    SPLIT = "split"
    LOST = "lost"
    DISCARDED = "discarded"


class Event(StrEnum):
    """An event that changes the state of a shard."""

    INTENT = "intent"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TOO_LARGE = "too_large"
    SPLIT = "split"
    UNCERTAIN = "uncertain"
    ADOPTED = "adopted"
    NOT_THERE = "not_there"
    CANCEL_SENT = "cancel_sent"
    LATE = "late"
    ENDED = "ended"
    FOREIGN = "foreign"
    GONE = "gone"
    DISCARDED = "discarded"
    DOWNLOADED = "downloaded"
    MISLAID = "mislaid"
    APPLIED = "applied"


# An intent without a response (a crash) leaves a shard as uncertain as a lost response does.
_TABLE: dict[tuple[State, Event], State] = {
    (State.SEALED, Event.INTENT): State.SUBMITTING,
    # Certainly not with the server.
    (State.SEALED, Event.DISCARDED): State.DISCARDED,
    (State.SPLITTING, Event.DISCARDED): State.DISCARDED,
    (State.SUBMITTING, Event.ACCEPTED): State.IN_PROGRESS,
    (State.SUBMITTING, Event.REFUSED): State.SEALED,
    (State.SUBMITTING, Event.TOO_LARGE): State.SPLITTING,
    (State.SPLITTING, Event.SPLIT): State.SPLIT,
    (State.SUBMITTING, Event.UNCERTAIN): State.UNKNOWN,
    (State.UNKNOWN, Event.ADOPTED): State.IN_PROGRESS,
    (State.UNKNOWN, Event.NOT_THERE): State.SEALED,
    (State.IN_PROGRESS, Event.CANCEL_SENT): State.CANCELING,
    (State.IN_PROGRESS, Event.LATE): State.OVERDUE,
    (State.OVERDUE, Event.CANCEL_SENT): State.CANCELING,
    (State.ENDED, Event.GONE): State.LOST,
    (State.ENDED, Event.DOWNLOADED): State.DOWNLOADED,
    (State.DOWNLOADED, Event.APPLIED): State.APPLIED,
    # The local file is gone; the server still has the results.
    (State.DOWNLOADED, Event.MISLAID): State.ENDED,
    **{
        (state, Event.ENDED): State.ENDED
        for state in (State.IN_PROGRESS, State.CANCELING, State.OVERDUE)
    },
    # A batch that the server no longer knows cannot be recovered.
    **{
        (state, Event.GONE): State.LOST
        for state in (State.IN_PROGRESS, State.CANCELING, State.OVERDUE)
    },
    # Only results prove whose batch was adopted.
    (State.ENDED, Event.FOREIGN): State.UNKNOWN,
}

WAITING = (State.IN_PROGRESS, State.CANCELING, State.OVERDUE)
FINISHED = (State.APPLIED, State.SPLIT, State.LOST, State.DISCARDED)
OPEN = tuple(state for state in State if state not in FINISHED)
# States in which the server has, or may have, the requests.
SENT = (State.SUBMITTING, State.UNKNOWN, *WAITING, State.ENDED, State.DOWNLOADED)


def after(state: State, event: Event) -> State:
    """Return the state that an event leads to.

    Raises:
        StoreError: the event is impossible in this state.
    """
    found = _TABLE.get((state, event))
    if found is None:
        raise StoreError(
            f"the event {event.value!r} is impossible for a batch in the state {state.value!r}",
            hint="the batch journal is damaged, or this is a bug in probec: please report it",
        )
    return found
