"""All rounds -> statistics, the closed ledger, and the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import BinaryIO

from compiler.engine.artifact import RowDigest
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.errors import StoreError
from compiler.probes.reasons import LOSSES, SKIPS
from compiler.records import Skip, UsageRow
from compiler.report import rollouts as card
from compiler.rollouts.rows import (
    Cut,
    FalseAlarm,
    LedgerRow,
    Rejected,
    RolloutFact,
    RolloutFacts,
    RolloutStats,
)
from compiler.stages.context import Context

VERSION = 2
_STUB_NOTE = (
    "The continuations were written by an embedded statistical model of word trigrams, not by a "
    "language model: connected sentences without meaning, for trying the compiler."
)


def stage(context: Context) -> Stage:
    """Bind the stage, a single step over all rounds."""
    spec = context.rollouts
    facts = _facts(context)
    return Stage(
        name="release",
        version=VERSION,
        depth=0,
        needs=(
            *("publish.facts", "filter.rejects", "filter.cuts", "calibrate.alarms"),
            *("corpus.skips", "continue.usage"),
        ),
        params={
            "facts": plain(facts),
            "rounds": [each.docs for each in spec.rounds],
            "siblings": spec.siblings.n,
            "rate": plain(context.rates["writer"]),
        },
        templates=context.templates.closure(card.TEMPLATE),
        run=partial(_run, context, facts),
    )


def _facts(context: Context) -> RolloutFacts:
    spec = context.rollouts
    corpus, use = spec.corpus, spec.model
    # Sorted, as they come back from the file from which the card is rendered again.
    sampling = sorted(spec.sampling.model_dump(mode="json").items())
    prefix = sorted(spec.prefix.model_dump(mode="json").items())
    return RolloutFacts(
        name=spec.name,
        license=spec.publish.license,
        license_name=spec.publish.license_name,
        license_link=spec.publish.license_link,
        languages=tuple(spec.publish.languages),
        corpus=corpus.path.rpartition("/")[2] if "://" not in corpus.path else corpus.path,
        corpus_homepage=corpus.homepage,
        corpus_license=corpus.license,
        corpus_revision=context.located.revision,
        provider=use.provider,
        model=use.model,
        model_revision=use.revision,
        tokenizer=context.tokenizer_files[use.tokenizer].identity if use.tokenizer else None,
        note=_STUB_NOTE if use.text is not None else "",
        sampling={name: str(value) for name, value in sampling},
        prefix={name: str(value) for name, value in prefix},
        reasons=dict(sorted({**SKIPS, **LOSSES}.items())),
    )


def _run(context: Context, facts: RolloutFacts, part: Part, inputs: Inputs, out: Outputs) -> None:
    rejects = [*inputs.rows("filter.rejects", Rejected)]
    ledger = tuple(_ledger(context, inputs, rejects))
    kept = [*inputs.rows("publish.facts", RolloutFact)]
    chars: Counter[str] = Counter()
    for cut in inputs.rows("filter.cuts", Cut):
        chars[cut.filter] += cut.chars
    used = UsageRow.total(inputs.rows("continue.usage", UsageRow))
    skips = Counter(skip.reason for skip in inputs.rows("corpus.skips", Skip))
    retokenizing = [each.retokenizes for each in kept if each.retokenizes is not None]
    detached = [each.detached for each in kept if each.detached is not None]
    stats = RolloutStats(
        rows=len(kept),
        documents=len({each.doc_id for each in kept}),
        chars=sum(each.chars for each in kept),
        tokens=sum(each.tokens for each in kept),
        ledger=ledger,
        cut_chars=dict(sorted(chars.items())),
        alarms=tuple(_alarms(inputs)),
        skips=dict(sorted(skips.items())),
        finish=dict(sorted(Counter(each.finish for each in kept).items())),
        retokenizing=sum(retokenizing) if retokenizing else None,
        detached=sum(detached) if detached else None,
        calls=used.calls,
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens,
        usd=context.rates["writer"].usd(used.input_tokens, used.output_tokens),
    )
    text = card.render(context.templates, stats, facts)
    out.rows("ledger", [stats])
    out.rows("rollout_facts", [facts])
    out.rows("rollout_rejects", rejects)

    def write(file: BinaryIO, content: RowDigest) -> None:
        file.write(text.encode("utf-8"))
        content.append(text)

    out.file("card", ".md", write)


def _ledger(context: Context, inputs: Inputs, rejects: list[Rejected]) -> Iterator[LedgerRow]:
    """Yield the ledger of each round.

    Raises:
        StoreError: it does not close.
    """
    spec = context.rollouts
    kept = {
        part[0]: [*inputs.rows_of(artifact, RolloutFact)]
        for part, artifact in inputs.parts("publish.facts")
    }
    for index, each in enumerate(spec.rounds):
        own = kept[index]
        cut = Counter(row.cut for row in own if row.cut is not None)
        lost = Counter(row.reason for row in rejects if row.round == index)
        whole = sum(row.cut is None for row in own)
        planned = each.docs * spec.siblings.n
        if planned != whole + cut.total() + lost.total():
            raise StoreError(
                f"the ledger of round {index} is open: {planned:,} planned, {whole:,} kept whole, "
                f"{cut.total():,} kept cut, {lost.total():,} rejected",
                hint="this is a bug in probec: please report it",
            )
        yield LedgerRow(
            index, each.docs, planned, whole, dict(sorted(cut.items())), dict(sorted(lost.items()))
        )


def _alarms(inputs: Inputs) -> Iterator[FalseAlarm]:
    """Yield the false alarms of each filter over all rounds; thresholds of a round are listed."""
    found: dict[str, list[FalseAlarm]] = {}
    for row in inputs.rows("calibrate.alarms", FalseAlarm):
        found.setdefault(row.filter, []).append(row)
    for name, own in found.items():
        thresholds = dict.fromkeys(each.threshold for each in own)
        yield FalseAlarm(
            name,
            "; ".join(thresholds),
            sum(each.texts for each in own),
            sum(each.flagged for each in own),
        )
