"""Where the local work of a build runs, as a command line says. Loads nothing."""

from __future__ import annotations

from dataclasses import dataclass

# Documents from which on workers are worth their start-up time.
FEW_DOCUMENTS = 2048


@dataclass(frozen=True)
class Workers:
    """Where the local work runs, as the command line says.

    `jobs`: worker processes, or steps at once on a cluster; None for the default. `cluster`: the
    address of a Ray cluster, or `local`. `exchange`: a URL through which its machines get files.
    """

    jobs: int | None = None
    cluster: str | None = None
    exchange: str | None = None
