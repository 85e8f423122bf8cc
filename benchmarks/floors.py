"""Lower bounds of each stage: the libraries under it, on the rows of a finished build.

A floor does only the indispensable work of the stage: read its input rows, call the library, write
its output rows. Where a stage sends requests, the floor renders each template once on the values
that the stage gives it, hashes each body once, and fetches and unpacks each reply once, from a bare
SQLite connection. Times are seconds of process time, for the documents of one shard or, where a
stage has one step per round or one in all, of its first round.
"""

from __future__ import annotations

import hashlib
import io
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from unittest import mock

import jinja2
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import sentencex
import zstandard

from compiler.dataset import columns, parquet
from compiler.engine.artifact import Row
from compiler.engine.plan import Graph
from compiler.engine.stage import Part
from compiler.engine.store import Manifest
from compiler.llm.messages import Request, encode
from compiler.probes.tokens import Tokenizer
from compiler.records import (
    AnswerRow,
    Choice,
    DocRecord,
    DocTexts,
    Document,
    Probe,
    Reject,
    ReplyRow,
    ScoreRow,
    Skip,
    VerdictRow,
)
from compiler.spec.paid import Role
from compiler.stages import generate, publish
from compiler.stages.answering import Answering
from compiler.stages.asking import posed
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judged, whole
from compiler.statistics.artefacts import Pair
from compiler.statistics.packing import Packed, unpack
from compiler.templating import prompts

ROWS: dict[str, type] = {
    "ingest.documents": Document,
    "sample.records": DocRecord,
    "sample.rejects": Reject,
    "sample.skips": Skip,
    "generate.replies": ReplyRow,
    "finalize.choices": Choice,
    "finalize.probes": Probe,
    "finalize.rejects": Reject,
    "expand.probes": Probe,
    "expand.rejects": Reject,
    "answer.answers": AnswerRow,
    "judge.verdicts": VerdictRow,
    "score.scores": ScoreRow,
    "publish.facts": Packed,
    "publish.pairs": Pair,
}
# Most stages read only the texts of the doc-records.
_TEXTS = "sample.records (texts)"
_POSED = (_TEXTS, "finalize.choices", "finalize.probes")
# Inputs that each stage reads, by name, because a floor reads the same ones.
READS: dict[str, tuple[str, ...]] = {
    "sample": (),
    "generate": ("sample.records",),
    "finalize": ("sample.records", "generate.replies"),
    "expand": (_TEXTS, "finalize.choices"),
    "answer": _POSED,
    "judge": (*_POSED, "answer.answers"),
    "score": (*_POSED, "answer.answers", "judge.verdicts"),
    "publish": (
        *(*_POSED, "expand.probes"),
        *("answer.answers", "judge.verdicts", "score.scores"),
    ),
}


def seconds(work: Callable[[], object]) -> float:
    """Return the process time of the faster of two runs."""
    found = []
    for _ in range(2):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def encoder(tokenizer: Tokenizer) -> Callable[[str], object]:
    """Return the encoder of the underlying library: the faster one if there is one."""
    library = tokenizer._quick._quick if tokenizer._quick is not None else None
    return library.encode if library is not None else tokenizer._backend.encode


class Floors:
    """The floors of all stages, measured on the first shard of a finished build."""

    def __init__(self, graph: Graph, context: Context, log: Path) -> None:
        self._graph = graph
        self._context = context
        self._log = log
        self._part: Part = min(part for part, _ in graph.manifests("sample"))
        self._inputs = {
            stage.name: graph.inputs(step)
            for stage in graph.stages
            for step in graph.steps(stage)
            if step.part == self._part[: stage.depth]
        }
        self._records = list(self._rows("sample.records", DocRecord))
        self.documents = len(self._records)

    def _manifest(self, stage: str) -> Manifest:
        depth = next(s.depth for s in self._graph.stages if s.name == stage)
        found = self._graph.manifest(stage, self._part[:depth])
        assert found is not None
        return found

    def _rows(self, name: str, kind: type[Row]) -> Iterator[Row]:
        """Read the rows of this shard's artifact only."""
        stage, _, output = name.partition(".")
        return self._graph.store.rows(self._manifest(stage).outputs[output], kind)

    def measure(self) -> dict[str, dict[str, float]]:
        """Return stage -> part of its work -> seconds per document."""
        texts = [s.text for record in self._records for s in record.shown]
        choices = {c.doc_id: c for c in self._rows("finalize.choices", Choice)}
        chosen = [
            s.text
            for record in self._records
            for s in record.shown
            if record.doc_id in choices and s.idx == choices[record.doc_id].sibling
        ]
        name = self._context.spec.source.tokenizer
        tokenizer = self._context.load_tokenizer(name)
        tokenize = encoder(tokenizer)
        replies = [row.text for row in self._rows("generate.replies", ReplyRow)]
        found: dict[str, dict[str, float]] = {
            "ingest": {"rows": self._ingested()},
            "sample": {
                "tokenizer": seconds(lambda: [tokenize(t) for t in texts]),
                "segmenter": _segmented(texts),
            },
            "generate": self._asked("generator", self._generate),
            "finalize": {
                "JSON": seconds(lambda: [json.loads(each) for each in replies if each[:1] == "{"]),
                "segmenter": _segmented(chosen),
            },
            "expand": {"tokenizer": seconds(lambda: [tokenize(t) for t in chosen])},
            "answer": self._asked("answerer", self._answer),
            "judge": self._asked("judge", self._judge),
            "score": {},
            "publish": {"parquet": self._parquet()},
        }
        for stage, reads in READS.items():
            found[stage]["rows in"] = sum(self._read(name) for name in reads)
            found[stage]["rows out"] = self._written(stage)
        shares = {
            stage: {what: s / self.documents for what, s in parts.items()}
            for stage, parts in found.items()
        }
        return {**shares, "release": {"rows in": self._released()}}

    def _read(self, name: str) -> float:
        if name == _TEXTS:
            return seconds(lambda: sum(1 for _ in self._rows("sample.records", DocTexts)))
        return seconds(lambda: sum(1 for _ in self._rows(name, ROWS[name])))

    def _released(self) -> float:
        """Return seconds per document to read what statistics read of one round."""
        parts = self._rows("publish.facts", Packed)
        documents = {name for part in parts for name in unpack(part).names.tolist()}
        return (self._read("publish.facts") + self._read("publish.pairs")) / len(documents)

    def _written(self, stage: str) -> float:
        total = 0.0
        for name, kind in ROWS.items():
            if name.partition(".")[0] == stage and stage != "publish":
                rows: list[object] = list(self._rows(name, kind))
                total += seconds(partial(pack, rows))
        return total

    def _ingested(self) -> float:
        """Return seconds to parse, encode, hash and compress the documents of the shard."""
        rows = [
            Document(r.doc_id, r.doc_source, r.shown[0].text[: r.gen_start], r.others)
            for r in self._records
        ]
        flat = [
            {"doc_id": r.doc_id, "prefix": s.text[: r.gen_start], "text": s.text[r.gen_start :]}
            for r in self._records
            for s in r.shown
        ]
        table = pa.Table.from_pylist(flat)
        full = [
            [row, [s.text for s in r.shown]] for row, r in zip(rows, self._records, strict=True)
        ]

        def work() -> None:
            table.to_pylist()
            pack(full)

        return seconds(work)

    def _generate(self) -> list[tuple[Request, int]]:
        request = generate.requests(self._context)
        found = map(request, self._records)
        return [(each, 1) for each in found if each is not None]

    def _answer(self) -> list[tuple[Request, int]]:
        answering = Answering(self._context)
        found = posed(self._context, self._inputs["answer"])
        return [(answering.request(each), self._context.spec.scoring.rollouts) for each in found]

    def _judge(self) -> list[tuple[Request, int]]:
        judging = Judging(self._context)
        return [
            (question.request, 1)
            for each, answers in judged(self._context, self._inputs["judge"], "answer.answers")
            for question in judging.questions(each, whole(answers))
        ]

    def _asked(self, role: Role, asks: Callable[[], list[tuple[Request, int]]]) -> dict[str, float]:
        """Return the seconds of each part of sending requests.

        The wire body is canonical JSON; each sample is one row of the log by a SHA-256 key.
        """
        dispatcher = self._context.dispatchers[role]
        rendered: list[tuple[jinja2.Template, Mapping[str, object]]] = []

        def recorded(template: jinja2.Template, values: Mapping[str, object]) -> str:
            rendered.append((template, values))
            return real(template, values)

        real = prompts.render
        with mock.patch.object(prompts, "render", recorded):
            asked = asks()
        bodies = [(encode(dispatcher.provider, each), n) for each, n in asked]
        keys = [
            [bytes.fromhex(key) for key in dispatcher.keys(each, range(n))] for each, n in asked
        ]
        encoder = msgspec.json.Encoder(order="deterministic")
        return {
            "template": _rendered(rendered),
            "JSON": seconds(
                lambda: [encoder.encode(dispatcher.provider.encode(each)) for each, _ in asked]
            ),
            "hash": seconds(
                lambda: [
                    hashlib.sha256(hashlib.sha256(b).digest() if i else b).digest()
                    for b, n in bodies
                    for i in range(n)
                ]
            ),
            "log": self._fetched(keys),
        }

    def _fetched(self, keys: Sequence[Sequence[bytes]]) -> float:
        """Return the seconds to fetch all replies, with one query for the samples of a request."""
        unpack = zstandard.ZstdDecompressor()
        with closing(sqlite3.connect(self._log)) as log:

            def work() -> None:
                for each in keys:
                    places = ",".join("?" * len(each))
                    sql = f"select value from reply where key in ({places})"
                    for (value,) in log.execute(sql, each).fetchall():
                        unpack.decompress(value)

            return seconds(work)

    def _parquet(self) -> float:
        """Return the seconds for pyarrow to write the shard's rows in the layout of the build."""
        publish_spec = self._context.spec.publish
        constants = columns.Constants(
            self._context.spec.source.model,
            publish_spec.source_label,
            publish_spec.template_model,
            self._context.spec.calibration.level,
            self._context.spec.scoring.rollouts,
            self._context.spec.scoring.bands.hard,
            self._context.spec.scoring.bands.easy,
            self._context.groups(),
        )
        needs = publish.Needs("answer.answers", "judge.verdicts")
        shard = {
            need: dict(self._inputs["publish"].parts(need))[self._part] for need in needs.all()
        }
        rows = [
            columns.values(r)
            for r in publish._shard(constants, needs, self._inputs["publish"], shard)
        ]
        shape = parquet.schema(publish_spec.dtypes)

        def work() -> None:
            table = pa.Table.from_pylist(rows, schema=shape)
            pq.write_table(
                table,
                io.BytesIO(),
                compression="zstd",
                compression_level=publish_spec.compression_level,
                dictionary_pagesize_limit=64 << 20,
                data_page_size=8 << 20,
            )

        return seconds(work)


def _rendered(calls: Sequence[tuple[jinja2.Template, Mapping[str, object]]]) -> float:
    """Return seconds in which the compiled templates render values that are already prepared."""
    ready = [
        (template.root_render_func, template.new_context({**template.globals, **values}, True))
        for template, values in calls
    ]
    return seconds(lambda: ["".join(render(context)) for render, context in ready])


def _segmented(texts: list[str]) -> float:
    return seconds(lambda: [sentencex.get_sentence_boundaries("en", text) for text in texts])


def pack(rows: Iterable[object]) -> None:
    """Encode as JSON, hash with SHA-256 and compress with zstd."""
    encoder = msgspec.json.Encoder(order="deterministic")
    data = b"\n".join(encoder.encode(row) for row in rows)
    hashlib.sha256(data).digest()
    zstandard.ZstdCompressor(level=3).compress(data)
