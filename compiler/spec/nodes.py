"""YAML text as plain data, with the place of every value and the problems found.

With `edit`, the modules that import yaml. Duplicate keys are refused, as is all of YAML that makes
a spec mean other values than it shows: anchors, aliases, merge keys, tags of other than plain data,
and the scalars that `scalars` lists. A byte order mark and Windows line ends are read.
"""

from __future__ import annotations

import re
from typing import TypeAlias

import yaml
from msgspec import Struct, field

from compiler.errors import Problem
from compiler.keys import dotted
from compiler.spec import scalars

Scalar: TypeAlias = "str | int | float | bool | None"
Tree: TypeAlias = "Scalar | list[Tree] | dict[Scalar, Tree]"
Path_: TypeAlias = tuple["str | int", ...]

_MERGE = "tag:yaml.org,2002:merge"
_TAGS = {f"tag:yaml.org,2002:{name}" for name in "str int float bool null map seq".split()}
# Beginnings of PyYAML's messages: the name of the mistake and its remedy.
_SYNTAX = (
    (r"found character '\\t'", "a tab", "indent with spaces"),
    (r"found character '(.)'", r"a value cannot start with \1", "quote it"),
    ("but found another document", "two documents in one file", "keep one"),
    ("found undefined alias", "* starts an alias", "quote text that starts with *"),
    ("found duplicate anchor", "an anchor", "write the values out"),
    ("found undefined tag handle", "a tag", "remove it, or quote text that starts with !"),
    ("mapping values are not allowed", r"\g<0>", "quote text that holds a colon and a space"),
    (
        "found unknown escape character",
        r"\g<0>",
        "use single quotes",
    ),
    ("found unexpected end of stream", "a quote that is not closed", "close it"),
)


def spelled(path: Path_) -> str:
    """Return a path as `--set` takes it: a key that holds a dot is quoted."""
    return dotted([f'"{part}"' if isinstance(part, str) and "." in part else part for part in path])


class Reader(Struct):
    """A reader of YAML nodes as plain data, with the place of each value.

    `label`: the file, or the option that gives the value; `lined`: places have line numbers.
    `broken`: paths of values that could not be read, whose further problems are consequences.
    """

    label: str
    lined: bool = True
    lines: dict[Path_, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    broken: set[Path_] = field(default_factory=set)
    _line: int = 1
    _text: str = ""
    _seen: set[int] = field(default_factory=set)

    def read(self, text: str, at: Path_ = ()) -> Tree:
        """Read a text as the value at a path."""
        self._text = text
        loader: yaml.SafeLoader | None = None
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            return None if node is None else self._value(loader, node, at)
        except (ValueError, TypeError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            self._report(at, self._line, f"not a value: {what}", "fix it, or quote it")
        except yaml.YAMLError as error:
            line, what, hint = _syntax(error, text)
            self._report((), line, f"not valid YAML: {what}", hint)
            self.broken.add(at)
        finally:
            if loader is not None:
                loader.dispose()
        return None

    def _report(self, path: Path_, line: int, message: str, hint: str) -> None:
        self.problems.append(Problem(self._place(line), spelled(path), message, hint))
        self.broken.add(path)

    def _place(self, line: int) -> str:
        return f"{self.label}:{line}" if self.lined else self.label

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path_) -> Tree:
        self._line = node.start_mark.line + 1
        self.lines[path] = self._place(self._line)
        if id(node) in self._seen:
            self._report(path, self._line, "YAML aliases are not supported", "write the value out")
            return None
        self._seen.add(id(node))
        if not self._untagged(node, path):
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, item, (*path, i)) for i, item in enumerate(node.value)]
        return self._scalar(loader, node, path)

    def _untagged(self, node: yaml.Node, path: Path_) -> bool:
        """Check that no anchor precedes a value, and no tag but those of plain data."""
        start = self._text[node.start_mark.index : node.start_mark.index + 1]
        if start == "&":
            self._report(path, self._line, "YAML anchors are not supported", "write the value out")
            return False
        if start == "!" and node.tag not in _TAGS:
            hint = "remove it, or quote text that starts with !"
            self._report(path, self._line, "YAML tags are not supported", hint)
            return False
        return True

    def _scalar(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path_) -> Scalar:
        # A quoted scalar is text, unless it has a tag: only then its tag is another.
        refused = scalars.surprise(node.tag, node.value)
        if refused is not None:
            self._report(path, self._line, *refused)
            return None
        scalar: Scalar = loader.construct_object(node)
        if isinstance(scalar, str):
            scalar.encode("utf-8")
        return scalar

    def _mapping(self, loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path_) -> Tree:
        found: dict[Scalar, Tree] = {}
        for key_node, value_node in node.value:
            line = self._line = key_node.start_mark.line + 1
            if key_node.tag == _MERGE:
                message = "YAML merge keys are not supported"
                self._report((*path, "<<"), line, message, "write the values out")
                self.broken.add(path)
                continue
            key = self._key(loader, key_node, path)
            if key is None:
                continue
            here = (*path, key)
            if key in found:
                first = self.lines[here].rpartition(":")[2]
                hint = f"it is also on line {first}" if self.lined else "keep one"
                self.problems.append(
                    Problem(self._place(line), spelled(here), "duplicate key", hint)
                )
                continue
            found[key] = self._value(loader, value_node, here)
            self.lines[here] = self._place(line)
        return found

    def _key(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path_) -> str | int | None:
        """Read a key: text or a whole number. None: it is neither, which is reported."""
        if not isinstance(node, yaml.ScalarNode):
            hint = "quote text that holds brackets or braces"
            self._report((*path, "?"), self._line, "a key is text or a whole number", hint)
            return None
        here = (*path, node.value)
        if id(node) in self._seen or not self._untagged(node, here):
            return None
        known = len(self.problems)
        key = self._scalar(loader, node, here)
        if isinstance(key, str) or (isinstance(key, int) and not isinstance(key, bool)):
            return key
        if len(self.problems) == known:
            hint = f'write "{node.value}"' if node.value else "add the key before the colon"
            self._report(here, self._line, "a key is text or a whole number", hint)
        return None


def _syntax(error: yaml.YAMLError, text: str) -> tuple[int, str, str]:
    """Return the line, the name and the remedy of a syntax error."""
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return line, f"the character U+{code:04X}", "remove it, or escape it in double quotes"
    problem = getattr(error, "problem", None) or str(error)
    mark = getattr(error, "problem_mark", None)
    if problem == "found unexpected end of stream":
        mark = getattr(error, "context_mark", None) or mark
    line = mark.line + 1 if mark is not None else 1
    for pattern, what, hint in _SYNTAX:
        match = re.match(pattern, problem)
        if match is not None:
            return line, match.expand(what), hint
    return line, problem, "fix the syntax"
