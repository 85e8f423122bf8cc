"""The price of each optional line of the published spec, in its plan."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from compiler.building import plan
from compiler.building.plan import Plan
from compiler.project import opening
from compiler.project.variant import Variant
from tests.conftest import ROOT

SPEC = "specs/qwen3.5-9b.yaml"
OPTIONAL = "# optional: "
PARTS = {
    "scoring.baselines.no_context": "no_context: ",
    "scoring.baselines.full_information": "full_information: ",
    "scoring.anchors": "anchors: ",
    "scoring.rejudge": "rejudge: ",
    "scoring.compare": "compare: ",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("specs", "prompts", "templates"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("data"))
    (tmp_path / "specs/data").symlink_to(ROOT / "specs/data")
    return tmp_path


def planned(folder: Path, *overrides: str) -> Plan:
    variant = Variant(folder / SPEC, overrides, build_dir=folder / "build")
    return plan.plan(opening.project(variant, folder / "state"))


def test_the_plan_prices_every_optional_line_as_its_removal_saves(folder: Path) -> None:
    text = (folder / SPEC).read_text(encoding="utf-8")
    lines = text.splitlines(keepends=True)
    whole = planned(folder, "expect.use=published")
    prices = {each.name: each for each in whole.optional}

    assert sum(OPTIONAL in line for line in lines) == len(prices)
    assert prices.keys() == PARTS.keys()
    for name, start in PARTS.items():
        kept = [line for line in lines if not line.lstrip().startswith(start)]
        assert len(kept) == len(lines) - 1
        (folder / SPEC).write_text("".join(kept), encoding="utf-8")
        rest = planned(folder, "expect.use=published")
        price = prices[name]
        for with_it, without, each in zip(
            whole.costs.usd(), rest.costs.usd(), (price.usd, price.low, price.high), strict=True
        ):
            assert with_it - without == pytest.approx(each)
            assert each > 0
        assert f"{name}  " in plan.text(whole)
        assert f"{price.usd:,.2f}" in plan.text(whole)
        assert name not in plan.text(rest)


def test_the_published_method_costs_the_same_without_the_optional_lines(folder: Path) -> None:
    lines = (folder / SPEC).read_text(encoding="utf-8").splitlines(keepends=True)
    whole = planned(folder, "expect.use=published").costs
    published = "".join(line for line in lines if OPTIONAL not in line)
    (folder / SPEC).write_text(published, encoding="utf-8")
    rest = planned(folder, "expect.use=published")

    assert rest.optional == ()
    assert rest.costs.usd("control", "audit") == (0, 0, 0)
    assert round(rest.costs.usd("answer", "judge")[0], 2) == 1003.10
    # The second verdicts on the answers to a whole side are in the stage of the first.
    assert round(whole.usd("answer", "judge")[0], 2) == 1003.10 + 33.44
