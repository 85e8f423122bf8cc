"""Completion scripts: what they propose is what the parsers accept."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from compiler.commands import completion, parsers
from compiler.engine.stage import Stage
from tests.conftest import Probec

# Sets the words that bash gives to a completion function, and prints what it proposes.
COMPLETE = """
complete_line() {
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
    _probec
    printf '%s\\t' "${COMPREPLY[@]}"
    echo
}
"""


def proposed(script: str, folder: Path, *lines: str) -> Iterator[set[str]]:
    """Complete command lines in bash, in a directory."""
    calls = "\n".join(f"complete_line {line}" for line in lines)
    bash = shutil.which("bash")
    assert bash is not None
    run = subprocess.run(
        [bash, "--norc", "-c", script + COMPLETE + calls],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""
    for line in run.stdout.splitlines():
        yield {*line.split("\t")} - {""}


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_proposes_what_may_follow(probec: Probec, project: Path) -> None:
    assert probec("completion", "bash") == 0
    (project / "build/rounds/tiny").mkdir(parents=True)
    (project / "build/rounds/tiny/0-4a4b5a638334e27b.json").touch()
    (project / "my file.parquet").touch()
    expected = {
        "probec bui": {"build"},
        "probec --json buil": {"build"},
        "probec build --pr": {"--provider"},
        "probec build --provider extr": {"extractive"},
        "probec build --max-usd ''": set(),
        "probec build specs/ti": {"specs/tiny.yaml"},
        "probec build ''": {f"specs/{path.name}" for path in (project / "specs").glob("*.yaml")},
        "probec why specs/tiny.yaml gen": {"generate"},
        "probec show specs/tiny.yaml --scope para": {"paragraph"},
        "probec show my": {"my file.parquet"},
        "probec verify 4a": {"4a4b5a638334e27b"},
        "probec evaluate sc": {"score"},
        "probec evaluate score x --normalise p": {"pmi"},
        "probec build --set models.judge.pro": {"models.judge.provider=", "models.judge.prompt="},
        "probec nonsense ''": set(),
    }

    found = dict(zip(expected, proposed(probec.out, project, *expected), strict=True))
    assert found == expected


def test_each_script_has_every_option(probec: Probec) -> None:
    options = {
        option
        for _, parser in parsers.every()
        for action in parser._actions
        for option in action.option_strings
    }
    fish = probec.json("completion", "fish")["script"]
    assert {f"--{name}" for name in re.findall(r"-l (\S+)", str(fish))} == {
        each for each in options if each.startswith("--")
    }
    for shell in ("bash", "zsh"):
        assert probec("completion", shell) == 0
        assert all(f"{each} " in probec.out or f"{each}'" in probec.out for each in options)


def test_the_stages_are_those_of_a_build(stages: list[Stage]) -> None:
    assert [*completion._names()["stage"]] == [stage.name for stage in stages]
