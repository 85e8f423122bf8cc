"""Problems of a spec of rollouts and of the provider, tokenizer and template that it names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from compiler.errors import Problem, SourceError, known, nearest_file
from compiler.keys import dotted
from compiler.llm.providers import CONTINUING
from compiler.probes import tokens
from compiler.spec import load
from compiler.spec.load import Draft
from compiler.templating.prompts import Library


def find(draft: Draft) -> list[Problem]:
    """Find every problem of a spec's shape and of what it names, sorted by place."""
    from compiler.report import rollouts as card

    problems = [*draft.problems, *_model(draft), *_prefix(draft)]
    problems.extend(tokenizers(draft, [("model", "tokenizer")]))
    problems.extend(card.problems(Library(draft.root / "templates")))
    return sorted(dict.fromkeys(problems), key=load.place)


def _problem(draft: Draft, path: tuple[str, ...], message: str, hint: str) -> Problem:
    return Problem(draft.where(*path), dotted(path), message, hint)


def _model(draft: Draft) -> Iterator[Problem]:
    from compiler.embedded import trigrams

    provider, model = draft.at("model", "provider"), draft.at("model", "model")
    if isinstance(provider, str) and provider not in CONTINUING:
        message = f"{provider!r} is no provider that continues texts"
        yield _problem(draft, ("model", "provider"), message, known(provider, CONTINUING))
    text = draft.at("model", "text")
    if provider == "stub":
        if isinstance(model, str) and model != trigrams.MODEL:
            message = f"the stub is {trigrams.MODEL}, not {model!r}"
            yield _problem(draft, ("model", "model"), message, f"set {trigrams.MODEL}")
        if not isinstance(text, str):
            hint = "name a JSONL file of rows with a `text`"
            yield _problem(draft, ("model", "text"), "the stub needs a text to learn from", hint)
        elif not (Path(draft.root) / text).is_file():
            hint = f"{nearest_file(text, ('.jsonl',), Path(draft.root))}name a JSONL file"
            yield _problem(draft, ("model", "text"), f"no such file {text!r}", hint)
    elif text is not None:
        yield _problem(draft, ("model", "text"), "only the stub has a text", "leave it out")
    if provider in CONTINUING and provider != "stub" and draft.at("model", "base_url") is None:
        hint = "such as http://127.0.0.1:8000/v1"
        yield _problem(draft, ("model", "base_url"), "a server is needed", hint)


def _prefix(draft: Draft) -> Iterator[Problem]:
    unit, boundary = draft.at("prefix", "unit"), draft.at("prefix", "boundary")
    if draft.at("model", "tokenizer") is None:
        for key, value, word in (("unit", unit, "tokens"), ("boundary", boundary, "token")):
            if value == word:
                hint = "name model.tokenizer, or choose another"
                yield _problem(draft, ("prefix", key), f"{word} need a tokenizer", hint)


def tokenizers(draft: Draft, paths: Sequence[tuple[str | int, ...]]) -> Iterator[Problem]:
    """Yield the problems of the tokenizers that a spec names at some paths."""
    for path in paths:
        name = draft.at(*path)
        if isinstance(name, str):
            try:
                tokens.find(name, Path(draft.root), online=False)
            except SourceError as error:
                yield Problem(
                    draft.where(*path),
                    dotted(path),
                    f"{error.message}: {name!r}",
                    error.hint or "",
                )
