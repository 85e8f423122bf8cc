"""User errors around a build: one clear message each, and no lost work."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO, Any

import pytest

from compiler.engine.lock import locked
from tests.conftest import Probec
from tests.e2e.test_build import SPEC, build, edit
from tests.e2e.test_cache import replies

JUDGE, GENERATOR = "judge/base/user.j2", "generator/base/system.j2"
INCLUDE = '{% include "generator/_parts/example.j2" %}'


def test_an_operating_system_error_is_one_line_that_names_it(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert probec("build", SPEC) == 1
    assert "Permission denied (check its permissions" in probec.err


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (JUDGE, "{{ question", "{{ qestion", f"{JUDGE}:1: undefined variable 'qestion'"),
        (JUDGE, "{{ answer | tagged }}", "", "unused variable 'answer'"),
        ("answerer/base/user.j2", "{% endif %}", "", "template syntax: "),
        (GENERATOR, INCLUDE, "{% include addendum %}", "dynamic include"),
        (GENERATOR, "_parts/example.j2", "_parts/gone.j2", "no such template"),
        (JUDGE, "answer | tagged", "answer | nofilter", f"{JUDGE}:3: template: No filter named"),
        (GENERATOR, INCLUDE, f'{INCLUDE}{{% include "{GENERATOR}" %}}', "includes itself"),
        ("generator/_parts/example.j2", '"decline"', '"skip"', "the key 'decline' of the reply"),
        ("generator/base/user.j2", "<slot n=", "<slot index=", "has no tag <slot n= ...>"),
        ("../templates/card.md.j2", "{{ size }}", "{{ nothere }}", "undefined variable 'nothere'"),
        ("../templates/card.md.j2", "{{ size }}", "{{ size | zzz }}", "No filter named 'zzz'"),
        ("../templates/probes/word.j2", "{% else %}", "{% elif 0 %}", "no phrasing for target"),
        ("../templates/probes/lens.j2", "{{ tokens }}", "{{ distance.x.y }}", "cannot be rendered"),
    ],
)
def test_a_broken_prompt_is_found_before_anything_runs(
    file: str, old: str, new: str, message: str, probec: Probec, project: Path
) -> None:
    edit(project / "prompts" / file, old, new)

    for command in ("check", "plan", "build"):
        assert probec(command, SPEC) == 2
        assert message in probec.err
        assert "Traceback" not in probec.err
    assert not (project / "build/objects").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("why", SPEC, "juge"), "unknown stage 'juge' (did you mean judge? have: ingest, sample"),
        (("why", SPEC, "judge", "7.0"), "no part '7.0' (have: 0.0, 0.1"),
        (("prompt", SPEC, "--doc", "nobody"), "document 'nobody' was not drawn"),
        (("prompt", SPEC, "--role", "judge", "--slot", "3"), "no written probe in slot 3"),
        (("check", SPEC, "--set", "expect.judge.scopes.hole={}"), "the spec has no scope 'hole'"),
        (
            ("check", SPEC, "--set", "scoring.compare={default: both, hole: both}"),
            "scoring.compare.hole: the spec has no scope 'hole' (did you mean whole? have: ",
        ),
        (
            ("check", SPEC, "--set", "scoring.compare={default: both, word: both}"),
            "scoring.compare.word: the scope 'word' is templated: no model answers its probes",
        ),
        (
            ("check", SPEC, "--set", "scopes.sentence.unit=sentense"),
            "unknown unit 'sentense' (did you mean sentence? have: sentence, paragraph, side)",
        ),
        (("check", SPEC, "--set", "expect.use=paper"), "'paper' is no set of expect.sets"),
        (("check", "specs/none.yaml"), "specs/none.yaml: no such spec"),
        (("build", SPEC, "--provider", "smoke"), "--provider: unknown provider 'smoke'"),
        (("check", SPEC, "--source", "x.jsonl"), "--source: source.path: no such source file"),
        (("check", SPEC, "--set", "source.path=README"), "no such source file: 'README'"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_an_unknown_name_is_reported_with_the_known_ones(
    args: tuple[str, ...], message: str, probec: Probec
) -> None:
    assert probec(*args) == 2
    assert message in probec.err


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("prompts/judge/base/user.j2", "{{ answer", "{{ 1 / 0 }}{{ answer"),
        ("templates/card.md.j2", "{{ size }}", "{{ size.a.b }}"),
    ],
)
def test_a_template_that_fails_to_render_is_named(
    file: str, old: str, new: str, probec: Probec, project: Path
) -> None:
    edit(project / file, old, new)

    assert probec("build", SPEC) == 2
    assert f"{file}: cannot be rendered: " in probec.err
    assert "Traceback" not in probec.err


@pytest.mark.usefixtures("tiny")
def test_options_may_come_between_arguments(probec: Probec) -> None:
    assert probec("why", SPEC, "--set", "scoring.compare=target_response", "judge", "0.0") == 0
    assert "params.compare: atom_text -> target_response" in probec.out


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "much"])
def test_a_budget_is_a_finite_amount(amount: str, probec: Probec) -> None:
    assert probec("build", SPEC, "--max-usd", amount) == 2
    assert f"invalid usd value: '{amount}'" in probec.err or amount == "-1"


def test_a_usage_error_exits_with_code_two(probec: Probec) -> None:
    assert probec("fly") == 2
    assert probec("build") == 2
    assert probec("--help") == 0
    assert probec("build", "--help") == 0
    assert "example: probec build specs/demo.yaml" in probec.out


def test_stats_and_prompt_before_a_build_name_the_command(probec: Probec) -> None:
    assert probec("stats", SPEC) == 1
    assert f"run `probec build {SPEC}`" in probec.err
    paid = (
        "models.generator.provider=anthropic",
        "models.generator.model=claude-haiku-4-5-20251001",
    )
    overrides = [part for each in paid for part in ("--set", each)]
    assert probec("prompt", SPEC, "--role", "judge", *overrides) == 1
    assert "run `probec build`" in probec.err


def test_errors_are_available_as_json(probec: Probec) -> None:
    assert probec("check", SPEC, "--set", "seed=-1", "--json") == 2
    assert '"path": "seed"' in probec.out


def test_a_concurrent_build_is_rejected(probec: Probec, project: Path) -> None:
    with locked(project / "build"):
        assert probec("build", SPEC) == 1
    assert "another process is writing this build directory" in probec.err
    assert build(probec)


def test_a_build_directory_that_is_a_file(probec: Probec, project: Path) -> None:
    (project / "file").write_text("", encoding="utf-8")

    assert probec("build", SPEC, "--build-dir", "file/build") == 1
    assert "--build-dir" in probec.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_build_directory_that_is_not_writable(probec: Probec, project: Path) -> None:
    (project / "build").mkdir(mode=0o555)

    assert probec("build", SPEC) == 1
    assert "not writable" in probec.err


def test_a_full_disk_is_a_clear_error_and_the_next_build_resumes(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    left = 12

    def full(handle: int | IO[bytes]) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(handle if isinstance(handle, int) else handle.fileno())

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert probec("build", SPEC) == 1
    assert "No space left on device (free some space and run the same command again" in probec.err
    ran = build(probec)
    assert "ingest" not in ran
    assert ran["release"] == 1


def test_a_build_over_budget_sends_nothing(probec: Probec, project: Path) -> None:
    paid = ["--provider", "anthropic"]
    for role in ("generator", "answerer", "judge"):
        paid += ["--set", f"models.{role}.model=claude-haiku-4-5-20251001"]

    assert probec("build", SPEC, *paid) == 3
    assert "the ceiling is $0.00" in probec.err
    assert probec("plan", SPEC, *paid) == 0
    assert "total: $" in probec.out
    assert replies(project) == {}
    assert not list((project / ".probec").rglob("*.body.json"))


def test_the_prompt_command_prints_the_sent_prompt(probec: Probec, project: Path) -> None:
    from compiler.llm.responses import ResponseLog

    build(probec)
    log = ResponseLog(project / ".probec/responses.sqlite")
    for role in ("generator", "answerer", "judge"):
        key = probec.json("prompt", SPEC, "--role", role)["key"]
        assert str(key) in log, role


def test_an_unreadable_spec_is_named_and_a_damaged_store_is_fixed(
    probec: Probec, project: Path
) -> None:
    whole = probec.json("build", SPEC)
    (project / "specs/latin.yaml").write_bytes(b"name: caf\xe9\n")
    assert probec("check", "specs/latin.yaml") == 2
    assert "not UTF-8 at byte 9" in probec.err
    for path in (project / "build/steps").rglob("*.json"):
        path.write_text("{", encoding="utf-8")
    mended = probec.json("build", SPEC)
    assert mended["ran"] == whole["ran"]
    assert mended["outputs"] == whole["outputs"]


def test_spec_options_are_rejected_without_a_spec(probec: Probec, project: Path) -> None:
    locks: Any = probec.json("build", SPEC)["locks"]
    rows, short = "build/datasets/tiny", locks[0]["hash"][:4]

    for command, named in (("stats", rows), ("stats", short), ("report", rows)):
        for option, value in (("--set", "seed=1"), ("--provider", "replay"), ("--source", "x")):
            assert probec(command, named, option, value) == 2
            assert f"{option} changes a spec, but {named} is not a spec" in probec.err
    assert probec("stats", short) == 0
    assert probec("diff", SPEC, short) == 0


@pytest.mark.parametrize("path", ["rounds[²].docs", "rounds[--5].docs", "rounds[0.docs", "a..b"])
def test_an_override_with_an_invalid_path_is_a_usage_error(path: str, probec: Probec) -> None:
    assert probec("check", SPEC, "--set", f"{path}=3") == 2
    assert "is not a path (such as rounds[0].docs)" in probec.err


@pytest.mark.parametrize("more", [("--build-dir", ""), ("--source", ""), ("--build-dir=",)])
def test_an_empty_argument_is_not_a_path(
    more: tuple[str, ...], probec: Probec, project: Path
) -> None:
    assert probec("build", SPEC, *more) == 2
    assert "an argument is empty" in probec.err
    assert not (project / "objects").exists()


@pytest.mark.usefixtures("tiny")
def test_a_step_with_a_truncated_record_runs_again(probec: Probec, project: Path) -> None:
    steps = sorted((project / "build/steps").rglob("*.json"))
    steps[0].write_bytes(b"")
    steps[1].write_bytes(steps[1].read_bytes()[:100])

    assert sum(build(probec).values()) == 2


@pytest.mark.usefixtures("tiny")
def test_a_page_cannot_replace_a_directory(probec: Probec, project: Path) -> None:
    calibrate = ("calibrate", SPEC, "--docs", "2", "--levels", "0", "--picture", "build")
    for command, option in (
        (("report", SPEC, "--out", "build"), "--out"),
        (("diff", SPEC, "--set", "scoring.rollouts=2", "--html", "build"), "--html"),
        (calibrate, "--picture"),
    ):
        assert probec(*command) == 1
        assert f"build: this is a directory (name a file with {option})" in probec.err


@pytest.mark.usefixtures("tiny")
def test_why_reports_a_locked_round_and_calibrate_counts_free_requests(
    probec: Probec, project: Path
) -> None:
    assert probec("why", SPEC, "--set", "seed=7") == 0
    assert "sample 0.0: would run" in probec.out
    assert "a build would refuse this spec: build/rounds/tiny/0-" in probec.out.replace(
        f"{project}/", ""
    )
    assert probec("why", SPEC, "--set", "scoring.rollouts=2") == 0
    assert "a build would refuse" not in probec.out

    data: Any = probec.json("calibrate", SPEC, "--docs", "2", "--levels", "1", "--dry-run")
    (level,) = data["levels"].values()
    assert sum(each["calls"] for each in level["estimates"]) > 20
    assert data["usd"] == 0
