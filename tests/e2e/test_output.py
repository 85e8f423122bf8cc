"""The text of a finished build: a few lines, all tables with --full, one line when nothing ran."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from compiler.commands import rehearse
from tests.conftest import Probec, installed

SPEC = "specs/tiny.yaml"


@pytest.mark.usefixtures("tiny")
def test_a_build_ends_with_a_few_lines_whose_commands_work(probec: Probec, project: Path) -> None:
    # Another header on the card: only `release` runs.
    card = project / "templates/card.md.j2"
    card.write_text(card.read_text(encoding="utf-8") + "\nMore.\n", encoding="utf-8")
    assert probec("build", SPEC) == 0
    text, progress = probec.out, probec.err
    found = json.loads((installed(project) / "stats.json").read_text(encoding="utf-8"))
    rejects = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    pooled = found["cells"][-1]

    lines = text.splitlines()
    assert len(lines) <= 13
    assert all(len(line) <= 80 for line in lines)
    assert re.fullmatch(r"built: 1 of \d+ steps ran", lines[0])
    assert lines[1] == "dataset: build/datasets/tiny"
    assert f"probes: {found['probes']} on {found['documents']} documents in 2 rounds" in text
    assert f"{pooled['rows']} have blind scores" in text
    assert f"HARD: {100 * pooled['hard']['value']:.1f}% (max score < 0.4), EASY: " in text
    assert f"rejected: {len(rejects)} of {len(rejects) + found['probes']} slots (" in text
    assert re.search(r"^rounds: 0 [0-9a-f]{12}, 1 [0-9a-f]{12}$", text, re.MULTILINE)
    assert re.search(r"^\[(\d+)/\1\] release: 1 of 1 steps$", progress, re.MULTILINE)
    commands = re.findall(r"^  (probec .*?)(?:   |$)", text[text.index("next:") :], re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert probec(*shlex.split(command)[1:]) == 0, command + probec.err


@pytest.mark.usefixtures("tiny")
def test_nothing_to_do_is_one_line_and_full_prints_all_tables(probec: Probec) -> None:
    assert probec("build", SPEC) == 0
    assert probec.out.startswith("everything is up to date: ")
    assert probec.out.endswith("none ran; dataset: build/datasets/tiny\n")
    assert probec.out.count("\n") == 1
    assert probec("build", SPEC, "--full") == 0
    for part in ("none ran\n", "Probes per scope: ", "Scores of each cell: ", "round 0: ", "next:"):
        assert part in probec.out


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("width", "command"),
    [
        (80, ("plan", "specs/qwen3.5-9b.yaml", "--source", "specs/data/tiny.jsonl")),
        (40, ("plan", SPEC, "--set", "calibration.level=2")),
        (50, ("rounds", SPEC)),
        (50, ("rounds",)),
        (40, ("calibrate", SPEC, "--dry-run", "--docs", "2")),
    ],
)
def test_tables_fit_the_terminal(
    width: int, command: tuple[str, ...], probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probec(*command) == 0
    assert max(map(len, probec.out.splitlines())) > width
    monkeypatch.setenv("COLUMNS", str(width))
    assert probec(*command) == 0
    assert [line for line in probec.out.splitlines() if len(line) > width] == []


def test_every_amount_of_a_rehearsal_is_marked_as_simulated() -> None:
    text = "built: 3 of 3 steps ran\nbilled: $1.20 for 3 requests\n\npaid for  US$ billed"

    assert rehearse.marked(text) == (
        "built: 3 of 3 steps ran\nbilled: $1.20 for 3 requests (simulated)\n\n"
        "paid for  US$ billed (simulated)"
    )


def test_a_sweep_names_the_level_of_its_steps(probec: Probec) -> None:
    assert probec("calibrate", SPEC, "--levels=-1..0", "--docs", "2") == 0

    assert re.search(r"^\[\d+/\d+\] generate, level -1: 1 of 1 steps$", probec.err, re.MULTILINE)
    assert re.search(r"^\[\d+/\d+\] generate, level 0: 1 of 1 steps$", probec.err, re.MULTILINE)
