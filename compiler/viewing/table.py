"""The rows of a dataset as a table in memory, without the texts that only one document needs.

A document's rows are read from its parquet file when it is opened.
"""

from __future__ import annotations

import atexit
import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, cast

from compiler.dataset.rows import REQUIRED, PublishedRow, require
from compiler.dataset.rows import names as column_names
from compiler.errors import UsageError
from compiler.report.sample import ShownRecord, record
from compiler.viewing.selection import EQUAL, PAGE, Selection

if TYPE_CHECKING:
    import duckdb

BINS = 10
"""Bars of the histogram of maximum scores, of equal width over [0, 1]."""
_MAX, _ALL = "bb_answer_score_max", "bb_answer_rollout_scores"
_OPTIONAL = {
    "probe_id": "VARCHAR",
    "round_idx": "BIGINT",
    "target_response": "VARCHAR",
    "flags": "VARCHAR[]",
    "doc_source": "VARCHAR",
    "score_status": "VARCHAR",
    _MAX: "DOUBLE",
}


@dataclass(frozen=True)
class Beside:
    """Scores to show beside those of the dataset. `kind`: `rows` of a build, or a `method`."""

    name: str
    files: tuple[Path, ...]
    kind: str


@dataclass(frozen=True)
class Listed:
    """One row of the list. `beside`: the score by name, of what stands beside."""

    id: str
    doc_id: str
    scope: str
    target: str
    round: int
    band: str | None
    score: float | None
    question: str
    atom: str
    beside: dict[str, float]


class Table:
    """The rows of parquet files, with what stands beside them. Threads may share it.

    `bands`: (hard, easy), the thresholds of the bands.
    """

    def __init__(
        self, files: Sequence[Path], bands: tuple[float, float], beside: Sequence[Beside] = ()
    ) -> None:
        """Read the columns that the list and its filters need.

        Raises:
            SourceError: a file is no parquet, or is no table of probes.
            UsageError: no probe has a score beside, or the extra `view` is not installed.
        """
        self._files, self._bands = [*files], bands
        self._names = [each.name for each in beside]
        self._opening = Lock()
        self._db = _connect()
        have: set[str] = set()
        for file in files:
            found = column_names(file)
            require(found, REQUIRED, file)
            have |= set(found)
        self._load(have)
        self._load_beside(beside)

    def _load(self, have: set[str]) -> None:
        column = {
            name: name if name in have else f"NULL::{kind}" for name, kind in _OPTIONAL.items()
        }
        if _MAX not in have and _ALL in have:
            column[_MAX] = f"list_max({_ALL})"
        hard, easy = self._bands
        self._db.execute(
            f"""CREATE TABLE read AS SELECT
                list_position($files, filename) - 1 AS file, file_row_number AS row_in_file,
                coalesce({column["probe_id"]}, 'row-' || file || '-' || row_in_file) AS id,
                doc_id, {column["doc_source"]} AS doc_source, scope, target,
                coalesce({column["round_idx"]}, 0)::BIGINT AS round,
                {column[_MAX]} AS score, {column["score_status"]} AS status,
                verbalizer_prompt AS question, atom_text AS atom,
                coalesce({column["flags"]}, []) AS flags,
                lower(concat_ws(chr(10), verbalizer_prompt, atom_text, {column["target_response"]},
                    doc_id, {column["doc_source"]}, {column["probe_id"]})) AS words
            FROM read_parquet($files, filename=true, file_row_number=true, union_by_name=true)""",
            {"files": [str(file) for file in self._files]},
        )
        self._db.execute(
            """CREATE TABLE probes AS SELECT *,
                row_number() OVER (ORDER BY file, row_in_file) AS place,
                CASE WHEN score IS NULL THEN NULL WHEN score < $hard THEN 'hard'
                    WHEN score >= $easy THEN 'easy' ELSE 'middle' END AS band
            FROM read ORDER BY file, row_in_file""",
            {"hard": hard, "easy": easy},
        )
        self._db.execute("DROP TABLE read")

    def _load_beside(self, beside: Sequence[Beside]) -> None:
        self._db.execute("CREATE TABLE beside (name VARCHAR, id VARCHAR, score DOUBLE)")
        for each in beside:
            files = [str(file) for file in each.files]
            for file in each.files if each.kind == "rows" else ():
                require(column_names(file), ("probe_id", _MAX), file)
            chosen = (
                f"SELECT $name, probe_id, {_MAX} FROM read_parquet($files, union_by_name=true)"
                if each.kind == "rows"
                else "SELECT $name, probe_id, avg(score) FROM read_parquet($files) WHERE "
                "kind = 'method' AND method = $name AND control = '' AND sample = -1 GROUP BY ALL"
            )
            self._db.execute(
                f"INSERT INTO beside SELECT * FROM ({chosen}) AS own(name, id, score) "
                "WHERE score IS NOT NULL AND id IN (SELECT id FROM probes)",
                {"name": each.name, "files": files},
            )
            count = self._one("SELECT count(*) FROM beside WHERE name = ?", [each.name])
            if not count:
                raise UsageError(
                    f"no probe of this dataset has a score there: {each.name}",
                    hint="name a build of the same documents, or an evaluation of this dataset",
                )
        hard, easy = self._bands
        # The first of those beside is compared: the others are only shown.
        compared = (self._names or [""])[0].replace("'", "''")
        self._db.execute(
            f"""CREATE VIEW shown AS SELECT probes.*, other.score - probes.score AS gain,
                coalesce(probes.band <> CASE WHEN other.score < {hard!r} THEN 'hard'
                    WHEN other.score >= {easy!r} THEN 'easy' ELSE 'middle' END, false) AS changed
            FROM probes LEFT JOIN (SELECT id, score FROM beside WHERE name = '{compared}') AS other
                USING (id)"""
        )

    def _rows(self, query: str, values: object = None) -> list[tuple[object, ...]]:
        # A cursor is a connection of its own to the same tables.
        with self._opening:
            cursor = self._db.cursor()
        found: list[tuple[object, ...]] = cursor.execute(query, values).fetchall()
        return found

    def _one(self, query: str, values: object = None) -> object:
        return self._rows(query, values)[0][0]

    def page(self, wanted: Selection) -> list[Listed]:
        """Return one page of the rows of a selection."""
        where, values = wanted.where()
        found = self._rows(
            "SELECT id, doc_id, scope, target, round, band, score, left(question, 240), "
            f"left(atom, 160) FROM shown WHERE {where} ORDER BY {wanted.by} "
            f"LIMIT {PAGE} OFFSET {wanted.offset}",
            values,
        )
        others: dict[object, dict[str, float]] = {}
        for name, probe, score in self._rows(
            "SELECT name, id, score FROM beside WHERE list_contains(?, id)",
            [[row[0] for row in found]],
        ):
            others.setdefault(probe, {})[str(name)] = float(str(score))
        return [Listed(*cast(Any, (*row, others.get(row[0], {})))) for row in found]

    def facets(self, wanted: Selection) -> dict[str, object]:
        """Count the rows of a selection, by each filter with that filter left out.

        Returns:
            `total`, `documents`, `unscored`; `histogram`: rows by bar of the maximum score; by
            filter, (value, rows).
        """
        where, values = wanted.where()
        [(total, documents)] = self._rows(
            f"SELECT count(*), count(DISTINCT doc_id) FROM shown WHERE {where}", values
        )
        found: dict[str, object] = {"total": total, "documents": documents, "beside": self._names}
        for name, column in EQUAL.items():
            where, values = wanted.where(without=column)
            found[name] = self._rows(
                f"SELECT {column}, count(*) FROM shown WHERE {where} AND {column} IS NOT NULL "
                f"GROUP BY 1 ORDER BY min(place)",
                values,
            )
        where, values = wanted.where(without="flag")
        found["flag"] = self._rows(
            f"SELECT flag, count(*) FROM (SELECT unnest(flags) AS flag FROM shown WHERE {where}) "
            "GROUP BY 1 ORDER BY 1",
            values,
        )
        where, values = wanted.where(without="score")
        bars = dict.fromkeys(range(BINS), 0)
        unscored = 0
        for bar, count in self._rows(
            # `least` ignores nulls.
            "SELECT CASE WHEN score IS NOT NULL THEN "
            f"least(floor(score * {BINS}), {BINS - 1})::INT END, count(*) "
            f"FROM shown WHERE {where} GROUP BY 1",
            values,
        ):
            if bar is None:
                unscored = int(str(count))
            else:
                bars[int(str(bar))] = int(str(count))
        return {**found, "histogram": [*bars.values()], "unscored": unscored}

    def document(self, probe: str) -> tuple[ShownRecord, int, dict[str, dict[str, float]]] | None:
        """Read the document of a probe, with all of its rows of that round; None if unknown.

        Returns:
            The document, the place of the probe among its rows, and scores beside by probe.
        """
        places = self._rows(
            "SELECT b.file, b.row_in_file, b.id, b.id = a.id FROM probes AS a JOIN probes AS b "
            "ON a.doc_id = b.doc_id AND a.round = b.round AND a.file = b.file WHERE a.id = ? "
            "ORDER BY b.place",
            [probe],
        )
        if not places:
            return None
        own = [int(str(row[1])) for row in places]
        cursor_rows = self._read(self._files[int(str(places[0][0]))], own)
        shown, order = record([PublishedRow(values) for values in cursor_rows], self._bands)
        ids = [str(places[place][2]) for place in order]
        beside: dict[str, dict[str, float]] = {}
        for name, one, score in self._rows(
            "SELECT name, id, score FROM beside WHERE list_contains(?, id)", [ids]
        ):
            beside.setdefault(str(one), {})[str(name)] = float(str(score))
        chosen = next(n for n, place in enumerate(order) if places[place][3])
        return shown, chosen, {one: beside.get(one, {}) for one in ids}

    def _read(self, file: Path, places: Sequence[int]) -> list[Mapping[str, object]]:
        """Read whole rows of a file by their numbers in it."""
        with self._opening:
            cursor = self._db.cursor()
        found = cursor.execute(
            "SELECT * FROM read_parquet(?, file_row_number=true) WHERE file_row_number BETWEEN ? "
            "AND ? AND list_contains(?, file_row_number) ORDER BY file_row_number",
            [str(file), min(places), max(places), [*places]],
        )
        names = [each[0] for each in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def _connect() -> duckdb.DuckDBPyConnection:
    try:
        import duckdb
    except ImportError:
        raise UsageError(
            "rows in a browser need more libraries", hint='pip install "probec[view]"'
        ) from None
    # DuckDB reports objects of its own that the last collection of the process leaves out.
    atexit.register(gc.unfreeze)
    return duckdb.connect()
