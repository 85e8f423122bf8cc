"""Specs of kind rollouts: from a corpus to a dataset that probes are made from."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compiler.llm.providers.anthropic import live
from compiler.stages.rollouts import filtering
from tests.completions import Server, serving
from tests.conftest import ROOT, Probec, until

SPEC = "specs/rollouts.yaml"
DEMO = "specs/rollouts-demo.yaml"
SMALL = ("--set", "rounds=[{docs: 4}, {docs: 2}]", "--set", "shard_docs=2")


def write(root: Path, url: str, **edits: str) -> None:
    """Write a spec of six documents behind a server. `edits`: replacements of lines by key."""
    lines = {
        "kind": "kind: rollouts",
        "name": "name: small",
        "corpus": "corpus: {path: specs/data/corpus.jsonl.gz, min_chars: 1500}",
        "rounds": "rounds: [{docs: 4}, {docs: 2}]",
        "shard": "shard_docs: 2",
        "prefix": "prefix: {unit: chars, min: 200, max: 600, boundary: sentence}",
        "siblings": "siblings: {n: 3}",
        "model": f"model: {{provider: openai-completions, model: tiny-base, base_url: '{url}'}}",
        "sampling": "sampling: {max_tokens: 120}",
        "filters": "filters: {leak: {}, loop: {}, sentence: {}, copies: {}}",
        "expect": "expect: {writer: {input: 150, output: 120}}",
        "budget": "budget: {max_usd: 0}",
    } | edits
    (root / SPEC).write_text("\n".join(lines.values()) + "\n", encoding="utf-8")


def corpus(root: Path, rows: Sequence[Mapping[str, object]]) -> str:
    """Write a corpus, and return the line of the spec that reads it."""
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "corpus.jsonl").write_text(lines, encoding="utf-8")
    return "corpus: {path: corpus.jsonl, columns: {doc_source: null}, min_chars: 300}"


def text(number: int) -> str:
    """Write a text of its own, of about 1,000 characters."""
    return " ".join(f"The keeper of lamp {number} saw ship {n} at dawn." for n in range(25))


def rows(root: Path, name: str = "small") -> list[dict[str, Any]]:
    """Read the rows of all rounds."""
    files = sorted((root / f"build/datasets/{name}/data").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def test_a_build_closes_its_ledger_and_asks_for_every_sibling_once(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        stats = probec.json("build", SPEC)["stats"]

        assert isinstance(stats, dict)
        assert [each["planned"] for each in stats["ledger"]] == [12, 6]
        for each in stats["ledger"]:
            rest = sum(each["cut"].values()) + sum(each["rejected"].values())
            assert each["planned"] == each["whole"] + rest
        assert len(server.bodies) == 18
        assert server.most_repeated == 1
        body = server.bodies[0]
        assert {"temperature", "top_p", "top_k", "min_p", "repetition_penalty", "stop", "seed"} <= {
            *body
        }
        assert len({each["seed"] for each in server.bodies}) == 18
        assert probec("build", SPEC) == 0
        assert "everything is up to date" in probec.out
        assert len(server.bodies) == 18
    kept = rows(probec.root)
    assert stats["rows"] == len(kept)
    assert all(row["continuation"] and len(str(row["prefix"])) >= 200 for row in kept)
    assert "# small" in (probec.root / "build/datasets/small/README.md").read_text("utf-8")


def test_a_filter_sends_no_request_and_reruns_nothing_above_it(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 0
        server.bodies.clear()

        ran = probec.json("build", SPEC, "--set", "filters.min_chars=500")["ran"]

        assert isinstance(ran, dict)
        assert {stage for stage, count in ran.items() if count} <= {
            *("calibrate", "filter", "publish", "release")
        }
        assert server.bodies == []
        price = probec.json("plan", SPEC, "--set", "sampling.temperature=0.5")["price"]
        assert isinstance(price, dict)
        assert price["estimates"][0]["calls"] == 18


def test_a_killed_build_repeats_no_finished_call(probec: Probec) -> None:
    with serving(stalls_after=7) as server:
        source = f"provider: openai-completions, model: tiny-base, base_url: '{server.url}'"
        write(probec.root, server.url, model=f"model: {{{source}, concurrency: 4}}")
        path = os.pathsep.join((str(ROOT), *sys.path))
        build = subprocess.Popen(
            [sys.executable, "-m", "compiler", "build", SPEC],
            cwd=probec.root,
            env={**os.environ, "PYTHONPATH": path},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        # No request is on its way: the server would answer it after it was freed.
        until(lambda: server.stalled == 4 and logged(probec.root) == 7)
        assert len(server.bodies) == 7
        build.send_signal(signal.SIGKILL)
        build.wait()
        server.stalls_after = None

        assert probec("build", SPEC) == 0, probec.err
        assert len(server.bodies) == 18
        assert server.most_repeated == 1


def logged(root: Path) -> int:
    """Count the committed replies."""
    count = root / ".probec/responses.sqlite.count"
    return int(count.read_text().split()[0]) if count.is_file() and count.read_text() else 0


def test_requests_that_were_not_served_are_sent_again(probec: Probec) -> None:
    with serving(refused=2) as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 0, probec.err
        assert len(server.bodies) == 18


def test_a_round_is_reproduced_without_its_server(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        locks = probec.json("build", SPEC)["locks"]
    assert isinstance(locks, list)
    for lock in locks:
        assert probec("reproduce", lock["hash"]) == 0, probec.out
        assert probec("verify", lock["hash"]) == 0, probec.out
    (path,) = (probec.root / "build/rounds/small").glob("0-*.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))["recorded"]
    assert recorded["servers"]["/version"] == '{"version": "0.0-test"}'
    assert "tiny-base" in recorded["servers"]["/v1/models"]


@pytest.mark.parametrize(
    ("options", "what", "detail"),
    [
        ({}, "seeds", ""),
        ({"ignores_seed": True}, "seeds", "ignores `seed`"),
        ({"context": 200}, "context", "lower sampling.max_tokens"),
        ({"textless": True}, "completions", "no text"),
        ({"model": "other"}, "model tiny-base", "unknown to the server (has: other)"),
    ],
)
def test_doctor_tells_what_a_server_cannot_do(
    probec: Probec, options: dict[str, Any], what: str, detail: str
) -> None:
    with serving(**options) as server:
        write(probec.root, server.url)
        code = probec("doctor", SPEC, "--json")
    found = {each["what"]: each for each in json.loads(probec.out)["findings"]}

    assert (code, found[what]["state"]) == ((1, "bad") if detail else (0, "ok"))
    assert detail in found[what]["detail"]


def test_doctor_reports_special_tokens_in_the_text(probec: Probec) -> None:
    with serving(leak="<|im_end|>") as server:
        write(probec.root, server.url, filters="filters: {}")
        assert probec("doctor", SPEC) == 1
    assert "special tokens" in probec.out


def build_error(probec: Probec, server: Server | None, message: str, **edits: str) -> None:
    """Build, and expect an error that holds a message."""
    url = server.url if server is not None else "http://127.0.0.1:9/v1"
    write(probec.root, url, **edits)
    assert probec("build", SPEC) != 0
    assert message in probec.err + probec.out


def test_a_server_that_is_down_and_a_wrong_model_are_named(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(model="other") as server:
        build_error(probec, server, "The model `tiny-base` does not exist")
        assert server.bodies == []
    assert probec("doctor", SPEC) == 1
    assert "ConnectError" in probec.out
    monkeypatch.setattr(live, "_WAIT_CAP", 0.0)
    assert probec("build", SPEC) == 1
    assert "ConnectError" in probec.err
    assert "check the network and base_url" in probec.err
    assert "Traceback" not in probec.err


def test_a_context_that_is_too_short_is_named(probec: Probec) -> None:
    with serving(context=100) as server:
        build_error(probec, server, "maximum context length is 100 tokens")
        assert server.bodies == []


@pytest.mark.parametrize("text", ["", " \n\n \t\u00a0 "])
def test_replies_of_nothing_but_space_are_counted(probec: Probec, text: str) -> None:
    with serving(fixed=text) as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 1
        assert len(server.bodies) == 18
    assert "FAILED: more continuations are lost than max_lost (0.75) allows" in probec.out
    assert "18 of 18 continuations (100.0%: 18 sibling_empty)" in probec.out
    assert not (probec.root / "build/datasets/small").exists()
    assert not (probec.root / "build/rounds/small").exists()
    assert probec("build", SPEC, "--set", "max_lost=1") == 1
    assert "every continuation of small was rejected" in probec.out
    assert len(server.bodies) == 18


def test_a_ledger_that_does_not_close_fails_the_build(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server:
        write(probec.root, server.url)
        kept = filtering._document

        def lost(*args: object) -> object:
            own = kept(*args)  # pyrefly: ignore[bad-argument-type]
            return replace(own, rows=own.rows[1:])

        monkeypatch.setattr(filtering, "_document", lost)
        assert probec("build", SPEC) == 1
    assert "the ledger of round 0 is open: 12 planned" in probec.err
    assert not (probec.root / "build/datasets/small").exists()


def test_neighbouring_seeds_share_no_text(probec: Probec) -> None:
    seen: list[set[str]] = []
    for seed in (7, 8, 9):
        with serving() as server:
            write(probec.root, server.url)
            assert probec("build", SPEC, "--set", f"seed={seed}") == 0
            seen.append({server.text("x", int(str(b["seed"])), 9) for b in server.bodies})
    assert [len(each) for each in seen] == [18, 18, 18]
    assert len(set.union(*seen)) == 54


def test_a_plan_states_hours_once_a_build_has_measured_the_pace(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        assert probec("plan", SPEC) == 0
        assert "hours: unknown before the first requests" in probec.out
        assert probec("build", SPEC) == 0
        assert probec("plan", SPEC) == 0
        assert "hours" not in probec.out
        assert probec("plan", SPEC, "--set", "sampling.temperature=0.5") == 0
    assert re.search(r"hours: about [\d,.]+, at the [\d,.]+ requests/s of the last", probec.out)


def test_a_change_of_the_model_shows_its_price_first(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url, prices="prices: {dear: {input: 1000, output: 5000}}")
        assert probec("build", SPEC) == 0
        server.bodies.clear()
        price = probec.json("plan", SPEC, "--set", "model.model=dear")["price"]
        assert isinstance(price, dict)
        assert price["estimates"][0]["calls"] == 18
        assert price["usd"] > 0
        assert probec("build", SPEC, "--set", "model.model=dear") == 3
        assert server.bodies == []


def test_replies_without_text_and_equal_siblings_are_counted(probec: Probec) -> None:
    with serving(textless=True) as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 1
        assert "sibling_errored" in probec.out
    with serving(ignores_seed=True, model="greedy") as server:
        write(probec.root, server.url, name="name: greedy")
        spec = probec.root / SPEC
        spec.write_text(spec.read_text("utf-8").replace("tiny-base", "greedy"), "utf-8")
        assert probec("build", SPEC) == 0
    ledger = json.loads((probec.root / "build/datasets/greedy/ledger.json").read_text())["ledger"]
    assert [each["rejected"].get("sibling_duplicate") for each in ledger] == [8, 4]


def test_rows_of_a_corpus_that_cannot_be_used_are_counted(probec: Probec) -> None:
    good: list[dict[str, Any]] = [
        {"doc_id": f"t{n}", "text": text(n), "language": "en"} for n in range(8)
    ]
    bad: list[dict[str, Any]] = [
        {"doc_id": None, "text": text(90), "language": "en"},
        {"doc_id": "null", "text": None, "language": "en"},
        {"doc_id": "blank", "text": "  \n ", "language": "en"},
        {"doc_id": "short", "text": "Too short.", "language": "en"},
        {"doc_id": "other", "text": text(91), "language": "de"},
        good[3],
    ]
    with serving() as server:
        line = corpus(probec.root, good + bad)
        line = line.replace("min_chars", "where: {language: [en]}, min_chars")
        write(probec.root, server.url, corpus=line)
        stats = probec.json("build", SPEC)["stats"]

        assert isinstance(stats, dict)
        assert stats["skips"] == {
            "row_blank": 1, "row_duplicate": 1, "row_null": 2, "row_short": 1, "row_where": 1,
        }  # fmt: skip
        twice: list[dict[str, Any]] = [
            *good,
            {"doc_id": "t0", "text": text(50), "language": "en"},
        ]
        corpus(probec.root, twice)
        assert probec("build", SPEC) == 1
        assert "the id 't0' has two different texts" in probec.err


def test_a_silent_server_is_named_with_the_setting_of_its_time_out(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LATE_WAIT", 0.0)
    with serving(stalls_after=0) as server:
        build_error(probec, server, "no byte for 1 s, 2 times", model=(
            f"model: {{provider: openai-completions, model: tiny-base, base_url: '{server.url}', "
            "read_timeout: 1}"
        ))  # fmt: skip
    assert "raise model.read_timeout" in probec.err


def test_texts_of_unspaced_scripts_are_continued(probec: Probec) -> None:
    sentence = "船长在第{}年的冬天看见了灯塔的光,然后他把船停在岛的北边。"
    chinese = [
        {"doc_id": f"z{n}", "text": "".join(sentence.format(n * 40 + k) for k in range(40))}
        for n in range(3)
    ]
    with serving(fixed=sentence.format("十") * 2 + "他没有") as server:
        prefix = "prefix: {unit: chars, min: 60, max: 300, boundary: sentence}"
        line = corpus(probec.root, chinese)
        few = {"rounds": "rounds: [{docs: 3}]", "siblings": "siblings: {n: 1}"}
        rules = "filters: {sentence: {}, min_chars: 20}"
        write(probec.root, server.url, corpus=line, prefix=prefix, filters=rules, **few)
        assert probec("build", SPEC) == 0, probec.out + probec.err
    kept = rows(probec.root)
    assert len(kept) == 3
    assert all(str(row["prefix"]).endswith("。") for row in kept)
    assert all(str(row["continuation"]).endswith("。") for row in kept)


def test_texts_without_a_long_enough_prefix_and_equal_prefixes_are_rejected(
    probec: Probec,
) -> None:
    same = [{"doc_id": f"s{n}", "text": text(1) + f" Ship {n} sank."} for n in range(2)]
    short = [{"doc_id": f"x{n}", "text": f"{'word ' * 80}{n}."} for n in range(2)]
    rest = [{"doc_id": f"t{n}", "text": text(n + 5)} for n in range(2)]
    with serving() as server:
        line = corpus(probec.root, [*same, *short, *rest])
        fixed = "prefix: {unit: chars, min: 190, max: 215, boundary: sentence}"
        write(probec.root, server.url, corpus=line, prefix=fixed, rounds="rounds: [{docs: 6}]")
        stats = probec.json("build", SPEC)["stats"]

    assert isinstance(stats, dict)
    rejected = Counter(stats["ledger"][0]["rejected"])
    assert (rejected["prefix_duplicate"], rejected["prefix_too_short"]) == (3, 6)


def test_a_spec_names_all_its_mistakes(probec: Probec) -> None:
    write(
        probec.root,
        "http://127.0.0.1:9/v1",
        prefix="prefix: {unit: tokens, min: 30, max: 20}",
        siblings="siblings: {n: 2, keep_min: 3}",
        model="model: {provider: anthropic, model: x, tempo: 3}",
        corpus="corpus: {path: nowhere.jsonl}",
    )
    assert probec("check", SPEC) == 2
    for each in ("min 30 is above max 20", "keep_min 3 is above n 2", "no provider that continues",
                 "model.tempo", "nowhere.jsonl", "need a tokenizer"):  # fmt: skip
        assert each in probec.err + probec.out


def test_a_page_shows_documents_and_a_diff_the_changed_field(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 0
    assert probec("report", SPEC, "--sample", "2") == 0, probec.err
    page = (probec.root / "build/datasets/small/report.html").read_text(encoding="utf-8")
    first = rows(probec.root)[0]
    assert str(first["doc_id"]) in page
    assert page.count("Sibling 0") == 2
    assert probec("diff", SPEC, "--set", "sampling.top_k=20") == 0, probec.err
    assert "sampling.top_k" in probec.out
    assert probec("stats", SPEC) == 0
    assert "Ledger" in probec.out


def test_a_failed_reply_is_sent_again_after_a_retry(probec: Probec) -> None:
    with serving(textless=True) as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 1
        assert probec("retry", SPEC, "--reason", "unknown") == 0, probec.err
        server.textless = False
        server.bodies.clear()
        assert probec("build", SPEC) == 0, probec.out
        assert len(server.bodies) == 18


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("source.model=x", "given beside source.model"),
        ("source.rollouts=specs/nope.yaml", "no such spec 'specs/nope.yaml'"),
        ("source.rollouts=specs/demo.yaml", "is of another kind"),
        ("kind=mice", "unknown value 'mice' (have: probes, rollouts)"),
    ],
)
def test_a_chain_that_cannot_be_is_one_mistake(probec: Probec, override: str, message: str) -> None:
    assert probec("check", "specs/rollouts-demo-probes.yaml", "--set", override) == 2
    assert message in probec.err
    assert probec.err.count("\n") <= 2, probec.err


@pytest.mark.parametrize("command", ["calibrate", "prompt"])
def test_commands_about_probes_refuse_rollouts(probec: Probec, command: str) -> None:
    write(probec.root, "http://127.0.0.1:9/v1")
    assert probec(command, SPEC) == 2
    assert "this command reads probes" in probec.err


def test_probes_are_built_from_rollouts_and_locked_with_them(probec: Probec) -> None:
    probes = "specs/rollouts-demo-probes.yaml"
    assert probec("build", probes) == 1
    assert f"run `probec build {DEMO}`" in probec.err

    above = probec.json("build", DEMO)
    found = probec.json("build", probes)

    assert isinstance(above["locks"], list)
    assert isinstance(found["stats"], dict)
    for scope in found["stats"]["build"]["ledger"]:
        assert scope["built"] >= scope["planned"] / 2, scope["scope"]
    (path,) = (probec.root / "build/rounds/rollouts-demo-probes").glob("0-*.json")
    revision = json.loads(path.read_text(encoding="utf-8"))["identity"]["source"]["revision"]
    hashes = ",".join(lock["hash"] for lock in above["locks"])
    assert revision == f"rollouts-demo@{hashes}"
    file = next((probec.root / "build/datasets/rollouts-demo-probes/data").glob("*.parquet"))
    assert probec("verify-rows", str(file)) == 0, probec.out

    spec = probec.root / DEMO
    spec.write_text(spec.read_text("utf-8").replace("min_chars: 400", "min_chars: 500"), "utf-8")
    assert probec("plan", probes) == 1
    assert "its rollouts are not up to date" in probec.err


def test_the_published_rollouts_are_declared_and_run_on_a_server(probec: Probec) -> None:
    spec = "specs/synthweb.yaml"
    assert probec("check", spec) == 0, probec.err
    with serving(model="Qwen/Qwen3.5-9B") as server:
        here = (
            *("--set", f"model.base_url={server.url}", "--set", "shard_docs=2"),
            *("--set", "corpus.path=specs/data/corpus.jsonl.gz", "--set", "corpus.where={}"),
            *("--set", "corpus.columns={}", "--set", "rounds=[{docs: 4}]"),
            *("--set", "model.tokenizer=specs/data/bpe-8k.json.gz"),
            *("--set", "sampling.max_tokens=150"),
        )
        price = probec.json("plan", spec, *here)["price"]
        assert isinstance(price, dict)
        assert sum(each["calls"] for each in price["estimates"]) == 24
        assert probec("build", spec, *here) == 0, probec.out + probec.err
        assert len(server.bodies) == 24
    kept = rows(probec.root, "synthweb-qwen3.5-9b")
    assert all(isinstance(row["retokenizes"], bool) for row in kept)
    assert all(isinstance(row["detached"], bool) for row in kept)


def test_a_dataset_is_checked_pushed_and_read_again(probec: Probec) -> None:
    published = "publish: {license: cc-by-4.0, to: published}"
    with serving() as server:
        write(probec.root, server.url, publish=published)
        assert probec("build", SPEC) == 0
    assert probec("push", SPEC) == 0, probec.err
    for place in ("build/datasets/small", "published"):
        assert probec("verify-rows", place) == 0, probec.out
        assert probec("card", place, "--check") == 0, probec.out
        assert probec("stats", place) == 0, probec.err
        assert "Ledger" in probec.out
        assert probec("report", place) == 0, probec.err
        (probec.root / place / "report.html").unlink()
    assert probec("push", SPEC) == 0, probec.err
    assert "published: unchanged, 7 files" in probec.out

    ledger = probec.root / "published/ledger.json"
    ledger.write_text(ledger.read_text("utf-8").replace('"planned": 12', '"planned": 13'), "utf-8")
    assert probec("card", "published", "--check") == 1
    assert "ledger.json round 0" in probec.out
    assert probec("verify-rows", "published") == 1
    assert "R8" in probec.out
    assert probec("push", "published", "--to", "elsewhere") == 1


def test_a_dataset_without_a_license_is_not_pushed(probec: Probec) -> None:
    with serving() as server:
        write(probec.root, server.url)
        assert probec("build", SPEC) == 0
    assert probec("push", SPEC, "--to", "published") == 1
    assert "no license is declared" in probec.err
    assert not (probec.root / "published").exists()


@pytest.mark.parametrize(
    "command",
    [("rehearse", SPEC), ("build", SPEC, "--pilot", "2")],
)
def test_more_commands_about_probes_refuse_rollouts(
    probec: Probec, command: tuple[str, ...]
) -> None:
    write(probec.root, "http://127.0.0.1:9/v1")
    assert probec(*command) == 2
    assert "this command reads probes" in probec.err
