"""The command-line options for workers. Imports nothing heavy, as every command line loads it."""

from __future__ import annotations

from dataclasses import dataclass

# Number of documents from which workers repay their start-up time.
FEW_DOCUMENTS = 2048


@dataclass(frozen=True)
class Workers:
    """The workers for the local stages.

    `jobs`: number of worker processes, or of steps at once on a cluster; None for the default.
    `cluster`: address of a Ray cluster, or "local". `exchange`: URL through which files reach
    machines without shared storage.
    """

    jobs: int | None = None
    cluster: str | None = None
    exchange: str | None = None
