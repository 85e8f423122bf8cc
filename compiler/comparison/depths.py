"""The comparison of two sides at each depth: spec, templates, requests, outcomes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import structs

from compiler.comparison import builds, fields, moved, outcomes, pricing, requests, templates
from compiler.comparison.listing import Walk
from compiler.comparison.report import DEPTHS, Report
from compiler.comparison.sides import Side
from compiler.engine.scratch import Scratch
from compiler.errors import ProbecError, UsageError
from compiler.llm.responses import ResponseLog
from compiler.project.listing import Listing
from compiler.project.reporter import Reporter
from compiler.spec.declared import of_probes
from compiler.spec.model import TemplateScope
from compiler.spec.paid import ROLES
from compiler.stages.asking import ASKING
from compiler.templating.prompts import Library

_ALONE = "specs of rollouts are compared by their fields; `probec plan` counts the new requests"
# Number of documents above which a notice says that rendering takes a while.
_MANY = 5000


def compare(
    stack: ExitStack, a: Side, b: Side, depth: str | None, reporter: Reporter, probes: int
) -> Report:
    """Compare two sides up to `depth`; if None, as deep as the builds allow.

    `probes`: how many probes in another band are described. Temporary files live as long as
    `stack`.

    Raises:
        ProbecError: `depth` is given, and cannot be reached.
    """
    deepest = DEPTHS.index(depth) if depth is not None else len(DEPTHS) - 1
    report = Report(
        a.label,
        b.label,
        tuple(_notices(a, b)),
        tuple(fields.compare(a.project.declared, b.project.declared, a.where, b.where)),
    )
    if not (a.project.kind.compared and b.project.kind.compared):
        if depth not in (None, "spec"):
            of_probes(a.project.declared)
            of_probes(b.project.declared)
        return replace(report, absent=dict.fromkeys(DEPTHS[1:], _ALONE))
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
    missing = {
        name: reason for name, walk in zip("AB", walks, strict=True) if (reason := walk.finish())
    }
    if missing:
        unbuilt = "; ".join(f"{name} is not built: {why}" for name, why in missing.items())
        commands = {name: builds.command(a if name == "A" else b) for name in missing}
        if depth is not None:
            raise UsageError(unbuilt, hint="; ".join(f"{n}: {how}" for n, how in commands.items()))
        return replace(report, absent={"outcomes": unbuilt}, unbuilt=commands)
    old, new = (
        outcomes.gather(
            walk.graph,
            _planned(side),
            (side.project.spec.scoring.bands.hard, side.project.spec.scoring.bands.easy),
            {role: side.project.rate(role) for role in ROLES},
        )
        for side, walk in zip((a, b), walks, strict=True)
    )
    return replace(
        report,
        outcomes=outcomes.compare(old, new, seed=a.project.spec.seed),
        moved=moved.find((old, walks[0].graph), (new, walks[1].graph), probes),
    )


def _notices(a: Side, b: Side) -> Iterator[str]:
    """Yield notes about the pair that are needed to read the numbers correctly."""
    yield from dict.fromkeys([*a.project.notices, *b.project.notices])
    for name, side in (("A", a), ("B", b)):
        if side.round is not None:
            rounds = len(side.project.declared.rounds)
            every = f"all {rounds} rounds of the spec" if rounds > 1 else "the spec's one round"
            yield f"{name} is the spec and templates of round {side.round}, here over {every}"
    one, other = a.project.declared, b.project.declared
    if one.name != other.name:
        yield f"two datasets, {one.name} and {other.name}, are paired by document id and slot"
    if one.source.path != other.source.path or one.source.revision != other.source.revision:
        yield (
            f"two sources, {one.source.path} and {other.source.path}: only documents with the same "
            "id that both sides draw are paired"
        )
    if a.project.log.path.resolve() != b.project.log.path.resolve():
        yield "two projects with separate response logs: B cannot use replies of A"


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
    return {name: scope.slots * spec.documents() for name, scope in spec.ordered_scopes()}


def _walks(stack: ExitStack, a: Side, b: Side, reporter: Reporter) -> tuple[Walk, Walk]:
    """Open a walk over each build, with one scratch store for each build directory."""
    blocked = [
        f"{name}: {reason}"
        for name, side in (("A", a), ("B", b))
        for reason in side.project.blocked()
    ]
    if blocked:
        hint = "run `probec build` once, or name a local file with --source"
        raise UsageError("; ".join(blocked), hint=hint)
    documents = sum(side.project.spec.documents() for side in (a, b))
    if documents > _MANY:
        reporter.notice(f"rendering the requests about {documents:,} documents takes a while")
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
        graph = project.graph(structs.replace(context, dispatchers={**listings}))
        stack.callback(log.close)
        by_stage = {stage: listings[role] for stage, role in ASKING.items()}
        walks.append(Walk(graph, log, by_stage))
    return walks[0], walks[1]
