"""Predictions of a method, read from JSON Lines or parquet and checked row by row.

Every wrong row is one problem with its line, and all problems are reported together. Columns that
are not read here (layer, positions, steering and others of a method) may have any value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from compiler.dataset import rows
from compiler.errors import ProbecError, Problem, SpecError, UsageError, nearest_file
from compiler.evaluation.subject import Item, Selection, Subject
from compiler.keys import bytes_digest

KIND = "probec-predictions/1"
Control = Literal["real", "text", "shuffled", "zero", "wrong_layer"]
# By preference as the control of the latent gain.
CONTROLS: tuple[Control, ...] = ("shuffled", "text", "zero", "wrong_layer")
_SHOWN = 20
_FEW = 20_000
# A probability of 1 may come out of a server with a rounding error.
_ROUNDING = 1e-6


class InvalidPredictions(SpecError):
    """Predictions with wrong rows. Carries every problem found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        what = f"{count:,} problem{'s' if count != 1 else ''} in the predictions"
        ProbecError.__init__(self, what)
        self.problems = tuple(problems)

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.problems[:_SHOWN]]
        more = len(self.problems) - len(lines)
        return "\n".join([*lines, *([f"and {more:,} more"] if more else [])])


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
    spans the end of the prompt and the begin of a choice. `dataset`, `tokenizer`: as in the head.
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


@dataclass(frozen=True)
class Source:
    """One file of predictions. `digest`: of its bytes; `rows`: number of its predictions."""

    file: str
    digest: str
    rows: int
    head: Head


@dataclass
class Method:
    """The predictions of one method.

    `given`: control -> probe -> its predictions by sample; `asked`: control -> selections of the
    files, all probes without any. `fresh`: predictions of the dataset's own blind reader.
    """

    name: str
    sources: list[Source] = field(default_factory=list)
    given: dict[str, dict[str, list[Prediction]]] = field(default_factory=dict)
    asked: dict[str, list[Selection]] = field(default_factory=dict)
    fresh: bool = False

    @property
    def headless(self) -> bool:
        """True if a file states neither its dataset nor the probes that were asked about."""
        return any(not source.head.dataset for source in self.sources)

    def probes(self, control: str, items: Sequence[Item]) -> frozenset[str]:
        """Return those of all probes of a dataset that were asked about under a control."""
        return frozenset(
            each.key for chosen in self.asked[control] for each in chosen.matching(items)
        )


def read(named: Sequence[str], subject: Subject) -> list[Method]:
    """Read the files of several methods, each `NAME=FILE`; files of one name are joined.

    Raises:
        UsageError: a name is missing or reserved, or a file does not exist.
        InvalidPredictions: rows are wrong.
    """
    methods: dict[str, Method] = {}
    problems: list[Problem] = []
    known = {each.key: each for each in subject.items}
    for text in named:
        name, equals, file = text.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"{text!r} is not NAME=FILE", hint="such as mine=predictions.jsonl")
        method = methods.setdefault(name, Method(name))
        _Reader(Path(file), method, subject, known, problems).read()
    if problems:
        raise InvalidPredictions(problems)
    mixed = [m.name for m in methods.values() if len({s.head.fresh for s in m.sources}) > 1]
    if mixed:
        raise UsageError(
            f"{mixed[0]} joins fresh answers of the blind reader with others",
            hint="give them a name of their own",
        )
    return list(methods.values())


class _Reader:
    """One file on its way into a method."""

    def __init__(
        self,
        file: Path,
        method: Method,
        subject: Subject,
        known: Mapping[str, Item],
        problems: list[Problem],
    ) -> None:
        self._file, self._method, self._subject = file, method, subject
        self._known, self._problems = known, problems
        self._lines: dict[tuple[str, str, int], str] = {}

    def read(self) -> None:
        """Add the valid rows to the method, and the problems of the others to the list."""
        if not self._file.is_file():
            hint = f"{nearest_file(self._file)}NAME=FILE names it"
            raise UsageError("no such file", where=str(self._file), hint=hint)
        head, count, controls = Head(KIND), 0, set()
        known, asked = len(self._problems), self._asked(head)
        for where, found in self._rows():
            if isinstance(found, Head):
                if count and found != head:
                    self._problem(
                        where,
                        "it differs from the first line, or stands behind predictions",
                        "put it first; predictions for another selection have their own file",
                    )
                elif found != head:
                    head, asked = found, self._asked(found)
                    if not self._valid_head(where, head, asked):
                        return
                continue
            count += 1
            if self._valid(where, found, head, asked):
                given = self._method.given.setdefault(found.control, {})
                given.setdefault(found.probe_id, []).append(found)
                controls.add(found.control)
        if not count and len(self._problems) == known:
            self._problem(str(self._file), "it has no predictions", "write one row a probe")
        self._method.fresh = head.fresh
        digest = bytes_digest(self._file.read_bytes())
        self._method.sources.append(Source(str(self._file), digest, count, head))
        for control in controls:
            self._method.asked.setdefault(control, []).append(head.selected())

    def _rows(self) -> Iterator[tuple[str, Head | Prediction]]:
        if self._file.suffix == ".parquet":
            number = 0
            for batch in rows.batches(self._file, ("probe_id",), None):
                for values in batch.to_pylist():
                    number += 1
                    present = {k: v for k, v in values.items() if v is not None}
                    where = f"{self._file}: row {number}"
                    yield from self._one(where, present)
            return
        for number, line in enumerate(self._read_lines(), 1):
            if line.strip():
                where = f"{self._file}:{number}"
                try:
                    values = msgspec.json.decode(line)
                except msgspec.DecodeError as error:
                    reason = "NaN and Infinity are no JSON" if b"N" in line else str(error)
                    self._problem(where, f"not JSON: {reason}", "one JSON object a line")
                    continue
                yield from self._one(where, values)

    def _read_lines(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            for text in file:
                yield from text.splitlines()

    def _one(self, where: str, values: object) -> Iterator[tuple[str, Head | Prediction]]:
        is_head = isinstance(values, dict) and "kind" in values and "probe_id" not in values
        try:
            found: Head | Prediction = (
                msgspec.convert(values, Head) if is_head else msgspec.convert(values, Prediction)
            )
        except msgspec.ValidationError as error:
            self._problem(where, f"not a prediction: {error}", "see docs/evaluate.md")
            return
        if isinstance(found, Head) and found.kind != KIND:
            self._problem(where, f"its kind is {found.kind!r}", f"{KIND}, or no such line")
            return
        yield where, found

    def _asked(self, head: Head) -> frozenset[str]:
        return frozenset(each.key for each in head.selected().matching(self._subject.items))

    def _valid_head(self, where: str, head: Head, asked: frozenset[str]) -> bool:
        if not self._digest(where, head.dataset):
            return False
        if not asked:
            self._problem(
                where,
                f"its selection has no probe of this dataset: {head.selection}",
                "copy the selection from the file of questions",
            )
        return bool(asked)

    def _digest(self, where: str, digest: str) -> bool:
        if digest and digest != self._subject.digest:
            self._problem(
                where,
                f"made for another dataset, {digest[:12]}; this one is {self._subject.digest[:12]}",
                "answer the questions of this dataset, or name the dataset that was asked",
            )
            return False
        return True

    def _valid(self, where: str, found: Prediction, head: Head, asked: frozenset[str]) -> bool:
        item = self._known.get(found.probe_id)
        if item is None:
            self._problem(where, f"unknown probe_id {found.probe_id!r}", self._nearest(found))
            return False
        if found.probe_id not in asked:
            self._problem(
                where,
                f"probe {found.probe_id} is not in the selection of the first line",
                "copy the selection from the file of questions, or leave the row out",
            )
            return False
        key = (found.probe_id, found.control, found.sample)
        before = self._lines.get(key)
        given = self._method.given.get(found.control, {}).get(found.probe_id, ())
        if before is None and any(each.sample == found.sample for each in given):
            before = "another file of this method"
        self._lines.setdefault(key, where)
        if before is not None:
            self._problem(
                where,
                f"sample {found.sample} of probe {found.probe_id} ({found.control}) is there twice",
                f"first in {before}; number repeated answers by `sample`",
            )
            return False
        problem = self._cut(found, head, item) or _logprobs(found, item)
        if problem is not None:
            self._problem(where, *problem)
            return False
        return self._digest(where, found.dataset)

    def _cut(self, found: Prediction, head: Head, item: Item) -> tuple[str, str] | None:
        tokenizer = found.tokenizer or head.tokenizer
        if not tokenizer or not item.tokenizer or tokenizer == item.tokenizer:
            return None
        return (
            f"its tokenizer is {tokenizer}, but the atom of {item.key} was cut by {item.tokenizer}",
            "answer with text, which is tokenised here, or cut by that tokenizer",
        )

    def _nearest(self, found: Prediction) -> str:
        if len(self._known) > _FEW:
            return "copy ids from the file of questions"
        near = difflib.get_close_matches(found.probe_id, self._known, 1)
        return f"nearest: {near[0]}" if near else "copy ids from the file of questions"

    def _problem(self, where: str, message: str, hint: str) -> None:
        self._problems.append(Problem(where, "", message, hint))


def _logprobs(found: Prediction, item: Item) -> tuple[str, str] | None:
    """Find what is wrong with the log probabilities of a prediction."""
    if found.choice_logprobs is None:
        return None
    if not item.alternative:
        return "the probe has no alternative to compare", "leave choice_logprobs out"
    for place, values in enumerate(found.choice_logprobs):
        if not values:
            return f"choice {place} has no log probability", "one for each of its tokens"
        wrong = next((each for each in values if not math.isfinite(each)), None)
        if wrong is not None:
            return f"a log probability of choice {place} is {wrong}", "finite numbers only"
        above = next((each for each in values if each > _ROUNDING), None)
        if above is not None:
            return f"a log probability of choice {place} is {above}", "natural logs are at most 0"
        ids = found.choice_token_ids
        if ids is not None and len(ids[place]) != len(values):
            return (
                f"choice {place} has {len(ids[place])} token ids and {len(values)} log "
                "probabilities",
                "one log probability for each token",
            )
    return None
