"""Cards, reports and comparisons, rendered from a project's templates.

The door to jinja2 for what people read; what a model reads is rendered by `probes.prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from jinja2 import Environment, StrictUndefined, TemplateSyntaxError, meta

from compiler.errors import Problem, PromptError
from compiler.probes.prompts import Library


class Page:
    """One template with the filters that it may use.

    `escaped`: whether values are, as HTML needs it; `shown`: what becomes of a value before that;
    `remedy`: what to do when rendering fails.
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
        self._path = templates.root / name
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
        self._environment.filters.update(filters)

    def render(self, values: Mapping[str, object]) -> str:
        """The text.

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
        """What is wrong with it before there is anything to render. `known`: names of values."""
        try:
            text = self._templates.text(self._name)
            # This generates its code, and so finds filters that do not exist as well.
            names = meta.find_undeclared_variables(self._environment.parse(text)) - known
        except TemplateSyntaxError as error:
            where = f"{self._path}:{error.lineno}"
            return [Problem(where, "", f"template: {error.message}", "mend the template")]
        except PromptError as error:
            return [Problem(str(self._path), "", error.message, "a build needs this template")]
        have = f"it has: {', '.join(sorted(known))}"
        return [
            Problem(str(self._path), "", f"undefined variable {name!r}", have)
            for name in sorted(names)
        ]
