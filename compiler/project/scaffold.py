"""The files of a new project: a spec for a source of rollouts, the prompts, and a .gitignore."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compiler import shipped
from compiler.dataset import formats, mapping, sources
from compiler.dataset.located import Located, local_files
from compiler.dataset.source_columns import ColumnNames
from compiler.embedded import MODEL
from compiler.errors import SpecError, UsageError
from compiler.project import opening, problems
from compiler.project.variant import Variant
from compiler.templating.prompts import Library, render

TEMPLATE = "spec.yaml.j2"
UNKNOWN = "unknown"
NEEDED = (
    "a source has an id, a prefix, and what a model wrote after it, in one row per continuation "
    "with the same id in all rows of a prefix, or in one row per prefix with a list"
)
_TEXTS = ("text", "content", "document", "body")
_IGNORED = b"build/*\n!build/rounds/\n.probec/\n"
_HEAD = 200
# Documents of the first round, with which a first build takes a minute.
_FIRST = 100
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_WORDS = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"}
_MODEL_COLUMNS = ("source_model", "model", "model_name", "generator")


@dataclass(frozen=True)
class Source:
    """A local source with its first rows, each with all columns."""

    path: str
    files: tuple[str, ...]
    rows: list[dict[str, object]]

    @property
    def columns(self) -> list[str]:
        """The names of its columns."""
        return [*mapping.kinds(self.rows)]

    def lacking(self, keys: Sequence[str]) -> str:
        """Explain that there is no column for some keys of `source.columns`."""
        texts = [name for name in self.columns if name.lower() in _TEXTS]
        message = f"no column for {', '.join(keys)} (has: {', '.join(self.columns)}); {NEEDED}"
        if texts and "continuation" in keys:
            message += f"; with {texts[0]!r} alone, have the model continue the start of each first"
        return message

    @property
    def model(self) -> str | None:
        """The model that every row names; None without one."""
        for column in _MODEL_COLUMNS:
            values = {str(row.get(column)) for row in self.rows if row.get(column)}
            if len(values) == 1:
                return values.pop()
        return None


@dataclass(frozen=True)
class Draft:
    """The values of a new spec. `columns`: names of source columns by key of `source.columns`."""

    name: str
    columns: Mapping[str, str]
    model: str
    tokenizer: str
    license: str


@dataclass(frozen=True)
class Made:
    """A new project. `spec`: its path; `skipped`: describes rows of the source without use.

    `written`, `kept`: paths from the root of files that were written, and of those that existed.
    """

    spec: Path
    documents: int
    docs: int
    skipped: str
    written: tuple[str, ...]
    kept: tuple[str, ...]


def source(path: str) -> Source:
    """Read the first rows of a local source.

    Raises:
        UsageError: it is a URL, or has no rows.
        SourceError: it cannot be read.
    """
    if "://" in path:
        raise UsageError(
            "only a local source can be inspected",
            where=path,
            hint="download a part of it, and set source.path to the URL afterwards",
        )
    files = tuple(str(file) for file in local_files(path, Path.cwd()))
    rows = [row for file in files[:1] for row in formats.head(file, _HEAD)]
    if not rows:
        raise UsageError("the source has no rows", where=path, hint=NEEDED)
    return Source(os.path.abspath(path), files, rows)


def name_of(path: str) -> str:
    """Return the name of a dataset made from a source."""
    stem = Path(path).name
    for suffix in (".gz", ".zst", ".parquet", ".jsonl", ".ndjson", ".arrow"):
        stem = stem.removesuffix(suffix)
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:80] or "probes"


def spec_path(name: str) -> str:
    """Return the path of a spec from the root of its project."""
    return f"specs/{name}.yaml"


def existing(root: Path, name: str) -> list[str]:
    """List the files of a new spec of this name that exist already."""
    return summary(path for path in _wanted(name) if (root / path).exists())


def summary(paths: Iterable[str]) -> list[str]:
    """List paths, with those below prompts/ counted."""
    paths = [*paths]
    prompts = [path for path in paths if path.startswith("prompts/")]
    others = [path for path in paths if not path.startswith("prompts/")]
    counted = f"prompts/ ({len(prompts)} file{'s' * (len(prompts) != 1)})"
    return [*others, *([counted] if prompts else [])]


def make(root: Path, found: Source, draft: Draft) -> Made:
    """Write a project for a source; all of its files that do not exist, or none.

    Raises:
        UsageError: the source has no usable document.
        SpecError: the spec would have problems, such as a tokenizer that does not exist.
    """
    roles = (role for role in ColumnNames.__struct_fields__ if role != "lenient")
    chosen = {role: draft.columns.get(role) for role in roles}
    names = ColumnNames(**chosen)  # pyrefly: ignore[bad-argument-type]
    documents, skipped = sources.count_documents(Located(found.path, found.files, "", None), names)
    if documents == 0:
        raise UsageError(f"no usable document: {skipped}", where=found.path, hint=NEEDED)
    docs = min(documents, _FIRST)
    top = Path(os.path.abspath(root))
    place = Path(found.path)
    path = str(place.relative_to(top)) if place.is_relative_to(top) else str(place)
    values = {
        "summary": f"Probes of {json.dumps(place.name)[1:-1]}, by the defaults of probec.",
        "name": _scalar(draft.name),
        "path": _scalar(path),
        "model": _scalar(draft.model),
        "tokenizer": _scalar(draft.tokenizer),
        "columns": "{" + ", ".join(f"{k}: {_scalar(v)}" for k, v in chosen.items()) + "}",
        "docs": docs,
        "documents": documents,
        "embedded": MODEL,
        "license": _scalar(draft.license),
    }
    text = render(Library(shipped.FOLDER / "templates").template(TEMPLATE), values) + "\n"
    spec = top / spec_path(draft.name)
    with _placed(top, {**_wanted(draft.name), spec_path(draft.name): text.encode()}) as written:
        read = opening.draft(Variant(spec))
        wrong = [*problems.find(read), *problems.source(read, scaled=False)]
        if wrong:
            raise SpecError(wrong)
    kept = [path for path in _wanted(draft.name) if path not in written]
    return Made(root / spec_path(draft.name), documents, docs, skipped, tuple(written), tuple(kept))


def _wanted(name: str) -> dict[str, bytes]:
    """Return the files of a project by path, the spec without its text."""
    prompts = sorted(path for path in (shipped.FOLDER / "prompts").rglob("*.j2"))
    copies = {path.relative_to(shipped.FOLDER).as_posix(): path.read_bytes() for path in prompts}
    return {spec_path(name): b"", **copies, ".gitignore": _IGNORED}


@contextmanager
def _placed(root: Path, files: Mapping[str, bytes]) -> Iterator[list[str]]:
    """Write the files that do not exist; remove them again if this or the block fails."""
    made: list[Path] = []
    written: list[str] = []
    try:
        for name, data in files.items():
            path = root / name
            if not path.exists():
                folders = [each for each in reversed(path.parents) if not each.exists()]
                for folder in folders:
                    made.append(folder)
                    folder.mkdir()
                made.append(path)
                with path.open("xb") as file:
                    file.write(data)
                written.append(name)
        yield written
    except BaseException:
        for path in reversed(made):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink(missing_ok=True)
        raise


def _scalar(value: str | None) -> str:
    """Format a value for a flow mapping of YAML."""
    if value is None:
        return "null"
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
