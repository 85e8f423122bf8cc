"""Extrapolation from measured documents, against hand-computed values."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from compiler.pricing import extrapolation
from compiler.pricing.usage import Basis, Cell, DocumentUsage, Usage
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.model import Spec
from tests.conftest import ROOT


def spec_of(*overrides: str) -> Spec:
    found = load.read(ROOT / "specs/qwen3.5-9b.yaml", overrides).spec
    assert found is not None
    return of_probes(found)


def usage(*cells: Cell) -> Usage:
    documents = tuple(
        DocumentUsage({"judge": {"whole": cell}} if cell.calls else {}, {"whole": cell.calls // 5})
        for cell in cells
    )
    slots = {"word": 5, "lens": 5, "sentence": 3, "paragraph": 2, "whole": 1}
    return Usage("tiny-pilot2", (2,), documents, slots, {"answer": 5, "judge": 5}, {}, {})


def test_an_interval_covers_the_variance_between_documents() -> None:
    # Mean 2, standard deviation 1, t(2) = 4.303: 97 documents cost 194 +- 4.303 sqrt(97^2/3 + 97).
    expected, low, high = extrapolation.extrapolated([1.0, 2.0, 3.0], 97, 0.3)

    assert expected == 194
    assert (low, high) == pytest.approx((0, 438.679), abs=0.01)
    assert extrapolation.extrapolated([2.0] * 4, 10, 0.3) == (20, 20, 20)
    assert extrapolation.extrapolated([2.0], 10, 0.3) == pytest.approx((20, 14, 26))


def test_quantiles_beyond_the_table_continue_it() -> None:
    spread = [0.0, 1.0] * 15
    _, low, high = extrapolation.extrapolated(spread, 1000, 0.3)
    half = 2.0452 * (sum((x - 0.5) ** 2 for x in spread) / 29 * (1000**2 / 30 + 1000)) ** 0.5

    assert high - 500 == pytest.approx(half, rel=1e-4)
    assert low == pytest.approx(500 - half, rel=1e-3)


def test_tokens_of_a_call_include_those_of_the_prompt_cache() -> None:
    found = usage(Cell(5, 100, 10, 200, 700), Cell(5, 1000, 30), Cell())

    assert extrapolation.measured_call(found, "judge", "whole") == (200, 4)
    assert extrapolation.measured_call(found, "judge", "sentence") is None
    assert extrapolation.measured_call(None, "judge", "whole") is None


def test_losses_are_those_of_the_measured_slots() -> None:
    spec, found = spec_of(), usage(Cell(5, 1000, 10), Cell(), Cell(), Cell())

    assert extrapolation.built(spec, "whole", Basis({"generator": found})) == 0.25
    assert extrapolation.built(spec, "whole", Basis({"judge": found})) == 0.850605
    assert extrapolation.built(spec_of("expect.sets.published.built=0.5", "expect.use=published"),
                               "whole", Basis({})) == 0.5  # fmt: skip


def test_calls_follow_rollouts_and_slots_declared_since() -> None:
    found = usage(Cell(5, 1000, 10))

    assert extrapolation.times(spec_of(), found, "judge", "whole") == 1
    assert extrapolation.times(spec_of("scoring.rollouts=10"), found, "judge", "whole") == 2
    twice = spec_of("scopes.whole.slots=2", "slots_per_document=17")
    assert extrapolation.times(twice, found, "judge", "whole") == 2
    assert extrapolation.times(spec_of(), found, "judge", "sentence") is None
    generated = replace(found, documents=(DocumentUsage({"generate": {"": Cell(1, 9, 9)}}, {}),))
    assert extrapolation.times(spec_of("scoring.rollouts=10"), generated, "generate", "") == 1


def test_expectations_differ_by_scope_and_by_set(tmp_path: Path) -> None:
    spec = spec_of()

    assert spec.expect.judge.of("whole") == (1080, 5)
    assert spec.expect.judge.of("sentence") == spec.expect.judge.of("") == (400, 5)
    published = spec_of("expect.use=published").expect.chosen
    assert published.judge.of("whole") == (400, 5)
    assert (published.generator, published.built) == (spec.expect.generator, 0.850605)
    unknown = load.read(ROOT / "specs/qwen3.5-9b.yaml", ("expect.use=other",)).problems
    assert "'other' is no set of expect.sets (have: published)" in unknown[0].message
