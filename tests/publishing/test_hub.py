"""Pushes to a loopback Hub: commits, tags, faults and receipts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.engine.lock import building
from compiler.publishing import hub as door
from tests.conftest import ROOT, Probec
from tests.hub import TOKEN, Fault, LoopbackHub, Repository, Stored
from tests.publishing.conftest import publishing

# The library uploads files in a way that its transport is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:Use .content=:DeprecationWarning")

SPEC = "specs/tiny.yaml"
TO = "hf://datasets/me/probes"
DATA = ["data/train-round-000.parquet", "data/train-round-001.parquet"]
CARD = ["README.md", "publication.json"]
TEXTS = sorted([*CARD, "audits.jsonl", "card.json", "rejects.jsonl", "stats.json"])


@pytest.fixture
def push(tiny: None, probec: Probec) -> Callable[..., dict[str, Any]]:
    """Provide the push of a built dataset."""
    return lambda *args: probec.json("push", SPEC, "--to", TO, *args)


def repository(hub: LoopbackHub) -> Repository:
    return hub.repositories["me/probes"]


def files(repository: Repository, branch: str = "main") -> list[str]:
    return sorted(repository.head(branch).files)


def edit(project: Path, probec: Probec, text: str = "A card with another sentence.\n") -> None:
    """Change the card alone, as a build with another template does."""
    template = project / "templates/card.md.j2"
    template.write_text(template.read_text(encoding="utf-8") + text, encoding="utf-8")
    assert probec("build", SPEC) == 0


def test_a_dataset_is_published_in_one_commit_and_pushing_again_makes_none(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    first = push()
    requests = len(hub.log)
    again = push()

    repo = repository(hub)
    assert [each.title[:13] for each in repo.commits] == ["initial commi", "Publish tiny,"]
    assert files(repo) == sorted([".gitattributes", *DATA, *TEXTS])
    assert repo.private
    local = project / "build/datasets/tiny"
    for name in (*DATA, "stats.json"):
        assert repo.head().files[name].data == (local / name).read_bytes()
    assert first["commits"] == [repo.head().oid]
    assert len(hub.calls("POST", "/commit/")) == 1
    assert (again["commits"], again["unchanged"]) == ([], sorted([*DATA, *TEXTS]))
    # The head, its tags, its files, and nothing else.
    assert [(r.method, r.path.rpartition("/")[0]) for r in hub.log[requests:]] == [
        ("GET", "/api/datasets/me/probes/revision"),
        ("GET", "/api/datasets/me/probes"),
        ("GET", "/api/datasets/me/probes/tree"),
    ]
    receipts = (project / "build/pushes/tiny.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(receipts) == 1
    assert json.loads(receipts[0])["commits"] == first["commits"]


def test_the_token_is_sent_and_never_shown(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    push()
    shown = probec.out + probec.err
    hub.fail(Fault("GET", "/revision/", 401))
    assert probec("push", SPEC, "--to", TO) == 4

    assert {r.token for r in hub.log if r.path.startswith("/api/datasets/")} == {TOKEN}
    written = "".join(path.read_text() for path in (project / "build/pushes").iterdir())
    assert TOKEN not in shown + probec.out + probec.err + written


def test_every_locked_round_has_a_tag_that_stays(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    rounds = push()["rounds"]
    assert isinstance(rounds, dict)
    tags = {f"round-{index}-{hash_[:12]}" for index, hash_ in rounds.items()}
    commit = repository(hub).head().oid
    edit(project, probec)
    second = push()

    assert len(tags) == 2
    assert repository(hub).tags == dict.fromkeys(tags, commit)
    assert second["replaced"] == CARD
    assert second["tags"] == []
    assert repository(hub).head().oid != commit


def test_a_new_round_sends_its_files_and_the_texts(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    publishing(project, "splits: {train: 0.5, test: 0.5}\nconfigs: [documents]")
    first = push()
    spec = project / SPEC
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("[{docs: 4}, {docs: 2}]", "[{docs: 4}, {docs: 2}, {docs: 1}]"))
    assert probec("build", SPEC) == 0, probec.err
    puts = len(hub.calls("PUT", "/objects/"))
    second = push()

    added, unchanged = second["added"], second["unchanged"]
    assert isinstance(added, list)
    assert [name.partition("-")[2] for name in added] == ["round-002.parquet"] * len(added)
    data = [name for name in first["added"] if name.endswith(".parquet")]
    assert [name for name in unchanged if name.endswith(".parquet")] == data
    assert len(hub.calls("PUT", "/objects/")) == puts + len(added)
    assert len(hub.calls("POST", "/commit/")) == 2
    assert len(second["tags"]) == 1


def test_a_document_that_is_taken_out_replaces_one_file_once_its_tags_are_gone(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    import pyarrow.parquet as pq

    tags = push()["tags"]
    assert isinstance(tags, list)
    path = project / "build/datasets/tiny" / DATA[0]
    gone = pq.read_table(path, columns=["doc_id"]).to_pydict()["doc_id"][0]
    (project / "gone.txt").write_text(gone, encoding="utf-8")
    publishing(project, "exclude: gone.txt")
    # Both tags name a commit that still has the document.
    assert probec("push", SPEC, "--to", TO) == 1
    refused = probec.err
    repository(hub).tags.clear()
    pushed = push()

    assert all(tag in refused for tag in tags)
    assert "delete the tags on the Hub, and push again" in refused
    assert pushed["replaced"] == sorted({DATA[0], *TEXTS} - {"audits.jsonl"})
    assert pushed["unchanged"] == ["audits.jsonl", DATA[1]]
    assert pushed["tags"] == tags


def test_a_dry_run_only_reads(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    found = push("--dry-run")

    assert hub.repositories == {}
    assert {r.method for r in hub.log} == {"GET"}
    assert found["notes"] == ["creates the private repository me/probes"]
    assert found["added"] == sorted([*DATA, *TEXTS])
    assert not (project / "build/pushes").exists()


def test_our_stale_files_are_deleted_and_others_stay(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    repo = hub.make("me/probes")
    ours = {"data/train-round-007.parquet": Stored(b"old", True)}
    theirs = {"LICENSE": Stored(b"text", False), "figures/one.png": Stored(b"png", False)}
    repo.refs["main"] = repo.commit(repo.head(), repo.head().files | ours | theirs, "By hand").oid
    pushed = push()

    assert pushed["deleted"] == [*ours]
    assert files(repo) == sorted([".gitattributes", *theirs, *DATA, *TEXTS])


def test_a_foreign_file_that_would_be_read_as_data_stops_the_push(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    repo = hub.make("me/probes")
    foreign = {"data/train-00000-of-00002.parquet": Stored(b"x", True)}
    repo.refs["main"] = repo.commit(repo.head(), {**repo.head().files, **foreign}, "By hand").oid

    assert probec("push", SPEC, "--to", TO) == 1
    assert "data/train-00000-of-00002.parquet, which no push wrote, would be read" in probec.err
    assert not hub.calls("POST", "")


def test_visibility_is_that_of_the_option_or_the_spec(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    push("--public")

    assert not repository(hub).private
    assert probec("push", SPEC, "--to", TO, "--private") == 1
    assert "the repository is public, not as --private asks" in probec.err
    push()


def test_a_branch_is_made_and_committed_to(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]]
) -> None:
    hub.make("me/probes")
    push("--revision", "next")

    assert files(repository(hub)) == [".gitattributes"]
    assert files(repository(hub), "next") == sorted([".gitattributes", *DATA, *TEXTS])


def test_a_pull_request_is_opened_once_and_continued(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    hub.make("me/probes")
    first = push("--pr")
    unchanged = push("--pr")
    edit(project, probec)
    second = push("--pr")
    hub.closed.add(1)
    third = push("--pr")

    assert first["pull_request"] == f"{hub.url}/datasets/me/probes/discussions/1"
    assert unchanged["commits"] == []
    assert second["replaced"] == CARD
    assert third["pull_request"] == f"{hub.url}/datasets/me/probes/discussions/2"
    repo = repository(hub)
    assert files(repo) == [".gitattributes"]
    assert repo.refs["refs/pr/1"] == second["commits"][0]
    assert repo.tags == {}


@pytest.mark.parametrize("break_it", ["card", "rows", "license", "ledger"])
def test_a_failed_gate_sends_no_request(
    break_it: str,
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    project: Path,
    probec: Probec,
) -> None:
    if break_it == "license":
        spec = project / SPEC
        lines = spec.read_text(encoding="utf-8").splitlines(True)
        spec.write_text("".join(e for e in lines if not e.startswith("  license")))
        assert probec("build", SPEC) == 0
    folder = project / "build/datasets/tiny"
    name = {"card": "README.md", "rows": DATA[0], "ledger": "rejects.jsonl"}.get(break_it)
    if name is not None:
        path = folder / name
        data = path.read_bytes()
        path.write_bytes(b"" if break_it == "ledger" else data[:-1] + bytes([data[-1] ^ 1]))

    assert probec("push", SPEC, "--to", TO) == 1
    assert hub.log == []
    expected = {
        "card": "README.md: its content changed",
        "rows": "data/train-round-000.parquet: its bytes changed",
        "license": "no license is declared (set publish.license, and build again)",
        "ledger": "rejects.jsonl has 0 bytes",
    }
    assert expected[break_it] in probec.err


def test_a_card_that_the_rows_do_not_bear_out_is_not_pushed(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], project: Path, probec: Probec
) -> None:
    """Change the template to state a number that no row bears out."""
    edit(project, probec, "\n12 probes over 3 documents\n")

    assert probec("push", SPEC, "--to", TO) == 1
    assert "the card has" in probec.err
    assert "contradictions" in probec.err
    assert hub.log == []


def test_a_row_group_above_the_limit_of_the_viewer_stops_the_push(
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    probec: Probec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("compiler.publishing.gate.GROUP_BYTES", 10_000)

    assert probec("push", SPEC, "--to", TO) == 1
    assert "the dataset viewer reads at most 10,000" in probec.err
    assert hub.log == []


FAULTS = [
    (("GET", "/revision/main", 401), 4, "the Hub knows no such token"),
    (("POST", "/repos/create", 403), 4, "the token may not write here"),
    (("PUT", "/objects/", 400), 1, "the Hub refused"),
    (("PUT", "/objects/", 0), 1, "the connection failed"),
    (("PUT", "/objects/", 500), 1, "the Hub failed (500)"),
    (("POST", "/commit/", 403), 4, "the token may not write here"),
    (("POST", "/commit/", 404), 1, "there is no such dataset"),
    (("POST", "/commit/", 409), 1, "it conflicts with a change by someone else"),
    (("POST", "/commit/", 412), 1, "someone else has committed since its head was read (412)"),
    (("POST", "/commit/", 429), 1, "wait 17 seconds"),
    (("POST", "/commit/", 503), 1, "the Hub failed (503)"),
    (("POST", "/commit/", 0), 1, "the connection failed"),
]


def test_a_fault_leaves_the_head_and_the_next_push_completes_it(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    for fault, code, message in FAULTS:
        hub.fail(Fault(*fault, times=100, headers={"Retry_After": "17"}))
        assert probec("push", SPEC, "--to", TO) == code, fault
        assert message in probec.err, fault
        assert "published" in probec.err or "while its head was read" in probec.err, fault
        assert "Traceback" not in probec.err
        assert [len(repo.commits) for repo in hub.repositories.values()] in ([], [1]), fault
        hub.faults.clear()
    pushed = push()

    assert pushed["commits"] == [repository(hub).head().oid]
    assert files(repository(hub)) == sorted([".gitattributes", *DATA, *TEXTS])


def test_a_lost_answer_to_a_commit_is_no_failure(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    hub.fail(Fault("POST", "/commit/", 504, late=True))
    pushed = push()

    assert pushed["commits"] == [repository(hub).head().oid]
    assert len(hub.calls("POST", "/commit/")) == 1
    assert len(repository(hub).tags) == 2


def test_a_commit_whose_arrival_is_unknown_is_not_called_unpublished(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    hub.make("me/probes")
    lost = Fault("GET", "/revision/", 0, times=0)

    def go() -> None:
        lost.times = 100

    hub.fail(Fault("POST", "/commit/", 0, late=True, act=go))
    hub.fail(lost)
    assert probec("push", SPEC, "--to", TO) == 1
    shown = probec.err
    lost.times = 0
    again = push()

    assert "which may have arrived" in shown
    assert "nothing was published" not in shown
    assert (again["commits"], len(hub.calls("POST", "/commit/"))) == ([], 1)
    assert len(repository(hub).tags) == 2


def test_an_upload_that_breaks_once_is_tried_again(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]]
) -> None:
    hub.fail(Fault("PUT", "/objects/", 0))
    hub.fail(Fault("PUT", "/objects/", 500))
    push()

    assert files(repository(hub)) == sorted([".gitattributes", *DATA, *TEXTS])


def test_an_upload_without_progress_ends(
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    probec: Probec,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "_SECONDS", 0.1)
    hub.fail(Fault("PUT", "/objects/", 200, times=6, seconds=0.25))

    assert probec("push", SPEC, "--to", TO) == 1
    assert "the connection failed while data/train-round-000.parquet was uploaded" in probec.err
    assert "nothing was published" in probec.err


def test_a_commit_by_someone_else_between_read_and_commit_stays(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    repo = hub.make("me/probes")

    def meddle() -> None:
        files = {**repo.head().files, "note.md": Stored(b"hello", False)}
        repo.refs["main"] = repo.commit(repo.head(), files, "Theirs").oid

    hub.fail(Fault("PUT", "/objects/", 500, act=meddle))
    assert probec("push", SPEC, "--to", TO) == 1
    assert "someone else has committed" in probec.err
    theirs = files(repo)
    push()

    assert theirs == [".gitattributes", "note.md"]
    assert files(repo) == sorted([".gitattributes", "note.md", *DATA, *TEXTS])


def test_a_tag_that_names_other_rows_stops_the_push_before_anything_is_sent(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    rounds = push("--dry-run")["rounds"]
    assert isinstance(rounds, dict)
    repo = hub.make("me/probes")
    tag = f"round-0-{rounds['0'][:12]}"
    repo.tags[tag] = repo.head().oid

    assert probec("push", SPEC, "--to", TO) == 1
    assert f"the tags of these rounds: {tag} ({repo.head().oid[:12]})" in probec.err
    assert not hub.calls("POST|PUT", "")
    assert repo.tags == {tag: repo.commits[0].oid}


def test_a_tag_made_meanwhile_is_reported_and_the_commit_named(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec
) -> None:
    hub.fail(Fault("POST", "/tag/", 409))
    assert probec("push", SPEC, "--to", TO) == 1
    shown = probec.err
    again = push()

    assert f"the commit {repository(hub).head().oid[:12]} is published" in shown
    assert again["commits"] == []
    assert len(again["tags"]) == 2


def test_more_files_than_a_commit_holds_go_data_first_and_card_last(
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(door, "_FILES", 3)
    pushed = push()

    _, first, second, third = repository(hub).commits
    assert pushed["commits"] == [first.oid, second.oid, third.oid]
    assert first.files.keys() - {".gitattributes"} == {*DATA, "audits.jsonl"}
    assert third.files.keys() - second.files.keys() == set(CARD)
    assert third.title.endswith("(3 of 3)")


def test_a_killed_push_leaves_the_head_and_the_next_sends_only_what_is_missing(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], project: Path
) -> None:
    hub.make("me/probes")
    command = [sys.executable, "-m", "compiler", "push", SPEC, "--to", TO]
    environment = {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "HF_TOKEN": TOKEN}
    environment |= {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(project)}
    with subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:

        def second() -> None:
            hub.fail(Fault("PUT", "/objects/", 0, act=process.kill))

        # The process is killed in its second upload.
        hub.fail(Fault("POST", "/verify", 200, act=second, late=True))
        process.communicate()
    head = repository(hub).head().title
    stored = len(hub.objects)
    puts = len(hub.calls("PUT", "/objects/"))
    push()

    assert process.returncode == -9
    assert (head, stored) == ("initial commit", 1)
    assert len(hub.calls("PUT", "/objects/")) == puts + 1
    assert files(repository(hub)) == sorted([".gitattributes", *DATA, *TEXTS])


def test_a_push_waits_for_no_build_of_another_dataset(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    with building(project / "build", "other", "probec build", lambda: None):
        assert push()["commits"]
    with building(project / "build", "tiny", "probec build", lambda: None):
        assert probec("push", SPEC, "--to", TO) == 1
    assert "another process is writing this dataset, tiny" in probec.err


def test_a_directory_is_pushed_as_it_is(
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    probec: Probec,
    project: Path,
) -> None:
    """Push the installed directory, which knows no spec, then a copy that no lock names."""
    push()
    same = probec.json("push", "build/datasets/tiny", "--to", TO)
    shutil.copytree(project / "build/datasets/tiny", project / "elsewhere/tiny")
    copy = probec.json("push", "elsewhere/tiny", "--to", "hf://datasets/me/copy")

    assert (same["replaced"], same["tags"]) == (CARD, [])
    assert copy["rounds"] == {}
    assert hub.repositories["me/copy"].tags == {}
    assert probec("push", "specs", "--to", TO) == 1
    assert "no build installed this dataset" in probec.err


def test_a_variant_is_pushed_from_its_own_directory(
    hub: LoopbackHub, push: Callable[..., dict[str, Any]], probec: Probec, project: Path
) -> None:
    push()
    change = ("--set", "publish.languages=[de]")
    assert probec("push", SPEC, *change, "--to", "hf://datasets/me/other") == 1
    assert "`probec build specs/tiny.yaml --set 'publish.languages=[de]'`" in probec.err
    assert "me/other" not in hub.repositories
    assert probec("build", SPEC, *change) == 0
    pushed = probec.json("push", SPEC, *change, "--to", "hf://datasets/me/other")

    assert b'- "de"' in hub.repositories["me/other"].head().files["README.md"].data
    receipts = Path(str(pushed["receipt"]))
    (folder,) = (project / "build/datasets").glob("tiny~*")
    assert receipts.name == f"{folder.name}.jsonl"
    assert (project / "build/staged" / folder.name / "README.md").is_file()
    assert (project / "build/pushes/tiny.jsonl").read_bytes().count(b"\n") == 1
    (folder / "stats.json").unlink()
    assert probec("push", SPEC, *change, "--to", "hf://datasets/me/other") == 1
    assert "stats.json is missing (`probec build specs/tiny.yaml --set" in probec.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ((SPEC,), "no place to push to"),
        ((SPEC, "--to", "hf://datasets/me"), "not a dataset on the Hub"),
        ((SPEC, "--to", "hf://models/me/x"), "not a dataset on the Hub"),
        ((SPEC, "--to", TO, "--pr", "--revision", "next"), "a pull request goes to"),
        ((SPEC, "--to", "out", "--pr"), "--pr: only for the Hub"),
        (("nowhere", "--to", TO), "no such directory"),
    ],
)
def test_wrong_arguments_are_named(
    args: tuple[str, ...],
    message: str,
    hub: LoopbackHub,
    push: Callable[..., dict[str, Any]],
    probec: Probec,
) -> None:
    assert probec("push", *args) == 2
    assert message in probec.err
    assert hub.log == []
