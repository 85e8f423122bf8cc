"""The context that stages are bound to: the spec, its templates, and access to LLMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from compiler import embedded
from compiler.dataset.located import Located
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.prices import Rate
from compiler.probes.scoring import POLICIES
from compiler.probes.tokens import Tokenizer, TokenizerFile
from compiler.records import Group
from compiler.spec.declared import Declared, of_probes, of_rollouts
from compiler.spec.model import Spec, TemplateScope, WrittenScope
from compiler.spec.paid import Role
from compiler.spec.rollouts import RolloutsSpec
from compiler.spec.scoring import BASELINES, Baseline
from compiler.templating.prompts import Library


def scored_by_embedded(spec: Spec) -> bool:
    """Return whether the embedded model answers, or judges under a policy with a judge."""
    used = [spec.models.answerer.model]
    if POLICIES[spec.scoring.policy].judged:
        used.append(spec.models.judge.model)
    return any(map(embedded.is_embedded, used))


class Context(Struct, frozen=True):
    """The context of one build. A stage declares as parameters the values of the spec that it uses.

    `locked`: round -> doc_id -> content digest, for the rounds whose documents a lock names.
    """

    declared: Declared
    located: Located
    prompts: Library
    templates: Library
    tokenizer_files: Mapping[str, TokenizerFile]
    load_tokenizer: Callable[[str], Tokenizer]
    dispatchers: Mapping[Role, Dispatcher]
    rates: Mapping[Role, Rate]
    locked: Mapping[int, Mapping[str, str]]

    @property
    def spec(self) -> Spec:
        """The spec of a build of probes."""
        return of_probes(self.declared)

    @property
    def rollouts(self) -> RolloutsSpec:
        """The spec of a build of rollouts."""
        return of_rollouts(self.declared)

    def written(self) -> dict[str, WrittenScope]:
        """Return the scopes that the generator writes, in slot order."""
        return {
            name: scope
            for name, scope in self.spec.ordered_scopes()
            if isinstance(scope, WrittenScope)
        }

    def templated(self) -> dict[str, TemplateScope]:
        """Return the scopes whose probes come from templates, in slot order."""
        return {
            name: scope
            for name, scope in self.spec.ordered_scopes()
            if isinstance(scope, TemplateScope)
        }

    def groups(self) -> dict[str, Group]:
        """Return the split group of every scope."""
        return {name: scope.split for name, scope in self.spec.scopes.items()}

    def tokenizer_of(self, scope: TemplateScope) -> str:
        """Return the name of the tokenizer that counts a scope's tokens."""
        return scope.tokenizer or self.spec.source.tokenizer

    def baselines(self) -> dict[str, Baseline]:
        """Return the declared baselines by name."""
        declared = self.spec.scoring.baselines
        return {name: each for name in BASELINES if (each := getattr(declared, name)) is not None}

    def judged(self) -> bool:
        """Return whether the scoring policy uses a judge."""
        return POLICIES[self.spec.scoring.policy].judged

    def audited(self) -> bool:
        """Return whether the judge scores more than the blind answers."""
        scoring = self.spec.scoring
        more = scoring.anchors is not None or scoring.rejudge is not None or self.baselines()
        return self.judged() and bool(more)

    def answers_need(self) -> str:
        """Return the output that holds all blind answers: the second pass's with early stopping."""
        return "answer.answers" if self.spec.scoring.stop is None else "answer_rest.answers"

    def verdicts_need(self) -> str:
        """Return the output that holds all verdicts on the blind answers."""
        return "judge.verdicts" if self.spec.scoring.stop is None else "judge_rest.verdicts"

    def model_params(self, role: Role) -> Json:
        """Return the parameters of a role's model that can change its requests or their usage."""
        use = getattr(self.spec.models, role)
        return {
            "provider": use.provider,
            "model": use.model,
            "max_tokens": use.max_tokens,
            "thinking_tokens": use.thinking.budget_tokens if use.thinking else None,
            "structured": use.structured,
            # `counted` gives steps from before cached tokens were counted another key.
            "cache": {"lifetime": use.cache, "counted": True} if use.cache is not None else None,
            # Only where it is sent, so that other steps keep their keys.
            **({"sampling": use.sampled()} if use.sampled() else {}),
        }

    def prompt_templates(self, role: Role) -> dict[str, str]:
        """Return the templates of a role's prompt with their digests."""
        return self.prompts.prompt_closure(getattr(self.spec.models, role).prompt)
