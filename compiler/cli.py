"""The command line: argv -> one command. The only module that prints or exits."""

from __future__ import annotations

import argparse
import errno
import gc
import inspect
import io
import json
import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from compiler.commands import COMMANDS
from compiler.errors import ProbecError, SpecError, UsageError
from compiler.report.screen import Screen
from compiler.version import __version__

if TYPE_CHECKING:
    from compiler.llm.batches.journal import Shard
    from compiler.llm.purse import Purse

_SLOW = 30.0
# Imports and parsed specs are few cycles in many objects, so collections would find nothing.
_COLLECT_AFTER = (50_000, 20, 20)
_EMPTY = re.compile(r"--[a-z-]+=")
_EPILOG = """exit codes: 0 done or verified, 1 failed, 2 bad spec or usage, 3 over budget, 4 the
provider refuses the account, 5 replies or documents are missing, 6 drifted, 7 damaged, 75 batches
are in flight, 130 interrupted

example: probec build specs/demo.yaml"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in arguments
    if argv is None:
        gc.set_threshold(*_COLLECT_AFTER)
        _open_streams()
        # Characters that the terminal cannot encode are printed as escapes.
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments, own=argv is None)
    except ProbecError as error:
        return _failed(error, as_json)
    except KeyboardInterrupt:
        if argv is None:
            # A second Ctrl-C would only interrupt the shutdown.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(
            "\ninterrupted; finished steps and replies are kept, run the same command to resume",
            file=sys.stderr,
        )
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        return _failed(_refused(error), as_json)


def _open_streams() -> None:
    """Open the null device for standard streams that the parent process closed.

    Descriptors 0 to 2 are filled first: a database that got one of them would receive what a
    library writes to its standard error.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _run(arguments: list[str], *, own: bool) -> int:
    if any(each == "" or _EMPTY.fullmatch(each) for each in arguments):
        # Most likely an unset shell variable; as a path it would mean the working directory.
        raise UsageError("an argument is empty", hint="check for an unset shell variable")
    name = next((each for each in arguments if not each.startswith("-")), None)
    module: ModuleType | None = None
    if name is not None and name in COMMANDS:
        module = import_module(f"compiler.commands.{name.replace('-', '_')}")
    action = _action(arguments, module)
    parser, command = _parser(name if module is not None else None, module, action)
    if module is None or command is None:
        parser.parse_args([each for each in arguments if each != "--json"])
        raise AssertionError("argparse exits when there is no command")
    # The command's own parser, so that options may stand before its last arguments.
    for word in filter(None, (name, action)):
        arguments.remove(word)
    args = command.parse_intermixed_args(arguments)
    if action is not None:
        args.action = action
    # True if this process was started for this command line, and not by a program that calls main.
    args.own = own
    args.screen = _screen(plain=args.json)
    reporter = _Progress(quiet=args.json)
    wants_reporter = "reporter" in inspect.signature(module.run).parameters
    try:
        result = module.run(args, reporter) if wants_reporter else module.run(args)
    finally:
        reporter.clear()
    if args.json:
        print(json.dumps(result.data, indent=1, ensure_ascii=False))
    else:
        print(result.text)
    return int(result.code)


def _screen(*, plain: bool) -> Screen:
    """Describe standard output: its width, and if it shows colours."""
    terminal = not plain and sys.stdout.isatty()
    limited = terminal or os.environ.get("COLUMNS", "").isdecimal()
    return Screen(
        shutil.get_terminal_size().columns if limited and not plain else None,
        terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )


class _Parser(argparse.ArgumentParser):
    """A parser that reports errors as UsageError, which --json shows as well."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"see `{self.prog} --help`")


def _action(arguments: list[str], module: ModuleType | None) -> str | None:
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
        raise UsageError(f"an action is needed, and {given}", hint=f"have: {', '.join(actions)}")
    return words[0]


def _parser(
    chosen: str | None, module: ModuleType | None, action: str | None
) -> tuple[argparse.ArgumentParser, argparse.ArgumentParser | None]:
    parser = _Parser(
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
    found = _Parser(
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


def _refused(error: OSError) -> ProbecError:
    """Convert an OSError that no other module handled."""
    hints = {
        errno.EACCES: "check its permissions, and run the same command again",
        errno.EPERM: "check its permissions, and run the same command again",
        errno.ENOSPC: "free some space, and run the same command again",
    }
    return ProbecError(
        f"the operating system refused: {error.strerror or error}",
        where=str(error.filename) if error.filename is not None else None,
        hint=hints.get(error.errno or 0, "check the disk, and run the same command again"),
    )


def _failed(error: ProbecError, as_json: bool) -> int:
    if as_json:
        problems = error.problems if isinstance(error, SpecError) else ()
        data = {
            "error": error.message,
            "where": error.where,
            "hint": error.hint,
            "problems": [
                {"where": p.where, "path": p.path, "message": p.message, "hint": p.hint}
                for p in problems
            ],
        }
        print(json.dumps(data, indent=1, ensure_ascii=False))
    else:
        print(str(error) if isinstance(error, SpecError) else f"probec: {error}", file=sys.stderr)
    return error.exit_code


class _Progress:
    """Progress on stderr: one live line on a terminal, one line per stage elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._stage = ""
        self._stale = self._done = 0
        self._shown = 0.0
        self._open = False
        self._batches = ""

    def notice(self, text: str) -> None:
        """Print a line above the live line."""
        self.clear()
        if not self._quiet:
            print(text, file=sys.stderr)

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Begin to count the steps of a stage."""
        self._stage, self._stale, self._done = stage, stale, 0
        if stale and not self._live and not self._quiet:
            print(f"{stage}: {stale} of {steps} steps", file=sys.stderr)

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Count a finished step."""
        self._done += 1
        self._line(f"{stage}: {self._done}/{self._stale} steps", force=True)

    def calls(self, role: str, done: int, wanted: int) -> None:
        """Show how many calls of a role have replies."""
        text = f"{self._stage}: {done:,} of {wanted:,} {role} calls"
        if self._live:
            self._line(text, force=False)
        elif not self._quiet and time.monotonic() - self._shown > _SLOW:
            # Without a live line, a long stage prints its progress from time to time.
            if self._shown:
                print(text, file=sys.stderr)
            self._shown = time.monotonic()

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Show the open batches: a live line on a terminal, elsewhere a line when it changes."""
        if not shards or self._quiet:
            return
        states = Counter(shard.state.value for shard in shards)
        listed = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        requests = sum(shard.n for shard in shards)
        # The reasons for waiting: a server that is unreachable or busy.
        notes = "; ".join(sorted({shard.note for shard in shards if shard.note})[:3])
        text = (
            f"{self._stage}: {notes + '; ' if notes else ''}batches: {listed}; "
            f"{requests:,} requests; ${purse.spent:,.2f} spent, "
            f"${purse.in_flight:,.2f} in flight, ${purse.planned:,.2f} planned"
        )
        if self._live:
            ids = " ".join(f"{s.batch_id or s.id}:{s.state.value}" for s in shards[:2])
            wait = f"; about {left / 60:,.0f} min left" if left is not None else ""
            self._line(f"{text}{wait}; {ids}", force=True)
        elif text != self._batches:
            self._batches = text
            print(text, file=sys.stderr)

    def clear(self) -> None:
        """End the live line."""
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = False

    def _line(self, text: str, *, force: bool) -> None:
        now = time.monotonic()
        if self._quiet or not self._live or (not force and now - self._shown < 0.1):
            return
        self._shown, self._open = now, True
        # A line that wraps could not be cleared.
        text = text[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
