"""Loading, checking and rendering of prompt templates.

A template's include closure is found statically, and its digests are part of a step's identity.
Dynamic includes are refused. The free variables of a prompt must equal those that its role
provides: an undefined one would fail at render time, and an unused one would silently omit data.

A rendered prompt is a function of its values: `determinism` lists what jinja2 offers beyond that,
and the environment of prompts lacks it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from jinja2 import FunctionLoader, Template, TemplateSyntaxError
from jinja2.exceptions import TemplateError

from compiler import shipped
from compiler.errors import Problem, PromptError, known
from compiler.keys import text_digest
from compiler.templating import determinism, syntax
from compiler.templating.determinism import Deterministic

# Variables of each kind of template; docs/prompts.md describes them.
CONTEXT: Mapping[str, frozenset[str]] = {
    "generator": frozenset({"level", "addendum", "scopes", "slots", "siblings", "n_available"}),
    "answerer": frozenset({"context", "question", "target", "words"}),
    "judge": frozenset({"question", "reference", "answer"}),
    "judge of all answers together": frozenset({"question", "reference", "answers"}),
    "no_context": frozenset({"question", "target", "words"}),
    "full_information": frozenset({"context", "passage", "question", "target", "words"}),
    "probes": frozenset({"target", "distance"}),
}
# The keys that a generator prompt must name: without one of them no probe can be built.
KEYS = (
    "sibling",
    "splits",
    "probes",
    "slot",
    "unit",
    "question",
    "answer",
    "alternative",
    "decline",
)


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
    missing one has the digest "" in a closure and fails only when it is rendered. A template that
    a project's `templates/` lacks is the shipped one.
    """

    def __init__(
        self, root: Path, texts: Mapping[str, str] | None = None, *, partial: bool = False
    ) -> None:
        self.root = root
        self.partial = partial
        # The files read so far, by name.
        self.files: dict[str, Path] = {}
        self._texts = dict(texts or {})
        self._closed = texts is not None

    @property
    def texts(self) -> Mapping[str, str]:
        """The templates read so far, by name."""
        return self._texts

    @cached_property
    def _environment(self) -> Deterministic:
        return syntax.environment(
            FunctionLoader(
                lambda name: (syntax.trimmed(name, self.text(name)), str(self.file(name)), None)
            )
        )

    def loader(self) -> FunctionLoader:
        """Return a jinja2 loader of these templates."""
        return FunctionLoader(lambda name: (self.text(name), str(self.file(name)), None))

    def file(self, name: str) -> Path:
        """Return the path of a template: in the project, else the shipped one."""
        return shipped.find(self.root.parent, f"{self.root.name}/{name}")

    def prompt(self, name: str) -> Prompt:
        """Load the prompt variant `<role>/<variant>`."""
        system = f"{name}/system.j2"
        fixed = not any(syntax.undeclared(self.text(each)) for each in self.closure(system))
        return Prompt(self.template(system), self.template(f"{name}/user.j2"), fixed=fixed)

    def template(self, name: str) -> Template:
        """Load one compiled template.

        Raises:
            PromptError: it cannot be read or compiled.
        """
        try:
            return self._environment.get_template(name)
        except TemplateError as error:
            raise PromptError(f"cannot be loaded: {error}", where=str(self.file(name))) from error

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
                waiting.extend(each for each, _ in self._includes(name, text))
        return dict(sorted(found.items()))

    def prompt_closure(self, name: str) -> dict[str, str]:
        """Find the closure of a prompt variant."""
        return self.closure(f"{name}/system.j2", f"{name}/user.j2")

    def variants(self, role: str) -> list[str]:
        """Return the names of the prompt variants of a role."""
        found = sorted(each.parent.name for each in (self.root / role).glob("*/user.j2"))
        return [f"{role}/{name}" for name in found]

    def variant_problems(self, kind: str, prompt: str, where: str, path: str) -> list[Problem]:
        """Find all problems of a prompt variant. `kind`: of its variables, a key of `CONTEXT`."""
        if not (self.root / prompt).is_dir():
            hint = known(prompt, self.variants(prompt.partition("/")[0]))
            return [Problem(where, path, f"no such prompt: {prompt!r}", hint)]
        return self.problems(kind, (f"{prompt}/system.j2", f"{prompt}/user.j2"), where, path)

    def problems(self, role: str, names: tuple[str, ...], where: str, path: str) -> list[Problem]:
        """Find all problems of these templates as the prompt of a role.

        `where`, `path`: the place in the spec that names them, reported for a missing file.
        """
        problems: list[Problem] = []
        free: dict[str, str] = {}
        waiting: list[tuple[str, str, str, tuple[str, ...]]] = [
            (name, where, path, (name,)) for name in names
        ]
        seen = set(names)
        while waiting:
            name, place, within, chain = waiting.pop(0)
            wrong = self._unloadable(name, included=len(chain) > 1)
            if wrong is not None:
                problems.append(Problem(place, within, *wrong))
                continue
            file = self.file(name)
            more, found = self._scan(name, file, free)
            problems.extend(found)
            for each, line in more:
                here = f"{file}:{line}"
                if each in chain:
                    through = "" if each == name else f", through {each!r}"
                    message = f"the template includes itself{through}"
                    problems.append(Problem(here, "", message, "remove it"))
                elif each not in seen:
                    waiting.append((each, here, "", (*chain, each)))
                    seen.add(each)
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
                        str(self.file(names[-1])),
                        "",
                        f"unused variable {name!r}",
                        "every value given to a prompt must appear in it",
                    )
                )
        return problems

    def _scan(
        self, name: str, file: Path, free: dict[str, str]
    ) -> tuple[Sequence[tuple[str, int]], list[Problem]]:
        try:
            text = self.text(name)
            includes = self._includes(name, text)
            if refused := syntax.refused(text):
                return includes, [
                    Problem(f"{file}:{each.line}", "", each.message, each.hint) for each in refused
                ]
            undeclared = syntax.undeclared(text)
        except PromptError as error:
            return [], [Problem(error.where or str(file), "", error.message, error.hint or "")]
        except TemplateSyntaxError as error:
            where = f"{file}:{error.lineno}"
            return [], [Problem(where, "", f"template: {error.message}", "fix the template")]
        for variable, line in undeclared:
            free.setdefault(variable, f"{file}:{line}")
        return includes, []

    def _unloadable(self, name: str, *, included: bool) -> tuple[str, str] | None:
        """Explain why a template cannot be loaded, with the remedy."""
        wrong = self._misnamed(name)
        file = self.file(name)
        if wrong is not None:
            return wrong
        if file.is_dir():
            return f"template {name!r} is a directory", "include a file in it"
        if not file.is_file():
            return f"no such template: {file}", "create it"
        own = file == self.root / name
        if own and included and not file.resolve().is_relative_to(self.root.resolve()):
            return (
                f"template {name!r} is a link to a file outside {self.root.name}/",
                f"copy it into {self.root.name}/",
            )
        return None

    def _misnamed(self, name: str) -> tuple[str, str] | None:
        if "\\" in name:
            return f"template {name!r} is named with a backslash", "separate directories by /"
        if name.startswith("/") or ".." in PurePosixPath(name).parts:
            return (
                f"template {name!r} lies outside {self.root.name}/",
                f"copy it into {self.root.name}/",
            )
        if "\0" in name or not name.strip("/."):
            return f"{name!r} names no template", f"a path below {self.root.name}/"
        return None

    def _exists(self, name: str) -> bool:
        return name in self._texts if self._closed else self.file(name).is_file()

    def text(self, name: str) -> str:
        """Read the text of one template.

        Raises:
            PromptError: it does not exist, cannot be read, or lies outside the directory.
        """
        if name not in self._texts:
            self._texts[name] = self._read(name)
        return self._texts[name]

    def _read(self, name: str) -> str:
        wrong = self._misnamed(name)
        if wrong is not None:
            message, hint = wrong
            raise PromptError(message, hint=hint)
        if self._closed:
            raise PromptError("the round has no such template", where=name)
        file = self.files[name] = self.file(name)
        try:
            return file.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise PromptError(f"not UTF-8 at byte {error.start}", where=str(file)) from error
        except OSError as error:
            raise PromptError(f"cannot be read: {error.strerror}", where=str(file)) from error

    def _includes(self, name: str, text: str) -> tuple[tuple[str, int], ...]:
        try:
            found, line = syntax.referenced(text)
        except TemplateSyntaxError as error:
            raise PromptError(
                f"template syntax: {error.message}",
                where=f"{self.file(name)}:{error.lineno}",
                hint="fix the template",
            ) from error
        if line is not None:
            raise PromptError(
                "dynamic include: its files are unknown before rendering",
                where=f"{self.file(name)}:{line}",
                hint="include a literal name",
            )
        return found


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
        text = "".join(template.root_render_func(context))
    except Exception as error:  # a template can raise anything that its expressions can
        raise PromptError(
            f"cannot be rendered: {type(error).__name__}: {error}",
            where=template.filename,
            hint="fix the template",
        ) from error
    address = determinism.address(text, values)
    if address is not None:
        raise PromptError(
            f"the rendered text holds the address of an object, {address!r}",
            where=template.filename,
            hint="print a value of it, or pipe it through list",
        )
    return text
