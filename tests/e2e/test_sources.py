"""Sources in all formats and shapes, with all of their faults."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tests.conftest import Probec, installed
from tests.e2e.test_build import SPEC, dataset

Row = dict[str, Any]


def rows_of(project: Path) -> list[Row]:
    text = (project / "specs/data/tiny.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def write(project: Path, rows: list[Row]) -> None:
    lines = [json.dumps(row) + "\n" for row in rows]
    (project / "specs/data/tiny.jsonl").write_text("".join(lines), encoding="utf-8")


def outputs(probec: Probec, *args: str) -> object:
    found = probec.json("build", SPEC, *args)["outputs"]
    assert isinstance(found, dict)
    return {step: digest for step, digest in found.items() if not step.startswith("release")}


def test_parquet_jsonl_lists_and_urls_give_the_same_dataset(probec: Probec, project: Path) -> None:
    rows = rows_of(project)
    expected = outputs(probec)
    pq.write_table(pa.Table.from_pylist(rows), project / "rows.parquet", row_group_size=7)
    grouped: dict[object, Row] = {}
    for row in rows:
        own = grouped.setdefault(row["doc_id"], {**row, "continuation": []})
        own["continuation"].append(row["continuation"])
    pq.write_table(pa.Table.from_pylist([*grouped.values()]), project / "lists.parquet")
    packed = zstandard.compress((project / "specs/data/tiny.jsonl").read_bytes())
    (project / "rows.jsonl.zst").write_bytes(packed)
    packed = gzip.compress((project / "specs/data/tiny.jsonl").read_bytes())
    (project / "rows.jsonl.gz").write_bytes(packed)
    (project / "parts").mkdir()
    for number in range(2):
        with (project / f"parts/{number}.jsonl").open("w", encoding="utf-8") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows[number::2])
    with fsspec.open("memory://probec/rows.parquet", "wb") as out:
        out.write((project / "rows.parquet").read_bytes())

    for path in (
        "rows.parquet",
        "rows.jsonl.zst",
        "rows.jsonl.gz",
        "parts",
        "parts/*.jsonl",
        "memory://probec/rows.parquet",
    ):
        assert outputs(probec, "--set", f"source.path={path}") == expected, path
    lists = ("--set", "source.path=lists.parquet", "--set", "source.columns.doc_idx=null")
    assert outputs(probec, *lists) == expected


def skips(stats: object) -> dict[str, int]:
    """Count the rows and siblings of the source that a build did not use."""
    assert isinstance(stats, dict)
    found: dict[str, int] = stats["build"]["skips"]
    return found


def test_unusable_rows_are_counted(probec: Probec, project: Path) -> None:
    rows = rows_of(project)
    rows[0]["continuation"] = None
    rows[1]["continuation"] = "lone \ud800 surrogate"
    rows[2]["continuation"] = "  "
    rows[3]["continuation"] = "Over and over again. " * 60
    rows.append(dict(rows[5]))
    doomed = rows[10]["doc_id"]
    for row in rows:
        if row["doc_id"] == doomed:
            row["continuation"] = "too short"
    write(project, rows)
    data = probec.json("build", SPEC, "--set", "rounds=[{docs: 8}]")["stats"]
    assert isinstance(data, dict)
    lost = [each["rejected"] for each in data["build"]["ledger"] if each["scope"] == "word"]

    assert skips(data)["row_null"] == skips(data)["row_surrogate"] == 1
    assert skips(data)["row_duplicate"] == 1
    assert skips(data)["sibling_looping"] >= 1
    assert skips(data)["sibling_short"] >= 5
    assert sum(each.get("sample", {}).get("no_usable_sibling", 0) for each in lost) == 5
    assert doomed not in {row["doc_id"] for row in dataset(project)}


def test_empty_lists_are_counted_and_a_rehearsal_counts_usable_documents(
    probec: Probec, project: Path
) -> None:
    rows = rows_of(project)
    lists = [{**row, "continuation": [row["continuation"]]} for row in rows if row["doc_idx"] == 1]
    for row in lists[:3]:
        row["continuation"] = list[str]()
    write(project, lists)
    source = ("--source", "specs/data/tiny.jsonl", "--set", "source.columns.doc_idx=null")
    data = probec.json("build", SPEC, *source, "--set", "rounds=[{docs: 6}, {docs: 4}]")["stats"]
    assert isinstance(data, dict)

    assert data["build"]["rounds"] == [3, 2]
    assert skips(data)["row_empty"] == 3


def mix_prefixes(rows: list[Row]) -> None:
    rows[1]["prefix"] = "Another beginning."


def odd_index(rows: list[Row]) -> None:
    rows[1]["doc_idx"] = "first"


def clash(rows: list[Row]) -> None:
    rows[1]["doc_idx"] = rows[0]["doc_idx"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (mix_prefixes, "has rows with different prefix"),
        (odd_index, "has the sibling index 'first'"),
        (clash, "has two different continuations with index 0"),
    ],
)
def test_contradictory_rows_stop_the_build(
    damage: Callable[[list[Row]], None], message: str, probec: Probec, project: Path
) -> None:
    rows = rows_of(project)
    damage(rows)
    write(project, rows)

    assert probec("build", SPEC) == 1
    assert message in probec.err
    assert str(rows[0]["doc_id"]) in probec.err


def raw(name: str, data: bytes) -> Callable[[Path], str]:
    def make(project: Path) -> str:
        (project / name).write_bytes(data)
        return name

    return make


def cut_frame(project: Path) -> str:
    """Write two frames: the first is complete, the second is truncated."""
    lines = (project / "specs/data/tiny.jsonl").read_bytes().splitlines(keepends=True)
    lines = (lines * 61)[:61]
    packed = zstandard.compress(b"".join(lines[:60])) + zstandard.compress(lines[60] * 9)[:-20]
    return raw("cut.jsonl.zst", packed)(project)


def dangling(project: Path) -> str:
    (project / "rows").mkdir()
    (project / "rows/gone.jsonl").symlink_to(project / "nowhere")
    return "rows"


def truncated(project: Path) -> str:
    pq.write_table(pa.Table.from_pylist(rows_of(project)), project / "cut.parquet")
    data = (project / "cut.parquet").read_bytes()
    (project / "cut.parquet").write_bytes(data[: len(data) // 2])
    return "cut.parquet"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda project: "nowhere.jsonl", "no such source file"),
        (raw("empty.jsonl", b""), "no usable document"),
        (raw("blank.jsonl", b"\n\n"), "no usable document"),
        (raw("odd.csv", b"a,b\n"), "not a known source format"),
        (raw("latin.jsonl", b'{"doc_id": "caf\xe9"}\n'), "latin.jsonl:1: not UTF-8 at byte 15"),
        (raw("cut.jsonl", b'{"doc_id": "x", \n'), "cut.jsonl:1: not JSON"),
        (raw("list.jsonl", b"[1]\n"), "list.jsonl:1: not a JSON object"),
        (raw("other.jsonl", b'{"id": 1, "text": "x"}\n'), "no column 'doc_id', 'doc_source'"),
        (raw("broken.jsonl.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03junkjunk"), "cannot be read"),
        (raw("broken.jsonl.zst", b"junkjunkjunk"), "cannot be read"),
        (cut_frame, "cut.jsonl.zst:61: cannot be read: the file is truncated"),
        (raw("nothing.jsonl.zst", b""), "the file is empty"),
        (raw("nothing.jsonl.gz", b""), "the file is empty"),
        (dangling, "gone.jsonl: a link without a target"),
        (raw("deep.jsonl", b"[" * 100_000), "not JSON"),
        (raw("long.jsonl", b'{"doc_idx": ' + b"9" * 5000 + b"}"), "not JSON"),
        (raw("zero.parquet", b""), "not a complete parquet file"),
        (truncated, "not a complete parquet file"),
        (lambda project: "memory://nothing/here.parquet", "no source files there"),
    ],
)
def test_an_unreadable_source_is_one_clear_error(
    make: Callable[[Path], str], message: str, probec: Probec, project: Path
) -> None:
    path = make(project)

    assert probec("build", SPEC, "--set", f"source.path={path}") == 1
    assert message in probec.err
    assert "Traceback" not in probec.err


def test_files_of_a_directory_that_are_not_data_are_ignored(probec: Probec, project: Path) -> None:
    folder = project / "rows"
    (folder / "part.jsonl").mkdir(parents=True)
    (folder / ".checkpoints").mkdir()
    lines = (project / "specs/data/tiny.jsonl").read_bytes().splitlines(keepends=True)
    (folder / "a [1].jsonl").write_bytes(b"".join(lines[: len(lines) // 2]))
    (folder / "part.jsonl/b.jsonl").write_bytes(b"".join(lines[len(lines) // 2 :]))
    (folder / ".hidden.jsonl").write_bytes(b"no data")
    os.mkfifo(folder / "pipe.jsonl")
    (folder / ".checkpoints/c.jsonl").write_bytes(b"no data")

    assert probec("build", SPEC, "--set", "source.path=rows") == 0
    for pattern in ("rows/*.jsonl", "rows/**/*.jsonl", "rows/**.jsonl", f"file://{folder}"):
        one = ("--set", f"source.path={pattern}", "--set", "rounds=[{docs: 1}]")
        assert probec("plan", SPEC, *one, "--build-dir", "patterns") == 0, probec.err
    # The name of an existing file is not a pattern.
    whole = folder / "whole [2].jsonl"
    whole.write_bytes(b"".join(lines))
    assert probec("check", SPEC, "--source", str(whole)) == 0
    assert probec("plan", SPEC, "--source", str(whole)) == 0


def test_linked_directories_are_read_once_each(probec: Probec, project: Path) -> None:
    expected = outputs(probec)
    store = project / "elsewhere"
    store.mkdir()
    (project / "specs/data/tiny.jsonl").rename(store / "tiny.jsonl")
    (store / "back").symlink_to(store)
    folder = project / "rows"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).symlink_to(store)

    assert outputs(probec, "--set", "source.path=rows") == expected
    stats = json.loads((installed(project) / "stats.json").read_text())
    assert "row_duplicate" not in stats["build"]["skips"]


def test_too_large_rounds_are_an_error_with_both_counts(probec: Probec) -> None:
    assert probec("build", SPEC, "--set", "rounds=[{docs: 7}, {docs: 2}]") == 1
    assert "rounds need 9 documents, but the source has 8" in probec.err


ODD = {
    "no paragraphs": "It went on and on without a stop for breath. " * 3
    + " ".join(f"Then the {n} men of the crew rowed on toward reef number {n}." for n in range(30)),
    "one sentence": "and so the ship "
    + " ".join(f"passed island {n}," for n in range(60))
    + " home.",
    "only Chinese": "港口很安静。" + "".join(f"第{n}个人说了一句不同的话{n}。" for n in range(80)),
    "no ending": " ".join(f"word{n}" for n in range(200)),
    "emoji": "The crew sang 👩‍👩‍👧. "
    + " ".join(f"Cafe\u0301 number {n} was 😀 open." for n in range(40)),
    "right to left": "".join(f"قال الرجل كلمة رقم {n} ثم مضى. " for n in range(60)),
    "tabs and returns": "\r\n\t".join(f"Line {n} says what it says here." for n in range(40)),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_documents_are_built_or_rejected_with_reasons(
    kind: str, probec: Probec, project: Path
) -> None:
    """Add one odd document with a single sibling to ordinary ones."""
    rows = [row for row in rows_of(project) if row["doc_idx"] in (0, 1)][:14]
    odd = {"doc_id": "odd", "doc_source": "test", "prefix": "A start. ", "doc_idx": 0}
    write(project, [*rows, {**odd, "continuation": ODD[kind]}])
    probec.json("build", SPEC, "--set", "rounds=[{docs: 8}]", "--set", "shard_docs=8")
    lines = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    rejected = [r["slot"] for line in lines if (r := json.loads(line))["doc_id"] == "odd"]
    built = [cast(int, row["slot_idx"]) for row in dataset(project) if row["doc_id"] == "odd"]

    assert sorted([*built, *rejected]) == list(range(16))
    assert all(row["typicality"] is None for row in dataset(project) if row["doc_id"] == "odd")


def test_a_rehearsal_scales_the_published_spec_to_a_local_file(
    probec: Probec, project: Path
) -> None:
    data = probec.json(
        "build", "specs/qwen3.5-9b.yaml", "--provider", "extractive",
        "--source", "specs/data/tiny.jsonl", "--set", "shard_docs=2",
    )  # fmt: skip
    stats = data["stats"]
    assert isinstance(stats, dict)

    assert stats["build"]["rounds"] == [2, 2, 2]
    name = str(data["dataset"]).rpartition("/")[2]
    assert name.startswith("synthweb-qwen3.5-9b-multiscale-inference-rehearsal~path=tiny.jsonl,")


def test_a_plan_of_the_published_spec_opens_no_socket_and_reports_where_it_stops(
    probec: Probec,
) -> None:
    assert probec("plan", "specs/qwen3.5-9b.yaml") == 0

    assert "36,997 documents in 3 rounds, 591,952 slots" in probec.out
    assert "the plan stops here" in probec.out
    assert "hf://datasets/cds-jb/synthweb-qwen3.5-9b must be read first" in probec.out
