"""The spec of a command line, read as a draft with its problems or opened as a project."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.errors import SpecError, UsageError, known
from compiler.llm.providers import PROVIDERS
from compiler.project import problems
from compiler.project.variant import Variant
from compiler.project.variation import suffix
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.load import Draft
from compiler.spec.paid import Role
from compiler.spec.root import project_root

if TYPE_CHECKING:
    from compiler.project.project import Project


def draft(variant: Variant) -> Draft:
    """Read the spec of a variant, with its problems.

    Raises:
        UsageError: --provider names no provider.
    """
    overrides, provider = list(variant.overrides), variant.provider
    if provider is not None:
        from compiler.stages import KINDS

        _require_known(provider)
        kind = load.read(variant.path, overrides, variant.location).at("kind")
        overrides += KINDS.get(str(kind), KINDS["probes"])().provided(provider)
    return load.read(variant.path, overrides, variant.location)


def provided(role: Role, provider: str) -> list[str]:
    """Return the overrides that give a role a provider.

    Raises:
        UsageError: there is no such provider.
    """
    from compiler.stages import probes

    _require_known(provider)
    return probes.given(role, provider)


def _require_known(provider: str) -> None:
    if provider not in PROVIDERS:
        hint = known(provider, PROVIDERS)
        raise UsageError(f"--provider: unknown provider {provider!r}", hint=hint)


def project(variant: Variant, state: Path | None = None, read: Draft | None = None) -> Project:
    """Open the checked spec of a variant in its project.

    `state`: the directory of replies and batches, if not the project's `.probec`; `read`: the draft
    of the variant, if it was read before.

    Raises:
        SpecError: lists every problem of the spec and of the files that it names.
        UsageError: --provider names no provider, or the file of --source is too small.
    """
    read = given = read or draft(variant)
    notices: list[str] = []
    if variant.source is not None and read.spec is not None and not read.problems:
        read, notices = _scaled(variant, read)
    found = problems.find(read)
    if found or read.spec is None:
        raise SpecError(found)
    from compiler.project.project import opened

    made = opened(read.spec, read.root, variant.build_dir, state)
    made.files, made.notices = read.files, notices
    made.variation, made.command = variation(variant, given), command(variant)
    made.locking = variant.source is None
    return made


def variation(variant: Variant, read: Draft | None = None) -> str:
    """Return what the dataset's name gets for the changes of a command line; "" for none.

    `read`: the draft of the variant, if it was read before.
    """
    if not variant.varied:
        return ""
    return suffix(load.read(variant.path), read or draft(variant))


def command(variant: Variant, verb: str = "build") -> str:
    """Return the command that builds a variant, from the root of its project."""
    path, root = variant.path.resolve(), project_root(variant.path)
    if path.is_relative_to(root):
        variant = replace(variant, path=path.relative_to(root))
    return shlex.join(["probec", verb, *variant.arguments()])


def _scaled(variant: Variant, read: Draft) -> tuple[Draft, list[str]]:
    """Shrink the rounds in proportion if the file of --source holds fewer documents."""
    from compiler.dataset.located import locate
    from compiler.dataset.source_columns import column_names
    from compiler.dataset.sources import count_documents

    assert read.spec is not None
    spec = of_probes(read.spec)
    located = locate(spec.source.path, None, read.root, {})
    have, skipped = count_documents(located, column_names(spec))
    lost = f"; {skipped}" if skipped else ""
    wanted = [each.docs for each in spec.rounds]
    sizes = wanted
    if sum(wanted) > have:
        sizes = [docs * have // sum(wanted) for docs in wanted]
        if have == 0:
            raise UsageError(
                f"the source has no usable document: {skipped or 'there are no rows'}",
                where=variant.source,
                hint="every row needs an id, a prefix and a continuation; source.columns maps "
                "their names",
            )
        if min(sizes) == 0:
            raise UsageError(
                f"{have} documents cannot fill {len(wanted)} rounds{lost}",
                where=variant.source,
                hint="use a larger file, or --set rounds=[{docs: 1}]",
            )
    notices = [
        f"rehearsal on {variant.source} ({have:,} documents{lost}): rounds "
        f"{' + '.join(f'{n:,}' for n in wanted)} -> {' + '.join(f'{n:,}' for n in sizes)}, "
        f"tokenizers -> {spec.source.tokenizer}, dataset {spec.name}"
    ]
    rounds = ", ".join(f"{{docs: {n}}}" for n in sizes)
    return draft(variant.adding(f"rounds=[{rounds}]")), notices
