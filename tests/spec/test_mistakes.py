"""Messages about mistakes in a spec."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from compiler.spec import base, filters, load, mistakes, model, paid, scoring

VALUES: list[object] = [
    *(None, True, "", "x", "X" * 100, -1, 10**30, 1.5, -0.5, float("nan"), [], [[]], {}, {"a": {}}),
    *({"kind": "x"}, {"a": {"kind": "x"}}, {"a": {"kind": "written"}}, [None], {"a": -2.0}),
    {"A": 0.5},
]
HANDLED = {"missing", "extra_forbidden", "literal_error", "value_error"} | {
    "string_pattern_mismatch",
    "union_tag_invalid",
    "union_tag_not_found",
}


def models() -> Iterator[type[base.Model]]:
    for klass in {**vars(model), **vars(filters), **vars(paid), **vars(scoring)}.values():
        if inspect.isclass(klass) and issubclass(klass, base.Model) and klass is not base.Model:
            yield klass


def test_no_sentence_of_the_library_is_shown() -> None:
    """Every kind of error that a wrong value of any field has is put in words."""
    found, patterns = set(), set()
    for klass in models():
        for field in klass.model_fields:
            for value in VALUES:
                try:
                    klass.model_validate({field: value})
                except ValidationError as error:
                    found |= {each["type"] for each in error.errors()}
                    patterns |= {each.get("ctx", {}).get("pattern") for each in error.errors()}

    assert found <= mistakes.MESSAGES.keys() | HANDLED
    assert patterns - {None} == base.PATTERNS.keys()
    assert len(found) > 15


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            "scopes.word.slot=3",
            "--set scopes.word.slot: scopes.word.slot: unknown key (did you mean slots? remove it",
        ),
        ("scorng.policy=judged", "--set scorng.policy: scorng: unknown key (did you mean scoring?"),
        ("rounds[0].doc=3", "--set rounds[0].doc: rounds[0].doc: unknown key (did you mean docs?"),
        (
            "scopes.word.kind=templat",
            "--set scopes.word.kind: scopes.word.kind: unknown value 'templat' "
            "(did you mean template? have: template, written)",
        ),
        ("scopes.word={slots: 5}", "scopes.word.kind: required key is missing (add it)"),
        ("scopes.word=3", "scopes.word: not a mapping (got 3)"),
        ("rounds=3", "rounds: not a list (got 3)"),
        ("models.judge.prompt=base", "not the name of a prompt, <role>/<variant> (got 'base')"),
        (
            "scopes.sentense.slots=3",
            "--set scopes.sentense.slots: scopes.sentense.kind: required key is missing "
            "(did you mean sentence? add it)",
        ),
        ("splits.margin_share=0.7", "splits.margin_share: not below 0.5 (got 0.7)"),
        (
            "scoring.compare={whole: both}",
            "--set scoring.compare: scoring.compare: no value for the other scopes (add default: ",
        ),
        ("scoring.compare={default: bth}", "scoring.compare.default: unknown value 'bth' (did you"),
        ("scoring.compare=bth", "scoring.compare: unknown value 'bth' (did you mean both?"),
        ("scoring.compare.whole=both", "no mapping or list at 'compare' (set scoring.compare itse"),
        ("publish.dtypes=int65", "unknown value 'int65' (did you mean int64? have: int64, publis"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_remedy(
    override: str, expected: str, project: Path
) -> None:
    found = load.read(project / "specs/tiny.yaml", [override]).problems

    assert any(expected in str(problem) for problem in found), [str(each) for each in found]
