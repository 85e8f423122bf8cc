"""Leaves of two specs that differ."""

from __future__ import annotations

from pathlib import Path

from compiler.comparison.fields import compare
from compiler.spec import load
from compiler.spec.load import Draft

SPEC = Path(__file__).parents[2] / "specs/demo.yaml"


def found(*overrides: str) -> dict[str, tuple[str, object, object]]:
    """Return path -> (change, old, new) of the demo with these overrides."""
    old, new = draft(), draft(*overrides)
    assert old.spec is not None
    assert new.spec is not None
    return {
        each.path: (each.change, each.old, each.new)
        for each in compare(old.spec, new.spec, lambda p: old.where(*p), lambda p: new.where(*p))
    }


def draft(*overrides: str) -> Draft:
    return load.read(SPEC, list(overrides))


def test_a_spec_has_no_difference_from_itself() -> None:
    assert found() == {}


def test_a_changed_leaf_has_the_values_and_places_of_both_sides() -> None:
    old, new = draft(), draft("calibration.level=-1")
    assert old.spec is not None
    assert new.spec is not None
    (change,) = compare(old.spec, new.spec, lambda p: old.where(*p), lambda p: new.where(*p))

    assert (change.path, change.change, change.old, change.new) == (
        "calibration.level", "changed", 0, -1,
    )  # fmt: skip
    assert change.old_where is not None
    file, _, line = change.old_where.rpartition(":")
    assert "level: 0" in Path(file).read_text(encoding="utf-8").splitlines()[int(line) - 1]
    assert change.new_where == "--set calibration.level"


def test_a_leaf_of_one_side_is_added_or_removed() -> None:
    more = found("rounds=[{docs: 24}, {docs: 24}, {docs: 3}]")
    assert more == {"rounds[2]": ("added", None, {"docs": 3})}
    fewer = found("rounds=[{docs: 24}]")
    assert fewer == {"rounds[1]": ("removed", {"docs": 24}, None)}
    level = found('calibration.levels.2={text: "x"}')
    assert set(level) == {"calibration.levels[2].text"}


def test_null_is_a_value_and_not_a_missing_leaf() -> None:
    assert found("models.generator.cache=5m") == {"models.generator.cache": ("changed", None, "5m")}
