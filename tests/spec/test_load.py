"""Problems of a spec: all are found at once, each with its file and line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler.errors import SpecError, UsageError
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.load import Draft
from tests.conftest import ROOT, Probec


def draft_of(text: str, folder: Path, overrides: Sequence[str] = ()) -> Draft:
    (folder / "prompts").mkdir(exist_ok=True)
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return load.read(path, overrides)


def test_the_shipped_specs_are_valid() -> None:
    for name in ("demo", "qwen3.5-9b", "rollouts-demo"):
        assert load.read(ROOT / f"specs/{name}.yaml").problems == []


def test_the_published_spec_declares_the_published_dataset() -> None:
    declared = load.read(ROOT / "specs/qwen3.5-9b.yaml").spec
    assert declared is not None
    spec = of_probes(declared)

    assert sum(each.docs for each in spec.rounds) == 36_997
    assert [s.slots for _, s in spec.ordered_scopes()] == [5, 5, 3, 2, 1]
    assert sorted(spec.calibration.levels) == [-3, -2, -1, 0, 1, 2, 3]
    assert spec.calibration.level == -2
    assert "too hard" in spec.calibration.levels[-2].text


TEN_MISTAKES = """\
extends: base.yaml
name: bad name
name: again
source: {path: x.jsonl, model: m, tokenizer: missing.json, colums: {}}
rounds: [{docs: 0}]
scopes:
  sentence: {slots: 4, split: sentance}
  guess: {kind: template, order: 9, slots: 0, split: whole}
calibration: {level: 4}
models:
  generator: {provider: anthropic, model: gpt-9, prompt: generator/none, max_tokens: 100, thinking: {budget_tokens: 8000}}
  answerer: {provider: smoke, temperature: 0.3}
budget: {max_usd: lots}
publish: {license: odc-by, dtypes: int16}
scoring: {policy: vibes, bands: {hard: 0.9, easy: 0.1}}
"""  # noqa: E501


def test_many_mistakes_are_reported_together_with_their_lines(
    project: Path, probec: Probec
) -> None:
    (project / "specs/bad.yaml").write_text(TEN_MISTAKES, encoding="utf-8")

    assert probec("check", "specs/bad.yaml") == 2
    lines = probec.err.splitlines()
    for place, path, what in (
        (3, "name", "duplicate key"),
        (4, "source.colums", "unknown key"),
        (4, "source.tokenizer", "no such tokenizer"),
        (5, "rounds[0].docs", "below 1 (got "),
        (7, "scopes.sentence.split", "unknown value 'sentance'"),
        (6, "scopes", "slots sum to 17"),
        (8, "scopes.guess", "unknown templated scope"),
        (9, "calibration.level", "above 3 (got "),
        (11, "models.generator", "max_tokens 100 must be above"),
        (11, "models.generator.model", "has no price"),
        (11, "models.generator.prompt", "no such prompt"),
        (12, "models.answerer.provider", "unknown provider 'smoke'"),
        (12, "models.answerer.temperature", "refuses sampling parameters"),
        (13, "budget.max_usd", "not a number (got "),
        (14, "publish.dtypes", "unknown value 'int16'"),
        (15, "scoring.policy", "unknown policy"),
        (15, "scoring.bands", "hard 0.9 is above easy 0.1"),
    ):
        prefix = f"specs/bad.yaml:{place}: {path}: "
        assert any(line.startswith(prefix) and what in line for line in lines), (prefix, what)


OWN = "models.judge.base_url=http://127.0.0.1:8000"


@pytest.mark.parametrize(
    ("overrides", "path", "message"),
    [
        (["temperature=0.2"], "temperature", "refuses sampling parameters, so 0.2 is not sent"),
        (["top_p=0.9"], "top_p", "it is declared and not sent"),
        (["top_k=40"], "top_k", "it is declared and not sent"),
        (["sampling=sent"], "sampling", "the vendor's API refuses sampling parameters"),
        (
            ["sampling=sent", "provider=anthropic-batch", f"base_url={OWN.partition('=')[2]}"],
            "sampling",
            "the batch API refuses sampling parameters",
        ),
    ],
)
def test_sampling_that_would_not_arrive_is_a_problem(
    project: Path, probec: Probec, overrides: list[str], path: str, message: str
) -> None:
    flags = ["provider=anthropic", "model=claude-haiku-4-5-20251001", *overrides]
    args = [each for flag in flags for each in ("--set", f"models.judge.{flag}")]

    assert probec("check", "specs/tiny.yaml", *args) == 2
    assert f"models.judge.{path}: " in probec.err
    assert message in probec.err


def test_declared_sampling_of_an_own_server_is_sent(project: Path) -> None:
    flags = ["temperature=0.2", "top_k=40", "sampling=sent"]
    found = load.read(project / "specs/tiny.yaml", [f"models.judge.{f}" for f in flags] + [OWN])
    assert found.spec is not None
    models = of_probes(found.spec).models
    assert models.judge.sampled() == {"temperature": 0.2, "top_k": 40}
    assert models.answerer.sampled() == {}


def test_a_spec_with_the_same_values_in_another_order_is_the_same(project: Path) -> None:
    text = (project / "specs/tiny.yaml").read_text(encoding="utf-8")
    head, _, rest = text.partition("extends: base.yaml\n")
    shuffled = project / "specs/shuffled.yaml"
    shuffled.write_text(f"{head}# a comment\n{rest}extends: base.yaml\n", encoding="utf-8")

    assert load.read(project / "specs/tiny.yaml").spec == load.read(shuffled).spec


def test_an_override_is_validated_like_the_file(project: Path) -> None:
    found = load.read(project / "specs/tiny.yaml", ["scoring.rollouts=0", "rounds[1].docs=9"])

    assert [str(problem) for problem in found.problems] == [
        "--set scoring.rollouts: scoring.rollouts: below 1 (got 0)"
    ]
    assert found.at("rounds", 1, "docs") == 9


@pytest.mark.parametrize(
    ("overrides", "where"),
    [
        (["scoring.bands.hard=0.9", "seed=3"], "base.yaml:66, --set scoring.bands.hard"),
        (["scoring.stop.after=9"], "--set scoring.stop.after"),
        (["scoring={bands: {hard: 0.9}}"], "--set scoring"),
        (["scopes.lens.slots=0", "scopes.word.slots=2"],
         "base.yaml:10, --set scopes.lens.slots, --set scopes.word.slots"),
    ],
)  # fmt: skip
def test_an_override_that_conflicts_with_the_file_is_named(
    overrides: list[str], where: str, project: Path
) -> None:
    (problem, *_) = load.read(project / "specs/tiny.yaml", overrides).problems

    assert problem.where.endswith(where)
    assert "seed" not in problem.where


@pytest.mark.parametrize("text", ["nothing", "=3", ""])
def test_an_override_without_a_value_is_a_usage_error(project: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is not path=value"):
        load.read(project / "specs/tiny.yaml", [text])


@pytest.mark.parametrize(
    "value",
    [
        "2020-13-45",
        "!!int abc",
        "&a [*a]",
        '"\\ud800"',
        "? [1] : 2",
        "{[1]: 2}",
        "[" * 3000,
        "\x07",
    ],
)
def test_an_invalid_yaml_value_is_a_problem_with_its_place(project: Path, value: str) -> None:
    found = load.read(project / "specs/tiny.yaml", [f"name={value}"])

    assert found.problems
    assert all(problem.where.startswith("--set name") for problem in found.problems)


def test_infinite_amounts_and_empty_paths_are_rejected(project: Path) -> None:
    found = load.read(project / "specs/tiny.yaml", ["budget.max_usd=.inf", "source.path=''"])

    assert {problem.path for problem in found.problems} == {"budget.max_usd", "source.path"}


def test_an_override_below_a_scalar_is_rejected(project: Path) -> None:
    found = load.read(project / "specs/tiny.yaml", ["name.inner=1", "rounds[7]=1"])

    assert [problem.path for problem in found.problems] == ["name.inner", "rounds[7]"]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("a: [1, 2", 1, "not valid YAML"),
        ("a: 1\nb:\n\t- x\n", 3, "not valid YAML"),
        ("- a list\n", 1, "a spec is a mapping"),
        ("", 1, "a spec is a mapping"),
    ],
)
def test_a_file_that_is_not_a_mapping_is_one_problem(
    tmp_path: Path, text: str, line: int, what: str
) -> None:
    with pytest.raises(SpecError) as caught:
        draft_of(text, tmp_path)

    (problem,) = caught.value.problems
    assert problem.where == f"{tmp_path}/spec.yaml:{line}"
    assert what in problem.message


def test_extends_has_one_level_and_names_a_file(tmp_path: Path) -> None:
    (tmp_path / "parent.yaml").write_text("extends: other.yaml\nname: x\n", encoding="utf-8")
    deep = draft_of("extends: parent.yaml\n", tmp_path)
    missing = draft_of("extends: nowhere.yaml\n", tmp_path)

    assert "one level only" in str(deep.problems[0])
    assert "no such file 'nowhere.yaml'" in str(missing.problems[0])


def test_a_spec_outside_a_project_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("name: x\n", encoding="utf-8")

    with pytest.raises(UsageError, match="holds prompts/"):
        load.read(tmp_path / "spec.yaml")
