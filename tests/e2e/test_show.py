"""`probec show`: rows of a spec, a dataset directory or a file, chosen by id or by conditions."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.dataset import rows
from compiler.dataset.columns import COLUMNS
from compiler.dataset.rows import PublishedRow
from compiler.report import probe
from compiler.report.screen import PLAIN, Screen
from tests.conftest import Probec

SPEC = "specs/tiny.yaml"
DATA = Path("build/datasets/tiny")
BANDS = (0.4, 0.8)


@pytest.fixture
def table(tiny: None, probec: Probec) -> pa.Table:
    """Read the rows of a finished build, in the working directory of the test."""
    return pa.concat_tables([pq.read_table(file) for file in rows.files(DATA)])


def shown(probec: Probec, *args: str) -> list[str]:
    """Return the ids of the rows that a command shows."""
    assert probec("show", *args) == 0, probec.err
    return re.findall(r"^([0-9a-f]{24}), ", probec.out, re.MULTILINE)


def test_a_row_is_found_by_the_beginning_of_its_id(table: pa.Table, probec: Probec) -> None:
    (row, *_) = [each for each in table.to_pylist() if each["scope"] == "sentence"]
    own = row["probe_id"]

    for place in (str(rows.files(DATA)[row["round_idx"]]), str(DATA), SPEC):
        assert shown(probec, place, own[:10]) == [own]
    out = " ".join(probec.out.split())
    before, atom, after = re.split(r"\[\[|\]\]", out)
    assert atom == " ".join(row["atom_text"].split())
    assert "||" in (before if row["target"] == "suffix" else after)
    for name in ("verbalizer_prompt", "target_response", "incorrect_plausible_answer"):
        assert " ".join(row[name].split()) in out
    for answer, score in zip(
        row["bb_answer_rollout_answers"], row["bb_answer_rollout_scores"], strict=True
    ):
        assert f"{score:.2f} {' '.join(answer.split())}" in out
    assert f"1 of 1 matching rows, {len(table)} in all" in out


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        (("--scope", "word", "--scope", "whole"), lambda r: r["scope"] in ("word", "whole")),
        (("--target", "suffix"), lambda r: r["target"] == "suffix"),
        (("--band", "middle"), lambda r: 0.4 <= max(r["bb_answer_rollout_scores"] or [0]) < 0.8),
        (("--round", "1"), lambda r: r["round_idx"] == 1),
        (("--flag", "V14"), lambda r: "V14" in r["flags"]),
        (
            ("--scope", "lens", "--round", "0"),
            lambda r: r["scope"] == "lens" and not r["round_idx"],
        ),
    ],
)
def test_conditions_choose_exactly_their_rows(
    options: tuple[str, ...], holds: object, table: pa.Table, probec: Probec
) -> None:
    expected = [row["probe_id"] for row in table.to_pylist() if holds(row)]  # pyrefly: ignore[not-callable]

    assert expected
    assert shown(probec, SPEC, *options, "-n", "999") == expected
    assert shown(probec, SPEC, *options, "-n", "2") == expected[:2]
    assert f"{len(expected[:2])} of {len(expected)} matching rows" in probec.out


@pytest.mark.parametrize("reverse", [False, True])
def test_rows_are_sorted_by_their_maximum_score_with_unscored_ones_last(
    reverse: bool, table: pa.Table, probec: Probec
) -> None:
    best = {
        row["probe_id"]: max(row["bb_answer_rollout_scores"] or [-1.0]) for row in table.to_pylist()
    }
    found = shown(probec, SPEC, "--sort", "score", "-n", "999", *["--reverse"][: int(reverse)])

    scores = [best[each] for each in found]
    scored = [score for score in scores if score >= 0]
    assert sorted(found) == sorted(best)
    assert scored == sorted(scored, reverse=reverse)
    assert scores == scored + [-1.0] * (len(scores) - len(scored))
    assert shown(probec, SPEC, "--sort", "score", *["--reverse"][: int(reverse)]) == found[:3]


def test_rows_without_the_columns_of_a_build_have_the_same_ids(
    table: pa.Table, probec: Probec
) -> None:
    first = table.filter(pa.compute.equal(table["round_idx"], 0))
    pq.write_table(first.select([each.name for each in COLUMNS if each.published]), "other.parquet")
    ids = first["probe_id"].to_pylist()

    assert shown(probec, "other.parquet", "-n", "999") == ids
    assert shown(probec, "other.parquet", ids[-1][:8]) == ids[-1:]
    assert probec("show", "other.parquet", "--flag", "V14") == 1
    assert "other.parquet: the rows have no column 'flags', which --flag reads" in probec.err


def test_only_needed_columns_and_row_groups_are_read(
    table: pa.Table, probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    pq.write_table(table, "many.parquet", row_group_size=16)
    read: list[tuple[int, tuple[str, ...]]] = []
    real = pq.ParquetFile.read_row_group

    def read_row_group(self: pq.ParquetFile, i: int, columns: list[str] | None = None) -> pa.Table:
        read.append((i, tuple(columns or ())))
        return real(self, i, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    shown(probec, "many.parquet", "-n", "1")
    assert read == [(0, ())]
    read.clear()
    shown(probec, "many.parquet", "--round", "1", "-n", "1")
    *scanned, last = read
    assert {columns for _, columns in scanned} == {("round_idx",)}
    assert last == (table["round_idx"].to_pylist().index(1) // 16, ())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("plain.parquet",), "plain.parquet: no column 'doc', 'scope', 'target'"),
        (("numbers.parquet", "--scope", "word"), "the column 'scope' has the type int64"),
        (("none.parquet",), "none.parquet: no parquet file there"),
        (("specs/data/tiny.jsonl",), "specs/data/tiny.jsonl: not a parquet file"),
        (("build",), "build: a build directory, not a dataset (name one of build/datasets/tiny)"),
        ((SPEC, "--set", "seed=3"), "(run `probec build specs/tiny.yaml --set seed=3`)"),
        ((SPEC, "--hard", "0.2"), "--hard and --easy are for rows in files"),
        ((SPEC, "--scope", "sentense"), "no row has --scope sentense (did you mean sentence?"),
        ((SPEC, "--round", "7"), "no row has --round 7 (have: 0, 1)"),
        ((SPEC, "--flag", "V99"), "no row has --flag V99"),
        ((SPEC, "zzz"), "no row has a probe id that begins with zzz"),
        ((SPEC, "--reverse"), "--reverse needs --sort"),
        ((SPEC, "-n", "0"), "argument -n: '0' is not a whole number of at least 1"),
    ],
)
def test_a_wrong_request_is_one_error(
    args: tuple[str, ...], message: str, table: pa.Table, probec: Probec
) -> None:
    pq.write_table(pa.table({"a": [1]}), "plain.parquet")
    numbers = table.set_column(1, "scope", pa.array(range(len(table))))
    pq.write_table(numbers, "numbers.parquet")

    usage = args[0] == SPEC and "--set" not in args
    assert probec("show", *args) == (2 if usage else 1)
    assert probec.out == ""
    assert message in probec.err
    assert probec.err.count("\n") == 1


def test_conditions_without_a_match_are_no_error(table: pa.Table, probec: Probec) -> None:
    assert shown(probec, SPEC, "--scope", "word", "--band", "easy") == []
    assert probec.out == f"no row matches, {len(table)} in all\n"


def test_json_has_every_column_of_the_rows(table: pa.Table, probec: Probec) -> None:
    found = probec.json("show", SPEC, "--sort", "score", "-n", "2")

    known = {row["probe_id"]: row for row in table.to_pylist()}
    listed = json.loads(json.dumps(found["rows"]))
    assert len(listed) == 2
    assert all(row == known[row["probe_id"]] for row in listed)


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("around", [1, 60, 5000])
def test_lines_fit_the_terminal_and_colours_add_no_text(
    width: int, around: int, table: pa.Table
) -> None:
    for values in table.to_pylist()[::7]:
        row = PublishedRow(values)
        plain = probe.text(row, BANDS, Screen(width), around)
        painted = probe.text(row, BANDS, Screen(width, colour=True), around)

        longest = max(len(word) for word in plain.split())
        assert all(len(line) <= max(width, longest + 15) for line in plain.splitlines()[1:])
        bare = re.sub(r"\x1b\[[0-9;]*m", "", painted)
        assert bare.split() == re.sub(r"\[\[|\]\]", "", plain).split()


def test_texts_cannot_control_the_terminal(table: pa.Table) -> None:
    values = table.to_pylist()[0]
    evil = "\x1b[31mred\x07\r\u202e"
    text = probe.text(
        PublishedRow({**values, "verbalizer_prompt": evil, "doc_id": evil}), BANDS, PLAIN
    )

    assert "[U+001B][31mred[U+0007]" in text
    assert not {"\x1b", "\x07", "\r", "\u202e"} & set(text)
