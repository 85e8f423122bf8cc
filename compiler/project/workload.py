"""The expected number of calls per built probe, by stage, before any probe exists."""

from __future__ import annotations

from compiler.probes.scoring import POLICIES
from compiler.spec.model import Spec
from compiler.spec.scoring import BASELINES, Scoring

_ANCHORS = 6


def calls_per_probe(spec: Spec, scope: str = "") -> dict[str, float]:
    """Return the calls per built probe of a written scope, of every paid stage after `generate`.

    `scope`: "" for one without a reference text of its own. Early stopping is counted as if it
    saved nothing: its savings are known only afterwards.
    """
    scoring = spec.scoring
    judged = POLICIES[scoring.policy].judged
    stop = scoring.stop if judged else None
    first = scoring.rollouts if stop is None else stop.after
    baselines = [b for name in BASELINES if (b := getattr(scoring.baselines, name)) is not None]
    found: dict[str, float] = {
        "answer": first,
        "answer_rest": scoring.rollouts - first,
        "control": sum(each.share * each.rollouts for each in baselines),
    }
    if judged:
        times = 2 if scoring.reference(scope) == "both" else 1
        found["judge"] = times * _verdicts(scoring, first)
        found["judge_rest"] = times * _verdicts(scoring, scoring.rollouts - first)
        audits = sum(each.share * _verdicts(scoring, each.rollouts) for each in baselines)
        if scoring.anchors is not None:
            audits += scoring.anchors.share * _ANCHORS * _verdicts(scoring, 1)
        if scoring.rejudge is not None:
            again = scoring.rejudge.times - 1
            audits += scoring.rejudge.share * again * _verdicts(scoring, scoring.rollouts)
        found["audit"] = audits * (2 if scoring.audited().reference(scope) == "both" else 1)
    return {stage: calls for stage, calls in found.items() if calls}


def _verdicts(scoring: Scoring, answers: int) -> int:
    """Return the judge calls for this number of answers to one probe, against one reference."""
    return min(1, answers) if scoring.judging == "together" else answers
