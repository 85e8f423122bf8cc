"""Errors of the command line, as text and as JSON."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Builds, Probec

SPEC = "specs/tiny.yaml"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("plan",), "the following arguments are required: SPEC"),
        (("plan", SPEC, "--nonsense"), "unrecognized arguments: --nonsense"),
        (("build", SPEC, "--max-usd", "x"), "argument --max-usd: invalid usd value: 'x'"),
        (("nonsense",), "unknown command 'nonsense'"),
        ((), "the following arguments are required: COMMAND"),
    ],
)
def test_a_wrong_command_line_is_one_error_also_in_json(
    args: tuple[str, ...], message: str, probec: Probec
) -> None:
    assert probec(*args, "--json") == 2
    told = json.loads(probec.out)
    assert told["error"].startswith(message)
    assert told["hint"].startswith("see `probec")
    assert told["hint"].endswith("--help`")
    assert probec.err == ""
    assert probec(*args) == 2
    assert probec.out == ""
    assert probec.err.startswith(f"probec: {message}")


@pytest.mark.parametrize(
    ("args", "meant"),
    [
        (("biuld", SPEC), "did you mean build? see `probec --help`"),
        (("plan", SPEC, "--sett", "a=1"), "did you mean --set? see `probec plan --help`"),
        (("cache", "pul"), "did you mean pull? see `probec cache --help`"),
        (("check", "specs/tyni.yaml"), "did you mean specs/tiny.yaml? check the path"),
        (
            ("check", SPEC, "--set", "models.judge.prompt=judge/bsae"),
            "did you mean judge/base? have",
        ),
        (
            ("check", SPEC, "--set", "models.judge.prompt=jugde/base"),
            "did you mean judge/base? have",
        ),
        (("diff", SPEC, "prompts/judge/togethr"), "did you mean prompts/judge/together? name a"),
        (("prompt", SPEC, "--against", "judge/togethr"), "did you mean prompts/judge/together? "),
        (
            ("check", SPEC, "--set", "source.path=specs/data/tin.jsonl"),
            "mean specs/data/tiny.jsonl?",
        ),
        (("push", "spec", "--to", "x"), "did you mean specs? "),
        (("check", "spec/tiny.yaml"), "did you mean specs/tiny.yaml? "),
        (("why", SPEC, "juge"), "did you mean judge? have: ingest"),
        (("check", SPEC, "--provider", "extractiv"), "did you mean extractive? have: "),
    ],
)
def test_the_nearest_name_is_proposed(args: tuple[str, ...], meant: str, probec: Probec) -> None:
    assert probec(*args) == 2
    assert meant in probec.err


def test_help_and_version_exit_without_an_error(probec: Probec) -> None:
    assert probec("--version") == 0
    assert probec.out.startswith("probec ")
    assert probec("plan", "--help") == 0
    assert "example: probec plan" in probec.out


@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_closed_standard_streams_do_not_stop_a_command(
    closed: str, project: Path, builds: Builds
) -> None:
    if closed.count("<") + closed.count(">") < 3:
        # Only one of the cases writes to every database.
        builds.copy(project, ("build", "specs/tiny.yaml"))
        shutil.rmtree(project / "build/datasets")
    command = f'exec "$0" -m compiler build specs/tiny.yaml {closed}'
    run = subprocess.run(
        ["sh", "-c", command, sys.executable],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )

    assert run.returncode == 0
    assert (project / "build/datasets/tiny/README.md").is_file()
    assert ("dataset: build/datasets/tiny" in run.stdout) == ("1>" not in closed)


@pytest.mark.usefixtures("tiny")
def test_statistics_of_several_datasets_have_their_names(probec: Probec) -> None:
    folder = "build/datasets/tiny"
    alone = probec.json("stats", folder)
    assert probec.json("stats", folder, f"b={folder}") == {"tiny": alone, "b": alone}
    assert probec("stats", f"a={folder}", f"b={folder}") == 0
    assert [line.split()[:2] for line in probec.out.splitlines()[3:5]] == [
        ["word", "a"],
        ["word", "b"],
    ]
    assert probec("stats", folder, folder) == 2
    assert f"name 'tiny' (give one another name: other={folder})" in probec.err
    assert probec("stats", folder, "b=specs/none.yaml") == 2
    assert probec.err.startswith("probec: specs/none.yaml: no such spec")


@pytest.mark.usefixtures("tiny")
def test_rounds_without_a_spec_lists_those_of_all(probec: Probec) -> None:
    assert probec("rounds") == 0
    assert [line.split()[:2] for line in probec.out.splitlines()[2:]] == [
        ["tiny", "0"],
        ["tiny", "1"],
    ]
    assert [each["docs"] for each in probec.json("rounds")["rounds"]] == [4, 2]
    assert probec("rounds", "--set", "seed=1") == 2
    assert "--set changes a spec, but none is named" in probec.err
