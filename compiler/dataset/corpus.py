"""The reader of a corpus, which yields its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from tempfile import TemporaryFile

from compiler.dataset import formats, texts
from compiler.dataset.formats import Spool
from compiler.dataset.located import Located
from compiler.dataset.source_columns import CorpusNames, Names
from compiler.dataset.texts import Unread
from compiler.errors import SourceError
from compiler.keys import text_digest
from compiler.records import Skip
from compiler.rollouts.rows import CorpusText


@dataclass
class Texts:
    """The usable texts of a corpus in the order of its rows. Iterate once, then read `skips`.

    `where`: the allowed values of columns. `copies`: opens an empty file for the copy of a table.
    """

    located: Located
    columns: CorpusNames
    where: Mapping[str, tuple[str, ...]]
    min_chars: int
    skips: list[Skip] = field(default_factory=list)
    copies: Spool = TemporaryFile

    def __iter__(self) -> Iterator[CorpusText]:
        """Yield the texts.

        Raises:
            SourceError: an id has two texts, or no text is usable.
            ChangedError: a file does not have the content that the corpus's digest states.
        """
        known: dict[str, str] = {}
        seen: set[str] = set()
        # A class variable can be read like a property.
        columns: Names = self.columns  # pyrefly: ignore[bad-assignment]
        for place, row in formats.rows(self.located, columns, self.copies):
            found = self._text(row)
            if isinstance(found, Skip):
                self.skips.append(found)
                continue
            content = text_digest(found.text)
            if known.setdefault(found.doc_id, content) != content:
                raise SourceError(
                    f"the id {found.doc_id!r} has two different texts",
                    where=place,
                    hint="give each text its own id, or map another column with "
                    "corpus.columns.doc_id",
                )
            if content in seen:
                self.skips.append(Skip("row_duplicate", chars=len(found.text)))
                continue
            seen.add(content)
            yield found
        if not seen:
            reasons = ", ".join(sorted({skip.reason for skip in self.skips})) or "no rows"
            raise SourceError(
                f"the corpus has no usable text ({reasons})",
                where=self.located.path,
                hint="see corpus.columns, corpus.where and corpus.min_chars",
            )

    def _text(self, row: Mapping[str, object]) -> CorpusText | Skip:
        """Return the text of a row, or the reason to skip it."""
        names = self.columns
        for column, allowed in self.where.items():
            value = row[column]
            shown = str(value).lower() if isinstance(value, bool) else texts.name(value)
            if shown not in allowed:
                return Skip("row_where", f"{column!r} is not one of {', '.join(allowed)}")
        doc_id, text = texts.name(row[names.doc_id]), texts.text(row[names.text])
        source = None if names.doc_source is None else texts.name(row[names.doc_source])
        for column, value in ((names.doc_id, doc_id), (names.text, text)):
            if value is None or value == "":
                return Skip("row_null", f"{column!r} is {'null' if value is None else 'empty'}")
        values = (doc_id, source if source not in (None, texts.NAN) else "", text)
        for value in values:
            if isinstance(value, Unread):
                return Skip("row_type", f"a value is {value.kind}")
        found = CorpusText(*map(str, values))
        if not all(_encodes(part) for part in (found.doc_id, found.doc_source, found.text)):
            return Skip("row_surrogate")
        if not found.text.strip():
            return Skip("row_blank", f"{names.text!r} is only whitespace")
        if len(found.text) < self.min_chars:
            return Skip("row_short", chars=len(found.text))
        return found


def _encodes(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
