"""One round's rows -> one parquet file, streamed shard by shard, and the facts for statistics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from compiler.dataset import columns, parquet
from compiler.dataset.columns import COLUMNS, Constants, Row, Value
from compiler.dataset.parquet import Layout
from compiler.engine.artifact import Artifact, RowWriter
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.keys import text_digest
from compiler.probes.segment import split_kind
from compiler.records import (
    AnswerRow,
    AuditScore,
    Choice,
    DocTexts,
    Probe,
    ProbeFact,
    ScoreRow,
    VerdictRow,
)
from compiler.spec.model import Publish
from compiler.spec.scoring import BASELINES
from compiler.stages.context import Context

if TYPE_CHECKING:
    from compiler.statistics.artefacts import Pair

VERSION = 5


class Needs(Struct, frozen=True):
    """The outputs that hold the answers, and the verdicts if the policy has a judge."""

    answers: str
    verdicts: str | None

    def all(self) -> tuple[str, ...]:
        """Return all outputs that rows are made of."""
        judged = (self.verdicts,) if self.verdicts is not None else ()
        return (
            *("sample.records", "finalize.choices", "finalize.probes", "expand.probes"),
            *(self.answers, *judged, "score.scores", "score.audits"),
        )


def stage(context: Context) -> Stage:
    """Bind the stage, one step per round, so that a new round leaves earlier files unchanged."""
    spec = context.spec
    constants = Constants(
        spec.source.model,
        spec.publish.source_label,
        spec.publish.template_model,
        spec.calibration.level,
        spec.scoring.rollouts,
        spec.scoring.bands.hard,
        spec.scoring.bands.easy,
        context.groups(),
    )
    # Scopes whose alternative has the form of the concise answer, not of the atom.
    by_response = sorted(
        name for name, scope in context.written().items() if scope.alternative == "response"
    )
    needs = Needs(context.answers_need(), context.verdicts_need() if context.judged() else None)
    return Stage(
        name="publish",
        version=VERSION,
        depth=1,
        needs=needs.all(),
        params={
            "constants": plain(constants),
            "columns": [column.name for column in COLUMNS],
            "dtypes": spec.publish.dtypes,
            "row_group_rows": spec.publish.row_group_rows,
            "compression_level": spec.publish.compression_level,
            "content_defined_chunking": spec.publish.content_defined_chunking,
            "alternative_of_response": [*by_response],
        },
        run=partial(_run, spec.publish, constants, needs, frozenset(by_response)),
    )


def _run(
    publish: Publish,
    constants: Constants,
    needs: Needs,
    by_response: frozenset[str],
    part: Part,
    inputs: Inputs,
    out: Outputs,
) -> None:
    from compiler.statistics.artefacts import Artefacts
    from compiler.statistics.packing import Packer

    gathered = Artefacts()

    def published(facts: Packer, pairs: RowWriter) -> Iterator[dict[str, Value]]:
        for row in rows(constants, needs, inputs):
            facts.append(_fact(row))
            pair = _pair(row, by_response)
            if gathered.pair(pair):
                pairs.append(pair)
            yield columns.values(row)

    # A round's facts do not fit in memory, so all three outputs are written while rows stream.
    with out.appending("facts") as written, out.appending("pairs") as pairs:
        facts = Packer(written.append)
        out.file(
            "rows",
            ".parquet",
            lambda file, canonical: parquet.write(
                file,
                canonical,
                published(facts, pairs),
                Layout(
                    publish.dtypes,
                    publish.row_group_rows,
                    publish.compression_level,
                    publish.content_defined_chunking,
                ),
            ),
        )
        facts.flush()


def rows(constants: Constants, needs: Needs, inputs: Inputs) -> Iterator[Row]:
    """Yield the rows of a round, by document in draw order, by slot within a document."""
    shards: list[dict[str, Artifact]] = []
    for need in needs.all():
        for number, (_, artifact) in enumerate(inputs.parts(need)):
            if number == len(shards):
                shards.append({})
            shards[number][need] = artifact
    for shard in shards:
        yield from _shard(constants, needs, inputs, shard)


def _shard(
    constants: Constants, needs: Needs, inputs: Inputs, shard: dict[str, Artifact]
) -> Iterator[Row]:
    choices = {c.doc_id: c for c in inputs.rows_of(shard["finalize.choices"], Choice)}
    probes: dict[str, list[Probe]] = {}
    for need in ("finalize.probes", "expand.probes"):
        for probe in inputs.rows_of(shard[need], Probe):
            probes.setdefault(probe.doc_id, []).append(probe)
    answers = {(a.doc_id, a.slot): a for a in inputs.rows_of(shard[needs.answers], AnswerRow)}
    verdicts: dict[tuple[str, int], VerdictRow] = {}
    if needs.verdicts is not None:
        found = inputs.rows_of(shard[needs.verdicts], VerdictRow)
        verdicts = {(v.doc_id, v.slot): v for v in found}
    audits = _audits(inputs, shard)
    scores = {(s.doc_id, s.slot): s for s in inputs.rows_of(shard["score.scores"], ScoreRow)}
    for record in inputs.rows_of(shard["sample.records"], DocTexts):
        choice = choices.get(record.doc_id)
        if choice is None:
            continue
        text = record.text(choice.sibling)
        for probe in sorted(probes.get(record.doc_id, ()), key=lambda probe: probe.slot):
            key = (record.doc_id, probe.slot)
            audited = audits.get(key, {})
            yield Row(
                constants,
                record,
                choice,
                text,
                probe,
                answers.get(key),
                verdicts.get(key),
                scores.get(key),
                {name: each for name, each in audited.items() if name in BASELINES},
                audited["gold"][0] if "gold" in audited else None,
            )


def _audits(
    inputs: Inputs, shard: dict[str, Artifact]
) -> dict[tuple[str, int], dict[str, tuple[float, ...]]]:
    """Return the scores of each fully scored baseline, and of the truth, by probe."""
    found: dict[tuple[str, int], dict[str, tuple[float, ...]]] = {}
    for row in inputs.rows_of(shard["score.audits"], AuditScore):
        numbers = tuple(score for score in row.scores if score is not None)
        if row.kind in (*BASELINES, "gold") and len(numbers) == len(row.scores):
            found.setdefault((row.doc_id, row.slot), {})[row.kind] = numbers
    return found


def _fact(row: Row) -> ProbeFact:
    splits = {row.choice.splits.get(group) for group in set(row.constants.groups.values())}
    score, probe = row.score, row.probe
    answers = row.answers.answers if row.answers is not None else ()
    lengths = [len(answer) for answer in answers if answer is not None]
    return ProbeFact(
        row.record.round,
        row.record.doc_id,
        probe.slot,
        probe.scope,
        probe.target,
        probe.typicality,
        row.status,
        score.scores if score is not None else None,
        score.seconds if score is not None else None,
        dict(row.baselines),
        probe.flags,
        len(splits) == 1,
        probe.support,
        row.record.n_available - 1,
        # A digest, because statistics only compare questions with one another.
        text_digest(probe.question)[:16] if row.written else None,
        probe.abs_index,
        (
            probe.atom_end - probe.atom_start,
            len(probe.response),
            len(probe.alternative),
            sum(lengths) // len(lengths) if lengths else None,
        ),
        split_kind(row.text, row.split),
        columns.origin(probe.atom_start, probe.atom_end, row.record.gen_start),
        probe.pool_level,
        probe.attested,
    )


def _pair(row: Row, by_response: frozenset[str]) -> Pair:
    from compiler.statistics import artefacts

    probe = row.probe
    truth = (
        probe.response
        if probe.scope in by_response
        else row.text[probe.atom_start : probe.atom_end]
    )
    return artefacts.pair(probe.scope, probe.target, probe.doc_id, truth, probe.alternative)
