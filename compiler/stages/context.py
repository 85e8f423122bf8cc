"""What stages are bound to: the spec they take slices of, and the doors they may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from compiler.dataset.sources import Located
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.prices import Rate
from compiler.probes.prompts import Library
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.records import Group
from compiler.spec.model import Spec, TemplateScope, WrittenScope

Role = Literal["generator", "answerer", "judge"]
ROLES: tuple[Role, ...] = ("generator", "answerer", "judge")


@dataclass(frozen=True)
class Context:
    """One build. A stage takes its parameters from `spec` and declares them; the rest is means.

    `locked`: round -> doc_id -> content digest, for the rounds whose documents a lock names.
    """

    spec: Spec
    located: Located
    prompts: Library
    templates: Library
    tokenizer_files: Mapping[str, TokenizerFile]
    load_tokenizer: Callable[[str], Tokenizer]
    dispatchers: Mapping[Role, Dispatcher]
    rates: Mapping[Role, Rate]
    locked: Mapping[int, Mapping[str, str]]

    def written(self) -> dict[str, WrittenScope]:
        """The scopes that the generator writes, in slot order."""
        return {
            name: scope
            for name, scope in self.spec.ordered_scopes()
            if isinstance(scope, WrittenScope)
        }

    def templated(self) -> dict[str, TemplateScope]:
        """The scopes that templates write, in slot order."""
        return {
            name: scope
            for name, scope in self.spec.ordered_scopes()
            if isinstance(scope, TemplateScope)
        }

    def groups(self) -> dict[str, Group]:
        """The split group of every scope."""
        return {name: scope.split for name, scope in self.spec.scopes.items()}

    def tokenizer_of(self, scope: TemplateScope) -> str:
        """The name of the tokenizer that counts a scope's tokens."""
        return scope.tokenizer or self.spec.source.tokenizer

    def model_params(self, role: Role) -> Json:
        """What of a role's model can change its requests. Transport and prices cannot."""
        use = getattr(self.spec.models, role)
        return {
            "provider": use.provider,
            "model": use.model,
            "max_tokens": use.max_tokens,
            "thinking_tokens": use.thinking.budget_tokens if use.thinking else None,
            "structured": use.structured,
            "cache": use.cache,
        }

    def prompt_templates(self, role: Role) -> dict[str, str]:
        """The templates of a role's prompt with their digests."""
        return self.prompts.prompt_closure(getattr(self.spec.models, role).prompt)
