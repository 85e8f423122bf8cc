"""Predictions of a method, read from JSON Lines or parquet and checked row by row.

Every wrong row is one problem with its line, and all problems are reported together. Columns that
are not read here (layer, positions, steering and others of a method) may have any value.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from compiler.dataset import arrays, rows
from compiler.errors import ProbecError, Problem, SpecError, UsageError, nearest_file
from compiler.evaluation.given import KIND, Head, Method, Prediction, Rows, Source
from compiler.evaluation.subject import Subject
from compiler.keys import bytes_digest

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


def read(named: Sequence[str], subject: Subject) -> list[Method]:
    """Read the files of several methods, each `NAME=FILE`; files of one name are joined.

    Raises:
        UsageError: a name is missing or reserved, or a file does not exist.
        InvalidPredictions: rows are wrong.
    """
    readers: dict[str, _Reader] = {}
    problems: list[Problem] = []
    probes = _Probes(subject)
    for text in named:
        name, equals, file = text.partition("=")
        if not equals or not name or not file:
            raise UsageError(f"{text!r} is not NAME=FILE", hint="such as mine=predictions.jsonl")
        if name not in readers:
            readers[name] = _Reader(Method(name), probes, problems)
        readers[name].read(Path(file))
    if problems:
        raise InvalidPredictions(problems)
    methods = [each.method() for each in readers.values()]
    mixed = [m.name for m in methods if len({s.head.fresh for s in m.sources}) > 1]
    if mixed:
        raise UsageError(
            f"{mixed[0]} joins fresh answers of the blind reader with others",
            hint="give them a name of their own",
        )
    return methods


class _Probes:
    """What the rows of predictions are checked against."""

    def __init__(self, subject: Subject) -> None:
        items = subject.items
        self.items, self.digest = items, subject.digest
        self.places = {key: place for place, key in enumerate(items.texts("key"))}
        self.tokenizers = items.named("tokenizer")
        self.comparable = (arrays.lengths(items.columns["alternative"]) > 0).tolist()

    def asked(self, head: Head) -> list[bool]:
        """Mark the probes that a file is about."""
        found: list[bool] = head.selected().matching(self.items).tolist()
        return found


class _Reader:
    """The files of a method, read one after another."""

    def __init__(self, method: Method, probes: _Probes, problems: list[Problem]) -> None:
        self._method, self._probes, self._problems = method, probes, problems
        self._file = Path()
        self._given: dict[str, Rows] = {}
        # Control and sample -> probe -> number of the first row, 0 in an earlier file.
        self._first: dict[tuple[str, int], dict[int, int]] = {}
        self._invalid: list[tuple[dict[int, int], int]] = []

    def method(self) -> Method:
        """Return the method with the predictions of all files."""
        self._method.given = {name: rows.given() for name, rows in self._given.items()}
        return self._method

    def read(self, file: Path) -> None:
        """Add the valid rows to the method, and the problems of the others to the list."""
        self._file = file
        if not file.is_file():
            hint = f"{nearest_file(file)}NAME=FILE names it"
            raise UsageError("no such file", where=str(file), hint=hint)
        head, count, controls = Head(KIND), 0, set()
        known, asked = len(self._problems), self._probes.asked(head)
        for number, found in self._rows():
            if isinstance(found, Head):
                if count and found != head:
                    self._problem(
                        number,
                        "it differs from the first line, or stands behind predictions",
                        "put it first; predictions for another selection have their own file",
                    )
                elif found != head:
                    head, asked = found, self._probes.asked(found)
                    if not self._valid_head(number, head, asked):
                        return
                continue
            count += 1
            problem = self._wrong(number, found, head, asked)
            if problem is not None:
                self._problem(number, *problem)
                continue
            rows = self._given.setdefault(found.control, Rows())
            rows.add(self._probes.places[found.probe_id], found)
            controls.add(found.control)
        if not count and len(self._problems) == known:
            self._problem(0, "it has no predictions", "write one row a probe")
        self._method.fresh = head.fresh
        digest = bytes_digest(file.read_bytes())
        self._method.sources.append(Source(str(file), digest, count, head))
        for control in controls:
            self._method.asked.setdefault(control, []).append(head.selected())
        self._close()

    def _close(self) -> None:
        """Keep the rows of a file in mind for the next one; invalid ones may be repeated there."""
        for first, place in self._invalid:
            first.pop(place, None)
        self._invalid.clear()
        self._first = {key: dict.fromkeys(first, 0) for key, first in self._first.items()}

    def _rows(self) -> Iterator[tuple[int, Head | Prediction]]:
        """Yield the rows with their numbers; problems of the others are added to the list."""
        if self._file.suffix == ".parquet":
            number = 0
            for batch in rows.batches(self._file, ("probe_id",), None):
                for values in batch.to_pylist():
                    number += 1
                    present = {k: v for k, v in values.items() if v is not None}
                    yield from self._one(number, present)
            return
        decoder = msgspec.json.Decoder(Prediction)
        for number, line in enumerate(self._read_lines(), 1):
            try:
                yield number, decoder.decode(line)
            except msgspec.DecodeError:
                yield from self._other(number, line)

    def _other(self, number: int, line: bytes) -> Iterator[tuple[int, Head | Prediction]]:
        """Yield a line that is no prediction, if it is valid."""
        if not line.strip():
            return
        try:
            values = msgspec.json.decode(line)
        except msgspec.DecodeError as error:
            reason = "NaN and Infinity are no JSON" if b"N" in line else str(error)
            self._problem(number, f"not JSON: {reason}", "one JSON object a line")
            return
        yield from self._one(number, values)

    def _read_lines(self) -> Iterator[bytes]:
        with self._file.open("rb") as file:
            for text in file:
                yield from text.splitlines()

    def _one(self, number: int, values: object) -> Iterator[tuple[int, Head | Prediction]]:
        is_head = isinstance(values, dict) and "kind" in values and "probe_id" not in values
        try:
            found: Head | Prediction = (
                msgspec.convert(values, Head) if is_head else msgspec.convert(values, Prediction)
            )
        except msgspec.ValidationError as error:
            self._problem(number, f"not a prediction: {error}", "see docs/evaluate.md")
            return
        if isinstance(found, Head) and found.kind != KIND:
            self._problem(number, f"its kind is {found.kind!r}", f"{KIND}, or no such line")
            return
        yield number, found

    def _valid_head(self, number: int, head: Head, asked: Sequence[bool]) -> bool:
        problem = self._other_dataset(head.dataset)
        if problem is None and not any(asked):
            problem = (
                f"its selection has no probe of this dataset: {head.selection}",
                "copy the selection from the file of questions",
            )
        if problem is not None:
            self._problem(number, *problem)
        return problem is None

    def _other_dataset(self, digest: str) -> tuple[str, str] | None:
        own = self._probes.digest
        if not digest or digest == own:
            return None
        return (
            f"made for another dataset, {digest[:12]}; this one is {own[:12]}",
            "answer the questions of this dataset, or name the dataset that was asked",
        )

    def _wrong(
        self, number: int, found: Prediction, head: Head, asked: Sequence[bool]
    ) -> tuple[str, str] | None:
        """Find the first problem of a prediction, and the remedy."""
        place = self._probes.places.get(found.probe_id)
        if place is None:
            return f"unknown probe_id {found.probe_id!r}", self._nearest(found)
        if not asked[place]:
            return (
                f"probe {found.probe_id} is not in the selection of the first line",
                "copy the selection from the file of questions, or leave the row out",
            )
        lines = self._first.setdefault((found.control, found.sample), {})
        first = lines.setdefault(place, number)
        if first != number:
            lines[place] = first or number
            before = self._where(first) if first else "another file of this method"
            return (
                f"sample {found.sample} of probe {found.probe_id} ({found.control}) is there twice",
                f"first in {before}; number repeated answers by `sample`",
            )
        problem = (
            self._cut(found, head, place)
            or _logprobs(found, self._probes.comparable[place])
            or self._other_dataset(found.dataset)
        )
        if problem is not None:
            self._invalid.append((lines, place))
        return problem

    def _cut(self, found: Prediction, head: Head, place: int) -> tuple[str, str] | None:
        tokenizer, own = found.tokenizer or head.tokenizer, self._probes.tokenizers
        cutter = own.names[own.codes[place]] if tokenizer else ""
        if not cutter or tokenizer == cutter:
            return None
        return (
            f"its tokenizer is {tokenizer}, but the atom of {found.probe_id} was cut by {cutter}",
            "answer with text, which is tokenised here, or cut by that tokenizer",
        )

    def _nearest(self, found: Prediction) -> str:
        if len(self._probes.places) > _FEW:
            return "copy ids from the file of questions"
        near = difflib.get_close_matches(found.probe_id, self._probes.places, 1)
        return f"nearest: {near[0]}" if near else "copy ids from the file of questions"

    def _where(self, number: int) -> str:
        """Name a row; the file for 0."""
        between = ": row " if self._file.suffix == ".parquet" else ":"
        return f"{self._file}{between}{number}" if number else str(self._file)

    def _problem(self, number: int, message: str, hint: str) -> None:
        self._problems.append(Problem(self._where(number), "", message, hint))


def _logprobs(found: Prediction, comparable: bool) -> tuple[str, str] | None:
    """Find what is wrong with the log probabilities of a prediction."""
    if found.choice_logprobs is None:
        return None
    if not comparable:
        return "the probe has no alternative to compare", "leave choice_logprobs out"
    for place, values in enumerate(found.choice_logprobs):
        if not values:
            return f"choice {place} has no log probability", "one for each of its tokens"
        if not all(map(math.isfinite, values)):
            wrong = next(each for each in values if not math.isfinite(each))
            return f"a log probability of choice {place} is {wrong}", "finite numbers only"
        if max(values) > _ROUNDING:
            above = next(each for each in values if each > _ROUNDING)
            return f"a log probability of choice {place} is {above}", "natural logs are at most 0"
        ids = found.choice_token_ids
        if ids is not None and len(ids[place]) != len(values):
            return (
                f"choice {place} has {len(ids[place])} token ids and {len(values)} log "
                "probabilities",
                "one log probability for each token",
            )
    return None
