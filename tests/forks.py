"""Commands as forks of a process that holds their libraries.

Importing pydantic, numpy, pyarrow and the like takes most of the time of a command in a process of
its own. Each fork imports the compiler itself, from the path that it is given.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

# Everything that a build of a small project imports, and what these import at their first use.
_LIBRARIES = (
    *("gigatoken", "jinja2.meta", "jinja2.sandbox", "msgspec", "numpy", "pandas"),
    *("pyarrow.pandas_compat", "pyarrow.parquet", "pyarrow.vendored.version", "pydantic.fields"),
    *("pydantic.functional_validators", "pydantic.json_schema", "pydantic.main", "pydantic.types"),
    *("pydantic._internal._validators", "pydantic.plugin._loader", "regex", "sentencex"),
    *("tokenizers", "yaml", "zstandard", "argparse", "email.parser", "importlib.metadata"),
    *("importlib.resources", "multiprocessing.connection", "multiprocessing.resource_tracker"),
    "sqlite3",
)


class Done(NamedTuple):
    """The result of a command, and the modules that it imported beyond the libraries."""

    code: int
    out: str
    err: str
    modules: frozenset[str]


class Commands:
    """The process that commands are forked from, started with the first one."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None

    def run(
        self,
        *args: str,
        cwd: Path,
        path: Sequence[Path],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Done:
        """Run `python -m compiler` with arguments.

        `path`: directories of modules, as in PYTHONPATH; `environment`: changed variables.
        """
        if self._parent is None:
            self._parent = subprocess.Popen(
                [sys.executable, __file__],
                env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        # That of this moment: the parent has kept the one in which it was started.
        variables = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), **environment}
        with TemporaryDirectory() as folder:
            order = [folder, str(cwd), [*map(str, path)], variables, args]
            self._parent.stdin.write(json.dumps(order) + "\n")
            self._parent.stdin.flush()
            code = int(self._parent.stdout.readline())
            out, err, modules = (
                Path(folder, name).read_text(encoding="utf-8") for name in ("1", "2", "modules")
            )
        return Done(code, out, err, frozenset(modules.split()))

    def close(self) -> None:
        """End the process."""
        if self._parent is not None:
            self._parent.communicate()


def redirect(output: str, errors: str) -> None:
    """Give a forked process an empty input, and files for its output and its errors."""
    appended = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    ways = ((os.devnull, os.O_RDONLY), (output, os.O_WRONLY | os.O_CREAT), (errors, appended))
    for number, (name, how) in enumerate(ways):
        opened = os.open(name, how)
        os.dup2(opened, number)
        os.close(opened)


def _run(
    folder: str, cwd: str, path: list[str], environment: dict[str, str], args: list[str]
) -> None:
    """Run a command in the forked process, with the state that an interpreter begins with."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    redirect(f"{folder}/1", f"{folder}/2")
    sys.path[0:1] = [cwd, *path]
    sys.argv = ["compiler", *args]
    libraries, code = {*sys.modules}, 1
    try:
        runpy.run_module("compiler", run_name="__main__", alter_sys=True)
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        Path(folder, "modules").write_text(" ".join({*sys.modules} - libraries), encoding="utf-8")
        os._exit(code)


if __name__ == "__main__":
    for each in _LIBRARIES:
        importlib.import_module(each)
    # Collections in forks leave out the objects of the libraries, and copy none of their pages.
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(*json.loads(line))
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
