"""A prompt renders to the same bytes each time, and every template that it needs can be loaded."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from compiler.errors import Problem, PromptError
from compiler.templating.prompts import Library, render

VALUES = {"question": "Who?", "reference": "He.", "answer": "She."}
BASE = "{{ question }} {{ reference }} {{ answer }}\n"


def library(folder: Path, user: str, **parts: str) -> Library:
    root = folder / "prompts"
    (root / "judge/base").mkdir(parents=True, exist_ok=True)
    (root / "judge/base/system.j2").write_text("Judge.\n", encoding="utf-8")
    (root / "judge/base/user.j2").write_text(user, encoding="utf-8")
    for name, text in parts.items():
        (root / f"{name}.j2").write_text(text, encoding="utf-8")
    return Library(root)


def problems(found: Library) -> list[Problem]:
    names = ("judge/base/system.j2", "judge/base/user.j2")
    return found.problems("judge", names, "specs/t.yaml:1", "models.judge.prompt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{{ ["a", "b"] | random }}', "filter 'random'"),
        ("{% filter random %}ab{% endfilter %}", "filter 'random'"),
        ('{{ ["ab", "cd"] | map("random") | join }}', "filter 'random'"),
        ("{% if (question | random) == 'W' %}x{% endif %}", "filter 'random'"),
        ("{{ lipsum() }}", "function 'lipsum'"),
        ("{% set text = lipsum %}{{ text(n=1) }}", "function 'lipsum'"),
        ("{% if question is sameas answer %}x{% endif %}", "test 'sameas'"),
        ('{{ [question] | select("sameas", answer) | list }}', "test 'sameas'"),
        ("{{ range }}", "'range' prints as the address"),
        ("{{ range | string | upper }}", "'range' prints as the address"),
        ('{{ ["a"] | map("upper") }}', "the result of 'map'"),
        ('{{ "x" ~ (["a"] | select) }}', "the result of 'select'"),
        ("{{ (question | list | batch(2)) | pprint }}", "the result of 'batch'"),
        ("{{ (question | slice(2)) if answer else 1 }}", "the result of 'slice'"),
    ],
)
def test_a_nondeterministic_feature_is_named_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    (problem,) = problems(library(tmp_path, f"{BASE}\n{text}\n"))

    assert problem.where == f"{tmp_path}/prompts/judge/base/user.j2:3"
    assert message in problem.message
    assert problem.hint


@pytest.mark.parametrize(
    "text",
    [
        '{% set turn = cycler("a", "b") %}{{ turn.next() }}{{ turn.next() }}',
        '{% set comma = joiner(", ") %}{{ comma() }}a{{ comma() }}b',
        "{% set count = namespace(n=1) %}{% set count.n = count.n + 1 %}{{ count.n }}",
        "{% set found = [] %}{% set _ = found.append(1) %}{{ found }}",
        '{{ {"b": 1, "a": 2} }}{{ dict(a=1) | tojson }}{{ {"a": 1} | xmlattr }}',
        "{% for n in range(3) %}{{ loop.index - 1 }}{% endfor %}{{ [3, 1] | sort | join }}",
        '{{ ["a"] | map("upper") | join }}{{ question | batch(2) | list }}',
        "{% macro lipsum() %}x{% endmacro %}{{ lipsum() }}",
        "{% raw %}{{ x | random }}{% endraw %} random, lipsum",
    ],
)
def test_deterministic_features_stay(tmp_path: Path, text: str) -> None:
    made = library(tmp_path, BASE + text)

    assert problems(made) == []
    template = made.template("judge/base/user.j2")
    assert render(template, VALUES) == render(template, VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "{{ question.upper }}",
        "{{ cycler('a') }}",
        "{% set r = range %}{{ r }}",
        "{% set r = range %}{{ r | string | upper | replace('<', '&lt;') }}",
        "{{ (question | list).append }}",
        '{{ "%s" | format(range) | e }}',
        "{{ [question] | reverse }}",
        '{{ {"a": 1, "b": 2, "c": 3}.keys() - ["a"] }}',
    ],
)
def test_an_object_without_a_text_is_an_error_when_it_is_rendered(
    tmp_path: Path, text: str
) -> None:
    template = library(tmp_path, text).template("judge/base/user.j2")

    with pytest.raises(PromptError, match=r"address of an object|no order"):
        render(template, VALUES)


def test_an_address_in_a_document_is_text(tmp_path: Path) -> None:
    address = "<Foo object at 0x7f12ab>"
    made = library(tmp_path, "{{ question | tagged }} {{ answer }} {{ reference }}")
    values = {"question": address, "answer": address, "reference": [address]}

    assert "&gt; <Foo object" in render(made.template("judge/base/user.j2"), values)


def test_the_state_of_an_imported_template_ends_with_the_rendering(tmp_path: Path) -> None:
    part = '{% set turn = cycler("a", "b") %}{% macro next() %}{{ turn.next() }}{% endmacro %}'
    text = '{% from "part.j2" import next %}{{ next() }}{{ next() }}{{ next() }}'
    template = library(tmp_path, text, part=part).template("judge/base/user.j2")

    assert [render(template, {}) for _ in range(2)] == ["aba", "aba"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("/etc/hostname", "lies outside prompts/"),
        ("../secret.j2", "lies outside prompts/"),
        ("judge/../../secret.j2", "lies outside prompts/"),
        ("gone.j2", "no such template"),
        ("judge", "is a directory"),
        ("linked.j2", "is a link to a file outside prompts/"),
        ("folder/part.j2", "is a link to a file outside prompts/"),
        ("judge\\\\\\\\base\\\\\\\\user.j2", "is named with a backslash"),
        ("", "names no template"),
        ("judge/base/user.j2", "includes itself"),
        ("circle.j2", "includes itself, through 'judge/base/user.j2'"),
        ("binary.j2", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("statement", ["{{% include '{}' %}}", "{{% import '{}' as part %}}"])
def test_an_include_that_cannot_be_loaded_is_found_by_the_check(
    tmp_path: Path, name: str, message: str, statement: str
) -> None:
    written = statement.format(name.replace("\\\\\\\\", "\\\\"))
    circle = "{% include 'judge/base/user.j2' %}"
    made = library(tmp_path, f"{BASE}{written}\n", circle=circle)
    (tmp_path / "folder").mkdir()
    for outside in ("secret.j2", "folder/part.j2"):
        (tmp_path / outside).write_text("secret", encoding="utf-8")
    os.symlink(tmp_path / "secret.j2", made.root / "linked.j2")
    os.symlink(tmp_path / "folder", made.root / "folder")
    (made.root / "binary.j2").write_bytes(b"\xff\xfe")

    (problem,) = problems(made)
    place = {"circle.j2": "circle.j2:1", "binary.j2": "binary.j2"}.get(name, "judge/base/user.j2:2")
    assert problem.where == f"{made.root}/{place}"
    assert message in problem.message


@pytest.mark.parametrize(
    "end",
    [
        "",
        "\n",
        "\n\n\n",
        "\n{# note #}",
        "\n{# note #}\n",
        "\n{# one #}\n  {#- two #}\n\n",
        "\n{# over\n two lines #}\n",
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        BASE.rstrip(),
        '{{ "{#" }} #} {{ question }}',
        "{% if answer %}\nyes\n{% endif %}",
        "{# first #}\n{{ answer }}",
    ],
)
def test_the_end_of_a_template_is_no_part_of_a_request(tmp_path: Path, text: str, end: str) -> None:
    plain = library(tmp_path, text).template("judge/base/user.j2")
    ended = library(tmp_path, text + end).template("judge/base/user.j2")

    assert render(ended, VALUES) == render(plain, VALUES)


@pytest.mark.parametrize(
    ("noted", "plain"),
    [
        ("a {# c #}\nb", "a\nb"),
        ("a {# c #} b", "a b"),
        ("a{# c #} b", "a b"),
        ("a {# c #}b", "a b"),
        ("a{# c #}b", "ab"),
        ("{# c #} a", "a"),
        ("  {# c #} a", "  a"),
        ("a\n  {# c\nd #}  \nb", "a\nb"),
        ("a\n\n{# c #}\n\nb", "a\n\n\nb"),
        ("a {# c #} {# d #}\nb", "a\nb"),
        ("{# c #}{# d #}\nb", "b"),
        ("{% if answer %}{# c #}\na\n{% endif %}{# d #}\nb", "{% if answer %}\na\n{% endif %}\nb"),
        ("{{ answer }} {# c #}\nb", "{{ answer }}\nb"),
        ("{# it's #}{{ '{# no #}' }}{# \"c #}", "{{ '{# no #}' }}"),
        ("{% raw %}{# no #}{% endraw %} {# c #}", "{% raw %}{# no #}{% endraw %}"),
    ],
)
def test_a_comment_is_no_part_of_a_request(tmp_path: Path, noted: str, plain: str) -> None:
    found = [
        render(library(tmp_path, text).template("judge/base/user.j2"), VALUES)
        for text in (noted, plain)
    ]

    assert found[0] == found[1]


def test_blank_lines_at_the_end_of_a_part_separate_it(tmp_path: Path) -> None:
    text = "{% include 'part.j2' %}\n{% include 'noted.j2' %}\nz"
    made = library(tmp_path, text, part="a\n\n", noted="b\n{# note #}\n")

    assert render(made.template("judge/base/user.j2"), VALUES) == "a\nbz"


def test_data_at_the_end_keeps_its_newlines(tmp_path: Path) -> None:
    template = library(tmp_path, "{{ answer }}\n").template("judge/base/user.j2")

    assert render(template, {"answer": "a\n\n"}) == "a\n\n"
