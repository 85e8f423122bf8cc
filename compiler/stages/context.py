"""What stages are bound to: the spec they take slices of, and the doors they may use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from compiler.dataset.located import Located
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.prices import Rate
from compiler.probes.prompts import Library
from compiler.probes.scoring import POLICIES
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.records import Group
from compiler.spec.model import Spec, TemplateScope, WrittenScope
from compiler.spec.scoring import BASELINES, Baseline

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

    def baselines(self) -> dict[str, Baseline]:
        """The declared baselines by name."""
        declared = self.spec.scoring.baselines
        return {name: each for name in BASELINES if (each := getattr(declared, name)) is not None}

    def judged(self) -> bool:
        """Whether the scoring policy asks a judge."""
        return POLICIES[self.spec.scoring.policy].judged

    def audited(self) -> bool:
        """Whether the judge is asked about more than the blind answers."""
        scoring = self.spec.scoring
        more = scoring.anchors is not None or scoring.rejudge is not None or self.baselines()
        return self.judged() and bool(more)

    def answers_need(self) -> str:
        """Where all blind answers are: early stopping asks for them in two passes."""
        return "answer.answers" if self.spec.scoring.stop is None else "answer_rest.answers"

    def verdicts_need(self) -> str:
        """Where all verdicts on them are."""
        return "judge.verdicts" if self.spec.scoring.stop is None else "judge_rest.verdicts"

    def model_params(self, role: Role) -> Json:
        """What of a role's model can change its requests. Transport and prices cannot."""
        use = getattr(self.spec.models, role)
        return {
            "provider": use.provider,
            "model": use.model,
            "max_tokens": use.max_tokens,
            "thinking_tokens": use.thinking.budget_tokens if use.thinking else None,
            "structured": use.structured,
            # Whose cached tokens are counted: what was read before they were is read again.
            "cache": {"lifetime": use.cache, "counted": True} if use.cache is not None else None,
        }

    def prompt_templates(self, role: Role) -> dict[str, str]:
        """The templates of a role's prompt with their digests."""
        return self.prompts.prompt_closure(getattr(self.spec.models, role).prompt)
