"""A project for rollouts of one's own, and the check of a source's columns and documents."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compiler.commands import init, parsers
from compiler.project import opening
from compiler.project.variant import Variant
from tests.conftest import ROOT, Probec

Row = dict[str, object]


def own_rows(documents: int = 8) -> list[Row]:
    """Read rollouts as a file of somebody else would have them: other names, lists."""
    found: dict[str, Row] = {}
    text = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8")
    for row in map(json.loads, text.splitlines()[: 5 * documents]):
        own: Row = {"uid": row["doc_id"], "prompt": row["prefix"], "completions": [], "lm": "mine"}
        texts = found.setdefault(row["doc_id"], own)["completions"]
        assert isinstance(texts, list)
        texts.append(row["continuation"])
    return [*found.values()]


def write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def empty(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Probec:
    """Provide the command line, run from an empty directory beside `own.jsonl`."""
    write(tmp_path / "own.jsonl", own_rows())
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return Probec(tmp_path / "empty", capsys)


def paths(root: Path) -> set[str]:
    return {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}


def test_a_wheel_in_an_empty_directory_initialises_and_builds(tmp_path: Path) -> None:
    """Run the four commands of a new user, of which none reads a file of the checkout."""
    write(tmp_path / "own rows.jsonl", own_rows())
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(tmp_path)]
    subprocess.run([*pip, *wheel, str(ROOT)], check=True)
    (made,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    target = ["install", "--no-deps", "--no-index", "--no-compile", "--target", str(site)]
    subprocess.run([*pip, *target, str(made)], check=True)
    work = tmp_path / "work"
    work.mkdir()

    def probec(*args: str) -> str:
        run = subprocess.run(
            [sys.executable, "-m", "compiler", *args],
            cwd=work,
            env={**os.environ, "PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    spec = "specs/own-rows.yaml"
    assert f"next: probec build {spec}" in probec("init", "--source", "../own rows.jsonl")
    assert "dataset: build/datasets/own-rows" in probec("build", spec)
    assert "1 of " in probec("show", spec, "-n", "1")
    assert "report.html" in probec("report", spec)
    assert paths(work / "prompts") == paths(ROOT / "prompts")
    assert {path.name for path in work.iterdir()} == {
        *(".gitignore", ".probec", "build", "prompts", "specs")
    }


def test_the_new_spec_maps_the_columns_and_passes_the_check(empty: Probec) -> None:
    found = empty.json("init", "--source", "../own.jsonl", "--license", "mit")

    assert found["columns"] == {
        "doc_id": "uid",
        "doc_source": None,
        "prefix": "prompt",
        "continuation": "completions",
        "doc_idx": None,
    }
    assert found["documents"] == found["docs"] == 8
    assert empty("check", "specs/own.yaml") == 0
    text = (empty.root / "specs/own.yaml").read_text(encoding="utf-8")
    assert "license: mit" in text
    assert len(text.splitlines()) < 26
    assert (empty.root / ".gitignore").read_bytes() == b"build/*\n!build/rounds/\n.probec/\n"


@pytest.mark.parametrize("suffix", [".jsonl.gz", ".parquet"])
def test_every_format_is_read(suffix: str, empty: Probec, tmp_path: Path) -> None:
    rows = own_rows(2)
    path = tmp_path / f"some rows{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))

    assert empty("init", "project", "--source", str(path)) == 0
    assert "project/specs/some-rows.yaml: 2 documents" in empty.out
    assert empty("plan", "project/specs/some-rows.yaml") == 0


def test_a_second_init_overwrites_nothing(empty: Probec) -> None:
    assert empty("init", "--source", "../own.jsonl") == 0
    prompt = empty.root / "prompts/judge/base/user.j2"
    prompt.write_text(prompt.read_text(encoding="utf-8") + "My words.", encoding="utf-8")
    before = {path: (empty.root / path).read_bytes() for path in paths(empty.root)}

    assert empty("init", "--source", "../own.jsonl") == 2
    assert "exists already: specs/own.yaml, .gitignore, prompts/ (15 files)" in empty.err
    assert empty("init", "--source", "../own.jsonl", "--name", "other") == 0
    assert "written: specs/other.yaml\n" in empty.out
    assert "kept as it was: .gitignore, prompts/ (15 files)" in empty.out
    assert {path: (empty.root / path).read_bytes() for path in before} == before


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((), "no source is named (add --source FILE"),
        (("--source", "none.jsonl"), "none.jsonl: no such source file"),
        (("--source", "hf://datasets/a/b"), "only a local source can be inspected"),
        (("--source", "../own.jsonl", "--name", "a b"), "'a b' cannot name a dataset"),
        (("--source", "../own.jsonl", "--column", "id=uid"), "--column: unknown key 'id'"),
        (("--source", "../own.jsonl", "--column", "prefix=x"), "no column 'x' (have: uid"),
        (("--source", "../own.jsonl", "--tokenizer", "x.json"), "no such tokenizer: 'x.json'"),
        (("--source", "../texts.jsonl"), "no column for prefix, continuation (has: id, text)"),
        (("--source", "../texts.jsonl"), "with 'text' alone, have the model continue"),
        (("--source", "../lists.jsonl"), "no usable document: 1 row skipped: 1 row_empty"),
    ],
)
def test_a_refused_init_writes_nothing(
    args: tuple[str, ...], message: str, empty: Probec, tmp_path: Path
) -> None:
    write(tmp_path / "texts.jsonl", [{"id": 1, "text": "A text. " * 50}])
    write(tmp_path / "lists.jsonl", [{"id": 1, "prefix": "a", "continuation": []}])

    assert empty("init", *args) != 0
    assert message in empty.err
    assert list(empty.root.iterdir()) == []


def test_an_interrupted_init_leaves_nothing(empty: Probec, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(variant: Variant) -> None:
        assert (empty.root / "project/specs/own.yaml").is_file()
        raise KeyboardInterrupt

    monkeypatch.setattr(opening, "draft", interrupted)
    assert empty("init", "project", "--source", "../own.jsonl") == 130
    assert list(empty.root.iterdir()) == []


def test_what_is_not_known_is_asked_on_a_terminal(empty: Probec, tmp_path: Path) -> None:
    rows = [{"a": row["uid"], "b": row["prompt"], "c": row["completions"]} for row in own_rows(2)]
    write(tmp_path / "odd.jsonl", [{**row, "d": 1, "e": 2} for row in rows])
    answers = {
        "rollouts": "../odd.jsonl",
        "column of the doc_id": "a",
        "column of the prefix": "b",
        "model": "",
        "license": "odc-by",
    }
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return next(text for start, text in answers.items() if question.startswith(start))

    args = parsers.make("init", init, None)[1]
    assert args is not None
    result = init.run(args.parse_args([]), ask)
    assert len(asked) == len(answers)
    assert "specs/odd.yaml" in result.text
    text = (empty.root / "specs/odd.yaml").read_text(encoding="utf-8")
    assert "{doc_id: a, doc_source: null, prefix: b, continuation: c, doc_idx: null}" in text
    assert "license: odc-by" in text
    assert "model: unknown" in text


# The check of a source.


def set_columns(**names: str) -> list[str]:
    return [
        part for key, name in names.items() for part in ("--set", f"source.columns.{key}={name}")
    ]


Change = Callable[[Row], Row]


@pytest.mark.parametrize("command", ["check", "plan"])
@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda row: {**row, "uid": row["doc_id"], "doc_id": [1]},
            "`uid` looks like doc_id",
        ),
        (
            lambda row: {"uid" if key == "doc_id" else key: row[key] for key in row},
            "`uid` looks like doc_id: set source.columns to {doc_id: uid}",
        ),
        (
            lambda row: {**row, "prefix": 3, "prompt": row["prefix"]},
            "`prompt` looks like prefix",
        ),
    ],
)
def test_columns_are_checked_before_a_build(
    command: str, table: bool, change: Change, message: str, probec: Probec, project: Path
) -> None:
    path = project / "specs/data/tiny.jsonl"
    rows = [change(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
    source = "rows.parquet" if table else "rows.jsonl"
    if table:
        pq.write_table(pa.Table.from_pylist(rows), project / source)
    else:
        write(project / source, rows)

    assert probec(command, "specs/tiny.yaml", "--set", f"source.path={source}") == 2
    assert "specs/tiny.yaml:" in probec.err
    assert message in probec.err
    assert not (project / "build/objects").exists()


def test_too_few_documents_are_found_before_a_build(probec: Probec, project: Path) -> None:
    for command in ("check", "plan"):
        assert probec(command, "specs/tiny.yaml", "--set", "rounds=[{docs: 99}]") == 2
        assert "rounds need 99 documents, the source has at most 8" in probec.err
    # Rounds are scaled to the file of --source.
    source = ("--source", "specs/data/tiny.jsonl", "--set", "rounds=[{docs: 99}]")
    assert probec("check", "specs/tiny.yaml", *source) == 0
    assert probec("plan", "specs/tiny.yaml", *source) == 0


def test_a_source_without_document_sources_needs_no_mapping(probec: Probec, project: Path) -> None:
    spec = project / "specs/tiny.yaml"
    text = spec.read_text(encoding="utf-8")
    path = project / "specs/data/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows:
        del row["doc_source"]
    write(path, rows)
    pq.write_table(pa.Table.from_pylist(rows), project / "rows.parquet")

    assert probec("check", "specs/tiny.yaml") == 2
    assert "no column 'doc_source'" in probec.err
    spec.write_text(text.replace("doc_source: doc_source, ", ""), encoding="utf-8")
    for source in ("specs/data/tiny.jsonl", "rows.parquet"):
        named = ("specs/tiny.yaml", "--set", f"source.path={source}")
        assert probec("check", *named) == 0
        assert probec("build", *named) == 0
