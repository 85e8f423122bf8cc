"""Cards, reports and comparisons, rendered from a project's templates.

The only import of jinja2 for pages that people read; `templating.prompts` renders prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError

from compiler.errors import Problem, PromptError
from compiler.templating import determinism, syntax
from compiler.templating.prompts import Library


class Page:
    """One template with its filters.

    `remedy`: the hint when rendering fails; `escaped`: values are escaped for HTML; `shown`: a
    function applied to every value before escaping.
    """

    def __init__(
        self,
        templates: Library,
        name: str,
        remedy: str,
        *,
        escaped: bool,
        shown: Callable[[object], object] | None = None,
        **filters: Callable[..., object],
    ) -> None:
        self._templates = templates
        self._name = name
        self._path = templates.file(name)
        self._remedy = remedy
        self._environment = Environment(
            loader=templates.loader(),
            undefined=StrictUndefined,
            autoescape=escaped,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            finalize=shown,
        )
        determinism.remove(self._environment)
        self._environment.filters.update(filters)

    def render(self, values: Mapping[str, object]) -> str:
        """Render the template to text.

        Raises:
            PromptError: there is no such template, or it cannot be rendered.
        """
        try:
            return self._environment.get_template(self._name).render(values)
        except Exception as error:  # a template can raise anything that its expressions can
            raise PromptError(
                f"cannot be rendered: {type(error).__name__}: {error}",
                where=str(self._path),
                hint=self._remedy,
            ) from error

    def problems(self, known: frozenset[str]) -> list[Problem]:
        """Find problems of the template without rendering it. `known`: names of its values."""
        try:
            text = self._templates.text(self._name)
            if refused := syntax.refused(text):
                return [
                    Problem(f"{self._path}:{each.line}", "", each.message, each.hint)
                    for each in refused
                ]
            # This generates the template's code, and so finds undefined filters as well.
            names = syntax.names(text, self._environment) - known
        except TemplateSyntaxError as error:
            where = f"{self._path}:{error.lineno}"
            return [Problem(where, "", f"template: {error.message}", "fix the template")]
        except PromptError as error:
            return [Problem(str(self._path), "", error.message, "a build needs this template")]
        defined = f"defined: {', '.join(sorted(known))}"
        return [
            Problem(str(self._path), "", f"undefined variable {name!r}", defined)
            for name in sorted(names)
        ]
