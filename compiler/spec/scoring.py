"""What a user may declare about scoring: who answers blind, what is compared, how sure we get."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from compiler.spec.base import Model, PromptName, Share

Rollouts = Annotated[int, Field(ge=1, le=64)]


class View(Model):
    """What the answerer sees of the complement."""

    max_chars: Annotated[int, Field(ge=1)] = 4000
    """Most characters."""
    keep: Literal["nearest", "start", "end"] = "nearest"
    """Which end of a longer complement is kept: nearest the split, or its start or end."""


class Bands(Model):
    """Cuts on the maximum score."""

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
    """So many rollouts come first; a probe whose best of them is in the easy band gets no more."""


class Baseline(Model):
    """Another answerer run over the same questions, to compare the blind answers with."""

    rollouts: Rollouts = 1
    """Answers per probe."""
    share: Share = 1.0
    """Share of the written probes, drawn by the seed, that it runs on."""


class NoContext(Baseline):
    """The question alone."""

    prompt: PromptName = "answerer/no_context"
    """Prompt variant: is given `question` and `target`."""


class FullInformation(Baseline):
    """The complement and the atom: the ceiling of a text-only reader."""

    prompt: PromptName = "answerer/full_information"
    """Prompt variant: is given `context`, `passage` (the atom), `question` and `target`."""


class ShuffledContext(Baseline):
    """The complement of another document, under the answerer's own prompt: a control."""


class Baselines(Model):
    """Runs beside the blind answers; null leaves one out."""

    no_context: NoContext | None = None
    """What the question alone gives away."""
    full_information: FullInformation | None = None
    """What the question can bring out when the answer is there to read."""
    shuffled_context: ShuffledContext | None = None
    """What an unrelated context brings: should be no more than the question alone."""


BASELINES = tuple(Baselines.model_fields)


class Anchors(Model):
    """Answers whose score is known beforehand, given to the judge."""

    share: Share = 1.0
    """Share of the written probes, drawn by the seed, that are anchored."""
    min_gap: Share = 0.3
    """`build` fails when the truth does not beat the alternative by this in some scope."""


class Rejudge(Model):
    """The same answers judged again, to see how far the judge agrees with itself."""

    share: Share = 0.002
    """Share of the written probes, drawn by the seed, that are judged again."""
    times: Annotated[int, Field(ge=2, le=10)] = 3
    """How often each answer is judged in all."""


class Scoring(Model):
    """How hard a probe is from text alone."""

    policy: str = "judged"
    """Name of a scoring policy."""
    rollouts: Rollouts = 5
    """Answers sampled per probe; a probe is scored when all of them are."""
    view: View = View()
    """What the answerer sees."""
    compare: Literal["atom_text", "target_response", "both"] = "atom_text"
    """What an answer is held against; `both` scores against either, the atom's score leads."""
    judging: Literal["each", "together"] = "each"
    """One judge call per answer, or one for all answers of a probe (another prompt)."""
    identical: Literal["each", "once"] = "each"
    """Whether equal answers to a probe are judged each by itself, or once for all of them."""
    stop: Stop | None = None
    """Early stopping; null asks for all rollouts of every probe."""
    reduce: Annotated[list[Literal["mean", "max", "min"]], Field(min_length=1)] = [
        "mean",
        "max",
        "min",
    ]
    """Which summaries of the rollouts are published; the others are null."""
    bands: Bands = Bands()
    """HARD and EASY."""
    baselines: Baselines = Baselines()
    """Other readers of the same questions."""
    anchors: Anchors | None = None
    """Known answers for the judge; null leaves them out."""
    rejudge: Rejudge | None = None
    """Judging a sample again; null leaves it out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.stop is not None and self.stop.after >= self.rollouts:
            raise ValueError(
                f"stop.after {self.stop.after} must be below rollouts {self.rollouts}, or null"
            )
        if self.judging == "together" and self.identical == "once":
            raise ValueError(
                "identical: once has no meaning with judging: together, which is one call anyway"
            )
        return self
