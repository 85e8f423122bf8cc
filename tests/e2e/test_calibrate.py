"""The sweep over levels, with a generator whose difficulty is planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from compiler.embedded import tags
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.llm.providers import extractive
from compiler.llm.responses import ResponseLog
from compiler.probes.sampling import Stream
from compiler.spec import edit
from tests.conftest import Probec
from tests.scripted import Script

SPEC = "specs/tiny.yaml"
# The atoms of the embedded generator often have much in common with the complement.
LOOSE = "calibration.select={min_hard: 0.0, min_easy: 0.0, max_leak: 1.0}"


class Obedient(Script):
    """A generator that writes into each question the calibration level of its prompt."""

    def install(self, patch: pytest.MonkeyPatch) -> Obedient:
        """Move the level from its tag to the end, so that all levels have the same atoms."""
        real = extractive.Extractive.encode

        def encode(provider: extractive.Extractive, request: Request) -> dict[str, Json]:
            body = real(provider, request)
            user = str(body["user"])
            if "<slots>" not in user:
                return body
            level = tags.level(user)
            plain = user.replace(f'<calibration level="{level}"/>\n', "")
            return {**body, "user": f"{plain}\n[level {level}]"}

        patch.setattr(extractive.Extractive, "encode", encode)
        super().install(patch)
        return self

    def _written(self, user: str, sample: int) -> str:
        level = int(user.rpartition("[level ")[2].rstrip("]"))
        text = super()._written(user, sample)
        return text.replace('"question": "', f'"question": "At {level + 3}, ')


def planted(strength: float) -> Obedient:
    """Return a script; at level 0 the expected max of 5 is about 0.62."""

    def quality(question: str, rollout: int) -> float:
        level = int(question.removeprefix("At ").partition(",")[0]) - 3
        spread = Stream("quality", question.partition(", ")[2], rollout).uniform() - 0.5
        kind = 0.25 if Stream("kind", question.partition(", ")[2]).below(2) else -0.25
        return min(1.0, max(0.0, 0.5 - strength * level + 0.3 * spread + kind))

    return Obedient(quality)


@pytest.mark.long
def test_the_planted_level_is_chosen_and_its_effect_is_found(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(0.15).install(monkeypatch)
    found: Any = probec.json(
        "calibrate", "specs/demo.yaml", "--levels=0..2", "--docs", "32", "--set", LOOSE
    )
    tops = {each["level"]: each["expected_max"]["value"] for each in found["levels"]}

    assert found["effect"] == "as meant"
    assert found["order"] == -1.0
    assert found["span"]["high"] < 0
    assert found["against"] == []
    assert found["chosen"] == min(tops, key=lambda level: abs(tops[level] - 0.5)) == 1
    for before, after in zip(found["levels"], found["levels"][1:], strict=False):
        assert after["step"]["value"] == pytest.approx(
            after["expected_max"]["value"] - before["expected_max"]["value"], abs=2e-6
        )
        assert after["step"]["high"] < 0
        assert after["no_context"]["value"] == 0.05
        assert after["built"] == after["scored"] <= after["planned"] == 32 * 6


def test_the_embedded_model_obeys_the_levels(probec: Probec, project: Path) -> None:
    found: Any = probec.json("calibrate", SPEC, "--levels=-3..3", "--docs", "6", "--set", LOOSE)
    tops = [each["expected_max"]["value"] for each in found["levels"]]
    mild, strict = found["levels"][0], found["levels"][-1]

    assert found["effect"] != "reversed"
    assert found["order"] < -0.8
    assert tops[0] > tops[3] > tops[-1]
    assert tops[0] - tops[-1] > 0.15
    assert strict["hard"]["value"] > mild["hard"]["value"] > 0
    assert mild["easy"]["value"] > strict["easy"]["value"] == 0


@pytest.mark.long
def test_a_sweep_without_effect_is_reported(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(0.0).install(monkeypatch)
    options = ["specs/demo.yaml", "--levels=0..1", "--docs", "32", "--set", LOOSE]
    found: Any = probec.json("calibrate", *options)

    assert found["effect"] == "none"
    assert found["span"]["low"] <= 0 <= found["span"]["high"]
    assert probec("calibrate", *options) == 0
    assert "no effect detected" in probec.out


def test_a_sweep_sends_each_request_once_locks_no_round_and_writes_its_choice(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(0.15).install(monkeypatch)
    spec = project / SPEC
    text = spec.read_text(encoding="utf-8") + (
        "calibration:\n  level: 0   # by hand\n"
        "  select: {min_hard: 0.0, min_easy: 0.0, max_leak: 1.0}\n# the end\n"
        "scoring: {rejudge: {share: 1.0, times: 2}}\n"
    )
    spec.write_text(text, encoding="utf-8")
    options = [SPEC, "--levels=0..2", "--docs", "4"]
    costs: Any = probec.json("calibrate", *options, "--dry-run")
    assert costs["usd"] == 0
    assert not (project / "build/steps").exists()

    first: Any = probec.json("calibrate", *options, "--write")
    log = ResponseLog(project / ".probec/responses.sqlite")
    asked = len(log)
    again: Any = probec.json("calibrate", *options)
    assert len(log) == asked
    assert again["evidence"] == first["evidence"]
    assert all(each["changes"]["n"] == each["scored"] for each in again["levels"])
    assert probec("calibrate", *options) == 0
    assert "band changes when judged again" in probec.out
    assert not list((project / "build/rounds").glob("*/*.json"))
    chosen, evidence = first["chosen"], first["evidence"][:16]
    assert chosen in (0, 1, 2)
    assert spec.read_text(encoding="utf-8") == text.replace(
        "level: 0   # by hand", f"level: {chosen}   # by hand"
    ).replace("max_leak: 1.0}\n", f'max_leak: 1.0}}\n  evidence: "{evidence}"\n')
    assert probec("check", SPEC) == 0
    picture = ElementTree.parse(project / "build/calibration/tiny.svg").getroot()
    marks = [each for each in picture.iter() if "mark" in each.get("class", "").split()]
    # Five measures of three levels, each once more in its legend.
    assert len(marks) == 5 * (3 + 1)


def test_levels_that_cannot_be_swept_or_written_are_errors(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted(0.1).install(monkeypatch)
    assert probec("calibrate", SPEC, "--levels=a..b") == 2
    assert "is not a range" in probec.err
    assert probec("calibrate", SPEC, "--levels=5..9") == 2
    assert "no declared level from 5 to 9" in probec.err
    assert probec("calibrate", SPEC, "--docs", "0") == 2
    assert probec("calibrate", SPEC, "--docs", "9999") in (1, 2)
    assert "9999" in probec.err
    one = [SPEC, "--levels=0..0", "--docs", "2"]
    done = {*(project / "build/steps").rglob("*")}
    assert probec("calibrate", *one, "--write", "--set", LOOSE) == 2
    assert "--write does not go with" in probec.err
    # The error comes before the sweep.
    assert {*(project / "build/steps").rglob("*")} == done
    spec = project / SPEC
    strict = "calibration: {level: 0, select: {min_hard: 1.0, min_easy: 1.0}}\n"
    before = spec.read_text(encoding="utf-8") + strict
    spec.write_text(before, encoding="utf-8")
    assert probec("calibrate", *one, "--write") == 1
    assert "nothing written: no level satisfies the rule" in probec.out
    assert "excluded: level 0" in probec.out
    assert spec.read_text(encoding="utf-8") == before
    # A spec that cannot be edited is also an error before the sweep.
    spec.write_text(before.replace(strict, "...\n"), encoding="utf-8")
    assert probec("calibrate", *one, "--write", "--docs", "3") == 2
    assert "calibration cannot be edited in place" in probec.err


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\n", 'a: 1\ncalibration: {level: 2}\ncalibration'),
        ("calibration: {level: -2}   # why\nb: 1\n",
         'calibration: {level: 2, evidence: "e"}   # why\nb: 1\n'),
        ("calibration: {level: 0,}\n", 'calibration: {level: 2, evidence: "e",}\n'),
        ("calibration: {\n  level: 0   # why\n}\n",
         'calibration: {\n  level: 2, evidence: "e"   # why\n}\n'),
        ("calibration: {}\n", 'calibration: {level: 2, evidence: "e"}\n'),
        ("calibration:\n  level: 0 # x\nb: 1\n",
         'calibration:\n  level: 2 # x\n  evidence: "e"\nb: 1\n'),
        ('calibration: {level: 0, evidence: "old"}', 'calibration: {level: 2, evidence: "e"}'),
        ("calibration:\n    select:\n        target: 0.4\n",
         'calibration:\n    select:\n        target: 0.4\n    level: 2\n    evidence: "e"\n'),
    ],
)  # fmt: skip
def test_values_are_set_in_place(text: str, expected: str) -> None:
    found = edit.with_values(text, "calibration", {"level": 2, "evidence": "e"})
    if expected.endswith("calibration"):
        expected = 'a: 1\ncalibration: {level: 2, evidence: "e"}\n'
    assert found == expected
