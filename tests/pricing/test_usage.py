"""The published spec, which cannot be planned offline, priced by usage measured on a pilot."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compiler.building import plan
from compiler.pricing import usage
from compiler.pricing.estimate import Quote
from compiler.pricing.usage import Cell, DocumentUsage, Usage
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.variant import Variant
from compiler.spec.paid import ROLES
from tests.conftest import ROOT

SCORING = ("answer", "judge")


def project_of(folder: Path, *overrides: str) -> Project:
    variant = Variant(ROOT / "specs/qwen3.5-9b.yaml", overrides, build_dir=folder)
    return opening.project(variant, folder / "state")


def measured(project: Project) -> Usage:
    """Return the usage of two documents, of which one lost its probe of a whole side."""
    answers = {"sentence": Cell(15, 15 * 1000, 15 * 70), "whole": Cell(5, 5 * 1200, 5 * 90)}
    verdicts = {"sentence": Cell(15, 15 * 350, 15 * 5), "whole": Cell(5, 5 * 1500, 5 * 5)}
    generated = {"": Cell(1, 8000, 9000)}
    first = DocumentUsage(
        {"generate": generated, "answer": answers, "judge": verdicts}, {"sentence": 3, "whole": 1}
    )
    second = DocumentUsage(
        {
            "generate": generated,
            "answer": {"sentence": answers["sentence"]},
            "judge": {"sentence": verdicts["sentence"]},
        },
        {"sentence": 3},
    )
    slots = {"word": 5, "lens": 5, "sentence": 3, "paragraph": 2, "whole": 1}
    like: dict[str, str] = {role: usage.like(project, role) for role in ROLES}
    return Usage("x-pilot2", (2,), (first, second), slots, {"answer": 5.0, "judge": 5.0}, like, {})


def costs(folder: Path, *overrides: str) -> Quote:
    return plan.plan(project_of(folder, *overrides)).costs


def tokens(quote: Quote) -> dict[tuple[str, str], str]:
    return {(each.stage, each.scope): each.tokens for each in quote.estimates}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / usage.FOLDER).mkdir()
    data = msgspec.json.encode(measured(project_of(tmp_path)))
    (tmp_path / usage.FOLDER / "x-pilot2.json").write_bytes(data)
    return tmp_path


def test_the_published_spec_is_priced_by_stage_and_scope_as_measured(folder: Path) -> None:
    found = costs(folder)
    whole = next(e for e in found.estimates if (e.stage, e.scope) == ("judge", "whole"))
    sentence = next(e for e in found.estimates if (e.stage, e.scope) == ("judge", "sentence"))
    paragraph = next(e for e in found.estimates if (e.stage, e.scope) == ("judge", "paragraph"))

    # Half of the documents have a verdict on a whole side, 1500 tokens each.
    assert whole.calls == round(36_997 * 2.5)
    assert whole.input_tokens == 36_997 * 5 * 1500 / 2
    assert whole.usd == pytest.approx(36_997 * 2.5 * (1500 * 0.5 + 5 * 2.5) / 1e6)
    assert whole.low == 0 < whole.usd < whole.high
    assert sentence.usd == pytest.approx(sentence.low) == pytest.approx(sentence.high)
    # The pilot built no paragraph, so none is expected; the upper bound takes every slot.
    assert (paragraph.tokens, paragraph.calls) == ("declared", 0)
    assert any("measured on 2 documents of pilot x-pilot2" in each for each in found.notices)


def test_a_named_set_is_used_whatever_was_measured(folder: Path) -> None:
    found = costs(folder, "expect.use=published", "scoring.compare=atom_text")

    assert set(tokens(found).values()) == {"declared"}
    assert round(found.usd(*SCORING)[0]) == 1003
    assert any("the set published of expect.sets" in each for each in found.notices)


@pytest.mark.parametrize(
    ("override", "stage"),
    [
        ("models.judge.max_tokens=17", "judge"),
        ("models.answerer.max_tokens=900", "answer"),
        ("scoring.view.max_chars=2000", "answer"),
        ("scoring.compare=target_response", "judge"),
        ("siblings.shown=2", "generate"),
    ],
)
def test_a_role_with_other_settings_is_not_measured(
    override: str, stage: str, folder: Path
) -> None:
    found = tokens(costs(folder, override))

    assert {name for name, known in found.items() if known == "measured"} == {
        (each, scope)
        for each, scopes in (("generate", ("",)), *((e, ("sentence", "whole")) for e in SCORING))
        for scope in scopes
        if each != stage
    }


def test_a_file_of_another_version_is_ignored(folder: Path) -> None:
    (folder / usage.FOLDER / "x-pilot2.json").write_text('{"name": "x"}', encoding="utf-8")

    assert set(tokens(costs(folder)).values()) == {"declared"}
