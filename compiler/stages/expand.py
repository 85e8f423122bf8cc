"""Choices -> word and lens probes from templates, with alternatives from other documents."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.probes.checks import Facts, examine
from compiler.probes.scopes import SCOPES
from compiler.probes.scopes.template import Workbench
from compiler.probes.segment import Segments, identity
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.records import Choice, DocTexts, Probe, Reject, ShownText, Side, Slot
from compiler.spec.model import TemplateScope
from compiler.stages.context import Context
from compiler.templating.prompts import Library

if TYPE_CHECKING:
    from compiler.probes.alternatives import Donor, Pool
    from compiler.probes.collocations import HeldOut
    from compiler.probes.lexicon import Lexicon
    from compiler.probes.siblings import Siblings

VERSION = 9


class _Bound(Struct, frozen=True):
    """The configuration of a step."""

    scopes: dict[str, TemplateScope]
    tokenizer_names: dict[str, str]
    load: Callable[[str], Tokenizer]
    templates: Library
    suffix_in_generated: bool


class _Chosen(Struct, frozen=True):
    """A doc-record with its choice. `siblings`: all usable siblings, the chosen one at `place`."""

    record: DocTexts
    choice: Choice
    place: int
    siblings: Siblings

    @property
    def sibling(self) -> ShownText:
        """The chosen sibling."""
        return self.record.shown[self.place]


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard. It sends no requests."""
    scopes = context.templated()
    names = {name: context.tokenizer_of(scope) for name, scope in scopes.items()}
    files = context.tokenizer_files
    suffix = context.spec.splits.suffix_in_generated
    return Stage(
        name="expand",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices"),
        params={
            "scopes": {name: scope.split for name, scope in scopes.items()},
            "tokenizers": {
                name: plain([files[each].identity, files[each].digest])
                for name, each in names.items()
            },
            "suffix_in_generated": suffix,
            "segmenter": identity(),
        },
        templates=context.templates.closure(*(f"probes/{name}.j2" for name in scopes)),
        run=partial(_run, _Bound(scopes, names, context.load_tokenizer, context.templates, suffix)),
    )


def _run(bound: _Bound, part: Part, inputs: Inputs, out: Outputs) -> None:
    from compiler.probes.alternatives import Pool
    from compiler.probes.collocations import HeldOut
    from compiler.probes.lexicon import Lexicon

    probes: list[Probe] = []
    rejects: list[Reject] = []
    if bound.scopes:
        lexicon = Lexicon.current()
        chosen = list(_chosen(inputs, lexicon))
        tokenizers = {name: bound.load(each) for name, each in bound.tokenizer_names.items()}
        donors = [_donor(each, tokenizers) for each in chosen]
        pool = Pool(donors, lexicon)
        held = HeldOut({donor.doc_id: donor.texts for donor in donors}, lexicon)
        phrasings = _phrasings(bound.templates)
        for each, donor in zip(chosen, donors, strict=True):
            for made in _document(bound, each, donor, pool, held, tokenizers, phrasings):
                (probes if isinstance(made, Probe) else rejects).append(made)  # pyrefly: ignore[bad-argument-type]
    out.rows("probes", probes)
    out.rows("rejects", rejects)


def _chosen(inputs: Inputs, lexicon: Lexicon) -> Iterator[_Chosen]:
    from compiler.probes.siblings import Siblings

    choices = {choice.doc_id: choice for choice in inputs.rows("finalize.choices", Choice)}
    for record in inputs.rows("sample.records", DocTexts):
        choice = choices.get(record.doc_id)
        if choice is not None:
            place = [each.idx for each in record.shown].index(choice.sibling)
            prefix = record.shown[place].text[: record.gen_start]
            texts = [s.text for s in record.shown] + [
                prefix + s.continuation for s in record.others
            ]
            yield _Chosen(record, choice, place, Siblings(texts, record.gen_start, lexicon))


def _donor(chosen: _Chosen, tokenizers: Mapping[str, Tokenizer]) -> Donor:
    from compiler.probes.alternatives import Donor

    tokens: dict[str, Tokens] = {}
    for tokenizer in tokenizers.values():
        if tokenizer.identity not in tokens:
            tokens[tokenizer.identity] = tokenizer.encode(chosen.sibling.text)
    chunks = chosen.siblings.chunks(chosen.place)
    record, siblings = chosen.record, chosen.siblings
    return Donor(record.doc_id, chosen.sibling.text, chunks, siblings.separately, tokens)


def _phrasings(templates: Library) -> Callable[[str, Side, int], list[str]]:
    """Return a function that renders a scope's template to its phrasings.

    Results are cached by scope, side and distance.
    """
    known: dict[tuple[str, Side, int], list[str]] = {}

    def lines(scope: str, target: Side, distance: int) -> list[str]:
        key = (scope, target, distance)
        if key not in known:
            known[key] = templates.phrasings(scope, target, distance)
        return known[key]

    return lines


def _document(
    bound: _Bound,
    chosen: _Chosen,
    donor: Donor,
    pool: Pool,
    held: HeldOut,
    tokenizers: Mapping[str, Tokenizer],
    phrasings: Callable[[str, Side, int], list[str]],
) -> Iterator[Probe | Reject]:
    record, text, siblings = chosen.record, chosen.sibling.text, chosen.siblings
    # Checks read sentences and paragraphs of written probes only, so none are found here.
    segments = Segments(text, (), ())
    places = siblings.places(chosen.place)
    benches: dict[str, Workbench] = {}
    for slot in record.slots:
        scope = bound.scopes.get(slot.scope)
        split = chosen.choice.splits.get(scope.split) if scope is not None else None
        if scope is None or split is None:
            continue
        tokenizer = tokenizers[slot.scope]
        bench = benches.setdefault(
            slot.scope,
            Workbench(
                record,
                chosen.choice.sibling,
                text,
                split,
                places,
                donor.tokens[tokenizer.identity],
                tokenizer,
                pool,
                siblings,
                phrasings,
            ),
        )
        made = SCOPES[slot.scope](slot, bench)
        if isinstance(made, Probe):
            facts = Facts(
                segments,
                places,
                record.gen_start,
                split,
                scope,
                siblings.squashed,
                len(record.shown) - 1,
                bound.suffix_in_generated,
                tokenizer.count,
            )
            made = replace(made, attested=held.attestations(made, text))
            yield _checked(made, facts, slot, bench)
        else:
            yield made


def _checked(probe: Probe, facts: Facts, slot: Slot, bench: Workbench) -> Probe | Reject:
    findings = examine(probe, facts)
    if findings and findings[0].check.severity == "error":
        return bench.reject(slot, findings[0].check.reason, findings[0].detail)
    flags = [finding.check.id for finding in findings]
    return probe.flagged(flags) if flags else probe
