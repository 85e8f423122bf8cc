"""Files that a project lacks are those that probec ships."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compiler import shipped
from compiler.project import defaults
from tests.conftest import ROOT, Probec

SPEC = "specs/tiny.yaml"


@pytest.mark.usefixtures("tiny")
def test_a_project_without_defaults_templates_and_tokenizer_has_the_same_build(
    probec: Probec, project: Path
) -> None:
    (project / shipped.BASE).unlink()
    (project / shipped.TOKENIZER).unlink()
    shutil.rmtree(project / "templates")

    assert probec("check", SPEC) == 0
    ran = probec.json("build", SPEC)["ran"]
    assert isinstance(ran, dict)
    assert not any(ran.values())


def test_a_file_of_the_project_comes_before_the_shipped_one(probec: Probec, project: Path) -> None:
    (project / shipped.BASE).write_text("seed: 1\n", encoding="utf-8")
    (project / "templates/probes/word.j2").write_text("{{ nonesuch }}", encoding="utf-8")

    assert probec("check", SPEC) == 2
    assert "scopes: required key is missing" in probec.err
    (project / shipped.BASE).unlink()
    assert probec("check", SPEC) == 2
    assert "templates/probes/word.j2:1: undefined variable 'nonesuch'" in probec.err


def test_prompts_are_never_the_shipped_ones(tmp_path: Path) -> None:
    prompt = "prompts/judge/base/user.j2"

    assert (ROOT / prompt).is_file()
    assert shipped.find(tmp_path, prompt) == tmp_path / prompt
    assert shipped.find(tmp_path, "templates/card.md.j2") == ROOT / "templates/card.md.j2"


@pytest.mark.usefixtures("tiny")
def test_a_plan_names_the_shipped_file_that_an_upgrade_changed(
    probec: Probec, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "installed"
    for name in ("templates", "specs"):
        shutil.copytree(ROOT / name, installed / name)
    monkeypatch.setattr(shipped, "FOLDER", installed)
    shutil.rmtree(project / "templates")
    (project / shipped.BASE).unlink()
    assert probec("build", SPEC) == 0
    assert probec("plan", SPEC) == 0
    assert "comes with probec" not in probec.out

    word = installed / "templates/probes/word.j2"
    word.write_text(word.read_text(encoding="utf-8") + "{# Other words. #}", encoding="utf-8")
    monkeypatch.setattr(defaults, "__version__", "9.9")
    assert probec("plan", SPEC) == 0
    changed = "templates/probes/word.j2, which comes with probec, changed since the last build ("
    assert probec.out.startswith(changed)
    assert ", now 9.9)" in probec.out
    assert probec.out.count("comes with probec") == 1
    # A file of the project is not shipped.
    (project / "templates/probes").mkdir(parents=True)
    shutil.copy(word, project / "templates/probes/word.j2")
    assert probec("plan", SPEC) == 0
    assert "comes with probec" not in probec.out
