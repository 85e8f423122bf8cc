"""Receipts of no-op builds: quick, equal in output to a full run, and invalid after any change."""

from __future__ import annotations

import argparse
import fcntl
import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from compiler.building import build as builds
from compiler.building import receipt
from compiler.building.jobs import Workers
from compiler.building.locking import lock_rounds
from compiler.building.receipt import Request
from compiler.commands import arguments
from compiler.commands import build as build_command
from compiler.engine import stamps
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.states import State
from compiler.probes import tokens
from compiler.project import opening
from compiler.project.reporter import Silent
from compiler.rounds.locks import Lock
from tests.conftest import ROOT, Probec, make_project
from tests.forks import Commands

# All tests use one project, because making it takes seconds.
pytestmark = pytest.mark.xdist_group("receipts")

SPEC = "specs/tiny.yaml"
HEAVY = {"pydantic", "jinja2", "yaml", "msgspec", "numpy", "pyarrow", "sqlite3", "zstandard"}
# Longer than the margin between a change of an input, or of the code, and a build.
REST, CODE_REST = 0.1, 2.2


@dataclass(frozen=True)
class Run:
    """A process: its output, and the modules that it loaded."""

    code: int
    out: str
    err: str
    modules: frozenset[str]

    @property
    def hit(self) -> bool:
        """Return True if the result came from a receipt."""
        return "compiler.building.build" not in self.modules

    @property
    def up_to_date(self) -> bool:
        return self.out.startswith("everything is up to date")


@dataclass
class Place:
    """A project, with directories for a copy of the compiler and for packages beside it."""

    root: Path
    code: Path
    packages: Path


@dataclass
class Desk(Place):
    """A project whose builds run in separate processes."""

    commands: Commands

    def run(
        self,
        *args: str,
        environment: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Run:
        """Run `probec build` in a fork, and list the modules that it loaded beyond libraries."""
        words = ("build", SPEC if cwd is None else str(self.root / SPEC), *args)
        path, changed = (self.code, self.packages), environment or {}
        return Run(*self.commands.run(*words, cwd=cwd or self.root, path=path, environment=changed))

    def start(self, *flags: str, environment: Mapping[str, str] | None = None) -> Run:
        """Run `probec build` in an interpreter of its own, and list all modules that it loaded."""
        done = subprocess.run(
            [sys.executable, *flags, "-X", "importtime", "-m", "compiler", "build", SPEC],
            cwd=self.root,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(map(str, (self.code, self.packages))),
                **(environment or {}),
            },
            capture_output=True,
            text=True,
        )
        lines = done.stderr.splitlines(keepends=True)
        loaded = [line for line in lines if line.startswith("import time:")]
        said = [line for line in lines if not line.startswith("import time:")]
        names = frozenset(line.rpartition("|")[2].strip() for line in loaded)
        return Run(done.returncode, done.stdout, "".join(said), names)

    def settle(self) -> None:
        """Build until the result comes from a receipt."""
        for _ in range(3):
            time.sleep(REST)
            if self.run().hit:
                return
        raise AssertionError("no receipt answers")

    def content(self) -> receipt._Content:
        """Return the content of the only receipt."""
        (path,) = receipt.everywhere(self.root / "build")
        found = receipt._read(path)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, commands: Commands) -> Desk:
    """Provide one project for all changes that leave it nearly unchanged."""
    place = tmp_path_factory.mktemp("receipts")
    shutil.copytree(
        ROOT / "compiler", place / "code/compiler", ignore=shutil.ignore_patterns("__pycache__")
    )
    (place / "site-packages").mkdir()
    root, code, packages = place / "project", place / "code", place / "site-packages"
    desk = Desk(make_project(root), code, packages, commands)
    time.sleep(CODE_REST)
    first = desk.run()
    assert first.code == 0, first.err
    assert not first.hit
    return desk


@pytest.fixture
def desk(shared: Desk) -> Desk:
    shared.settle()
    return shared


def test_the_second_build_uses_a_receipt_and_loads_no_heavy_module(desk: Desk) -> None:
    run = desk.start()

    assert (run.code, run.err) == (0, "")
    assert run.up_to_date
    assert not HEAVY & {name.partition(".")[0] for name in run.modules}
    own = {name for name in run.modules if name.partition(".")[0] == "compiler"}
    assert own <= receipt._LIGHT


def without_seconds(text: str) -> str:
    data = json.loads(text)
    assert {*data.pop("seconds").values()} != {None}
    return json.dumps(data)


@pytest.mark.parametrize(
    "args",
    [
        (),
        ("--provider", "extractive", "--set", "budget.max_usd=5"),
        ("--source", "specs/data/tiny.jsonl", "--build-dir", "elsewhere"),
        # A build with a failed check: exit code 1, each time.
        ("--set", "scoring.anchors={share: 1.0, min_gap: 1.0}", "--build-dir", "failed"),
    ],
    ids=lambda args: " ".join(args)[:30],
)
def test_a_receipt_gives_the_output_of_a_full_run(desk: Desk, args: tuple[str, ...]) -> None:
    desk.run(*args)
    folders = [desk.root / name / "receipts" for name in ("build", "elsewhere", "failed")]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    plain, told = desk.run(*args), desk.run(*args)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    data, told_data = desk.run(*args, "--json"), desk.run(*args, "--json")

    assert [run.hit for run in (plain, told, data, told_data)] == [False, True] * 2
    assert plain.up_to_date
    assert (plain.code, plain.out, plain.err) == (told.code, told.out, told.err)
    assert ("rehearsal on" in told.err) == ("--source" in args)
    assert (told.code == 1) == ("failed" in args)
    assert (data.code, data.err) == (told_data.code, told_data.err)
    # Indentation and order are the same too, but no step took any time.
    assert [*json.loads(data.out)] == [*json.loads(told_data.out)]
    assert without_seconds(data.out) == without_seconds(told_data.out)
    assert {*json.loads(told_data.out)["seconds"].values()} == {0.0}


def test_the_receipt_of_a_first_build_gives_the_output_of_a_no_op_build(desk: Desk) -> None:
    """Compare the output before and after the receipt of the first build is deleted."""
    built = desk.run("--build-dir", "promised")
    told = desk.run("--build-dir", "promised")
    shutil.rmtree(desk.root / "promised/receipts")
    plain = desk.run("--build-dir", "promised")

    assert built.out.startswith("built: ")
    assert "(locked now)" in built.out
    assert (told.hit, plain.hit) == (True, False)
    assert told.out == plain.out


def first(desk: Place, pattern: str) -> Path:
    return next(path for path in sorted(desk.root.glob(pattern)) if path.is_file())


def shortened(desk: Place, size: int) -> None:
    """Cut the receipts of all command lines, because their order depends on the project's path."""
    for path in receipt.everywhere(desk.root / "build"):
        os.truncate(path, size)


def padded(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


def written(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("x", encoding="utf-8")


def commented(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"# nothing\n")


def quietly(path: Path, old: bytes, new: bytes) -> None:
    """Replace bytes in place by as many others and restore the modification time."""
    was, data = path.stat(), path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    with path.open("r+b") as out:
        out.write(data.replace(old, new, 1))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


def again(path: Path) -> None:
    """Replace the file by a copy with the same bytes, as `git checkout` does."""
    other = path.with_name(f"{path.name}.new")
    shutil.copy2(path, other)
    other.replace(path)


# Changes that leave the build up to date, or that cost little to undo.
CHANGES: dict[str, Callable[[Place], object]] = {
    "the spec, touched": lambda d: (d.root / SPEC).touch(),
    "the spec, edited": lambda d: commented(d.root / SPEC),
    "the spec, edited quietly": lambda d: quietly(d.root / SPEC, b"# ", b"#!"),
    "the base spec": lambda d: commented(d.root / "specs/base.yaml"),
    "a prompt, touched": lambda d: (d.root / "prompts/judge/base/user.j2").touch(),
    "a prompt, checked out again": lambda d: again(d.root / "prompts/judge/base/user.j2"),
    "an unused prompt": lambda d: (d.root / "prompts/judge/none.j2").write_text("x"),
    "a template": lambda d: (d.root / "templates/card.md.j2").touch(),
    "the source, touched": lambda d: (d.root / "specs/data/tiny.jsonl").touch(),
    "the tokenizer": lambda d: (d.root / "specs/data/bpe-8k.json.gz").touch(),
    "an object, gone": lambda d: first(d, "build/objects/*/*").unlink(),
    "an object, cut short": lambda d: os.truncate(first(d, "build/objects/*/*"), 3),
    "an object, padded": lambda d: padded(first(d, "build/objects/*/*.parquet")),
    "a manifest, gone": lambda d: first(d, "build/steps/*/*").unlink(),
    "a manifest, padded": lambda d: padded(first(d, "build/steps/*/*")),
    "a head, gone": lambda d: first(d, "build/heads/tiny/judge/*").unlink(),
    "all heads, gone": lambda d: shutil.rmtree(d.root / "build/heads"),
    "an installed round, gone": lambda d: first(d, "build/datasets/tiny/data/*").unlink(),
    "an installed text, padded": lambda d: padded(d.root / "build/datasets/tiny/stats.json"),
    "the record of the installation, gone": lambda d: (
        d.root / "build/datasets/tiny/.installed.json"
    ).unlink(),
    "all of build/": lambda d: shutil.rmtree(d.root / "build"),
    "a lock, gone": lambda d: first(d, "build/rounds/tiny/*.json").unlink(),
    "a lock, touched": lambda d: first(d, "build/rounds/tiny/*.json").touch(),
    "files of rounds, gone": lambda d: shutil.rmtree(d.root / ".probec/blobs"),
    "the response log": lambda d: (d.root / ".probec/responses.sqlite").touch(),
    "a partial object": lambda d: written(d.root / "build/objects/tmp/half"),
    "a byte of the receipt": lambda d: quietly(
        first(d, "build/receipts/*"), b"none ran", b"none RAN"
    ),
    "half of the receipt": lambda d: shortened(d, 5000),
    "all of the receipt": lambda d: shortened(d, 0),
    "a package, installed": lambda d: (d.packages / "one-1.0.dist-info").mkdir(exist_ok=True),
}


# Changes that are noticed by what a process compares before it loads the compiler.
IN_A_PROCESS = (
    "the spec, edited",
    "an object, cut short",
    "half of the receipt",
    "a package, installed",
)


@pytest.mark.parametrize("change", IN_A_PROCESS)
def test_a_change_invalidates_the_receipt_and_a_full_run_writes_a_new_one(
    desk: Desk, change: str
) -> None:
    CHANGES[change](desk)
    time.sleep(CODE_REST if "package" in change else REST)
    missed, told = desk.run(), desk.run()

    assert (missed.code, missed.hit) == (0, False), missed.err
    assert (told.code, told.hit) == (0, True), told.err
    assert told.up_to_date


def test_a_change_of_the_code_invalidates_the_receipt(desk: Desk) -> None:
    for change in (
        lambda: padded(desk.code / "compiler/stages/score.py"),
        lambda: (desk.code / "compiler/new.py").write_text("", encoding="utf-8"),
    ):
        desk.settle()
        change()
        # The next build may have loaded either version, so it leaves no receipt.
        assert not desk.run().hit
        assert not desk.run().hit
        time.sleep(CODE_REST)


def test_a_project_nested_between_spec_and_project_invalidates_the_receipt(desk: Desk) -> None:
    (desk.root / "specs/prompts").mkdir()
    other = desk.run()
    (desk.root / "specs/prompts").rmdir()

    assert (other.code, other.hit) == (2, False)
    assert desk.run().hit


@pytest.mark.parametrize(
    "args",
    [
        ("--set", "budget.max_usd=7"),
        ("--max-usd", "3"),
        ("--jobs", "1"),
        ("--detach",),
        ("--build-dir", "build"),
    ],
    ids=lambda args: args[0],
)
def test_a_receipt_is_not_valid_for_another_command_line(desk: Desk, args: tuple[str, ...]) -> None:
    other, other_again = desk.run(*args), desk.run(*args)

    assert (other.code, other.hit) == (0, False)
    assert (other_again.hit, other_again.out) == (True, other.out)
    assert desk.run().hit


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:9"),
        ("HF_HOME", "/nowhere"),
        ("PYTHONHASHSEED", "1"),
        ("PYTHONOPTIMIZE", "1"),
    ],
)
def test_a_receipt_is_not_valid_in_another_environment(desk: Desk, name: str, value: str) -> None:
    run = desk.start if name.startswith("PYTHON") else desk.run
    other = run(environment={name: value})

    assert (other.code, other.hit) == (0, False)
    assert run(environment={name: value}).hit
    # There is one receipt for each command line, now with the last environment.
    assert not desk.run().hit


def test_a_receipt_is_not_valid_under_other_python_flags(desk: Desk) -> None:
    assert not desk.start("-s").hit


def test_a_receipt_is_not_valid_in_another_working_directory(desk: Desk, tmp_path: Path) -> None:
    here, there = desk.run(), desk.run(cwd=tmp_path)

    assert (here.hit, there.hit) == (True, False)
    assert "dataset: build/datasets/tiny" in here.out
    assert f"dataset: {desk.root}/build/datasets/tiny" in there.out


def test_builds_of_two_variants_share_replies_and_no_directory(desk: Desk) -> None:
    """The second build writes to the response log, so the first plans once more."""
    louder = ("--set", "calibration.level=1", "--build-dir", "turns")
    plain = ("--build-dir", "turns")
    desk.run(*plain)
    desk.run(*louder)
    first_again, at_once = desk.run(*plain), desk.run(*plain)
    card = (desk.root / "turns/datasets/tiny/README.md").read_text(encoding="utf-8")
    second_again, third = desk.run(*louder), desk.run(*plain)

    assert not first_again.hit
    assert first_again.up_to_date
    assert at_once.hit
    assert (second_again.hit, third.hit) == (True, True)
    assert card == (desk.root / "turns/datasets/tiny/README.md").read_text(encoding="utf-8")


def test_a_receipt_is_not_valid_for_changed_content(desk: Desk) -> None:
    """Change content even where size, modification time and inode stay the same."""
    path = desk.root / "specs/data/tiny.jsonl"
    before = path.read_bytes()
    quietly(path, b'"continuation": "', b'"continuation": \t')
    refused = desk.run()
    path.write_bytes(before)

    assert not refused.hit
    assert refused.code == 1, refused.out
    assert "not JSON" in refused.err


def test_a_receipt_does_not_bypass_the_lock_of_a_running_build(desk: Desk) -> None:
    with (desk.root / "build/.lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        busy = desk.run()

    assert (busy.code, busy.hit) == (1, False)
    assert "another process is writing" in busy.err
    assert desk.run().hit


def test_every_opened_file_is_watched(desk: Desk) -> None:
    """Do a full run and record every file that it opens."""
    (desk.root / "build/sources.json").unlink()
    shutil.rmtree(desk.root / "build/receipts")
    shutil.rmtree(desk.root / "build/objects/tmp", ignore_errors=True)
    script = desk.root.parent / "listen.py"
    script.write_text(
        "import sys\n"
        "heard = set()\n"
        "def hear(event, values):\n"
        "    if event in ('open', 'sqlite3.connect'):\n"
        "        heard.add(str(values[0]))\n"
        "sys.addaudithook(hear)\n"
        "from compiler import cli\n"
        "code = cli.main()\n"
        "print(*sorted(heard), sep='\\n', file=sys.stderr)\n"
        "raise SystemExit(code)\n",
        encoding="utf-8",
    )
    time.sleep(CODE_REST)
    done = subprocess.run(
        [sys.executable, script, "build", SPEC],
        cwd=desk.root,
        env={**os.environ, "PYTHONPATH": str(desk.code)},
        capture_output=True,
        text=True,
        check=True,
    )
    opened = {os.path.join(desk.root, line) for line in done.stderr.splitlines()}
    content = desk.content()
    watched = {*content["files"]}
    trees = tuple(f"{tree}/" for tree in content["trees"])
    missing = {
        os.path.relpath(path, desk.root)
        for path in opened
        if path not in watched and not path.startswith(trees) and "__pycache__" not in path
        if path.startswith(str(desk.root.parent))
    }

    assert "tiny.jsonl" in str(watched)
    # The cache of source digests, the locks, the receipts themselves, and the recording script.
    missing = {re.sub(r"\.\d+\.tmp$", "", name) for name in missing}
    assert {name for name in missing if not name.startswith("build/receipts/")} <= {
        "build/.lock",
        "build/locks/.lock",
        "build/locks/tiny/.lock",
        "build/sources.json",
        "build/.sources.json",
        "../listen.py",
    }


def gc(desk: Desk, *args: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-m", "compiler", "cache", "gc", *args, "--json"],
        cwd=desk.root,
        env={**os.environ, "PYTHONPATH": str(desk.code)},
        capture_output=True,
        text=True,
        check=True,
    )
    removed: list[str] = json.loads(done.stdout)["removed"]
    return removed


def test_gc_removes_invalid_receipts(desk: Desk) -> None:
    folder = desk.root / "build"
    shutil.rmtree(folder / "receipts")
    desk.run()
    (kept,) = receipt.everywhere(folder)
    desk.run("--set", "budget.max_usd=9")
    (gone,) = {*receipt.everywhere(folder)} - {kept}
    padded(gone)
    dry, done, more = gc(desk, "--dry-run"), gc(desk), gc(desk)

    assert dry == done
    assert str(gone) in done
    assert more == []
    assert receipt.everywhere(folder) == [kept]
    assert desk.run().hit
    # A removed file makes the receipts that refer to it invalid.
    manifest = first(desk, "build/steps/*/*")
    assert receipt.useless(folder, []) == set()
    assert receipt.useless(folder, [manifest]) == {kept}


# The tests below build in this process, in which the compiler is already loaded.


def test_a_command_line_called_from_a_program_uses_no_receipt(
    probec: Probec, project: Path
) -> None:
    """Programs may have patched the compiler, which no stamp shows."""
    assert probec("build", SPEC) == 0
    assert probec("build", SPEC) == 0

    assert probec.out.startswith("everything is up to date")
    assert not (project / "build/receipts").exists()


def make(project: Path, began: int, *args: str) -> list[Path]:
    """Build in this process, as if its command line was read at `began`; return the receipts."""
    parser = argparse.ArgumentParser()
    build_command.add_arguments(parser)
    parsed = parser.parse_args([str(project / SPEC), *args])
    opened = opening.project(arguments.variant(parsed))
    builds.make(opened, Silent(), None, Workers(), asked=Request("one.json", began, ""))
    return receipt.everywhere(project / "build")


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Provide a built project for all changes that a build in this process finds and undoes."""
    place = tmp_path_factory.mktemp("settled")
    made = Place(make_project(place / "project"), place / "code", place / "site-packages")
    time.sleep(REST)
    make(made.root, time.time_ns())
    return made


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in IN_A_PROCESS])
def test_a_change_is_found_by_stamps_and_the_next_build_writes_a_new_receipt(
    settled: Place, change: str
) -> None:
    build = settled.root / "build"
    (kept,) = receipt.everywhere(build)
    assert receipt.useless(build, []) == set()
    CHANGES[change](settled)
    found = receipt.useless(build, [])
    time.sleep(REST)

    assert found == {kept} if kept.exists() else not receipt.everywhere(build)
    assert make(settled.root, time.time_ns()) == [kept]
    assert receipt.useless(build, []) == set()


def test_a_page_beside_the_data_leaves_the_receipt_valid(settled: Place) -> None:
    build, dataset = settled.root / "build", settled.root / "build/datasets/tiny"
    written(dataset / "report.html")
    assert receipt.useless(build, []) == set()
    written(dataset / "data/other.parquet")
    assert receipt.useless(build, []) == {*receipt.everywhere(build)}

    (dataset / "data/other.parquet").unlink()


def test_an_input_changed_during_the_build_prevents_a_receipt(project: Path) -> None:
    time.sleep(0.1)
    for name in (SPEC, "specs/base.yaml", "prompts/judge/base/user.j2", "specs/data/tiny.jsonl"):
        assert make(project, time.time_ns()) == [project / "build/receipts/one.json"]
        (project / "build/receipts/one.json").unlink()
        late = time.time_ns()
        time.sleep(0.06)
        (project / name).touch()

        # Once as if it had been read before the change, and once as if right afterwards.
        assert make(project, late) == []
        assert make(project, (project / name).stat().st_ctime_ns + stamps.MARGIN_NS // 2) == []
        time.sleep(0.06)


VANISHING = {
    "the spec": SPEC,
    "the base spec": "specs/base.yaml",
    "a prompt": "prompts/judge/together/*",
    "all templates": "templates",
    "the source": "specs/data/tiny.jsonl",
    "a manifest": "build/steps/*/*",
    "a head": "build/heads/tiny/judge/*",
    "an object": "build/objects/*/*",
    "an installed file": "build/datasets/tiny/README.md",
    "a lock": "build/rounds/tiny/*.json",
    "a blob": ".probec/blobs/*/*",
}


@pytest.mark.parametrize("what", VANISHING)
def test_a_file_deleted_during_the_build_prevents_a_receipt(
    project: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def vanish(*args: object) -> list[tuple[Lock, bool]]:
        locks = lock_rounds(*args)  # pyrefly: ignore[bad-argument-type]
        path = sorted(project.glob(VANISHING[what]))[0]
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        return locks

    time.sleep(0.1)
    monkeypatch.setattr(builds, "lock_rounds", vanish)

    assert make(project, time.time_ns()) == []


def test_a_file_truncated_during_the_build_prevents_a_receipt(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*args: object) -> list[tuple[Lock, bool]]:
        os.truncate(sorted(project.glob("build/objects/*/*"))[0], 5)
        return lock_rounds(*args)  # pyrefly: ignore[bad-argument-type]

    time.sleep(0.1)
    monkeypatch.setattr(builds, "lock_rounds", cut)

    assert make(project, time.time_ns()) == []


@pytest.mark.parametrize("path", ["specs/data/many", "specs/data/many/*.jsonl"])
def test_a_source_of_many_files_is_watched_for_new_ones(project: Path, path: str) -> None:
    (project / "specs/data/many").mkdir()
    shutil.copy(project / "specs/data/tiny.jsonl", project / "specs/data/many/one.jsonl")
    time.sleep(0.1)
    found = make(project, time.time_ns(), "--set", f"source.path={path}")

    assert len(found) == 1
    assert receipt.useless(project / "build", []) == set()
    (project / "specs/data/many/two.jsonl").write_text("", encoding="utf-8")
    assert receipt.useless(project / "build", []) == {*found}


@pytest.mark.parametrize(
    "name", ["refs/main", ".no_exist/abc/tokenizer.json", "snapshots/abc/tokenizer.json"]
)
def test_a_hub_tokenizer_is_watched_in_its_cache(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    file = tmp_path / "models--owner--name/snapshots/abc/tokenizer.json"
    file.parent.mkdir(parents=True)
    data = (project / "specs/data/bpe-8k.json.gz").read_bytes()
    file.write_bytes(gzip.decompress(data))
    monkeypatch.setattr(tokens, "_cached", lambda name: file)
    time.sleep(0.1)
    found = make(project, time.time_ns(), "--set", "source.tokenizer=owner/name")

    assert len(found) == 1
    assert receipt.useless(project / "build", []) == set()
    changed = tmp_path / "models--owner--name" / name
    changed.parent.mkdir(parents=True, exist_ok=True)
    changed.touch()
    assert receipt.useless(project / "build", []) == {*found}


def test_a_source_that_is_not_a_local_file_prevents_a_receipt(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"file://{project}/specs/data/tiny.jsonl"

    assert make(project, time.time_ns(), "--set", f"source.path={url}") == []


def test_a_build_that_leaves_open_batches_prevents_a_receipt(project: Path) -> None:
    time.sleep(0.1)
    make(project, time.time_ns())
    (project / "build/receipts/one.json").unlink()
    journal = Journal(project / ".probec/batches")
    journal.seal(Shard(1, "http://127.0.0.1:9", "a", State.IN_PROGRESS, 1, 2, "", 0.0, 0), [])
    journal.close()

    assert make(project, time.time_ns()) == []
