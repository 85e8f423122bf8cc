"""A built dataset that is about to be pushed: its directory, its rounds and its settings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compiler.building import finished, folder
from compiler.errors import UsageError, nearest_file
from compiler.project import place
from compiler.project.variant import Variant
from compiler.report.card import TEMPLATE
from compiler.rounds.locks import Rounds
from compiler.spec.model import Publish
from compiler.spec.rollouts import RolloutsPublish
from compiler.templating.prompts import Library

_ROUND = re.compile(r"data/train-round-([0-9]{3,})\.parquet")


@dataclass(frozen=True)
class Dataset:
    """An installed dataset.

    `digests`: content digests of its files by name; `sums`: the SHA-256 of data files, as far as
    known; `rounds`: hashes of locked rounds. `build`: the directory for receipts and staged files.
    `root`: where relative paths of `publish` start. `seed`: None without a spec. `command`: the one
    that installs the dataset.
    """

    name: str
    folder: Path
    build: Path
    root: Path
    templates: Library | None
    digests: Mapping[str, str]
    sums: Mapping[str, str]
    rounds: Mapping[int, str]
    publish: Publish
    seed: int | None
    command: str

    @property
    def label(self) -> str:
        """The name of its directory, which a variant does not share with its spec."""
        return self.folder.name


def of_spec(variant: Variant) -> Dataset:
    """Return the finished build of a spec.

    Raises:
        StoreError: it is not built, or not up to date.
    """
    found = finished.build(variant)
    project = found.project
    if folder.origin(found.directory) is None:
        found.require_installed()
    digests = folder.contents(found.directory)
    expected = folder.released(found.graph)
    sums = {name: each.sha256 for name, each in expected.items() if each.sha256}
    rounds, _ = _locked(project.rounds, digests) if project.locking else ({}, {})
    return Dataset(
        project.declared.name,
        found.directory,
        project.store.root,
        project.root,
        found.templates,
        {name: each.digest for name, each in expected.items()},
        sums,
        rounds,
        _settings(project.declared.publish),
        project.declared.seed,
        project.command,
    )


def _settings(publish: Publish | RolloutsPublish) -> Publish:
    """Return the settings of a push; rollouts have no splits, exclusions and configurations."""
    return publish if isinstance(publish, Publish) else Publish(**publish.model_dump())


def of_directory(path: Path, build: Path | None) -> Dataset:
    """Return the dataset installed in a directory, with the settings of no spec.

    `build`: the build directory, if the dataset is not in one.

    Raises:
        StoreError: no build installed it.
        UsageError: it is the directory of no dataset.
    """
    root = path.resolve()
    if not root.is_dir():
        hint = f"{nearest_file(path)}name a spec or a dataset"
        raise UsageError("no such directory", where=str(path), hint=hint)
    digests = folder.contents(root)
    if build is None:
        build = root.parent.parent if root.parent.name == "datasets" else root.parent
    rounds, sums = _locked(Rounds(build / "rounds" / root.name), digests)
    return Dataset(
        root.name,
        root,
        build,
        Path.cwd(),
        place.templates(root, TEMPLATE),
        digests,
        sums,
        rounds,
        Publish(),
        None,
        folder.origin(root) or "probec build",
    )


def _locked(rounds: Rounds, digests: Mapping[str, str]) -> tuple[dict[int, str], dict[str, str]]:
    """Return the hashes of rounds whose rows are installed, and the SHA-256 of their files."""
    hashes: dict[int, str] = {}
    sums: dict[str, str] = {}
    installed = {int(m[1]): name for name in digests if (m := _ROUND.fullmatch(name))}
    for lock in rounds.all():
        index = lock.identity.round
        rows = lock.identity.outputs.get(f"publish {index}", {}).get("rows")
        name = installed.get(index)
        if name is None or rows is None or digests[name] != rows:
            continue
        hashes[index] = lock.hash
        for file, sha256 in lock.recorded.files.items():
            if Path(file).stem == rows:
                sums[name] = sha256
    return hashes, sums
