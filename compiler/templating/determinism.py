"""Features of jinja2 whose result is not a function of a template's values, and their removal.

A prompt that rendered to other bytes the second time would have another request key: no reply in
the log would be found, and the request would be paid again. With `templating.prompts`, one of the
modules that import jinja2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set

from jinja2 import Environment, Template, nodes
from jinja2.environment import TemplateModule
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment
from msgspec import Struct

# Names by kind, each with its remedy.
_FILTERS: Mapping[str, str] = {"random": "choose by a value, such as number % length"}
_GLOBALS: Mapping[str, str] = {"lipsum": "write the text out"}
_TESTS: Mapping[str, str] = {"sameas": "compare with ==, or with `is none`, `is true`, `is false`"}
# Filters whose results print as an object with its address.
_LAZY = frozenset("batch items map reject rejectattr select selectattr slice unique".split())
# Filters that print their operand, and may change the print.
_PRINTING = frozenset(
    "capitalize center e escape forceescape format indent lower pprint replace safe string "
    "striptags tagged title trim truncate upper urlencode urlize wordcount wordwrap".split()
)
# Objects of every template that print with their address.
_OBJECTS = frozenset({"range"})
_ADDRESS = re.compile(r"\bat 0x[0-9a-f]+(?:>|&gt;)", re.IGNORECASE)


class Refused(Struct, frozen=True):
    """One use of a nondeterministic feature in a template."""

    line: int
    message: str
    hint: str


class _Stateless(Template):
    """A template whose variables start anew wherever it is imported.

    Jinja2 imports a template once, so that a `cycler` in it would go on from the last rendering.
    """

    def _get_default_module(self, ctx: Context | None = None) -> TemplateModule:
        self._module = None
        return super()._get_default_module(ctx)


class Deterministic(SandboxedEnvironment):
    """A sandboxed environment without nondeterministic filters, tests and globals."""

    template_class = _Stateless
    # The difference of two dictionary views is a set, whose order changes with each process.
    intercepted_binops = frozenset({"-"})

    def __init__(self, **options: object) -> None:
        super().__init__(**options)
        remove(self)

    def call_binop(self, context: Context, operator: str, left: object, right: object) -> object:
        """Apply an operator, except where its result has no order."""
        result: object = super().call_binop(context, operator, left, right)
        if isinstance(result, Set):
            raise SecurityError("the difference of two sets has no order; use `| reject`")
        return result


def remove(environment: Environment) -> None:
    """Remove the nondeterministic filters, tests and globals of an environment."""
    for name in _FILTERS:
        environment.filters.pop(name, None)
    for name in _TESTS:
        environment.tests.pop(name, None)
    for name in _GLOBALS:
        environment.globals.pop(name, None)


def refused(tree: nodes.Template) -> tuple[Refused, ...]:
    """Find the uses of nondeterministic features in a parsed template, by line."""
    every = list(tree.find_all(nodes.Node))
    found = dict.fromkeys(_named(every))
    for output in every:
        if isinstance(output, nodes.Output):
            found.update(dict.fromkeys(each for node in output.nodes for each in _printed(node)))
    return tuple(sorted(found, key=lambda each: each.line))


def address(text: str, values: Mapping[str, object]) -> str | None:
    """Find the address of an object in a rendered text, unless a value holds it as text."""
    if "0x" not in text and "0X" not in text:
        return None
    for match in _ADDRESS.finditer(text):
        if not _holds(values, match[0]):
            return match[0]
    return None


def _named(every: list[nodes.Node]) -> Iterator[Refused]:
    for node in every:
        if isinstance(node, nodes.Filter):
            yield from _uses(node.lineno, "filter", node.name, _FILTERS)
            if node.name == "map":
                yield from _uses(node.lineno, "filter", _first(node), _FILTERS)
            elif node.name in ("select", "reject"):
                yield from _uses(node.lineno, "test", _first(node), _TESTS)
            elif node.name in ("selectattr", "rejectattr"):
                yield from _uses(node.lineno, "test", _first(node, 1), _TESTS)
        elif isinstance(node, nodes.Test):
            yield from _uses(node.lineno, "test", node.name, _TESTS)
    yield from _undefined(every)


def _undefined(every: list[nodes.Node]) -> Iterator[Refused]:
    """Find the removed globals, except names that the template itself defines."""
    names = [each for each in every if isinstance(each, nodes.Name) and each.name in _GLOBALS]
    own = {node.name for node in names if node.ctx in ("store", "param")}
    own |= {each.name for each in every if isinstance(each, nodes.Macro)}
    for node in names:
        if node.name not in own:
            yield from _uses(node.lineno, "function", node.name, _GLOBALS)


def _uses(line: int, kind: str, name: str | None, remedies: Mapping[str, str]) -> Iterator[Refused]:
    if name is not None and name in remedies:
        message = f"the {kind} {name!r} does not exist for templates: its result is not determined"
        yield Refused(line, f"{message} by the values", remedies[name])


def _first(node: nodes.Filter, index: int = 0) -> str | None:
    """Return a constant argument of a filter."""
    argument = node.args[index] if len(node.args) > index else None
    return argument.value if isinstance(argument, nodes.Const) else None


def _printed(node: nodes.Expr | None) -> Iterator[Refused]:
    """Find the objects without a text of their own among the values that an expression prints."""
    if isinstance(node, nodes.Name) and node.name in _OBJECTS and node.ctx == "load":
        yield Refused(node.lineno, f"{node.name!r} prints as the address of a function", "call it")
    elif isinstance(node, nodes.Filter) and node.name in _LAZY:
        message = f"the result of {node.name!r} prints as the address of an object"
        yield Refused(node.lineno, message, "pipe it through list or join")
    elif isinstance(node, nodes.Filter) and node.name in _PRINTING:
        yield from _printed(node.node)
    elif isinstance(node, nodes.Concat):
        for each in node.nodes:
            yield from _printed(each)
    elif isinstance(node, nodes.CondExpr):
        yield from _printed(node.expr1)
        yield from _printed(node.expr2)


def _holds(value: object, text: str) -> bool:
    if isinstance(value, str):
        return text in value or text in value.replace(">", "&gt;")
    if isinstance(value, Mapping):
        return any(_holds(each, text) for each in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(each, text) for each in value)
    return False
