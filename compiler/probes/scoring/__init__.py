"""Scoring policies by name. A new one is one file here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.probes.scoring import judged
from compiler.records import AnswerRow, ScoreRow, VerdictRow

POLICIES: Mapping[str, Callable[[AnswerRow, VerdictRow, frozenset[str]], ScoreRow]] = {
    "judged": judged.score,
}
