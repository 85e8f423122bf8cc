"""Spec models of scoring: answers, comparison, baselines and audits of the judge."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from compiler.spec.base import Model, Name, PromptName, Share

Rollouts = Annotated[int, Field(ge=1, le=64)]
Reference = Literal["atom_text", "target_response", "both"]
OTHERS = "default"
"""The key of the reference text of all scopes that are not named."""


def _form(value: object) -> str:
    return "by_scope" if isinstance(value, dict) else "one"


def _complete(value: dict[str, Reference]) -> dict[str, Reference]:
    if OTHERS not in value:
        raise ValueError(f"no value for the other scopes (add {OTHERS}: atom_text)")
    return value


References = Annotated[
    Annotated[Reference, Tag("one")]
    | Annotated[dict[Name, Reference], AfterValidator(_complete), Tag("by_scope")],
    Discriminator(_form),
]


class View(Model):
    """The part of the complement that the answerer sees."""

    max_chars: Annotated[int, Field(ge=1)] = 4000
    """Most characters shown."""
    keep: Literal["nearest", "start", "end"] = "nearest"
    """The end of a longer complement that is kept: nearest the split, its start, or its end."""


class Bands(Model):
    """Thresholds on the maximum score."""

    hard: Share = 0.4
    """A probe whose best score is below this is HARD."""
    easy: Share = 0.8
    """A probe whose best score is at or above this is EASY."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.hard > self.easy:
            raise ValueError(f"hard {self.hard} is above easy {self.easy}")
        return self


class Stop(Model):
    """Early stopping: no further rollouts of a probe that is EASY already."""

    after: Rollouts
    """Number of first rollouts; a probe whose best score among them is EASY gets no more."""


class Baseline(Model):
    """Another reader of the same questions, with which the blind answers are compared."""

    rollouts: Rollouts = 1
    """Answers per probe."""
    share: Share = 1.0
    """Share of the written probes that it runs on, drawn by the seed."""


class NoContext(Baseline):
    """The question alone."""

    prompt: PromptName = "answerer/no_context"
    """Prompt variant; its variables are `question` and `target`."""


class FullInformation(Baseline):
    """The complement and the atom: the ceiling of a text-only reader."""

    prompt: PromptName = "answerer/full_information"
    """Prompt variant; its variables are `context`, `passage` (the atom), `question`, `target`."""


class ShuffledContext(Baseline):
    """The complement of another document, under the answerer's own prompt: a control."""


class Baselines(Model):
    """Readers to compare the blind answers with; null leaves one out."""

    no_context: NoContext | None = None
    """Measures how much the question alone gives away."""
    full_information: FullInformation | None = None
    """Measures the score that the question allows when the answer can be read."""
    shuffled_context: ShuffledContext | None = None
    """Measures the gain from an unrelated context, which should be none over `no_context`."""


BASELINES = tuple(Baselines.model_fields)


class Anchors(Model):
    """Answers with a known score that the judge scores as a control."""

    share: Share = 1.0
    """Share of the written probes that get anchors, drawn by the seed."""
    min_gap: Share = 0.3
    """Smallest gap in score between truth and alternative; `build` fails if a scope is below."""
    max_wrong: Share = 0.2
    """Largest mean score of an answer that is certainly wrong (to another document's question, "I
    don't know", the question itself); `build` fails if a scope is above."""


class Rejudge(Model):
    """Repeated judgements of the same answers, to measure how far the judge agrees with itself."""

    share: Share = 0.002
    """Share of the written probes that are judged again, drawn by the seed."""
    times: Annotated[int, Field(ge=2, le=10)] = 3
    """Total number of judgements of each answer."""


class Scoring(Model):
    """The scoring of written probes: their difficulty from text alone."""

    policy: str = "judged"
    """Name of a scoring policy."""
    rollouts: Rollouts = 5
    """Answers sampled per probe; a probe is scored when all of them have a score."""
    view: View = View.model_construct()
    """The text that the answerer sees."""
    compare: References = "atom_text"
    """Reference text of an answer; `both` scores against each, and the bands use the atom's. One
    value, or values by scope with one for the others: `{default: atom_text, whole: both}`."""
    judging: Literal["each", "together"] = "each"
    """One judge request per answer, or one for all answers of a probe (with another prompt)."""
    identical: Literal["each", "once"] = "each"
    """Judge equal answers to a probe separately, or once for all of them."""
    stop: Stop | None = None
    """Early stopping; null samples all rollouts of every probe."""
    reduce: Annotated[list[Literal["mean", "max", "min"]], Field(min_length=1)] = [
        "mean",
        "max",
        "min",
    ]
    """Published summaries of the rollouts; columns of the others are null."""
    bands: Bands = Bands.model_construct()
    """Thresholds of HARD and EASY."""
    baselines: Baselines = Baselines.model_construct()
    """Other readers of the same questions."""
    anchors: Anchors | None = None
    """Known answers for the judge; null leaves them out."""
    rejudge: Rejudge | None = None
    """Judging a sample again; null leaves it out."""

    def reference(self, scope: str) -> Reference:
        """Return the reference text of a scope; "" for scopes that are not named."""
        if isinstance(self.compare, str):
            return self.compare
        return self.compare.get(scope, self.compare[OTHERS])

    def leading(self) -> Scoring:
        """Return a copy with the leading reference alone where answers have both."""
        if isinstance(self.compare, str):
            return self.model_copy(update={"compare": _leading(self.compare)})
        found = {name: _leading(each) for name, each in self.compare.items()}
        return self.model_copy(update={"compare": found})

    def audited(self) -> Scoring:
        """Return the references of baselines, anchors and repeated judgements: the leading ones.

        No output holds second verdicts on them. One value for all scopes stays as it is, so that
        specs from before references by scope keep their requests.
        """
        return self if isinstance(self.compare, str) else self.leading()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stop is not None and self.stop.after >= self.rollouts:
            raise ValueError(
                f"stop.after {self.stop.after} must be below rollouts {self.rollouts}, or null"
            )
        if self.judging == "together" and self.identical == "once":
            raise ValueError(
                "identical: once has no effect with judging: together, which is one request anyway"
            )
        return self


def _leading(reference: Reference) -> Reference:
    return "atom_text" if reference == "both" else reference
