"""The parsers of the command line, made from the options that each command declares."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from compiler.commands import COMMANDS
from compiler.errors import UsageError, known, nearest
from compiler.version import __version__

_EPILOG = """exit codes: 0 done or verified, 1 failed, 2 bad spec or usage, 3 over budget, 4 the
provider refuses the account, 5 replies or documents are missing, 6 drifted, 7 damaged, 75 batches
are in flight, 130 interrupted

example: probec build specs/demo.yaml"""


def module(name: str) -> ModuleType:
    """Import the module of a command."""
    return import_module(f"compiler.commands.{name.replace('-', '_')}")


def every() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Yield the words and the parser of every command, and of every action of one."""
    for name in COMMANDS:
        own = module(name)
        for action in (None, *getattr(own, "ACTIONS", ())):
            parser = make(name, own, action)[1]
            assert parser is not None
            yield f"{name} {action}" if action is not None else name, parser


class Parser(argparse.ArgumentParser):
    """A parser that reports errors as UsageError, which --json shows as well."""

    def error(self, message: str) -> NoReturn:
        near = ""
        if option := re.match(r"unrecognized arguments: (--[a-z-]+)", message):
            near = nearest(option[1], self._option_string_actions)
        elif choice := re.search(r"invalid choice: '(.*)' \(choose from (.*)\)", message):
            near = nearest(choice[1], re.findall(r"[\w-]+", choice[2]))
        raise UsageError(message, hint=f"{near}see `{self.prog} --help`")


def action(arguments: list[str], module: ModuleType | None) -> str | None:
    """Return the action on the command line, for a command that has several.

    Raises:
        UsageError: it is missing or unknown.
    """
    actions = getattr(module, "ACTIONS", None)
    words = [each for each in arguments if not each.startswith("-")][1:]
    if actions is None or (not words and {"-h", "--help"} & set(arguments)):
        return None
    if not words or words[0] not in actions:
        given = f"{words[0]!r} is not one" if words else "none is given"
        hint = known(words[0] if words else "", actions)
        raise UsageError(f"an action is needed, and {given}", hint=hint)
    return words[0]


def make(
    chosen: str | None, module: ModuleType | None, action: str | None
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser | None]:
    """Make the parser of the program, and that of the chosen command or action, if any."""
    parser = Parser(
        prog="probec",
        description="A compiler for probe datasets: a YAML spec in, a reproducible dataset out.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"probec {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    found: argparse.ArgumentParser | None = None
    for name, summary in COMMANDS.items():
        # Only the module of the chosen command is imported. Without one, the parser lists them all.
        own = module if name == chosen else None
        if module is not None and own is None:
            continue
        epilog = f"example: {own.EXAMPLE}" if own is not None else None
        command = commands.add_parser(name, help=summary, description=summary, epilog=epilog)
        command.add_argument("--json", action="store_true", help="print JSON for machines")
        if own is not None:
            found = command if action is None else _of_action(own, name, action)
            _add_arguments(own, found, action)
    return parser, found


def _of_action(module: ModuleType, name: str, action: str) -> argparse.ArgumentParser:
    summary = module.ACTIONS[action]
    found = Parser(
        prog=f"probec {name} {action}",
        description=summary,
        epilog=f"example: {module.EXAMPLES[action]}",
    )
    found.add_argument("--json", action="store_true", help="print JSON for machines")
    return found


def _add_arguments(module: ModuleType, parser: argparse.ArgumentParser, action: str | None) -> None:
    if action is not None:
        module.add_arguments(parser, action)
    elif hasattr(module, "ACTIONS"):
        # For the help alone: without an action, nothing is parsed.
        width = max(map(len, module.ACTIONS))
        listed = (f"  {name.ljust(width)}  {text}" for name, text in module.ACTIONS.items())
        parser.usage = f"{parser.prog} ACTION ..."
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = "\n".join(["actions:", *listed, "", str(parser.epilog)])
    else:
        module.add_arguments(parser)
