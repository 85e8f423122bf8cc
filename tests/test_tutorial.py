"""The commands of docs/tutorial.md: run in order, with the output that the page shows."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Probec

PAGE = ROOT / "docs/tutorial.md"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# The file that a block is, in a comment on its first line.
FILE = re.compile(r"(?:#|\{#) ([\w./]+)(?: #\})?\n")
LEFT_OUT = "..."


class Reader:
    """A reader who follows the page in an empty directory beside the checkout."""

    def __init__(self, probec: Probec, patch: pytest.MonkeyPatch) -> None:
        self._probec = probec
        self._patch = patch

    def follow(self, block: re.Match[str]) -> str:
        """Write the file of a block or run its commands; return it with the real output."""
        language, text = block.groups()
        if language == "console":
            commands = re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
            text = "".join(f"$ {line}\n{self._shown(line, old)}" for line, old in commands)
        elif file := FILE.match(text):
            path = Path(file[1])
            path.parent.mkdir(parents=True, exist_ok=True)
            # YAML is added to the spec; other blocks are whole files.
            with path.open("a" if language == "yaml" else "w", encoding="utf-8") as out:
                out.write(text)
        return f"```{language}\n{text}```"

    def _shown(self, line: str, page: str) -> str:
        """Return the output of a command, without the lines that the page leaves out."""
        found = self._output(line)
        if LEFT_OUT not in page.splitlines():
            return found
        head, _, tail = (part.splitlines(True) for part in page.partition(f"{LEFT_OUT}\n"))
        lines = found.splitlines(True)
        assert len(head) + len(tail) < len(lines), f"nothing is left out: {line}"
        end = lines[len(lines) - len(tail) :]
        return "".join([*lines[: len(head)], f"{LEFT_OUT}\n", *end])

    def _output(self, line: str) -> str:
        program, *arguments = shlex.split(line)
        if program == "probec":
            assert self._probec(*arguments) == 0, line + self._probec.err
            return self._probec.out
        if program == "python":
            self._patch.setattr(sys, "argv", arguments)
            runpy.run_path(arguments[0])
            return ""
        run = subprocess.run([program, *arguments], check=True, capture_output=True, text=True)
        return run.stdout


@pytest.mark.long
def test_every_command_prints_what_the_page_shows(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "probec").symlink_to(ROOT)
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    monkeypatch.setenv("COLUMNS", "80")
    text = PAGE.read_text(encoding="utf-8")
    made = BLOCK.sub(Reader(Probec(tmp_path / "mine", capsys), monkeypatch).follow, text)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(made, encoding="utf-8")

    assert PAGE.read_text(encoding="utf-8") == made, "if meant, run `make golden` and read the diff"
