"""Reference pages generated from the code; `make golden` rewrites them, these tests compare."""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path
from types import UnionType
from typing import Annotated, Literal, Union, get_args, get_origin

import pytest
from pydantic.fields import FieldInfo

from compiler import cli
from compiler.checking.rollouts import RULES
from compiler.commands import COMMANDS, parsers
from compiler.dataset.columns import COLUMNS
from compiler.probes.checks import CHECKS
from compiler.probes.reasons import LOSSES, REASONS, SKIPS, STATUSES
from compiler.spec import base, filters, model, paid, rollouts, scoring

DOCS = Path(__file__).parent.parent / "docs"
NOTE = "<!-- made from the code by `make golden`; edit the code -->\n\n"


def rows(header: str, lines: list[str]) -> str:
    columns = header.count("|") - 1
    return "\n".join([header, "|" + "---|" * columns, *lines]) + "\n"


def columns_page() -> str:
    lines = [
        f"| `{c.name}` | {c.kind}{'*' if c.index else ''} | {'yes' if c.nullable else ''} | "
        f"{'' if c.published else 'ours'} | {c.meaning} |"
        for c in COLUMNS
    ]
    return (
        f"{NOTE}# Columns\n\nOne entry of `COLUMNS` in `compiler/dataset/columns.py` each. Types "
        "marked * are float64 under `publish.dtypes: published`.\n\n"
        + rows("| column | type | null | added | meaning |", lines)
    )


def checks_page() -> str:
    checks = [f"| `{c.id}` | {c.severity} | {c.scopes} | {c.meaning} |" for c in CHECKS.values()]
    measured = [
        f"| `{c.id}` | {c.false_alarms} | {c.found} |" for c in CHECKS.values() if c.false_alarms
    ]
    parts = [
        "# Checks and reasons\n\nEvery built row has passed every error; a warning stays in the "
        "`flags` column. A slot that became no probe is in `rejects.jsonl` with one of the reasons "
        "below, so that planned = built + rejected for every scope.\n",
        "## Checks\n\n" + rows("| id | severity | scopes | the rule |", checks),
        "## Measured rates\n\nCorrect rows written by hand, and the same rows with an answer about "
        "another passage or document, are counted by `tests/probes/test_passages.py`.\n\n"
        + rows("| id | correct rows that break it | rows with a wrong answer |", measured),
    ]
    for title, table in (
        ("Rules of rollouts", RULES),
        ("Reject reasons", REASONS),
        ("Source rows and siblings that are not used", SKIPS),
        ("Further rows and continuations that builds of rollouts do not use", LOSSES),
        ("Score status", STATUSES),
    ):
        lines = [f"| `{name}` | {meaning} |" for name, meaning in table.items()]
        parts.append(f"## {title}\n\n" + rows("| name | meaning |", lines))
    return NOTE + "\n".join(parts)


def commands_page() -> str:
    found = dict(parsers.every())
    shared = {_key(each): each for each in found["check"]._actions}
    every = {_key(each) for each in found["schema"]._actions} & shared.keys()
    parts = [
        "# Commands\n\nExit codes: 0 done (`reproduce`: verified, `verify`: intact), 1 failed, "
        "2 bad spec or usage, 3 over budget, 4 the provider refuses the account, 5 `reproduce`: "
        "replies or documents are missing, 6 `reproduce`: the round drifted, `verify`: it "
        "contradicts its lock, 7 stored data is damaged, 75 batches are in flight, 130 "
        "interrupted.\n\n"
        "Every command takes `--help` and `--json`. One that takes a SPEC takes all of these:\n\n"
        + rows("| option | meaning |", [_argument(e) for e in shared.values() if e.option_strings])
    ]
    for command, parser in found.items():
        name, _, action = command.partition(" ")
        module = parsers.module(name)
        if not action:
            parts.append(f"## `{name}`\n\n{COMMANDS[name][:1].upper()}{COMMANDS[name][1:]}.\n")
        if hasattr(module, "ACTIONS") and not action:
            continue
        if action:
            summary = module.ACTIONS[action]
            parts.append(f"### `{command}`\n\n{summary[:1].upper()}{summary[1:]}.\n")
        example = module.EXAMPLES[action] if action else module.EXAMPLE
        needed = [each for each in parser._actions if each.required or not each.option_strings]
        usage = " ".join(["probec", command, *map(_usage, needed)])
        parts.append(f"```\n{usage}\n{example}   # an example\n```\n")
        own = {_key(each): each for each in parser._actions}
        known = shared.keys() if shared.keys() <= own.keys() else every
        lines = [_argument(each) for key, each in own.items() if key not in known]
        if lines:
            parts.append(rows("| argument | meaning |", lines))
    return NOTE + "\n".join(parts)


def _key(action: argparse.Action) -> tuple[object, ...]:
    """Identify an argument that several commands share."""
    return (*action.option_strings, action.help)


def _usage(action: argparse.Action) -> str:
    if action.option_strings:
        return f"{action.option_strings[0]} {_value(action)}"
    shape = {"?": "[{}]", "*": "[{} ...]", "+": "{} [...]"}.get(str(action.nargs), "{}")
    return shape.format(_value(action))


def _value(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    return str(action.metavar or choices or action.dest.upper())


def _argument(action: argparse.Action) -> str:
    """Format an option, or another argument, as a row of a table."""
    name = _value(action)
    if action.option_strings:
        name = ", ".join(action.option_strings) + ("" if action.nargs == 0 else f" {name}")
    meaning = (action.help or "").replace("%%", "%")
    cells = (each.replace("|", "\\|") for each in (f"`{name}`", meaning))
    return f"| {' | '.join(cells)} |"


def spec_page() -> str:
    parts = [
        "# The spec\n\nA spec is YAML: `extends` names a parent beside it (one level; mappings "
        "merge, lists and values are replaced). Unknown and duplicate keys are errors. Paths are "
        "from the project root, the nearest directory above the spec that holds `prompts/`. "
        "`probec schema > specs/spec.schema.json` gives editors completion and these "
        "descriptions.\n\n"
        "YAML that means other values than it shows is refused, with the plain spelling: `010`, "
        "`1:30` and `1_000` as numbers, `yes` and `no` as booleans, dates without quotes, "
        "anchors, aliases, merge keys and tags. `--set` paths join keys by dots; a key that holds "
        "a dot is quoted: `--set 'prices.\"model-1.5\".input=3'`.\n"
    ]
    for klass in {
        **vars(model),
        **vars(filters),
        **vars(paid),
        **vars(scoring),
        **vars(rollouts),
    }.values():
        if inspect.isclass(klass) and issubclass(klass, base.Model) and klass is not base.Model:
            meanings = base.meanings(klass)
            lines = [
                f"| `{name}` | {_kind(field)} | {_default(field)} | {meanings[name]} |"
                for name, field in klass.model_fields.items()
            ]
            doc = (klass.__doc__ or "").strip()
            table = rows("| key | type | default | meaning |", lines)
            parts.append(f"## {klass.__name__}\n\n{doc}\n\n{table}")
    return NOTE + "\n".join(parts)


def _kind(field: FieldInfo) -> str:
    return _named(field.annotation).replace("|", "\\|")


def _named(kind: object) -> str:
    """Format a type as in source code, in the same way on every version of Python."""
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _named(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin in (Union, UnionType):
        return " | ".join(map(_named, args))
    name = "None" if kind in (None, type(None)) else getattr(origin or kind, "__name__", "...")
    return f"{name}[{', '.join(map(_named, args))}]" if args else name


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default()
    return "see there" if isinstance(value, base.Model) else f"`{value!r}`"


def test_the_shipped_schema_is_up_to_date(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["schema"]) == 0
    text = capsys.readouterr().out
    path = DOCS.parent / "specs/spec.schema.json"
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")

    assert path.read_text(encoding="utf-8") == text


def test_reference_pages_are_up_to_date(
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    pages = {
        "columns.md": columns_page(),
        "checks.md": checks_page(),
        "commands.md": commands_page(),
        "spec.md": spec_page(),
    }
    for name, text in pages.items():
        if request.config.getoption("--update-golden"):
            (DOCS / name).write_text(text, encoding="utf-8")

        assert (DOCS / name).read_text(encoding="utf-8") == text, f"run `make golden`: {name}"
