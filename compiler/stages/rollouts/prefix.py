"""Texts of a corpus -> the prefixes of a round's documents, and those that repeat another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.keys import Json, text_digest
from compiler.probes import sampling
from compiler.probes.sampling import Stream
from compiler.probes.tokens import Tokenizer
from compiler.records import DocumentId
from compiler.rollouts import prefixes
from compiler.rollouts.prefixes import Offsets
from compiler.rollouts.rows import CorpusText, Prefix, Repeat
from compiler.stages.context import Context
from compiler.stages.draws import Draws

VERSION = 1
# The parameters that come from the spec; a locked round keeps them.
DECLARED = ("seed", "prefix")


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard, whose key holds only the shard's own documents."""
    spec = context.rollouts
    draws = Draws(spec, context.locked, "corpus")
    return Stage(
        name="prefix",
        version=VERSION,
        depth=2,
        needs=("corpus.ids", "corpus.documents"),
        asides=("corpus.skips",),
        params={
            "seed": spec.seed,
            "prefix": spec.prefix.model_dump(mode="json"),
            "tokenizer": _digest(context),
        },
        run=partial(_run, context, draws),
        narrow=partial(_narrow, context, draws),
    )


def distinct(context: Context) -> Stage:
    """Bind the stage that finds equal prefixes, one step per round."""
    return Stage(
        name="distinct",
        version=VERSION,
        depth=1,
        needs=("prefix.prefixes",),
        params={},
        run=_distinct,
    )


def tokenizer(context: Context) -> Tokenizer | None:
    """Load the tokenizer of the source model; None if the spec names none."""
    name = context.rollouts.model.tokenizer
    return None if name is None else context.load_tokenizer(name)


def _digest(context: Context) -> str | None:
    name = context.rollouts.model.tokenizer
    return None if name is None else context.tokenizer_files[name].digest


def _drawn(context: Context, draws: Draws, part: Part, inputs: Inputs) -> list[DocumentId]:
    """Return the documents of one shard, in draw order."""
    index, shard = part
    drawn = draws.of(index, inputs)
    places = sampling.shards(len(drawn), context.rollouts.shard_docs)[shard]
    return [drawn[place] for place in places]


def _narrow(context: Context, draws: Draws, part: Part, inputs: Inputs) -> Mapping[str, Json]:
    drawn = _drawn(context, draws, part, inputs)
    return {
        "corpus.ids": {"round": part[0], "documents": {each.doc_id: each.digest for each in drawn}},
        "corpus.documents": "those of corpus.ids",
    }


def _run(context: Context, draws: Draws, part: Part, inputs: Inputs, out: Outputs) -> None:
    spec, encoder = context.rollouts, tokenizer(context)

    def made() -> Iterator[Prefix]:
        rows = [each.row for each in _drawn(context, draws, part, inputs)]
        for each in inputs.rows_at("corpus.documents", rows, CorpusText):
            tokens = encoder.encode(each.text) if encoder is not None else None
            offsets = Offsets(tokens.clean, tokens.before) if tokens is not None else None
            drawn = Stream(spec.seed, "prefix", each.doc_id).uniform()
            end = prefixes.cut(each.text, spec.prefix, drawn, offsets)
            if end is None:
                yield Prefix(each.doc_id, each.doc_source, "", each.text, None, "prefix_too_short")
                continue
            text = each.text[:end]
            count = encoder.count(text) if encoder is not None else None
            yield Prefix(each.doc_id, each.doc_source, text, each.text[end:], count)

    out.rows("prefixes", made())


def _distinct(part: Part, inputs: Inputs, out: Outputs) -> None:
    known: set[str] = set()
    repeats = []
    for each in inputs.rows("prefix.prefixes", Prefix):
        content = text_digest(each.text)
        if not each.reason and content in known:
            repeats.append(Repeat(each.doc_id))
        known.add(content)
    out.rows("repeats", repeats)
