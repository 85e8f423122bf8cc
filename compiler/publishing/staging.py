"""The files of a publication, made from a built dataset, which stays as it is.

Data files are the build's where no split, exclusion or further configuration asks for others. The
others are written to a staging directory and reused while their inputs are the same. The card is
rendered for the place that readers load from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import structs

from compiler.checking import recount
from compiler.dataset import subsets
from compiler.dataset.parquet import Layout
from compiler.dataset.rows import batches
from compiler.dataset.splits import WHOLE, split_of
from compiler.engine.store import plain, write_atomic
from compiler.errors import SourceError
from compiler.keys import Json, digest
from compiler.probes.reasons import EXCLUDED, EXCLUSION
from compiler.publishing import exclusion, gate
from compiler.publishing.dataset import Dataset
from compiler.publishing.files import CARD, File, described
from compiler.publishing.target import Publication
from compiler.records import AuditScore, Reject
from compiler.report import card, publication
from compiler.report.card import CardFacts
from compiler.report.publication import CONFIGS, MANIFEST, Excluded, Manifest, StoredFile
from compiler.statistics.stats import Stats
from compiler.version import __version__

T = TypeVar("T")
_VERSION = 1
_INDEX = ".staged.json"
_STAGE = "push"
_TEXTS = "texts"


class _Entry(msgspec.Struct, frozen=True):
    """The files made from one data file for one configuration, and the key of their inputs."""

    key: str
    files: dict[str, StoredFile]


def stage(dataset: Dataset, to: str, notice: Callable[[str], None]) -> Publication:
    """Make the files of a publication. `to`: the place as readers name it.

    Raises:
        PublishError: a split or configuration has no rows, or a row group is too large.
        ProbecError: rows or settings cannot be read.
    """
    made = _Staging(dataset, to, notice)
    return made.publication()


@dataclass
class _Staging:
    dataset: Dataset
    to: str
    notice: Callable[[str], None]

    def __post_init__(self) -> None:
        dataset = self.dataset
        self._folder = dataset.build / "staged" / dataset.label
        self._publish = dataset.publish
        self._excluded = exclusion.read(self._publish.exclude, dataset.root)
        self._shares = self._publish.splits or WHOLE
        self._data = sorted(n for n in dataset.digests if n.endswith(".parquet"))
        self._entries: dict[str, _Entry] = {}

    @property
    def _verbatim(self) -> bool:
        """True if the rows of the configuration `default` are the build's files."""
        return not self._publish.splits and not self._excluded

    def publication(self) -> Publication:
        """Make all files."""
        made = self._tables()
        gate.stop([*self._missing(made)], self.dataset.folder)
        # Rows are counted in the staging directory, where files of earlier settings would count.
        self._clean(made)
        rejects = [*self._rejects()]
        left_out = Excluded(len({each.doc_id for each in rejects}), len(rejects))
        if unknown := len(self._excluded) - left_out.documents:
            self.notice(f"ids of {self._publish.exclude} without a built document: {unknown:,}")
        texts = self._texts(made, rejects)
        files = {**made, **texts}
        files |= self._described(files, left_out)
        gate.stop([*gate.oversized({n: f.path for n, f in made.items()})], self._folder)
        rounds = self.dataset.rounds
        hashes = ", ".join(f"{index} {hash_[:12]}" for index, hash_ in sorted(rounds.items()))
        title = f"Publish {self.dataset.name}" + (f", rounds {hashes}" if hashes else "")
        return Publication(
            self.dataset.name,
            self._folder,
            files,
            rounds,
            tuple(
                f"{CONFIGS[config]}/{split}-*"
                for config in ("default", *self._publish.configs)
                for split in self._shares
            ),
            (title, f"Pushed by probec {__version__}."),
        )

    def _tables(self) -> dict[str, File]:
        """Make the data files of every configuration."""
        index, entries = self._index(), self._entries
        found: dict[str, File] = {}
        for source in self._data:
            path = self.dataset.folder / source
            known = described(path)
            if self._verbatim:
                found[source] = known
            for config in self._configs():
                name = f"{config} of {source}"
                entries[name] = self._made(config, source, known, index.get(name))
                found |= self._of(entries[name])
        return found

    def _of(self, entry: _Entry) -> dict[str, File]:
        return {
            name: File(self._folder / name, stored.bytes, stored.sha256)
            for name, stored in entry.files.items()
        }

    def _configs(self) -> list[str]:
        first = [] if self._verbatim else ["default"]
        return [*first, *sorted(set(self._publish.configs))]

    def _index(self) -> dict[str, _Entry]:
        try:
            data = (self._folder / _INDEX).read_bytes()
            return msgspec.json.decode(data, type=dict[str, _Entry])
        except (OSError, msgspec.DecodeError):
            return {}  # only a cache: the files are written again

    def _made(self, config: str, source: str, known: File, before: _Entry | None) -> _Entry:
        """Write the files of a configuration from one data file, unless they are up to date."""
        publish, seed = self._publish, self.dataset.seed or 0
        layout = Layout(
            publish.dtypes,
            publish.row_group_rows,
            publish.compression_level,
            publish.content_defined_chunking,
        )
        shares: Json = dict(sorted(self._shares.items()))
        inputs: list[Json] = [_VERSION, known.sha256, config, shares, seed]
        key = digest("staged", [*inputs, self._taken_out(), *layout.identity()])
        if before is not None and before.key == key and self._whole(before):
            return before
        ending = Path(source).name.removeprefix("train")
        folder = self._folder / CONFIGS[config]

        def split(doc_id: str, doc_source: str) -> str | None:
            if doc_id in self._excluded:
                return None
            return split_of(self._shares, seed, doc_id, doc_source)

        written = subsets.write(
            self.dataset.folder / source,
            config,
            split,
            layout,
            lambda name: folder / f"{name}{ending}",
        )
        files = {}
        for path in written.values():
            file = described(path)
            name = path.relative_to(self._folder).as_posix()
            files[name] = StoredFile(file.bytes, file.sha256)
        return _Entry(key, files)

    def _whole(self, entry: _Entry) -> bool:
        for name, stored in entry.files.items():
            path = self._folder / name
            if not path.is_file() or described(path).sha256 != stored.sha256:
                return False
        return True

    def _missing(self, made: Mapping[str, File]) -> Iterator[str]:
        """Yield the splits and configurations without rows, which could not be loaded."""
        for name in self._shares:
            if not any(each.startswith(f"data/{name}-") for each in made):
                yield f"no document is in the split {name} (change publish.splits)"
        for name in self._publish.configs:
            if not any(each.startswith(f"{CONFIGS[name]}/") for each in made):
                yield f"the configuration {name} has no rows (leave it out of publish.configs)"

    def _rejects(self) -> Iterator[Reject]:
        """Yield a reject for every row that was taken out."""
        if not self._excluded:
            return
        columns = ("doc_id", "round_idx", "slot_idx", "scope")
        for source in self._data:
            for batch in batches(self.dataset.folder / source, columns, columns):
                for row in batch.to_pylist():
                    if row["doc_id"] in self._excluded:
                        yield Reject(
                            int(row["round_idx"]),
                            row["doc_id"],
                            int(row["slot_idx"]),
                            row["scope"],
                            _STAGE,
                            EXCLUDED,
                            "",
                        )

    def _texts(self, made: Mapping[str, File], rejects: list[Reject]) -> dict[str, File]:
        """Return the texts beside the data; rewritten if the rows are not the build's files."""
        names = sorted(self.dataset.digests.keys() - set(self._data))
        built = {name: described(self.dataset.folder / name) for name in names}
        if self._verbatim:
            return built
        inputs = {name: file.sha256 for name, file in sorted({**built, **made}.items())}
        key = digest("staged texts", [_VERSION, __version__, plain(inputs), *self._taken_out()])
        before = self._index().get(_TEXTS)
        if before is None or before.key != key or not self._whole(before):
            self._write_texts(names, rejects)
            stored = {name: described(self._folder / name) for name in names}
            files = {name: StoredFile(each.bytes, each.sha256) for name, each in stored.items()}
            before = _Entry(key, files)
        self._entries[_TEXTS] = before
        write_atomic(self._folder / _INDEX, msgspec.json.encode(self._entries))
        return self._of(before)

    def _taken_out(self) -> list[Json]:
        return [*sorted(self._excluded)]

    def _write_texts(self, names: Sequence[str], rejects: list[Reject]) -> None:
        for name in names:
            write_atomic(self._folder / name, (self.dataset.folder / name).read_bytes())
        if self._excluded:
            self._take_out(rejects)
        facts = _decoded(self._folder / "card.json", CardFacts)
        if self._excluded:
            reasons = {**facts.reasons, EXCLUDED: EXCLUSION}
            facts = structs.replace(facts, reasons=reasons)
            self._write("card.json", facts)
        stated = _decoded(self._folder / "stats.json", Stats)
        stats, stale = recount.counted(self._folder, stated)
        gate.stop([f"{each.where}: {each.recomputed}" for each in stale], self._folder)
        self._write("stats.json", stats)

    def _take_out(self, rejects: list[Reject]) -> None:
        """Remove what the texts hold of excluded documents, and add the rejects of their rows."""
        kept: list[Reject] = []
        for reject in _lines(self._folder / "rejects.jsonl", Reject):
            # The detail of a reject may quote the text.
            gone = reject.doc_id in self._excluded
            kept.append(structs.replace(reject, detail="") if gone else reject)
        self._write("rejects.jsonl", *kept, *rejects)
        audits = _lines(self._folder / "audits.jsonl", AuditScore)
        self._write("audits.jsonl", *(e for e in audits if e.doc_id not in self._excluded))

    def _described(self, files: Mapping[str, File], left_out: Excluded) -> dict[str, File]:
        """Write the manifest and the card."""
        rounds = {str(index): hash_ for index, hash_ in sorted(self.dataset.rounds.items())}
        last = max(self.dataset.rounds, default=None)
        tag = None if last is None else f"round-{last}-{self.dataset.rounds[last][:12]}"
        manifest = Manifest(
            publication.SCHEMA,
            self.dataset.name,
            self.to,
            tag,
            rounds,
            self.dataset.seed if self._publish.splits else None,
            dict(self._shares),
            tuple(sorted(set(self._publish.configs))),
            left_out,
            self._publish.license_name,
            self._publish.license_link,
            {},
        )
        made = {CARD: files[CARD]}
        if "card.json" in files and self.dataset.templates is not None:
            facts = _decoded(files["card.json"].path, CardFacts)
            stats = _decoded(files["stats.json"].path, Stats)
            paths = {name: file.path for name, file in files.items()}
            values = publication.describe(manifest, paths, facts)
            text = card.render(self.dataset.templates, stats, facts, values)
            write_atomic(self._folder / CARD, text.encode("utf-8"))
            made = {CARD: described(self._folder / CARD)}
        stored = {n: StoredFile(f.bytes, f.sha256) for n, f in sorted({**files, **made}.items())}
        write_atomic(self._folder / MANIFEST, replace(manifest, files=stored).encode())
        return {**made, MANIFEST: described(self._folder / MANIFEST)}

    def _clean(self, made: Mapping[str, File]) -> None:
        """Remove data files that earlier pushes staged."""
        used = {file.path for file in made.values()}
        for path in self._folder.rglob("*.parquet"):
            if path not in used:
                path.unlink()

    def _write(self, name: str, *records: object) -> None:
        encode = msgspec.json.encode
        if name.endswith(".jsonl"):
            data = b"".join(encode(record) + b"\n" for record in records)
        else:
            data = msgspec.json.format(encode(records[0]))
        write_atomic(self._folder / name, data)


def _lines(path: Path, kind: type[T]) -> Iterator[T]:
    decoder = msgspec.json.Decoder(kind)
    for line in path.read_bytes().splitlines() if path.is_file() else ():
        yield _checked(decoder, line, path)


def _decoded(path: Path, kind: type[T]) -> T:
    return _checked(msgspec.json.Decoder(kind), path.read_bytes(), path)


def _checked(decoder: msgspec.json.Decoder[T], data: bytes, path: Path) -> T:
    try:
        return decoder.decode(data)
    except msgspec.DecodeError as error:
        raise SourceError(
            f"not of this version: {error}", where=str(path), hint="build again"
        ) from error
