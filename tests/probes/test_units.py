"""Registered segmenters: what every one of them must do."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from compiler.dataset import scopes, stated
from compiler.errors import SourceError
from compiler.probes import units
from compiler.probes.ids import KINDS, described, make
from compiler.probes.segment import identity as segmented
from compiler.probes.segment import segment
from compiler.probes.units import UNITS
from tests.conftest import ROOT


@pytest.mark.parametrize("name", UNITS)
def test_units_are_in_order_without_overlaps_and_trimmed(name: str) -> None:
    for line in (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines()[::40]:
        row = json.loads(line)
        text = row["prefix"] + row["continuation"]
        found = UNITS[name].spans(segment(text, len(row["prefix"])))

        assert all(left.end <= right.start for left, right in pairwise(found))
        assert all(text[start:end].strip() == text[start:end] != "" for start, end in found)


def test_a_tag_names_one_kind_of_unit() -> None:
    assert len(KINDS) == len(UNITS) + 2
    for name, unit in UNITS.items():
        assert re.fullmatch(r"[a-z]+", unit.tag)
        assert described(make("B", name, 7)) == f"B.{unit.tag}7 is a {name} of B"


def test_keys_hold_the_versions_of_used_units_from_2_on(monkeypatch: pytest.MonkeyPatch) -> None:
    later = replace(UNITS["paragraph"], version=3)
    monkeypatch.setattr(units, "UNITS", {**UNITS, "paragraph": later})

    assert units.identity(["sentence", "side"]) == segmented()
    assert units.identity(["paragraph", "sentence"]) == f"{segmented()}/paragraph-3"


def test_a_dataset_with_a_unit_that_is_not_registered_is_refused(tmp_path: Path) -> None:
    rules = replace_unit(dict(scopes.stated(scopes.PUBLISHED.items())[2]), "heading")
    (tmp_path / "card.json").write_text(json.dumps({"scopes": [rules]}), encoding="utf-8")

    with pytest.raises(SourceError, match="the unit 'heading', which is not registered"):
        stated.scopes(tmp_path)


def replace_unit(scope: dict[str, object], unit: str) -> dict[str, object]:
    rules = scope["rules"]
    assert isinstance(rules, dict)
    return {**scope, "rules": {**rules, "unit": unit}}
