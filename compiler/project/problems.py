"""Problems of a spec and of the providers, templates, prompts and tokenizers that it names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from compiler.dataset.located import Located, local_files
from compiler.embedded import MODEL, TAGS
from compiler.errors import Problem, PromptError, SourceError, known
from compiler.keys import dotted
from compiler.llm.providers import BATCHED, FREE, REPLYING
from compiler.probes.scopes import SCOPES
from compiler.probes.scoring import POLICIES
from compiler.probes.units import SIDE, UNITS
from compiler.project import rollouts
from compiler.report import card
from compiler.spec import load
from compiler.spec.load import Draft
from compiler.spec.model import Spec
from compiler.spec.paid import ROLES
from compiler.spec.scoring import OTHERS
from compiler.templating.prompts import KEYS, Library

# Rows that are read to propose a mapping.
_HEAD = 100


def find(draft: Draft) -> list[Problem]:
    """Find every problem of a spec's shape and of what it names, sorted by place.

    Works on plain data, so that all problems are reported even if the shape is wrong.
    """
    if draft.at("kind") == "rollouts":
        return rollouts.find(draft)
    problems = list(draft.problems)
    for role in ROLES:
        problems.extend(_role(draft, role))
    problems.extend(_scopes(draft))
    problems.extend(_expected_scopes(draft))
    problems.extend(_tokenizers(draft))
    problems.extend(card.problems(Library(draft.root / "templates")))
    problems.extend(_scoring(draft))
    return sorted(dict.fromkeys(problems), key=load.place)


def source(draft: Draft, *, scaled: bool) -> list[Problem]:
    """Find problems of the source, if it is local: its path, its columns, too few documents.

    Not part of `find`, because a locked round can be rebuilt without its source. `scaled`: the
    rounds are scaled to the source, however few documents it has.
    """
    for name in ("source", "corpus"):
        path = draft.at(name, "path")
        chained = draft.at(name, "rollouts") is not None
        if isinstance(path, str) and "://" not in path and not chained:
            try:
                files = local_files(path, Path(draft.root))
                if not isinstance(draft.spec, Spec):
                    continue
                named = tuple(str(file) for file in files)
                wanted = 1 if scaled else draft.spec.documents()
                return _rows(draft, draft.spec, Located(path, named, "", None), wanted)
            except SourceError as error:
                where = draft.where(name, "path")
                message = f"{error.message}: {error.where!r}"
                return [Problem(where, f"{name}.path", message, error.hint or "")]
    return []


def _rows(draft: Draft, spec: Spec, located: Located, wanted: int) -> list[Problem]:
    """Find missing columns, columns of another type, and too few documents."""
    from compiler.dataset import formats, mapping, sources
    from compiler.dataset.source_columns import column_names, remedy

    columns = column_names(spec)
    place = draft.where("source", "columns")
    try:
        count, skipped = sources.most_documents(located, columns, wanted)
    except SourceError as error:
        message = f"{error.where}: {error.message}"
        return [Problem(place, "source.columns", message, error.hint or "")]
    if count == 0:
        message = f"no usable document: {skipped or 'there are no rows'}"
        proposed = mapping.proposal(formats.head(located.files[0], _HEAD))
        hint = remedy(list(proposed), proposed) if proposed else "see docs/spec.md, Columns"
        return [Problem(place, "source.columns", message, hint)]
    if count < wanted:
        lost = f"; {skipped}" if skipped else ""
        message = f"rounds need {wanted:,} documents, the source has at most {count:,}{lost}"
        hint = "lower rounds[].docs, or use a larger source"
        return [Problem(draft.where("rounds"), "rounds", message, hint)]
    return []


def _role(draft: Draft, role: str) -> Iterator[Problem]:
    def problem(key: str, message: str, hint: str) -> Problem:
        return Problem(draft.where("models", role, key), f"models.{role}.{key}", message, hint)

    provider = draft.at("models", role, "provider")
    model = draft.at("models", role, "model")
    if isinstance(provider, str) and provider not in REPLYING:
        yield problem("provider", f"unknown provider {provider!r}", known(provider, REPLYING))
    elif isinstance(provider, str) and isinstance(model, str):
        if provider == "extractive" and model != MODEL:
            yield problem("model", f"the embedded model is {MODEL}, not {model!r}", f"set {MODEL}")
        prices = draft.at("prices")
        if provider not in FREE and not (isinstance(prices, dict) and model in prices):
            yield problem("model", f"model {model!r} has no price", "add it to prices")
    yield from _sampling(draft, role)
    prompt = draft.at("models", role, "prompt")
    library = Library(draft.root / "prompts")
    path = f"models.{role}.prompt"
    if not isinstance(prompt, str) or any(each.path == path for each in draft.problems):
        return
    if not prompt.startswith(f"{role}/"):
        hint = known(prompt, library.variants(role))
        yield problem("prompt", f"{prompt!r} is no prompt of the {role}", hint)
    else:
        together = role == "judge" and draft.at("scoring", "judging") == "together"
        given = "judge of all answers together" if together else role
        where = draft.where("models", role, "prompt")
        found = library.variant_problems(given, prompt, where, path)
        yield from found
        if role == "generator" and not found:
            yield from _contract(library, prompt, embedded=provider == "extractive")


def _contract(library: Library, prompt: str, *, embedded: bool) -> Iterator[Problem]:
    """Check that a generator prompt names what the compiler reads of a reply.

    `embedded`: the embedded model reads the prompt's tags.
    """
    system, user = f"{prompt}/system.j2", f"{prompt}/user.j2"
    texts = [library.text(name) for name in library.prompt_closure(prompt)]
    for key in KEYS:
        if not any(f'"{key}"' in text or f"`{key}`" in text for text in texts):
            yield Problem(
                str(library.root / system),
                "",
                f"the prompt does not name the key {key!r} of the reply",
                f'write it as `{key}` or "{key}"; docs/prompts.md describes the reply',
            )
    for tag in TAGS if embedded else ():
        if not any(f"<{tag}" in text for text in texts):
            yield Problem(
                str(library.root / user),
                "",
                f"the prompt has no tag <{tag} ...>, which the embedded model reads",
                "keep the tags of docs/prompts.md, or set another provider",
            )


def _sampling(draft: Draft, role: str) -> Iterator[Problem]:
    """Find sampling parameters that are declared and would not be sent, or would be refused."""

    def problem(key: str, message: str, hint: str) -> Problem:
        return Problem(draft.where("models", role, key), f"models.{role}.{key}", message, hint)

    provider, sent = draft.at("models", role, "provider"), draft.at("models", role, "sampling")
    if sent == "sent" and provider not in FREE:
        own = "use the provider anthropic with the base_url of a server that takes them"
        if provider in BATCHED:
            yield problem("sampling", "the batch API refuses sampling parameters", own)
        elif draft.at("models", role, "base_url") is None:
            yield problem("sampling", "the vendor's API refuses sampling parameters", own)
    if sent in (None, "default"):
        hint = "set sampling: sent for a server of your own that takes it, or "
        value = draft.at("models", role, "temperature")
        if isinstance(value, int | float) and value != 1.0:
            message = f"the vendor's API refuses sampling parameters, so {value} is not sent"
            yield problem("temperature", message, f"{hint}leave it at 1.0, the API's default")
        for name in ("top_p", "top_k"):
            if draft.at("models", role, name) is not None:
                yield problem(name, "it is declared and not sent", f"{hint}remove it")


def _scoring(draft: Draft) -> Iterator[Problem]:
    def problem(key: str, message: str, hint: str) -> Problem:
        return Problem(draft.where("scoring", key), f"scoring.{key}", message, hint)

    policy = draft.at("scoring", "policy")
    exists = isinstance(policy, str) and policy in POLICIES
    if isinstance(policy, str) and not exists:
        yield problem("policy", f"unknown policy {policy!r}", known(policy, POLICIES))
    if exists and not POLICIES[str(policy)].judged:
        for key in ("anchors", "rejudge", "stop"):
            if draft.at("scoring", key) is not None:
                yield problem(key, f"policy {policy!r} has no judge", "leave it out, or null")
        for key, plain in (("judging", "each"), ("identical", "each")):
            if draft.at("scoring", key) not in (None, plain):
                yield problem(key, f"policy {policy!r} has no judge", f"leave it at {plain}")
    yield from _compared(draft)
    yield from _baseline_prompts(draft)
    yield from _room_for_numbers(draft)


def _compared(draft: Draft) -> Iterator[Problem]:
    """Check that references are declared for written scopes, whose answers are scored."""
    declared, scopes = draft.at("scoring", "compare"), draft.at("scopes")
    if not isinstance(declared, dict) or not isinstance(scopes, dict):
        return
    kinds = {str(name): draft.at("scopes", str(name), "kind") for name in scopes}
    written = [name for name, kind in kinds.items() if kind == "written"]
    for name in map(str, declared):
        where, path = draft.where("scoring", "compare", name), f"scoring.compare.{name}"
        if name in kinds and kinds[name] == "template":
            message = f"the scope {name!r} is templated: no model answers its probes"
            yield Problem(where, path, message, f"remove it (written: {', '.join(written)})")
        elif name not in kinds and name != OTHERS:
            message = f"the spec has no scope {name!r}"
            yield Problem(where, path, message, known(name, [*written, OTHERS]))


def _room_for_numbers(draft: Draft) -> Iterator[Problem]:
    rollouts, most = draft.at("scoring", "rollouts"), draft.at("models", "judge", "max_tokens")
    if draft.at("scoring", "judging") == "together" and isinstance(rollouts, int):
        needed = 8 * rollouts
        if isinstance(most, int) and most < needed:
            message = f"max_tokens {most} is too few for {rollouts} numbers in one reply"
            place = draft.where("models", "judge", "max_tokens")
            yield Problem(place, "models.judge.max_tokens", message, f"set at least {needed}")


def _baseline_prompts(draft: Draft) -> Iterator[Problem]:
    library = Library(draft.root / "prompts")
    for name in ("no_context", "full_information"):
        path = ("scoring", "baselines", name)
        declared = draft.at(*path)
        if not isinstance(declared, dict):
            continue
        prompt = declared.get("prompt", f"answerer/{name}")
        if isinstance(prompt, str):
            where = draft.where(*path, "prompt")
            yield from library.variant_problems(name, prompt, where, f"{dotted(path)}.prompt")


def _scopes(draft: Draft) -> Iterator[Problem]:
    scopes = draft.at("scopes")
    library = Library(draft.root / "templates")
    for name, scope in scopes.items() if isinstance(scopes, dict) else ():
        if not isinstance(scope, dict):
            continue
        unit, units = scope.get("unit"), [*UNITS, SIDE]
        if scope.get("kind") == "written" and isinstance(unit, str) and unit not in units:
            place, path = draft.where("scopes", str(name), "unit"), f"scopes.{name}.unit"
            yield Problem(place, path, f"unknown unit {unit!r}", known(unit, units))
        if scope.get("kind") != "template":
            continue
        where = draft.where("scopes", str(name))
        if name in SCOPES:
            path = f"probes/{name}.j2"
            found = library.problems("probes", (path,), where, f"scopes.{name}")
            yield from found or _phrasings(library, name)
        else:
            yield Problem(
                where,
                f"scopes.{name}",
                f"unknown templated scope {name!r}",
                known(str(name), SCOPES),
            )


def _expected_scopes(draft: Draft) -> Iterator[Problem]:
    """Check that expectations name scopes of the spec, whose calls they describe."""
    scopes, sets = draft.at("scopes"), draft.at("expect", "sets")
    if not isinstance(scopes, dict):
        return
    places: list[tuple[str, ...]] = [("expect",)]
    places += [("expect", "sets", str(name)) for name in sets] if isinstance(sets, dict) else []
    for place in places:
        for role in ROLES:
            path = (*place, role, "scopes")
            named = draft.at(*path)
            for name in named if isinstance(named, dict) else ():
                if name not in scopes:
                    yield Problem(
                        draft.where(*path, str(name)),
                        f"{dotted(path)}.{name}",
                        f"the spec has no scope {name!r}",
                        known(str(name), map(str, scopes)),
                    )


def _phrasings(library: Library, name: str) -> Iterator[Problem]:
    """Check that a templated scope has a question for either side, near and far."""
    for target in ("prefix", "suffix"):
        for distance in (1, 2, 63):
            try:
                library.phrasings(name, target, distance)
            except PromptError as error:
                yield Problem(error.where or name, "", error.message, error.hint or "")
                return


def _tokenizers(draft: Draft) -> Iterator[Problem]:
    paths: list[tuple[str | int, ...]] = [("source", "tokenizer"), ("rehearsal", "tokenizer")]
    scopes = draft.at("scopes")
    paths += [("scopes", str(n), "tokenizer") for n in scopes] if isinstance(scopes, dict) else []
    yield from rollouts.tokenizers(draft, paths)
