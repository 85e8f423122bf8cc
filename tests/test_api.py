"""`from compiler import ...`: the notebook of the functions, and what they refuse."""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

import compiler
from compiler.errors import BudgetError, SourceError, SpecError, StoreError
from tests.conftest import ROOT, make_project

NOTEBOOK = ROOT / "examples/from_python.ipynb"


def test_the_notebook_prints_what_it_shows(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path / "examples")
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    shown: list[list[str]] = []
    printed: list[list[str]] = []
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        out = io.StringIO()
        with redirect_stdout(out):
            exec("".join(cell["source"]), names)
        shown.append([line for each in cell["outputs"] for line in each["text"]])
        printed.append(out.getvalue().splitlines(True))
        cell["outputs"] = [{"name": "stdout", "output_type": "stream", "text": printed[-1]}]
    if request.config.getoption("--update-golden"):
        text = json.dumps(notebook, indent=1, ensure_ascii=False)
        NOTEBOOK.write_text(text + "\n", encoding="utf-8")
    else:
        assert shown == printed, "the notebook's output changed; if meant, run `make golden`"


def test_nothing_paid_is_sent_without_a_ceiling(tmp_path: Path) -> None:
    """The spec allows dollars, but the call does not: the error names the price."""
    root = make_project(tmp_path / "project")
    paid = ("provider=anthropic", "model=claude-haiku-4-5-20251001", "max_tokens=2000")
    sets = [f"models.generator.{each}" for each in paid]
    spec = compiler.load_spec(root / "specs/tiny.yaml", sets)
    with pytest.raises(BudgetError, match=r"\$"):
        compiler.build(spec)


def test_each_refusal_is_an_error_of_the_commands(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    spec = root / "specs/tiny.yaml"
    with pytest.raises(SpecError, match="seeds"):
        compiler.load_spec(spec, ["seeds=1"])
    loaded = compiler.load_spec(spec)
    for function in (compiler.rows, compiler.stats):
        with pytest.raises(StoreError, match="probec build"):
            function(loaded)
        with pytest.raises(SourceError):
            function(root / "specs/data/tiny.jsonl")
    with pytest.raises(AttributeError, match="no attribute 'builds'"):
        _ = compiler.builds


def test_a_missing_column_is_named_with_those_there_are(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"doc_id": ["a"], "scope": ["word"]}), file)
    assert compiler.rows(file, ["scope", "doc_id"]).to_pylist() == [
        {"scope": "word", "doc_id": "a"}
    ]
    with pytest.raises(SourceError, match="no column 'max'") as error:
        compiler.rows(file, ["max"])
    assert error.value.hint == "have: doc_id, scope"
