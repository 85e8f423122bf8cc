"""An evaluation in its directory: made from predictions, written, and checked by recomputation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler import embedded
from compiler.engine.store import write_atomic
from compiler.errors import SourceError, UsageError, in_a_line, known
from compiler.evaluation import cells, contrast, scores, scoring
from compiler.evaluation.bench import Bench
from compiler.evaluation.contrast import Normalisation
from compiler.evaluation.given import Method
from compiler.evaluation.items import Items
from compiler.evaluation.results import KIND, Evaluation, Input, Judge, Settings
from compiler.evaluation.scores import Scores
from compiler.evaluation.scoring import Rules
from compiler.evaluation.subject import Subject, judge_of
from compiler.keys import bytes_digest

SCORES = "scores.parquet"
RECORD = "evaluation.json"
PAGE = "report.html"
_SAME = 1e-9


@dataclass(frozen=True)
class Options:
    """The choices of a user. `normalise`: None for the default, see `_normalisation`."""

    bands: tuple[str, ...]
    baseline: str
    normalise: Normalisation | None
    drop_missing: bool


@dataclass(frozen=True)
class Made:
    """A finished evaluation. `rows`: its scores; `scores`: the same as a parquet file."""

    evaluation: Evaluation
    rows: Scores
    scores: bytes
    methods: list[Method]
    items: Items


def make(
    subject: Subject,
    items: Items,
    methods: list[Method],
    rules: Rules,
    options: Options,
) -> Made | None:
    """Score predictions and compute all results; None if the judge was only priced.

    Raises:
        UsageError: the baseline is none of the methods, or no method was asked about a probe.
    """
    names = [method.name for method in methods if not method.fresh]
    if options.baseline and options.baseline not in names:
        raise UsageError(
            f"--baseline {options.baseline} is none of the methods",
            hint=known(options.baseline, names),
        )
    rows = scoring.score(subject, items, methods, rules)
    if rows is None:
        return None
    if not rows.kind.among(("method", "fresh")).any():
        raise UsageError(
            "no method was asked about any of these probes",
            hint="see --scope, --docs and the selection in the first line of each file",
        )
    settings = _settings(subject, items, methods, rules, options)
    bench, data = rules.bench, scores.written(rows)
    found = Evaluation(
        KIND,
        subject.name,
        subject.digest,
        tuple(_inputs(methods)),
        _judge(bench) if bench is not None else Judge("", "", "", "", ""),
        settings,
        tuple(_facts(subject, items, methods, rules, settings)),
        bytes_digest(data),
        cells.compute(rows, settings),
    )
    return Made(found, rows, data, methods, items)


def write(folder: Path, made: Made, page: str) -> None:
    """Write the scores, the results and the page to a directory."""
    write_atomic(folder / SCORES, made.scores, "--out")
    write_atomic(folder / RECORD, msgspec.json.format(msgspec.json.encode(made.evaluation)))
    write_atomic(folder / PAGE, page.encode("utf-8"))


def read(folder: Path) -> Evaluation:
    """Read the results of an evaluation.

    Raises:
        SourceError: they are missing, or not of this version.
    """
    file = folder / RECORD
    if not file.is_file():
        raise SourceError("no evaluation there", where=str(file), hint="name its directory")
    try:
        return msgspec.json.decode(file.read_bytes(), type=Evaluation)
    except msgspec.DecodeError as error:
        raise SourceError(
            f"not of this version: {in_a_line(error)}", where=str(file), hint="score again"
        ) from error


def differences(folder: Path) -> list[str]:
    """Compute every number of an evaluation again from its scores; list those that differ.

    Raises:
        SourceError: a file is missing, or not of this version.
    """
    kept = read(folder)
    file = folder / SCORES
    rows = scores.read(file)
    found = []
    if bytes_digest(file.read_bytes()) != kept.scores:
        found.append(f"{SCORES}: its digest is not that in {RECORD}")
    again = cells.compute(rows, kept.settings)
    old, new = msgspec.to_builtins(kept.results), msgspec.to_builtins(again)
    return [*found, *_compared("results", old, new)]


def _compared(path: str, old: object, new: object) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old:
            yield from _compared(f"{path}.{key}", old[key], new.get(key))
    elif isinstance(old, (list, tuple)) and isinstance(new, (list, tuple)) and len(old) == len(new):
        for place, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _compared(f"{path}[{place}]", one, other)
    elif isinstance(old, float) and isinstance(new, float | int):
        if abs(old - new) > _SAME:
            yield f"{path} is {old}, its scores give {new}"
    elif old != new:
        yield f"{path} is {old!r}, its scores give {new!r}"


def _settings(
    subject: Subject,
    items: Items,
    methods: Sequence[Method],
    rules: Rules,
    options: Options,
) -> Settings:
    primary = _primary(items, rules)
    bench = rules.bench
    same = bench is not None and bool(subject.judge) and judge_of(bench.project) == subject.judge
    return Settings(
        subject.hard,
        subject.easy,
        options.bands,
        tuple(scope for scope in subject.scopes if scope in primary),
        primary,
        contrast.metric(options.normalise or _normalisation(methods)),
        options.baseline,
        "drop" if options.drop_missing else "zero",
        same,
    )


def _primary(items: Items, rules: Rules) -> dict[str, str]:
    """Return the metric of the headline of each scope: that of its last probe."""
    scopes, tokenizers = items.named("scope"), items.named("tokenizer")
    written = items.flags("written")
    last = {code: place for place, code in enumerate(scopes.codes.tolist())}
    return {
        scopes.names[code]: rules.metrics(
            bool(written[place]), tokenizers.names[tokenizers.codes[place]]
        )[0]
        for code, place in last.items()
    }


def _normalisation(methods: Sequence[Method]) -> Normalisation:
    """Return the default: pmi if every method with log probabilities has them shuffled, else sum.

    It does not depend on any result.
    """
    compared = [
        method for method in methods if "real" in method.given and _compares(method, "real")
    ]
    shuffled = [method for method in compared if _compares(method, "shuffled")]
    return "pmi" if compared and len(shuffled) == len(compared) else "sum"


def _compares(method: Method, control: str) -> bool:
    return control in method.given and method.given[control].compares


def _inputs(methods: Sequence[Method]) -> Iterator[Input]:
    for method in methods:
        for source in method.sources:
            head = source.head
            yield Input(
                method.name, source.file, source.digest, source.rows, head.dataset, head.reader
            )


def _judge(bench: Bench) -> Judge:
    spec = bench.project.spec
    policy, use, compare = spec.scoring.policy, spec.models.judge, spec.compared()
    if not bench.policy.judged:
        return Judge(policy, "", "", "", compare)
    return Judge(policy, use.provider, use.model, use.prompt, compare)


def _facts(
    subject: Subject,
    items: Items,
    methods: Sequence[Method],
    rules: Rules,
    settings: Settings,
) -> Iterator[str]:
    models = [s.head.reader.get("model", "") for method in methods for s in method.sources]
    if rules.bench is not None and items.flags("written").any():
        models.append(_judge(rules.bench).model)
    if any(map(embedded.is_embedded, models)):
        yield embedded.MACHINERY
    for column, why in subject.lacks.items():
        yield f"the dataset has no column {column}: {why}"
    for method in methods:
        if method.headless:
            yield (
                f"{method.name}: a file without a first line that names its dataset and probes: "
                "compared with all selected probes"
            )
    written = sorted(items.named("scope").occurring(items.flags("written")))
    if written and rules.bench is None:
        yield (
            f"{', '.join(written)}: no spec names a judge (--spec), so answers are compared by "
            "their words (token_f1)"
        )
    elif written and not settings.same_judge:
        yield (
            "the blind scores are by another judge, or by one that the rows do not name: no score "
            "over blind and no gap closed (score the rows again: probec evaluate run --rescore)"
        )
    cut = {*items.named("tokenizer").occurring()} - {"", *rules.tokenizers}
    for tokenizer in sorted(cut):
        yield (
            f"no tokenizer {tokenizer} (--tokenizer): its atoms are compared by words, not tokens"
        )
    straddling = sum(each.straddling for method in methods for each in method.given.values())
    if straddling:
        yield (
            f"{straddling:,} predictions by log probabilities have a token that spans the end of "
            "the prompt and the begin of a choice"
        )
    if any(_compares(method, control) for method in methods for control in method.given):
        yield (
            f"contrastive wins are normalised by {settings.win.removeprefix('win_')}, chosen "
            "before scoring; the other normalisations are in the scores"
        )
