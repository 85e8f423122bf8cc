"""People's scores of answers, and the judge's agreement with them.

A sheet holds questions, truths and answers in a drawn order, without the judge's scores and the
names of methods, so that a person cannot be led by them.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compiler.errors import Problem, UsageError, nearest_file
from compiler.evaluation.given import Method
from compiler.evaluation.items import Item, Items
from compiler.evaluation.predictions import InvalidPredictions
from compiler.evaluation.scores import JUDGE
from compiler.keys import digest
from compiler.probes.sampling import rank
from compiler.statistics.measures.agreement import Agreement, agreement, pearson
from compiler.statistics.measures.clusters import Clusters
from compiler.statistics.measures.units import rounded

COLUMNS = ("id", "scope", "question", "truth", "answer", "score", "comment")
_SEED = 20_261_130


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to label. `id`: a digest of probe and text, so that equal answers are one."""

    id: str
    item: Item
    text: str


@dataclass(frozen=True)
class Agreed:
    """The judge and people on the same answers.

    `people`: mean score by people; `judge`: by the judge; `unlabelled`: rows of the sheet without a
    score; `unjudged`: labelled answers without a verdict. `bias`: mean of judge less people.
    `measures`: kappa is weighted quadratically on five bins, with intervals by document.
    """

    labelled: int
    unlabelled: int
    unjudged: int
    documents: int
    people: float | None
    judge: float | None
    bias: float | None
    correlation: float | None
    measures: Agreement


def answers(items: Items, methods: Sequence[Method]) -> list[Answer]:
    """List the distinct answers to written probes: of the blind reader, and of the methods."""
    found: dict[str, Answer] = {}
    by_place = {
        place: item
        for place, item in zip(items.places.tolist(), items, strict=True)
        if item.written
    }
    for item in by_place.values():
        for text in item.answers:
            _add(found, item, text)
    for method in methods:
        for given in method.given.values():
            for place, answer in zip(given.probes.tolist(), given.answers, strict=True):
                if place in by_place and answer is not None:
                    _add(found, by_place[place], answer)
    return list(found.values())


def sheet(found: Sequence[Answer], sample: int) -> str:
    """Return a sheet of a sample of answers as CSV.

    The sample is spread over documents: one answer of each before a second one of any.

    Raises:
        UsageError: there is no answer.
    """
    if not found:
        raise UsageError(
            "there is no answer to label",
            hint="name predictions, or a dataset with blind answers (bb_answer_rollout_answers)",
        )
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for each in _drawn(found, sample):
        item = each.item
        texts = map(_inert, (item.question, item.atom, each.text))
        writer.writerow([each.id, item.scope, *texts, "", ""])
    return out.getvalue()


def read(file: Path, found: Sequence[Answer]) -> tuple[list[tuple[Answer, float]], int]:
    """Read a labelled sheet: answers with people's scores, and the number without one.

    Raises:
        UsageError: the file does not exist, or is not such a sheet.
        InvalidPredictions: rows are wrong.
    """
    if not file.is_file():
        hint = f"{nearest_file(file)}write one with --out"
        raise UsageError("no such file", where=str(file), hint=hint)
    known = {each.id: each for each in found}
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.DictReader(lines)
        if not {"id", "score"} <= set(reader.fieldnames or ()):
            raise UsageError(
                "no columns id and score", where=str(file), hint="keep the first line of the sheet"
            )
        rows = [(reader.line_num, row) for row in reader]
    labelled: dict[str, tuple[Answer, float]] = {}
    empty = 0
    problems = []
    for number, row in rows:
        place, text, score = f"{file}:{number}", row["id"] or "", (row["score"] or "").strip()
        if not score:
            empty += 1
        elif text not in known:
            problems.append(Problem(place, "", f"unknown id {text!r}", _ANSWERS))
        elif text in labelled:
            problems.append(Problem(place, "", f"id {text} is there twice", "keep one of them"))
        elif (value := _number(score)) is None:
            hint = "a number from 0 to 1, or empty"
            problems.append(Problem(place, "", f"score {score!r} is not one", hint))
        else:
            labelled[text] = known[text], value
    if problems:
        raise InvalidPredictions(problems)
    return list(labelled.values()), empty


_ANSWERS = "name the dataset and the predictions that the sheet was written from"


def agreed(
    labelled: Sequence[tuple[Answer, float]],
    verdicts: Sequence[float | None],
    unlabelled: int,
    bands: tuple[float, float],
) -> Agreed:
    """Compare the judge's scores with people's.

    Raises:
        UsageError: no labelled answer has a verdict.
    """
    pairs = [
        (each.item.doc_id, people, judge)
        for (each, people), judge in zip(labelled, verdicts, strict=True)
        if judge is not None
    ]
    if not pairs:
        raise UsageError("no answer has both a label and a verdict", hint="fill in `score`")
    documents = Clusters.of([document for document, _, _ in pairs])
    matrix = np.array([[people, judge] for _, people, judge in pairs], dtype=np.float64)
    people, judge = matrix[:, 0], matrix[:, 1]
    return Agreed(
        len(labelled),
        unlabelled,
        len(labelled) - len(pairs),
        documents.count,
        rounded(people.mean()),
        rounded(judge.mean()),
        rounded((judge - people).mean()),
        pearson(people, judge),
        agreement(matrix, documents, _SEED, bands),
    )


def _add(found: dict[str, Answer], item: Item, text: str) -> None:
    if text.strip():
        name = digest("label", [item.key, text.strip()])[:16]
        found.setdefault(name, Answer(name, item, text.strip()))


def _drawn(found: Sequence[Answer], sample: int) -> Iterator[Answer]:
    turns: dict[str, int] = {}
    ordered = []
    for each in sorted(found, key=lambda answer: rank(JUDGE, answer.id)):
        turn = turns.get(each.item.doc_id, 0)
        turns[each.item.doc_id] = turn + 1
        ordered.append((turn, rank(JUDGE, each.id), each))
    yield from (each for _, _, each in sorted(ordered, key=lambda row: row[:2])[:sample])


def _inert(text: str) -> str:
    """Keep a spreadsheet from taking an untrusted text for a formula; the text is not read back."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if math.isfinite(value) and 0 <= value <= 1 else None
