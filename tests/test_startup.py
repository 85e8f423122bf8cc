"""The libraries that a command line loads. One process runs commands from light to heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SPEC = str(ROOT / "specs/demo.yaml")
# Libraries that are slow to import or belong to one task, and some of the package's own modules.
HEAVY = (
    *("numpy", "pyarrow", "datasets", "fsspec", "huggingface_hub", "transformers", "tokenizers"),
    *("gigatoken", "anthropic", "httpx2", "httpx", "json_repair", "regex", "sentencex", "ray"),
    *("asyncio", "multiprocessing", "concurrent.futures", "logging", "ssl"),
    *("pydantic", "jinja2", "yaml", "msgspec", "sqlite3", "zstandard"),
    *("compiler.project.project", "compiler.stages", "compiler.statistics.stats"),
    *("compiler.llm.batches.runner", "compiler.embedded.author", "compiler.decoding.repair"),
)
SPECS = {"pydantic", "jinja2", "yaml", "msgspec"}
BUILDS = {*SPECS, "sqlite3", "zstandard", "compiler.project.project", "compiler.stages"}
COMMANDS: dict[str, tuple[list[str], set[str]]] = {
    "help": (["--help"], set()),
    "help of a command": (["plan", "--help"], set()),
    "unknown command": (["plam", SPEC], set()),
    "unknown option": (["why", SPEC, "--sett", "seed=1"], set()),
    "empty argument": ([""], set()),
    "wrong path": (["check", "none.yaml"], set()),
    "wrong path of a dataset": (["stats", "none.yaml"], set()),
    "check": (["check", SPEC], {*SPECS, "zstandard"}),
    "plan": (["plan", SPEC], BUILDS),
    "why": (["why", SPEC], BUILDS),
}
RUN = """
import contextlib, io, json, sys
from compiler.cli import main
commands, heavy = json.loads(sys.argv[1])
found = []
for words in commands:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        try:
            main([*words])
        except SystemExit:
            pass
    found.append([name for name in heavy if name in sys.modules])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return the heavy modules that are loaded after each command."""
    words = [[*arguments] for arguments, _ in COMMANDS.values()]
    build = str(tmp_path_factory.mktemp("build"))
    for each in words:
        if each[0] in ("plan", "why") and "--help" not in each:
            each += ["--build-dir", build]
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps([words, HEAVY])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(COMMANDS, map(set, json.loads(done.stdout)), strict=True))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_loads_only_the_libraries_that_it_uses(
    name: str, loaded: dict[str, set[str]]
) -> None:
    assert loaded[name] == COMMANDS[name][1]


def test_processes_of_the_tests_write_bytecode() -> None:
    """Without it, each of some hundred processes would compile the package."""
    assert "PYTHONDONTWRITEBYTECODE" not in os.environ
