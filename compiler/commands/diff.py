"""`probec diff`: what differs between two builds, from what is declared to what came out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from compiler.commands.result import Result
from compiler.comparison import changes, fields, outcomes, page, pricing, requests, templates
from compiler.comparison.listing import Listing, Walk
from compiler.comparison.report import DEPTHS, Report
from compiler.comparison.scratch import Scratch
from compiler.comparison.sides import FORMS, Options, Side, is_spec, open_side, spec_of
from compiler.engine.store import write_atomic
from compiler.errors import ProbecError, UsageError
from compiler.llm.responses import ResponseLog
from compiler.probes.prompts import Library
from compiler.project.reporter import Reporter
from compiler.spec.model import TemplateScope
from compiler.stages.asking import ASKING
from compiler.stages.context import ROLES

EXAMPLE = "probec diff specs/demo.yaml --set calibration.level=-1"

# From so many documents on, a user is told that it takes a while.
_MANY = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two sides, how deep, and how it is shown."""
    parser.add_argument("a", metavar="A", help=FORMS)
    parser.add_argument(
        "b", metavar="B", nargs="?", help="the same; default: A's spec as it is here, with --set"
    )
    for flag, name, what in (
        ("--set", "overrides", "override one value of B, such as calibration.level=-1"),
        ("--set-a", "overrides_a", "override one value of A"),
        ("--set-both", "overrides_both", "override one value of both"),
    ):
        parser.add_argument(
            flag, dest=name, action="append", default=[], metavar="PATH=VALUE", help=what
        )
    parser.add_argument(
        "--spec", metavar="SPEC", help="the spec that goes with a prompt directory or a round"
    )
    parser.add_argument("--provider", metavar="NAME", help="as in build, on both sides")
    parser.add_argument("--source", metavar="FILE", help="as in build, on both sides")
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="of both sides; default: build/ of each"
    )
    parser.add_argument(
        "--depth",
        choices=DEPTHS,
        help="go so deep and no deeper; default: as deep as what is built allows",
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write one page to show around")
    parser.add_argument(
        "--exit-code", action="store_true", help="exit 1 when anything differs, as git diff does"
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Compare, print, and write the page if one is asked for."""
    with ExitStack() as stack:
        a, b = _sides(stack, args)
        report = _compare(stack, a, b, args.depth, reporter)
        if args.overrides_both:
            both = " ".join(f"--set {each}" for each in args.overrides_both)
            report = replace(report, notices=(f"both sides: {both}", *report.notices))
        text, data = changes.text(report), report.data()
        if args.html is not None:
            page_text = page.render(Library(a.root / "templates"), report)
            write_atomic(args.html, page_text.encode("utf-8"), "--html")
            text += f"\n\npage: {args.html}"
            data["page"] = str(args.html)
    return Result(text, data, int(args.exit_code and report.differs))


def _sides(stack: ExitStack, args: argparse.Namespace) -> tuple[Side, Side]:
    """Both sides as the command line names them."""
    a, b = str(args.a), args.b
    own = args.spec or spec_of(a) or (spec_of(b) if b is not None else None)
    if b is None:
        spec = spec_of(a) if not is_spec(a) else None
        if is_spec(a):
            b = a
        elif spec is not None:
            # A spec at a revision against the same spec as it is here.
            b = spec
        elif args.spec is not None:
            # A prompt directory or a round against the spec as it is.
            a, b = str(args.spec), a
        else:
            raise UsageError("nothing to compare with", where=a, hint="name B, or --spec SPEC")
        if a == b and not (args.overrides or args.overrides_a):
            raise UsageError(
                "a spec against itself has no differences",
                where=a,
                hint="name B, or override a value: --set calibration.level=-1",
            )
    options = Options(args.provider, args.source, args.build_dir)
    both = list(args.overrides_both)
    return (
        open_side(stack, a, args.overrides_a, options, own, both),
        open_side(stack, b, args.overrides, options, own, both),
    )


def _compare(stack: ExitStack, a: Side, b: Side, depth: str | None, reporter: Reporter) -> Report:
    """As deep as was asked; without `depth`, as deep as can be."""
    deepest = DEPTHS.index(depth) if depth is not None else len(DEPTHS) - 1
    report = Report(
        a.label,
        b.label,
        tuple(_notices(a, b)),
        tuple(fields.compare(a.project.spec, b.project.spec, a.where, b.where)),
    )
    if deepest >= DEPTHS.index("templates"):
        found = templates.compare(_templates(a), _templates(b))
        report = replace(report, templates=tuple(found))
    if deepest < DEPTHS.index("requests"):
        return report
    try:
        walks = _walks(stack, a, b, reporter)
        compared = requests.compare(*walks)
    except ProbecError as error:
        if depth is not None:
            raise
        return replace(report, absent=dict.fromkeys(DEPTHS[2:], str(error)))
    report = replace(report, requests=pricing.priced(compared, (a.project, b.project), walks))
    if deepest < DEPTHS.index("outcomes"):
        return report
    unbuilt = [
        f"{name} is not built: {reason}"
        for name, walk in zip("AB", walks, strict=True)
        if (reason := walk.finish())
    ]
    if unbuilt:
        if depth is not None:
            raise UsageError("; ".join(unbuilt), hint="run `probec build` with the same options")
        return replace(report, absent={"outcomes": "; ".join(unbuilt)})
    old, new = (
        outcomes.gather(
            walk.graph,
            _planned(side),
            (side.project.spec.scoring.bands.hard, side.project.spec.scoring.bands.easy),
            {role: side.project.rate(role) for role in ROLES},
        )
        for side, walk in zip((a, b), walks, strict=True)
    )
    return replace(report, outcomes=outcomes.compare(old, new, seed=a.project.spec.seed))


def _notices(a: Side, b: Side) -> Iterator[str]:
    """What a reader must know about the pair."""
    yield from dict.fromkeys([*a.project.notices, *b.project.notices])
    for name, side in (("A", a), ("B", b)):
        if side.round is not None:
            rounds = len(side.project.spec.rounds)
            every = f"all {rounds} rounds of the spec" if rounds > 1 else "the spec's one round"
            yield f"{name} is what round {side.round} was made by, here over {every}"
    one, other = a.project.spec, b.project.spec
    if one.name != other.name:
        yield f"two datasets, {one.name} and {other.name}: paired by document id and slot"
    if one.source.path != other.source.path or one.source.revision != other.source.revision:
        yield (
            f"two sources, {one.source.path} and {other.source.path}: only documents that both "
            "draw under one id are paired"
        )
    if a.project.log.path.resolve() != b.project.log.path.resolve():
        yield "two projects: what B's log has is B's own, A's replies are not shared"


def _templates(side: Side) -> dict[str, templates.Template]:
    spec, root = side.project.spec, side.project.root
    return templates.read(
        Library(root / "prompts"),
        Library(root / "templates"),
        [getattr(spec.models, role).prompt for role in ROLES],
        [name for name, scope in spec.scopes.items() if isinstance(scope, TemplateScope)],
    )


def _planned(side: Side) -> dict[str, int]:
    spec = side.project.spec
    documents = sum(each.docs for each in spec.rounds)
    return {name: scope.slots * documents for name, scope in spec.ordered_scopes()}


def _walks(stack: ExitStack, a: Side, b: Side, reporter: Reporter) -> tuple[Walk, Walk]:
    """Both builds, over a scratch store each build directory has one of."""
    blocked = [
        f"{name}: {reason}"
        for name, side in (("A", a), ("B", b))
        for reason in side.project.blocked()
    ]
    if blocked:
        raise UsageError("; ".join(blocked), hint="build once, or name a local file with --source")
    documents = sum(each.docs for side in (a, b) for each in side.project.spec.rounds)
    if documents > _MANY:
        reporter.notice(f"rendering the requests about {documents:,} documents; it takes a while")
    stores: dict[Path, Scratch] = {}
    logs: dict[Path, ResponseLog] = {}
    walks = []
    for side in (a, b):
        project = side.project
        context = project.context(reporter)
        root = project.store.root.resolve()
        if root not in stores:
            layer = Path(stack.enter_context(TemporaryDirectory(prefix="probec-diff-")))
            stores[root] = Scratch(layer, project.store)
        project.store = stores[root]
        log = logs.setdefault(project.log.path.resolve(), project.log)
        listings = {role: Listing(context.dispatchers[role].provider, log) for role in ROLES}
        graph = project.graph(replace(context, dispatchers={**listings}))
        stack.callback(log.close)
        by_stage = {stage: listings[role] for stage, role in ASKING.items()}
        walks.append(Walk(graph, log, by_stage))
    return walks[0], walks[1]
