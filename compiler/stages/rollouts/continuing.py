"""Prefixes -> the source model's continuations, as they came: one request per sibling."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.llm.messages import Reply, Request
from compiler.rollouts.rows import Continued, Prefix, Raw, Repeat
from compiler.stages.asking import Asked, Asking, Replies
from compiler.stages.context import Context

VERSION = 1
_ONE = range(1)
# Servers take seeds of 31 bits.
_SEED_SHIFT = 256 - 31


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard."""
    spec = context.rollouts
    use, sampling = spec.model, spec.sampling.model_dump(mode="json")
    most = sampling.pop("max_tokens")

    def cases(inputs: Inputs) -> Iterator[Prefix]:
        repeats = {each.doc_id for each in inputs.rows("distinct.repeats", Repeat)}
        for each in inputs.rows("prefix.prefixes", Prefix):
            if not each.reason and each.doc_id not in repeats:
                yield each

    def requests(each: Prefix) -> Iterator[tuple[int, Request]]:
        for sibling in range(spec.siblings.n):
            seed = request_seed(spec.seed, each.doc_id, sibling)
            parameters = (*sampling.items(), ("seed", seed))
            yield seed, Request(use.model, "", each.text, most, None, sampling=parameters)

    def asked(each: Prefix) -> Iterator[Asked]:
        for sibling, (_, request) in enumerate(requests(each)):
            yield Asked(request, _ONE, f"document {each.doc_id} sibling {sibling}")

    def row(each: Prefix, replies: Replies) -> Continued:
        planned = [*requests(each)]
        found = replies.to([(request, _ONE) for _, request in planned])
        siblings = (_raw(seed, reply) for (seed, _), reply in zip(planned, found, strict=True))
        return Continued(each.doc_id, tuple(siblings))

    return Asking(context.dispatchers["writer"], "texts", cases, asked, row).stage(
        "continue",
        VERSION,
        ("prefix.prefixes", "distinct.repeats"),
        {
            "provider": use.provider,
            "model": use.model,
            "revision": use.revision,
            "sampling": spec.sampling.model_dump(mode="json"),
            "seed": spec.seed,
            "siblings": spec.siblings.n,
        },
        {},
    )


def request_seed(seed: int, doc_id: str, sibling: int) -> int:
    """Return the seed of one request, of 31 bits.

    Hashed, because servers draw the same text for neighbouring seeds of several choices.
    """
    data = hashlib.sha256(f"{seed}/{doc_id}/{sibling}".encode()).digest()
    return int.from_bytes(data, "big") >> _SEED_SHIFT


def _raw(seed: int, reply: Reply) -> Raw:
    text, outcome = reply.text, reply.outcome.value
    return Raw(seed, text, outcome, reply.stop_reason, reply.model, reply.output_tokens)
