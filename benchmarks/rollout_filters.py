"""Recall, precision and false alarms of the filters of continuations.

usage: python -m benchmarks.rollout_filters ROLLOUTS [CORPUS] [--texts N]   (default 200 a kind)

ROLLOUTS is a parquet or JSONL file of continuations (doc_id, doc_idx, prefix, continuation), CORPUS
a parquet file of human texts (doc_id, text); without it the prefixes serve as human texts. Faults
are planted at random places into continuations and into human text. `loop_labels.jsonl` holds one
reader's labels of a hundred continuations of a small model, made from the text alone before any
filter was tuned; they are used where ROLLOUTS holds those continuations.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import regex

from benchmarks import machine
from compiler.commands.arguments import at_least_one
from compiler.report.terminal import table
from compiler.rollouts import boilerplate, copies, detached, leaks, loops, sentences
from compiler.spec.filters import LoopFilter
from compiler.words import words_of

LABELS = Path(__file__).parent / "loop_labels.jsonl"
_SPLIT = regex.compile(r"(?<=[.!?])\s+")
_MIN = 700
_HUMAN = 900
_TAIL = 150
_PREFIX, _REST = 600, 1900


@dataclass(frozen=True)
class Row:
    """A continuation."""

    doc_id: str
    idx: int
    prefix: str
    text: str


@dataclass(frozen=True)
class Planted:
    """A text with a fault that begins at an offset."""

    text: str
    at: int


def read(path: Path) -> list[Row]:
    """Read continuations."""
    if path.suffix == ".parquet":
        found = pq.read_table(path).to_pylist()
    else:
        found = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Row(r["doc_id"], r["doc_idx"], r["prefix"], r["continuation"]) for r in found]


def _head(text: str, draw: random.Random) -> list[str]:
    """Return the sentences up to a random place between a quarter and 60% of a text."""
    limit, size = draw.uniform(0.25, 0.6) * len(text), 0
    head = []
    for sentence in _SPLIT.split(text):
        head.append(sentence)
        size += len(sentence) + 1
        if size > limit:
            break
    return head


def loop(text: str, changed: int, vocabulary: Sequence[str], draw: random.Random) -> Planted | None:
    """Repeat a sentence until 700 characters are filled; replace `changed` words each time."""
    head = _head(text, draw)
    base = next((s for s in reversed(head) if 4 <= len(s.split()) <= 30), None)
    if base is None:
        return None
    made, words = " ".join(head), base.split()
    start, between = len(made), draw.choice((" ", "\n\n", "\n* "))
    while len(made) < max(len(text), start + _MIN):
        again = list(words)
        for place in draw.sample(range(len(again)), min(changed, max(1, len(again) // 4))):
            again[place] = draw.choice(vocabulary)
        made += between + " ".join(again if changed else words)
    return Planted(made, start)


def tail(text: str, other: str, draw: random.Random) -> Planted | None:
    """Replace all behind a sentence end by sentences of another text."""
    size = len(text)
    ends = [m.end() for m in _SPLIT.finditer(text) if 0.35 * size < m.end() < 0.7 * size]
    if not ends:
        return None
    at, sentences_of = draw.choice(ends), _SPLIT.split(other)
    behind = " ".join(sentences_of[draw.randrange(max(1, len(sentences_of) // 2)) :])
    return Planted(text[:at] + behind[: size - at], at)


def near(text: str, share: float, vocabulary: Sequence[str], draw: random.Random) -> str:
    """Replace a share of the words of a text."""
    words = text.split(" ")
    for place in draw.sample(range(len(words)), int(share * len(words))):
        words[place] = draw.choice(vocabulary)
    return " ".join(words)


def found(texts: Sequence[Planted], place: Callable[[str], int | None]) -> list[str]:
    """Return recall, and how many of the finds are within 150 characters of the planted place."""
    places = [(each.at, place(each.text)) for each in texts]
    hits = [abs(at - where) <= _TAIL for at, where in places if where is not None]
    return [str(len(texts)), f"{len(hits) / len(texts):.2f}", f"{statistics.mean(hits or [0]):.2f}"]


def share(texts: Sequence[str], place: Callable[[str], int | None]) -> str:
    """Return the share of texts in which a fault is found."""
    return f"{sum(place(each) is not None for each in texts) / len(texts):.4f}"


def main() -> None:
    """Print one table of planted faults, one of the labels, and the cost per text."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rollouts", type=Path)
    parser.add_argument("corpus", type=Path, nargs="?")
    parser.add_argument("--texts", type=at_least_one, default=200)
    args = parser.parse_args()
    draw = random.Random(7)
    rows = read(args.rollouts)
    if args.corpus is None:
        human = sorted({row.prefix for row in rows})
    else:
        texts = pq.read_table(args.corpus, columns=["text"]).column("text").to_pylist()
        human = [text for text in texts if len(text) >= _REST]
    draw.shuffle(human)
    control = [text[:1700] for text in human[:_HUMAN]]
    rule = LoopFilter()

    def onset(text: str) -> int | None:
        at = loops.onset(text, rule.window, rule.share)
        return len(text) if at is None and loops.coverage(text) > rule.coverage else at

    clean = [r.text for r in rows if len(r.text) >= _MIN and onset(r.text) is None]
    vocabulary = [w for text in human for w in words_of(text) if len(w) > 3 and w.islower()]
    shapes = leaks.pattern([])
    heads = (
        "Share this article",
        "Leave a comment",
        "All rights reserved.",
        "Related articles:",
        "Subscribe to our newsletter",
        "Click here to read the rest",
        "Posted in News by admin",
        "© 2019 Example Media",
    )

    def web(text: str) -> int | None:
        return boilerplate.place(text, "web-en")

    def leak(text: str) -> int | None:
        return leaks.place(text, shapes)

    planted: list[tuple[str, list[Planted | None], Callable[[str], int | None], Sequence[str]]] = []
    for name, sources in (("continuations", clean), ("human texts", control)):
        for kind, changed in (("verbatim", 0), ("templated, 1 word", 1), ("templated, 3 words", 3)):
            made = [loop(text, changed, vocabulary, draw) for text in sources[: args.texts]]
            planted.append((f"loop, {kind}, in {name}", made, onset, control))
    ends = [(t, sentences.end_before(t, len(t) // 2)) for t in clean[: args.texts]]
    planted.append(
        (
            "special token",
            [
                Planted(
                    t[:at] + draw.choice(("<|endoftext|>", "<start_of_image>", "<eos>")) + t[at:],
                    at,
                )
                for t, at in ends
            ],
            leak,
            control,
        )
    )
    planted.append(
        (
            "boilerplate",
            [Planted(f"{t[:at]}\n\n{draw.choice(heads)}\n{t[at:]}", at) for t, at in ends],
            web,
            control,
        )
    )
    lines = []
    for name, made, place, negatives in planted:
        lines.append(
            [name, *found([each for each in made if each], place), share(negatives, place)]
        )
    lines += _detached(rows, human, clean, draw) if args.corpus is not None else []
    print(machine.described())
    print()
    print(
        table(
            ["fault", "planted", "recall", "within 150 chars", "false alarms"],
            lines,
        )
    )
    print(
        table(
            ["near-copies", "pairs", "found"],
            _copies(rows, vocabulary, draw),
        )
    )
    _labels(rows, onset)
    began = time.process_time()
    for text in control:
        onset(text)
    print(f"loops: {(time.process_time() - began) / len(control) * 1e3:.2f} ms per human text")


def _detached(
    rows: Sequence[Row], human: Sequence[str], clean: Sequence[str], draw: random.Random
) -> list[list[str]]:
    """Measure tails of other documents, at thresholds set on human continuations."""
    weight = detached.weights(text[:_PREFIX] for text in human)

    def scored(prefix: str, text: str) -> tuple[float, int]:
        found = detached.cohesion(prefix, text, weight, _TAIL)
        return (found.score, found.at) if found else (-2.0, 0)

    held = [scored(text[:_PREFIX], text[_PREFIX:_REST])[0] for text in human]
    kept = {*clean}
    made = [
        (row.prefix, each)
        for row in rows
        if row.text in kept and (each := tail(row.text, draw.choice(human), draw)) is not None
    ]
    scores = [(scored(prefix, each.text), each.at) for prefix, each in made]
    lines = []
    for alarms in (0.05, 0.01):
        # A threshold at a quantile of few texts varies, so false alarms and recall are means over
        # twenty halvings of the human texts into one for the threshold and one for the test.
        limits = []
        false = []
        for _ in range(20):
            order = draw.sample(held, len(held))
            half = len(order) // 2
            limits.append(sorted(order[:half])[int((1 - alarms) * half)])
            false.append(sum(score > limits[-1] for score in order[half:]) / (len(order) - half))
        hits = [
            abs(at - where) <= _TAIL
            for limit in limits
            for (score, at), where in scores
            if score > limit
        ]
        lines.append(
            [
                f"other document's tail, threshold at {alarms:.2f}",
                str(len(made)),
                f"{len(hits) / len(made) / len(limits):.2f}",
                f"{statistics.mean(hits or [0]):.2f}",
                f"{statistics.mean(false):.4f}",
            ]
        )
    return lines


def _copies(rows: Sequence[Row], vocabulary: Sequence[str], draw: random.Random) -> list[list[str]]:
    """Measure near-copies with replaced words or a shared half, and siblings as they are."""
    by_document: dict[str, list[str]] = {}
    for row in rows:
        if len(row.text) >= _MIN:
            by_document.setdefault(row.doc_id, []).append(row.text)
    texts = [each[0] for each in by_document.values()]
    pairs = [(a, b) for each in by_document.values() for a, b in pairwise(each)]
    half = [(a, a[: len(a) // 2] + b[len(b) // 2 :]) for a, b in pairs]
    lines = []
    for kind, made in (
        ("5% of words replaced", [(t, near(t, 0.05, vocabulary, draw)) for t in texts]),
        ("15% of words replaced", [(t, near(t, 0.15, vocabulary, draw)) for t in texts]),
        ("first half shared", half),
        ("siblings as they are", pairs),
    ):
        count = sum(copies.overlap(a, [b], 3) > 0.3 for a, b in made)
        lines.append([kind, str(len(made)), str(count)])
    return lines


def _labels(rows: Sequence[Row], onset: Callable[[str], int | None]) -> None:
    """Print recall and precision on the labelled continuations, if they are all there."""
    labels = [json.loads(line) for line in LABELS.read_text(encoding="utf-8").splitlines()]
    known = {(row.doc_id, row.idx): row.text for row in rows}
    counts: dict[str, list[int]] = {}
    for each in labels:
        text = known.get((each["doc_id"], each["doc_idx"]))
        if text is None:
            print("the labelled continuations are not in this file")
            return
        counts.setdefault(each["loop"], []).append(onset(text) is not None)
    hits = {kind: sum(values) for kind, values in counts.items()}
    true = hits["verbatim"] + hits["templated"]
    print()
    print("Labelled continuations (borderline ones count for neither recall nor precision)")
    for kind, values in sorted(counts.items()):
        print(f"  {kind}: {hits[kind]} of {len(values)} found")
    print(f"  precision: {true / (true + hits['none']):.2f}")


if __name__ == "__main__":
    main()
