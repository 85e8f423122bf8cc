"""The differences between the templates that two builds read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from compiler.comparison.hunks import Hunk, hunks
from compiler.report import card
from compiler.templating.prompts import Library


@dataclass(frozen=True, slots=True)
class Template:
    """A template's path from the project root and its text."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class TemplateChange:
    """A template that differs; the path is None on a side without it.

    `name`: the common name of both, such as `generator/*/system.j2` for the file of either variant.
    """

    name: str
    old: str | None
    new: str | None
    hunks: tuple[Hunk, ...]


def read(
    prompts: Library, templates: Library, variants: Iterable[str], scopes: Iterable[str]
) -> dict[str, Template]:
    """Read every template of a build, by the name that it shares with its counterpart.

    `variants`: the prompts in use, `<role>/<variant>`; `scopes`: the templated ones.
    """
    found: dict[str, Template] = {}
    for variant in variants:
        role = variant.partition("/")[0]
        for name in prompts.prompt_closure(variant):
            inside = name.removeprefix(f"{variant}/")
            shared = name if inside == name else f"{role}/*/{inside}"
            found[f"prompts/{shared}"] = _template("prompts", prompts, name)
    for name in templates.closure(*(f"probes/{scope}.j2" for scope in scopes), card.TEMPLATE):
        found[f"templates/{name}"] = _template("templates", templates, name)
    return found


def compare(old: Mapping[str, Template], new: Mapping[str, Template]) -> list[TemplateChange]:
    """List the templates that differ, in the order of their names.

    The same text under another variant's name is not a difference.
    """
    changed = []
    for name in sorted({*old, *new}):
        left, right = old.get(name), new.get(name)
        before = left.text if left is not None else ""
        after = right.text if right is not None else ""
        if before != after or left is None or right is None:
            changed.append(
                TemplateChange(
                    name,
                    left.path if left is not None else None,
                    right.path if right is not None else None,
                    hunks(before, after),
                )
            )
    return changed


def _template(folder: str, library: Library, name: str) -> Template:
    text = library.text(name)
    return Template(f"{folder}/{name}", text)
