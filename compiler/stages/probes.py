"""The parts of probe specs and their documents that locks and rebuilds need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from compiler.dataset import parquet
from compiler.dataset.parquet import Dtypes, Layout
from compiler.embedded import MODEL
from compiler.keys import Json
from compiler.probes.reasons import CHANGES, NO_UNIT, change_of
from compiler.records import Document
from compiler.spec.declared import Declared, of_probes
from compiler.spec.model import Spec, WrittenScope
from compiler.spec.paid import ROLES, Role
from compiler.stages.kind import Loss

if TYPE_CHECKING:
    from compiler.report.tree import Section, Table
    from compiler.statistics.stats import Stats

# Fields on which no file of a dataset depends: they name none, and are part of no step or round.
_APART: tuple[tuple[str, ...], ...] = (
    ("kind",),
    ("expect",),
    ("batches",),
    ("budget",),
    ("rehearsal",),
    ("max_lost",),
    ("calibration", "select"),
    ("calibration", "evidence"),
    ("source", "rollouts"),
)
# Fields on which no row depends, beside those on which no file depends: where the source is, and
# what only the card states. The lock names the round's documents by content.
_UNLOCKED: tuple[tuple[str, ...], ...] = (
    ("rounds",),
    ("prices",),
    ("source", "path"),
    ("source", "revision"),
    ("source", "columns"),
    ("source", "license"),
    ("source", "homepage"),
    ("publish", "license"),
    ("publish", "languages"),
    *(("publish", name) for name in ("license_name", "license_link", "to", "private", "revision")),
    *(("publish", name) for name in ("splits", "configs", "exclude")),
)
ONWARD = (
    ("probec show {spec} --band hard -n 1", "a probe"),
    ("probec report {spec}", "a page with plots"),
    ("probec stats {spec}", "all tables"),
    ("probec plan {spec} --set calibration.level=2", "what would run"),
)
_LAYOUT = ("dtypes", "row_group_rows", "compression_level", "content_defined_chunking")
# Fields of a role's model that only say how requests are sent.
_TRAVEL = ("base_url", "concurrency", "read_timeout")
# Left out where they are not sent, so that rounds from before they existed keep their hashes.
_SAMPLING = ("sampling", "top_p", "top_k")
# Score statuses of probes whose answers or verdicts failed, and the role at fault.
_UNSCORED = {"answer_failed": "answerer", "judge_failed": "judge"}


def without(tree: dict[str, Json], apart: tuple[tuple[str, ...], ...]) -> dict[str, Json]:
    """Remove fields, named by path, from a spec as plain data."""
    for *above, last in apart:
        place = tree
        for name in above:
            place = _table(place[name])
        del place[last]
    return tree


def files(spec: Spec, level: int) -> dict[str, Json]:
    """Return a spec as JSON, without the fields on which no file of its dataset depends.

    `level`: the calibration level of which the addendum stays.
    """
    tree = without(spec.model_dump(mode="json"), _APART)
    for use in _table(tree["models"]).values():
        unsent = _table(use)["sampling"] == "default"
        for name in (*_TRAVEL, *(_SAMPLING if unsent else ())):
            del _table(use)[name]
    calibration = _table(tree["calibration"])
    calibration["levels"] = {str(level): _table(calibration["levels"]).get(str(level))}
    return tree


def varied(spec: Spec, beside: Spec) -> dict[str, Json]:
    """Return the fields of a spec that name the dataset of `beside`, a variant of it or itself.

    Another level brings another addendum, which is no change of its own.
    """
    return files(spec, beside.calibration.level)


def reduced(spec: Spec) -> dict[str, Json]:
    """Reduce a spec to the fields that rows depend on, and to the calibration level in use."""
    return without(files(spec, spec.calibration.level), _UNLOCKED)


def _table(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


def restored(tree: dict[str, Json], path: Path, docs: int, rounds: int) -> dict[str, Json]:
    """Return the spec of a lock, with placeholders for fields that no row depends on."""
    source = tree.get("source")
    assert isinstance(source, dict)
    nothing: Json = {role: {"input": 0, "output": 0} for role in ROLES}
    columns: Json = {"doc_idx": "doc_idx"}
    size: Json = {"docs": docs}
    return {
        **tree,
        "source": {**source, "path": str(path), "columns": columns},
        "rounds": [size] * rounds,
        "expect": nothing,
        "budget": {"max_usd": 0},
        "rehearsal": {"tokenizer": ""},
    }


def rows(document: Document) -> Iterator[dict[str, Json]]:
    """Yield the rows of a document, with the default column names."""
    for sibling in document.siblings:
        yield {
            "doc_id": document.doc_id,
            "doc_source": document.doc_source,
            "prefix": document.prefix,
            "doc_idx": sibling.idx,
            "continuation": sibling.continuation,
        }


def tokenizers(declared: Declared) -> set[str]:
    """Return the names of the tokenizers of source and scopes."""
    spec = of_probes(declared)
    names = {getattr(scope, "tokenizer", None) for scope in spec.scopes.values()}
    return {name for name in names | {spec.source.tokenizer} if name is not None}


def provided(provider: str) -> list[str]:
    """Return the overrides that give every role a provider."""
    overrides = [each for role in ROLES for each in given(role, provider)]
    if provider == "extractive":
        overrides.append(f"publish.source_label={provider}")
    return overrides


def given(role: Role, provider: str) -> list[str]:
    """Return the overrides that give a role a provider."""
    found = [f"models.{role}.provider={provider}"]
    if provider == "extractive":
        found += [f"models.{role}.model={MODEL}", f"models.{role}.thinking=null"]
    return found


def content(path: Path, publish: dict[str, Json]) -> str:
    """Compute the content digest of a published file. `publish`: the settings in a lock."""
    settings = msgspec.convert(
        # Older locks do not have the option.
        [publish.get(name, False) for name in _LAYOUT],
        tuple[Dtypes, int, int, bool],
    )
    return parquet.content_digest(path, Layout(*settings))


def result() -> tuple[str, type]:
    """Return the output of `release` that holds the statistics, and its type."""
    from compiler.statistics.stats import Stats

    return "stats", Stats


def sections(stats: Stats) -> tuple[Section, ...]:
    """Return all tables of a build."""
    from compiler.report import sections as report

    return report.sections(stats)


def brief(stats: Stats) -> Iterator[str]:
    """Yield the lines at the end of a build."""
    from compiler.report import sections as report

    return report.brief(stats)


def summary(stats: Stats) -> tuple[Table, ...]:
    """Return the tables that a build prints."""
    from compiler.report import sections as report

    return report.summary(stats)


def lost(spec: Spec, stats: Stats) -> Iterator[Loss]:
    """Yield planned and lost slots.

    Written and templated slots are separate groups: a generator of which no reply can be used
    costs fewer than half of all slots.
    """
    assert stats.build is not None
    planned: Counter[str] = Counter()
    causes: dict[str, Counter[str]] = {"written": Counter(), "templated": Counter()}
    for each in stats.build.ledger:
        written = isinstance(spec.scopes[each.scope], WrittenScope)
        group = "written" if written else "templated"
        planned[group] += each.planned
        for reasons in each.rejected.values():
            causes[group].update(reasons)
        causes[group].update({name: each.statuses.get(name, 0) for name in _UNSCORED})
    for group, counts in causes.items():
        yield Loss(f"{group} slots", planned[group], +counts)


def advice(cause: str, variant: str) -> str:
    """Return where to look for the cause of lost slots. `variant`: a spec and its options."""
    if cause == NO_UNIT:
        return f"No request holds these slots: change {CHANGES[change_of(cause)]}"
    role = _UNSCORED.get(cause, "generator")
    command = f"probec prompt {variant} --role {role} --reply"
    return f"Inspect the {role}'s prompt and replies (`{command}`)"


def failures(spec: Spec, stats: Stats, variant: str) -> list[str]:
    """List the scopes in which the judge cannot distinguish right from wrong answers.

    `variant`: the spec and its options, for commands.
    """
    from compiler.report.sections.judge import KINDS as WRONG
    from compiler.statistics.reliability import excessive

    anchors = spec.scoring.anchors
    if anchors is None:
        return []
    remedy = (
        "so its scores there are unreliable: inspect the judge's prompt and replies "
        f"(`probec prompt {variant} --role judge --reply`) and scoring.compare"
    )
    found = [
        f"FAILED: in scope {each.scope} the judge scores the truth only {each.gap.value:.2f} above "
        f"the wrong alternative ({each.gap.n} probes; scoring.anchors.min_gap is "
        f"{anchors.min_gap}), {remedy}"
        for each in stats.judge.gaps
        if each.gap.value is not None and each.gap.value < anchors.min_gap
    ]
    return found + [
        f"FAILED: in scope {each.scope} the judge gives {WRONG[each.kind][0]} a mean score of "
        f"{each.mean.value:.2f} ({each.mean.n} probes; scoring.anchors.max_wrong is "
        f"{anchors.max_wrong}), {remedy}"
        for each in excessive(stats.judge, anchors.max_wrong)
    ]
