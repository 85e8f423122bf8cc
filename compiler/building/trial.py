"""Two cheap completions that show if a server can write rollouts, before a build needs it."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.keys import Json, canonical
from compiler.llm.messages import Outcome, Reply, Request
from compiler.llm.providers import completions
from compiler.llm.providers.anthropic.checkup import Finding
from compiler.llm.providers.completions import completion_body, completion_reply
from compiler.probes import tokens
from compiler.project.project import Project
from compiler.rollouts import leaks
from compiler.servers.completions import Client
from compiler.servers.failure import Failure
from compiler.spec.declared import of_rollouts
from compiler.spec.rollouts import RolloutsSpec

_PROMPT = "The history of the lighthouse begins with a storm. In the winter of that year,"
_MOST = 24
_SEEDS = (11, 1_610_612_741)
# Characters of an English token, where prefixes are not measured in tokens.
_CHARS_PER_TOKEN = 4
# Tokens that a server may add to a text, such as one that marks its beginning.
_ADDED = 2


def findings(project: Project) -> Iterator[Finding]:
    """Yield checks of the server: models, seeds, special tokens, usage and context."""
    spec = of_rollouts(project.declared)
    client = completions.client(spec.model.base_url, spec.model.read_timeout)
    try:
        yield from _models(client, spec)
        replies = [completion_reply(*client.message(_body(spec, seed))) for seed in _SEEDS]
    except Failure as failure:
        yield Finding("completions", "bad", f"{client.endpoint}: {failure.message}")
        return
    finally:
        client.close()
    yield from _texts(replies, spec)
    yield from _usage(replies, project, spec)


def _body(spec: RolloutsSpec, seed: int) -> bytes:
    parameters: dict[str, Json] = spec.sampling.model_dump(mode="json", exclude={"max_tokens"})
    most = min(_MOST, spec.sampling.max_tokens)
    sampling = (*parameters.items(), ("seed", seed))
    own = Request(spec.model.model, "", _PROMPT, most, None, sampling=sampling)
    return canonical(completion_body(own))


def _models(client: Client, spec: RolloutsSpec) -> Iterator[Finding]:
    wanted = spec.model.model
    try:
        listed = client.models().get("data")
    except Failure as failure:
        if failure.status is None:
            raise
        yield Finding("models", "note", f"not listed: {failure.message}")
        return
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    names = [str(row.get("id")) for row in rows]
    if wanted not in names:
        have = ", ".join(names[:5]) or "none"
        yield Finding(f"model {wanted}", "bad", f"unknown to the server (has: {have})")
        return
    yield Finding(f"model {wanted}", "ok", f"at {client.endpoint}")
    row = rows[names.index(wanted)]
    meta = row.get("meta")
    context = row.get("max_model_len")
    if context is None and isinstance(meta, dict):
        context = meta.get("n_ctx") or meta.get("n_ctx_train")
    unit, longest = spec.prefix.unit, spec.prefix.max
    if not isinstance(context, int) or unit == "share":
        yield Finding("context", "note", "cannot be compared with prefix.max: it is not reported")
        return
    prefix = longest if unit == "tokens" else longest // _CHARS_PER_TOKEN
    needed = prefix + _ADDED + spec.sampling.max_tokens
    short = "" if needed <= context else "; lower sampling.max_tokens, or serve a longer context"
    text = f"{context:,} tokens; prefix and continuation need up to {needed:,}{short}"
    yield Finding("context", "bad" if short else "ok", text)


def _texts(replies: list[Reply], spec: RolloutsSpec) -> Iterator[Finding]:
    for reply in replies:
        if reply.outcome not in (Outcome.OK, Outcome.TRUNCATED):
            yield Finding("completions", "bad", reply.error or reply.outcome.value)
            return
    first, second = (reply.text for reply in replies)
    same = first == second
    # At temperature 0, every seed gives the most likely text.
    if same and spec.sampling.temperature > 0:
        text = "two seeds give the same text: the server ignores `seed`, or samples greedily"
        yield Finding("seeds", "bad", text)
    else:
        yield Finding("seeds", "ok", "two seeds give two texts" if not same else "greedy sampling")
    rule = spec.filters.leak
    pattern = leaks.pattern(rule.tokens if rule is not None else [])
    leaking = [text for text in (first, second) if leaks.place(text, pattern) is not None]
    if leaking:
        text = f"in the text: {leaking[0][:80]!r}; filters.leak removes them"
        yield Finding("special tokens", "note" if rule is not None else "bad", text)
    else:
        yield Finding("special tokens", "ok", "none in the texts")


def _usage(replies: list[Reply], project: Project, spec: RolloutsSpec) -> Iterator[Finding]:
    read, written = replies[0].input_tokens, [reply.output_tokens for reply in replies]
    most = min(_MOST, spec.sampling.max_tokens)
    if not read or not all(0 < count <= most for count in written):
        text = f"{read} tokens in, {written} out, for two calls of at most {most}"
        yield Finding("usage", "bad", f"does not add up: {text}")
        return
    name = spec.model.tokenizer
    file = tokens.find(name, project.root, online=False) if name is not None else None
    if file is None:
        yield Finding("usage", "ok", f"{read} tokens in, {written} out; no tokenizer to compare")
        return
    own = tokens.load(file).count(_PROMPT)
    fits = 0 <= read - own <= _ADDED
    text = f"the server counts {read} tokens of the prompt, {name} counts {own}"
    other = "" if fits else "; is it the model's tokenizer?"
    yield Finding("usage", "ok" if fits else "bad", f"{text}{other}")
