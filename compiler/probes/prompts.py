"""Loading, checking and rendering of prompt templates. One of the two modules that import jinja2.

A template's include closure is found statically, and its digests are part of a step's identity.
Dynamic includes are refused. The free variables of a prompt must equal those that its role
provides: an undefined one would fail at render time, and an unused one would silently omit data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path

from jinja2 import (
    FunctionLoader,
    StrictUndefined,
    Template,
    TemplateNotFound,
    TemplateSyntaxError,
    meta,
    nodes,
)
from jinja2.exceptions import TemplateError
from jinja2.loaders import split_template_path
from jinja2.sandbox import SandboxedEnvironment

from compiler.errors import Problem, PromptError
from compiler.keys import text_digest
from compiler.probes.annotate import escape

# Variables of each kind of template; docs/prompts.md describes them.
CONTEXT: Mapping[str, frozenset[str]] = {
    "generator": frozenset({"addendum", "scopes", "slots", "siblings", "n_available"}),
    "answerer": frozenset({"context", "question", "target"}),
    "judge": frozenset({"question", "reference", "answer"}),
    "judge of all answers together": frozenset({"question", "reference", "answers"}),
    "no_context": frozenset({"question", "target"}),
    "full_information": frozenset({"context", "passage", "question", "target"}),
    "probes": frozenset({"target", "distance"}),
}


class Prompt:
    """The system and user templates of one prompt variant.

    `fixed`: the system text uses no values, so it is rendered once.
    """

    def __init__(self, system: Template, user: Template, *, fixed: bool) -> None:
        self._system = system
        self._user = user
        self._text = render(system, {}) if fixed else None

    def render(self, values: Mapping[str, object]) -> tuple[str, str]:
        """Render the system and the user text.

        Raises:
            PromptError: a template fails on these values.
        """
        system = self._text if self._text is not None else render(self._system, values)
        return system, render(self._user, values)


class Library:
    """The templates below one directory, each read once, so that the hashed text is rendered.

    `texts`: templates by name, read instead of the files. `partial`: templates may be missing; a
    missing one has the digest "" in a closure and fails only when it is rendered.
    """

    def __init__(
        self, root: Path, texts: Mapping[str, str] | None = None, *, partial: bool = False
    ) -> None:
        self.root = root
        self.partial = partial
        self._texts = dict(texts or {})
        self._closed = texts is not None

    @property
    def texts(self) -> Mapping[str, str]:
        """The templates read so far, by name."""
        return self._texts

    @cached_property
    def _environment(self) -> SandboxedEnvironment:
        return _environment(self.loader())

    def loader(self) -> FunctionLoader:
        """Return a jinja2 loader of these templates."""
        return FunctionLoader(lambda name: (self.text(name), str(self.root / name), None))

    def prompt(self, name: str) -> Prompt:
        """Load the prompt variant `<role>/<variant>`."""
        system = f"{name}/system.j2"
        fixed = not any(_undeclared(self.text(each)) for each in self.closure(system))
        return Prompt(self.template(system), self.template(f"{name}/user.j2"), fixed=fixed)

    def template(self, name: str) -> Template:
        """Load one compiled template.

        Raises:
            PromptError: it cannot be read or compiled.
        """
        try:
            return self._environment.get_template(name)
        except TemplateError as error:
            raise PromptError(f"cannot be loaded: {error}", where=str(self.root / name)) from error

    def phrasings(self, scope: str, target: str, distance: int) -> list[str]:
        """Render the phrasings of a templated scope's question, one per line of its template.

        Raises:
            PromptError: the template fails, or renders no line.
        """
        template = self.template(f"probes/{scope}.j2")
        text = render(template, {"target": target, "distance": distance})
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if not lines:
            raise PromptError(
                f"no phrasing for target {target}, distance {distance}",
                where=template.filename,
                hint="write one phrasing per line",
            )
        return lines

    def closure(self, *names: str) -> dict[str, str]:
        """Find all files that rendering these templates reads: name -> digest of its text."""
        found: dict[str, str] = {}
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name in found:
                continue
            if self.partial and not self._exists(name):
                found[name] = ""
            else:
                text = self.text(name)
                found[name] = text_digest(text)
                waiting.extend(self._includes(name, text))
        return dict(sorted(found.items()))

    def prompt_closure(self, name: str) -> dict[str, str]:
        """Find the closure of a prompt variant."""
        return self.closure(f"{name}/system.j2", f"{name}/user.j2")

    def problems(self, role: str, names: tuple[str, ...], where: str, path: str) -> list[Problem]:
        """Find all problems of these templates as the prompt of a role.

        `where`, `path`: the place in the spec that names them, reported for a missing file.
        """
        problems: list[Problem] = []
        free: dict[str, str] = {}
        waiting, seen = list(names), set(names)
        while waiting:
            name = waiting.pop(0)
            file = self.root / name
            if not file.is_file():
                problems.append(Problem(where, path, f"no such template: {file}", "create it"))
                continue
            more, problem = self._scan(name, file, free)
            if problem is not None:
                problems.append(problem)
            if name in more:
                problems.append(Problem(str(file), "", "the template includes itself", "remove it"))
            waiting.extend(each for each in more if each not in seen)
            seen.update(more)
        given = CONTEXT[role]
        have = ", ".join(sorted(given))
        for name in sorted(free.keys() - given):
            problems.append(
                Problem(
                    free[name], "", f"undefined variable {name!r}", f"{role} prompts have: {have}"
                )
            )
        if not problems:
            for name in sorted(given - free.keys()):
                problems.append(
                    Problem(
                        str(self.root / names[-1]),
                        "",
                        f"unused variable {name!r}",
                        "every value given to a prompt must appear in it",
                    )
                )
        return problems

    def _scan(
        self, name: str, file: Path, free: dict[str, str]
    ) -> tuple[Sequence[str], Problem | None]:
        try:
            text = self.text(name)
            includes = self._includes(name, text)
            undeclared = _undeclared(text)
        except PromptError as error:
            return [], Problem(error.where or str(file), "", error.message, error.hint or "")
        except TemplateSyntaxError as error:
            where = f"{file}:{error.lineno}"
            return [], Problem(where, "", f"template: {error.message}", "fix the template")
        for variable, line in undeclared:
            free.setdefault(variable, f"{file}:{line}")
        return includes, None

    def _exists(self, name: str) -> bool:
        return name in self._texts if self._closed else (self.root / name).is_file()

    def text(self, name: str) -> str:
        """Read the text of one template.

        Raises:
            PromptError: it does not exist, cannot be read, or lies outside the directory.
        """
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> str:
        try:
            split_template_path(name)
        except TemplateNotFound as error:
            raise PromptError(
                f"template {name!r} lies outside {self.root.name}/",
                hint=f"copy it into {self.root.name}/",
            ) from error
        if self._closed:
            raise PromptError("the round has no such template", where=name)
        try:
            return (self.root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise PromptError(
                f"not UTF-8 at byte {error.start}", where=str(self.root / name)
            ) from error
        except OSError as error:
            raise PromptError(
                f"cannot be read: {error.strerror}", where=str(self.root / name)
            ) from error

    def _includes(self, name: str, text: str) -> tuple[str, ...]:
        try:
            found, line = _referenced(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"template syntax: {error.message}",
                where=f"{self.root / name}:{error.lineno}",
                hint="fix the template",
            ) from error
        if line is not None:
            raise PromptError(
                "dynamic include: its files are unknown before rendering",
                where=f"{self.root / name}:{line}",
                hint="include a literal name",
            )
        return found


def _environment(loader: FunctionLoader | None) -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tagged"] = escape
    return environment


# Results that depend on a text alone are cached for the process, because both the check of a spec
# and every stage that renders the template need them. The caches are unbounded, so that
# `_referenced` never runs again after `_undeclared` has folded constants in the shared tree.


@cache
def _parsed(text: str) -> nodes.Template:
    return _environment(None).parse(text)


@cache
def _referenced(text: str) -> tuple[tuple[str, ...], int | None]:
    """Return the names that a template includes, or () and the line of a dynamic include."""
    tree = _parsed(text)
    referenced = list(meta.find_referenced_templates(tree))
    if None in referenced:
        kinds = (nodes.Include, nodes.Extends, nodes.Import, nodes.FromImport)
        found = (node for kind in kinds for node in tree.find_all(kind))
        line = next(
            node.lineno
            for node in found
            if not isinstance(getattr(node, "template", None), nodes.Const)
        )
        return (), line
    return tuple(each for each in referenced if each is not None), None


@cache
def _undeclared(text: str) -> tuple[tuple[str, int], ...]:
    """Return the free variables of a template in order, each with its first line.

    Raises:
        TemplateSyntaxError: the template uses an unknown filter or test.
    """
    _referenced(text)
    tree = _parsed(text)
    undeclared = meta.find_undeclared_variables(tree)
    found: dict[str, int] = {}
    for node in tree.find_all(nodes.Name):
        if node.name in undeclared:
            found.setdefault(node.name, node.lineno)
    return tuple(found.items())


@cache
def _globals(template: Template) -> dict[str, object]:
    return dict(template.globals)


def render(template: Template, values: Mapping[str, object]) -> str:
    """Render a template.

    Raises:
        PromptError: the template fails on these values.
    """
    try:
        # The same as `template.render`, but without looking up all names of the environment, which
        # takes longer than rendering a short prompt.
        context = template.new_context({**_globals(template), **values}, shared=True)
        return "".join(template.root_render_func(context))
    except Exception as error:  # a template can raise anything that its expressions can
        raise PromptError(
            f"cannot be rendered: {type(error).__name__}: {error}",
            where=template.filename,
            hint="fix the template",
        ) from error
