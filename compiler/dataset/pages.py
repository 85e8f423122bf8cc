"""Cards, reports and comparisons, rendered from a project's templates.

The door to jinja2 for what people read; what a model reads is rendered by `probes.prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateSyntaxError, meta

from compiler.errors import Problem, PromptError


class Page:
    """One template with the filters that it may use.

    `escaped`: whether values are, as HTML needs it; `shown`: what becomes of a value before that;
    `remedy`: what to do when rendering fails.
    """

    def __init__(
        self,
        path: Path,
        remedy: str,
        *,
        escaped: bool,
        shown: Callable[[object], object] | None = None,
        **filters: Callable[..., object],
    ) -> None:
        self._path = path
        self._remedy = remedy
        self._environment = Environment(
            loader=FileSystemLoader(path.parent),
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
            return self._environment.get_template(self._path.name).render(values)
        except Exception as error:  # a template can raise anything that its expressions can
            raise PromptError(
                f"cannot be rendered: {type(error).__name__}: {error}",
                where=str(self._path),
                hint=self._remedy,
            ) from error

    def problems(self, known: frozenset[str]) -> list[Problem]:
        """What is wrong with it before there is anything to render. `known`: names of values."""
        try:
            text = self._path.read_text(encoding="utf-8")
            # This generates its code, and so finds filters that do not exist as well.
            names = meta.find_undeclared_variables(self._environment.parse(text)) - known
        except TemplateSyntaxError as error:
            where = f"{self._path}:{error.lineno}"
            return [Problem(where, "", f"template: {error.message}", "mend the template")]
        except (OSError, UnicodeDecodeError) as error:
            what = f"cannot be read: {error}"
            return [Problem(str(self._path), "", what, "a build needs this template")]
        have = f"it has: {', '.join(sorted(known))}"
        return [
            Problem(str(self._path), "", f"undefined variable {name!r}", have)
            for name in sorted(names)
        ]
