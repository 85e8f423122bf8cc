"""The progress of a command on stderr: a terminal has a live line, other files have lines."""

from __future__ import annotations

import io
import re
import sys

import pytest

from compiler import cli

STAGES = ("sample", "generate", "finalize")


class Stream(io.StringIO):
    """A standard error stream, of a terminal or not."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool, money: str = "") -> str:
    """Report two stages, of which one sends requests, and a third that fails."""
    stream = Stream(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("compiler.cli.time.monotonic", iter(range(0, 9999, 10)).__next__)
    progress = cli._Progress(quiet=False, money=money)
    progress.stages(STAGES)
    progress.stage_started("sample", 2, 0)
    progress.stage_started("generate", 2, 2)
    progress.notice("may cost $3.00")
    progress.calls("generator", 41, 100, 0)
    progress.calls("generator", 61, 100, 1)
    progress.step_done("generate", "0.0", 1.0)
    progress.step_done("generate", "1.0", 1.0)
    progress.stage_started("finalize", 2, 2)
    progress.step_done("finalize", "0.0", 1.0)
    progress.clear()
    return stream.getvalue()


def test_a_terminal_has_stage_round_rate_and_time_left_and_a_line_for_each_finished_stage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    found = shown(monkeypatch, terminal=True)

    live = re.findall(r"\r\x1b\[K([^\r\n]+)", found)
    assert "[2/3] generate: 41 of 100 generator calls, round 0" in live
    assert any(
        re.fullmatch(
            r"\[2/3\] generate: 61 of 100 generator calls, round 1, [0-9.]+/s, about \d+ s left",
            line,
        )
        for line in live
    )
    kept = [line.rpartition("\x1b[K")[2] for line in found.split("\n")]
    (line,) = [line for line in kept if line.startswith("[2/3]")]
    assert line.startswith("[2/3] generate: 100 generator calls, 2 steps in ")
    # The stage that failed leaves no line.
    assert not [line for line in kept if line.startswith("[3/3]")]


def test_a_file_has_a_line_for_each_stage_that_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False).splitlines()

    assert "[2/3] generate: 2 of 2 steps" in lines
    assert "[3/3] finalize: 2 of 2 steps" in lines
    assert not [line for line in lines if "sample" in line or "\x1b" in line]


def test_amounts_are_marked_where_nothing_is_billed(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown(monkeypatch, terminal=False, money="simulated").splitlines()

    assert "may cost $3.00 (simulated)" in lines
    assert not [line for line in lines if "simulated" in line and "$" not in line]


def test_the_levels_of_a_sweep_are_named_and_share_their_requests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = Stream(terminal=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr("compiler.cli.time.monotonic", iter(range(0, 9999, 10)).__next__)
    progress = cli._Progress(quiet=False)
    progress.stages(STAGES)
    for level in ("-1", "0"):
        progress.stage_started(f"generate, level {level}", 1, 1)
    progress.calls("generator", 3, 8, 0)
    for level in ("-1", "0"):
        progress.step_done(f"generate, level {level}", "0.0", 1.0)
    progress.stages(())

    live = re.findall(r"\r\x1b\[K([^\r\n]+)", stream.getvalue())
    assert "[2/3] generate: 3 of 8 generator calls, round 0" in live
    assert any(line.startswith("[2/3] generate, level -1: 1 of 2 steps, round 0") for line in live)
    assert any(line.startswith("[2/3] generate, level 0: 2 of 2 steps, round 0") for line in live)
    assert "[2/3] generate: 8 generator calls, 2 steps in" in stream.getvalue()
