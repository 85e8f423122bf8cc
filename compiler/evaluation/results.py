"""The results of an evaluation, as `evaluation.json` holds them."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from compiler.statistics.measures.intervals import Interval

KIND = "probec-evaluation/1"

# The comparison behind the blind score of a cell: a plain mean where no band was selected,
# cross-fitted over rollouts, or fresh answers.
Baseline = Literal["", "mean", "cross-fitted", "fresh"]


class Settings(Struct, frozen=True):
    """The inputs of the statistics beside the scores.

    `hard`, `easy`: thresholds of the bands; `bands`: those reported; `primary`: the metric of the
    headline by scope; `win`: the contrastive metric of the headline; `baseline`: the method that
    others are compared with, empty for all pairs. `missing`: a missing prediction counts as 0, or
    is left out. `same_judge`: the blind scores have the judge of this evaluation.
    """

    hard: float
    easy: float
    bands: tuple[str, ...]
    scopes: tuple[str, ...]
    primary: dict[str, str]
    win: str
    baseline: str
    missing: Literal["zero", "drop"]
    same_judge: bool


class Line(Struct, frozen=True):
    """One method in one cell.

    `missing`: predictions without an answer; `failed`: answers without a verdict, left out.
    `bounds`: the mean score with all missing predictions wrong, and with all right. `control`: what
    `gain` is taken over, a control of the method or the text control `by`; empty without any.
    `gain`: mean of real less control on the probes that the control answered; `gain_bounds`: with
    the missing predictions of both at their worst and best. `over_blind`: the score less that of
    the blind reader, in a band without its selection. `gap_closed`: share of the gap between blind
    and full information, `gap` says why it is None. `rank`: by gain, with its interval; None
    without a control, or with one method.
    """

    method: str
    n: int
    documents: int
    missing: int
    failed: int
    score: Interval
    bounds: tuple[float | None, float | None]
    control: str
    by: str
    control_score: Interval | None
    control_missing: int
    gain: Interval | None
    gain_bounds: tuple[float | None, float | None] | None
    over_blind: Interval | None
    gap_closed: Interval | None
    gap: str
    rank: Interval | None


class Pair(Struct, frozen=True):
    """The mean score of one method less that of another, on the probes that both were asked.

    `p`: two-sided, from the resamples; `adjusted`: by Holm, over the pairs of the cell.
    """

    first: str
    second: str
    difference: Interval
    p: float | None
    adjusted: float | None


class CellResult(Struct, frozen=True):
    """One scope, target, typicality (empty for all) and band, under one metric.

    `blind`, `full`: mean scores of the dataset's readers; `baseline`: how that of the blind reader
    was taken; `room`: full less blind. `clean`: only probes that neither leak nor repeat.
    """

    scope: str
    target: str
    typicality: str
    band: str
    metric: str
    clean: bool
    primary: bool
    probes: int
    documents: int
    baseline: Baseline
    blind: Interval | None
    full: Interval | None
    room: Interval | None
    lines: tuple[Line, ...]
    pairs: tuple[Pair, ...]

    @property
    def name(self) -> str:
        """The name of the cell: `sentence, suffix, typical`."""
        return ", ".join(part for part in (self.scope, self.target, self.typicality) if part)


class JudgeLine(Struct, frozen=True):
    """The judge on the answers of one method: verdicts without a number, and its taste for length.

    `verbosity`: rank correlation of a probe's score and the length of its answer.
    """

    method: str
    control: str
    judged: int
    failed: int
    verbosity: float | None


class Results(Struct, frozen=True):
    """All results. `warnings`: findings that make the run suspect; `notes`: what is absent."""

    cells: tuple[CellResult, ...]
    judge: tuple[JudgeLine, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


class Input(Struct, frozen=True):
    """One file of predictions. `digest`: of its bytes; `dataset`: the digest that it states."""

    method: str
    file: str
    digest: str
    rows: int
    dataset: str
    reader: dict[str, str]


class Judge(Struct, frozen=True):
    """The judge of the evaluation; empty fields without one.

    `compare`: the reference texts, by scope if they differ.
    """

    policy: str
    provider: str
    model: str
    prompt: str
    compare: str | dict[str, str]


class Evaluation(Struct, frozen=True):
    """The file `evaluation.json`. `scores`: digest of the file of scores beside it.

    `facts`: notes that come from the dataset and the predictions, not from the scores.
    """

    kind: str
    name: str
    dataset: str
    inputs: tuple[Input, ...]
    judge: Judge
    settings: Settings
    facts: tuple[str, ...]
    scores: str
    results: Results
