"""Description of the machine, and resources of a process, for the head of every result."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parent.parent
_KINDS = {"family": "cpu family", "model": "model"}
# Seconds for which memory is sampled at short intervals.
_OFTEN = 30
# Samples of memory per sample of the machine's speed.
_PULSE = 5


def described() -> str:
    """Describe processor, cores, memory, Python and load in one line."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{_processor()}, {_cores()} cores, "
        f"{pages / 2**30:.0f} GiB, Python {platform.python_version()}, "
        f"load {os.getloadavg()[0]:.1f} at the start"
    )


def _processor() -> str:
    """Return its name with family and model, because several processors may share a name."""
    info = {}
    for line in reversed(_lines(Path("/proc/cpuinfo"))):
        key, _, value = line.partition(":")
        info[key.strip()] = value.strip()
    if "model name" not in info:
        return platform.machine()
    kind = ", ".join(f"{key} {info[f]}" for key, f in _KINDS.items() if f in info)
    return f"{info['model name']} ({kind})" if kind else info["model name"]


def _cores() -> str:
    """Return the number of cores, and of those that this process may use if there are fewer."""
    there = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else there
    return f"{there}" if allowed == there else f"{allowed} of {there}"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@dataclass(frozen=True)
class Run:
    """A finished process with its children: wall-clock seconds, process time, peak memory.

    `peak`: bytes, the largest sum over the process and its children at one time, with shared pages
    counted once (PSS); 0 where the system does not report it. `slowness`: process time of a fixed
    piece of work during the run, median over minimum. It is above 1 on a machine that is shared
    with others.
    """

    out: str
    wall: float
    cpu: float
    peak: int
    slowness: float


def probec(*arguments: str, cwd: Path = ROOT) -> Run:
    """Run the command line in a process of its own.

    Raises:
        SystemExit: if the command fails.
    """
    return run([sys.executable, "-m", "compiler", *arguments], cwd)


def run(command: Sequence[str], cwd: Path) -> Run:
    """Run a command and measure it with its children."""
    before, started = os.times(), time.monotonic()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    watch = _Watch(process.pid)
    watch.start()
    out, err = process.communicate()
    watch.done.set()
    watch.join()
    wall, after = time.monotonic() - started, os.times()
    if process.returncode != 0:
        raise SystemExit(out + err)
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Run(out, wall, cpu, watch.peak, watch.slowness())


class _Watch(threading.Thread):
    """A sampler of the memory of a process and its descendants: five times a second, later once.

    Each sample makes the kernel walk their pages, which would be too costly at short intervals in a
    long run. At some samples it also times a fixed piece of work, to measure the machine's speed.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self.done = threading.Event()
        self.peak = 0
        self._times: list[float] = []

    def run(self) -> None:
        begun = time.monotonic()
        for look in count():
            if self.done.wait(0.2 if time.monotonic() - begun < _OFTEN else 1.0):
                return
            self.peak = max(self.peak, sum(map(_pss, _family(self._pid))))
            if look % _PULSE == 0:
                self._times.append(_work())

    def slowness(self) -> float:
        """Return the median of the work's times over their minimum; 1 if nothing was timed."""
        return statistics.median(self._times) / min(self._times) if self._times else 1.0


def _work() -> float:
    """Return the process time of a few milliseconds of Python work like that of stages."""
    started = time.thread_time()
    words = [str(number) for number in range(6000)]
    known = dict(zip(words, range(len(words)), strict=True))
    sum(map(known.__getitem__, " ".join(words).split()))
    return time.thread_time() - started


def _family(pid: int) -> list[int]:
    waiting = [pid]
    found = []
    while waiting:
        each = waiting.pop()
        found.append(each)
        try:
            for task in Path(f"/proc/{each}/task").iterdir():
                waiting += map(int, (task / "children").read_text().split())
        except OSError:
            continue  # the process has ended
    return found


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0  # the process has ended, or the system has no such file
    return next((int(line.split()[1]) << 10 for line in text.splitlines() if line[:4] == "Pss:"), 0)
