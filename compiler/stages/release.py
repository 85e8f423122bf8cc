"""All rounds -> statistics, the ledger of slots, and the card."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from compiler.dataset import scopes
from compiler.engine.artifact import RowDigest
from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.keys import Json, digest
from compiler.llm.prices import CACHE_READ
from compiler.llm.providers import FREE
from compiler.probes.checks import CHECKS
from compiler.probes.reasons import REASONS, SKIPS
from compiler.records import (
    AuditScore,
    Choice,
    Reject,
    Skip,
    UnknownKeys,
    UsageRow,
)
from compiler.report import card
from compiler.report.card import CardFacts
from compiler.spec.paid import ROLES, Role
from compiler.stages.asking import ASKING
from compiler.stages.context import Context, scored_by_embedded

if TYPE_CHECKING:
    from compiler.statistics.ledger import UsageStats

VERSION = 6
_REJECTS = ("sample.rejects", "finalize.rejects", "expand.rejects")
_SKIPS = ("ingest.skips", "sample.skips")


def stage(context: Context) -> Stage:
    """Bind the stage, a single step over all rounds."""
    facts = _facts(context)
    bands = context.spec.scoring.bands
    slots = {name: scope.slots for name, scope in context.spec.ordered_scopes()}
    rounds = [each.docs for each in context.spec.rounds]
    rates: dict[str, Json] = {role: plain(context.rates[role]) for role in ROLES}
    return Stage(
        name="release",
        version=VERSION,
        depth=0,
        needs=(
            *("publish.facts", "publish.pairs", "score.audits", *_REJECTS, *_SKIPS),
            *("finalize.choices", "finalize.unknown_keys"),
            *(f"{each}.usage" for stages in _asked(context).values() for each in stages),
        ),
        params={
            "facts": plain(facts),
            "slots": plain(slots),
            "rounds": [*rounds],
            "bands": bands.model_dump(mode="json"),
            "rates": rates,
        },
        templates=context.templates.closure(card.TEMPLATE),
        run=partial(_run, context, facts, slots, rounds),
    )


def _facts(context: Context) -> CardFacts:
    spec = context.spec
    models: dict[str, dict[str, str]] = {}
    prompts: dict[str, str] = {}
    for role in ROLES:
        use = getattr(spec.models, role)
        models[role] = {"model": use.model, "provider": use.provider, "prompt": use.prompt}
        if use.provider not in FREE:
            sent = (f"{name} {value:g}" for name, value in use.sampled().items())
            models[role]["sampling"] = ", ".join(sent) or "server default"
        prompts[role] = digest("prompt", context.prompt_templates(role))
    lens = [s for s in context.templated().values() if s.tokenizer is not None]
    lens_name = lens[0].tokenizer if lens else None
    return CardFacts(
        name=spec.name,
        license=spec.publish.license,
        languages=tuple(spec.publish.languages),
        source_path=spec.source.path.rpartition("/")[2]
        if "://" not in spec.source.path
        else spec.source.path,
        source_homepage=spec.source.homepage,
        source_license=spec.source.license,
        source_revision=context.located.revision,
        source_model=spec.source.model,
        source_tokenizer=context.tokenizer_files[spec.source.tokenizer].identity,
        lens_tokenizer=context.tokenizer_files[lens_name or spec.source.tokenizer].identity,
        models=models,
        prompts=prompts,
        prices=_prices(context),
        level=spec.calibration.level,
        addendum=spec.calibration.levels[spec.calibration.level].text,
        rollouts=spec.scoring.rollouts,
        view_chars=spec.scoring.view.max_chars,
        view_keep=spec.scoring.view.keep,
        compare=spec.compared(),
        policy=spec.scoring.policy,
        judged=context.judged(),
        stop_after=spec.scoring.stop.after if spec.scoring.stop is not None else None,
        reasons=REASONS,
        skips=SKIPS,
        checks={check.id: check.meaning for check in CHECKS.values()},
        scopes=scopes.stated(spec.ordered_scopes()),
        suffix_in_generated=spec.splits.suffix_in_generated,
    )


def _prices(context: Context) -> dict[str, dict[str, float]]:
    """Return the prices by model, or by model and role where they differ between roles."""
    rates = {role: rate for role, rate in context.rates.items() if rate.input or rate.output}
    uses = {role: getattr(context.spec.models, role) for role in rates}
    priced: dict[Role, dict[str, float]] = {}
    for role, rate in rates.items():
        priced[role] = {"input": rate.input, "output": rate.output}
        if uses[role].cache is not None:
            written, read = rate.input * rate.cache_write, rate.input * CACHE_READ
            priced[role] |= {"written": written, "read": read}
    found: dict[str, dict[str, float]] = {}
    for role, price in priced.items():
        model = uses[role].model
        same = all(priced[other] == price for other in uses if uses[other].model == model)
        found[model if same else f"{model} as {role}"] = price
    # In the order of card.json, so that a card made from it is identical.
    return dict(sorted(found.items()))


def _run(
    context: Context,
    facts: CardFacts,
    slots: dict[str, int],
    rounds: Sequence[int],
    part: Part,
    inputs: Inputs,
    out: Outputs,
) -> None:
    from compiler.statistics.artefacts import Pair
    from compiler.statistics.ledger import BuildStats, close, counted, skipped
    from compiler.statistics.observations import joined
    from compiler.statistics.packing import Packed, unpack
    from compiler.statistics.stats import Rules, compute

    bands = context.spec.scoring.bands
    rejects = [row for need in _REJECTS for row in inputs.rows(need, Reject)]
    rows = joined(map(unpack, inputs.rows("publish.facts", Packed)))
    ledger = close(slots, rounds, rejects, rows)
    skips, skipped_chars = skipped(row for need in _SKIPS for row in inputs.rows(need, Skip))
    build = BuildStats(
        planned=sum(each.planned for each in ledger),
        documents_drawn=sum(rounds),
        rounds=tuple(rounds),
        ledger=ledger,
        skips=skips,
        rungs=counted(
            choice.rung for choice in inputs.rows("finalize.choices", Choice) if choice.rung
        ),
        usage=tuple(_usage(context, inputs)),
        unknown_keys=counted(
            key for row in inputs.rows("finalize.unknown_keys", UnknownKeys) for key in row.keys
        ),
        skipped_chars=skipped_chars,
    )
    audits = list(inputs.rows("score.audits", AuditScore))
    rules = Rules(bands.hard, bands.easy, list(slots), scored_by_embedded(context.spec))
    stats = compute(rows, inputs.rows("publish.pairs", Pair), audits, rules, build)
    text = card.render(context.templates, stats, facts)
    out.rows("stats", [stats])
    out.rows("rejects", rejects)
    out.rows("audits", audits)
    out.rows("facts", [facts])

    def write(file: BinaryIO, content: RowDigest) -> None:
        file.write(text.encode("utf-8"))
        content.append(text)

    out.file("card", ".md", write)


def _asked(context: Context) -> dict[str, tuple[str, ...]]:
    """Return the stages whose usage counts as that of each stage: itself and its second pass."""
    answers = context.answers_need().partition(".")[0]
    found = {"generate": ("generate",), "answer": tuple(dict.fromkeys(("answer", answers)))}
    if context.judged():
        verdicts = context.verdicts_need().partition(".")[0]
        found["judge"] = tuple(dict.fromkeys(("judge", verdicts)))
    if context.baselines():
        found["control"] = ("control",)
    if context.audited():
        found["audit"] = ("audit",)
    return found


def _usage(context: Context, inputs: Inputs) -> Iterator[UsageStats]:
    """Yield the usage of each stage with requests."""
    from compiler.statistics.ledger import UsageStats

    for stage, parts in _asked(context).items():
        role = ASKING[stage]
        used = UsageRow.total(
            row for each in parts for row in inputs.rows(f"{each}.usage", UsageRow)
        )
        yield UsageStats(
            stage,
            role,
            used.calls,
            used.input_tokens,
            used.output_tokens,
            context.rates[role].usd(
                used.input_tokens,
                used.output_tokens,
                used.cache_write_tokens,
                used.cache_read_tokens,
            ),
            used.cache_write_tokens,
            used.cache_read_tokens,
        )
