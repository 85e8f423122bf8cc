"""A copy of a probe file with new blind scores: more rollouts, another answerer, another judge.

The reader has the view of a build: the complement, cut as the spec says, and the question. With the
models and prompts of the build, requests are those of the build, and nothing is sent again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.dataset import rows, score_tables
from compiler.dataset.columns import band_of
from compiler.errors import UsageError
from compiler.evaluation.bench import Bench
from compiler.evaluation.items import Item
from compiler.evaluation.subject import JUDGE_KEY, Subject, judge_of
from compiler.spec.scoring import BASELINES


@dataclass(frozen=True)
class Rescored:
    """A copy as a parquet file. `statuses`: number of rows by score status."""

    data: bytes
    statuses: Mapping[str, int]


def rescored(subject: Subject, bench: Bench, rollouts: int) -> Rescored | None:
    """Score the written probes of a dataset again; None if it was only priced.

    Raises:
        UsageError: the dataset has no written probe.
    """
    items = [each for each in subject.items if each.written]
    if not items:
        raise UsageError("the dataset has no written probe", hint="only those have blind scores")
    answers = bench.answers(items, range(rollouts))
    # With a price alone, the verdicts of answers that do not exist yet cannot be counted.
    numbers = bench.verdicts(items, answers) if answers is not None else None
    if answers is None or numbers is None:
        return None
    found = _columns(subject, bench, items, answers, numbers)
    statuses: dict[str, int] = {}
    for status in found["score_status"]:
        name = str(status) if status is not None else "incomplete"
        statuses[name] = statuses.get(name, 0) + 1
    data = score_tables.replaced(subject.files, found, {JUDGE_KEY: judge_of(bench.project)})
    return Rescored(data, statuses)


def _columns(
    subject: Subject,
    bench: Bench,
    items: Sequence[Item],
    answers: Sequence[tuple[str | None, ...]],
    numbers: Sequence[tuple[float | None, ...]],
) -> dict[str, list[object]]:
    total = sum(rows.count(file) for file in subject.files)
    scoring = bench.project.spec.scoring
    names = ["bb_answer_rollout_answers", "bb_answer_rollout_scores", "bb_answer_score_mean",
             "bb_answer_score_max", "bb_answer_score_min", "score_status", "band", "k_rollouts",
             "answerer_model", "judge_model", "context_chars_seen",
             "bb_answer_response_scores"]  # fmt: skip
    if judge_of(bench.project) != subject.judge:
        # Their scores are by the other judge.
        names += ["gold_score", *(f"{name}_scores" for name in BASELINES)]
    found: dict[str, list[object]] = {name: [None] * total for name in names}
    for item in subject.items:
        found["score_status"][item.number] = "answer_failed" if item.written else "local"
    judged = bench.policy.judged
    for item, texts, scores in zip(items, answers, numbers, strict=True):
        at = item.number
        found["k_rollouts"][at] = len(texts)
        found["answerer_model"][at] = bench.models.get("answerer")
        found["judge_model"][at] = bench.models.get("judge") if judged else None
        found["context_chars_seen"][at] = bench.seen(item)
        valid = [each for each in scores if each is not None]
        if not scores:
            continue
        if len(valid) < len(scores):
            found["score_status"][at] = "judge_failed"
            continue
        found["score_status"][at] = "scored"
        found["bb_answer_rollout_answers"][at] = [*texts]
        found["bb_answer_rollout_scores"][at] = valid
        found["band"][at] = band_of(max(valid), subject.hard, subject.easy)
        reduced = {"mean": math.fsum(valid) / len(valid), "max": max(valid), "min": min(valid)}
        for name in scoring.reduce:
            found[f"bb_answer_score_{name}"][at] = reduced[name]
    return found
