"""The command line: argv -> one command. The only module that prints or exits."""

from __future__ import annotations

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
from types import ModuleType
from typing import TYPE_CHECKING

from compiler.commands import COMMANDS, parsers
from compiler.errors import ProbecError, SpecError, UsageError, nearest
from compiler.report.screen import Screen

if TYPE_CHECKING:
    from compiler.llm.batches.journal import Shard
    from compiler.llm.purse import Purse

_SLOW = 30.0
# Imports and parsed specs are few cycles in many objects, so collections would find nothing.
_COLLECT_AFTER = (100_000, 20, 20)
_EMPTY = re.compile(r"--[a-z-]+=")


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
        module = parsers.module(name)
    elif name is not None and not {"-h", "--help", "--version"} & set(arguments):
        hint = f"{nearest(name, COMMANDS)}see `probec --help`"
        raise UsageError(f"unknown command {name!r}", hint=hint)
    action = parsers.action(arguments, module)
    parser, command = parsers.make(name if module is not None else None, module, action)
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
    reporter = _Progress(quiet=args.json, money=getattr(module, "MONEY", ""))
    asks = not args.json and sys.stdin.isatty() and sys.stderr.isatty()
    offered = {"reporter": reporter, "ask": _ask if asks else None}
    taken = offered.keys() & inspect.signature(module.run).parameters
    try:
        result = module.run(args, **{name: offered[name] for name in taken})
    finally:
        reporter.clear()
    if args.json:
        print(json.dumps(result.data, indent=1, ensure_ascii=False))
    else:
        print(result.text)
    if own:
        # The last collection of the process would take a tenth of the CPU time and find no file
        # that is not closed without it.
        gc.freeze()
    return int(result.code)


def _screen(*, plain: bool) -> Screen:
    """Describe standard output: its width, and if it shows colours."""
    terminal = not plain and sys.stdout.isatty()
    limited = terminal or os.environ.get("COLUMNS", "").isdecimal()
    return Screen(
        shutil.get_terminal_size().columns if limited and not plain else None,
        terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )


def _ask(question: str) -> str:
    """Put a question to the person at the terminal; return the answer, "" for none."""
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


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
    """Progress on stderr: a live line and a line per finished stage on a terminal.

    Elsewhere, a line when a stage begins, and from time to time while it takes long. `money`: what
    is added to lines with amounts, such as `simulated`.
    """

    def __init__(self, *, quiet: bool, money: str = "") -> None:
        self._quiet = quiet
        self._money = f" ({money})" if money else ""
        self._live = sys.stderr.isatty()
        self._names: list[str] = []
        self._stage = self._calls = self._batches = ""
        self._stale = self._done = 0
        # When the stage began, and the number of replies when its first one came.
        self._began = 0.0
        self._first: tuple[float, int] | None = None
        self._shown = 0.0
        self._open = False

    def notice(self, text: str) -> None:
        """Print a line above the live line."""
        self.clear()
        if not self._quiet:
            print(text + (self._money if "$" in text else ""), file=sys.stderr)

    def stages(self, names: Sequence[str]) -> None:
        """Begin an execution of these stages; without any, end it."""
        self._finish()
        self._names = [*names]

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Begin to count the steps of a stage."""
        # The levels of a sweep go through a stage together.
        if _plain(stage) != _plain(self._stage):
            self._finish()
            self._stale = 0
            self._began, self._first, self._calls = time.monotonic(), None, ""
        self._stage = stage
        self._stale += stale
        if stale and not self._live and not self._quiet:
            print(f"{self._place()}: {stale} of {steps} steps", file=sys.stderr)

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Count a finished step."""
        self._stage = stage
        self._done += 1
        left = (self._stale - self._done) * (time.monotonic() - self._began) / self._done
        index = part.partition(".")[0]
        where = f", round {index}" if index.isdecimal() else ""
        text = f"{self._place()}: {self._done} of {self._stale} steps{where}{_left(left)}"
        self._line(text, force=True)

    def calls(self, role: str, done: int, wanted: int, round_index: int) -> None:
        """Show how many calls of a role have replies, at which rate, and the time left."""
        now = time.monotonic()
        if self._first is None or done < self._first[1]:
            self._first = now, done
        rate = (done - self._first[1]) / max(now - self._first[0], 0.001)
        pace = f", {rate:,.1f}/s{_left((wanted - done) / rate)}" if rate else ""
        self._calls = f"{wanted:,} {role} calls, "
        self._stage = _plain(self._stage)
        text = f"{self._place()}: {done:,} of {wanted:,} {role} calls, round {round_index}{pace}"
        if self._live:
            self._line(text, force=False)
        elif not self._quiet and now - self._shown > _SLOW:
            # Without a live line, a long stage prints its progress from time to time.
            if self._shown:
                print(text, file=sys.stderr)
            self._shown = now

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
            f"{self._place()}: {notes + '; ' if notes else ''}batches: {listed}; "
            f"{requests:,} requests; ${purse.spent:,.2f} spent, "
            f"${purse.in_flight:,.2f} in flight, ${purse.planned:,.2f} planned{self._money}"
        )
        if self._live:
            ids = " ".join(f"{s.batch_id or s.id}:{s.state.value}" for s in shards[:2])
            self._line(f"{text}{_left(left)}; {ids}", force=True)
        elif text != self._batches:
            self._batches = text
            print(text, file=sys.stderr)

    def clear(self) -> None:
        """End the live line."""
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = False

    def _place(self) -> str:
        """Name the stage, with its number among all."""
        name = _plain(self._stage)
        if name not in self._names:
            return self._stage
        return f"[{self._names.index(name) + 1}/{len(self._names)}] {self._stage}"

    def _finish(self) -> None:
        """Leave a line of the stage on a terminal, if a step of it ran."""
        self.clear()
        if self._done and self._live and not self._quiet:
            self._stage = _plain(self._stage)
            seconds = time.monotonic() - self._began
            steps = f"{self._done} step{'s' if self._done > 1 else ''}"
            print(f"{self._place()}: {self._calls}{steps} in {_time(seconds)}", file=sys.stderr)
        self._done, self._stage = 0, ""

    def _line(self, text: str, *, force: bool) -> None:
        now = time.monotonic()
        if self._quiet or not self._live or (not force and now - self._shown < 0.1):
            return
        self._shown, self._open = now, True
        # A line that wraps could not be cleared.
        text = text[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _plain(stage: str) -> str:
    """Return the name of a stage without the level of a sweep."""
    return stage.partition(",")[0]


def _left(seconds: float | None) -> str:
    return f", about {_time(seconds)} left" if seconds else ""


def _time(seconds: float) -> str:
    """Format a duration with one unit."""
    if seconds < 90:
        return f"{seconds:,.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    return f"{seconds / 60:,.0f} min" if seconds < 5400 else f"{seconds / 3600:,.1f} h"
