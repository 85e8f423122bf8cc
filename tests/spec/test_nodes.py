"""Spellings that YAML reads as another value are one clear error, or read as they look."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.errors import ProbecError
from compiler.spec import load
from compiler.spec.load import Draft
from tests.conftest import ROOT

TEXT = (
    (ROOT / "specs/demo.yaml")
    .read_text(encoding="utf-8")
    .replace("  model: gemma", "  revision: main\n  model: gemma")
    .replace("prompt: generator/base,", "prompt: generator/base, structured: false,")
)
BASE = (ROOT / "specs/base.yaml").read_text(encoding="utf-8")
PLACES = {
    "docs": ("[{docs: 24}, {docs: 24}]", "[{{docs: {}}}]", "rounds[0].docs"),
    "usd": ("max_usd: 0}", "max_usd: {}}}", "budget.max_usd"),
    "revision": ("revision: main", "revision: {}", "source.revision"),
    "structured": ("structured: false", "structured: {}", "models.generator.structured"),
    "extends": ("extends: base.yaml", "extends: {}", "extends"),
}


def folder_of(tmp_path: Path) -> Path:
    """Make a project whose specs lie in one folder."""
    (tmp_path / "prompts").mkdir(exist_ok=True)
    specs = tmp_path / "specs"
    specs.mkdir(exist_ok=True)
    (specs / "base.yaml").write_text(BASE, encoding="utf-8")
    return specs


def draft_of(tmp_path: Path, text: str | bytes, *overrides: str) -> Draft:
    path = folder_of(tmp_path) / "t.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return load.read(path, overrides)


def problems_of(tmp_path: Path, text: str | bytes, *overrides: str) -> list[str]:
    """Return the problems of a spec, or its error, without the folder of the test."""
    try:
        found = [str(problem) for problem in draft_of(tmp_path, text, *overrides).problems]
    except ProbecError as error:
        found = str(error).splitlines()
    return [each.replace(f"{tmp_path}/specs/", "") for each in found]


def written(key: str, value: str) -> tuple[str, int, str]:
    """Return the spec with a value, the value's line and its path."""
    old, new, path = PLACES[key]
    before, _, after = TEXT.partition(old)
    assert after
    return before + new.format(value) + after, before.count("\n") + 1, path


REFUSED = [
    # numbers
    ("docs", "010", "010 is octal in YAML and means 8: write 8 or 10"),
    ("docs", "0755", "0755 is octal in YAML and means 493: write 493 or 755"),
    ("docs", "-010", "-010 is octal in YAML and means -8: write -8 or -10"),
    ("docs", "007", "007 is octal in YAML and means 7: write 7"),
    ("docs", "0o17", "which is text: write 15"),
    ("docs", "08", "which is text: write 8"),
    ("docs", "0x1F", "0x1F is hexadecimal in YAML and means 31: write 31"),
    ("docs", "0b11", "0b11 is binary in YAML and means 3: write 3"),
    ("docs", "1:30", "1:30 is in base 60 in YAML and means 90: write 90"),
    ("docs", "1_000", "1_000 means 1000 in YAML: write 1000"),
    ("docs", "1__000", "1__000 means 1000 in YAML: write 1000"),
    ("docs", "1000_", "1000_ means 1000 in YAML: write 1000"),
    ("docs", "0_10", "0_10 is octal in YAML and means 8: write 8 or 10"),
    ("docs", "1e3", "which is text: write 1000"),
    ("docs", '"24"', "which is text: write 24"),
    ("docs", "24.0", "(got 24.0: write 24)"),
    ("docs", "24.5", "(got 24.5)"),
    ("docs", "9" * 5000, "is too large for a number"),
    ("usd", "1:30.5", "1:30.5 is in base 60 in YAML and means 90.5: write 90.5"),
    ("usd", "1_000.5", "1_000.5 means 1000.5 in YAML: write 1000.5"),
    ("usd", "1_.5", "1_.5 means 1.5 in YAML: write 1.5"),
    ("usd", "2e-3", "which is text: write 0.002"),
    ("usd", "1e999", "write a number that is finite"),
    ("usd", "1.0e+999", "1.0e+999 is too large for a number"),
    ("usd", ".inf", ".inf is not a finite number: write a number"),
    ("usd", "-.Inf", "-.Inf is not a finite number: write a number"),
    ("usd", ".nan", ".nan is not a finite number: write a number"),
    ("usd", "$5", "not a number (got '$5')"),
    # dates, and other text that YAML takes for something else
    ("revision", "2026-11-29", '2026-11-29 is a date in YAML: write "2026-11-29" for text'),
    ("revision", "2026-11-29T10:00:00Z", "is a date in YAML"),
    ("revision", "2026-11-29 10:00:00", "is a date in YAML"),
    ("revision", "2020-13-45", "is a date in YAML"),
    ("usd", "2026-11-29", "is a date in YAML"),
    ("revision", "0123456", "0123456 is octal in YAML"),
    ("revision", "1234567", "(got 1234567: quote it)"),
    ("revision", "1.10", "(got 1.1: quote it)"),
    ("revision", "=", '= is reserved in YAML: write "=" for text'),
    ("revision", "<<", '<< is reserved in YAML: write "<<" for text'),
    # booleans
    ("structured", "yes", 'yes is true in YAML: write true, or "yes" for text'),
    ("structured", "No", 'No is false in YAML: write false, or "No" for text'),
    ("structured", "on", 'on is true in YAML: write true, or "on" for text'),
    ("structured", "OFF", 'OFF is false in YAML: write false, or "OFF" for text'),
    ("revision", "no", 'no is false in YAML: write false, or "no" for text'),
    ("structured", "y", "(got 'y': write true or false)"),
    ("structured", "1", "(got 1: write true or false)"),
    ("structured", '"true"', "(got 'true': write true or false)"),
    # anchors and tags
    ("revision", "&a x", "YAML anchors are not supported"),
    ("docs", "&a 3", "YAML anchors are not supported"),
    ("docs", "!!int '010'", "010 is octal in YAML"),
    ("docs", "!!set {3}", "YAML tags are not supported"),
    ("docs", "!number 3", "YAML tags are not supported"),
    ("structured", "!!bool maybe", "maybe is neither true nor false"),
    ("revision", "!include x.yaml", "YAML tags are not supported"),
    ("revision", "!!binary aGk=", "YAML tags are not supported"),
    ("revision", "!!python/name:os.system x", "YAML tags are not supported"),
]


@pytest.mark.parametrize(("key", "value", "message"), REFUSED)
def test_a_surprising_value_is_one_problem_with_its_plain_spelling(
    tmp_path: Path, key: str, value: str, message: str
) -> None:
    text, line, path = written(key, value)

    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith(f"t.yaml:{line}: {path}: ")
    assert message in problem

    (problem,) = problems_of(tmp_path, TEXT, f"{path}={value}")
    assert problem.startswith(f"--set {path}: {path}: ")
    assert message in problem


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("docs", "+3", 3),
        ("docs", "10", 10),
        ("usd", ".5", 0.5),
        ("usd", "5.", 5.0),
        ("usd", "0.0", 0.0),
        ("usd", "2.5e+3", 2500.0),
        ("usd", "2.5e-3", 0.0025),
        ("usd", "010.5", 10.5),
        ("structured", "True", True),
        ("structured", "FALSE", False),
        ("revision", "~", None),
        ("docs", "!!int '3'", 3),
        ("revision", "!!str 010", "010"),
        ("structured", '!!bool "true"', True),
        ("revision", '"010"', "010"),
        ("revision", "'2026-11-29'", "2026-11-29"),
        ("revision", '"no"', "no"),
        ("revision", "12e4567", "12e4567"),
        ("revision", "y", "y"),
    ],
)
def test_a_plain_or_quoted_value_is_read_as_it_looks(
    tmp_path: Path, key: str, value: str, expected: object
) -> None:
    text, _, path = written(key, value)

    for draft in (draft_of(tmp_path, text), draft_of(tmp_path, TEXT, f"{path}={value}")):
        assert draft.problems == []
        parts = ("rounds", 0, "docs") if key == "docs" else tuple(path.split("."))
        assert (draft.at(*parts), type(draft.at(*parts))) == (expected, type(expected))


JUDGE = "  judge: {provider: extractive, model: extractive-4, prompt: judge/base, max_tokens: 16}"


@pytest.mark.parametrize(
    ("judge", "line", "message"),
    [
        ("{<<: {max_tokens: 16}, provider: extractive}", 0, "models.judge.<<: YAML merge keys"),
        ("{<<: [{max_tokens: 16}], provider: extractive}", 0, "models.judge.<<: YAML merge keys"),
        ("\n    <<: {max_tokens: 16}\n    provider: extractive", 1, "YAML merge keys"),
        ("\n    provider: extractive\n    <<:\n      max_tokens: 16", 2, "YAML merge keys"),
        ("{<<: {<<: {max_tokens: 16}}}", 0, "YAML merge keys"),
        ("&j {provider: extractive}", 0, "models.judge: YAML anchors"),
        ("&j [*j]", 0, "models.judge: YAML anchors"),
        ("!!omap [provider: extractive]", 0, "models.judge: YAML tags"),
        ("!judge {provider: extractive}", 0, "models.judge: YAML tags"),
        ("*gone", 0, "* starts an alias"),
    ],
)
def test_a_merge_key_anchor_or_tag_is_named(
    tmp_path: Path, judge: str, line: int, message: str
) -> None:
    before, _, after = TEXT.partition(JUDGE)

    (problem,) = problems_of(tmp_path, f"{before}  judge: {judge}{after}")
    assert problem.startswith(f"t.yaml:{before.count(chr(10)) + 1 + line}: ")
    assert message in problem


def test_an_alias_is_named_beside_its_anchor(tmp_path: Path) -> None:
    text = TEXT.replace(JUDGE, "  judge: *j").replace("answerer: {", "answerer: &j {")

    anchor, alias = problems_of(tmp_path, text)
    assert "models.answerer: YAML anchors are not supported" in anchor
    assert "models.judge: YAML aliases are not supported" in alias


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a: 1\nb:\n\t- x\n", 3, "not valid YAML: a tab (indent with spaces)"),
        ("\ta: 1\n", 1, "a tab"),
        ("a:\n\tb: 1\n", 2, "a tab"),
        ("a: [\n\t\t1\n", 2, None),
        ("", 1, "a spec is a mapping, but the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        ("---\n", 1, "the file is empty"),
        ("~\n", 1, "the file is empty"),
        ("\ufeff", 1, "the file is empty"),
        ("- a\n", 1, "a spec is a mapping, but this is a list"),
        ("[a, b]\n", 1, "a list"),
        ("hello\n", 1, "a list or one value"),
        ("5\n", 1, "a list or one value"),
        ('"name: x"\n', 1, "a list or one value"),
        (f"---\n{TEXT}---\nname: x\n", TEXT.count("\n") + 2, "two documents in one file"),
        ("a: 1\n---\nb: 2\n", 2, "two documents"),
        ("---\n---\n", 2, "two documents"),
        ("a: 1\n...\n---\nb: 1\n", 3, "two documents"),
        ("--- a\n--- b\n", 2, "two documents"),
        ("a: b: c\n", 1, "quote text that holds a colon"),
        ("a: 1\nb: 'x\nc: 2\n", 2, "a quote that is not closed"),
        ("a: 1\nb: \x07\n", 2, "the character U+0007"),
        ("a: @x\n", 1, "a value cannot start with @"),
        ("a: %x\n", 1, "a value cannot start with %"),
        ('a: "\\q"\n', 1, "use single quotes"),
        ("a: !x!y 1\n", 1, "a tag"),
    ],
)
def test_a_text_without_a_mapping_is_one_problem(
    tmp_path: Path, text: str, line: int, message: str | None
) -> None:
    (problem,) = problems_of(tmp_path, text)

    assert problem.startswith(f"t.yaml:{line}: ") or message is None
    assert (message or "not valid YAML") in problem


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("name: again", "name: duplicate key (it is also on line 5)"),
        ("seed: 1\nseed: 1", "seed: duplicate key"),
        ("budget: {}", "budget: duplicate key"),
        ("splits: {margin_chars: 1}", "splits: duplicate key"),
        ('"name": again', "name: duplicate key"),
        ("on: 1", "on is true in YAML"),
        ("true: 1", "true: a key is text or a whole number"),
        ("~: 1", "a key is text or a whole number"),
        ("? [a]\n: 1", "a key is text or a whole number (quote text that holds brackets"),
        ("2026-11-29: 1", "is a date in YAML"),
        ("prices: {1.5: {input: 1, output: 1}}", 'prices."1.5": a key is text'),
        ("prices: {010: {input: 1, output: 1}}", "010 is octal in YAML"),
        ("prices: {4: {input: 1, output: 1}}", "prices[4]: not text"),
        ("&a extra: 1", "YAML anchors"),
        ("!key extra: 1", "YAML tags"),
    ],
)
def test_a_key_is_text_or_a_whole_number_and_unique(
    tmp_path: Path, entry: str, message: str
) -> None:
    (problem,) = problems_of(tmp_path, f"{TEXT}{entry}\n")

    assert problem.startswith("t.yaml:")
    assert message in problem


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode(),
        f"---\n{TEXT}...\n".encode(),
        f"%YAML 1.1\n---\n{TEXT}".encode(),
    ],
)
def test_a_byte_order_mark_and_line_ends_are_read(tmp_path: Path, text: bytes) -> None:
    draft = draft_of(tmp_path, text)

    assert draft.problems == []
    assert draft.spec == draft_of(tmp_path, TEXT).spec


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_another_encoding_is_one_problem(tmp_path: Path, encoding: str) -> None:
    (problem,) = problems_of(tmp_path, TEXT.replace("name: demo", "name: dém").encode(encoding))

    assert "t.yaml" in problem


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("~", "null names no file"),
        ('""', "'' names no file"),
        ("[base.yaml]", "['base.yaml'] names no file"),
        ("5", "5 names no file"),
        ("no", "no is false in YAML"),
        ("gone.yaml", "no such file 'gone.yaml'"),
        ('"base.yaml "', "no such file 'base.yaml '"),
        ("x" * 300, "no such file 'xxx"),
        ('"\\0"', "no such file"),
        ("t.yaml", "a spec cannot extend itself"),
        ("../specs/t.yaml", "a spec cannot extend itself"),
        (".", "'.' is a directory"),
        ("../specs", "'../specs' is a directory"),
        ("mid.yaml", "mid.yaml:1: extends: one level only"),
        ("empty.yaml", "empty.yaml:1: a spec is a mapping, but the file is empty"),
        ("list.yaml", "list.yaml:1: a spec is a mapping, but this is a list"),
        ("broken.yaml", "broken.yaml:2: not valid YAML"),
        ("latin.yaml", "latin.yaml: not UTF-8 at byte 3"),
    ],
)
def test_a_bad_base_is_one_problem(tmp_path: Path, value: str, message: str) -> None:
    for name, content in {
        "mid": b"extends: base.yaml\n",
        "empty": b"",
        "list": b"- a\n",
        "broken": b"a: [\n",
        "latin": b"a: \xff\n",
    }.items():
        (folder_of(tmp_path) / f"{name}.yaml").write_bytes(content)

    (problem,) = problems_of(tmp_path, written("extends", value)[0])
    assert message in problem


def test_a_linked_spec_whose_base_lies_elsewhere_is_one_problem(tmp_path: Path) -> None:
    draft_of(tmp_path, TEXT)
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere/t.yaml"
    link.symlink_to(tmp_path / "specs/t.yaml")

    (problem,) = load.read(link).problems
    assert problem.where == f"{link}:4"
    assert f"which is a link to {tmp_path}/specs/t.yaml" in problem.hint


@pytest.mark.parametrize(
    ("override", "path", "expected"),
    [
        ('prices."model-1.5".input=3', ("prices", "model-1.5", "input"), 3),
        ('prices."model-1.5"={input: 3, output: 4}', ("prices", "model-1.5", "output"), 4),
        ('prices."new-2.5"={input: 3, output: 4}', ("prices", "new-2.5", "input"), 3),
        ('prices."a=[b]"={input: 3, output: 4}', ("prices", "a=[b]", "input"), 3),
        ('"prices"."model-1.5"."input"=3', ("prices", "model-1.5", "input"), 3),
        (' prices."model-1.5".input =3', ("prices", "model-1.5", "input"), 3),
        ('calibration.levels.-3={text: "a=b"}', ("calibration", "levels", -3, "text"), "a=b"),
    ],
)
def test_a_quoted_key_of_an_override_may_hold_a_dot(
    tmp_path: Path, override: str, path: tuple[str | int, ...], expected: object
) -> None:
    draft = draft_of(tmp_path, f"{TEXT}prices: {{model-1.5: {{input: 1, output: 2}}}}\n", override)

    assert draft.problems == []
    assert draft.at(*path) == expected


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("prices.model-1.5.input=3", "no key 'model-1' here (write prices.\"model-1.5\".input)"),
        ("prices.model-1.5={input: 3}", 'write prices."model-1.5")'),
        ("prices.new-2.5.input=3", 'a key that holds a dot is quoted: prices."model-1.5".input'),
        ("models.judge.modl=x", 'a key that holds a dot is quoted: prices."model-1.5".input'),
        ("nothing.here=x", 'a key that holds a dot is quoted: prices."model-1.5".input'),
        ("a..b=1", "is not a path"),
        ('prices."x=1', "is not a path"),
        ('prices."".input=1', "is not a path"),
    ],
)
def test_an_override_of_an_unknown_path_shows_the_quoting(
    tmp_path: Path, override: str, message: str
) -> None:
    text = f"{TEXT}prices: {{model-1.5: {{input: 1, output: 2}}}}\n"

    (problem,) = problems_of(tmp_path, text, override)
    assert message in problem
