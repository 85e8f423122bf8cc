"""Predictions -> scores, by the rule of each scope.

Words are compared as words, windows of tokens as tokens, written answers by the judge of the
blind scores. A prediction that is missing is a row without a score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from compiler.dataset import arrays
from compiler.dataset.arrays import Coded
from compiler.evaluation import contrast, windows
from compiler.evaluation.bench import Bench
from compiler.evaluation.contrast import Sums
from compiler.evaluation.given import Given, Method
from compiler.evaluation.items import Items, truths_first
from compiler.evaluation.scores import JUDGE, STATUSES, Scores
from compiler.evaluation.subject import Subject
from compiler.probes.scoring.local import contained, equal, token_f1, tokens
from compiler.probes.tokens import Tokenizer
from compiler.statistics.measures.units import divided
from compiler.statistics.observations import Bools, Floats, Ints

WORDS = ("exact", "contains")
TOKENS = ("prefix", "accuracy", "edit", "exact")
WRITTEN = (JUDGE, "token_f1")
WINS = tuple(contrast.metric(each) for each in contrast.NORMALISATIONS)
# In the order of a probe's rows.
_METRICS = (*TOKENS, WORDS[1], *WRITTEN, *WINS)
_SCORED, _MISSING, _FAILED = range(len(STATUSES))


@dataclass(frozen=True)
class Rules:
    """How answers are scored.

    `bench`: the judge, None without one; `tokenizers`: of lens atoms, by name@digest.
    """

    bench: Bench | None
    tokenizers: Mapping[str, Tokenizer]

    def metrics(self, written: bool, tokenizer: str) -> tuple[str, ...]:
        """Return the metrics of a probe's answers; the first is that of the headline."""
        if written:
            return WRITTEN if self.bench is not None else WRITTEN[1:]
        return TOKENS if tokenizer in self.tokenizers else WORDS


def score(subject: Subject, items: Items, methods: Sequence[Method], rules: Rules) -> Scores | None:
    """Score all methods and readers on the probes; None if the judge was only priced."""
    asked = [
        _Asked(method, control, subject.items, items)
        for method in methods
        for control in method.given
    ]
    probes = _Probes(items, rules)
    if rules.bench is not None and not probes.judge(asked, rules.bench):
        return None
    parts = [_of_method(each, place, probes) for place, each in enumerate(asked)]
    sources = [("fresh" if a.method.fresh else "method", a.method.name, a.control) for a in asked]
    return _joined([*parts, _of_readers(items, len(asked))], sources, probes)


class _Asked:
    """The predictions of a method under a control on the probes that it was asked about.

    `rows` (k,): places of these probes among the selected ones. `probes` (m,): the place of each
    prediction's probe among `rows`; `answers`, `sums`: as in `Given`, ordered by sample.
    `shuffled`: log probabilities under the shuffled control, for the method itself.
    """

    def __init__(self, method: Method, control: str, every: Items, items: Items) -> None:
        self.method, self.control = method, control
        self.rows = np.flatnonzero(method.probes(control, every)[items.places])
        self._places = np.full(len(every), -1)
        self._places[items.places[self.rows]] = np.arange(len(self.rows))
        given = method.given[control]
        order = np.argsort(given.samples, kind="stable")
        order = order[self._places[given.probes[order]] >= 0]
        self.probes = self._places[given.probes[order]]
        self.answers = [given.answers[place] for place in order.tolist()]
        self.sums = given.sums[:, order]
        other = method.given.get("shuffled") if control == "real" else None
        self.shuffled = self._compared(other) if other is not None else None

    def _compared(self, given: Given) -> Sums:
        probes = self._places[given.probes]
        chosen = (probes >= 0) & ~np.isnan(given.sums[0])
        return Sums(probes[chosen], given.sums[:, chosen])


class _Probes:
    """The selected probes, as the rules see them."""

    def __init__(self, items: Items, rules: Rules) -> None:
        self.items, self._rules = items, rules
        self.keys, self.atoms = items.texts("key"), items.texts("atom")
        self.scopes, self._tokenizers = items.named("scope").codes, items.named("tokenizer")
        self.written = items.flags("written")
        self._tokens = ~self.written & self._tokenizers.among(rules.tokenizers)
        self.comparable = arrays.lengths(items.columns["alternative"]) > 0
        self._judged: Mapping[tuple[int, str], float | None] = {}

    def judge(self, asked: Sequence[_Asked], bench: Bench) -> bool:
        """Score every distinct answer to a written probe once; False if it was only priced."""
        pairs = dict.fromkeys(
            (row, text.strip())
            for each in asked
            for row, text in zip(each.rows[each.probes].tolist(), each.answers, strict=True)
            if text is not None and self.written[row]
        )
        rows = np.unique([row for row, _ in pairs]).astype(np.int64)
        items = dict(zip(rows.tolist(), self.items.take(rows), strict=True))
        found = bench.scores([(items[row], text) for row, text in pairs])
        self._judged = dict(zip(pairs, found or (), strict=found is not None))
        return found is not None

    def kinds(self) -> Iterator[tuple[tuple[str, ...], Bools]]:
        """Yield the metrics of each kind of probes, and the probes of that kind."""
        yield self._rules.metrics(True, ""), self.written
        yield TOKENS, self._tokens
        yield WORDS, ~self.written & ~self._tokens

    def measured(self, row: int, text: str) -> tuple[float | None, ...]:
        """Return the value of an answer under each metric of its probe."""
        atom = self.atoms[row]
        if self.written[row]:
            local = token_f1(text, atom)
            return (
                (local,) if self._rules.bench is None else (self._judged[row, text.strip()], local)
            )
        if self._tokens[row]:
            name = self._tokenizers.names[self._tokenizers.codes[row]]
            found = windows.shares(text, atom, self._rules.tokenizers[name])
            return tuple(found[metric] for metric in TOKENS)
        given, wanted = tokens(text), tokens(atom)
        return equal(given, wanted), contained(given, wanted)

    def first(self, rows: Ints) -> Bools:
        """Mark the probes whose truth is the first of the choices."""
        return truths_first([self.keys[row] for row in rows.tolist()])

    def sizes(self, rows: Ints) -> Ints:
        """Return the bytes in UTF-8 of truth and alternative, (n, 2)."""
        columns = (self.items.columns[name] for name in ("truth", "alternative"))
        return np.column_stack([arrays.sizes(each)[rows] for each in columns])

    def repeated(self) -> Bools:
        """Mark the written probes whose question another document has as well."""
        scopes, documents = self.items.named("scope"), self.items.named("doc_id")
        questions, count = Coded.of(self.items.columns["question"]).codes, len(documents.names)
        asked = questions.astype(np.int64) * len(scopes.names) + scopes.codes
        _, groups = np.unique(asked, return_inverse=True)
        pairs = np.unique(groups * count + documents.codes)
        return self.written & (np.bincount(pairs // count)[groups] > 1)


@dataclass(frozen=True)
class _Part:
    """Some rows of the scores as columns. `rows`: places of their probes.

    `sources`: places among kinds, methods and controls; `metrics`: among _METRICS.
    """

    rows: Ints
    sources: Ints
    metrics: Ints
    sample: Ints
    score: Floats
    status: Ints
    n_samples: Ints
    chars: Floats


def _of_method(asked: _Asked, source: int, probes: _Probes) -> _Part:
    count = len(asked.rows)
    texts = np.array([each is not None for each in asked.answers], dtype=np.bool_)
    compares = ~np.isnan(asked.sums[0])
    scopes = probes.scopes[asked.rows]
    # A file of log probabilities alone has no answers that could be missing.
    answered = np.isin(scopes, scopes[asked.probes[texts]])
    compared = np.isin(scopes, scopes[asked.probes[compares]])
    found = [*_texts(asked, texts, answered | ~compared, probes)]
    chosen = np.flatnonzero(compared & probes.comparable[asked.rows])
    if len(chosen):
        found += _wins(asked, compares, chosen, probes)
    at = np.concatenate([rows for _, rows, *_ in found])
    metrics = np.repeat([_METRICS.index(name) for name, *_ in found], [len(f[1]) for f in found])
    order = np.lexsort((metrics, at))
    at = at[order]
    samples = np.bincount(asked.probes, minlength=count)
    lengths = [len(each) for each in asked.answers if each is not None]
    of_texts = Sums(asked.probes[texts], np.empty((4, 0)))
    return _Part(
        asked.rows[at],
        np.full(len(at), source),
        metrics[order],
        np.full(len(at), -1),
        np.concatenate([values for *_, values, _ in found])[order],
        np.concatenate([statuses for *_, statuses in found])[order],
        samples[at],
        of_texts.means(np.array(lengths, dtype=np.float64), count)[at],
    )


# A metric, places of probes, and their values and statuses.
_Column = tuple[str, Ints, Floats, Ints]


def _texts(asked: _Asked, texts: Bools, wanted: Bools, probes: _Probes) -> Iterator[_Column]:
    """Yield the scores of answers; blank ones among several count as 0."""
    count = len(asked.rows)
    answered = np.bincount(asked.probes[texts], minlength=count) > 0
    samples = np.bincount(asked.probes, minlength=count)
    for metrics, of_kind in probes.kinds():
        chosen = wanted & of_kind[asked.rows]
        places = np.flatnonzero(texts & chosen[asked.probes])
        at = asked.probes[places]
        rows = asked.rows[at].tolist()
        found = [
            probes.measured(row, asked.answers[place] or "")
            for row, place in zip(rows, places.tolist(), strict=True)
        ]
        table = np.array(found, dtype=np.float64).reshape(-1, len(metrics))
        own = np.flatnonzero(chosen)
        for metric, values in zip(metrics, table.T, strict=True):
            sums = np.bincount(at, values, minlength=count)
            means = np.where(answered, divided(sums, samples), np.nan)[own]
            failed = answered[own] & np.isnan(means)
            yield metric, own, means, np.where(failed, _FAILED, np.where(answered[own], 0, 1))


def _wins(asked: _Asked, compares: Bools, chosen: Ints, probes: _Probes) -> Iterator[_Column]:
    """Yield the scores of log probabilities."""
    first = np.zeros(len(asked.rows), dtype=np.bool_)
    first[chosen] = probes.first(asked.rows[chosen])
    own = Sums(asked.probes[compares], asked.sums[:, compares])
    found = contrast.wins(own, asked.shuffled, first, probes.sizes(asked.rows))
    for metric, values in found.items():
        statuses = np.where(np.isnan(values[chosen]), _MISSING, _SCORED)
        yield metric, chosen, values[chosen], statuses


def _of_readers(items: Items, source: int) -> _Part:
    """Return the scores of the dataset's readers, by rollout; sources: blind, then full."""
    table = np.hstack([items.blind, items.full])
    rows, columns = np.nonzero(~np.isnan(table))
    full = columns >= items.blind.shape[1]
    same = np.ones(len(rows), dtype=np.int64)
    return _Part(
        rows,
        source + full,
        _METRICS.index(JUDGE) * same,
        columns - full * items.blind.shape[1],
        table[rows, columns],
        _SCORED * same,
        same,
        np.full(len(rows), np.nan),
    )


def _joined(
    parts: Sequence[_Part], sources: Sequence[tuple[str, str, str]], probes: _Probes
) -> Scores:
    def numbers(name: str) -> Floats:
        return np.concatenate([getattr(part, name) for part in parts])

    def codes(name: str) -> npt.NDArray[np.int32]:
        return np.concatenate([getattr(part, name).astype(np.int32) for part in parts])

    def of_probe(name: str) -> Coded:
        found = probes.items.named(name)
        return Coded(found.codes[rows], found.names)

    rows, places = codes("rows"), codes("sources")
    every = [*sources, ("blind", "blind", ""), ("full", "full", "")]
    kinds, methods, controls = (Coded(places, [*names]) for names in zip(*every, strict=True))
    return Scores(
        kinds, methods, controls, Coded(rows, probes.keys), of_probe("doc_id"), of_probe("scope"),
        of_probe("target"), of_probe("typicality"), of_probe("band"),
        Coded(codes("metrics"), [*_METRICS]), codes("sample"), numbers("score"),
        Coded(codes("status"), [*STATUSES]), codes("n_samples"), numbers("chars"),
        probes.items.flags("leaking")[rows], probes.repeated()[rows],
    )  # fmt: skip
