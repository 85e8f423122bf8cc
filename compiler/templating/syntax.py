"""Syntax of prompt templates: their environment, and facts that depend on a text alone.

The facts are cached for the process, because both the check of a spec and every stage that renders
a template need them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import PurePosixPath

from jinja2 import (
    Environment,
    FunctionLoader,
    StrictUndefined,
    TemplateSyntaxError,
    meta,
    nodes,
)

from compiler.probes.annotate import escape
from compiler.templating import determinism
from compiler.templating.determinism import Deterministic


def environment(loader: FunctionLoader | None) -> Deterministic:
    """Make the environment of prompts."""
    made = Deterministic(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["tagged"] = escape
    return made


# Templates that are rendered as messages; all others are included by one of them.
_MESSAGES = ("system.j2", "user.j2")
_MARK = re.compile(r"\{[#%{]")
_RAW = re.compile(r"\{%[-+]?\s*raw\s*[-+]?%\}.*?\{%[-+]?\s*endraw\s*[-+]?%\}", re.DOTALL)
_STRING = r"""\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"""
_TAG = re.compile(rf"\{{[%{{](?:{_STRING}|[^\"'])*?[%}}]\}}", re.DOTALL)


def trimmed(name: str, text: str) -> str:
    """Remove comments and, of a message, newlines from the end of a template.

    Neither is part of a request. In a part, blank lines at the end separate it from what follows.
    """
    text = _uncommented(text)
    while text.rstrip().endswith("#}"):
        line = _last_comment(text)
        if line is None:
            break
        text = "".join(f"{each}\n" for each in text.split("\n")[: line - 1])
    return text.rstrip("\n") if PurePosixPath(name).name in _MESSAGES else text


def _uncommented(text: str) -> str:
    """Remove the comments of a template, so that the rest is as if they had never been written.

    A comment goes with the blanks before it, at the start of a line with those after it, and alone
    on its lines with the lines. One with whitespace control (`{#-`, `-#}`) is left to jinja2.
    """
    made, at = "", 0
    for start, end in _comments(text):
        made += text[at:start]
        bare, stop = made.rstrip(" \t"), end + len(text[end:]) - len(text[end:].lstrip(" \t"))
        opens = not bare or bare.endswith("\n")
        closes = stop == len(text) or text[stop] == "\n"
        if opens and closes:
            made, at = bare, min(stop + 1, len(text))
        elif opens:
            at = stop
        elif closes or stop > end:
            made, at = bare, stop if closes else end
        else:
            at = end
    return made + text[at:]


def _comments(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and end of the comments without whitespace control."""
    at = 0
    while mark := _MARK.search(text, at):
        start = mark.start()
        if mark[0] == "{#":
            end = text.find("#}", start + 2)
            if end < 0:
                return  # loading the template reports it
            at = end + 2
            if text[start + 2] not in "+-" and text[end - 1] not in "+-":
                yield start, at
        else:
            block = _RAW.match(text, start) or _TAG.match(text, start)
            at = block.end() if block else start + 2


def _last_comment(text: str) -> int | None:
    """Return the line of the comment that ends a template, None if text precedes it there."""
    try:
        tokens = list(environment(None).lex(text.rstrip()))
    except TemplateSyntaxError:
        return None  # loading the template reports it
    if not tokens or tokens[-1][1] != "comment_end":
        return None
    begin = next(line for line, kind, _ in reversed(tokens) if kind == "comment_begin")
    line = text.split("\n")[begin - 1].strip()
    return begin if line.startswith("{#") and line.find("#}") in (-1, len(line) - 2) else None


# The caches are unbounded, so that `referenced` and `refused` never run again after `undeclared`
# has folded constants in the shared tree.


@cache
def _parsed(text: str) -> nodes.Template:
    return environment(None).parse(text)


@cache
def referenced(text: str) -> tuple[tuple[tuple[str, int], ...], int | None]:
    """Return the names that a template includes with their lines, or the line of a dynamic one."""
    found: dict[str, int] = {}
    kinds = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)
    for node in _parsed(text).find_all(kinds):
        tree = nodes.Template([node], lineno=node.lineno)
        for name in meta.find_referenced_templates(tree):
            if name is None:
                return (), node.lineno
            found.setdefault(name, node.lineno)
    return tuple(found.items()), None


@cache
def refused(text: str) -> tuple[determinism.Refused, ...]:
    """Find the nondeterministic features that a template uses."""
    return determinism.refused(_parsed(text))


@cache
def undeclared(text: str) -> tuple[tuple[str, int], ...]:
    """Return the free variables of a template in order, each with its first line.

    Raises:
        TemplateSyntaxError: the template uses an unknown filter or test.
    """
    referenced(text)
    refused(text)
    tree = _parsed(text)
    names = meta.find_undeclared_variables(tree)
    found: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in names:
            found.setdefault(node.name, node.lineno)
    return tuple(found.items())


def names(text: str, environment: Environment) -> set[str]:
    """Return the free variables of a template for an environment with other filters.

    Raises:
        TemplateSyntaxError: the template uses a filter or test that the environment lacks.
    """
    referenced(text)
    refused(text)
    tree = _parsed(text)
    tree.set_environment(environment)
    return meta.find_undeclared_variables(tree)
