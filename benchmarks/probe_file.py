"""Commands on a file of probes of any size: `view`, `show`, `stats` and `evaluate score`.

usage: python -m benchmarks.probe_file [DOCUMENTS]   (default 36,997, the published size)

Rows are those of `benchmarks.parquet_layout`, repeated under other ids. For `view`, what the page
asks for is timed in this process; the floor is one pass of DuckDB over the columns that the list
needs, without keeping them. The other commands are processes, with their peak memory. The
predictions are written by rule: for every probe an answer and log probabilities of both choices,
then the same under a control.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import duckdb

from benchmarks import machine, parquet_layout
from benchmarks.machine import probec
from compiler.commands.arguments import at_least_one
from compiler.dataset import parquet
from compiler.dataset import rows as probe_rows
from compiler.dataset.columns import Value
from compiler.dataset.parquet import Layout
from compiler.engine.artifact import RowDigest
from compiler.report.terminal import table
from compiler.viewing.selection import Selection
from compiler.viewing.table import Table

FULL = 36_997
T = TypeVar("T")
_DISTINCT = 500
_FLOOR = """SELECT count(*), sum(length(verbalizer_prompt) + length(atom_text) + length(doc_id)
    + length(target_response) + length(scope)), max(bb_answer_score_max), sum(len(flags))
    FROM read_parquet(?)"""


def rows(documents: int) -> Iterator[dict[str, Value]]:
    """Return rows of so many documents; after `_DISTINCT` of them, the same texts again."""
    made = [*parquet_layout.rows(min(documents, _DISTINCT))]
    for number in range(documents):
        for slot in range(16):
            row = made[(number % _DISTINCT) * 16 + slot]
            scores = row["bb_answer_rollout_scores"]
            best = max(scores) if isinstance(scores, list) else None
            yield {
                **row,
                "doc_id": f"doc{number:06d}",
                "probe_id": f"{number:08d}{slot:016d}",
                "bb_answer_score_max": best,
                "round_idx": number % 3,
            }


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("documents", type=at_least_one, nargs="?", default=FULL)
    documents = parser.parse_args().documents
    print(machine.described())
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        with file.open("wb") as out:
            parquet.write(out, RowDigest(), rows(documents), Layout("int64", 8192, 3))
        measure(file, documents)
        commands(file, Path(folder))


def predictions(file: Path, control: str) -> Iterator[str]:
    """Yield a prediction for every probe of a file, as lines."""
    columns = ("probe_id", "atom_text", "incorrect_plausible_answer")
    number = 0
    for batch in probe_rows.batches(file, columns, columns):
        for key, atom, other in zip(*(batch[name].to_pylist() for name in columns), strict=True):
            chosen = number * 7 % 10
            better = control == "real" and chosen < 6
            logs = [[-0.25 * (1 + number % 5)] * 3, [-0.125 * (1 + chosen)] * 4]
            prediction = {
                "probe_id": key,
                "answer": atom if better else other,
                "control": control,
                "choice_logprobs": logs if better else logs[::-1],
            }
            yield json.dumps(prediction, ensure_ascii=False) + "\n"
            number += 1


def commands(file: Path, folder: Path) -> None:
    """Run the commands on a file, each in a process of its own."""
    files = {control: folder / f"{control}.jsonl" for control in ("real", "shuffled")}
    for control, path in files.items():
        with path.open("w", encoding="utf-8") as out:
            out.writelines(predictions(file, control))
    score = ("evaluate", "score", str(file), "--out", str(folder / "verdict"))
    given = [f"method={path}" for path in files.values()]
    ran = {
        "show, five rows of a scope": probec("show", str(file), "--scope", "sentence", "-n", "5"),
        "stats": probec("stats", str(file)),
        "evaluate score": probec(*score, given[0]),
        "evaluate score, with a control": probec(*score, *given),
    }
    listed = [(name, run.wall, run.cpu, run.peak / 1e6) for name, run in ran.items()]
    print(table(("command", "wall s", "CPU s", "peak MB"), listed))
    slowness = max(run.slowness for run in ran.values())
    print(f"a fixed piece of work took up to {slowness:.2f} times its best meanwhile (median)")


def measure(file: Path, documents: int) -> None:
    """Open a file as `probec view` does, and ask what the page asks."""
    before = _peak()
    floor, _ = _timed(lambda: duckdb.connect().execute(_FLOOR, [str(file)]).fetchall())
    opened, shown = _timed(lambda: Table([file], (0.4, 0.8)))
    probe = f"{documents // 2:08d}{12:016d}"
    asked: list[tuple[str, Callable[[], object]]] = [
        ("all rows", lambda: _screen(shown, Selection())),
        ("scope=sentence", lambda: _screen(shown, Selection((("scope", "sentence"),)))),
        ("flag=V14", lambda: _screen(shown, Selection(flag="V14"))),
        ("a bar of the histogram", lambda: _screen(shown, Selection(low=0.3, high=0.4))),
        ("highest score first", lambda: _screen(shown, Selection(order="-score"))),
        ("a text that occurs", lambda: _screen(shown, Selection(text="the"))),
        ("a text that does not", lambda: _screen(shown, Selection(text="zzqqzz"))),
        ("one document", lambda: shown.document(probe)),
    ]
    measured = [("open the table", opened), *((name, _timed(ask)[0]) for name, ask in asked)]
    print(f"{documents * 16:,} rows, {file.stat().st_size / 1e6:,.0f} MB; floor {floor:.2f} s")
    listed = [(name, seconds, seconds / floor) for name, seconds in measured]
    print(table(("step", "seconds", "of the floor"), listed))
    own = _peak() - before
    print(f"peak memory of view: {own:,.0f} MB over the {before:,.0f} MB of the benchmark")


def _screen(shown: Table, wanted: Selection) -> object:
    """Compute what the page asks for after a change of a filter."""
    return shown.page(wanted), shown.facets(wanted)


def _timed(run: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    found = run()
    return time.perf_counter() - start, found


def _peak() -> float:
    """Return the peak memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


if __name__ == "__main__":
    main()
