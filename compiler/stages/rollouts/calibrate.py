"""A round's prefixes with their human continuations -> the limits that filters take from them.

The corpus's own continuation of each prefix is the control of every filter: the detached filter
takes its threshold from it, and the card states the share of it that each filter would touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.keys import Json
from compiler.rollouts import boilerplate, copies, detached, leaks, loops
from compiler.rollouts.detached import Weights
from compiler.rollouts.rows import Calibration, FalseAlarm, Prefix
from compiler.spec.rollouts import RolloutFilters, RolloutsSpec
from compiler.stages.context import Context

VERSION = 1
# Characters of an English token, to cut the control to the length of continuations.
_CHARS_PER_TOKEN = 4


def stage(context: Context) -> Stage:
    """Bind the stage, one step per round."""
    spec = context.rollouts
    filters: Json = spec.filters.model_dump(mode="json")
    return Stage(
        name="calibrate",
        version=VERSION,
        depth=1,
        needs=("prefix.prefixes",),
        params={"filters": filters, "max_tokens": spec.sampling.max_tokens},
        run=partial(_run, spec),
    )


def _run(spec: RolloutsSpec, part: Part, inputs: Inputs, out: Outputs) -> None:
    rules = spec.filters
    most = spec.sampling.max_tokens * _CHARS_PER_TOKEN

    def controls() -> Iterator[tuple[str, str]]:
        for each in inputs.rows("prefix.prefixes", Prefix):
            if not each.reason and each.human.strip():
                yield each.text, each.human[:most]

    calibration = Calibration({}, 0.0, None)
    scores: list[float] = []
    if rules.detached is not None:
        found = detached.weights(prefix for prefix, _ in controls())
        for prefix, human in controls():
            cohesion = detached.cohesion(prefix, human, found, rules.detached.min_tail)
            if cohesion is not None:
                scores.append(cohesion.score)
        threshold = _quantile(scores, 1 - rules.detached.false_alarm)
        calibration = Calibration({**found.known}, found.rare, threshold)
    out.rows("calibration", [calibration])
    checks = dict(_checks(rules, calibration))
    counts = dict.fromkeys(checks, 0)
    texts = 0
    for prefix, human in controls():
        texts += 1
        for name, (_, touches) in checks.items():
            counts[name] += touches(prefix, human)
    out.rows("alarms", [FalseAlarm(n, checks[n][0], texts, counts[n]) for n in checks])


def weights(calibration: Calibration) -> Weights:
    """Return the weights of stems of a round."""
    return Weights(calibration.weights, calibration.rare)


def _quantile(scores: list[float], share: float) -> float | None:
    """Return the smallest score that this share of the scores does not exceed; None without any."""
    ordered = sorted(scores)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _checks(
    rules: RolloutFilters, calibration: Calibration
) -> Iterator[tuple[str, tuple[str, Callable[[str, str], bool]]]]:
    """Yield each filter with its limits and a test of a human text, behind its prefix."""
    if rules.leak is not None:
        pattern = leaks.pattern(rules.leak.tokens)
        yield "leak", ("a special token", lambda _, text: leaks.place(text, pattern) is not None)
    if rules.loop is not None:
        window, share, most = rules.loop.window, rules.loop.share, rules.loop.coverage
        yield (
            "loop",
            (
                f"{share:g} of {window} tokens, or {most:g} of the text",
                lambda _, text: (
                    loops.onset(text, window, share) is not None or loops.coverage(text) > most
                ),
            ),
        )
    if rules.boilerplate is not None:
        patterns = rules.boilerplate.patterns
        yield (
            "boilerplate",
            (patterns, lambda _, text: boilerplate.place(text, patterns) is not None),
        )
    if rules.detached is not None and calibration.threshold is not None:
        found, tail, limit = weights(calibration), rules.detached.min_tail, calibration.threshold
        yield (
            "detached",
            (
                f"score above {limit:.4f}",
                lambda prefix, text: is_detached(
                    detached.cohesion(prefix, text, found, tail), limit
                ),
            ),
        )
    if rules.copies is not None and rules.copies.prefix is not None:
        limit_of_prefix = rules.copies.prefix
        yield (
            "copies",
            (
                f"{limit_of_prefix:g} of 5-word runs in the prefix",
                lambda prefix, text: (
                    copies.contained(copies.grams(text, 5), copies.grams(prefix, 5))
                    > limit_of_prefix
                ),
            ),
        )


def is_detached(found: detached.Cohesion | None, threshold: float | None) -> bool:
    """Test if a text has a boundary whose score is above the threshold."""
    return found is not None and threshold is not None and found.score > threshold
