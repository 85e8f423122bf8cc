"""Score rows of synthetic probes: a beta-binomial blind reader, and methods of known skill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from msgspec import Struct

from compiler.dataset.arrays import Coded
from compiler.evaluation.results import Settings
from compiler.evaluation.scores import FIELDS, JUDGE, Kind, Scores
from compiler.statistics.observations import Floats

ROLLOUTS = 5
SETTINGS = Settings(
    0.4, 0.8, ("all", "hard", "easy"), ("sentence",), {"sentence": JUDGE}, "win_sum", "", "zero",
    True,
)  # fmt: skip


class Score(Struct, frozen=True, gc=False):
    """One row of the scores."""

    kind: Kind
    method: str
    control: str
    probe_id: str
    doc_id: str
    scope: str
    target: str
    typicality: str
    band: str
    metric: str
    sample: int
    score: float | None
    status: str
    n_samples: int
    chars: float | None
    leaking: bool
    repeated: bool


def gathered(rows: Iterable[Score]) -> Scores:
    """Return rows as columns."""
    found = [*rows]
    columns: dict[str, Any] = {}
    for name in FIELDS:
        values = [getattr(each, name) for each in found]
        if name in ("score", "chars"):
            columns[name] = np.array(values, dtype=np.float64)
        elif isinstance(values[0], str):
            places: dict[str, int] = {}
            codes = [places.setdefault(each, len(places)) for each in values]
            columns[name] = Coded(np.array(codes), [*places])
        else:
            columns[name] = np.array(values)
    return Scores(**columns)


def row(kind: Kind, method: str, control: str, place: int, score: float | None, sample: int = -1,
        **values: object) -> Score:  # fmt: skip
    """Return one score of the probe at a place, two probes a document."""
    known: dict[str, Any] = {
        "probe_id": f"p{place:04}", "doc_id": f"d{place // 2:04}", "scope": "sentence",
        "target": "suffix", "typicality": "", "band": "", "metric": JUDGE,
        "status": "scored" if score is not None else "missing", "n_samples": 1, "chars": 10.0,
        "leaking": False, "repeated": False,
    }  # fmt: skip
    known.update(values)
    return Score(kind=kind, method=method, control=control, score=score, sample=sample, **known)


class Dataset:
    """Probes whose blind rollouts, full information and methods have known solve rates."""

    def __init__(self, seed: int, documents: int = 120) -> None:
        self._numbers = np.random.Generator(np.random.PCG64(seed))
        size = 2 * documents
        # Probes of a document are alike.
        rates = np.repeat(self._numbers.beta(0.6, 0.9, documents), 2)
        self.rates: Floats = np.clip(rates + self._numbers.normal(0, 0.05, size), 0, 1)
        self.blind = self.drawn(ROLLOUTS)
        self.bands = [_band(float(best)) for best in self.blind.max(axis=1)]

    def drawn(self, samples: int) -> Floats:
        """Draw answers of the blind reader: shape (probes, samples)."""
        shape = (len(self.rates), samples)
        return (self._numbers.random(shape) < self.rates[:, None]).astype(np.float64)

    def readers(self) -> Iterator[Score]:
        """Yield the scores of the dataset's readers."""
        for place, band in enumerate(self.bands):
            for sample, score in enumerate(self.blind[place]):
                yield self._score("blind", "blind", "", place, band, float(score), sample)
            yield self._score("full", "full", "", place, band, 1.0, 0)

    def method(
        self, name: str, scores: Floats, control: str = "real", kind: Kind = "method"
    ) -> Iterator[Score]:
        """Yield the scores of a method."""
        for place, band in enumerate(self.bands):
            yield self._score(kind, name, control, place, band, float(scores[place]))

    def _score(self, kind: Kind, name: str, control: str, place: int, band: str, score: float,
               sample: int = -1) -> Score:  # fmt: skip
        """Return one score; positional, because one test makes 400,000."""
        return Score(
            kind, name, control, f"p{place:04}", f"d{place // 2:04}", "sentence", "suffix", "",
            band, JUDGE, sample, score, "scored", 1, 10.0, False, False,
        )  # fmt: skip


def _band(best: float) -> str:
    if best < SETTINGS.hard:
        return "hard"
    return "easy" if best >= SETTINGS.easy else "middle"
