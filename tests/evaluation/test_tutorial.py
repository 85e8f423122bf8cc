"""The commands of docs/evaluate.md, run as they stand on a small demo."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

from tests.conftest import ROOT, Builds, Probec

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def test_the_commands_run_as_they_stand(probec: Probec, project: Path, builds: Builds) -> None:
    builds.copy(project, ("build", "specs/tiny.yaml"))
    # The demo of the tutorial is the small build.
    (project / "specs/demo.yaml").write_text(
        (project / "specs/tiny.yaml").read_text(encoding="utf-8"), encoding="utf-8"
    )
    text = (ROOT / "docs/evaluate.md").read_text(encoding="utf-8")
    ran = []
    for language, block in _BLOCK.findall(text):
        if language == "python":
            name = block.partition("\n")[0].removeprefix("# ")
            Path(name).write_text(block, encoding="utf-8")
        for line in block.splitlines() if language == "sh" else ():
            program, *arguments = shlex.split(line)
            if program == "python":
                runpy.run_path(arguments[0])
                continue
            assert probec(*arguments) == 0, line + probec.err
            ran.append(arguments[:2])

    assert ["evaluate", "score"] in ran
    assert Path("verdict/report.html").is_file()
    assert Path("exports/inspect/task.py").is_file()
    assert len(ran) == 10
