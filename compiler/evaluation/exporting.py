"""A dataset in the format of another tool, with a manifest beside its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from msgspec import Struct

from compiler.dataset.splits import ordered, split_of
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.evaluation.exports import FORMATS
from compiler.evaluation.exports.format import Material
from compiler.evaluation.items import Item, Selection
from compiler.evaluation.questions import Places, stated
from compiler.evaluation.subject import Subject
from compiler.keys import bytes_digest
from compiler.templating.prompts import Library

KIND = "probec-export/1"
MANIFEST = "export.json"
_ALL = "probes"


class File(Struct, frozen=True):
    """One file of an export. `sha256`: of its bytes."""

    name: str
    bytes: int
    sha256: str


class Manifest(Struct, frozen=True):
    """The file `export.json`. `rows`: number of probes by split."""

    kind: str
    format: str
    name: str
    dataset: str
    selection: dict[str, list[str] | int]
    splits: dict[str, float]
    seed: int | None
    tokenizer: str | None
    layers: tuple[int, ...]
    rows: dict[str, int]
    files: tuple[File, ...]


@dataclass(frozen=True)
class Options:
    """The choices of a user. `shares`: of documents by split, empty for one file of all probes."""

    to: str
    selection: Selection
    shares: Mapping[str, float]
    seed: int | None
    places: Places | None
    layers: tuple[int, ...]


def exported(subject: Subject, options: Options, templates: Library) -> Mapping[str, bytes]:
    """Return the files of an export by name, the manifest last.

    Raises:
        UsageError: a training format has no splits, or the options lack what the format needs.
    """
    form = FORMATS[options.to]
    if form.training and not options.shares:
        raise UsageError(
            f"{options.to} is for training, and training rows must not be those of the evaluation",
            hint="add --splits, such as train=0.9,test=0.1: documents are split, never probes",
        )
    if form.tokens and (options.places is None or not options.layers):
        raise UsageError(
            f"{options.to} names the hidden state by tokens and layers",
            hint="add --layers, such as 9,18,27, and --tokens or --tokenizer NAME",
        )
    items = options.selection.of(subject.items)
    splits = _split(items, options)
    material = Material(subject, splits, templates, options.places, options.layers)
    files = dict(form.write(material))
    manifest = Manifest(
        KIND,
        options.to,
        subject.name,
        subject.digest,
        stated(options.selection),
        dict(options.shares),
        options.seed,
        options.places.tokenizer.identity if options.places is not None else None,
        options.layers,
        {name: len(own) for name, own in splits.items()},
        tuple(File(name, len(data), bytes_digest(data)) for name, data in files.items()),
    )
    return {**files, MANIFEST: msgspec.json.format(msgspec.json.encode(manifest))}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files of an export.

    Raises:
        UsageError: the directory holds other files.
    """
    if folder.is_dir():
        others = {path.name for path in folder.iterdir()} - files.keys()
        if others:
            raise UsageError(
                f"the directory holds other files, such as {min(others)}",
                where=str(folder),
                hint="name a new directory with --out",
            )
    for name, data in files.items():
        write_atomic(folder / name, data, "--out")


def _split(items: Sequence[Item], options: Options) -> dict[str, list[Item]]:
    if not options.shares:
        return {_ALL: [*items]}
    seed = options.seed
    if seed is None:
        raise UsageError(
            "splits are drawn by the seed of the spec", hint="name it with --spec, or add --seed N"
        )
    found: dict[str, list[Item]] = {name: [] for name in ordered(options.shares)}
    for item in items:
        found[split_of(options.shares, seed, item.doc_id, item.doc_source)].append(item)
    return {name: own for name, own in found.items() if own}
