"""The examples of docs/adding.md, applied to a copy of the project and run."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import statistics
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow.parquet as pq
import pytest

from tests.conftest import ROOT, installed, make_project
from tests.forks import Commands

Row: TypeAlias = dict[str, Any]
DATA = "data/train-round-000.parquet"
PAGE = (ROOT / "docs/adding.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_PATH = re.compile(r"(?:# |\{# )([\w./-]+)(?: #\})?")


def sections() -> dict[str, list[tuple[str, str]]]:
    """Return heading -> the blocks below it: language and text."""
    return {
        part.partition("\n")[0]: _BLOCK.findall(part)
        for part in re.split(r"^## ", PAGE, flags=re.M)
    }


SECTIONS = {heading: blocks for heading, blocks in sections().items() if blocks}


@dataclass
class Copy:
    """A copy of the project with a demo of three documents."""

    root: Path
    commands: Commands
    out: str = ""

    @classmethod
    def at(cls, root: Path, commands: Commands, documents: tuple[str, ...] = ()) -> Copy:
        make_project(root)
        if documents:
            rows = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
            kept = [row for row in rows if json.loads(row)["doc_id"] in documents]
            (root / "specs/data/tiny.jsonl").write_text("".join(kept), encoding="utf-8")
        shutil.copytree(ROOT / "compiler", root / "compiler")
        tiny = (root / "specs/tiny.yaml").read_text(encoding="utf-8")
        demo = tiny.replace("name: tiny", "name: demo")
        demo = demo.replace("[{docs: 4}, {docs: 2}]", "[{docs: 3}]")
        (root / "specs/demo.yaml").write_text(demo, encoding="utf-8")
        return cls(root, commands)

    def apply(self, heading: str, *, run: bool = True) -> None:
        """Apply the blocks of a section in order; `out` is the output of its last command."""
        for language, text in SECTIONS[heading]:
            first, _, rest = text.partition("\n")
            if language == "sh":
                if run:
                    self._run(text)
            elif language == "diff":
                self._patch(self.root / first.removeprefix("--- "), rest)
            else:
                named = _PATH.fullmatch(first)
                assert named, f"the block names no file: {first}"
                path = self.root / named[1]
                assert not path.exists()
                path.write_text(rest, encoding="utf-8")

    def _run(self, commands: str) -> None:
        for command in commands.splitlines():
            name, *words = shlex.split(command)
            if name != "probec":
                subprocess.run(command, shell=True, cwd=self.root, check=True)
                continue
            done = self.commands.run(*words, cwd=self.root, path=[self.root])
            assert done.code == 0, f"{command}\n{done.out}{done.err}"
            assert "Traceback" not in done.err
            self.out = done.out

    @staticmethod
    def _patch(path: Path, hunks: str) -> None:
        """Replace the context and removed lines of each hunk, which occur once in the file."""
        text = path.read_text(encoding="utf-8")
        for hunk in re.split(r"^@@\n", hunks, flags=re.M)[1:]:
            lines = hunk.splitlines(keepends=True)
            old = "".join(line[1:] for line in lines if line[0] in " -")
            new = "".join(line[1:] for line in lines if line[0] in " +")
            at = [place.start() for place in re.finditer(re.escape(old), text)]
            starts = [place for place in at if not place or text[place - 1] == "\n"]
            assert len(starts) == 1, f"{path.name} has these lines {len(starts)} times:\n{old}"
            text = text[: starts[0]] + new + text[starts[0] + len(old) :]
        path.write_text(text, encoding="utf-8")

    def rows(self) -> list[Row]:
        """Return the rows of the dataset."""
        rows: list[Row] = pq.read_table(installed(self.root, "demo") / DATA).to_pylist()
        return rows

    def scopes(self) -> set[object]:
        """Return the scopes that have rows."""
        return {row["scope"] for row in self.rows()}

    def manifests(self, stage: str) -> Iterator[dict[str, Any]]:
        """Return the inputs of the step keys of a stage."""
        for path in (self.root / "build/steps").glob("*/*.json"):
            preimage = json.loads(path.read_text(encoding="utf-8"))["preimage"]
            if preimage["stage"] == stage:
                yield preimage


def a_written_scope(copy: Copy) -> None:
    assert "pair" in copy.scopes()


def a_unit(copy: Copy) -> None:
    atoms = [str(row["atom_text"]) for row in copy.rows() if row["scope"] == "heading"]
    assert atoms
    assert not any("\n" in atom or atom.endswith((".", "!", "?")) for atom in atoms)
    assert "in units of heading" in copy.out


def a_prompt_variant(copy: Copy) -> None:
    assert "Nothing else is read." in copy.out
    assert all("judge/terse/user.j2" in each["templates"] for each in copy.manifests("judge"))
    assert any(row["bb_answer_rollout_scores"] for row in copy.rows())


def a_templated_scope(copy: Copy) -> None:
    rows = [row for row in copy.rows() if row["scope"] == "capital"]
    assert rows
    assert all(str(row["atom_text"])[0].isupper() for row in rows)


def a_provider(copy: Copy) -> None:
    written = [row for row in copy.rows() if row["judge_model"] is not None]
    assert {row["judge_model"] for row in written} == {"equality-1"}
    scores = [row["bb_answer_rollout_scores"] for row in written]
    assert {score for each in scores for score in each} <= {0.0, 1.0}


def a_scoring_policy(copy: Copy) -> None:
    scored = [row for row in copy.rows() if row["score_status"] == "scored"]
    assert scored
    assert {row["judge_model"] for row in scored} == {None}
    (preimage,) = copy.manifests("score")
    assert preimage["params"]["policy"] == "containment"


def a_stage(copy: Copy) -> None:
    assert json.loads(copy.out)["ran"]["repeats"] == 1


def a_command(copy: Copy) -> None:
    found = json.loads(copy.out)
    counts: dict[object, int] = {}
    for row in copy.rows():
        counts[row["verbalizer_prompt"]] = counts.get(row["verbalizer_prompt"], 0) + 1
    assert {each["question"]: each["probes"] for each in found} == {
        question: n for question, n in counts.items() if n > 1
    }


def an_executor(copy: Copy) -> None:
    assert not any(json.loads(copy.out)["ran"].values())
    assert copy.rows()


def a_column(copy: Copy) -> None:
    rows = copy.rows()
    assert rows
    assert all(row["atom_chars"] == len(str(row["atom_text"])) for row in rows)


def a_statistic(copy: Copy) -> None:
    rows = [row for row in copy.rows() if row["scope"] == "word"]
    median = statistics.median(len(str(row["atom_text"])) for row in rows)
    page = (copy.root / "report.html").read_text(encoding="utf-8")
    card = (copy.root / "build/datasets/demo/README.md").read_text(encoding="utf-8")
    assert f"word       {median:10.3f}" in copy.out
    assert f"| word | {median:.3f} |" in card
    assert f"<td>{median:.3f}</td>" in page


def a_picture(copy: Copy) -> None:
    page = (copy.root / "report.html").read_text(encoding="utf-8")
    assert "median length, as a share of the longest" in page


def an_export_format(copy: Copy) -> None:
    lines = (copy.root / "cards/probes.tsv").read_text(encoding="utf-8").splitlines()
    words = {row["atom_text"] for row in copy.rows() if row["scope"] == "word"}
    assert {line.split("\t")[1] for line in lines} == words
    manifest = json.loads((copy.root / "cards/export.json").read_text(encoding="utf-8"))
    assert manifest["format"] == "cards"


EFFECTS: dict[str, Callable[[Copy], None]] = {
    "A written scope": a_written_scope,
    "A unit": a_unit,
    "A prompt variant": a_prompt_variant,
    "A templated scope": a_templated_scope,
    "A provider": a_provider,
    "A scoring policy": a_scoring_policy,
    "A stage": a_stage,
    "A command": a_command,
    "An executor": an_executor,
    "A column": a_column,
    "A statistic": a_statistic,
    "A picture": a_picture,
    "An export format": an_export_format,
}
# Documents for a section that finds nothing in the first ones of the demo.
DOCUMENTS = {"A unit": ("5258df0a0f70f64e", "7dd5ea2baa56924a", "f36372f139e746da")}
# A section that continues another one.
AFTER = {"A command": "A stage", "A picture": "A statistic"}


def test_every_section_has_a_checked_effect() -> None:
    assert list(SECTIONS) == list(EFFECTS)


@pytest.mark.parametrize("heading", EFFECTS)
def test_an_example_works_as_it_stands(heading: str, tmp_path: Path, commands: Commands) -> None:
    copy = Copy.at(tmp_path / "project", commands, DOCUMENTS.get(heading, ()))
    if heading in AFTER:
        copy.apply(AFTER[heading], run=False)
    copy.apply(heading)

    EFFECTS[heading](copy)
