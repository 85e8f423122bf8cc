"""The manifest of a published dataset, and the parts of its card that describe the publication.

Everything beyond the manifest is read from the published files, so that the card of a published
dataset can be rendered again and checked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler.dataset import subsets, tables
from compiler.dataset.rows import batches
from compiler.dataset.splits import ordered
from compiler.dataset.tables import Table
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.report import loading
from compiler.report.card import CardFacts

MANIFEST = "publication.json"
SCHEMA = 1
CONFIGS: Mapping[str, str] = {
    name: "data" if name == "default" else name for name in subsets.CONFIGS
}
"""The configurations of a published dataset, and the directory of each."""
DATA_FILE = re.compile(
    rf"({'|'.join(CONFIGS.values())})/([a-z][a-z0-9_]*)-round-[0-9]{{3,}}\.parquet"
)
"""The name of a data file: directory and split."""
_HUB = "hf://datasets/"
_SHOWN = (
    *("scope", "target", "verbalizer_prompt", "context", "atom_text", "target_response"),
    *("incorrect_plausible_answer", "bb_answer_rollout_answers", "bb_answer_rollout_scores"),
    *("band", "split_char_offset", "doc_id", "doc_source"),
)
# Characters of a text in the row that the card shows, and rows that are searched for one.
_CHARS = 200
_SEARCHED = 4096


@dataclass(frozen=True)
class StoredFile:
    """A published file."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Excluded:
    """Documents and probes that were taken out of the built dataset."""

    documents: int = 0
    probes: int = 0


@dataclass(frozen=True)
class Manifest:
    """The settings of a publication, and its files.

    `to`: the place as readers name it; "." for a directory, which may be moved. `tag`: of the last
    locked round. `rounds`: hashes by round. `splits`: shares. `files`: all but this one.
    """

    schema: int
    name: str
    to: str
    tag: str | None
    rounds: dict[str, str]
    seed: int | None
    splits: dict[str, float]
    configs: tuple[str, ...]
    excluded: Excluded
    license_name: str | None
    license_link: str | None
    files: dict[str, StoredFile]

    def encode(self) -> bytes:
        """Return the bytes of its file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


@dataclass(frozen=True)
class PublishedSplit:
    """The rows of one split of a configuration. `path`: the pattern of its files."""

    name: str
    path: str
    rows: int
    documents: int
    bytes: int


@dataclass(frozen=True)
class PublishedConfig:
    """A configuration with its splits. `download`: bytes of its files."""

    name: str
    splits: tuple[PublishedSplit, ...]
    download: int
    features: tuple[dict[str, Json], ...]

    @property
    def bytes(self) -> int:
        """Bytes of its columns before compression."""
        return sum(each.bytes for each in self.splits)


def read(folder: Path) -> Manifest | None:
    """Read the manifest of a directory; None if it is no published dataset.

    Raises:
        SourceError: it is not of this version.
    """
    path = folder / MANIFEST
    return decode(path.read_bytes(), str(path)) if path.is_file() else None


def decode(data: bytes, where: str) -> Manifest:
    """Read a manifest.

    Raises:
        SourceError: it is not of this version.
    """
    try:
        return msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise SourceError(
            f"not a manifest of this version: {error}", where=where, hint="push again"
        ) from error


def configs(files: Mapping[str, Path]) -> tuple[PublishedConfig, ...]:
    """Describe the configurations whose files these are, by name.

    Raises:
        SourceError: a data file cannot be read.
    """
    found: dict[str, dict[str, list[Table]]] = {}
    for name, path in sorted(files.items()):
        if match := DATA_FILE.fullmatch(name):
            found.setdefault(match[1], {}).setdefault(match[2], []).append(tables.read(path))
    made = []
    for name, folder in CONFIGS.items():
        splits = found.get(folder)
        if not splits:
            continue
        parts = tuple(
            PublishedSplit(
                split,
                f"{folder}/{split}-*",
                sum(each.rows for each in splits[split]),
                sum(each.documents for each in splits[split]),
                sum(each.uncompressed for each in splits[split]),
            )
            for split in ordered(splits)
        )
        every = [each for split in splits.values() for each in split]
        download = sum(each.bytes for each in every)
        made.append(PublishedConfig(name, parts, download, every[0].features))
    return tuple(made)


def describe(manifest: Manifest, files: Mapping[str, Path], facts: CardFacts) -> dict[str, object]:
    """Return what the template of a card is given about a publication.

    Raises:
        SourceError: a data file cannot be read.
    """
    found = configs(files)
    source = facts.source_path
    of_hub = source.removeprefix(_HUB).partition("@")[0].split("/")[:2]
    return {
        "manifest": manifest,
        "configs": found,
        "row": _row(files, found),
        "code": loading.code(manifest.to, manifest.tag, found[0].splits[0].name) if found else {},
        "document_columns": subsets.DOCUMENT_COLUMNS if "documents" in manifest.configs else {},
        "where": manifest.to.removeprefix(_HUB),
        "hub": manifest.to.startswith(_HUB),
        "source_datasets": ["/".join(of_hub)] if source.startswith(_HUB) else ["original"],
        "citation": re.sub(r"\W+", "-", facts.name).strip("-"),
    }


def _row(files: Mapping[str, Path], found: tuple[PublishedConfig, ...]) -> str:
    """Return one row as JSON: the first HARD one of the first file, else the first."""
    if not found:
        return "{}"
    start = found[0].splits[0].path.removesuffix("*")
    file = min(name for name in files if name.startswith(start))
    chosen: dict[str, object] = {}
    searched = 0
    for batch in batches(files[file], ("doc_id",), _SHOWN, 512):
        for row in batch.to_pylist():
            chosen = chosen or row
            if row.get("band") == "hard":
                chosen, searched = row, _SEARCHED
                break
        searched += batch.num_rows
        if searched >= _SEARCHED:
            break
    shown = {name: _clipped(chosen, name) for name in _SHOWN if name in chosen}
    return json.dumps(shown, indent=2, ensure_ascii=False)


def _clipped(row: Mapping[str, object], name: str) -> object:
    value = row[name]
    if isinstance(value, list):
        return [each if not isinstance(each, str) else _short(each) for each in value]
    if not isinstance(value, str):
        return value
    # The context of a suffix target ends at the split, and its end matters most.
    if name == "context" and row.get("target") == "suffix":
        return _short(value[::-1])[::-1]
    return _short(value)


def _short(text: str) -> str:
    return text if len(text) <= _CHARS else f"{text[: _CHARS - 1]}…"
