"""The predictions of a method: as one row of a file, and as columns."""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from msgspec import Struct

from compiler.evaluation.items import Items, Selection
from compiler.statistics.observations import Bools, Floats, Ints

KIND = "probec-predictions/1"
Control = Literal["real", "text", "shuffled", "zero", "wrong_layer"]
# By preference as the control of the latent gain.
CONTROLS: tuple[Control, ...] = ("shuffled", "text", "zero", "wrong_layer")
_NO_SUMS = (math.nan,) * 4


class Head(Struct, frozen=True, omit_defaults=True):
    """The optional first line of a file of predictions.

    `dataset`: the digest in the file of questions; `selection`: the probes asked about, as there.
    `tokenizer`: name@digest by which lens answers were cut. `fresh`: answers of the dataset's own
    blind reader, sampled after its scores had selected the bands. `reader`: facts on a reader.
    """

    kind: str
    dataset: str = ""
    selection: dict[str, list[str] | int] = {}
    tokenizer: str = ""
    fresh: bool = False
    reader: dict[str, str] = {}

    def selected(self) -> Selection:
        """Return the selection."""
        scopes, bands = self.selection.get("scopes", []), self.selection.get("bands", [])
        documents = self.selection.get("documents", 0)
        return Selection(
            tuple(scopes) if isinstance(scopes, list) else (),
            tuple(bands) if isinstance(bands, list) else (),
            documents if isinstance(documents, int) else 0,
        )


class Prediction(Struct, frozen=True, omit_defaults=True):
    """One answer of a method to one probe.

    `sample`: number of a repeated answer. `control`: real for the method itself; text without the
    hidden state, shuffled with that of another document, zero and wrong_layer. `choice_logprobs`:
    natural log probabilities of the tokens of the two choices, in their order. `straddle`: a token
    spans the end of the prompt and the beginning of a choice. `dataset`, `tokenizer`: as in the
    head.
    """

    probe_id: str
    sample: int = 0
    answer: str | None = None
    control: Control = "real"
    choice_logprobs: tuple[list[float], list[float]] | None = None
    choice_token_ids: tuple[list[int], list[int]] | None = None
    straddle: bool = False
    dataset: str = ""
    tokenizer: str = ""

    @property
    def given(self) -> str | None:
        """The answer; None if it is missing or blank."""
        return self.answer if self.answer is not None and self.answer.strip() else None

    @property
    def sums(self) -> tuple[float, float, float, float]:
        """Sum and number of the log probabilities of the first choice, then of the second."""
        if self.choice_logprobs is None:
            return _NO_SUMS
        first, second = self.choice_logprobs
        return sum(first), len(first), sum(second), len(second)


@dataclass(frozen=True)
class Source:
    """One file of predictions. `digest`: of its bytes; `rows`: number of its predictions."""

    file: str
    digest: str
    rows: int
    head: Head


@dataclass(frozen=True)
class Given:
    """Predictions under one control as columns, in the order of their rows.

    `probes` (n,): places of the probes among all of the dataset; `answers`: None if missing or
    blank; `sums` (4, n): sum and number of the log probabilities of the first choice, then of the
    second, NaN without any.
    """

    probes: Ints
    samples: Ints
    answers: list[str | None]
    sums: Floats
    straddling: int

    @property
    def compares(self) -> bool:
        """True if a prediction has log probabilities."""
        return not bool(np.isnan(self.sums).all())


@dataclass
class Rows:
    """The columns of `Given` as lists, to which rows are added."""

    probes: list[int] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    sums: array[float] = field(default_factory=lambda: array("d"))
    straddling: int = 0

    def add(self, place: int, found: Prediction) -> None:
        """Add a prediction about the probe at a place."""
        self.probes.append(place)
        self.samples.append(found.sample)
        self.answers.append(found.given)
        self.sums.extend(found.sums)
        self.straddling += found.straddle

    def given(self) -> Given:
        """Return the columns, with the ranks of the numbers of samples."""
        ranks = {sample: rank for rank, sample in enumerate(sorted(set(self.samples)))}
        return Given(
            np.array(self.probes, dtype=np.int64),
            np.array([ranks[each] for each in self.samples], dtype=np.int64),
            self.answers,
            np.array(self.sums).reshape(-1, 4).T,
            self.straddling,
        )


@dataclass
class Method:
    """The predictions of one method.

    `given`: by control; `asked`: control -> selections of the files, all probes without any.
    `fresh`: predictions of the dataset's own blind reader.
    """

    name: str
    sources: list[Source] = field(default_factory=list)
    given: dict[str, Given] = field(default_factory=dict)
    asked: dict[str, list[Selection]] = field(default_factory=dict)
    fresh: bool = False

    @property
    def headless(self) -> bool:
        """True if a file states neither its dataset nor the probes that were asked about."""
        return any(not source.head.dataset for source in self.sources)

    def probes(self, control: str, items: Items) -> Bools:
        """Mark those of all probes of a dataset that were asked about under a control."""
        marks = [chosen.matching(items) for chosen in dict.fromkeys(self.asked[control])]
        found: Bools = np.logical_or.reduce(marks)
        return found
