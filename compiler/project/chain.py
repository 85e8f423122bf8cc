"""The rollouts of another spec as the source of a spec of probes."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec.structs import replace

from compiler.dataset.located import Located, locate
from compiler.engine.store import Store
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.rounds.locks import Rounds

_STAMP = ".installed.json"


class _Copy(msgspec.Struct, frozen=True):
    digest: str


class _Stamp(msgspec.Struct, frozen=True):
    files: dict[str, _Copy]


def located(spec: str, name: str, store: Store, known: dict[str, Json]) -> Located:
    """Find the installed rollouts of a spec; their revision is the hashes of their rounds.

    `spec`: its path, for messages; `name`: of its dataset. `known`: as for `locate`.

    Raises:
        SourceError: they are not built here, or a file is not that of a locked round.
    """
    folder = store.root / "datasets" / name
    hint = f"run `probec build {spec}`"
    try:
        stamp = (folder / _STAMP).read_bytes()
        copies = msgspec.json.decode(stamp, type=_Stamp).files
    except (OSError, msgspec.DecodeError):
        raise SourceError("these rollouts are not built here", where=spec, hint=hint) from None
    locks = Rounds(store.root / "rounds" / name).all()
    hashes = []
    files = sorted(each for each in copies if each.endswith(".parquet"))
    for index, file in enumerate(files):
        own = (
            lock.hash
            for lock in locks
            if lock.identity.round == index
            and lock.identity.outputs.get(f"publish {index}", {}).get("rows") == copies[file].digest
        )
        found = next(own, None)
        if found is None:
            raise SourceError(f"{file} is not that of a locked round", where=spec, hint=hint)
        hashes.append(found)
    source = locate(str(folder / "data"), None, Path(), known)
    return replace(source, revision=f"{name}@{','.join(hashes)}")
