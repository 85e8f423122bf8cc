"""Predictions -> scores, by the rule of each scope.

Words are compared as words, windows of tokens as tokens, written answers by the judge of the
blind scores. A prediction that is missing is a row without a score.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from msgspec import structs

from compiler.evaluation import contrast, windows
from compiler.evaluation.bench import Bench
from compiler.evaluation.predictions import Method, Prediction
from compiler.evaluation.scores import JUDGE, Kind, Score, Status
from compiler.evaluation.subject import Item, Subject
from compiler.keys import text_digest
from compiler.probes.scoring.local import contained, exact_match, token_f1
from compiler.probes.tokens import Tokenizer

WORDS = ("exact", "contains")
TOKENS = ("prefix", "accuracy", "edit", "exact")
WRITTEN = (JUDGE, "token_f1")
WINS = tuple(contrast.metric(each) for each in contrast.NORMALISATIONS)


@dataclass(frozen=True)
class Rules:
    """How answers are scored.

    `bench`: the judge, None without one; `tokenizers`: of lens atoms, by name@digest.
    """

    bench: Bench | None
    tokenizers: Mapping[str, Tokenizer]

    def metrics(self, item: Item) -> tuple[str, ...]:
        """Return the metrics of a probe's answers; the first is that of the headline."""
        if item.written:
            return WRITTEN if self.bench is not None else WRITTEN[1:]
        return TOKENS if item.tokenizer in self.tokenizers else WORDS


def score(
    subject: Subject, items: Sequence[Item], methods: Sequence[Method], rules: Rules
) -> list[Score] | None:
    """Score all methods and readers on the probes; None if the judge was only priced."""
    repeated = _repeated(items)
    asked: _Asked = {}
    for method in methods:
        for control in method.given:
            kept = method.probes(control, subject.items)
            asked[method.name, control] = [item for item in items if item.key in kept]
    judged = _judged(asked, methods, rules.bench)
    if judged is None:
        return None
    found: list[Score] = []
    for method in methods:
        for control in method.given:
            own = asked[method.name, control]
            found += _of_method(method, control, own, rules, judged, repeated)
    for item in items:
        found += _of_readers(item, repeated[item.key])
    return found


# (method, control) -> the probes that it was asked about.
_Asked = dict[tuple[str, str], list[Item]]


def _judged(
    asked: _Asked, methods: Sequence[Method], bench: Bench | None
) -> Mapping[tuple[str, str], float | None] | None:
    """Score every distinct answer to a written probe once, whichever methods gave it."""
    if bench is None:
        return {}
    pairs: dict[tuple[str, str], Item] = {}
    for method in methods:
        for control, given in method.given.items():
            for item in asked[method.name, control]:
                for each in given.get(item.key, ()) if item.written else ():
                    if each.given is not None:
                        pairs[item.key, each.given.strip()] = item
    found = bench.scores([(item, text) for (_, text), item in pairs.items()])
    return None if found is None else dict(zip(pairs, found, strict=True))


def _of_method(
    method: Method,
    control: str,
    asked: Sequence[Item],
    rules: Rules,
    judged: Mapping[tuple[str, str], float | None],
    repeated: Mapping[str, bool],
) -> Iterator[Score]:
    given = method.given[control]
    # A file of log probabilities alone has no answers that could be missing.
    answered = {item.scope for item in asked for each in given.get(item.key, ()) if each.given}
    compared = {
        item.scope for item in asked for each in given.get(item.key, ()) if each.choice_logprobs
    }
    shuffled = method.given.get("shuffled", {})
    kind: Kind = "fresh" if method.fresh else "method"
    for item in asked:
        own = sorted(given.get(item.key, ()), key=lambda each: each.sample)
        texts = [each.given for each in own if each.given is not None]
        chars = sum(map(len, texts)) / len(texts) if texts else None
        row = _Row(kind, method.name, control, item, len(own), texts, chars, repeated[item.key])
        if item.scope in answered or item.scope not in compared:
            yield from _texts(row, rules, judged)
        if item.scope in compared and item.alternative:
            reference = shuffled.get(item.key, ()) if control == "real" else ()
            yield from _wins(row, own, reference, bool(shuffled) and control == "real")


@dataclass(frozen=True)
class _Row:
    """The parts that the scores of a method on a probe share."""

    kind: Kind
    method: str
    control: str
    item: Item
    samples: int
    texts: Sequence[str]
    chars: float | None
    repeated: bool

    def score(self, metric: str, value: float | None, status: Status) -> Score:
        """Return one score."""
        item = self.item
        return Score(
            self.kind, self.method, self.control, item.key, item.doc_id, item.scope, item.target,
            item.typicality, item.band, metric, -1, value, status, self.samples, self.chars,
            item.leaking, self.repeated,
        )  # fmt: skip


def _texts(
    row: _Row, rules: Rules, judged: Mapping[tuple[str, str], float | None]
) -> Iterator[Score]:
    """Yield the scores of answers; blank ones among several count as 0."""
    metrics = rules.metrics(row.item)
    if not row.texts:
        yield from (row.score(metric, None, "missing") for metric in metrics)
        return
    found = [_measured(row.item, text, rules, judged) for text in row.texts]
    for metric in metrics:
        numbers = [each[metric] for each in found]
        valid = [each for each in numbers if each is not None]
        if len(valid) < len(numbers):
            yield row.score(metric, None, "judge_failed")
        else:
            yield row.score(metric, sum(valid) / row.samples, "scored")


def _measured(
    item: Item, text: str, rules: Rules, judged: Mapping[tuple[str, str], float | None]
) -> Mapping[str, float | None]:
    if item.written:
        local = {"token_f1": token_f1(text, item.atom)}
        if rules.bench is None:
            return local
        return {JUDGE: judged[item.key, text.strip()], **local}
    if item.tokenizer in rules.tokenizers:
        return windows.shares(text, item.atom, rules.tokenizers[item.tokenizer])
    return {"exact": exact_match(text, item.atom), "contains": contained(text, item.atom)}


def _wins(
    row: _Row, own: Sequence[Prediction], reference: Sequence[Prediction], shuffled: bool
) -> Iterator[Score]:
    found = contrast.wins(row.item, own, reference)
    for metric in WINS:
        if metric in found:
            yield row.score(metric, found[metric], "scored")
        elif shuffled or metric != contrast.metric("pmi"):
            yield row.score(metric, None, "missing")


def _of_readers(item: Item, repeated: bool) -> Iterator[Score]:
    """Yield the scores of the dataset's readers, by rollout."""
    readers: tuple[tuple[Kind, tuple[float, ...]], ...] = (
        ("blind", item.blind),
        ("full", item.full),
    )
    for kind, numbers in readers:
        row = _Row(kind, kind, "", item, 1, (), None, repeated)
        for sample, number in enumerate(numbers):
            yield structs.replace(row.score(JUDGE, number, "scored"), sample=sample)


def _repeated(items: Sequence[Item]) -> dict[str, bool]:
    """Mark the probes whose question another document has as well."""
    documents: dict[str, set[str]] = defaultdict(set)
    digests = {item.key: text_digest(f"{item.scope}\n{item.question}") for item in items}
    for item in items:
        documents[digests[item.key]].add(item.doc_id)
    return {item.key: item.written and len(documents[digests[item.key]]) > 1 for item in items}
