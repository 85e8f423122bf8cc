"""Outputs of the tiny project, pinned as plain text.

An output that changed while its stage's version did not is a stale cache for every user: bump the
stage's VERSION in the same commit that accepts the new digest.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from compiler.engine.stage import Stage
from tests.conftest import Probec
from tests.e2e.test_build import SPEC


def test_stage_outputs_are_pinned_per_version(
    probec: Probec, stages: list[Stage], golden: Callable[[str, str], None]
) -> None:
    outputs = probec.json("build", SPEC)["outputs"]
    assert isinstance(outputs, dict)
    found = {}
    for stage in stages:
        own = {step: digest for step, digest in outputs.items() if step.split()[0] == stage.name}
        found[f"{stage.name} v{stage.version}"] = own

    golden("digests.json", json.dumps(found, indent=1) + "\n")


def test_prompts_are_pinned_as_text(probec: Probec, golden: Callable[[str, str], None]) -> None:
    probec.json("build", SPEC)
    for role in ("generator", "answerer", "judge"):
        assert probec("prompt", SPEC, "--role", role) == 0
        golden(f"prompts/{role}-base.txt", probec.out)


def test_the_card_is_pinned(probec: Probec, golden: Callable[[str, str], None]) -> None:
    probec.json("build", SPEC)
    golden("card.md", (probec.root / "build/datasets/tiny/README.md").read_text(encoding="utf-8"))


def test_the_summary_is_pinned(probec: Probec, golden: Callable[[str, str], None]) -> None:
    probec.json("build", SPEC)
    assert probec("stats", SPEC) == 0
    golden("stats.txt", probec.out)
