"""`probec calibrate`: every level on the same documents, and the one that the rule picks."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from compiler.building import folder
from compiler.building.build import alone, running
from compiler.building.estimate import Quote, count, later_usd, observed_usd, quote
from compiler.commands import arguments
from compiler.commands.arguments import usd
from compiler.commands.result import Result
from compiler.engine.execute import execute_together
from compiler.engine.plan import Graph
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.keys import Json, digest
from compiler.llm.purse import Purse
from compiler.probes.checks import CHECKS
from compiler.project import wire
from compiler.project.variant import Variant
from compiler.project.wire import Project, Reporter
from compiler.records import ProbeFact
from compiler.report.numbers import estimate, percent_estimate, score, short
from compiler.report.numbers import level as level_text
from compiler.report.plots.sweep import Series, sweep
from compiler.report.terminal import table
from compiler.spec import edit
from compiler.spec.model import Round, Spec, WrittenScope
from compiler.spec.scoring import NoContext
from compiler.stages.context import Context
from compiler.statistics.levels import Level, LevelStats, SweepStats, compare
from compiler.statistics.observations import gather

EXAMPLE = "probec calibrate specs/demo.yaml --levels=-2..2 --docs 40"
_DOCS = 100


@dataclass(frozen=True)
class _Built:
    """One level's build."""

    spec: Spec
    context: Context
    graph: Graph


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, which levels, and what to do with the choice."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--levels", metavar="LOW..HIGH", help="such as =-2..2; default: all that the spec declares"
    )
    parser.add_argument(
        "--docs",
        type=int,
        metavar="N",
        help=f"documents, the first that round 0 draws; default: {_DOCS}, or all there are",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, ask nobody")
    parser.add_argument("--max-usd", type=usd, metavar="USD", help="a lower wall than the spec's")
    parser.add_argument(
        "--detach", action="store_true", help="submit and exit 75; run again to collect"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the chosen level and the digest of its evidence into the spec",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="default: build/calibration/<name>.svg",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build every level, compare, choose."""
    project = wire.project(arguments.variant(args))
    if args.write:
        _writable(arguments.variant(args), project.spec)
    # A sweep is no round: it neither obeys locks nor leaves any.
    project.locking = False
    project.wait = not args.detach
    levels = _levels(project.spec, args.levels)
    docs = _documents(project, args.docs)
    budget = project.spec.budget.max_usd
    wall = budget if args.max_usd is None else min(args.max_usd, budget)
    swept = replace(project, spec=_with_question_alone(project.spec))
    project.purse = Purse(wall, later_usd(swept), observed_usd(project))
    with alone(project):
        context = project.context(reporter, remember=not args.dry_run)
        built = {level: _built(project, context, level, docs) for level in levels}
        costs = _price(project, built)
        if args.dry_run:
            return _priced(costs, docs)
        expected, low, high = _sum(costs)
        if expected:
            reporter.notice(
                f"{len(levels)} levels on {docs} documents may cost ${expected:,.2f} "
                f"(${low:,.2f} to ${high:,.2f}); the wall is ${wall:,.2f}"
            )
        with running(project, context):
            execute_together([each.graph for each in built.values()], reporter)
    found = _compared(project, built, docs)
    evidence = _evidence(project, built, found, docs)
    picture = args.picture or project.store.root / "calibration" / f"{project.spec.name}.svg"
    _draw(picture, found)
    chosen = args.write and found.chosen is not None
    written = _written(args.spec, found, evidence) if chosen else ""
    data: dict[str, Json] = {
        **msgspec.to_builtins(found),
        "documents": docs,
        "evidence": evidence,
        "picture": picture.as_posix(),
        "written": bool(written),
    }
    text = _text(project.spec, found, docs, evidence)
    if args.write and not chosen:
        written = "\nnothing is written: no level is allowed by the rule"
    code = 1 if args.write and not chosen else 0
    return Result(f"{text}\npicture: {folder.shown(picture)}{written}", data, code)


def _levels(spec: Spec, wanted: str | None) -> list[int]:
    declared = sorted(spec.calibration.levels)
    if wanted is None:
        return declared
    first, dots, last = wanted.partition("..")
    try:
        low, high = int(first), int(last if dots else first)
    except ValueError:
        raise UsageError(f"--levels {wanted!r} is no range", hint="such as -3..3") from None
    found = [level for level in declared if low <= level <= high]
    if not found:
        raise UsageError(
            f"no level from {low} to {high}", hint=f"declared: {', '.join(map(str, declared))}"
        )
    return found


def _documents(project: Project, wanted: int | None) -> int:
    there = sum(each.docs for each in project.spec.rounds)
    docs = min(_DOCS, there) if wanted is None else wanted
    if docs < 1:
        raise UsageError(f"--docs {docs} leaves nothing to compare", hint="at least 1, better 100")
    return docs


def _built(project: Project, context: Context, level: int, docs: int) -> _Built:
    """One level as a spec of its own, over the same documents."""
    spec = _with_question_alone(project.spec)
    varied = spec.model_copy(
        update={
            "name": f"{spec.name}.level{level:+d}",
            "rounds": [Round(docs=docs)],
            "calibration": spec.calibration.model_copy(update={"level": level, "evidence": None}),
        }
    )
    own = replace(context, spec=varied)
    return _Built(varied, own, replace(project, spec=varied).graph(own))


def _with_question_alone(spec: Spec) -> Spec:
    """The spec with the baseline that every level is compared by."""
    baselines = spec.scoring.baselines
    if baselines.no_context is not None:
        return spec
    baselines = baselines.model_copy(update={"no_context": NoContext()})
    scoring = spec.scoring.model_copy(update={"baselines": baselines})
    return spec.model_copy(update={"scoring": scoring})


def _price(project: Project, built: Mapping[int, _Built]) -> dict[int, Quote]:
    """What each level would cost, what it shares with milder ones counted once."""
    found = {}
    for level, each in built.items():
        steps = each.graph.plan()
        counted = count(each.context, each.graph, steps)
        found[level] = quote(replace(project, spec=each.spec), steps, counted, free=True)
    for dispatcher in next(iter(built.values())).context.dispatchers.values():
        dispatcher.close()
    return found


def _sum(costs: Mapping[int, Quote]) -> tuple[float, float, float]:
    each = [quoted.usd() for quoted in costs.values()]
    return sum(e[0] for e in each), sum(e[1] for e in each), sum(e[2] for e in each)


def _priced(costs: Mapping[int, Quote], docs: int) -> Result:
    rows: list[tuple[object, ...]] = []
    for level, quoted in costs.items():
        expected, low, high = quoted.usd()
        calls = sum(each.calls for each in quoted.estimates)
        rows.append((level_text(level), calls, f"{expected:,.2f}", f"{low:,.2f} .. {high:,.2f}"))
    expected, low, high = _sum(costs)
    calls = sum(each.calls for quoted in costs.values() for each in quoted.estimates)
    rows.append(("all", calls, f"{expected:,.2f}", f"{low:,.2f} .. {high:,.2f}"))
    header = (f"level, {docs} documents", "new requests", "US$", "interval")
    data: Json = {
        "documents": docs,
        "levels": {str(level): quoted.data() for level, quoted in costs.items()},
        "usd": expected,
        "usd_low": low,
        "usd_high": high,
    }
    return Result(table(header, rows), data)


def _compared(project: Project, built: Mapping[int, _Built], docs: int) -> SweepStats:
    spec = project.spec
    written = sum(s.slots for s in spec.scopes.values() if isinstance(s, WrittenScope))
    levels = {}
    for level, each in built.items():
        (_, manifest), *_ = each.graph.manifests("publish")
        facts = project.store.rows(manifest.outputs["facts"], ProbeFact)
        levels[level] = Level(gather(facts), docs * written)
    bands = spec.scoring.bands
    return compare(levels, bands.hard, bands.easy, spec.calibration.select)


def _evidence(project: Project, built: Mapping[int, _Built], found: SweepStats, docs: int) -> str:
    """A digest of everything that the choice rests on: the rows of every level, and the rule."""
    rows: dict[str, Json] = {}
    for level, each in built.items():
        (_, manifest), *_ = each.graph.manifests("publish")
        rows[str(level)] = manifest.outputs["facts"].digest
    rule = project.spec.calibration.select.model_dump(mode="json")
    payload: Json = {"rows": rows, "rule": rule, "documents": docs, "chosen": found.chosen}
    return digest("calibration", payload)


def _writable(variant: Variant, spec: Spec) -> None:
    """Whether a level could be written, before any is paid for.

    Raises:
        UsageError: it could not.
    """
    if variant.varied:
        raise UsageError(
            "a level that was chosen under --set, --provider or --source is not written",
            hint="what was swept is not what the spec says: calibrate the spec itself",
        )
    edit.with_values(
        _text_of(variant.path), "calibration", _values(spec.calibration.level, "0" * 16)
    )


def _written(path: Path, found: SweepStats, evidence: str) -> str:
    assert found.chosen is not None
    text = edit.with_values(_text_of(path), "calibration", _values(found.chosen, evidence[:16]))
    # A link stays one, and line ends stay what they are.
    write_atomic(path.resolve(), text.encode("utf-8"))
    return f"\nwritten to {path}: calibration.level {found.chosen}, evidence {evidence[:16]}"


def _text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8")


def _values(level: int, evidence: str) -> Mapping[str, int | str]:
    return {"level": level, "evidence": evidence}


def _draw(path: Path, found: SweepStats) -> None:
    levels = found.levels
    series = [
        Series("expected max", "max", [each.expected_max for each in levels]),
        Series("HARD", "hard", [each.hard for each in levels]),
        Series("EASY", "easy", [each.easy for each in levels]),
        Series("no context", "none", [each.no_context for each in levels]),
    ]
    drawn = sweep([each.level for each in levels], series, found.chosen)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, drawn.encode("utf-8"), "--picture")


def _text(spec: Spec, found: SweepStats, docs: int, evidence: str) -> str:
    rows: list[tuple[object, ...]] = [_row(each) for each in found.levels]
    bands = spec.scoring.bands
    header = (
        *("level", "planned", "built", "scored", "mean score"),
        f"expected max of {found.rollouts}",
        *(f"HARD (max < {short(bands.hard)})", f"EASY (max >= {short(bands.easy)})", "leaking"),
        *("valley ratio", "Sarle coefficient", "no context"),
        "expected max less the level before",
    )
    rule = spec.calibration.select
    parts = [
        table(header, rows),
        f"all written scopes and both targets, {docs} documents, intervals clustered and "
        "differences paired by document; leaking: "
        f"not so that {CHECKS['V14'].meaning}, or {CHECKS['V28'].meaning}",
        _effect(found),
        f"the rule: {rule.measure} nearest to {rule.target}, HARD at least {rule.min_hard:.0%}, "
        f"EASY at least {rule.min_easy:.0%}, leaking at most {rule.max_leak:.0%}",
    ]
    if found.chosen is None:
        parts.append("chosen: none, as none is allowed")
    else:
        parts.append(
            f"chosen: level {level_text(found.chosen)}, the spec has "
            f"{level_text(spec.calibration.level)}; "
            f"evidence {evidence[:16]}"
        )
    parts += [
        f"not allowed: level {level_text(int(level))}: {why}"
        for level, why in found.refused.items()
    ]
    return "\n\n".join([*parts[:2], "\n".join(parts[2:])])


def _row(each: LevelStats) -> tuple[object, ...]:
    return (
        level_text(each.level),
        each.planned,
        each.built,
        each.scored,
        estimate(each.mean),
        estimate(each.expected_max),
        percent_estimate(each.hard),
        percent_estimate(each.easy),
        percent_estimate(each.leak),
        estimate(each.valley),
        score(each.sarle),
        estimate(each.no_context),
        estimate(each.step),
    )


def _effect(found: SweepStats) -> str:
    span, order = estimate(found.span), score(found.order)
    said = {
        "as meant": "the levels do what they say",
        "reversed": "the levels work the wrong way round",
        "none": "no effect that these documents can show; the generator may ignore the addendum",
        "unknown": "too few documents to say whether the levels have an effect",
    }[found.effect]
    against = _listed(found.against)
    wrong = f"; a step up that makes probes easier: to {against}" if against else ""
    return (
        f"{said}: E[max] of the strictest less the mildest level is {span}, rank correlation of "
        f"level and E[max] {order}{wrong}"
    )


def _listed(levels: Sequence[int]) -> str:
    return ", ".join(level_text(level) for level in levels)
