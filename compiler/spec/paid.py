"""Spec models of LLMs, prices, budgets and batches."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from compiler.spec.base import Model, Name, PromptName, Share, Url

Role = Literal["generator", "answerer", "judge", "writer"]
# The roles of a probe spec; `Kind.roles` has those of any kind.
ROLES: tuple[Role, ...] = ("generator", "answerer", "judge")


class Thinking(Model):
    """Extended thinking of the generator model."""

    budget_tokens: Annotated[int, Field(ge=1024)]
    """Target number of thinking tokens; counted within max_tokens."""


class ModelUse(Model):
    """The model of one role, and the parameters of its requests."""

    provider: str
    """Name of a provider: extractive, replay, anthropic or anthropic-batch."""
    model: str
    """Model id of the provider."""
    prompt: PromptName
    """Prompt variant `<role>/<variant>`: the directory under `prompts/`."""
    max_tokens: Annotated[int, Field(ge=1, le=128_000)]
    """Most output tokens of one reply."""
    thinking: Thinking | None = None
    """Extended thinking, or null."""
    structured: bool = False
    """Request replies that satisfy a JSON schema; only the generator has one."""
    cache: Literal["5m", "1h"] | None = None
    """Lifetime of the system text in the provider's prompt cache; null: no prompt caching."""
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 1.0
    """Sampling temperature; 1.0, the API's default, unless `sampling` is `sent`."""
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    """Share of the probability from which tokens are drawn; only with `sampling: sent`."""
    top_k: Annotated[int, Field(ge=1)] | None = None
    """Number of tokens from which one is drawn; only with `sampling: sent`."""
    sampling: Literal["default", "sent"] = "default"
    """`default`: no sampling parameter is sent, as the vendor's API refuses them. `sent`: the
    temperature, and top_p and top_k if declared, for a server of your own at `base_url`."""
    base_url: Url | None = None
    """URL of a server that speaks the Messages API; null: the vendor's own. Not part of a key."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Requests in flight for a live provider. Not part of a key."""
    read_timeout: Annotated[float, Field(ge=1, le=86_400)] = 600.0
    """Seconds without a byte from the server after which a live request has timed out; a slow
    server of your own may need more. Not part of a key."""

    def sampled(self) -> dict[str, float]:
        """Return the sampling parameters that are sent, by name."""
        if self.sampling == "default":
            return {}
        declared = {"temperature": self.temperature, "top_p": self.top_p, "top_k": self.top_k}
        return {name: value for name, value in declared.items() if value is not None}

    @model_validator(mode="after")
    def _room_to_answer(self) -> Self:
        if self.thinking is not None and self.max_tokens <= self.thinking.budget_tokens:
            raise ValueError(
                f"max_tokens {self.max_tokens} must be above thinking.budget_tokens "
                f"{self.thinking.budget_tokens}: thinking is counted within it"
            )
        return self


class Models(Model):
    """The models of the three roles."""

    generator: ModelUse
    """Chooses a sibling and the splits, and writes the written probes."""
    answerer: ModelUse
    """Answers each written probe from its complement only."""
    judge: ModelUse
    """Scores each answer against the truth."""

    @model_validator(mode="after")
    def _one_schema(self) -> Self:
        for role in ("generator", "answerer", "judge"):
            if getattr(self, role).structured and role != "generator":
                raise ValueError(f"{role}.structured: only the generator's replies have a schema")
        return self


class Price(Model):
    """US dollars per million tokens."""

    input: Annotated[float, Field(ge=0)]
    """Input tokens, live price."""
    output: Annotated[float, Field(ge=0)]
    """Output tokens, thinking included, live price."""
    batch: Share = 0.5
    """Factor for batched requests."""
    cache_minimum: Annotated[int, Field(ge=0)] = 4096
    """Shortest system text in tokens that the provider caches."""


class ScopeTokens(Model):
    """Expected tokens of one call about one scope."""

    input: Annotated[int, Field(ge=0)] | None = None
    """Input tokens per call; null: those of the role."""
    output: Annotated[int, Field(ge=0)] | None = None
    """Output tokens per call; null: those of the role."""


class Expectation(Model):
    """Expected tokens of one call of a role; `plan` uses them where no build has measured them."""

    input: Annotated[int, Field(ge=0)]
    """Input tokens per call."""
    output: Annotated[int, Field(ge=0)]
    """Output tokens per call."""
    scopes: dict[Name, ScopeTokens] = {}
    """Scopes whose calls differ, such as the judge's of `whole`, which holds a whole side."""

    def of(self, scope: str) -> tuple[int, int]:
        """Return the (input, output) tokens of a call about a scope; "" for no scope."""
        own = self.scopes.get(scope, ScopeTokens())
        read = self.input if own.input is None else own.input
        return read, self.output if own.output is None else own.output


class ExpectationSet(Model):
    """A named set of expectations. What it leaves out is that of `expect` itself."""

    generator: Expectation | None = None
    """One doc-record."""
    answerer: Expectation | None = None
    """One answer."""
    judge: Expectation | None = None
    """One verdict."""
    built: Share | None = None
    """Expected share of written slots that become probes."""


class Expectations(Model):
    """Declared expectations per role."""

    generator: Expectation
    """One doc-record."""
    answerer: Expectation
    """One answer."""
    judge: Expectation
    """One verdict."""
    built: Share = 1.0
    """Expected share of written slots that become probes, which are answered and judged."""
    spread: Share = 0.3
    """Relative deviation of tokens per call from the expectation, for the interval of `plan`."""
    sets: dict[Name, ExpectationSet] = {}
    """Named sets of expectations, such as the constants of a published build."""
    use: Name | None = None
    """Price with this set alone, whatever was measured; null: as measured, else as declared."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.use is not None and self.use not in self.sets:
            have = ", ".join(sorted(self.sets)) or "none"
            raise ValueError(f"use: {self.use!r} is no set of expect.sets (have: {have})")
        return self

    @property
    def chosen(self) -> Expectations:
        """These expectations, with those of the set in use in their place."""
        if self.use is None:
            return self
        own = self.sets[self.use]
        names = [name for name in type(own).model_fields if getattr(own, name) is not None]
        return self.model_copy(update={name: getattr(own, name) for name in names})


class Batches(Model):
    """The provider's limits on batches, and the polling interval."""

    max_requests: Annotated[int, Field(ge=1, le=100_000)] = 100_000
    """Most requests of one batch."""
    max_bytes: Annotated[int, Field(ge=1024, le=256_000_000)] = 250_000_000
    """Most bytes of one batch, as sent."""
    queue_requests: Annotated[int, Field(ge=1)] = 200_000
    """Most requests in flight with the provider, over all batches."""
    poll_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """Seconds between the first polls of a batch; the interval grows up to tenfold."""


class Budget(Model):
    """The budget of a build."""

    max_usd: Annotated[float, Field(ge=0)]
    """Most US dollars that one run may spend, requests in flight included."""
